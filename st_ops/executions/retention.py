"""Retention: what is old is forgotten, in batches so small that whoever writes meanwhile hardly notices.

Every process has this thread; the one that holds the lease does the work.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from st_ops.errors import StOpsError
from st_ops.logs import facts
from st_ops.model.identity import new_id, now
from st_ops.model.records import AuditEntry
from st_ops.settings import RetentionSettings
from st_ops.store import artifacts, audit, hours, retention, workers
from st_ops.store.database import Database, Tx

log = logging.getLogger(__name__)

_LEASE = "retention"
_LEASE_SECONDS = 60.0

#: How long one batch may hold up a writer, in seconds: batches shrink and grow to meet this.
_TARGET_SECONDS = 0.005
#: The fewest rows of a batch: what it costs whatever it holds may be more than the above, and would be all there is.
_LEAST = 10
#: After each batch it rests this many times as long as the batch took, so that most of the time is the writers'.
_REST = 4

_SECONDS_A_DAY = 86_400

#: Removes the files at these locations. Raises Unavailable.
RemoveFiles = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class _Kind:
    """One kind of thing that is forgotten. ``days`` None = whatever its own age says (what expires by itself)."""

    name: str
    days: float | None
    find: Callable[[Tx, Any, int], Sequence[Any]]
    forget: Callable[[Tx, Sequence[Any]], None]
    #: The artifacts' locations of what is about to be forgotten: their files go first.
    files: Callable[[Tx, Sequence[Any]], Sequence[str]] | None = None


def _locations_of(_tx: Tx, rows: Sequence[tuple[str, str, str]]) -> list[str]:
    return [location for _, _, location in rows]


def _kinds(settings: RetentionSettings) -> Sequence[_Kind]:
    r, s = retention, settings
    return (
        _Kind("output", s.output_days, r.old_output, r.forget_output),
        _Kind("artifacts", s.artifact_days, artifacts.old, artifacts.forget, _locations_of),
        _Kind("executions", s.execution_days, r.old_executions, r.forget_executions, artifacts.locations),
        _Kind("events", s.event_days, r.old_events, r.forget_events),
        _Kind("rejected events", s.rejected_days, r.old_rejected, r.forget_rejected),
        _Kind("audit entries", s.audit_days, r.old_audit, r.forget_audit),
        _Kind("expired key-values", None, r.expired_keys, r.forget_keys),
        _Kind("expired tokens", None, r.expired_tokens, r.forget_tokens),
    )  # fmt: skip


class Pace:
    """How many rows the next batch has: as many as fit into the target, at most ``most``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = min(most, 20)

    def took(self, rows: int, seconds: float) -> None:
        """A batch of ``rows`` took ``seconds``."""
        fitting = int(rows * _TARGET_SECONDS / max(seconds, 1e-6))
        # Upwards in steps: one batch that was quick by chance says little.
        self.size = min(max(_LEAST, min(fitting, self.size * 2)), self._most)


class Retention:
    """Forgets what is older than the settings say."""

    def __init__(self, database: Database, settings: RetentionSettings, remove_files: RemoveFiles) -> None:
        self._database = database
        self._settings = settings
        self._remove_files = remove_files
        self._owner = new_id()
        self._leased_until = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def open(self) -> None:
        """Start; the first round comes after the first interval."""
        self._thread.start()

    def close(self) -> None:
        """Let the batch under way end. Idempotent."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(self._settings.interval_seconds):
            try:
                self.round()
            except StOpsError as exc:
                log.warning("Old records could not be forgotten now: %s", exc)
            except Exception:  # the edge of this loop: the next round tries again
                log.exception("Old records could not be forgotten now.")
        self._let_go()

    def round(self) -> dict[str, int]:
        """Forget all that is old now; answers kind → how many rows, or {} while another process does it."""
        done: dict[str, int] = {}
        self._count_hours()
        for kind in _kinds(self._settings):
            if kind.days == 0:
                continue
            count = self._forget_all(kind)
            if count is None:
                break
            if count:
                done[kind.name] = count
        if done:
            log.info("Forgot what is old: %s.", ", ".join(f"{count} {name}" for name, count in done.items()))
            self._note(done)
        return done

    def _count_hours(self) -> None:
        """Count the executions of the hours that are over; only one process at a time also forgets some of them."""
        counted = 1
        while counted and self._leads() and not self._closing.is_set():
            started = time.perf_counter()
            with self._database.write() as tx:
                counted = hours.count(tx)
            self._closing.wait(_REST * (time.perf_counter() - started))

    def _forget_all(self, kind: _Kind) -> int | None:
        """Everything of one kind; None once the lease is another's or we are closing."""
        before = now() - timedelta(seconds=(kind.days or 0) * _SECONDS_A_DAY)
        pace = Pace(self._settings.batch)
        count = 0
        while True:
            if self._closing.is_set() or not self._leads():
                return None
            with self._database.read() as tx:
                found = kind.find(tx, before, self._settings.batch)
            if not found:
                return count
            start = 0
            while start < len(found):
                if self._closing.is_set():
                    return None
                some = found[start : start + pace.size]
                self._forget(kind, some, pace)
                start += len(some)
                count += len(some)

    def _forget(self, kind: _Kind, some: Sequence[Any], pace: Pace) -> None:
        if kind.files is not None:
            with self._database.read() as tx:
                locations = kind.files(tx, some)
            if locations:
                self._remove_files(locations)
        with self._database.write() as tx:
            # From here on others may be waiting for us.
            started = time.perf_counter()
            kind.forget(tx, some)
        seconds = time.perf_counter() - started
        pace.took(len(some), seconds)
        self._closing.wait(max(self._settings.pause_seconds, _REST * seconds))

    def _leads(self) -> bool:
        """Whether this process is the one that forgets."""
        if time.monotonic() < self._leased_until:
            return True
        asked = time.monotonic()
        with self._database.write() as tx:
            token = workers.take_lease(tx, _LEASE, self._owner, _LEASE_SECONDS)
        self._leased_until = asked + _LEASE_SECONDS / 2 if token is not None else 0.0
        return token is not None

    def _let_go(self) -> None:
        try:
            with self._database.write() as tx:
                workers.release_lease(tx, _LEASE, self._owner)
        except StOpsError as exc:
            log.warning("The lease of retention lapses by itself: %s", exc, extra=facts(lease=_LEASE))

    def _note(self, done: dict[str, int]) -> None:
        """Who reads the audit log must see why older entries are missing."""
        entry = AuditEntry(actor="retention", verb="forgotten", kind="records", detail=done)
        with self._database.write() as tx:
            audit.record(tx, [entry])
