"""How a workflow begins: its definition read, looked over and put into its log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from st_ops.expressions.masking import secret_names
from st_ops.model.executions import Execution
from st_ops.packs.catalog import Snapshot
from st_ops.security.secrets import SecretBox
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
        box: SecretBox,
        api_url: Callable[[], str],
    ) -> None:
        self._definitions = definitions
        self._live = live
        self._box = box
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
        # A log that could hold a secret in the clear is sealed.
        sealed = bool(secret_names(action.parameters)) or "decrypt" in text
        return self._live.begin(tx, workflow.id, graph, text, sealed=sealed), []

    def signal(self, workflow: Execution) -> s.Start:
        """The first signal: the parameters, and what Orquesta shows as ``ctx().st2`` and ``ctx().parent``."""
        inputs = {key: self._box.open_values(value) for key, value in workflow.parameters.items()}
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
        return s.Start(
            inputs=inputs,
            context={"st2": platform, "parent": workflow.context.get("parent", workflow.context)},
        )


def _content(message: str) -> dict[str, Any]:
    return {"type": "content", "message": message, "schema_path": None, "spec_path": None}
