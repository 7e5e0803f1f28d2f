"""YAML files: parsed fast, duplicate keys refused, and the line of any key on request.

Parsing keeps no positions, since thousands of files are good; only when something is wrong is the file composed
again, into nodes that know their lines.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from st_ops.packs.problems import Fault, Faulty, Keys

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictLoader(_Loader):  # type: ignore[misc]  # libyaml's loader has no types
    """libyaml's safe loader, which refuses a key that comes twice in one mapping."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        """See PyYAML. Raises ConstructorError at the second of two equal keys."""
        seen = {(key.tag, key.value) for key, _value in node.value if isinstance(key, ScalarNode)}
        if len(seen) < sum(isinstance(key, ScalarNode) for key, _value in node.value):
            _refuse_duplicate(node)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def _refuse_duplicate(node: MappingNode) -> None:
    first: dict[tuple[str, str], ScalarNode] = {}
    for key, _value in node.value:
        if not isinstance(key, ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
            continue
        earlier = first.setdefault((key.tag, key.value), key)
        if earlier is not key:
            said = f"The key '{key.value}' is already given in line {earlier.start_mark.line + 1}."
            raise ConstructorError(None, None, said, key.start_mark)


class Document:
    """One parsed YAML file: ``path``, its ``text``, and ``value``, what it says."""

    def __init__(self, path: Path, text: str, value: Any) -> None:
        self.path = path
        self.text = text
        self.value = value

    @functools.cached_property
    def _root(self) -> Node | None:
        root: Node | None = yaml.compose(self.text, Loader=_Loader)
        return root

    def line(self, keys: Keys) -> int:
        """The line of ``keys``, or of the deepest part of it that exists; counted from 1."""
        node = self._root
        line = 1 if node is None else node.start_mark.line + 1
        for key in keys:
            found = _child(node, key)
            if found is None:
                break
            line, node = found
        return line


def _child(node: Node | None, key: str | int) -> tuple[int, Node] | None:
    if isinstance(node, MappingNode):
        for name, value in node.value:
            if isinstance(name, ScalarNode) and name.value == str(key):
                return name.start_mark.line + 1, value
    if isinstance(node, SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line + 1, node.value[key]
    return None


def parse(text: str, path: Path) -> Document:
    """``text`` as a document. Raises Faulty, with the line, when it is not YAML or repeats a key."""
    loader = _StrictLoader(text)
    try:
        return Document(path, text, loader.get_single_data())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        what = error.problem or str(error)
        said = what if isinstance(error, ConstructorError) else f"This is not YAML: {what}."
        raise Faulty([Fault((), said, line)]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Faulty([Fault((), f"This is not YAML: {error}", None)]) from error
    finally:
        loader.dispose()


def read(path: Path) -> Document:
    """The document in the file ``path``. Raises Faulty when it cannot be read, is not UTF-8 or not YAML."""
    try:
        return parse(path.read_text("utf-8"), path)
    except UnicodeDecodeError as error:
        raise Faulty([Fault((), f"The file is not UTF-8 text: {error}.")]) from error
    except OSError as error:
        raise Faulty([Fault((), f"The file cannot be read: {error.strerror}.")]) from error
