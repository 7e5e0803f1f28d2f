"""A workflow in memory: its state, its conductor and where its log ends. Built from the log, thrown away at will."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from st_ops.model.status import Status
from st_ops.security.secrets import SecretBox
from st_ops.store import workflow_log
from st_ops.store.database import Tx
from st_ops.workflows import facts as f
from st_ops.workflows.conductor import Conductor
from st_ops.workflows.definitions import Definitions
from st_ops.workflows.fold import replay
from st_ops.workflows.graph import Graph
from st_ops.workflows.rendering import Rendering
from st_ops.workflows.state import State

#: The first row of every log: the definition the workflow runs by, whatever becomes of the pack's file.
DEFINITION = "definition"
#: A row with texts, sealed, that the workflow must not show from here on.
HIDDEN = "hidden"


@dataclass
class Live:
    """One workflow. ``position``: rows of its log that are stored. ``sealed``: its rows are encrypted."""

    graph: Graph
    conductor: Conductor
    state: State = field(default_factory=State)
    position: int = 0
    sealed: bool = False
    #: Texts that the workflow has worked with and must not show.
    hidden: set[str] = field(default_factory=set)


class LiveWorkflows:
    """The workflows this engine conducts. Not thread-safe: the engine's one thread owns it."""

    def __init__(
        self, definitions: Definitions, rendering: Rendering, box: SecretBox, *, keep: int = 2000
    ) -> None:
        self._definitions = definitions
        self._rendering = rendering
        self._box = box
        self._keep = keep
        self._live: OrderedDict[str, Live] = OrderedDict()

    def begin(self, tx: Tx, workflow_id: str, graph: Graph, text: str, *, sealed: bool) -> Live:
        """A workflow that starts: its definition goes into its log. Raises Conflict when it has a log already."""
        live = Live(graph, Conductor(graph, self._rendering), sealed=sealed)
        data = {"dialect": graph.dialect, "text": text, "sealed": sealed}
        workflow_log.append(tx, workflow_id, 0, [(DEFINITION, "", data)])
        live.position = 1
        self._put(workflow_id, live)
        return live

    def get(self, tx: Tx, workflow_id: str) -> Live | None:
        """A workflow from memory or by replaying its log; None when it has not begun."""
        live = self._live.get(workflow_id)
        if live is not None:
            self._live.move_to_end(workflow_id)
            return live
        rows = workflow_log.read(tx, workflow_id)
        if not rows:
            return None
        head = rows[0][2]
        graph, errors = self._definitions.compile(head["dialect"], head["text"])
        if graph is None:
            raise ValueError(
                f"The definition in the log of workflow {workflow_id} does not compile: {errors}"
            )
        told = [(kind, key, self._box.open_values(data)) for kind, key, data in rows[1:]]
        state = replay(f.load(kind, key, data) for kind, key, data in told if kind != HIDDEN)
        hidden = {text for kind, _, data in told if kind == HIDDEN for text in data}
        sealed = head["sealed"] or bool(hidden)
        live = Live(graph, Conductor(graph, self._rendering), state, len(rows), sealed, hidden)
        self._put(workflow_id, live)
        return live

    def append(
        self, tx: Tx, workflow_id: str, live: Live, facts: Sequence[f.Fact], hidden: Collection[str] = ()
    ) -> None:
        """Store what was decided. Raises Conflict when another engine went on with this workflow.

        ``hidden``: texts that the workflow has come to know meanwhile; from here on its log is sealed.
        """
        rows: list[workflow_log.Entry] = []
        new = set(hidden) - live.hidden
        if new:
            live.hidden |= new
            live.sealed = True
            rows.append((HIDDEN, "", self._box.seal_value(sorted(new))))
        rows += [(fact.kind, fact.key, self._data(live, fact)) for fact in facts]
        workflow_log.append(tx, workflow_id, live.position, rows)
        live.position += len(rows)

    def _data(self, live: Live, fact: f.Fact) -> dict[str, Any]:
        data = f.dump(fact)
        return dict(self._box.seal_value(data)) if live.sealed else data

    def forget(self, workflow_id: str) -> None:
        """Drop a workflow from memory: it is over, or its last decision was not stored."""
        self._live.pop(workflow_id, None)

    def forget_all(self) -> None:
        """Drop all: another engine may have gone on with any of them."""
        self._live.clear()

    def halted(self) -> list[str]:
        """Ids of the workflows in memory that have paused or pending children."""
        return [
            key
            for key, live in self._live.items()
            if live.state.halted and live.state.status is not Status.CANCELED
        ]

    def _put(self, workflow_id: str, live: Live) -> None:
        self._live[workflow_id] = live
        while len(self._live) > self._keep:
            self._live.popitem(last=False)
