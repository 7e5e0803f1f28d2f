"""The whole contract between the worker and the kinds of runner. Every built-in runner uses just this.

A runner is asked to run one job at a time per calling thread, from many threads at once. It blocks
until the job is over, streams what the job prints, and returns an Outcome. It never touches the store,
the bus or the status of an execution: the worker records what it returns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from st_ops.model.executions import Execution, Outcome
from st_ops.model.resources import Action

Stream = Literal["stdout", "stderr", "output"]


def _forget(values: Iterable[Any]) -> None:
    """Where nothing is recorded, nothing need be hidden."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything one run needs. Parameters are rendered, cast and with their secrets revealed."""

    execution: Execution
    action: Action
    #: Absolute folder of the action's pack; "" for an action made through the API.
    pack_path: str = ""
    #: The runner's own parameters (``cmd``, ``hosts``, ``timeout`` …), defaults filled in.
    runner_parameters: Mapping[str, Any] = field(default_factory=dict)
    #: The action's parameters, defaults filled in.
    parameters: Mapping[str, Any] = field(default_factory=dict)
    #: The pack's resolved config.
    config: Mapping[str, Any] = field(default_factory=dict)
    #: Seconds until the run is stopped with status timeout; None = no limit.
    timeout: float | None = None
    #: ``ST2_ACTION_*`` and ``ST_OPS_*`` variables for the child.
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Python interpreter for python-script actions of this pack; "" = the platform's own.
    python: str = ""
    preload: bool = True
    #: Folder of this machine whose files are kept when the run ends, ``ST_OPS_ARTIFACTS`` for the child; "" = none.
    artifacts: str = ""
    #: Leave the run's temporary folder, and say where it is.
    keep_workdir: bool = False
    #: Told of values that must not be seen in what the job prints and returns from now on.
    hide: Callable[[Iterable[Any]], None] = field(default=_forget, repr=False, compare=False)


class Console(Protocol):
    """Where a job's output goes, line by line, while it runs. Thread-safe; never blocks for long."""

    def write(self, stream: Stream, data: str) -> None:
        """Take ``data``: one or more lines, or a piece of a long one. Past the cap it is dropped and noted once."""


class Services(Protocol):
    """What a running action may ask of the platform (StackStorm's action_service). Called from runner threads."""

    def call(self, job: Job, method: str, arguments: Mapping[str, Any]) -> Any:
        """Answer one request of the job's code: ``kv.get``, ``kv.set``, ``kv.delete``, ``kv.list``, ``user.info``,
        ``emit``; or of a runner: ``announce`` with ``{route, payload}``.

        Raises UserError with a sentence for the action's author.
        """


class Stop:
    """The request to end a running job: set once, from any thread, with the reason (``canceled`` …)."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._begun = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self.reason = ""

    def set(self, reason: str) -> None:
        """Ask the job to end. Only the first reason counts; callbacks run once, in the calling thread."""
        with self._lock:
            if self._event.is_set():
                return
            self.reason = reason
            self._event.set()
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()

    def is_set(self) -> bool:
        """True once the job was asked to end."""
        return self._event.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Block until asked to end, at most ``seconds``; True when asked."""
        return self._event.wait(seconds)

    def begun(self) -> None:
        """The job has begun, or is over already."""
        self._begun.set()

    def wait_begun(self, seconds: float) -> bool:
        """Block until the job has begun, at most ``seconds``; True when it has."""
        return self._begun.wait(seconds)

    def on_set(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when the job is asked to end; at once when it already was.

        A runner says so when there is something to end: the job has begun.
        """
        self.begun()
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return
        callback()


class Runner(Protocol):
    """One kind of runner."""

    #: The runner types it serves, e.g. ``("local-shell-cmd",)``.
    names: tuple[str, ...]
    #: True when ``run`` returns in microseconds and needs no thread of its own (noop).
    inline: bool

    def run(self, job: Job, console: Console, stop: Stop) -> Outcome:
        """Run ``job`` to its end and say how it went.

        A failure of the job (exit code, exception, bad parameters for this runner) is an Outcome, not an
        exception; an exception out of here is a bug of the runner and is recorded as failed with its traceback.
        When ``stop`` is set the job is ended (SIGTERM to its process group, SIGKILL after the grace period)
        and the Outcome is CANCELED; past ``job.timeout`` likewise with TIMEOUT.
        """

    def close(self) -> None:
        """Give back what the runner holds (warm processes, connections). Idempotent."""
