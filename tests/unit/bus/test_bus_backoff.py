"""Pauses between tries."""

from __future__ import annotations

from st_ops.bus.backoff import Backoff


def test_pauses_double_to_a_limit_and_vary():
    backoff = Backoff(first=1, longest=4)
    pauses = [backoff.delay() for _ in range(5)]
    for pause, step in zip(pauses, [1, 2, 4, 4, 4], strict=True):
        assert step / 2 <= pause <= step


def test_pauses_begin_anew_after_a_success():
    backoff = Backoff(first=1, longest=4)
    for _ in range(5):
        backoff.delay()
    backoff.reset()
    assert backoff.delay() <= 1
