"""Pack configs as the stages use them: resolved, remembered for a moment, their problems told once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from st_ops.expressions.masking import secret_values
from st_ops.expressions.sandbox import Explaining
from st_ops.packs.catalog import Catalog
from st_ops.packs.config import Lookup, config_file, resolve_config

log = logging.getLogger(__name__)

#: How long a resolved config is used before its file and key-values are looked at again, in seconds.
_REMEMBER_SECONDS = 1.0


@dataclass(frozen=True)
class _Kept:
    values: PackConfig
    secrets: tuple[str, ...]
    until: float


class PackConfig(Explaining):
    """The config of one pack, which says where a key that it lacks is to be set."""

    def __init__(self, pack: str, file: Path, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._pack, self._file = pack, file

    def explain(self, missing: object) -> str:
        """See Explaining."""
        yet = "" if self._file.is_file() else ", which does not exist yet"
        return f"The config of pack '{self._pack}' has no key '{missing}': set it in {self._file}{yet}."


class Configs:
    """Answers the config of a pack and the secret values in it. Thread-safe."""

    def __init__(self, catalog: Catalog, folder: Path, lookup: Lookup) -> None:
        self._catalog = catalog
        self._folder = folder
        self._lookup = lookup
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._told: dict[str, list[str]] = {}

    def __call__(self, pack: str) -> Mapping[str, Any]:
        """The resolved values; {} for a pack without a config, or one that is not registered."""
        return self._get(pack).values

    def secrets(self, pack: str) -> list[Any]:
        """The secret values in the pack's config."""
        return list(self._get(pack).secrets)

    def file(self, pack: str) -> Path:
        """Where the pack's config is written."""
        return config_file(self._folder, pack)

    def _get(self, ref: str) -> _Kept:
        kept = self._kept.get(ref)
        if kept is not None and kept.until > time.monotonic():
            return kept
        with self._lock:
            kept = self._read(ref)
            self._kept[ref] = kept
        return kept

    def _read(self, ref: str) -> _Kept:
        until = time.monotonic() + _REMEMBER_SECONDS
        pack = self._catalog.cached().packs.get(ref)
        if pack is None:
            return _Kept(PackConfig(ref, self.file(ref), {}), (), until)
        config = resolve_config(pack, self._folder, self._lookup)
        # Nothing is wrong with a config that nobody wrote: whoever misses a key of it is told (PackConfig).
        written = self.file(ref).is_file()
        problems = [str(problem) for problem in config.problems] if written else []
        if problems != self._told.get(ref, []):
            self._told[ref] = problems
            for problem in problems:
                log.warning("%s", problem)
        values = PackConfig(ref, self.file(ref), config.values)
        return _Kept(values, tuple(secret_values(pack.config_schema, config.values)), until)
