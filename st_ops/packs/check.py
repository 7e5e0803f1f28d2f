"""``st-ops pack check``: is everything in these folders right, and if not, where."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import st_ops
from st_ops.model.resources import Action, Pack, Rule, SensorType
from st_ops.packs.discover import pack_folders
from st_ops.packs.kinds.actions import entry_of
from st_ops.packs.loader import LoadedPack, load_pack
from st_ops.packs.manifest import PACK_FILE
from st_ops.packs.problems import Problem
from st_ops.packs.virtualenvs import REQUIREMENTS

BOOT = Path(st_ops.__file__).parent / "sdk" / "boot.py"

#: Seconds all imports of one pack may take.
IMPORT_SECONDS = 600

Interpreter = Callable[[Pack], Path]


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """One file of a pack. ``path`` is relative to the pack's folder; ``ok`` = no errors (warnings may remain)."""

    pack: str
    path: str
    kind: str
    ref: str
    ok: bool
    errors: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """All files of all packs that were checked."""

    files: list[FileReport] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True when no file has an error."""
        return all(file.ok for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """``{ok, files: [{pack, path, kind, ref, ok, errors: [{line, key, message}], warnings: […]}]}``."""
        return {"ok": self.ok, "files": [asdict(file) for file in self.files]}


def check(
    folders: Iterable[Path],
    import_code: bool = False,
    interpreter: Interpreter = lambda _pack: Path(sys.executable),
) -> Report:
    """Check each folder (a pack, or a folder of packs). ``import_code`` also imports every Python entry point.

    The import runs in child processes of ``interpreter(pack)``, in a clean environment. A third-party module that
    is not installed is a warning that names it; everything else that keeps a file from being used is an error.
    """
    files: list[FileReport] = []
    for folder in folders:
        packs = pack_folders(folder)
        if not packs:
            said = "There is no pack here: no pack.yaml in the folder or in the folders in it."
            files.append(
                _report_of(folder.name, PACK_FILE, "pack", "", [Problem(path=str(folder), message=said)])
            )
        for pack in packs:
            files += _check_pack(load_pack(pack), import_code, interpreter)
    return Report(files)


def _check_pack(loaded: LoadedPack, import_code: bool, interpreter: Interpreter) -> list[FileReport]:
    problems = [*loaded.problems, *_dangling(loaded)]
    if import_code:
        problems += _import_problems(loaded, interpreter)
    by_path: dict[str, list[Problem]] = {}
    for problem in problems:
        by_path.setdefault(problem.path, []).append(problem)
    reports = []
    for path in sorted({*loaded.files, *by_path}):
        found = by_path.get(path, [])
        kind, refs = loaded.files.get(path, (found[0].kind if found else "", []))
        ref = ", ".join(refs) or next((problem.ref for problem in found if problem.ref), "")
        reports.append(_report_of(loaded.pack.ref, path, kind, ref, found))
    return reports


def _report_of(pack: str, path: str, kind: str, ref: str, problems: list[Problem]) -> FileReport:
    def rows(severity: str) -> list[dict[str, Any]]:
        return [
            {"line": problem.line, "key": problem.key, "message": problem.message}
            for problem in problems
            if problem.severity == severity
        ]

    errors = rows("error")
    return FileReport(
        pack=pack, path=path, kind=kind, ref=ref, ok=not errors, errors=errors, warnings=rows("warning")
    )


def _dangling(loaded: LoadedPack) -> list[Problem]:
    """Rules that name an action or trigger type of their own pack which its files do not define."""
    problems = []
    known = set(loaded.digests)
    for rule in loaded.resources["rule"]:
        if not isinstance(rule, Rule):
            continue
        wanted = (
            ("action", rule.action.ref, "action.ref"),
            ("trigger_type", rule.trigger.type, "trigger.type"),
        )
        for kind, ref, key in wanted:
            if ref.startswith(f"{loaded.pack.ref}.") and (kind, ref) not in known and "{" not in ref:
                said = f"The pack has no {kind.replace('_', ' ')} '{ref}'."
                problems.append(
                    Problem(
                        path=rule.metadata_file,
                        key=key,
                        kind="rule",
                        ref=rule.ref,
                        message=said,
                        severity="warning",
                    )
                )
    return problems


@dataclass(frozen=True)
class _Entry:
    metadata_file: str
    kind: str
    ref: str
    file: Path
    name: str


def _entries(loaded: LoadedPack) -> list[_Entry]:
    found = []
    for action in loaded.resources["action"]:
        if isinstance(action, Action) and action.runner_type == "python-script":
            file, name = entry_of(action, loaded.pack.path)
            found.append(_Entry(action.metadata_file, "action", action.ref, file, name))
    for sensor in loaded.resources["sensor"]:
        if isinstance(sensor, SensorType):
            file = Path(loaded.pack.path) / "sensors" / sensor.entry_point
            found.append(_Entry(sensor.metadata_file, "sensor", sensor.ref, file, sensor.class_name))
    return found


def _import_problems(loaded: LoadedPack, interpreter: Interpreter) -> list[Problem]:
    entries = _entries(loaded)
    if not entries:
        return []
    answers = _inspect(loaded.pack, entries, interpreter(loaded.pack))
    problems = []
    for entry, answer in zip(entries, answers, strict=False):
        if answer["fault"]:
            problems.append(_problem(loaded, entry, answer))
    for entry in entries[len(answers) :]:
        said = "The file could not be imported: the process that imports ended before it was its turn."
        problems.append(
            Problem(path=entry.metadata_file, key="entry_point", kind=entry.kind, ref=entry.ref, message=said)
        )
    return problems


def _inspect(pack: Pack, entries: list[_Entry], python: Path) -> list[dict[str, Any]]:
    """What the child found, in the order of ``entries``; shorter when the child died."""
    wanted = [
        {"file": str(entry.file), "entry": entry.name, "kind": entry.kind, "pack_path": pack.path}
        for entry in entries
    ]
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8") as answers:
        try:
            child = subprocess.Popen(
                [str(python), "-I", str(BOOT), "st_ops.sdk.inspect_entries", str(writing)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(writing,),
                env=_environment(pack),
                cwd=pack.path,
                text=True,
                start_new_session=True,
            )
        finally:
            os.close(writing)
        # A module may start processes that keep our pipe open; they end with their group.
        watchdog = threading.Timer(IMPORT_SECONDS, os.killpg, (child.pid, signal.SIGKILL))
        watchdog.start()
        with child, contextlib.ExitStack() as stack:
            stack.callback(watchdog.cancel)
            assert child.stdin is not None
            child.stdin.write(json.dumps(wanted))
            child.stdin.close()
            return [json.loads(line) for line in answers]


def _environment(pack: Pack) -> Mapping[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "ST2_ACTION_PACK_NAME": pack.ref, "PYTHONDONTWRITEBYTECODE": "1"}


def _problem(loaded: LoadedPack, entry: _Entry, answer: Mapping[str, Any]) -> Problem:
    file = entry.file.relative_to(loaded.pack.path).as_posix()
    where = file if answer["line"] is None else f"{file}:{answer['line']}"
    if answer["fault"] != "missing_module":
        return Problem(
            path=entry.metadata_file, key="entry_point", kind=entry.kind, ref=entry.ref,
            message=f"{where}: {answer['message']}",
        )  # fmt: skip
    module = str(answer["module"])
    top = module.partition(".")[0]
    if top.startswith("st2"):
        said = f"{where}: StackStorm's module '{module}' is not among those that st_ops offers to packs."
        return Problem(
            path=entry.metadata_file, key="entry_point", kind=entry.kind, ref=entry.ref, message=said
        )
    said = (
        f"{where}: the third-party module '{module}' is not installed here; {_requirement(loaded.pack, top)}"
    )
    return Problem(
        path=entry.metadata_file,
        key="entry_point",
        kind=entry.kind,
        ref=entry.ref,
        message=said,
        severity="warning",
    )


def _requirement(pack: Pack, module: str) -> str:
    path = Path(pack.path) / REQUIREMENTS
    text = path.read_text("utf-8", "replace") if path.is_file() else ""
    if text.strip():
        return f"the pack's {REQUIREMENTS} should bring it into its virtualenv."
    return f"add what provides '{module}' to a {REQUIREMENTS} in the pack."
