"""Where packs lie: the shipped ones, and the folders an operator names."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from st_ops.packs.manifest import PACK_FILE
from st_ops.packs.problems import Faulty, Problem
from st_ops.packs.yaml_lines import read


@dataclass
class Found:
    """Pack folders by ref, in the order they are to be registered, and what was passed over."""

    folders: dict[str, Path] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def shipped_packs() -> Path:
    """The folder of the packs that come with st_ops: inside the wheel, or beside the package in a checkout."""
    package = Path(str(importlib.resources.files("st_ops")))
    inside = package / "_packs"
    return inside if inside.is_dir() else package.parent / "packs"


def pack_folders(root: Path) -> list[Path]:
    """The packs in ``root``, by name: ``root`` itself when it is one, else its folders that have a pack.yaml."""
    if (root / PACK_FILE).is_file():
        return [root.absolute()]
    if not root.is_dir():
        return []
    return sorted(folder.absolute() for folder in root.iterdir() if (folder / PACK_FILE).is_file())


def discover(roots: Iterable[Path]) -> Found:
    """The packs below ``roots``; of two with one ref the first counts, and the other is a problem.

    The core pack comes first, since everything may build upon its trigger types.
    """
    found = Found()
    for root in roots:
        folders = pack_folders(root)
        if not folders and not root.is_dir():
            said = "There is no such folder to look for packs in."
            found.problems.append(Problem(path=str(root), message=said, kind="pack"))
        for folder in folders:
            ref = pack_ref(folder)
            if ref in found.folders:
                said = f"The pack '{ref}' is already loaded from {found.folders[ref]}; this one is left out."
                found.problems.append(Problem(path=str(folder), message=said, kind="pack", ref=ref))
                continue
            found.folders[ref] = folder
    if "core" in found.folders:
        found.folders = {"core": found.folders.pop("core"), **found.folders}
    return found


def pack_ref(folder: Path) -> str:
    """The ref that ``folder``'s pack.yaml gives, or the folder's name when it gives none."""
    try:
        value = read(folder / PACK_FILE).value
    except Faulty:
        return folder.name
    given = (value.get("ref") or value.get("name")) if isinstance(value, dict) else None
    return given if isinstance(given, str) and given.replace("_", "a").isalnum() else folder.name
