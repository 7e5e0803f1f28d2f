"""The pages that are made from the code: ``python -m tests.architecture.reference_pages`` writes them (make docs)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from st_ops.cli.main import app
from st_ops.settings import Section, Settings

ROOT = Path(__file__).parents[2]

_CLI_HEAD = """# The command line

This page is made from the commands themselves (`make docs`); `st-ops COMMAND --help` says the same.

`st-ops` finds the platform in this order: the home folder given with `--home`, which may stand anywhere;
`ST_OPS_URL` with `ST_OPS_TOKEN`; the home folder in `ST_OPS_HOME`; `~/.st-ops`. A home folder tells through its
`server.json`, which is there while a platform runs. Every command that needs a platform takes `--home DIR`; it is
left out below.

Answers go to standard output: a table for people, or with `-o json` or `-o yaml` what the API answered. What is
said beside them (errors, "is set.") goes to standard error, so that a pipe gets the answer only.

| Exit code | Meaning |
|---|---|
| 0 | success; for `run`, `execution wait` and `execution tail`: the execution succeeded |
| 1 | what was asked failed: the execution, the check, or a request that the server refused |
| 2 | wrong usage: an unknown command, a missing or contradictory argument |
| 3 | no platform runs there, or it cannot be reached |
| 4 | `execution wait` and `execution status`: it is not over yet (the time is up) |
| 5 | `execution wait` and `execution status`: there is no such run |
| 130 | interrupted with Ctrl-C; an execution that was being watched goes on |

`st-ops --install-completion` teaches the shell to complete commands and options.
"""

_SETTINGS_HEAD = """# Settings

This page is made from the settings themselves (`make docs`).

A setting comes from the strongest of these that names it:

1. an option of the command, such as `--port`;
2. the environment: `ST_OPS_<TABLE>__<NAME>`, for instance `ST_OPS_STORE__URL`; lists are JSON, such as
   `ST_OPS_WORKER__QUEUES='["gpu"]'`;
3. the file `st_ops.toml` in the home folder, or the file that `ST_OPS_CONFIG` names;
4. the default.

The file [`conf/st_ops.example.toml`](../conf/st_ops.example.toml) holds all of them, commented out. Settings are
read once, at the start. An unknown name in a table, an unknown variable that starts with `ST_OPS_`, or a value of the
wrong type ends the start with exit code 1 and a sentence that names it, where it came from, and what may have been
meant.

The home folder itself is no setting of the file, which lies in it: name it with `--home DIR` or `ST_OPS_HOME`; the
default is `~/.st-ops`.
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, ``st-ops execution list``, in the order of the help."""
    yield from _below("st-ops", typer.main.get_command(app))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if not children:
        yield name, command
        return
    for child_name, child in children.items():
        yield from _below(f"{name} {child_name}", child)


def cli_page() -> str:
    """docs/cli.md."""
    return "\n".join([_CLI_HEAD, *(_command_text(name, command) for name, command in commands())])


def _command_text(name: str, command: Any) -> str:
    arguments = [entry for entry in command.params if entry.param_type_name == "argument"]
    options = [entry for entry in command.params if entry.param_type_name == "option" and not entry.hidden]
    needed = [f"{entry.opts[0]} {_value_name(entry)}" for entry in options if entry.required]
    usage = " ".join(
        [name, *(_argument_name(entry) for entry in arguments), *needed, *(["[OPTIONS]"] if options else [])]
    )
    lines = [f"## {name}", "", _one_line(command.help or ""), "", "```", usage, "```", ""]
    rows = [(f"`{_argument_name(entry)}`", entry.help) for entry in arguments]
    rows += [
        (_option_name(entry), entry.help) for entry in options if not {"--help", "--home"} & {*entry.opts}
    ]
    if rows:
        lines += ["| | |", "|---|---|", *(f"| {left} | {_cell(right or '')} |" for left, right in rows), ""]
    return "\n".join(lines)


def _argument_name(entry: Any) -> str:
    name = entry.metavar or entry.name.upper()
    return name if entry.required or name.startswith("[") else f"[{name}]"


def _option_name(entry: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*entry.opts, *entry.secondary_opts))
    return names if entry.is_flag else f"{names} {_value_name(entry)}"


def _value_name(entry: Any) -> str:
    kind = getattr(getattr(entry, "type_descriptor", None), "annotation", None)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "\\|".join(str(choice.value) for choice in kind)
    return str(entry.metavar or entry.name.split("_")[-1].upper())


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


def settings() -> Iterator[tuple[str, type[Section]]]:
    """Table of the settings file → its class."""
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            yield name, section


def settings_page() -> str:
    """docs/settings.md."""
    lines = [_SETTINGS_HEAD]
    for name, section in settings():
        lines += [
            f"## {name}",
            "",
            _one_line(section.__doc__ or ""),
            "",
            "| Setting | Default | |",
            "|---|---|---|",
        ]
        for key, entry in section.model_fields.items():
            default = entry.get_default(call_default_factory=True)
            lines.append(f"| `{name}.{key}` | {_default(default)} | {_cell(entry.description or '')} |")
        lines.append("")
    return "\n".join(lines)


def _default(value: Any) -> str:
    if isinstance(value, list) and value:
        return ", ".join(f"`{entry}`" for entry in value)
    return "empty" if value in ("", []) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def example() -> str:
    """The text of ``conf/st_ops.example.toml``: every setting, commented out, with its default and help."""
    lines = [
        "# Every setting of st_ops with its default. Copy to <home>/st_ops.toml and change what you need.",
        "# An environment variable ST_OPS_<TABLE>__<NAME> wins over this file; a command-line option over both.",
    ]
    for name, section in settings():
        lines += ["", f"# {(section.__doc__ or '').strip()}", f"[{name}]"]
        for key, entry in section.model_fields.items():
            lines += [
                f"# {entry.description}",
                f"# {key} = {_toml(entry.get_default(call_default_factory=True))}",
            ]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value + '"'
    if isinstance(value, list):
        return "[" + ", ".join(_toml(entry) for entry in value) + "]"
    return str(value)


#: File → what makes it.
PAGES: dict[Path, Callable[[], str]] = {
    ROOT / "docs" / "cli.md": cli_page,
    ROOT / "docs" / "settings.md": settings_page,
    ROOT / "conf" / "st_ops.example.toml": example,
}


def main() -> None:
    """Write every page."""
    for path, page in PAGES.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(page())


if __name__ == "__main__":
    main()
