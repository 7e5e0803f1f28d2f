"""Import the Python files of a pack and find their entries: the child's side of ``st-ops pack check --import``.

Run as ``boot.py st_ops.sdk.inspect_entries FD`` with a JSON list on stdin of ``{"file", "entry", "kind": "action" |
"sensor", "pack_path"}``. Each file is imported in a fork of its own, with a time limit, so that none disturbs
another. For each, one JSON line goes to FD: ``{"fault": "" | "load" | "entry" | "missing_module", "message",
"module": name of the missing module, "line": in the file or null}``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, Mapping

from st_ops.sdk.modules import ACTION_METHODS, SENSOR_METHODS, EntryNotFound, find_entry, load

#: Seconds one file may take to import.
LIMIT = 30


def inspect(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Import one file in this process and find its entry; what was wrong, if anything."""
    methods = ACTION_METHODS if entry["kind"] == "action" else SENSOR_METHODS
    try:
        find_entry(load(entry["file"], entry["pack_path"]), entry["entry"], methods, entry["kind"])
    except EntryNotFound as error:
        return _fault("entry", str(error))
    except ModuleNotFoundError as error:
        name = error.name or ""
        if _belongs_to_pack(name, entry) or name.partition(".")[0] == "st_ops":
            return _fault("load", f"{error}.", line=_line(error, entry["file"]))
        return _fault("missing_module", f"{error}.", module=name, line=_line(error, entry["file"]))
    except BaseException as error:  # noqa: BLE001  # the edge of the child: a module may raise anything, SystemExit too
        said = f"Importing the file raised {type(error).__name__}: {error}"
        return _fault("load", said, line=_line(error, entry["file"]))
    return _fault("", "")


def _fault(fault: str, message: str, module: str = "", line: int | None = None) -> dict[str, Any]:
    return {"fault": fault, "message": message, "module": module, "line": line}


def _belongs_to_pack(module: str, entry: Mapping[str, Any]) -> bool:
    """True when a part of ``module`` exists in the pack, so that what is missing is the pack's own."""
    top = module.partition(".")[0]
    pack = Path(entry["pack_path"])
    folders = (
        pack / "lib",
        pack / "actions" / "lib",
        Path(entry["file"]).parent,
        Path(entry["file"]).parent / "lib",
    )
    return any((folder / top).is_dir() or (folder / f"{top}.py").is_file() for folder in folders)


def _line(error: BaseException, file: str) -> int | None:
    """The line of ``file`` that led to ``error``."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).name == Path(file).name:
        return error.lineno
    real = str(Path(file).resolve())
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == real]
    return frames[-1].lineno if frames else None


def _in_fork(entry: Mapping[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(LIMIT)
        os.write(writing, json.dumps(inspect(entry)).encode("utf-8")[:60000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read()
    _pid, status = os.waitpid(child, 0)
    if said:
        return dict(json.loads(said.decode("utf-8")))
    how = (
        f"did not end within {LIMIT} s"
        if status == signal.SIGALRM
        else f"ended the process (status {status})"
    )
    return _fault("load", f"Importing the file {how}.")


def main(arguments: list[str]) -> int:
    """Inspect what stdin lists; see the module."""
    entries = json.load(sys.stdin)
    with os.fdopen(int(arguments[0]), "w", encoding="utf-8") as answers:
        for entry in entries:
            answers.write(json.dumps(_in_fork(entry)) + "\n")
            answers.flush()
    return 0
