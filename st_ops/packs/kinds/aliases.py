"""``aliases/*.yaml``: phrases for actions (StackStorm 1.12)."""

from __future__ import annotations

from typing import Any

from st_ops.model.resources import Alias
from st_ops.packs.kinds.common import Scope, build, open_content
from st_ops.packs.metadata_keys import type_name
from st_ops.packs.problems import Fault, did_you_mean

_FORMAT_KEYS = ("display", "representation", "match_multiple")


def build_aliases(value: Any, scope: Scope) -> list[Alias]:
    """The one alias that ``value``, a parsed metadata file, describes. Raises Faulty."""
    content, faults = open_content(value, "alias", "An alias", scope)
    formats = content.get("formats")
    for index, item in enumerate(formats if isinstance(formats, list) else []):
        faults += _check_format(item, index)
    ref = content.get("action_ref")
    if isinstance(ref, str) and ref and "." not in ref:
        faults.append(Fault(("action_ref",), f"'{ref}' must be a reference of the form pack.name."))
    return [build(Alias, content, faults, scope)]


def _check_format(item: Any, index: int) -> list[Fault]:
    place = ("formats", index)
    if isinstance(item, str):
        return []
    if not isinstance(item, dict):
        said = (
            f"A format must be a text, or a mapping with display and representation, not {type_name(item)}."
        )
        return [Fault(place, said)]
    faults = [
        Fault((*place, key), f"A format has no key '{key}'.{did_you_mean(str(key), _FORMAT_KEYS)}")
        for key in item
        if key not in _FORMAT_KEYS
    ]
    representation = item.get("representation", [])
    texts = [representation] if isinstance(representation, str) else representation
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        faults.append(Fault((*place, "representation"), "'representation' must be a list of texts."))
    return faults
