"""Reading workflow definitions: from the pack at the start, from the workflow's own log ever after."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from st_ops.expressions.evaluate import Evaluator
from st_ops.model.resources import Action
from st_ops.workflows.dialects import action_chain
from st_ops.workflows.dialects.entry import Entry
from st_ops.workflows.dialects.inspection import inspect
from st_ops.workflows.functions import functions
from st_ops.workflows.graph import Graph

#: Compiled definitions kept.
_KEEP = 500


class Definitions:
    """Compiles definitions and keeps the latest used. Thread-safe."""

    def __init__(self) -> None:
        self._evaluator = Evaluator(functions())
        self._lock = Lock()
        self._kept: OrderedDict[str, tuple[Graph | None, list[Entry]]] = OrderedDict()

    def compile(
        self, dialect: str, text: str, action_of: Callable[[str], Action | None] | None = None
    ) -> tuple[Graph | None, list[Entry]]:
        """The graph of ``text`` (dialect ``orquesta`` or ``action-chain``) and everything wrong with it.

        ``action_of``: looks actions up, to check that those named exist; None = not checked, and remembered.
        """
        if action_of is not None:
            return self._inspect(dialect, text, action_of)
        key = hashlib.sha256(f"{dialect}\0{text}".encode()).hexdigest()
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        found = self._inspect(dialect, text, None)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > _KEEP:
                self._kept.popitem(last=False)
        return found

    def _inspect(
        self, dialect: str, text: str, action_of: Callable[[str], Action | None] | None
    ) -> tuple[Graph | None, list[Entry]]:
        if dialect == "action-chain":
            return action_chain.inspect(text)
        return inspect(text, self._evaluator, action_of=action_of)


def read_definition(action: Action, pack_path: str) -> str:
    """The text of the workflow that ``action`` names. Raises OSError when its file cannot be read."""
    return (Path(pack_path) / "actions" / action.entry_point).read_text()
