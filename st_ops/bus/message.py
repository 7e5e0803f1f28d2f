"""Bells as bytes on the wire, and bells merged with one another."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from st_ops.errors import InvalidInput
from st_ops.model.bells import Bell, Topic

#: The newest message version this process understands.
VERSION = 1

#: Identities in one bell at most; more go into a further one.
MOST_IDS = 500

CONTENT_TYPE = "application/json"


def encode(bell: Bell) -> bytes:
    """``bell`` as UTF-8 JSON."""
    return bell.model_dump_json().encode()


def decode(body: bytes | str) -> Bell:
    """The bell in ``body``. Raises InvalidInput for anything else, and for a version newer than ours."""
    try:
        bell = Bell.model_validate_json(body)
    except ValidationError as wrong:
        raise InvalidInput(f"A bus message is no bell: {_first(wrong)}") from wrong
    if bell.version != VERSION:
        raise InvalidInput(f"A bus message has version {bell.version}; this process understands {VERSION}.")
    return bell


def missed(topic: Topic) -> Bell:
    """The bell that says: bells of ``topic`` may have been lost, look at everything."""
    return Bell(topic=topic, data={"missed": True})


def merge(bells: Iterable[Bell]) -> list[Bell]:
    """``bells`` with those that only carry identities joined per topic, each identity once.

    A bell without identities or with data of its own stays as it is.
    """
    joined: dict[Topic, dict[str, None]] = {}
    kept: list[Bell] = []
    for bell in bells:
        if bell.ids and not bell.data:
            joined.setdefault(bell.topic, {}).update(dict.fromkeys(bell.ids))
        elif bell not in kept[-1:]:
            kept.append(bell)
    return [*(part for topic, ids in joined.items() for part in _cut(topic, list(ids))), *kept]


def _cut(topic: Topic, ids: list[str]) -> list[Bell]:
    return [Bell(topic=topic, ids=ids[at : at + MOST_IDS]) for at in range(0, len(ids), MOST_IDS)]


def _first(wrong: ValidationError) -> str:
    """Where and what, without the content, which may be anything."""
    error = wrong.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in error["loc"])
    return f"{where}: {error['msg']}" if where else error["msg"]
