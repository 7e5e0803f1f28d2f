"""Secrets in what runs and sensors print and return."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from st_ops.expressions.masker import Masker
from st_ops.expressions.masking import MASK


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("token=abcd1234 ok", "token=******** ok"),
        ("abcd1234-long is another", "******** is another"),
        ("-----BEGIN KEY-----", "********"),
        ("no is too short to hide", "no is too short to hide"),
    ],
)
def test_secrets_are_replaced_the_longest_first(line, seen):
    masker = Masker(["abcd1234", "no", "-----BEGIN KEY-----\nMIIE"])
    masker.add(["abcd1234-long"])
    assert masker.text(line) == seen


SECRET = 'pa"ss wörd/\\1'


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").replace("%20", "+"),
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_a_secret_is_hidden_in_every_form_that_programs_print_it_in(form):
    assert Masker([SECRET]).text(f"<{form}>") in (f"<{MASK}>", f'<"{MASK}">')


def test_a_secret_of_several_lines_is_hidden_inside_json_too():
    key = "-----BEGIN KEY-----\nMIIEabcd\n-----END KEY-----"
    assert "MIIE" not in Masker([key]).text(json.dumps({"key": key}))


def test_every_part_of_a_structure_is_searched():
    masker = Masker([{"user": "ada99", "pins": [123456]}])
    found = masker.value({"ada99": ["x ada99", 123456, 12345, True, None], "t": ("ada99",)})
    assert found == {MASK: [f"x {MASK}", MASK, 12345, True, None], "t": [MASK]}


def test_whether_something_is_hidden_can_be_asked():
    masker = Masker(["secret"])
    assert masker.hides({"a": ["my secret"]})
    assert not masker.hides({"a": ["nothing"]})
    assert not Masker().hides("secret")


def test_text_that_is_no_unicode_does_no_harm():
    assert Masker(["ab\ud800cd"]).text("xab\ud800cd") == f"x{MASK}"
