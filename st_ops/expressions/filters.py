"""StackStorm's Jinja filters (reference 1.7), which Orquesta offers as functions too."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import zip_longest
from typing import Any

import orjson
import semver
import yaml
from jsonpath_ng.parser import parse as parse_jsonpath

from st_ops.expressions import limits
from st_ops.expressions.datastore import Entry, name_of
from st_ops.expressions.plain import plain

#: What ``use_none`` turns null into, so that it survives being text; parameters turn it back (StackStorm's value).
NONE_MARK = "%*****__%NONE%__*****%"

jsonpath = lru_cache(maxsize=1_000)(parse_jsonpath)
_regex = lru_cache(maxsize=1_000)(re.compile)

Filter = Callable[..., Any]


def from_json_string(value: Any) -> Any:
    """The value that the JSON text ``value`` holds."""
    return orjson.loads(str(value))


def from_yaml_string(value: Any) -> Any:
    """The value that the YAML text ``value`` holds."""
    return yaml.safe_load(str(value))


def to_json_string(
    value: Any,
    indent: int | None = None,
    sort_keys: bool = False,
    separators: tuple[str, str] | None = (",", ": "),
) -> str:
    """``value`` as JSON text; the separators are StackStorm's."""
    limits.check_size(indent or 0)
    pair = None if separators is None else (separators[0], separators[1])
    return json.dumps(plain(value), indent=indent, sort_keys=sort_keys, separators=pair)


def to_yaml_string(value: Any, indent: int | None = None, allow_unicode: bool = True) -> str:
    """``value`` as YAML text in block style."""
    text: str = yaml.safe_dump(
        plain(value), indent=indent, allow_unicode=allow_unicode, default_flow_style=False
    )
    return text


def json_escape(value: Any) -> str:
    """``value`` escaped to stand inside the quotes of a JSON string."""
    return json.dumps(plain(value)).strip('"')


def jsonpath_query(value: Any, query: str) -> list[Any] | None:
    """Everything in ``value`` that the JSONPath ``query`` finds; None when that is nothing."""
    found = [match.value for match in jsonpath(query).find(plain(value))]
    return found or None


def to_complex(value: Any) -> str:
    """``value`` as JSON text, so that its type survives rendering."""
    return json.dumps(plain(value))


def use_none(value: Any) -> Any:
    """``value``, or the mark that stands for null until the parameter is cast."""
    return NONE_MARK if value is None else value


def basename(path: str) -> str:
    """The last part of ``path``."""
    return posixpath.basename(path)


def dirname(path: str) -> str:
    """``path`` without its last part."""
    return posixpath.dirname(path)


def _pattern(pattern: str, ignorecase: bool) -> re.Pattern[str]:
    return _regex(pattern, re.IGNORECASE if ignorecase else 0)


def regex_match(value: Any, pattern: str, ignorecase: bool = False) -> bool:
    """True when ``pattern`` matches at the start of ``value``."""
    return _pattern(pattern, ignorecase).match(str(value)) is not None


def regex_search(value: Any, pattern: str, ignorecase: bool = False) -> bool:
    """True when ``pattern`` matches anywhere in ``value``."""
    return _pattern(pattern, ignorecase).search(str(value)) is not None


def regex_replace(value: Any, pattern: str, replacement: str, ignorecase: bool = False) -> str:
    r"""``value`` with every match of ``pattern`` replaced; ``\1`` is the first group."""
    text, compiled = str(value), _pattern(pattern, ignorecase)
    limits.check_size(len(text) + sum(1 for _ in compiled.finditer(text)) * len(replacement))
    return compiled.sub(replacement, text)


def regex_substring(value: Any, pattern: str, result_index: int = 0, ignorecase: bool = False) -> Any:
    """The match of ``pattern`` in ``value`` with this index (its groups, when it has several). Raises IndexError."""
    return _pattern(pattern, ignorecase).findall(str(value))[result_index]


