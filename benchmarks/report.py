"""Figures: printed as they come, and at the end once more as a table to paste."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One figure: the median of ``values``, and what it is compared with."""

    what: str
    values: tuple[float, ...]
    unit: str
    limit: str
    target: str

    @property
    def value(self) -> str:
        """The median as text."""
        return shown(statistics.median(self.values))

    @property
    def spread(self) -> str:
        """Least and most, when it was measured several times."""
        if len(self.values) == 1:
            return ""
        return f"{shown(min(self.values))}–{shown(max(self.values))}"


class Report:
    """What was measured so far."""

    def __init__(self) -> None:
        self._groups: list[tuple[str, list[Figure]]] = []
        self._load_before = os.getloadavg()[0]

    def group(self, title: str) -> None:
        """A new group of figures."""
        self._groups.append((title, []))
        print(f"\n{title}\n{'-' * len(title)}", flush=True)

    def add(
        self, what: str, values: float | Sequence[float], unit: str, *, limit: str = "", target: str = ""
    ) -> None:
        """One figure, of which several ``values`` were measured.

        ``limit`` is what the machine can do, measured in the same run; ``target`` what we want.
        """
        measured = (values,) if isinstance(values, (int, float)) else tuple(values)
        figure = Figure(what, measured, unit, limit, target)
        self._groups[-1][1].append(figure)
        beside = "; ".join(part for part in (f"target {target}" if target else "", limit) if part)
        between = f"({figure.spread})" if figure.spread else ""
        print(f"{what:<58}{figure.value:>10} {unit:<9}{between:<22}{beside}", flush=True)

    def note(self, sentence: str) -> None:
        """Something to know about the figures of this group."""
        print(sentence, flush=True)

    def markdown(self) -> str:
        """All figures as Markdown tables, with the machine they were measured on."""
        lines = [f"{machine()}; load {self._load_before:.1f} before, {os.getloadavg()[0]:.1f} after."]
        for title, figures in self._groups:
            if not figures:
                continue
            lines += [
                "",
                f"### {title}",
                "",
                "| | Figure | Between | Limit of the machine | Target |",
                "|---|---|---|---|---|",
            ]
            lines += [
                f"| {one.what} | {one.value} {one.unit} | {one.spread} | {one.limit} | {one.target} |"
                for one in figures
            ]
        return "\n".join(lines)


def shown(value: float) -> str:
    """A figure with as many digits as mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def milliseconds(seconds: Sequence[float]) -> list[float]:
    """Seconds as milliseconds."""
    return [value * 1000 for value in seconds]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 … 1) of ``values`` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def machine() -> str:
    """The machine in a few words."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{len(os.sched_getaffinity(0))} cores ({model}), {memory:.0f} GB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )
