"""What an engine (docker or podman; their options are the same) is told, made so that no secret is an argument.

The environment of a container is handed over in a file that only the client may read; a value that such a file
cannot hold (several lines, or longer than the engines read a line) is in the client's own environment, of which it
is given the name. A shell command follows on stdin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Label of every container of ours, whose value is the execution's id.
EXECUTION_LABEL = "st_ops.execution"

#: What the shell in the container does: take the command from stdin, which is then at its end, and run it.
_FROM_STDIN = 'eval "$(cat)"'

#: Longest line (bytes) that goes into the file; both engines read lines of less than 64 KiB.
_LINE_BYTES = 60_000

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]*$")

#: Variables that would change what the client itself does.
_CLIENTS_OWN = re.compile(
    r"^(PATH|HOME|TMPDIR|LD_.*|GO[A-Z]+|XDG_.*|DOCKER_.*|BUILDX?_.*|CONTAINERS?_.*|REGISTRY_.*|STORAGE_.*|SSL_.*"
    r"|SSH_AUTH_SOCK|.*_proxy|.*_PROXY)$"
)

_PULL = ("missing", "always", "never")

_MB = 1024 * 1024

#: Shorter secrets are not looked for in arguments: they would be found everywhere.
_SHORTEST_SECRET = 4


@dataclass(frozen=True, kw_only=True)
class ContainerCommand:
    """``argv`` of the client, what goes to its ``stdin``, into the file of variables and into its environment."""

    argv: Sequence[str]
    stdin: str = field(repr=False)
    env_file: str = field(repr=False)
    passed: Mapping[str, str] = field(repr=False)


def container_command(
    client: str,
    name: str,
    given: Mapping[str, Any],
    *,
    labels: Mapping[str, str],
    environment: Mapping[str, str],
    limits: Mapping[str, float],
    env_path: str,
    secrets: Sequence[str] = (),
) -> ContainerCommand:
    """How ``client`` runs a container called ``name`` from the runner's parameters ``given``.

    ``env_path`` is where the text ``env_file`` is going to be. Raises ValueError with a sentence.
    """
    if not given.get("image"):
        raise ValueError("The parameter 'image' is missing: there is nothing to run.")
    lines, passed = _environment(environment)
    words, stdin = _what(given)
    argv = [client, "run", "--name", name]
    argv += [word for label, value in labels.items() for word in ("--label", f"{label}={value}")]
    argv += ["--env-file", env_path]
    argv += [word for variable in passed for word in ("--env", variable)]
    argv += [*_options(given), *_limits(limits)]
    argv += ["--interactive", "--entrypoint", "sh"] if stdin else []
    argv += [str(given["image"]), *words]
    _refuse_secrets(argv, secrets)
    return ContainerCommand(argv=argv, stdin=stdin, env_file="".join(lines), passed=passed)


def _what(given: Mapping[str, Any]) -> tuple[list[str], str]:
    """The words after the image, and the text for stdin."""
    cmd, args = given.get("cmd"), given.get("args")
    if cmd and args:
        raise ValueError("Give either 'cmd' (for the shell of the image) or 'args' (for its entry point).")
    if cmd:
        return ["-c", _FROM_STDIN], str(cmd)
    return [str(word) for word in args or []], ""


def _environment(environment: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    lines, passed = [], {}
    for name, value in environment.items():
        if not _NAME.match(name):
            raise ValueError(f"'{name}' in 'env' is no name of a variable.")
        line = f"{name}={value}\n"
        if "\n" not in value and "\r" not in value and len(line.encode()) <= _LINE_BYTES:
            lines.append(line)
        elif _CLIENTS_OWN.match(name):
            raise ValueError(f"The variable {name} must be one line of at most {_LINE_BYTES} bytes.")
        else:
            passed[name] = value
    return lines, passed


def _options(given: Mapping[str, Any]) -> Iterator[str]:
    pull = given.get("pull") or "missing"
    if pull not in _PULL:
        raise ValueError(f"'pull' must be one of {', '.join(_PULL)}, not '{pull}'.")
    yield from ("--pull", pull)
    for parameter, option in (("cwd", "--workdir"), ("user", "--user"), ("network", "--network")):
        if given.get(parameter):
            yield from (option, str(given[parameter]))
    for mount in given.get("mounts") or []:
        yield from ("--mount", _mount(str(mount)))


def _mount(text: str) -> str:
    """``source:target[:ro]`` as the engines have it; a source that is no absolute path is a volume."""
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not source or not target.startswith("/") or mode not in ("", "ro", "rw") or "," in text:
        raise ValueError(
            f"'{text}' in 'mounts' is no mount: expected source:/target or source:/target:ro, without commas, "
            "the source being an absolute path on the host or the name of a volume."
        )
    kind = "bind" if source.startswith("/") else "volume"
    return f"type={kind},source={source},target={target}" + (",readonly" if mode == "ro" else "")


def _limits(limits: Mapping[str, float]) -> Iterator[str]:
    if limits.get("memory_mb"):
        size = f"{int(limits['memory_mb'] * _MB)}b"
        # Without the second the same amount again may be swapped.
        yield from ("--memory", size, "--memory-swap", size)
    if limits.get("cpus"):
        yield from ("--cpus", f"{limits['cpus']:g}")
    if limits.get("processes"):
        yield from ("--pids-limit", str(int(limits["processes"])))
    for name, limit, unit in (
        ("cpu_seconds", "cpu", 1),
        ("open_files", "nofile", 1),
        ("file_mb", "fsize", _MB),
    ):
        if limits.get(name):
            value = int(limits[name] * unit)
            yield from ("--ulimit", f"{limit}={value}:{value}")


def _refuse_secrets(argv: Sequence[str], secrets: Sequence[str]) -> None:
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET and any(secret in word for word in argv):
            raise ValueError(
                "A secret would be an argument of a process, which every user of the machine can read. "
                "Give it to the container in 'env', or use it in 'cmd'."
            )
