"""Many requests with one token ask for it once, and none is harmed by another's leaving."""

from __future__ import annotations

import asyncio
import threading

import pytest

from st_ops.api.auth import Callers
from st_ops.errors import Unauthorized
from st_ops.security.tokens import Identity

_HEADERS = {"x-auth-token": "t"}


class _Check:
    """Answers once it is let."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked = 0
        self.answer = threading.Event()
        self._error = error

    def __call__(self, token: str) -> Identity:
        self.asked += 1
        assert self.answer.wait(10)
        if self._error is not None:
            raise self._error
        return Identity(user="ops", admin=True)


def test_simultaneous_requests_ask_for_their_token_once() -> None:
    check = _Check()

    async def ask() -> list[str]:
        callers = Callers(check)
        waiting = [asyncio.ensure_future(callers.of(_HEADERS, b"")) for _ in range(50)]
        await asyncio.sleep(0)
        check.answer.set()
        found = await asyncio.gather(*waiting)
        # Remembered: not asked again.
        found.append(await callers.of(_HEADERS, b""))
        return [identity.user for identity, _ in found]

    assert asyncio.run(ask()) == ["ops"] * 51
    assert check.asked == 1


def test_a_refusal_reaches_all_who_wait_and_is_not_remembered() -> None:
    check = _Check(Unauthorized("no such token"))
    check.answer.set()

    async def ask() -> None:
        callers = Callers(check)
        waiting = [asyncio.ensure_future(callers.of(_HEADERS, b"")) for _ in range(3)]
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(answer) for answer in answers] == ["no such token"] * 3
        with pytest.raises(Unauthorized):
            await callers.of(_HEADERS, b"")

    asyncio.run(ask())
    assert check.asked == 2


def test_one_who_gives_up_takes_nobody_with_him() -> None:
    check = _Check()

    async def ask() -> str:
        callers = Callers(check)
        first = asyncio.ensure_future(callers.of(_HEADERS, b""))
        second = asyncio.ensure_future(callers.of(_HEADERS, b""))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        check.answer.set()
        identity, _ = await second
        return identity.user

    assert asyncio.run(ask()) == "ops"
    assert check.asked == 1
