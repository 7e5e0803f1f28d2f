"""Importing the Python files of the shipped packs as their child processes do."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from st_ops.sdk.modules import load

PACKS = Path(__file__).parents[2] / "packs"


def pack_file(pack: str, path: str) -> ModuleType:
    """The module of ``path`` in shipped pack ``pack``, with the pack's lib folder importable."""
    return load(str(PACKS / pack / path), str(PACKS / pack))
