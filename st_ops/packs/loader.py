"""A pack's folder → validated resources, and everything that is wrong with the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from st_ops.model.resources import KINDS, Action, Pack, Resource, SensorType, TriggerType
from st_ops.packs.kinds.actions import build_actions, split_entry_point
from st_ops.packs.kinds.aliases import build_aliases
from st_ops.packs.kinds.common import Scope
from st_ops.packs.kinds.policies import build_policies
from st_ops.packs.kinds.rules import build_rules
from st_ops.packs.kinds.sensors import build_sensors
from st_ops.packs.kinds.triggers import build_trigger_types
from st_ops.packs.manifest import PACK_FILE, SCHEMA_FILE, read_config_schema, read_manifest
from st_ops.packs.problems import Fault, Faulty, Problem, dotted
from st_ops.packs.python_resources import build_python
from st_ops.packs.yaml_lines import Document, read

Builder = Callable[[Any, Scope], "list[Any]"]

#: Folder → (kind, builder), in the order they are loaded.
FOLDERS: dict[str, tuple[str, Builder]] = {
    "triggers": ("trigger_type", build_trigger_types),
    "sensors": ("sensor", build_sensors),
    "actions": ("action", build_actions),
    "rules": ("rule", build_rules),
    "aliases": ("alias", build_aliases),
    "policies": ("policy", build_policies),
}


@dataclass
class LoadedPack:
    """What a folder holds. ``resources`` maps kind → resources in load order; ``problems`` is what was left out.

    ``digests`` maps (kind, ref) → SHA-256 of the file a resource comes from: equal digests mean nothing to do.
    ``files`` maps each metadata file that was read, relative, to the kind and refs it gave.
    """

    pack: Pack
    resources: dict[str, list[Resource]] = field(
        default_factory=lambda: {kind: [] for kind, _ in FOLDERS.values()}
    )
    problems: list[Problem] = field(default_factory=list)
    digests: dict[tuple[str, str], str] = field(default_factory=dict)
    files: dict[str, tuple[str, list[str]]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over the pack's own metadata and all digests."""
        whole = hashlib.sha256(self.pack.model_dump_json().encode())
        for (kind, ref), digest in sorted(self.digests.items()):
            whole.update(f"{kind} {ref} {digest}\n".encode())
        return whole.hexdigest()

    def all(self) -> Iterator[tuple[str, Resource]]:
        """Every resource with its kind, trigger types first."""
        for kind, resources in self.resources.items():
            for resource in resources:
                yield kind, resource

    def find(self, kind: str, name: str) -> Resource | None:
        """The resource of ``kind`` called ``name``, or None."""
        return next((item for item in self.resources[kind] if item.name == name), None)


def load_pack(folder: Path) -> LoadedPack:
    """Load the pack in ``folder``. Never raises for bad content: that is in ``problems``."""
    folder = folder.absolute()
    loaded = _load_manifest(folder)
    for name, (kind, builder) in FOLDERS.items():
        for path in _metadata_files(folder / name):
            _load_file(loaded, path, kind, builder)
        if name in ("actions", "sensors"):
            for path in sorted((folder / name).glob("*.py")):
                _load_python(loaded, path, kind)
    return loaded


def _load_manifest(folder: Path) -> LoadedPack:
    path = folder / PACK_FILE
    fallback = LoadedPack(Pack(ref=folder.name, name=folder.name, path=str(folder)))
    try:
        document = read(path)
    except Faulty as error:
        _report(fallback, path, error.faults, "pack")
        return fallback
    pack, faults = read_manifest(document.value, folder)
    schema, schema_faults = _config_schema(folder / SCHEMA_FILE)
    loaded = LoadedPack(pack.model_copy(update={"config_schema": schema}))
    _report(loaded, path, faults, "pack", document, pack.ref)
    loaded.files[PACK_FILE] = ("pack", [pack.ref])
    if schema_faults or schema:
        loaded.files[SCHEMA_FILE] = ("config_schema", [pack.ref])
    _report(loaded, folder / SCHEMA_FILE, schema_faults, "config_schema", None, pack.ref)
    return loaded


def _config_schema(path: Path) -> tuple[dict[str, Any], list[Fault]]:
    if not path.is_file():
        return {}, []
    document = None
    try:
        document = read(path)
        return read_config_schema(document.value), []
    except Faulty as error:
        return {}, [
            Fault(f.keys, f.message, f.line or (document.line(f.keys) if document else None))
            for f in error.faults
        ]


