"""Loading a pack's Python file and finding in it the class or function to run. For child processes only."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from types import ModuleType
from typing import Any, Callable, Iterable

from st_ops.sdk.actions import MARK
from st_ops.sdk.sources import SourceLoader, watch_folder

#: Abstract methods of StackStorm's base classes; a class that has them all is one of its kind (StackStorm 1.4, 1.5).
ACTION_METHODS = ("run",)
SENSOR_METHODS = ("setup", "run", "cleanup", "add_trigger", "update_trigger", "remove_trigger")

_loaded: dict[str, tuple[tuple[int, int], ModuleType]] = {}


class EntryNotFound(Exception):
    """Raised when a file does not hold the class or function that its metadata promises."""


def prepare_path(file: str, pack_path: str = "") -> None:
    """Make importable what StackStorm makes importable: the pack's ``lib``, ``actions/lib``, and beside ``file``."""
    folder = os.path.dirname(os.path.realpath(file))
    watch_folder(pack_path or folder)
    front = [os.path.join(folder, "lib")]
    if pack_path:
        front = [os.path.join(pack_path, "lib"), os.path.join(pack_path, "actions", "lib"), *front]
    for path in reversed(front):
        if path not in sys.path and os.path.isdir(path):
            sys.path.insert(0, path)
    # Last, as in StackStorm: an action may be called uuid.py and still import the real uuid.
    if folder not in sys.path:
        sys.path.append(folder)


def load(file: str, pack_path: str = "") -> ModuleType:
    """The module of ``file``; the one loaded before when the file has not changed since (sandboxes load ahead).

    Raises FileNotFoundError, SyntaxError, or whatever the module raises.
    """
    real = os.path.realpath(file)
    facts = os.stat(real)
    version = (facts.st_mtime_ns, facts.st_size)
    known = _loaded.get(real)
    if known is not None and known[0] == version:
        return known[1]
    prepare_path(real, pack_path)
    # A name of our own: a file called json.py must not become the json of everything imported later.
    name = "st_ops_pack_" + os.path.splitext(os.path.basename(real))[0].replace("-", "_")
    spec = importlib.util.spec_from_file_location(name, real, loader=SourceLoader(name, real))
    if spec is None or spec.loader is None or not real.endswith(".py"):
        raise EntryNotFound(f"{file} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    _loaded[real] = (version, module)
    return module


def find_entry(module: ModuleType, entry: str, methods: Iterable[str], kind: str) -> Any:
    """The class or decorated function of ``module`` to run.

    ``entry`` names it; "" takes the first class, by name, that has ``methods`` (StackStorm's rule), else the only
    function decorated as ``kind`` (action or sensor). Raises EntryNotFound with a sentence.
    """
    if entry:
        found = getattr(module, entry, None)
        if found is None:
            raise EntryNotFound(f"{module.__file__} has no class or function '{entry}'.")
        if inspect.isclass(found):
            _demand_methods(found, methods)
        return found
    for found in _own_classes(module):
        if not _lacking(found, methods):
            return found
    functions = _marked_functions(module, kind)
    if len(functions) == 1:
        return functions[0]
    raise EntryNotFound(_nothing_found(module, methods, kind, len(functions)))


def _nothing_found(module: ModuleType, methods: Iterable[str], kind: str, functions: int) -> str:
    if functions > 1:
        return f"{module.__file__} has {functions} functions with @{kind}; name one as 'file.py:function'."
    return (
        f"{module.__file__} has no {kind}: expected a class with the method(s) {', '.join(methods)}, "
        f"or a function with @{kind}."
    )


def _own_classes(module: ModuleType) -> list[type]:
    return [
        member
        for _name, member in inspect.getmembers(module, inspect.isclass)
        if member.__module__ == module.__name__
    ]


def _marked_functions(module: ModuleType, kind: str) -> list[Callable[..., Any]]:
    members = [member for _name, member in inspect.getmembers(module, inspect.isfunction)]
    return [
        m for m in members if getattr(m, MARK, {}).get("kind") == kind and m.__module__ == module.__name__
    ]


def _lacking(found: type, methods: Iterable[str]) -> list[str]:
    """The ``methods`` that ``found`` lacks or leaves abstract."""
    return [
        name
        for name in methods
        if not inspect.isfunction(getattr(found, name, None))
        or getattr(getattr(found, name), "__isabstractmethod__", False)
    ]


def _demand_methods(found: type, methods: Iterable[str]) -> None:
    lacking = _lacking(found, methods)
    if lacking:
        raise EntryNotFound(f"The class {found.__name__} does not define {', '.join(lacking)}.")


def wants_context(function: Callable[..., Any]) -> str:
    """The name of the parameter of ``function`` that receives the Context; "" when it has none."""
    for name, parameter in inspect.signature(function).parameters.items():
        annotation = parameter.annotation
        written = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        if name == "ctx" or written.rpartition(".")[2] == "Context":
            return name
    return ""
