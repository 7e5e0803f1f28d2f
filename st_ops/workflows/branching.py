"""What follows from the end of a task: its retry, its transitions, and what they mean for the workflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from st_ops.model.status import Status
from st_ops.workflows import facts as f
from st_ops.workflows.context import Context
from st_ops.workflows.fold import apply
from st_ops.workflows.functions import Scope
from st_ops.workflows.graph import Edge, Graph, Transition
from st_ops.workflows.output import unreachable
from st_ops.workflows.rendering import EXPECTED, Rendering, described
from st_ops.workflows.signals import World
from st_ops.workflows.state import Run, State, counts_as

#: Orquesta's fixed text for a task whose action failed.
FAILED_ACTION = "Execution failed. See result for details."


@dataclass(frozen=True, slots=True)
class _Departure:
    """One transition whose condition holds, evaluated."""

    index: int
    published: dict[str, Any]
    edges: list[Edge]
    names: list[str]


class Branching:
    """Decides within one state. Every fact goes through ``emit``."""

    def __init__(self, graph: Graph, rendering: Rendering, state: State, world: World) -> None:
        self.graph = graph
        self.state = state
        self.world = world
        self.facts: list[f.Fact] = []
        #: Tasks completed without running anything, in this decision.
        self.instant = 0
        self._rendering = rendering

    def emit(self, fact: f.Fact) -> None:
        """Decide ``fact``."""
        apply(self.state, fact)
        self.facts.append(fact)

    def scope(self, variables: Mapping[str, Any], **details: Any) -> Scope:
        """What an evaluation sees."""
        return Scope(state=self.state, world=self.world, variables=variables, **details)

    def evaluate(self, value: Any, scope: Scope) -> Any:
        """``value`` evaluated. Raises ExpressionError."""
        return self._rendering.value(self.graph, value, scope)

    def record(self, message: str, task: str, route: int, transition: str | None = None) -> None:
        """Add an entry to the workflow's errors."""
        error = {"type": "error", "message": message, "task_id": task, "route": route}
        if transition is not None:
            error["task_transition_id"] = transition
        self.emit(f.ErrorRecorded(error=error))

    def fail(self, status: Status = Status.FAILED, *, asked_by: str = "", drop: bool = False) -> None:
        """Let the workflow fail, unless it is being canceled. ``asked_by``: the run that took the command ``fail``.

        ``drop``: run no clean-up.
        """
        if self.state.status is not Status.CANCELING:
            self.emit(f.WorkflowFailing(key=asked_by, status=status, drop=drop))

    def complete(self, run: Run, ended: Status) -> None:
        """End ``run`` or try it again; take its transitions; see what that means for the workflow."""
        status = counts_as(ended)
        scope = self.scope(run.context, name=run.name, route=run.route, run=run, status=status)
        try:
            if self._retries(run, scope):
                self.emit(f.TaskRetried(key=run.key, attempt=run.attempt + 1))
                return
        except EXPECTED as error:
            self.record(described(error), run.name, run.route)
            self.fail()
        self.emit(f.TaskCompleted(key=run.key, status=status, ended=ended))
        self._judge(run, ended, self._leave(run, scope))

    def _retries(self, run: Run, scope: Scope) -> bool:
        retry = self.graph.tasks[run.name].retry
        if retry is None or run.attempt > run.retries or self.state.failing is not None:
            return False
        if self.state.status is Status.CANCELING or scope.status is Status.CANCELED:
            return False
        if retry.when is None:
            return scope.status is Status.FAILED
        return bool(self.evaluate(retry.when, scope))

    def _leave(self, run: Run, scope: Scope) -> set[str]:
        """Take every transition whose condition holds. The targets taken."""
        departures = [
            departure
            for transition in self.graph.tasks[run.name].transitions
            if transition.outcome in ("any", scope.status)
            and (departure := self._departure(run, transition, scope)) is not None
        ]
        routes = self._routes(run, [edge for departure in departures for edge in departure.edges])
        for departure in departures:
            targets = [
                self._aim(name, routes[edge])
                for edge, name in zip(departure.edges, departure.names, strict=True)
            ]
            self.emit(
                f.TransitionTaken(
                    key=run.key, index=departure.index, published=departure.published, targets=targets
                )
            )
        return {name for departure in departures for name in departure.names}

    def _departure(self, run: Run, transition: Transition, scope: Scope) -> _Departure | None:
        """What taking ``transition`` amounts to; None when its condition does not hold or an expression fails."""
        edges = [edge for edge in self.graph.edges[run.name] if edge.transition == transition.index]
        try:
            if transition.when is not None and not self.evaluate(transition.when, scope):
                return None
            names = [self._target(edge, scope) for edge in edges]
        except EXPECTED as error:
            self._mistaken([error], run, edges)
            return None
        published, errors = self._published(transition, run.context, scope)
        if errors:
            self._mistaken(errors, run, edges)
            return None
        return _Departure(transition.index, published, edges, names)

    def _routes(self, run: Run, edges: list[Edge]) -> dict[Edge, tuple[int, str]]:
        """Edge → the route it leads on to, and the edge's name when that route is new. Numbered by target."""
        found: dict[Edge, tuple[int, str]] = {}
        following = len(self.state.routes)
        for edge in sorted(edges, key=lambda edge: (edge.target, edge.key)):
            origin = f"{run.name}__t{edge.key}"
            if edge.target in self.graph.split and not self.state.has_passed(run.route, origin):
                found[edge] = (following, origin)
                following += 1
            else:
                found[edge] = (run.route, "")
        return found

    def _target(self, edge: Edge, scope: Scope) -> str:
        """The task an edge leads to; an action chain may name it by a template."""
        if self.graph.dialect == "orquesta" or edge.target in self.graph.tasks or edge.target == "continue":
            return edge.target
        name = str(self.evaluate(edge.target, scope))
        if name not in self.graph.tasks:
            raise ValueError(f'Unable to find node with name "{name}".')
        return name

    def _mistaken(self, errors: list[Exception], run: Run, edges: list[Edge]) -> None:
        for edge in edges:
            for error in errors:
                self.record(described(error), run.name, run.route, edge.id)
        self.fail()

    def _published(
        self, transition: Transition, context: Context, scope: Scope
    ) -> tuple[dict[str, Any], list[Exception]]:
        """What the transition publishes, evaluated in order, each seeing those before; and what went wrong."""
        made: dict[str, Any] = {}
        errors: list[Exception] = []
        for name, value in transition.publish:
            seen = scope if self.graph.dialect == "action-chain" else self._seeing(scope, context)
            try:
                made[name] = self.evaluate(value, seen)
            except EXPECTED as error:
                errors.append(error)
            else:
                context = context.publish({name: made[name]}, self.state.position + 1)
        return made, errors

    def _seeing(self, scope: Scope, context: Context) -> Scope:
        return self.scope(context, name=scope.name, route=scope.route, run=scope.run, status=scope.status)

    def _aim(self, name: str, route: tuple[int, str]) -> f.Target:
        joins = self.graph.joins(name)
        return f.Target(
            name=name,
            route=route[0],
            edge=route[1],
            needs=self.graph.needed(name) if joins else None,
            again=joins and name in self.graph.cyclic,
        )

    def _judge(self, run: Run, ended: Status, taken: set[str]) -> None:
        """What the end of ``run`` means for the workflow, given where it led."""
        if run.status is Status.CANCELED and self.state.status is not Status.CANCELING:
            self.emit(f.WorkflowMoved(status=Status.CANCELING, cause="task"))
        if run.status is Status.FAILED and not taken - {"continue"}:
            self._stuck()
            self.fail(ended if self.graph.dialect == "action-chain" else Status.FAILED)
        if "fail" in taken:
            self.emit(f.ErrorRecorded(error={"type": "error", "message": FAILED_ACTION, "task_id": "fail"}))
            self._stuck()
            self.fail(asked_by=run.key)

    def _stuck(self) -> None:
        if self.state.failing is None:
            for error in unreachable(self.graph, self.state):
                self.emit(f.ErrorRecorded(error=error))
