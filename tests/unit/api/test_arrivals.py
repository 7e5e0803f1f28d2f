"""Results of another thread's commit reach the event loop: all of them, in order, in few wake-ups."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Any

import pytest

from st_ops.api.arrivals import Arrivals


def test_results_of_one_commit_arrive_in_order_and_in_one_wake_up():
    futures: list[Future[int]] = [Future() for _ in range(50)]

    async def wait() -> tuple[list[list[int]], int]:
        loop = asyncio.get_running_loop()
        arrivals: Arrivals[int] = Arrivals()
        waiting = [
            asyncio.ensure_future(arrivals.all_of(futures[start : start + 5])) for start in range(0, 50, 5)
        ]
        await asyncio.sleep(0)
        plainly, woken = loop.call_soon_threadsafe, []

        def counted(*given: Any) -> Any:
            woken.append(given)
            return plainly(*given)

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign, assignment]
        thread = threading.Thread(target=_resolve, args=(futures,))
        thread.start()
        # The loop stands still until all are resolved, as it does while it serves other requests.
        thread.join()
        return list(await asyncio.gather(*waiting)), len(woken)

    found, wake_ups = asyncio.run(wait())
    assert found == [list(range(start, start + 5)) for start in range(0, 50, 5)]
    assert wake_ups == 1


def _resolve(futures: list[Future[int]]) -> None:
    for number, future in enumerate(futures):
        future.set_result(number)


def test_the_first_failure_is_raised_and_the_others_are_not_left_unseen():
    futures: list[Future[int]] = [Future() for _ in range(3)]

    async def wait() -> None:
        told: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        waiting = asyncio.ensure_future(Arrivals[int]().all_of(futures))
        await asyncio.sleep(0)
        futures[0].set_result(1)
        futures[1].set_exception(ValueError("second"))
        futures[2].set_exception(ValueError("third"))
        with pytest.raises(ValueError, match="second"):
            await waiting
        assert told == []

    asyncio.run(wait())


def test_what_was_resolved_before_is_there_at_once():
    done: Future[str] = Future()
    done.set_result("here")
    assert asyncio.run(Arrivals[str]().all_of([done])) == ["here"]
