"""How a workflow begins: its definition read, looked over and put into its log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from st_ops.errors import ExpressionError, InvalidInput
from st_ops.expressions.masking import secret_names, secret_values
from st_ops.expressions.parameter_schema import schema_of
from st_ops.model.base import Object
from st_ops.model.executions import HIDDEN, Execution
from st_ops.model.runner_types import resolve
from st_ops.packs.catalog import Snapshot
from st_ops.store.database import Tx
from st_ops.workflows import signals as s
from st_ops.workflows.definitions import Definitions, read_definition
from st_ops.workflows.live import Live, LiveWorkflows


class Starting:
    """Begins workflows for the engine."""

    def __init__(
        self,
        definitions: Definitions,
        live: LiveWorkflows,
        values: Callable[[Execution], Object],
        hidden_in: Callable[[Object], Iterable[str]],
        api_url: Callable[[], str],
    ) -> None:
        """``values`` answers an execution's parameters as a run gets them: opened, defaults filled in, cast;
        ``hidden_in`` the texts that an execution with such a context must not show.
        """
        self._hidden_in = hidden_in
        self._definitions = definitions
        self._live = live
        self._values = values
        self._api_url = api_url

    def begin(
        self, tx: Tx, workflow: Execution, snapshot: Snapshot
    ) -> tuple[Live | None, Sequence[dict[str, Any]]]:
        """The workflow with its definition in its log; or None and the errors of its definition."""
        action = snapshot.actions.get(workflow.action)
        pack = snapshot.packs.get(workflow.action.partition(".")[0])
        if action is None or pack is None:
            return None, [_content(f"The action '{workflow.action}' is no longer registered.")]
        try:
            text = read_definition(action, pack.path)
        except OSError as exc:
            return None, [
                _content(f"The workflow file '{action.entry_point}' of '{action.ref}' cannot be read: {exc}")
            ]
        graph, errors = self._definitions.compile(workflow.runner, text)
        if graph is None or errors:
            return None, errors
        try:
            inputs = self._inputs(workflow)
        except (InvalidInput, ExpressionError) as exc:
            return None, [_content(str(exc))]
        hidden = {*secret_values(schema_of(action), inputs), *self._hidden_in(workflow.context)}
        # A log that could hold a secret in the clear is sealed.
        sealed = bool(secret_names(action.parameters)) or "decrypt" in text
        live = self._live.begin(tx, workflow.id, graph, text, sealed=sealed)
        self._live.append(tx, workflow.id, live, [], hidden)
        return live, []

    def signal(self, workflow: Execution) -> s.Start:
        """The first signal: the parameters, and what Orquesta shows as ``ctx().st2`` and ``ctx().parent``."""
        platform = {
            "action_execution_id": workflow.id,
            "workflow_execution_id": workflow.id,
            "api_url": self._api_url(),
            "user": workflow.user,
            "pack": workflow.action.partition(".")[0],
            "action": workflow.action,
            "runner": workflow.runner,
        }
        for name in ("api_user", "source_channel"):
            if name in workflow.context:
                platform[name] = workflow.context[name]
        own = {key: value for key, value in workflow.context.items() if key != HIDDEN}
        return s.Start(
            inputs=self._inputs(workflow),
            context={"st2": platform, "parent": own.get("parent", own)},
        )

    def _inputs(self, workflow: Execution) -> Object:
        """The action's parameters. One that has neither value nor default is left to the workflow's own default."""
        of_the_runner = resolve(workflow.runner).parameters
        return {
            name: value
            for name, value in self._values(workflow).items()
            if name not in of_the_runner and (value is not None or name in workflow.parameters)
        }


def _content(message: str) -> dict[str, Any]:
    return {"type": "content", "message": message, "schema_path": None, "spec_path": None}
