"""What the machine itself can do: the measure of our figures."""

from __future__ import annotations

import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import Report


def median_seconds(work: Callable[[], object], runs: int = 200) -> float:
    """Median of ``runs`` timings of ``work``, after a few to warm up."""
    for _ in range(5):
        work()
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def spawn() -> float:
    """Seconds to start /bin/true and see it end."""
    return median_seconds(lambda: os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0))


def shell() -> float:
    """Seconds of ``sh -c true`` with its output read through pipes."""
    return median_seconds(lambda: subprocess.run(["/bin/sh", "-c", "echo"], capture_output=True, check=True))


def python() -> float:
    """Seconds of a bare interpreter doing nothing."""
    return median_seconds(lambda: subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True), 30)


def fork() -> float:
    """Seconds to fork this process, have the child write a byte, read it and reap the child."""

    def once() -> None:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(writer, b"x")
            os._exit(0)
        os.close(writer)
        os.read(reader, 1)
        os.close(reader)
        os.waitpid(pid, 0)

    return median_seconds(once)


def warm_fork() -> float:
    """Seconds for a warm interpreter to fork a child that answers: what a Python action cannot do without.

    Measured in a process of its own, as small as the sandbox's.
    """
    code = "from benchmarks.limits import fork; print(fork())"
    return float(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )


def pipe_round_trip() -> float:
    """Seconds for a byte to a child process and back."""
    to_child, to_us = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(to_child[1])
        while data := os.read(to_child[0], 1):
            os.write(to_us[1], data)
        os._exit(0)

    def once() -> None:
        os.write(to_child[1], b"x")
        os.read(to_us[0], 1)

    seconds = median_seconds(once, 2000)
    os.close(to_child[1])
    os.close(to_child[0])
    os.waitpid(pid, 0)
    for descriptor in to_us:
        os.close(descriptor)
    return seconds


def sqlite_commit(rows: int = 1, synchronous: str = "FULL") -> float:
    """Seconds of one durable SQLite commit of ``rows`` rows of 200 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "x.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, data TEXT)")
        batch = [("x" * 200,)] * rows

        def once() -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO t (data) VALUES (?)", batch)
            connection.execute("COMMIT")

        seconds = median_seconds(once, 500)
        connection.close()
    return seconds


def report_all(report: Report) -> None:
    """What the machine can do."""
    report.add("spawn and reap /bin/true", spawn() * 1000, "ms")
    report.add("sh -c through pipes", shell() * 1000, "ms")
    report.add("a bare interpreter", python() * 1000, "ms")
    report.add("a warm interpreter forks a child that answers", warm_fork() * 1000, "ms")
    report.add("pipe round trip", pipe_round_trip() * 1000, "ms")
    report.add("SQLite commit, synchronous=FULL, 1 row", sqlite_commit() * 1000, "ms")
    report.add("SQLite commit, synchronous=FULL, 100 rows", sqlite_commit(100) * 1000, "ms")
