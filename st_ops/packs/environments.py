"""The Pythons that run packs' code on this host: virtualenvs are built ahead of use, in the background."""

from __future__ import annotations

import logging

from st_ops.bus.interface import Bus
from st_ops.bus.loop import EngineLoop
from st_ops.errors import UserError
from st_ops.logs import facts
from st_ops.model.bells import Topic
from st_ops.packs.catalog import Catalog
from st_ops.packs.virtualenvs import Virtualenvs

log = logging.getLogger(__name__)

#: Seconds between two looks when no bell told of a change.
_LOOK_SECONDS = 60.0


class Environments:
    """Builds what is missing, and answers which Python runs a pack."""

    def __init__(self, virtualenvs: Virtualenvs, catalog: Catalog, bus: Bus) -> None:
        self._virtualenvs = virtualenvs
        self._catalog = catalog
        #: Pack → the requirements that could not be met, so that they are tried again only when they changed.
        self._failed: dict[str, str] = {}
        self._loop = EngineLoop(
            "virtualenvs", bus, [Topic.REGISTRY_CHANGED], self._build_missing, _LOOK_SECONDS
        )

    def open(self) -> None:
        """Start building in the background."""
        self._loop.open()

    def close(self) -> None:
        """Stop; a build under way is abandoned, which leaves the virtualenv as it was. Idempotent."""
        self._loop.close(1.0)

    def for_run(self, ref: str) -> str:
        """The Python for an action of this pack; waits while its virtualenv is built. Raises VirtualenvFailed."""
        pack = self._catalog.cached().packs.get(ref)
        return "" if pack is None else str(self._virtualenvs.build(pack))

    def at_once(self, ref: str) -> str:
        """The Python for a sensor of this pack. Raises UserError while its virtualenv is not there."""
        pack = self._catalog.cached().packs.get(ref)
        if pack is None:
            return ""
        if not self._virtualenvs.is_current(pack):
            why = self._failed.get(ref) or "it is being built"
            raise UserError(f"The virtualenv of pack '{ref}' is not ready: {why}")
        return str(self._virtualenvs.interpreter_for(pack))

    def _build_missing(self) -> bool:
        for pack in self._catalog.current().packs.values():
            if self._loop.closing:
                return False
            if self._virtualenvs.is_current(pack):
                self._failed.pop(pack.ref, None)
                continue
            log.info("Building the virtualenv of pack %s.", pack.ref, extra=facts(pack=pack.ref))
            try:
                self._virtualenvs.build(pack)
            except UserError as exc:
                if self._failed.get(pack.ref) != str(exc):
                    log.warning("%s", exc, extra=facts(pack=pack.ref))
                self._failed[pack.ref] = str(exc)
        return False