def to_human_time_from_seconds(seconds: float) -> str:
    """``3785`` as ``1h3m5s``, with years and days in front when there are any.

    Below a second the number comes back with ``μs`` behind it, as StackStorm prints it.
    """
    if not isinstance(seconds, int | float):
        raise TypeError(f"to_human_time_from_seconds takes a number of seconds, not {type(seconds).__name__}")
    if seconds == 0:
        return "0s"
    if seconds < 1:
        return f"{seconds}μs"
    # Years are of the calendar that starts in the year 1, as in StackStorm.
    moment = datetime(1, 1, 1) + timedelta(seconds=round(seconds))  # noqa: DTZ001 - a length of time, not a moment
    parts = (moment.year - 1, moment.day - 1, moment.hour, moment.minute, moment.second)
    first = next((index for index, part in enumerate(parts) if part), len(parts) - 1)
    return "".join(f"{part}{unit}" for part, unit in list(zip(parts, "ydhms", strict=True))[first:])


def version_compare(value: str, pattern: str) -> int:
    """-1, 0 or 1 as the semantic version ``value`` is below, equal to or above ``pattern``."""
    return semver.Version.parse(value).compare(pattern)


def version_more_than(value: str, pattern: str) -> bool:
    """True when ``value`` is above ``pattern``."""
    return version_compare(value, pattern) == 1


def version_less_than(value: str, pattern: str) -> bool:
    """True when ``value`` is below ``pattern``."""
    return version_compare(value, pattern) == -1


def version_equal(value: str, pattern: str) -> bool:
    """True when both are the same version."""
    return version_compare(value, pattern) == 0


def version_match(value: str, pattern: str) -> bool:
    """True when ``value`` satisfies ``pattern``, such as ``>=1.2.0``."""
    return semver.Version.parse(value).match(pattern)


def version_bump_major(value: str) -> str:
    """The next major version."""
    return str(semver.Version.parse(value).bump_major())


def version_bump_minor(value: str) -> str:
    """The next minor version."""
    return str(semver.Version.parse(value).bump_minor())


def version_bump_patch(value: str) -> str:
    """The next patch version."""
    return str(semver.Version.parse(value).bump_patch())


def version_strip_patch(value: str) -> str:
    """``major.minor``."""
    version = semver.Version.parse(value)
    return f"{version.major}.{version.minor}"


def json_(value: Any) -> Any:
    """Orquesta's ``json()``: the value in a JSON text; an object is given back as it is. Raises TypeError."""
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, str):
        raise TypeError("Given object is not typeof string.")
    return json.loads(value)


def zip_(*lists: Any, pad: Any = None) -> Any:
    """Orquesta's ``zip()``: the lists side by side, the shorter ones filled with ``pad``; null is an empty list."""
    filled = [[] if item is None else item for item in lists]
    return filled[0] if len(filled) == 1 else list(zip_longest(*filled, fillvalue=pad))


def decrypt_kv(decrypt: Callable[[str], str] | None) -> Filter:
    """The filter ``decrypt_kv`` that opens secrets with ``decrypt``; with None it refuses."""

    def apply(value: Any) -> str:
        text = str(value)
        if isinstance(value, Entry) and not text:
            raise ValueError(f"the datastore has no item '{name_of(value)}', or it is empty")
        if decrypt is None:
            raise ValueError("secrets cannot be decrypted here")
        return decrypt(text)

    return apply


_EVERYWHERE: tuple[Filter, ...] = (
    basename, dirname, from_json_string, from_yaml_string, json_escape, jsonpath_query, regex_match,
    regex_replace, regex_search, regex_substring, to_human_time_from_seconds, to_json_string, to_yaml_string,
    use_none, version_bump_major, version_bump_minor, version_bump_patch, version_compare, version_equal,
    version_less_than, version_match, version_more_than, version_strip_patch,
)  # fmt: skip


def stackstorm_filters(decrypt: Callable[[str], str] | None = None) -> dict[str, Filter]:
    """Every filter of StackStorm by name, for action parameters, rules and configs."""
    own = {function.__name__: function for function in _EVERYWHERE}
    return {**own, "to_complex": to_complex, "decrypt_kv": decrypt_kv(decrypt)}


def orquesta_functions() -> dict[str, Filter]:
    """What Orquesta workflows may call without a context, in YAQL and in Jinja: the filters and their aliases."""
    return {
        **{function.__name__: function for function in _EVERYWHERE},
        "json": json_,
        "zip": zip_,
        "json_dump": to_json_string,
        "json_parse": from_json_string,
        "yaml_dump": to_yaml_string,
        "yaml_parse": from_yaml_string,
    }
