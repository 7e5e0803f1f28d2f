"""What running actions print: masked, capped, stored in batches a few times a second, and rung."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from st_ops.bus.interface import Bus
from st_ops.errors import StOpsError
from st_ops.expressions.masker import Masker
from st_ops.model.bells import Bell, Topic
from st_ops.model.executions import OutputLine
from st_ops.model.identity import now
from st_ops.runners.base import Stream
from st_ops.store import outputs
from st_ops.store.database import Database

log = logging.getLogger(__name__)

#: Seconds between two writes of what was printed meanwhile.
FLUSH_SECONDS = 0.05
#: Pieces of the n-th run of one execution are numbered from n times this.
_PER_ATTEMPT = 10_000_000


class OutputConsole:
    """The console of one run. Thread-safe."""

    def __init__(
        self, writer: OutputWriter, execution_id: str, attempt: int, cap: int, masker: Masker
    ) -> None:
        self._writer = writer
        self._id = execution_id
        self._seq = attempt * _PER_ATTEMPT
        self._left = cap
        self._cap = cap
        self._masker = masker
        self._lock = threading.Lock()
        self._lines: list[OutputLine] = []
        #: Stream → the masked end of a line that is not complete.
        self._held: dict[Stream, str] = {}

    def write(self, stream: Stream, data: str) -> None:
        """Take ``data``; past the cap it is dropped, with one note."""
        if self._left < 0:
            return
        with self._lock:
            self._left -= len(data)
            if self._left < 0:
                self._add(stream, self._note())
            else:
                self._take(stream, self._held.pop(stream, "") + data)
        self._writer.dirty(self)

    def _take(self, stream: Stream, data: str) -> None:
        """A secret may lie across two pieces of a long line: the end of a piece waits for what follows."""
        masked = self._masker.text(data)
        hold = 0 if data.endswith("\n") else min(self._masker.longest - 1, len(masked))
        if hold > 0:
            self._held[stream] = masked[-hold:]
            masked = masked[:-hold]
        if masked:
            self._add(stream, masked)

    def close(self) -> None:
        """Nothing follows: hand on what waited."""
        with self._lock:
            for stream, data in self._held.items():
                self._add(stream, data)
            self._held = {}

    def _note(self) -> str:
        return f"[output beyond {self._cap} bytes was dropped; setting worker.output_bytes]\n"

    def _add(self, stream: Stream, data: str) -> None:
        self._lines.append(
            OutputLine(execution_id=self._id, seq=self._seq, stream=stream, timestamp=now(), data=data)
        )
        self._seq += 1

    def drain(self) -> list[OutputLine]:
        """The pieces not stored yet; whoever takes them stores them."""
        with self._lock:
            lines, self._lines = self._lines, []
        return lines


class OutputWriter:
    """One thread that stores what all consoles gathered."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._lock = threading.Lock()
        self._dirty: set[OutputConsole] = set()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="output-writer", daemon=True)

    def open(self) -> None:
        """Start writing."""
        self._thread.start()

    def close(self) -> None:
        """Write what is left and stop. Idempotent."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def dirty(self, console: OutputConsole) -> None:
        """``console`` has something to store."""
        with self._lock:
            self._dirty.add(console)
        self._wake.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            # Most actions end sooner than this and hand their lines in with their result.
            self._closing.wait(FLUSH_SECONDS)
            self._wake.clear()
            self._flush()
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            consoles, self._dirty = self._dirty, set()
        lines = [line for console in consoles for line in console.drain()]
        if not lines:
            return
        try:
            with self._database.write() as tx:
                outputs.append(tx, lines)
        except StOpsError:
            # The store is away: the lines of this moment are lost, the actions go on; their results are kept.
            log.exception("%d lines of output could not be stored.", len(lines))
            return
        self.ring(lines)

    def ring(self, lines: Sequence[OutputLine]) -> None:
        """Tell those who follow these executions."""
        if lines:
            ids = sorted({line.execution_id for line in lines})
            self._bus.publish(Bell(topic=Topic.EXECUTION_OUTPUT, ids=ids))
