"""From a claimed execution to the job a runner gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from st_ops.executions.limits import Limits
from st_ops.executions.parameters import ParameterRendering
from st_ops.expressions.masker import Masker
from st_ops.expressions.masking import secret_values
from st_ops.expressions.parameter_schema import schema_of
from st_ops.model.executions import HIDDEN, Execution
from st_ops.model.resources import Action, Pack
from st_ops.model.runner_types import resolve
from st_ops.packs.catalog import Catalog
from st_ops.runners.base import Job
from st_ops.security.results import seal_result
from st_ops.security.secrets import SecretBox
from st_ops.security.tokens import Tokens

#: Seconds that the token of an action outlives its timeout, and its life when there is none.
_TOKEN_MARGIN = 300.0
_TOKEN_SECONDS = 24 * 3600.0


class Jobs:
    """Prepares jobs."""

    def __init__(
        self,
        catalog: Catalog,
        parameters: ParameterRendering,
        tokens: Tokens,
        api_url: Callable[[], str],
        configs: Callable[[str], Mapping[str, Any]],
        secret_config: Callable[[str], list[Any]],
        interpreter: Callable[[str], str],
        limits: Limits,
        box: SecretBox,
    ) -> None:
        """``configs``, ``secret_config`` and ``interpreter`` answer, for a pack's ref, its resolved config,
        the secret values in it, and the Python that runs it.
        """
        self._catalog = catalog
        self._parameters = parameters
        self._tokens = tokens
        self._api_url = api_url
        self._configs = configs
        self._secret_config = secret_config
        self._interpreter = interpreter
        self._limits = limits
        self._box = box

    def prepare(self, execution: Execution, masker: Masker, room: str = "") -> Job:
        """The job of a claimed execution, whose artifact folder is ``room``; ``masker`` learns its secrets.

        Raises NotFound when its action is gone, ExpressionError, InvalidInput.
        """
        snapshot = self._catalog.cached()
        action = snapshot.action(execution.action)
        pack = snapshot.packs.get(action.pack)
        if HIDDEN in execution.context:
            masker.add(self._parameters.hidden_in(execution.context))
            context = {key: value for key, value in execution.context.items() if key != HIDDEN}
            execution = execution.model_copy(update={"context": context})
        with self._parameters.noting() as decrypted:
            values = self._parameters.for_run(
                action, execution.parameters, user=execution.user, context=execution.context
            )
        runner = resolve(action.runner_type)
        secret = secret_values(schema_of(action), values)
        masker.add([*decrypted, *secret, *self._secret_config(action.pack)])
        runner_values = {key: value for key, value in values.items() if key in runner.parameters}
        # The request's word counts before a policy's, a policy's before the action's.
        timeout = (
            execution.timeout or self._limits.of(snapshot, action.ref).timeout or runner_values.get("timeout")
        )
        if timeout and "timeout" in runner.parameters:
            runner_values["timeout"] = timeout
        environment = self._environment(execution, action, timeout)
        masker.add([environment["ST2_AUTH_TOKEN"]])
        return Job(
            execution=execution, action=action, pack_path=pack.path if pack else "",
            runner_parameters=runner_values,
            parameters={key: value for key, value in values.items() if key not in runner.parameters},
            config=self._configs(action.pack), timeout=float(timeout) if timeout else None,
            environment=environment,
            python=self._interpreter(action.pack) if runner.name == "python-script" else "",
            preload=_preload(pack), artifacts=room, keep_workdir=bool(execution.context.get("keep_workdir")),
            hide=masker.add,
        )  # fmt: skip

    def seal_result(self, execution: Execution, result: Any, masker: Masker) -> Any:
        """The result as it is stored: its secret outputs sealed, for later tasks; ``masker`` learns them."""
        action = self._catalog.cached().actions.get(execution.action)
        if action is None or not action.output_schema:
            return result
        return seal_result(
            self._box, action, resolve(action.runner_type), result, lambda value: masker.add([value])
        )

    def _environment(self, execution: Execution, action: Action, timeout: float | None) -> dict[str, str]:
        seconds = float(timeout) + _TOKEN_MARGIN if timeout else _TOKEN_SECONDS
        token = self._tokens.sign(execution.user or "system", execution.id, seconds)
        url = self._api_url()
        return {
            "ST2_ACTION_PACK_NAME": action.pack,
            "ST2_ACTION_EXECUTION_ID": execution.id,
            "ST2_ACTION_API_URL": url,
            "ST2_ACTION_AUTH_TOKEN": token,
            "ST2_ACTION_DEBUG": "",
            "ST2_API_URL": url,
            "ST2_AUTH_TOKEN": token,
            "ST_OPS_EXECUTION_ID": execution.id,
        }


def _preload(pack: Pack | None) -> bool:
    return pack is None or pack.preload
