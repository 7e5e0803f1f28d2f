"""Notice changes in packs while people work on them (``st-ops up --dev``)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from watchfiles import DefaultFilter, watch

from st_ops.logs import facts

log = logging.getLogger(__name__)

#: Milliseconds that changes are gathered for, so that saving many files reloads once.
DEBOUNCE_MS = 200


class PackWatcher:
    """A thread that calls ``changed`` with the refs of the packs whose files changed."""

    def __init__(self, folders: Mapping[str, Path], changed: Callable[[set[str]], None]) -> None:
        """``folders`` maps each pack's ref to its folder."""
        self._folders = {ref: folder.resolve() for ref, folder in folders.items()}
        self._changed = changed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pack-watcher", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching and wait for the thread, at most 5 s. Idempotent."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(5)

    def _run(self) -> None:
        if not self._folders:
            return
        changes = watch(
            *self._folders.values(),
            watch_filter=DefaultFilter(),
            debounce=DEBOUNCE_MS,
            step=50,
            stop_event=self._stop,
            rust_timeout=500,
            raise_interrupt=False,
        )
        for batch in changes:
            refs = {ref for _change, path in batch if (ref := self._pack_of(Path(path)))}
            if refs:
                self._tell(refs)

    def _tell(self, refs: set[str]) -> None:
        log.info("files changed", extra=facts(packs=",".join(sorted(refs))))
        try:
            self._changed(refs)
        except Exception:
            # The edge of the loop: a reload that fails must not end the watching.
            log.exception(
                "the changed packs could not be reloaded", extra=facts(packs=",".join(sorted(refs)))
            )

    def _pack_of(self, path: Path) -> str | None:
        return next((ref for ref, folder in self._folders.items() if path.is_relative_to(folder)), None)
