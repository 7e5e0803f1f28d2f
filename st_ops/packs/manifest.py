"""``pack.yaml`` and ``config.schema.yaml``: what a pack says of itself (StackStorm 1.1)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from st_ops.model.base import Object
from st_ops.model.resources import Pack
from st_ops.packs.metadata_keys import type_name
from st_ops.packs.parameter_schemas import check_parameters, cleaned
from st_ops.packs.problems import Fault, Faulty

PACK_FILE = "pack.yaml"
SCHEMA_FILE = "config.schema.yaml"
REF = re.compile(r"^[a-z0-9_]+$")
_VERSION = re.compile(r"^\d+\.\d+(\.\d+)?([-+.][0-9A-Za-z.+-]+)?$")
_TEXTS = ("ref", "name", "description", "version", "author", "email", "stackstorm_version", "python")
_LISTS = ("keywords", "contributors", "python_versions", "dependencies")
_RESERVED = ("_global",)


def read_manifest(value: Any, folder: Path) -> tuple[Pack, list[Fault]]:
    """The pack in ``folder`` that ``value``, its parsed pack.yaml, describes, and what is wrong with it.

    There is always a pack, so that its other files can be loaded; unknown keys are kept in ``extra`` (StackStorm
    accepts them).
    """
    if not isinstance(value, dict):
        fallback = Pack(ref=folder.name, name=folder.name, path=str(folder))
        return fallback, [
            Fault((), f"pack.yaml must be a mapping of keys to values, not {type_name(value)}.")
        ]
    faults: list[Fault] = []
    content = {key: item for key, item in value.items() if item is not None}
    known = {key: _coerced(key, content[key], faults) for key in (*_TEXTS, *_LISTS) if key in content}
    needed = ("name", "description", "version", "author")
    faults += [Fault((), f"pack.yaml needs the key '{key}'.") for key in needed if not known.get(key)]
    known["ref"] = _ref(known, folder, faults)
    known["name"] = known.get("name") or known["ref"]
    faults += _check_values(known, content)
    extra = {str(k): v for k, v in content.items() if k not in Pack.model_fields}
    return (
        Pack(
            path=str(folder),
            preload=content.get("preload") is not False,
            system=content["system"] if isinstance(content.get("system"), dict) else {},
            extra=extra,
            **known,
        ),
        faults,
    )


def _coerced(key: str, value: Any, faults: list[Fault]) -> Any:
    """``value`` as text or as a list of texts; numbers are taken as text (``version: 0.1``)."""
    if key in _TEXTS:
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return str(value)
        faults.append(Fault((key,), f"'{key}' must be a string, not {type_name(value)}."))
        return ""
    if isinstance(value, list):
        return [str(item) for item in value]
    faults.append(Fault((key,), f"'{key}' must be a list, not {type_name(value)}."))
    return []


def _ref(known: Object, folder: Path, faults: list[Fault]) -> str:
    given = known.get("ref") or known.get("name") or folder.name
    if REF.match(given):
        return str(given)
    key = "ref" if known.get("ref") else "name"
    said = f"'{given}' cannot be a pack's reference; add 'ref' with small letters, digits and '_' only."
    faults.append(Fault((key,), said))
    return folder.name


def _check_values(known: Object, content: Object) -> list[Fault]:
    faults = []
    version = known.get("version", "")
    if version and not _VERSION.match(version):
        faults.append(Fault(("version",), f"'{version}' is not a version such as 1.2.3."))
    if known["ref"] in _RESERVED:
        faults.append(Fault(("ref",), f"The pack reference '{known['ref']}' is reserved."))
    if known.get("python"):
        try:
            SpecifierSet(known["python"])
        except InvalidSpecifier:
            said = f"'{known['python']}' is not a range of Python versions such as \">=3.10\"."
            faults.append(Fault(("python",), said))
    for key, wanted, name in (("system", dict, "a mapping"), ("preload", bool, "true or false")):
        if key in content and not isinstance(content[key], wanted):
            faults.append(Fault((key,), f"'{key}' must be {name}, not {type_name(content[key])}."))
    return faults


def read_config_schema(value: Any) -> dict[str, Object]:
    """The config schema in ``value``, the parsed config.schema.yaml: name → parameter schema. Raises Faulty."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        said = f"config.schema.yaml must be a mapping of names to schemas, not {type_name(value)}."
        raise Faulty([Fault((), said)])
    faults = check_parameters(value, ())
    if faults:
        raise Faulty(faults)
    return cleaned(value)
