"""Notice changes in packs while people work on them (``st-ops up --dev``)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from watchfiles import DefaultFilter, watch

from st_ops.logs import facts

log = logging.getLogger(__name__)

#: Milliseconds that changes are gathered for, so that saving many files reloads once.
DEBOUNCE_MS = 200
#: Seconds between two looks for folders that are not there yet.
_MISSING_SECONDS = 1.0


class PackWatcher:
    """A thread that calls ``changed`` with the refs of the packs whose files changed."""

    def __init__(
        self,
        roots: Sequence[Path],
        folders: Callable[[], Mapping[str, Path]],
        changed: Callable[[set[str]], None],
    ) -> None:
        """``roots`` are the folders that packs lie in, some perhaps not there yet; ``folders`` finds the packs there
        are now, ref → folder. ``changed`` is called without any ref when packs came or went: then all are meant.
        """
        self._roots = [root.resolve() for root in roots]
        self._folders = folders
        self._changed = changed
        self._known: dict[str, Path] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pack-watcher", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._known = self._packs()
        self._thread.start()

    def stop(self) -> None:
        """Stop watching and wait for the thread, at most 5 s. Idempotent."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(5)

    def _packs(self) -> dict[str, Path]:
        return {ref: folder.resolve() for ref, folder in self._folders().items()}

    def _places(self) -> list[Path]:
        """What is watched: the roots that are there. Links in them are followed."""
        return [root for root in self._roots if root.is_dir()]

    def _run(self) -> None:
        while not self._stop.is_set():
            places = self._places()
            if not places:
                self._stop.wait(_MISSING_SECONDS)
                continue
            try:
                for paths in self._batches(places):
                    self._take(paths)
                    if self._places() != places:
                        break
            except (OSError, RuntimeError) as exc:
                # A folder went that moment, or the system refuses to watch so many.
                log.warning("Packs cannot be watched now: %s", exc)
                self._stop.wait(_MISSING_SECONDS)

    def _batches(self, places: Sequence[Path]) -> Iterator[list[Path]]:
        """Paths that changed; none now and then, so that a new place is noticed."""
        changes = watch(
            *places,
            watch_filter=DefaultFilter(),
            debounce=DEBOUNCE_MS,
            step=50,
            stop_event=self._stop,
            rust_timeout=500,
            yield_on_timeout=True,
            raise_interrupt=False,
        )
        for batch in changes:
            # A change below a link is told by the link's name.
            yield [Path(path).resolve() for _change, path in batch]

    def _take(self, paths: Sequence[Path]) -> None:
        # A folder may have come while nothing in it was watched yet.
        present = self._packs()
        came_or_went = present != self._known
        self._known = present
        refs = {ref for path in paths if (ref := self._pack_of(path))}
        if came_or_went:
            self._tell(set())
        elif refs:
            self._tell(refs)

    def _tell(self, refs: set[str]) -> None:
        what = ",".join(sorted(refs)) or "all"
        log.info("Files of packs changed.", extra=facts(packs=what))
        try:
            self._changed(refs)
        except Exception:
            # The edge of the loop: a reload that fails must not end the watching.
            log.exception("The changed packs could not be reloaded.", extra=facts(packs=what))

    def _pack_of(self, path: Path) -> str | None:
        return next((ref for ref, folder in self._known.items() if path.is_relative_to(folder)), None)
