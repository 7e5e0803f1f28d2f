"""The warm sandboxes of one worker: one per interpreter and pack, started at first use, replaced when they die."""

from __future__ import annotations

import itertools
import logging
import shutil
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from st_ops.logs import facts
from st_ops.runners.environment import clean_environment
from st_ops.runners.options import RunnerOptions
from st_ops.runners.sandbox.handle import Sandbox, SandboxGone, Started
from st_ops.runners.strays import end_marked, own_folder, worker_mark

log = logging.getLogger(__name__)

#: Seconds between two looks at whether an interpreter was replaced.
_LOOK_SECONDS = 1.0

#: The sandbox that only starts other programs.
PROGRAMS = "<programs>"

#: Pack name under which packs that must not be preloaded share a sandbox. No pack is called so.
SHARED = "<shared>"


@dataclass
class _Kept:
    sandbox: Sandbox
    mark: str
    version: tuple[float, ...]
    looked_at: float
    used_at: float = field(default_factory=time.monotonic)
    running: int = 0
    #: Set when another has taken its place: the last of its jobs closes it.
    replaced: bool = False


@dataclass(frozen=True)
class Lent:
    """A job started in a sandbox, and that sandbox, until it is given back."""

    sandbox: Sandbox
    job: Started
    kept: _Kept
    environment: dict[str, str]


class SandboxPool:
    """Lends sandboxes. All methods may be called from any thread."""

    def __init__(self, options: RunnerOptions) -> None:
        self._options = options
        self._mark = worker_mark()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._own_root = "" if options.work_root else own_folder("work")
        self._work_root = options.work_root or self._own_root
        Path(self._work_root).mkdir(parents=True, exist_ok=True)
        #: Somebody wants to look into the folder of a job.
        self._keeps = False
        self._closed = False

    def start(
        self,
        python: str,
        pack: str,
        *,
        file: str = "",
        pack_path: str = "",
        keep_workdir: bool = False,
        processes: int = 0,
    ) -> Lent:
        """Start a job in the sandbox of ``pack`` under ``python`` ("" = ours); ``file`` is warmed up for.

        It may have so many ``processes`` at once (0 = any number).
        With ``keep_workdir`` the job's folder stays, also when the pool is closed.
        Raises OSError when the interpreter cannot be run, and SandboxGone when sandboxes keep dying.
        """
        reason = SandboxGone("")
        for _try in range(3):
            kept = self._borrow(python or sys.executable, pack)
            try:
                job = kept.sandbox.start(
                    keep_workdir=keep_workdir, processes=processes, file=file, pack_path=pack_path
                )
                self._keeps |= keep_workdir
                return Lent(kept.sandbox, job, kept, clean_environment(self._options, kept.mark))
            except SandboxGone as gone:
                reason = gone
                self.lost(kept)
            except BaseException:
                self._return(kept)
                raise
        raise SandboxGone(f"The sandbox of {pack} ended three times in a row: {reason}")

    def give_back(self, lent: Lent) -> None:
        """The job is over."""
        lent.job.close()
        self._return(lent.kept)

    def lost(self, kept: _Kept) -> None:
        """``kept`` has died: take it out, and end what its jobs had started."""
        with self._lock:
            self._kept = {key: one for key, one in self._kept.items() if one is not kept}
            kept.replaced = True
            kept.running -= 1
        kept.sandbox.close()
        count = end_marked(kept.mark)
        log.warning("A sandbox was lost.", extra=facts(pid=kept.sandbox.pid, strays=count))

    def close(self) -> None:
        """End every sandbox and every job. Idempotent."""
        with self._lock:
            kept, self._kept, self._closed = list(self._kept.values()), {}, True
        for one in kept:
            one.sandbox.close()
        if self._own_root and not self._keeps:
            shutil.rmtree(self._own_root, ignore_errors=True)

    def _borrow(self, python: str, pack: str) -> _Kept:
        at = time.monotonic()
        surplus: list[_Kept] = []
        with self._lock:
            if self._closed:
                raise SandboxGone("the runners are closed")
            kept = self._kept.get((python, pack))
            if kept is not None and not self._fit(kept, python, at):
                self._drop((python, pack), surplus)
                kept = None
            if kept is None:
                self._make_room(surplus)
                kept = self._kept[python, pack] = self._make(python, pack, at)
            kept.running += 1
            kept.used_at = at
        for one in surplus:
            one.sandbox.close()
        return kept

    def _make(self, python: str, pack: str, at: float) -> _Kept:
        mark = f"{self._mark}.{next(self._numbers)}"
        environment = clean_environment(self._options, mark)
        kind = "programs" if pack == PROGRAMS else "python"
        sandbox = Sandbox(python, kind, environment, self._work_root, self._options.sandbox_idle_seconds)
        return _Kept(sandbox, mark, _version(python), at)

    def _fit(self, kept: _Kept, python: str, at: float) -> bool:
        """Whether ``kept`` runs and its interpreter and libraries are still those it was started with."""
        if at - kept.looked_at < _LOOK_SECONDS:
            return True  # one that died just now is noticed when it is spoken to
        kept.looked_at = at
        return kept.sandbox.alive and _version(python) == kept.version

    def _make_room(self, surplus: list[_Kept]) -> None:
        """Drop sandboxes idle longest while there are too many; those that work are left alone."""
        idle = sorted((one.used_at, key) for key, one in self._kept.items() if not one.running)
        for _used_at, key in idle[: max(0, len(self._kept) + 1 - self._options.sandboxes)]:
            self._drop(key, surplus)

    def _drop(self, key: tuple[str, str], surplus: list[_Kept]) -> None:
        kept = self._kept.pop(key)
        kept.replaced = True
        if not kept.running:
            surplus.append(kept)

    def _return(self, kept: _Kept) -> None:
        with self._lock:
            kept.running -= 1
            over = kept.replaced and not kept.running
        if over:
            kept.sandbox.close()


def _version(python: str) -> tuple[float, ...]:
    """What changes when an interpreter or the libraries of its virtualenv are replaced."""
    root = Path(python).parent.parent
    places = [Path(python), root / "pyvenv.cfg", *root.glob("lib/python*/site-packages")]
    return tuple(place.stat().st_mtime for place in places if place.exists())
