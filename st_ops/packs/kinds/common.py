"""What the kinds share: where a resource comes from, and the step from content to model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from st_ops.model.base import Object
from st_ops.model.resources import Resource
from st_ops.packs.metadata_keys import VOCABULARIES, check_mapping, type_name
from st_ops.packs.problems import Fault, Faulty, Keys

Kind = TypeVar("Kind", bound=Resource)

_COMPUTED = ("id", "uid", "ref", "metadata_file", "pack")


@dataclass(frozen=True)
class Scope:
    """Where a file lies: the pack's ref, its absolute folder, and the file relative to it."""

    pack: str
    folder: Path
    metadata_file: str


def open_content(
    value: Any, kind: str, what: str, scope: Scope, keys: Keys = ()
) -> tuple[Object, list[Fault]]:
    """The content of one resource with its keys checked, and the faults so far. Raises Faulty for no mapping."""
    content, faults = check_mapping(value, VOCABULARIES[kind], keys, what)
    pack = content.get("pack")
    if isinstance(pack, str) and pack != scope.pack:
        said = f"'pack' is '{pack}', but the file belongs to the pack '{scope.pack}'; leave the key out."
        faults.append(Fault((*keys, "pack"), said))
    faults += check_tags(content.get("tags"), keys)
    return content, faults


def check_tags(tags: Any, keys: Keys) -> list[Fault]:
    """Tags are mappings, usually ``{name, value}``."""
    if not isinstance(tags, list):
        return []
    return [
        Fault((*keys, "tags", index), f"A tag must be a mapping with name and value, not {type_name(tag)}.")
        for index, tag in enumerate(tags)
        if not isinstance(tag, dict)
    ]


def build(model: type[Kind], content: Object, faults: list[Fault], scope: Scope, keys: Keys = ()) -> Kind:
    """The ``model`` of ``content``. Raises Faulty with ``faults``, or with what the model itself refuses."""
    if any(fault.severity == "error" for fault in faults):
        raise Faulty(faults)
    values = {key: value for key, value in content.items() if key not in _COMPUTED}
    try:
        return model(pack=scope.pack, metadata_file=scope.metadata_file, **values)
    except ValidationError as error:
        raise Faulty(
            [Fault((*keys, *_location(item["loc"])), f"{item['msg']}.") for item in error.errors()]
        ) from error


def _location(where: tuple[int | str, ...]) -> Keys:
    return tuple(where)
