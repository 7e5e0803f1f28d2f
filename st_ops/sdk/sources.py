"""A pack's own source files, always as they are on disk now.

Python keeps compiled files beside the sources and takes one for current when the second and the size agree, so a file
changed twice within a second can run as it was before. Packs change under a running platform (``st-ops up --dev``),
so their files are compiled from the source; a sandbox compiles them once, ahead of use, for all the children it forks.
Compiling runs nothing of a file.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from types import CodeType
from typing import Any

#: path → (modification time in ns, size), code.
_compiled: dict[str, tuple[tuple[int, int], CodeType]] = {}
_folders: set[str] = set()


class SourceLoader(SourceFileLoader):
    """Loads a module from its source, or from what :func:`code_of` compiled of the same source before."""

    def get_code(self, fullname: str) -> CodeType:
        """The code of the file. Raises OSError, SyntaxError or ValueError."""
        return code_of(self.path)


def code_of(path: str) -> CodeType:
    """The compiled file at ``path``, compiled anew when it has changed. Raises OSError, SyntaxError or ValueError."""
    facts = os.stat(path)
    version = (facts.st_mtime_ns, facts.st_size)
    known = _compiled.get(path)
    if known is not None and known[0] == version:
        return known[1]
    with open(path, "rb") as file:
        code: CodeType = compile(file.read(), path, "exec", dont_inherit=True)
    _compiled[path] = (version, code)
    return code


def compile_again() -> None:
    """Compile anew every file compiled so far that has changed since; one that is gone or broken is forgotten."""
    for path in list(_compiled):
        try:
            code_of(path)
        except (OSError, SyntaxError, ValueError):  # noqa: PERF203 - each file for itself
            del _compiled[path]


def watch_folder(folder: str) -> None:
    """From now on import what lies in ``folder`` (of a pack), at any depth, through :class:`SourceLoader`."""
    folder = os.path.realpath(folder) + os.sep
    if folder in _folders:
        return
    if not _folders:
        sys.path_hooks.insert(0, _finder)
    _folders.add(folder)


def _finder(path: str) -> Any:
    """A path hook (see ``sys.path_hooks``): a finder for folders of packs, ImportError for all others."""
    real = os.path.realpath(path) + os.sep
    if not real.startswith(tuple(_folders)):
        raise ImportError(path)
    return FileFinder(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceLoader, [".py"]))
