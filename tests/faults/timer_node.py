"""A node that runs the timers, in a process of its own: ``python -m tests.faults.timer_node STORE_URL HOME``.

Prints a line once it knows a timer.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from st_ops.bus.kombu_bus import KombuBus
from st_ops.intake.accept import Intake
from st_ops.packs.catalog import Catalog
from st_ops.schedules.engine import ScheduleEngine
from st_ops.settings import Settings
from st_ops.store.database import Database
from tests.waiting import eventually


def main(url: str, home: Path) -> None:
    settings = Settings(home=home)
    database = Database(url)
    bus = KombuBus("memory://", namespace="timer-node")
    catalog = Catalog(database)
    intake = Intake(database, bus, catalog)
    engine = ScheduleEngine(database, bus, catalog, intake, settings)
    for part in (bus, intake, engine):
        part.open()
    eventually(engine.states, deadline=60)
    print("ready", flush=True)  # noqa: T201 - how the test hears of it
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
