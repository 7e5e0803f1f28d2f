"""From folders to the registry: load, compare digests, write what changed, remove what is gone."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from st_ops.bus.interface import Bus
from st_ops.errors import NotFound
from st_ops.logs import facts
from st_ops.model.bells import Bell, Topic
from st_ops.model.records import AuditEntry
from st_ops.packs.discover import discover
from st_ops.packs.loader import LoadedPack, load_pack
from st_ops.packs.problems import Problem
from st_ops.store import audit, registry
from st_ops.store.database import Database, Tx

log = logging.getLogger(__name__)


class Registrar:
    """Registers the packs of the given folders."""

    def __init__(self, database: Database, bus: Bus, roots: Sequence[Path]) -> None:
        """``roots``: folders of packs; of two packs with one ref the first counts."""
        self._database = database
        self._bus = bus
        self.roots = list(roots)

    def reload(self, refs: Sequence[str] = ()) -> Mapping[str, Any]:
        """Register what these packs' folders hold now (none given: all packs, and packs whose folder is gone leave).

        Answers ``{packs, changed, removed, <kind>: count …, problems: [{path, line, key, message, …}]}``.
        Raises NotFound for a pack that no folder holds.
        """
        loaded, problems = self._load(refs)
        counts: dict[str, int] = {}
        problems += [self._report(pack, problem) for pack in loaded for problem in pack.problems]
        changed = 0
        with self._database.write() as tx:
            registry.lock(tx)
            for pack in loaded:
                changed += self._register(tx, pack)
                for kind, _ in pack.all():
                    counts[kind] = counts.get(kind, 0) + 1
            removed = 0 if refs else self._remove_gone(tx, {pack.pack.ref for pack in loaded})
        # Also when no metadata changed: sensors look whether their code or their config did.
        self._bus.publish(Bell(topic=Topic.REGISTRY_CHANGED, ids=[pack.pack.ref for pack in loaded]))
        log.info(
            "Packs registered.",
            extra=facts(packs=len(loaded), changed=changed, removed=removed, problems=len(problems)),
        )
        return {"packs": len(loaded), "changed": changed, "removed": removed, **counts, "problems": problems}

    def _load(self, refs: Sequence[str]) -> tuple[list[LoadedPack], list[dict[str, Any]]]:
        found = discover(self.roots)
        for problem in found.problems:
            log.warning("%s", problem)
        for ref in refs:
            if ref not in found.folders:
                raise NotFound(
                    "pack", ref, f"These packs have a folder: {', '.join(sorted(found.folders)) or 'none'}."
                )
        loaded = [load_pack(folder) for ref, folder in found.folders.items() if not refs or ref in refs]
        return loaded, [asdict(problem) for problem in found.problems]

    def folders(self) -> Mapping[str, Path]:
        """Ref → folder of every pack there is on disk."""
        return discover(self.roots).folders

    def _register(self, tx: Tx, loaded: LoadedPack) -> int:
        """Write what differs from the registry; answers how many resources changed."""
        ref = loaded.pack.ref
        before = registry.digests(tx, ref)
        wanted = {(kind, item.ref): (item, loaded.digests[kind, item.ref]) for kind, item in loaded.all()}
        new = [entry for key, entry in wanted.items() if before.get(key) != entry[1]]
        gone = [key for key in before if key not in wanted]
        row = registry.pack_row(tx, ref)
        if (
            row is not None
            and row["digest"] == loaded.digest
            and not new
            and not gone
            and not loaded.problems
        ):
            return 0
        registry.put(tx, new)
        for kind in {kind for kind, _ in gone}:
            registry.remove(tx, kind, [key for other, key in gone if other == kind])
        registry.put_pack(tx, loaded.pack, loaded.digest, [asdict(problem) for problem in loaded.problems])
        audit.record(tx, [AuditEntry(
            verb="registered", kind="pack", ref=ref, detail={"changed": len(new), "removed": len(gone)},
            reason=f"{len(loaded.problems)} problems" if loaded.problems else "",
        )])  # fmt: skip
        return len(new) + len(gone)

    def _remove_gone(self, tx: Tx, present: set[str]) -> int:
        gone = [pack.ref for pack in registry.packs(tx) if pack.ref not in present]
        for ref in gone:
            registry.remove_pack(tx, ref)
            audit.record(tx, [AuditEntry(verb="removed", kind="pack", ref=ref, reason="its folder is gone")])
        return len(gone)

    def _report(self, pack: LoadedPack, problem: Problem) -> dict[str, Any]:
        whole = replace(problem, path=str(Path(pack.pack.path) / problem.path))
        log.warning("%s", whole, extra=facts(pack=pack.pack.ref))
        return {"pack": pack.pack.ref, **asdict(whole)}
