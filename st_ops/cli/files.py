"""YAML and JSON files given on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from st_ops.errors import InvalidInput


def read_object(path: Path) -> dict[str, Any]:
    """The object in a YAML (or JSON, which is YAML) file. Raises InvalidInput naming file and line."""
    import yaml

    try:
        value = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInput(f"The file '{path}' cannot be read: {exc}.", where=str(path)) from exc
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise InvalidInput(
            f"{place}: this is not valid YAML: {getattr(exc, 'problem', exc)}.", where=str(path)
        ) from exc
    if not isinstance(value, dict):
        raise InvalidInput(f"{path}: expected a mapping of keys to values.", where=str(path))
    return value


def looks_like_file(text: str) -> bool:
    """True for an argument that names a file rather than a ref or an id."""
    return text.endswith((".yaml", ".yml", ".json")) or "/" in text
