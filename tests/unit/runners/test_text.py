from __future__ import annotations

import json
from typing import Any

import pytest

from st_ops.runners.text import DEEPEST, clean, loads, sentence
from st_ops.store.types import dumps


def levels(value: Any) -> int:
    count = 0
    while isinstance(value, list):
        value, count = value[0], count + 1
    return count


@pytest.mark.parametrize("deep", [DEEPEST + 1, 500, 900])
def test_what_is_nested_too_deeply_to_be_stored_is_cut(deep: int):
    for text in ("[" * deep + "1" + "]" * deep, b"[" * deep + b"1" + b"]" * deep):
        value = loads(text)
        assert levels(value) <= max(DEEPEST, deep if deep < 254 else 0)
        assert json.loads(dumps(value)) == value


def test_what_is_nested_beyond_all_parsers_is_no_json():
    with pytest.raises(ValueError, match="nested too deeply"):
        loads("[" * 200_000 + "]" * 200_000)


def test_many_brackets_side_by_side_are_not_deep():
    assert loads(json.dumps([[1]] * 500)) == [[1]] * 500


def test_numbers_and_text_that_only_python_takes_for_json_are_taken():
    assert loads("1" * 400) == int("1" * 400)
    assert loads('"\\ud800"') == "\ud800"
    assert json.loads(dumps([loads("1" * 400), loads('"\\ud800"')])) == ["1" * 400, "?"]


def test_a_sentence_is_text_for_any_database_and_not_a_novel():
    assert clean("a\0b\ud800ä") == "a\ufffdb\ufffd\ufffd\ufffdä"
    assert clean("ä") == "ä"
    assert sentence("x" * 5000) == "x" * 1000 + " […]"
