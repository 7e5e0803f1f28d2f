"""Packs written for a test."""

from __future__ import annotations

import textwrap
from pathlib import Path

MANIFEST = """
name: demo
description: A pack for tests.
version: 1.0.0
author: tests
"""


def write_pack(root: Path, files: dict[str, str], name: str = "demo") -> Path:
    """A pack folder ``root/name`` with ``files`` (path → text) and a good pack.yaml unless they have one."""
    folder = root / name
    for path, text in {"pack.yaml": MANIFEST.replace("demo", name), **files}.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")
    return folder
