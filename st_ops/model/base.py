"""The base of every noun: a frozen pydantic model whose times print in StackStorm's form."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer

from st_ops.model.identity import iso

#: A UTC moment that serialises to ``YYYY-MM-DDTHH:MM:SS.ffffffZ``.
Moment = Annotated[datetime, PlainSerializer(iso, return_type=str, when_used="json-unless-none")]

#: Any JSON object.
Object = dict[str, Any]


class Model(BaseModel):
    """Frozen, keyword-only, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def ref_of(pack: str, name: str) -> str:
    """The reference ``pack.name``."""
    return f"{pack}.{name}"


def split_ref(ref: str) -> tuple[str, str]:
    """``pack.name`` as (pack, name); a name may itself contain dots. Raises ValueError without a dot."""
    pack, dot, name = ref.partition(".")
    if not (pack and dot and name):
        raise ValueError(f"'{ref}' is not a reference of the form pack.name")
    return pack, name
