"""What a runner type is, and the parameters that several of them share."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from st_ops.model.base import Model, Object


class RunnerType(Model):
    """One runner type. ``parameters`` is StackStorm's ``runner_parameters``: name → property schema.

    ``output_key`` names the key of the result that ``output_schema`` describes; "" when it is the whole result.
    """

    name: str
    aliases: tuple[str, ...] = ()
    description: str = ""
    enabled: bool = True
    runner_package: str = ""
    runner_module: str = ""
    parameters: dict[str, Object] = Field(default_factory=dict)
    output_key: str = ""
    output_schema: Object = Field(default_factory=dict)

    @property
    def uid(self) -> str:
        """StackStorm's uid: ``runner_type:<name>``."""
        return f"runner_type:{self.name}"

    @property
    def is_workflow(self) -> bool:
        """True when the workflow engine conducts it; no runner ever runs it."""
        return self.name in ("action-chain", "orquesta")


def parameter(kind: str, description: str, **more: Any) -> Object:
    """The schema of one parameter of the JSON type ``kind``."""
    return {"type": kind, "description": description, **more}


def timeout(seconds: int) -> Object:
    """The parameter ``timeout`` whose default is ``seconds``."""
    return parameter(
        "integer", "Seconds after which the run is stopped with status timeout.", default=seconds
    )


ENV = parameter(
    "object", "Environment variables for the run.", patternProperties={r"^\w+$": {"type": "string"}}
)
SUDO = {
    "sudo": parameter("boolean", "Run as root through sudo.", default=False),
    "sudo_password": parameter(
        "string", "The password sudo asks for; given on stdin, never as an argument.", secret=True
    ),
}
CMD = parameter("string", "Command line, given to the shell.")
KWARG_OP = parameter("string", "What stands before the name of a named argument.", default="--")
SHELL_OUTPUT: Object = {
    "succeeded": {"type": "boolean"},
    "failed": {"type": "boolean"},
    "return_code": {"type": "integer"},
    "stdout": {"anyOf": [{"type": "string"}, {"type": "array"}, {"type": "object"}]},
    "stderr": {"anyOf": [{"type": "string"}, {"type": "array"}, {"type": "object"}]},
}


def runner(
    name: str, description: str, package: str, parameters: dict[str, Object], **more: Any
) -> RunnerType:
    """A runner type whose module, in StackStorm's terms, is ``more["module"]`` or called as its ``package``."""
    module = more.pop("module", package)
    return RunnerType(
        name=name,
        description=description,
        runner_package=package,
        runner_module=module,
        parameters=parameters,
        **more,
    )
