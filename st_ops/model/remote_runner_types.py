"""The runner types that work on other hosts: over SSH, and Windows remote management."""

from __future__ import annotations

from st_ops.model.base import Object
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

#: How hosts are reached. The last four are st_ops' own.
_CONNECTION: dict[str, Object] = {
    "hosts": parameter("string", "Comma-separated hosts, each host or host:port.", required=True),
    "username": parameter("string", "User to log in as."),
    "password": parameter("string", "Password to log in with.", secret=True),
    "private_key": parameter("string", "Private key: its text, or the path of its file.", secret=True),
    "passphrase": parameter("string", "Passphrase of the private key.", secret=True),
    "port": parameter("integer", "SSH port where a host names none.", default=22, minimum=1, maximum=65535),
    "bastion_host": parameter("string", "Host through which the others are reached."),
    "known_hosts": parameter(
        "string", "Host keys to trust: path of a known_hosts file, or its lines. st_ops' own parameter."
    ),
    "host_key_fingerprint": parameter(
        "string",
        "SHA256:… fingerprint the host key must have, instead of known_hosts. st_ops' own parameter.",
    ),
    "verify_host_key": parameter(
        "boolean", "false accepts any host key; true checks it. st_ops' own parameter.", default=True
    ),
    "allow_partial_failure": parameter(
        "boolean", "Succeed when at least one host did. st_ops' own parameter; default from the settings."
    ),
}


def remote_types() -> list[RunnerType]:
    """Those over SSH."""
    shared = {
        **_CONNECTION,
        "cwd": parameter("string", "Working directory on the remote host.", default="/tmp"),
        "dir": parameter(
            "string", "Folder on the remote host that scripts are copied to.", default="/tmp", immutable=True
        ),
        "env": ENV,
        "parallel": parameter("boolean", "Hosts are always run in parallel.", default=True, immutable=True),
        "kwarg_op": KWARG_OP,
        **SUDO,
        "timeout": timeout(60),
    }
    return [
        runner(
            "remote-shell-cmd",
            "Runs a shell command on one or more hosts over SSH.",
            "remote_runner",
            {"cmd": CMD, **shared},
            module="remote_command_runner",
            aliases=("run-remote",),
        ),
        runner(
            "remote-shell-script",
            "Copies a script of the pack to one or more hosts and runs it there over SSH.",
            "remote_runner",
            shared,
            module="remote_script_runner",
            aliases=("run-remote-script",),
        ),
        _upload(),
        _download(),
    ]


def _upload() -> RunnerType:
    return runner(
        "remote-upload",
        "Copies a file or a folder to one or more hosts over SFTP, where it is not there already. "
        "st_ops' own runner type.",
        "remote_copy_runner",
        {
            "source": parameter(
                "string", "File or folder on the worker; a relative path starts in the pack."
            ),
            "content": parameter("string", "Text of the file, instead of 'source'."),
            "target": parameter(
                "string",
                "Path on the hosts. A file goes into a folder that is there, or whose path ends with a slash; what "
                "is in a folder goes into the folder 'target'.",
                required=True,
            ),
            "mode": parameter(
                "string",
                "Permissions, such as '0644'; those of the file there, or of 'source', when left out.",
            ),
            "make_folders": parameter(
                "boolean", "Make the folders of 'target' that are missing.", default=False
            ),
            **_CONNECTION,
            "timeout": timeout(600),
        },
    )


def _download() -> RunnerType:
    return runner(
        "remote-download",
        "Copies a file or a folder from one or more hosts to the worker over SFTP. st_ops' own runner type.",
        "remote_copy_runner",
        {
            "source": parameter("string", "File or folder on the hosts.", required=True),
            "target": parameter(
                "string",
                "Path on the worker; a relative one, or none, is in the artifacts of the run. With several hosts "
                "it is a folder, in which each has one of its name.",
            ),
            **_CONNECTION,
            "timeout": timeout(600),
        },
    )


def winrm_types() -> list[RunnerType]:
    """Those over Windows remote management."""
    shared = {
        "host": parameter("string", "Windows host.", required=True),
        "username": parameter("string", "User to log in as.", required=True),
        "password": parameter("string", "Password to log in with.", required=True, secret=True),
        "port": parameter("integer", "WinRM port.", default=5986),
        "scheme": parameter("string", "http or https.", default="https"),
        "transport": parameter(
            "string",
            "How to authenticate.",
            default="ntlm",
            enum=["basic", "certificate", "credssp", "kerberos", "ntlm", "plaintext", "ssl"],
        ),
        "verify_ssl_cert": parameter("boolean", "Check the server's certificate.", default=True),
        "cwd": parameter("string", "Working directory on the host."),
        "env": ENV,
        "timeout": timeout(60),
    }
    cmd = {"cmd": parameter("string", "What to run.", required=True)}
    kwarg_op = {"kwarg_op": {**KWARG_OP, "default": "-"}}
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
        runner(name, text, "winrm_runner", parameters, module=modules[name], output_schema=SHELL_OUTPUT)
        for name, (text, parameters) in described.items()
    ]
