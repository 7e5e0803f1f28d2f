"""From a Python signature to a parameter schema, read from the source without running it.

The platform must know what a pack's functions take before, and without, importing the pack's code.
So the reading is static: decorators, annotations, defaults and docstrings, all of which must be literals
(or names of literals assigned at the top of the same file).
"""

from __future__ import annotations

import ast
import re
from typing import Any, Dict, Mapping

Schema = Dict[str, Any]

#: Annotation → draft-4 type.
TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "List": "array",
    "tuple": "array",
    "Tuple": "array",
    "set": "array",
    "Sequence": "array",
    "Iterable": "array",
    "dict": "object",
    "Dict": "object",
    "Mapping": "object",
}
_ANYTHING = frozenset({"Any", "object"})
_UNDERSTOOD = "str, int, float, bool, list, dict, Optional, Literal, Annotated, Secret or Any"


class Unreadable(ValueError):
    """Raised when a declaration is not static enough; ``line`` is where, ``key`` what."""

    def __init__(self, message: str, line: int, key: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.key = key


def constants(module: ast.Module) -> dict[str, Any]:
    """The literals assigned to plain names at the top level of ``module``."""
    found: dict[str, Any] = {}
    for node in module.body:
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            pairs = [(node.target, node.value)]
        else:
            continue
        for target, value in pairs:
            if isinstance(target, ast.Name):
                try:
                    found[target.id] = literal(value, found, target.id)
                except Unreadable:
                    found.pop(target.id, None)
    return found


def literal(node: ast.expr, names: Mapping[str, Any], key: str) -> Any:
    """The value of a literal expression, in which ``names`` may be used. Raises Unreadable."""
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    if isinstance(node, ast.Dict) and all(item is not None for item in node.keys):
        pairs = zip(node.keys, node.values)
        return {literal(k, names, key): literal(v, names, key) for k, v in pairs if k is not None}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [literal(item, names, key) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError) as error:
        raise Unreadable(
            f"{key} must be a literal (or a name that is assigned one at the top of the file), "
            "because the platform reads it without running the file.",
            node.lineno,
            key,
        ) from error


def parameters_of(
    function: ast.FunctionDef | ast.AsyncFunctionDef, names: Mapping[str, Any]
) -> dict[str, Schema]:
    """Parameter name → draft-4 property schema of ``function``, the context parameter left out.

    A parameter without a default is ``required``. Raises Unreadable.
    """
    arguments = function.args
    if arguments.posonlyargs or arguments.vararg:
        raise Unreadable(
            f"{function.name} is called with named arguments only: '/' and '*args' cannot be used.",
            function.lineno,
        )
    texts = argument_texts(ast.get_docstring(function) or "")
    padding: list[ast.expr | None] = [None] * (len(arguments.args) - len(arguments.defaults))
    pairs = list(zip(arguments.args, padding + list(arguments.defaults)))
    pairs += list(zip(arguments.kwonlyargs, arguments.kw_defaults))
    found = {}
    for argument, default in pairs:
        if not is_context(argument):
            found[argument.arg] = _parameter(argument, default, names, texts.get(argument.arg, ""))
    return found


def is_context(argument: ast.arg) -> bool:
    """True for the parameter that receives the Context: named ``ctx`` or annotated with Context."""
    return argument.arg == "ctx" or (
        argument.annotation is not None and _name(_unquoted(argument.annotation)) == "Context"
    )


def _parameter(argument: ast.arg, default: ast.expr | None, names: Mapping[str, Any], text: str) -> Schema:
    schema: Schema = {}
    if argument.annotation is not None:
        schema.update(annotation_schema(argument.annotation, argument.arg, names))
    if text:
        schema.setdefault("description", text)
    if default is None:
        schema["required"] = True
        return schema
    value = literal(default, names, f"The default of {argument.arg}")
    if value is not None:
        schema["default"] = value
    return schema


def annotation_schema(node: ast.expr, key: str, names: Mapping[str, Any]) -> Schema:
    """The schema of one annotation. Raises Unreadable for one that has no JSON counterpart."""
    node = _unquoted(node)
    if isinstance(node, ast.Subscript):
        return _subscript_schema(node, key, names)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union_schema([node.left, node.right], key, names)
    name = _name(node)
    if name in TYPES:
        return {"type": TYPES[name]}
    if name == "Secret":
        return {"type": "string", "secret": True}
    if name in _ANYTHING:
        return {}
    raise Unreadable(
        f"The annotation '{_source(node)}' of {key} has no JSON type; use {_UNDERSTOOD}.", node.lineno, key
    )


def _subscript_schema(node: ast.Subscript, key: str, names: Mapping[str, Any]) -> Schema:
    name = _name(node.value)
    inner: Any = node.slice
    if type(inner).__name__ == "Index":  # Python 3.8 wraps the subscript
        inner = inner.value
    items = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
    if name == "Optional":
        return annotation_schema(items[0], key, names)
    if name == "Union":
        return _union_schema(items, key, names)
    if name == "Literal":
        return _literal_schema([literal(item, names, key) for item in items])
    if name == "Annotated":
        return _annotated_schema(items, key, names)
    if name in TYPES and TYPES[name] == "array":
        item = annotation_schema(items[0], key, names)
        return {"type": "array", "items": item} if item else {"type": "array"}
    if name in TYPES:
        return {"type": TYPES[name]}
    raise Unreadable(
        f"The annotation '{_source(node)}' of {key} has no JSON type; use {_UNDERSTOOD}.", node.lineno, key
    )


def _union_schema(members: list[ast.expr], key: str, names: Mapping[str, Any]) -> Schema:
    schemas = [annotation_schema(item, key, names) for item in members if not _is_none(item)]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _literal_schema(values: list[Any]) -> Schema:
    schema: Schema = {"enum": values}
    kinds = {TYPES.get(type(value).__name__) for value in values}
    kind = kinds.pop() if len(kinds) == 1 else None
    return {"type": kind, **schema} if kind else schema


def _annotated_schema(items: list[ast.expr], key: str, names: Mapping[str, Any]) -> Schema:
    """``Annotated[int, "what it is", Secret, {"minimum": 1}]``: a text, the secret mark, more schema keys."""
    schema = annotation_schema(items[0], key, names)
    for item in items[1:]:
        if _name(item) == "Secret":
            schema["secret"] = True
            continue
        value = literal(item, names, key)
        if isinstance(value, str):
            schema["description"] = value
        elif isinstance(value, dict):
            schema.update(value)
    return schema


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _unquoted(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            parsed = ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return node
        return ast.copy_location(parsed, node)
    return node


def _name(node: ast.AST) -> str:
    """The last part of a dotted name: ``List`` of ``typing.List``; "" for anything else."""
    if isinstance(node, ast.Call):
        return _name(node.func)
    return getattr(node, "attr", "") or getattr(node, "id", "")


def _source(node: ast.AST) -> str:
    unparse = getattr(ast, "unparse", None)  # Python 3.9 and later
    return unparse(node) if unparse else _name(node) or type(node).__name__


_SPHINX = re.compile(r"^\s*:param\s+(?:\w+\s+)?(\w+):\s*(.*)$")
_GOOGLE = re.compile(r"^(\s+)(\w+)(?:\s*\([^)]*\))?:\s*(.*)$")
_HEADING = re.compile(r"^\s*(Args|Arguments|Parameters):\s*$")


def summary(docstring: str) -> str:
    """The first paragraph of ``docstring``, in one line."""
    return " ".join(docstring.strip().split("\n\n")[0].split())


def argument_texts(docstring: str) -> dict[str, str]:
    """Parameter → its text in the docstring, in Google's (``Args:``) or Sphinx's (``:param x:``) style."""
    texts: dict[str, str] = {}
    inside = False
    indent = 0
    current = ""
    for line in docstring.splitlines():
        sphinx = _SPHINX.match(line)
        google = _GOOGLE.match(line) if inside else None
        if sphinx:
            current, inside = sphinx.group(1), False
            texts[current] = sphinx.group(2)
        elif _HEADING.match(line):
            inside, indent, current = True, 0, ""
        elif google and indent in (0, len(google.group(1))):
            indent, current = len(google.group(1)), google.group(2)
            texts[current] = google.group(3)
        elif current and line.startswith(" ") and line.strip():
            texts[current] = f"{texts[current]} {line.strip()}".strip()
        else:
            current = ""
            inside = inside and not line.strip()
    return texts
