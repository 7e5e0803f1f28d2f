"""The sensor linux.file_watch: tells of files that appear and of lines added to files."""

from __future__ import annotations

from typing import Any

from watched_path import Appearances, Lines

from st_ops.sdk import Context, SensorIdle, sensor
from st_ops.sdk.wire import RequestFailed

APPEARED = "linux.file_appeared"
LINE = "linux.file_line"
WATCHES: dict[str, Any] = {APPEARED: Appearances, LINE: Lines}

PARAMETERS = {
    "type": "object",
    "properties": {
        "file_path": {
            "type": "string",
            "description": "Path, or pattern with * ? [] **; without it the paths of the pack's config are meant.",
        }
    },
    "additionalProperties": False,
}


@sensor(
    name="file_watch",
    description="Tells of files that appear and of lines added to files, through rotation and truncation.",
    triggers={
        "file_appeared": {
            "description": "A file appeared.",
            "parameters_schema": PARAMETERS,
            "payload_schema": {
                "type": "object",
                "properties": {
                    "file_path": {"type": "string"},
                    "file_name": {"type": "string"},
                    "size": {"type": "integer"},
                    "modified_at": {"type": "number"},
                },
                "required": ["file_path", "file_name"],
            },
        },
        "file_line": {
            "description": "A line was added to a file.",
            "parameters_schema": PARAMETERS,
            "payload_schema": {
                "type": "object",
                "properties": {
                    "file_path": {"type": "string"},
                    "file_name": {"type": "string"},
                    "line": {"type": "string"},
                    "offset": {"type": "integer"},
                },
                "required": ["file_path", "file_name", "line", "offset"],
            },
        },
    },
)
def file_watch(ctx: Context) -> None:
    interval = float(ctx.config.get("file_watch_interval") or 1)
    watcher = Watcher(ctx)
    try:
        while not ctx.stopping.is_set():
            watcher.look()
            ctx.wait(interval)
    finally:
        watcher.close()


class Watcher:
    """All that is watched now: the config's paths, and those of the triggers that rules have made."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._watches: dict[tuple[str, str], Any] = {}

    def look(self) -> None:
        """Look once at everything, beginning and ending watches as rules came and went."""
        wanted = self.wanted()
        if not wanted:
            raise SensorIdle(
                "neither file_watch_paths in configs/linux.yaml nor a rule names a file to watch"
            )
        for key in self._watches.keys() - wanted.keys():
            self._watches.pop(key).close()
        for (kind, pattern), refs in wanted.items():
            if (kind, pattern) not in self._watches:
                self._watches[kind, pattern] = WATCHES[kind](self._ctx, pattern)
            self._watches[kind, pattern].look(self._emitter(refs))

    def close(self) -> None:
        """End every watch."""
        for watch in self._watches.values():
            watch.close()
        self._watches.clear()

    def wanted(self) -> dict[tuple[str, str], list[str]]:
        """(trigger type, pattern) → refs of the triggers that are to be emitted."""
        found: dict[tuple[str, str], list[str]] = {}
        for pattern in self._ctx.config.get("file_watch_paths") or []:
            for kind in WATCHES:
                found.setdefault((kind, pattern), []).append(kind)
        for trigger in self._ctx.triggers:
            pattern = (trigger.get("parameters") or {}).get("file_path")
            if pattern and trigger["type"] in WATCHES:
                found.setdefault((trigger["type"], pattern), []).append(trigger["ref"])
        return found

    def _emitter(self, refs: list[str]) -> Any:
        def emit(_kind: str, payload: dict[str, Any], delivery: str, series: str) -> None:
            for ref in refs:
                try:
                    self._ctx.emit(ref, payload, delivery=f"{ref}/{delivery}", series=series)
                except RequestFailed:
                    # Nobody wants it any more: its rule went while we looked.
                    if ref in WATCHES or ref in {trigger["ref"] for trigger in self._ctx.triggers}:
                        raise

        return emit
