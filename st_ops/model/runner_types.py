"""The runner types: what each one is called, which parameters it takes and where its result lies.

Names, aliases, parameters and defaults are StackStorm's (reference 1.3), so that its action metadata
means the same here. The running itself is in ``st_ops.runners`` and ``st_ops.workflows``.
"""

from __future__ import annotations

from st_ops.errors import NotFound
from st_ops.model.base import Object
from st_ops.model.remote_runner_types import remote_types, winrm_types
from st_ops.model.runner_type import (
    CMD,
    ENV,
    KWARG_OP,
    SHELL_OUTPUT,
    SUDO,
    RunnerType,
    parameter,
    runner,
    timeout,
)

__all__ = ["OVERRIDABLE", "RUNNER_TYPES", "RunnerType", "resolve"]

#: Action metadata may change only these keys of a runner's parameter (StackStorm 1.2).
OVERRIDABLE = frozenset({"default", "description", "enum", "immutable", "required"})

_DEBUG = parameter("boolean", "Turn on the debug mode of the run (ST2_ACTION_DEBUG).")
_CONTENT_VERSION = parameter(
    "string", "Version of the pack (git commit, tag or branch) to take the action from."
)


def _container() -> RunnerType:
    return runner(
        "container",
        "Runs a command in a container of its own, through docker or podman. st_ops' own runner type.",
        "container_runner",
        {
            "image": parameter("string", "Image to run.", required=True),
            "cmd": parameter(
                "string", "Command line for the shell (sh) of the image; it is handed over on stdin."
            ),
            "args": parameter(
                "array",
                "Words for the entry point of the image. They can be seen in the host's list of processes, so a "
                "secret in them is refused.",
                items={"type": ["string", "number"]},
            ),
            "env": ENV,
            "cwd": parameter("string", "Working directory in the container."),
            "user": parameter("string", "User in the container: name or number, with :group or without."),
            "network": parameter("string", "Network of the container, such as none or host."),
            "mounts": parameter(
                "array",
                "What the container sees of the host: source:/target or source:/target:ro; a source that is no "
                "absolute path is a volume.",
                items={"type": "string"},
            ),
            "artifacts": parameter(
                "boolean",
                "Mount the run's artifact folder, whose path is in ST_OPS_ARTIFACTS. The engine must be on the "
                "worker's host and see its files.",
                default=False,
            ),
            "pull": parameter(
                "string",
                "When the image is fetched.",
                default="missing",
                enum=["missing", "always", "never"],
            ),
            "timeout": timeout(600),
        },
        aliases=("run-container",),
        output_schema=SHELL_OUTPUT,
    )


def _local() -> list[RunnerType]:
    shared = {"cwd": parameter("string", "Working directory."), "env": ENV, "kwarg_op": KWARG_OP, **SUDO}
    script = {"debug": _DEBUG, "content_version": _CONTENT_VERSION}
    return [
        runner(
            "local-shell-cmd",
            "Runs a shell command on this machine.",
            "local_runner",
            {"cmd": CMD, **shared, "timeout": timeout(60)},
            module="local_shell_command_runner",
            aliases=("run-local",),
            output_schema=SHELL_OUTPUT,
        ),
        runner(
            "local-shell-script",
            "Runs a script of the pack on this machine.",
            "local_runner",
            {**script, **shared, "timeout": timeout(60)},
            module="local_shell_script_runner",
            aliases=("run-local-script",),
            output_schema=SHELL_OUTPUT,
        ),
    ]


def _python() -> RunnerType:
    return runner(
        "python-script",
        "Runs a Python action of the pack in a process of its own.",
        "python_runner",
        {
            "debug": _DEBUG,
            "content_version": _CONTENT_VERSION,
            "env": ENV,
            "timeout": timeout(600),
            "log_level": parameter(
                "string",
                "Lowest level of the action's log lines.",
                default="DEBUG",
                enum=["AUDIT", "CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"],
            ),
        },
        aliases=("run-python",),
        output_key="result",
        output_schema={
            "result": {
                "anyOf": [
                    {"type": name}
                    for name in ("object", "string", "number", "integer", "boolean", "array", "null")
                ]
            },
            "stdout": {"type": "string"},
            "stderr": {"type": "string"},
            "exit_code": {"type": "integer"},
        },
    )


