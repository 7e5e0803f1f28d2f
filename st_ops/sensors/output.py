"""What a sensor prints, line by line into our log: masked, capped in rate, the last kept to explain its end."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import deque
from typing import IO

from st_ops.expressions.masker import Masker
from st_ops.logs import facts

log = logging.getLogger(__name__)

#: Bytes of the longest line that is logged in one piece.
_LINE = 8192
#: Lines kept to explain an end.
_KEPT = 20
#: Seconds of silence that a burst of lines may have saved up for.
_BURST_SECONDS = 10.0
#: Seconds between two notes of how many lines were dropped.
_NOTE_SECONDS = 10.0

#: The form of the SDK's loggers (st_ops.sdk.stackstorm): ``name : LEVEL message``.
_LEVEL = re.compile(r"^\S+\s*: (DEBUG|INFO|WARNING|ERROR|CRITICAL|AUDIT)\s")


class Output:
    """Reads the output of one sensor's process in a thread of its own until its end."""

    def __init__(self, ref: str, stream: IO[bytes], masker: Masker, lines_per_second: float) -> None:
        self._ref = ref
        self._stream = stream
        self._masker = masker
        self._rate = lines_per_second
        self._budget = lines_per_second * _BURST_SECONDS
        self._refilled = time.monotonic()
        self._dropped = 0
        self._noted = 0.0
        self._last: deque[str] = deque(maxlen=_KEPT)
        self._thread = threading.Thread(target=self._read, name=f"output {ref}", daemon=True)
        self._thread.start()

    def last_line(self) -> str:
        """The last line printed, masked: of a traceback it is the exception. "" when nothing was printed."""
        return self._last[-1] if self._last else ""

    def wait(self, seconds: float) -> bool:
        """Wait until everything printed was read; False when someone still holds the output open after ``seconds``."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _read(self) -> None:
        with self._stream:
            while line := self._stream.readline(_LINE):
                self._take(line.decode("utf-8", "replace").rstrip())
        self._note_dropped()

    def _take(self, raw: str) -> None:
        if not raw:
            return
        line = self._masker.text(raw)
        self._last.append(line)
        if not self._may_log():
            self._dropped += 1
            return
        if self._dropped and time.monotonic() - self._noted > _NOTE_SECONDS:
            self._note_dropped()
        found = _LEVEL.match(line)
        name = found[1] if found else "INFO"
        # AUDIT is StackStorm's level above all others; here it is not one of ours.
        level = logging.INFO if name == "AUDIT" else logging.getLevelNamesMapping()[name]
        log.log(level, "%s", line, extra=facts(sensor=self._ref))

    def _may_log(self) -> bool:
        moment = time.monotonic()
        earned = (moment - self._refilled) * self._rate
        self._budget = min(self._budget + earned, self._rate * _BURST_SECONDS)
        self._refilled = moment
        if self._budget < 1:
            return False
        self._budget -= 1
        return True

    def _note_dropped(self) -> None:
        if self._dropped:
            self._noted = time.monotonic()
            log.warning(
                "%d lines were dropped: more than %g a second.", self._dropped, self._rate,
                extra=facts(sensor=self._ref),
            )  # fmt: skip
            self._dropped = 0
