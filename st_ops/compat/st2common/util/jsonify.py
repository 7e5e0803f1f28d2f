"""JSON to and from text."""

import json

from st_ops.sdk.plain import plain

__all__ = ["json_decode", "json_encode", "load_file", "try_loads"]


def json_encode(obj, indent=None, sort_keys=False):
    """``obj`` as JSON text; times, UUIDs and the like become text."""
    return json.dumps(plain(obj), indent=indent, sort_keys=sort_keys)


def json_decode(data):
    """The value of the JSON text ``data``."""
    return json.loads(data)


def load_file(path):
    """The value of the JSON file ``path``."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123  # path may be any string
        return json.load(file)


def try_loads(value):
    """The value of the JSON text ``value``; ``value`` itself when it is none."""
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value
