"""Which modules a sandbox imports ahead of use: those a pack's files import from outside the pack.

The pack's own code is never run in the sandbox's parent: each action executes its module afresh in its child, so
that a module-level ``os.environ[…]`` or ``datetime.now()`` means there what it means in StackStorm, and a changed file
is simply the file that runs. What costs time is the libraries (boto3, requests …), and those are shared.

A library is first imported in a trial child. One that fails, hangs, crashes, starts a thread or leaves a descriptor
open (a connection must not be shared by forks) there is not imported in the parent; its actions import it themselves.
Standard library only, Python 3.8 and later.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import os
import signal
import sys
from typing import Iterable, Iterator

from st_ops.runners.sandbox import kernel
from st_ops.sdk.sources import code_of

#: Seconds a trial may take over all its modules together.
TRIAL_SECONDS = 20

#: More files of one pack than these are not looked into.
_FILES_LIMIT = 200


def imports_of(file: str, pack_path: str) -> list[str]:
    """The modules from outside the pack that ``file``, and the pack's files it imports, import at module level.

    The pack's files are compiled on the way, for the children to execute.
    """
    folder = os.path.dirname(os.path.realpath(file))
    libs = [os.path.join(folder, "lib"), folder]
    if pack_path:
        libs += [os.path.join(pack_path, "lib"), os.path.join(pack_path, "actions", "lib")]
    wanted: dict[str, None] = {}
    queue = [os.path.realpath(file)]
    seen = set(queue)
    while queue and len(seen) < _FILES_LIMIT:
        for name in _names(queue.pop()):
            local = list(_local_files(name, libs))
            queue += [path for path in local if path not in seen]
            seen.update(local)
            if not local and name not in sys.modules:
                wanted[name] = None
    return list(wanted)


def _names(file: str) -> Iterator[str]:
    try:
        code_of(file)
        with open(file, "rb") as source:
            tree = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):
        return  # the run of the action will say so
    for node in _module_level(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module


def _module_level(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield node
            yield from _module_level(node)


def _local_files(name: str, folders: Iterable[str]) -> Iterator[str]:
    """The pack's files that ``import name`` would run."""
    parts = name.split(".")
    for folder in folders:
        for depth in range(len(parts), 0, -1):
            base = os.path.join(folder, *parts[:depth])
            for path in (base + ".py", os.path.join(base, "__init__.py")):
                if os.path.isfile(path):
                    yield path


class Trial:
    """The trial imports of ``names`` in a child of their own, whose end is the trial's."""

    def __init__(self, names: list[str]) -> None:
        self._reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _try_all(names, writing)
        os.close(writing)

    def harmless(self) -> list[str]:
        """After its end: the modules that imported without a fault or a trace."""
        os.set_blocking(self._reading, False)
        said = b""
        with contextlib.suppress(
            BlockingIOError
        ):  # something the trial left behind still holds the other end
            said = os.read(self._reading, 65536)
        os.close(self._reading)
        return said.decode("utf-8").split()


def _try_all(names: list[str], writing: int) -> None:
    """In the trial child: import each, and name on ``writing`` those that did no harm. Does not return."""
    try:
        kernel.become_helper(keep=writing)
        signal.alarm(TRIAL_SECONDS)
        for name in names:
            before = _traces()
            if import_quietly(name) and _traces() == before:
                os.write(writing, name.encode("utf-8") + b"\n")
            elif _traces() != before:
                break  # the modules after it could not be told apart from it
    finally:
        os._exit(0)


def _traces() -> tuple[int, int]:
    """How many threads and descriptors this process has."""
    return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))


def import_quietly(name: str) -> bool:
    """Import ``name``; False when it raised."""
    with contextlib.suppress(BaseException):
        importlib.import_module(name)
        return True
    return False
