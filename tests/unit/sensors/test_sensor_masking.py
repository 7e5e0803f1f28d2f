"""Secrets in what sensors print."""

from __future__ import annotations

import pytest

from st_ops.sensors.masking import Mask


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
    mask = Mask(["abcd1234", "no", "-----BEGIN KEY-----\nMIIE"])
    mask.add(["abcd1234-long"])
    assert mask(line) == seen
