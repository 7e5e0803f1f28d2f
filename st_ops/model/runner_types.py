"""The runner types: what each one is called, which parameters it takes and where its result lies.

Names, aliases, parameters and defaults are StackStorm's (reference 1.3), so that its action metadata
means the same here. The running itself is in ``st_ops.runners`` and ``st_ops.workflows``.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from st_ops.errors import NotFound
from st_ops.model.base import Model, Object

#: Action metadata may change only these keys of a runner's parameter (StackStorm 1.2).
OVERRIDABLE = frozenset({"default", "description", "enum", "immutable", "required"})


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


def _parameter(kind: str, description: str, **more: Any) -> Object:
    return {"type": kind, "description": description, **more}


def _timeout(seconds: int) -> Object:
    return _parameter(
        "integer", "Seconds after which the run is stopped with status timeout.", default=seconds
    )


_ENV = _parameter(
    "object", "Environment variables for the run.", patternProperties={r"^\w+$": {"type": "string"}}
)
_SUDO = {
    "sudo": _parameter("boolean", "Run as root through sudo.", default=False),
    "sudo_password": _parameter(
        "string", "The password sudo asks for; given on stdin, never as an argument.", secret=True
    ),
}
_CMD = _parameter("string", "Command line, given to the shell.")
_KWARG_OP = _parameter("string", "What stands before the name of a named argument.", default="--")
_DEBUG = _parameter("boolean", "Turn on the debug mode of the run (ST2_ACTION_DEBUG).")
_CONTENT_VERSION = _parameter(
    "string", "Version of the pack (git commit, tag or branch) to take the action from."
)
_SHELL_OUTPUT: Object = {
    "succeeded": {"type": "boolean"},
    "failed": {"type": "boolean"},
    "return_code": {"type": "integer"},
    "stdout": {"anyOf": [{"type": "string"}, {"type": "array"}, {"type": "object"}]},
    "stderr": {"anyOf": [{"type": "string"}, {"type": "array"}, {"type": "object"}]},
}


def _runner(
    name: str, description: str, package: str, parameters: dict[str, Object], **more: Any
) -> RunnerType:
    module = more.pop("module", package)
    return RunnerType(
        name=name,
        description=description,
        runner_package=package,
        runner_module=module,
        parameters=parameters,
        **more,
    )


def _local() -> list[RunnerType]:
    shared = {"cwd": _parameter("string", "Working directory."), "env": _ENV, "kwarg_op": _KWARG_OP, **_SUDO}
    script = {"debug": _DEBUG, "content_version": _CONTENT_VERSION}
    return [
        _runner(
            "local-shell-cmd",
            "Runs a shell command on this machine.",
            "local_runner",
            {"cmd": _CMD, **shared, "timeout": _timeout(60)},
            module="local_shell_command_runner",
            aliases=("run-local",),
            output_schema=_SHELL_OUTPUT,
        ),
        _runner(
            "local-shell-script",
            "Runs a script of the pack on this machine.",
            "local_runner",
            {**script, **shared, "timeout": _timeout(60)},
            module="local_shell_script_runner",
            aliases=("run-local-script",),
            output_schema=_SHELL_OUTPUT,
        ),
    ]


def _remote() -> list[RunnerType]:
    shared = {
        "hosts": _parameter("string", "Comma-separated hosts, each host or host:port.", required=True),
        "username": _parameter("string", "User to log in as."),
        "password": _parameter("string", "Password to log in with.", secret=True),
        "private_key": _parameter("string", "Private key: its text, or the path of its file.", secret=True),
        "passphrase": _parameter("string", "Passphrase of the private key.", secret=True),
        "port": _parameter(
            "integer", "SSH port where a host names none.", default=22, minimum=1, maximum=65535
        ),
        "bastion_host": _parameter("string", "Host through which the others are reached."),
        "cwd": _parameter("string", "Working directory on the remote host."),
        "dir": _parameter(
            "string", "Folder on the remote host that scripts are copied to.", default="/tmp", immutable=True
        ),
        "env": _ENV,
        "parallel": _parameter("boolean", "Hosts are always run in parallel.", default=True, immutable=True),
        "kwarg_op": _KWARG_OP,
        **_SUDO,
        "timeout": _timeout(60),
        "known_hosts": _parameter(
            "string", "Host keys to trust: path of a known_hosts file, or its lines. st_ops' own parameter."
        ),
        "host_key_fingerprint": _parameter(
            "string",
            "SHA256:… fingerprint the host key must have, instead of known_hosts. st_ops' own parameter.",
        ),
        "verify_host_key": _parameter(
            "boolean", "false accepts any host key; true checks it. st_ops' own parameter.", default=True
        ),
        "allow_partial_failure": _parameter(
            "boolean", "Succeed when at least one host did. st_ops' own parameter; default from the settings."
        ),
    }
    return [
        _runner(
            "remote-shell-cmd",
            "Runs a shell command on one or more hosts over SSH.",
            "remote_runner",
            {"cmd": _CMD, **shared, "cwd": {**shared["cwd"], "default": "/tmp"}},
            module="remote_command_runner",
            aliases=("run-remote",),
        ),
        _runner(
            "remote-shell-script",
            "Copies a script of the pack to one or more hosts and runs it there over SSH.",
            "remote_runner",
            {**shared, "cwd": {**shared["cwd"], "default": "/tmp"}},
            module="remote_script_runner",
            aliases=("run-remote-script",),
        ),
    ]


def _python() -> RunnerType:
    return _runner(
        "python-script",
        "Runs a Python action of the pack in a process of its own.",
        "python_runner",
        {
            "debug": _DEBUG,
            "content_version": _CONTENT_VERSION,
            "env": _ENV,
            "timeout": _timeout(600),
            "log_level": _parameter(
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
    return _runner(
        "http-request",
        "Makes an HTTP request.",
        "http_runner",
        {
            "url": _parameter("string", "Where the request goes.", required=True),
            "headers": _parameter("object", "Request headers."),
            "cookies": _parameter("object", "Cookies to send."),
            "http_proxy": _parameter("string", "Proxy for http URLs."),
            "https_proxy": _parameter("string", "Proxy for https URLs."),
            "allow_redirects": _parameter("boolean", "Follow redirects.", default=False),
            "username": _parameter("string", "User for basic authentication."),
            "password": _parameter("string", "Password for basic authentication.", secret=True),
            "verify_ssl_cert": _parameter("boolean", "Check the server's certificate.", default=True),
            "url_hosts_blacklist": _parameter(
                "array",
                "Hosts that must not be asked. Not together with the whitelist.",
                items={"type": "string"},
            ),
            "url_hosts_whitelist": _parameter(
                "array",
                "The only hosts that may be asked. Not together with the blacklist.",
                items={"type": "string"},
            ),
            "allow_private_redirects": _parameter(
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


def _winrm() -> list[RunnerType]:
    shared = {
        "host": _parameter("string", "Windows host.", required=True),
        "username": _parameter("string", "User to log in as.", required=True),
        "password": _parameter("string", "Password to log in with.", required=True, secret=True),
        "port": _parameter("integer", "WinRM port.", default=5986),
        "scheme": _parameter("string", "http or https.", default="https"),
        "transport": _parameter(
            "string",
            "How to authenticate.",
            default="ntlm",
            enum=["basic", "certificate", "credssp", "kerberos", "ntlm", "plaintext", "ssl"],
        ),
        "verify_ssl_cert": _parameter("boolean", "Check the server's certificate.", default=True),
        "cwd": _parameter("string", "Working directory on the host."),
        "env": _ENV,
        "timeout": _timeout(60),
    }
    cmd = {"cmd": _parameter("string", "What to run.", required=True)}
    kwarg_op = {"kwarg_op": {**_KWARG_OP, "default": "-"}}
    described = {
        "winrm-cmd": ("Runs a command prompt command on a Windows host.", {**cmd, **shared}),
        "winrm-ps-cmd": ("Runs a PowerShell command on a Windows host.", {**cmd, **shared}),
        "winrm-ps-script": (
            "Runs a PowerShell script of the pack on a Windows host.",
            {**kwarg_op, **shared},
        ),
    }
    modules = {
        "winrm-cmd": "winrm_command_runner",
        "winrm-ps-cmd": "winrm_ps_command_runner",
        "winrm-ps-script": "winrm_ps_script_runner",
    }
    return [
        _runner(name, text, "winrm_runner", parameters, module=modules[name], output_schema=_SHELL_OUTPUT)
        for name, (text, parameters) in described.items()
    ]


def _workflows() -> list[RunnerType]:
    names = {"type": "array", "items": {"type": "string"}, "default": []}
    return [
        _runner(
            "action-chain",
            "Runs actions one after another, choosing the next by how the last one ended.",
            "action_chain_runner",
            {
                "display_published": _parameter("boolean", "Show the published variables.", default=True),
                "skip_notify": {**names, "description": "Tasks that send no notification."},
            },
            output_key="published",
        ),
        _runner(
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
        _runner(
            "inquirer",
            "Asks people a question and waits for the answer.",
            "inquirer_runner",
            {
                "schema": _parameter("object", "Schema of the answer.", default=_INQUIRY_SCHEMA),
                "route": _parameter("string", "Route of the notification, for rules to match.", default=""),
                "roles": _parameter("array", "Roles that may answer; empty: anybody.", default=[]),
                "users": _parameter("array", "Users that may answer; empty: anybody.", default=[]),
                "ttl": _parameter("integer", "Minutes until the question lapses.", default=1440),
            },
        ),
        _runner(
            "announcement",
            "Tells those who listen on the event stream.",
            "announcement_runner",
            {
                "experimental": _parameter("boolean", "Must be true.", required=True),
                "route": _parameter("string", "Channel of the announcement.", default="general", minLength=1),
            },
        ),
        _runner("noop", "Does nothing, successfully.", "noop_runner", {}),
    ]


#: name → runner type, in the order they are listed to people.
RUNNER_TYPES: dict[str, RunnerType] = {
    runner.name: runner
    for runner in (*_local(), *_remote(), _python(), _http(), *_winrm(), *_workflows(), *_people())
}

_BY_NAME = {
    **{alias: runner for runner in RUNNER_TYPES.values() for alias in runner.aliases},
    **RUNNER_TYPES,
}


def resolve(name: str) -> RunnerType:
    """The runner type called ``name``, which may be an alias. Raises NotFound, naming those there are."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise NotFound("runner type", name, f"Known are {', '.join(RUNNER_TYPES)}.") from None