def _http() -> RunnerType:
    return runner(
        "http-request",
        "Makes an HTTP request.",
        "http_runner",
        {
            "url": parameter("string", "Where the request goes.", required=True),
            "headers": parameter("object", "Request headers."),
            "cookies": parameter("object", "Cookies to send."),
            "http_proxy": parameter("string", "Proxy for http URLs."),
            "https_proxy": parameter("string", "Proxy for https URLs."),
            "allow_redirects": parameter("boolean", "Follow redirects.", default=False),
            "username": parameter("string", "User for basic authentication."),
            "password": parameter("string", "Password for basic authentication.", secret=True),
            "verify_ssl_cert": parameter("boolean", "Check the server's certificate.", default=True),
            "url_hosts_blacklist": parameter(
                "array",
                "Hosts that must not be asked. Not together with the whitelist.",
                items={"type": "string"},
            ),
            "url_hosts_whitelist": parameter(
                "array",
                "The only hosts that may be asked. Not together with the blacklist.",
                items={"type": "string"},
            ),
            "allow_private_redirects": parameter(
                "boolean", "Follow redirects to private addresses too. st_ops' own parameter.", default=False
            ),
        },
        aliases=("run-http", "http-runner"),
        output_key="body",
        output_schema={
            "status_code": {"type": "integer"},
            "body": {"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "array"}]},
            "parsed": {"type": "boolean"},
            "headers": {"type": "object"},
        },
    )


def _workflows() -> list[RunnerType]:
    names = {"type": "array", "items": {"type": "string"}, "default": []}
    return [
        runner(
            "action-chain",
            "Runs actions one after another, choosing the next by how the last one ended.",
            "action_chain_runner",
            {
                "display_published": parameter("boolean", "Show the published variables.", default=True),
                "skip_notify": {**names, "description": "Tasks that send no notification."},
            },
            output_key="published",
        ),
        runner(
            "orquesta",
            "Runs an Orquesta workflow.",
            "orquesta_runner",
            {"notify": {**names, "description": "Tasks that send a notification."}},
            aliases=("orchestra",),
            output_key="output",
        ),
    ]


_INQUIRY_SCHEMA: Object = {
    "type": "object",
    "title": "response_data",
    "properties": {
        "continue": {
            "type": "boolean",
            "description": "Would you like to continue the workflow?",
            "required": True,
        }
    },
}


def _people() -> list[RunnerType]:
    return [
        runner(
            "inquirer",
            "Asks people a question and waits for the answer.",
            "inquirer_runner",
            {
                "schema": parameter("object", "Schema of the answer.", default=_INQUIRY_SCHEMA),
                "route": parameter("string", "Route of the notification, for rules to match.", default=""),
                "roles": parameter("array", "Roles that may answer; empty: anybody.", default=[]),
                "users": parameter("array", "Users that may answer; empty: anybody.", default=[]),
                "ttl": parameter("integer", "Minutes until the question lapses.", default=1440),
            },
        ),
        runner(
            "announcement",
            "Tells those who listen on the event stream.",
            "announcement_runner",
            {
                "experimental": parameter("boolean", "Must be true.", required=True),
                "route": parameter("string", "Channel of the announcement.", default="general", minLength=1),
            },
        ),
        runner("noop", "Does nothing, successfully.", "noop_runner", {}),
    ]


#: name → runner type, in the order they are listed to people.
RUNNER_TYPES: dict[str, RunnerType] = {
    kind.name: kind
    for kind in (
        *_local(),
        *remote_types(),
        _python(),
        _container(),
        _http(),
        *winrm_types(),
        *_workflows(),
        *_people(),
    )
}

_BY_NAME = {
    **{alias: kind for kind in RUNNER_TYPES.values() for alias in kind.aliases},
    **RUNNER_TYPES,
}


def resolve(name: str) -> RunnerType:
    """The runner type called ``name``, which may be an alias. Raises NotFound, naming those there are."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise NotFound("runner type", name, f"Known are {', '.join(RUNNER_TYPES)}.") from None
