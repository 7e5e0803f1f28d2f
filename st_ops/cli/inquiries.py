"""``st-ops inquiry``: questions to people, and answering them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from st_ops.cli.client import connect
from st_ops.cli.failures import WrongUsage
from st_ops.cli.options import Form, Home, Limit, Output
from st_ops.cli.output import Column, dumped, facts, moment, note, rows, show
from st_ops.cli.parameters import typed, value_of
from st_ops.errors import InvalidInput

app = typer.Typer(name="inquiry", help="Questions to people.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="Id of the inquiry.", metavar="ID")]

_COLUMNS: tuple[Column, ...] = (
    ("id", "id"), ("asks", lambda row: ", ".join(_properties(row))), ("action", "action_ref"),
    ("workflow", lambda row: row.get("root") if row.get("root") != row.get("id") else ""), ("route", "route"),
    ("users", lambda row: ", ".join(map(str, row.get("users") or []))),
    ("roles", lambda row: ", ".join(map(str, row.get("roles") or []))),
    ("since", lambda row: moment(row.get("asked_at"))),
)  # fmt: skip
_FACTS = ("id", "status", "action_ref", "root", "route", "users", "roles", "ttl", "since", "reason")


def _properties(inquiry: Mapping[str, Any]) -> dict[str, Any]:
    return dict((inquiry.get("schema") or {}).get("properties") or {})


@app.command("list")
def list_(limit: Limit = 50, output: Output = Form.TABLE, home: Home = None) -> None:
    """List the open inquiries, newest first."""
    with connect(home) as client:
        found = client.get("/inquiries", limit=limit)
    show(output, found, lambda: rows(found, _COLUMNS, "Nothing is asked."))


@app.command()
def get(inquiry_id: Id, output: Output = Form.TABLE, home: Home = None) -> None:
    """Show one inquiry, and its answer when it has one."""
    with connect(home) as client:
        found = client.get(f"/inquiries/{inquiry_id}")
    shown = {**found, "since": moment(found.get("asked_at")), "response": found.get("response")}
    asked = {name: _described(spec) for name, spec in _properties(found).items()}
    show(output, found, lambda: facts({**shown, **asked}, (*_FACTS, *asked, "response")))


@app.command()
def respond(
    inquiry_id: Id,
    values: Annotated[
        list[str] | None, typer.Argument(help="The answer, value by value.", metavar="[NAME=VALUE]...")
    ] = None,
    response: Annotated[
        str | None, typer.Option("--response", "-r", help="The whole answer, as a JSON object.")
    ] = None,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """Answer an inquiry. Without values it asks for them, one by one."""
    if values and response is not None:
        raise WrongUsage("Give the answer either as name=value or with --response, not both.")
    with connect(home) as client:
        schema = client.get(f"/inquiries/{inquiry_id}").get("schema") or {}
        answer = _answer(inquiry_id, schema, values or [], response)
        done = client.put(f"/inquiries/{inquiry_id}", {"id": inquiry_id, "response": answer})
    if output is Form.TABLE:
        note(f"Inquiry {inquiry_id} is answered.")
    else:
        sys.stdout.write(dumped(output, done))


def _answer(inquiry_id: str, schema: Mapping[str, Any], values: list[str], response: str | None) -> Any:
    if response is not None:
        try:
            return json.loads(response)
        except ValueError as exc:
            raise WrongUsage(f"--response is not valid JSON: {exc}.") from exc
    properties = schema.get("properties") or {}
    if values:
        closed = schema.get("additionalProperties", True) is False or bool(properties)
        return typed(values, properties, f"Inquiry {inquiry_id}", closed=closed)
    if not sys.stdin.isatty():
        raise WrongUsage("Nobody is there to be asked: give the answer as name=value or with --response.")
    return ask_for(properties, set(schema.get("required") or []))


def ask_for(properties: Mapping[str, Any], required: set[str]) -> dict[str, Any]:
    """Ask for each property on the terminal until its type is right; what is optional may be left empty."""
    answer: dict[str, Any] = {}
    for name, spec in properties.items():
        needed = (spec.get("required") is True or name in required) and "default" not in spec
        while name not in answer:
            text = typer.prompt(
                f"{name} ({_described(spec)})", default=None if needed else "", show_default=False, err=True,
                hide_input=spec.get("secret") is True,
            )  # fmt: skip
            if text == "" and not needed:
                if "default" in spec:
                    answer[name] = spec["default"]
                break
            try:
                answer[name] = value_of(name, text, spec)
            except InvalidInput as exc:
                note(str(exc))
    return answer


def _described(spec: Mapping[str, Any]) -> str:
    """What is asked for: its description, type, choices and default, as far as they are said."""
    parts = [str(spec["description"])] if spec.get("description") else []
    parts.append(str(spec.get("type") or "anything"))
    if spec.get("enum"):
        parts.append("one of " + ", ".join(map(str, spec["enum"])))
    if "default" in spec:
        parts.append(f"default {spec['default']}")
    return "; ".join(parts)
