"""From the fact that a task is wanted to the request of its child execution."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from st_ops.executions.requests import Request
from st_ops.model.base import Object
from st_ops.model.executions import HIDDEN, Execution, TaskIdentity
from st_ops.model.identity import now
from st_ops.workflows import facts as f
from st_ops.workflows.state import Run


def task_request(workflow: Execution, run: Run, fact: f.TaskRequested, hidden: Collection[str]) -> Request:
    """The request of a child, in which the texts ``hidden`` are secret.

    Its context shows whose child it is, in StackStorm's form.
    """
    task = TaskIdentity(
        key=fact.key, name=run.name, task_id=run.key, route=run.route, item=fact.item, attempt=fact.attempt
    )
    ready = now() + timedelta(seconds=fact.delay) if fact.delay else None
    return Request(
        action=fact.action, parameters=fact.parameters, literal=True, user=workflow.user,
        context=_context(workflow, run, fact), parent_id=workflow.id, root_id=workflow.root_id, task=task,
        trace_id=workflow.trace_id, priority=workflow.priority or None, ready_at=ready,
        hidden=sorted(hidden),
    )  # fmt: skip


def _context(workflow: Execution, run: Run, fact: f.TaskRequested) -> Object:
    shown = {key: value for key, value in workflow.context.items() if key != HIDDEN}
    own = {key: value for key, value in shown.items() if key not in ("parent", "orquesta", "chain")}
    parent = {**shown, "execution_id": workflow.id}
    context: Object = {**own, "parent": parent}
    if workflow.runner == "action-chain":
        context["chain"] = {"name": run.name}
        return context
    context["orquesta"] = {
        "workflow_execution_id": workflow.id,
        "task_execution_id": run.key,
        "task_name": run.name,
        "task_id": run.name,
        "task_route": run.route,
    }
    if fact.item is not None:
        context["orquesta"]["item_id"] = fact.item
    return context
