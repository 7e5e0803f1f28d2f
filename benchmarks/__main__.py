"""``make bench``: every figure, with the physical limit of the same machine beside it.

``python -m benchmarks [NAME …]`` runs only those named. What is short is measured three times, and the median
counts. At the end all figures come once more, as tables to paste into docs/performance.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from benchmarks import actions, events, history, intake, limits, startup, workflow
from benchmarks.backends import Backend, Missing, embedded, postgresql, production
from benchmarks.content import write_pack
from benchmarks.platform import RunningPlatform
from benchmarks.report import Report

#: Executions in the history, unless told otherwise.
_HISTORY = 1_000_000

Section = Callable[[Report, int], None]


def _limits(report: Report, _count: int) -> None:
    report.group("The machine")
    limits.report_all(report)


def _start(report: Report, _count: int) -> None:
    report.group("Start and memory, embedded")
    startup.embedded(report)


def _actions(report: Report, _count: int) -> None:
    report.group("Actions, embedded on SQLite")
    with tempfile.TemporaryDirectory() as folder, RunningPlatform(write_pack(Path(folder))) as platform:
        _run(report, platform, embedded(), 1)


def _run(report: Report, platform: RunningPlatform, backend: Backend, rules: int) -> None:
    actions.one_at_a_time(report, platform, backend)
    workflow.chain(report, platform, backend)
    events.latency(report, platform, backend, rules)
    actions.many_over_http(report, platform)
    actions.queued(report, platform)


def _events(report: Report, _count: int) -> None:
    report.group("Events over HTTP, embedded on SQLite")
    for rules in (1, 100, 1000):
        with (
            tempfile.TemporaryDirectory() as folder,
            RunningPlatform(write_pack(Path(folder), rules=rules)) as platform,
        ):
            events.over_http(report, platform, embedded(), rules)


def _intake(report: Report, _count: int) -> None:
    report.group("Intake and rules without HTTP, on SQLite")
    for rules in (1, 100, 1000):
        intake.measure(report, embedded(), rules)


def _production(bus: str) -> Section:
    def measure(report: Report, _count: int) -> None:
        with production(bus) as backend:
            report.group(f"PostgreSQL and {bus}, a process for each stage")
            backend.engine_limits(report)
            startup.in_stages(report, backend.fresh() or {})
            with tempfile.TemporaryDirectory() as folder:
                packs = write_pack(Path(folder), rules=1000)
                with RunningPlatform(packs, backend.fresh()) as platform:
                    _run(report, platform, backend, 1000)
                    events.over_http(report, platform, backend, 1000)

    return measure


def _history(report: Report, count: int) -> None:
    report.group(f"{count:,} executions in the history, SQLite")
    history.measure(report, embedded(), count)
    with postgresql() as backend:
        report.group(f"{count:,} executions in the history, PostgreSQL")
        history.measure(report, backend, count)


SECTIONS: dict[str, Section] = {
    "limits": _limits,
    "start": _start,
    "actions": _actions,
    "events": _events,
    "intake": _intake,
    "rabbitmq": _production("RabbitMQ"),
    "redis": _production("Redis"),
    "history": _history,
}


def main(arguments: list[str]) -> int:
    """Run the named sections, all when none is named; 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*SECTIONS, []], help=", ".join(SECTIONS))
    parser.add_argument("--history", type=int, default=_HISTORY, help="executions in the history")
    chosen = parser.parse_args(arguments)
    report, failed = Report(), []
    started = time.monotonic()
    for name in chosen.names or SECTIONS:
        try:
            SECTIONS[name](report, chosen.history)
        except Missing as reason:
            report.note(str(reason))
        except Exception:  # noqa: BLE001 - the edge of one section: the others are measured all the same
            traceback.print_exc()
            failed.append(name)
    print(f"\n{report.markdown()}\n\nTook {time.monotonic() - started:.0f} s.")
    if failed:
        print(f"Failed: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
