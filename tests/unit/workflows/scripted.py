"""A world in which actions are functions: drives a workflow to its end, or step by step, without store or bus."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from st_ops.expressions.evaluate import Evaluator
from st_ops.expressions.jinja import Templates
from st_ops.model.executions import Outcome
from st_ops.model.status import Status
from st_ops.workflows import facts as f
from st_ops.workflows import signals as s
from st_ops.workflows.conductor import Conductor
from st_ops.workflows.dialects import action_chain, inspection
from st_ops.workflows.fold import replay
from st_ops.workflows.functions import functions
from st_ops.workflows.graph import Graph
from st_ops.workflows.outcome import outcome
from st_ops.workflows.rendering import Rendering
from st_ops.workflows.state import State

RENDERING = Rendering(Templates())
EVALUATOR = Evaluator(functions())


@dataclass(frozen=True)
class Ended:
    """How a scripted action ends."""

    status: Status
    result: Any = None


def failed(result: Any = None) -> Ended:
    return Ended(Status.FAILED, result)


#: (request) → result, or Ended for any other end.
Script = Callable[[f.TaskRequested], Any]


def succeed(request: f.TaskRequested) -> Any:
    """Every action succeeds and returns its parameters."""
    return request.parameters


def orquesta(text: str) -> Graph:
    graph, errors = inspection.inspect(text, EVALUATOR)
    assert errors == []
    assert graph is not None
    return graph


def chain(text: str) -> Graph:
    graph, errors = action_chain.inspect(text)
    assert errors == []
    assert graph is not None
    return graph


class ScriptedWorld:
    """The children of one workflow, and a datastore."""

    user = "stanley"

    def __init__(self, keys: Mapping[tuple[str, str], str] | None = None) -> None:
        self.parent: dict[str, Any] = {"execution_id": "parent-1", "user": "stanley"}
        self.children: dict[str, s.ChildRecord] = {}
        self.keys = keys or {}
        self.looked_up = 0

    def child(self, key: str) -> s.ChildRecord | None:
        self.looked_up += 1
        return self.children.get(key)

    def key_value(self, scope: str, user: str, name: str) -> str | None:
        return self.keys.get((scope, name))

    def decrypt(self, text: str) -> str:
        return text.removeprefix("cipher:")

    def config(self) -> dict[str, Any]:
        return {"region": "eu-1"}


class Run:
    """One workflow, its log, and the children it has asked for that are not over."""

    def __init__(
        self,
        graph: Graph,
        script: Script = succeed,
        *,
        inputs: Mapping[str, Any] | None = None,
        world: ScriptedWorld | None = None,
        log: list[f.Fact] | None = None,
    ) -> None:
        self.graph = graph
        self.script = script
        self.world = world or ScriptedWorld()
        self.log: list[f.Fact] = list(log or [])
        self.state: State = replay(self.log)
        self.conductor = Conductor(graph, RENDERING)
        self.inputs = dict(inputs or {})
        #: Everything requested and not over, in order; delays are not waited for.
        self.open: deque[f.TaskRequested] = deque(
            fact
            for fact in self.log
            if isinstance(fact, f.TaskRequested) and not self.state.children[fact.key].status.terminal
        )

    def send(self, signal: s.Signal) -> list[f.Fact]:
        facts = self.conductor.decide(self.state, signal, self.world)
        self.log += facts
        self.open += [fact for fact in facts if isinstance(fact, f.TaskRequested)]
        return facts

    def start(self) -> Run:
        context = {"st2": {"workflow_execution_id": "wf-1", "user": "stanley"}, "parent": {"pack": "p"}}
        self.send(s.Start(inputs=self.inputs, context=context))
        return self

    def finish(self, request: f.TaskRequested, value: Any = None) -> list[f.Fact]:
        """End one child, as the script says or with ``value``."""
        ended = value if value is not None else self.script(request)
        if not isinstance(ended, Ended):
            ended = Ended(Status.SUCCEEDED, ended)
        if request in self.open:
            self.open.remove(request)
        self.world.children[request.key] = s.ChildRecord(
            execution_id=f"x-{request.key}",
            status=ended.status,
            result=ended.result,
            created_at="2026-01-01T00:00:00.000000Z",
            start_timestamp="2026-01-01T00:00:01.000000Z",
            end_timestamp="2026-01-01T00:00:02.000000Z",
        )
        return self.send(s.TaskFinished(key=request.key, status=ended.status))

    def to_end(self) -> Run:
        """Start if need be, then end children in the order they were requested until none is open."""
        if self.state.status is Status.REQUESTED:
            self.start()
        while self.open:
            self.finish(self.open[0])
        return self

    def is_(self, status: Status) -> bool:
        """True when the workflow has this status now."""
        return self.state.status is status

    def of(self, name: str) -> f.TaskRequested:
        """The first open request of a task."""
        return next(request for request in self.open if self.state.runs[request.run].name == name)

    @property
    def outcome(self) -> Outcome:
        return outcome(self.graph, self.state, self.world)

    @property
    def started(self) -> list[str]:
        """The runs in order: ``name``, or ``name__r<route>`` off the first route."""
        return [
            run.name if run.route == 0 else f"{run.name}__r{run.route}" for run in self.state.runs.values()
        ]
