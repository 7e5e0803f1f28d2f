"""Printing figures."""

from __future__ import annotations


def heading(title: str) -> None:
    """A new group of figures."""
    print(f"\n{title}\n{'-' * len(title)}", flush=True)


def figure(what: str, value: float, unit: str, beside: str = "") -> None:
    """One figure; ``beside`` is what it is compared with."""
    shown = f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
    print(f"{what:<58}{shown:>10} {unit:<10}{beside}", flush=True)
