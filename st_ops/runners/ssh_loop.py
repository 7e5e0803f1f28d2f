"""The event loop on which all SSH of a worker happens, and the work on many hosts at once.

One thread, and one connection for each host and credentials, shared by every runner that reaches hosts.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from st_ops.model.executions import Outcome
from st_ops.model.status import Status
from st_ops.runners.base import Stop
from st_ops.runners.options import SshOptions
from st_ops.runners.ssh_connections import Connections, Target

#: Seconds between two looks at which connections are idle.
_IDLE_LOOK = 15.0

#: Seconds that connections get to close.
_CLOSE_SECONDS = 5.0

#: What is done on one host: its name in the result, how to get in, and the event that asks it to stop.
HostWork = Callable[[str, Target, asyncio.Event], Awaitable[dict[str, Any]]]

T = TypeVar("T")


class Stopped(Exception):
    """Raised when the work on a host was asked to stop, after it did."""


class OutOfTime(Exception):
    """Raised when the work on a host took too long, after it was stopped."""


class SshLoop:
    """Starts with the first use. ``on_each`` may be called from many threads at once."""

    def __init__(self, options: SshOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        #: For use on the loop only.
        self.connections = Connections(options)

    def on_each(self, targets: Mapping[str, Target], stop: Stop, work: HostWork) -> dict[str, dict[str, Any]]:
        """Do ``work`` on all ``targets``, so many at once as the settings allow; name → its result."""
        return asyncio.run_coroutine_threadsafe(self._all(targets, stop, work), self._started()).result()

    def close(self) -> None:
        """Close all connections and end the thread. Idempotent."""
        with self._lock:
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is None or thread is None:
            return
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self.connections.close(), loop).result(_CLOSE_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop.call_later(_IDLE_LOOK, self._look_for_idle, self._loop)
                self._thread = threading.Thread(target=self._loop.run_forever, name="ssh", daemon=True)
                self._thread.start()
            return self._loop

    def _look_for_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        self.connections.close_idle()
        loop.call_later(_IDLE_LOOK, self._look_for_idle, loop)

    async def _all(
        self, targets: Mapping[str, Target], stop: Stop, work: HostWork
    ) -> dict[str, dict[str, Any]]:
        loop = asyncio.get_running_loop()
        asked_to_stop = asyncio.Event()

        def ask_to_stop() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and every run with it
                loop.call_soon_threadsafe(asked_to_stop.set)

        stop.on_set(ask_to_stop)
        room = asyncio.Semaphore(self._options.parallel)

        async def on(name: str, target: Target) -> dict[str, Any]:
            async with room:
                return await work(name, target, asked_to_stop)

        found = await asyncio.gather(*(on(name, target) for name, target in targets.items()))
        return dict(zip(targets, found, strict=True))


async def until(
    work: Coroutine[Any, Any, T],
    *,
    timeout: float | None,  # noqa: ASYNC109 - what ends the work needs the time, not only the wait for it
    stop: asyncio.Event,
    patience: float,
) -> T:
    """What ``work`` gives. Past ``timeout`` or at ``stop`` it is cancelled, and has ``patience`` seconds to tidy up.

    Raises what ``work`` raises, OutOfTime, or Stopped.
    """
    task = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopping}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.wait({task}, timeout=patience)
        if task.done() and not task.cancelled():
            task.exception()  # what went wrong while it tidied up changes nothing any more
    finally:
        stopping.cancel()
    raise Stopped if stop.is_set() else OutOfTime


def outcome_of(
    results: Mapping[str, Mapping[str, Any]], stop: Stop, *, allow_partial_failure: bool
) -> Outcome:
    """All hosts must succeed, or one when partial failure is allowed; timeout when every one ran out of time.

    Each result has ``succeeded``, and where that is false ``error``, ``timeout`` or ``return_code``.
    """
    good = [result["succeeded"] for result in results.values()]
    bad = _names([name for name, result in results.items() if not result["succeeded"]])
    if stop.is_set() and not all(good):
        return Outcome(status=Status.CANCELED, result=dict(results), reason=f"It was stopped: {stop.reason}.")
    if all(good) or (allow_partial_failure and any(good)):
        reason = "" if all(good) else f"It failed on {bad}, which allow_partial_failure permits."
        return Outcome(status=Status.SUCCEEDED, result=dict(results), reason=reason)
    if all(result.get("timeout") for result in results.values()):
        return Outcome(status=Status.TIMEOUT, result=dict(results), reason=f"It ran out of time on {bad}.")
    first = next(result for result in results.values() if not result["succeeded"])
    detail = first.get("error") or f"exit code {first['return_code']}"
    return Outcome(status=Status.FAILED, result=dict(results), reason=f"It failed on {bad}: {detail}")


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
