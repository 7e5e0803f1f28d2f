"""What a workflow's expressions look up: children, the datastore, its pack's config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from st_ops.model.executions import Execution
from st_ops.model.identity import iso
from st_ops.security.key_values import KeyValues
from st_ops.store import tasks
from st_ops.store.database import Tx
from st_ops.workflows.secrets import Secrets
from st_ops.workflows.signals import ChildRecord


class StoreWorld:
    """The World of one workflow execution, within one transaction."""

    def __init__(
        self,
        tx: Tx,
        workflow: Execution,
        key_values: KeyValues,
        configs: Callable[[str], Mapping[str, Any]],
        secrets: Secrets,
    ) -> None:
        #: Texts that the workflow was given meanwhile and must not show: secret outputs, secrets of the config.
        self.hidden: set[str] = set()
        self._secrets = secrets
        self._tx = tx
        self._workflow = workflow
        self._key_values = key_values
        self._configs = configs
        self._children: dict[str, ChildRecord | None] = {}

    @property
    def user(self) -> str:
        """Who runs the workflow."""
        return self._workflow.user

    @property
    def parent(self) -> Mapping[str, Any]:
        """The workflow's own context, with its ``execution_id``."""
        return {**self._workflow.context, "execution_id": self._workflow.id}

    def child(self, key: str) -> ChildRecord | None:
        """The child execution under ``key``; None when there is none (yet)."""
        if key not in self._children:
            found = tasks.child(self._tx, self._workflow.id, key)
            self._children[key] = None if found is None else self._record(found)
        return self._children[key]

    def key_value(self, scope: str, user: str, name: str) -> str | None:
        """A stored value; a secret's is its ciphertext."""
        found = self._key_values.get_in(self._tx, name, scope=scope, user=user)
        return None if found is None else found.value

    def decrypt(self, text: str) -> str:
        """The plain text of a stored secret."""
        return self._key_values.decrypt(text)

    def config(self) -> Mapping[str, Any]:
        """The resolved config of the workflow's pack."""
        pack = self._workflow.action.partition(".")[0]
        self.hidden.update(self._secrets.of_config(pack))
        return self._configs(pack)

    def _record(self, found: Execution) -> ChildRecord:
        return ChildRecord(
            execution_id=found.id,
            status=found.status,
            result=self._secrets.opened(found.result, self.hidden),
            created_at=iso(found.created_at),
            start_timestamp=iso(found.start_timestamp or found.created_at),
            end_timestamp="" if found.end_timestamp is None else iso(found.end_timestamp),
            reason=found.reason,
        )
