"""A workflow's YAML text as plain values, with the line of every key and the keys written twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

#: Where something stands: keys and list positions from the top.
Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong with the text itself."""

    message: str
    line: int
    path: Path = ()


@dataclass(frozen=True, kw_only=True)
class Document:
    """``data`` is None when the text is not YAML; ``problems`` then says why."""

    data: Any
    lines: Mapping[Path, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def line(self, path: Path) -> int:
        """The line (from 1) of what stands at ``path``, or of the nearest thing around it that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read(text: str) -> Document:
    """Parse ``text``. Tags that would build Python objects are refused, as by ``yaml.safe_load``."""
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return Document(data=None, problems=(Problem(message="The workflow is empty.", line=1),))
        lines: dict[Path, int] = {}
        problems: list[Problem] = []
        _walk(root, (), lines, problems)
        return Document(data=loader.construct_document(root), lines=lines, problems=tuple(problems))
    except yaml.YAMLError as error:
        return Document(data=None, problems=(_not_yaml(error),))
    finally:
        loader.dispose()


def _walk(node: Node, path: Path, lines: dict[Path, int], problems: list[Problem]) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), lines, problems)
    elif isinstance(node, MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = key.value if isinstance(key, ScalarNode) else str(key)
            here, line = (*path, name), key.start_mark.line + 1
            if name in seen:
                problems.append(Problem(message=f"The key '{name}' is given twice.", line=line, path=here))
            seen.add(name)
            lines[here] = line
            _walk(value, here, lines, problems)


def _not_yaml(error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or str(error)
    return Problem(message=f"The workflow is not valid YAML: {said}.", line=mark.line + 1 if mark else 1)