def _metadata_files(folder: Path) -> list[Path]:
    """The metadata files directly in ``folder``, by name (StackStorm 1.1)."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml") and path.is_file())


def _load_file(loaded: LoadedPack, path: Path, kind: str, builder: Builder) -> None:
    document = None
    relative = _relative(loaded, path)
    loaded.files[relative] = (kind, [])
    try:
        document = read(path)
        resources = builder(document.value, Scope(loaded.pack.ref, Path(loaded.pack.path), relative))
    except Faulty as error:
        _report(loaded, path, error.faults, kind, document, _guess_ref(loaded, document))
        return
    for resource in resources:
        _add(loaded, resource, path, document.text, document)


def _load_python(loaded: LoadedPack, path: Path, kind: str) -> None:
    relative = _relative(loaded, path)
    try:
        resources, faults = build_python(path, Scope(loaded.pack.ref, Path(loaded.pack.path), relative))
    except Faulty as error:
        _report(loaded, path, error.faults, kind)
        return
    if resources or faults:
        loaded.files[relative] = (kind, [])
    _report(loaded, path, faults, kind)
    text = path.read_text("utf-8") if resources else ""
    for resource in resources:
        if not _has_metadata(loaded, resource, path):
            _add(loaded, resource, path, text, None)


def _has_metadata(loaded: LoadedPack, resource: Resource, path: Path) -> bool:
    """True when a YAML file describes this very function: then the YAML counts."""
    described = (
        item for item in loaded.resources[_kind_of(resource)] if not item.metadata_file.endswith(".py")
    )
    return any(_same_entry(item, resource, path) for item in described)


def _same_entry(described: Resource, declared: Resource, path: Path) -> bool:
    if isinstance(described, Action) and isinstance(declared, Action):
        file, function = split_entry_point(described.entry_point)
        return Path(file).name == path.name and function in ("", split_entry_point(declared.entry_point)[1])
    if isinstance(described, SensorType) and isinstance(declared, SensorType):
        return (described.entry_point, described.class_name) == (declared.entry_point, declared.class_name)
    return False


def _kind_of(resource: Resource) -> str:
    return next(kind for kind, cls in KINDS.items() if isinstance(resource, cls))


def _add(loaded: LoadedPack, resource: Resource, path: Path, text: str, document: Document | None) -> None:
    kind = _kind_of(resource)
    if (kind, resource.ref) in loaded.digests:
        earlier = loaded.find(kind, resource.name)
        if earlier is not None and _same_but_for_file(earlier, resource):
            return  # several sensors may declare the trigger type that they share
        where = earlier.metadata_file if earlier else ""
        said = f"The {kind.replace('_', ' ')} '{resource.ref}' is already defined in {where}."
        _report(loaded, path, [Fault(("name",), said)], kind, document, resource.ref)
        return
    loaded.resources[kind].append(resource)
    loaded.digests[kind, resource.ref] = hashlib.sha256(f"{loaded.pack.path}\n{text}".encode()).hexdigest()
    loaded.files[_relative(loaded, path)][1].append(resource.ref)


def _same_but_for_file(one: Resource, other: Resource) -> bool:
    return isinstance(one, TriggerType) and one == other.model_copy(
        update={"metadata_file": one.metadata_file}
    )


def _guess_ref(loaded: LoadedPack, document: Document | None) -> str:
    value = document.value if document else None
    name = (value.get("name") or value.get("class_name")) if isinstance(value, dict) else None
    return f"{loaded.pack.ref}.{name}" if isinstance(name, str) else ""


def _relative(loaded: LoadedPack, path: Path) -> str:
    return path.relative_to(loaded.pack.path).as_posix()


def _report(
    loaded: LoadedPack,
    path: Path,
    faults: list[Fault],
    kind: str,
    document: Document | None = None,
    ref: str = "",
) -> None:
    for fault in faults:
        line = fault.line
        if line is None and document is not None:
            line = document.line(fault.keys)
        loaded.problems.append(
            Problem(
                path=_relative(loaded, path),
                line=line,
                key=dotted(fault.keys),
                kind=kind,
                ref=ref,
                message=fault.message,
                severity=fault.severity,
            )
        )
