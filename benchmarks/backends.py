"""The stores and buses that the platform is measured on, each with its physical limits of this moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks import engine_limits, limits
from benchmarks.report import Report
from tests.servers.postgres import Postgres
from tests.servers.process import Yard
from tests.servers.programs import POSTGRES, RABBITMQ, REDIS, Program
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis


class Missing(Exception):
    """Raised when a server program is not installed; the message is a sentence."""


@dataclass(frozen=True)
class Backend:
    """A store and a bus."""

    name: str
    #: Seconds of one durable commit of so many rows, measured when asked.
    commit: Callable[[int], float]
    #: Makes an empty store; answers what names it and the bus to the platform (None = embedded).
    fresh: Callable[[], Mapping[str, str] | None] = field(default=lambda: None)
    #: Measures what the engines can do.
    engine_limits: Callable[[Report], None] = field(default=lambda _report: None)


def embedded() -> Backend:
    """SQLite with full durability, and a bus in memory, in one process."""
    return Backend("SQLite", limits.sqlite_commit)


@contextmanager
def production(bus_name: str) -> Iterator[Backend]:
    """PostgreSQL (fsync on) and ``bus_name`` (RabbitMQ, Redis), started for this. Raises Missing."""
    with _yard(POSTGRES, RABBITMQ if bus_name == "RabbitMQ" else REDIS) as yard:
        postgres = Postgres(yard)
        url = RabbitMQ(yard).url if bus_name == "RabbitMQ" else Redis(yard).url

        def measure(report: Report) -> None:
            engine_limits.postgres(report, postgres.url())
            engine_limits.rabbitmq(report, url) if bus_name == "RabbitMQ" else engine_limits.redis_(
                report, url
            )

        yield Backend(f"PostgreSQL and {bus_name}", _commit(postgres), _fresh(postgres, url), measure)


@contextmanager
def postgresql() -> Iterator[Backend]:
    """PostgreSQL (fsync on) alone, with the bus in memory. Raises Missing."""
    with _yard(POSTGRES) as yard:
        postgres = Postgres(yard)
        yield Backend("PostgreSQL", _commit(postgres), _fresh(postgres, "memory://"))


def _commit(postgres: Postgres) -> Callable[[int], float]:
    return lambda rows: engine_limits.postgres_commit(postgres.url(), rows)


def _fresh(postgres: Postgres, bus_url: str) -> Callable[[], Mapping[str, str]]:
    return lambda: {
        "ST_OPS_STORE__URL": postgres.url(postgres.create_database()),
        "ST_OPS_BUS__URL": bus_url,
    }


@contextmanager
def _yard(*needed: Program) -> Iterator[Yard]:
    """A place for servers, which end with it. Raises Missing when a program is not installed."""
    for program in needed:
        if program.path() is None:
            raise Missing(
                f"{program.command} is not installed ('apt-get install {program.package}' brings it): not measured."
            )
    yard = Yard()
    try:
        yield yard
    finally:
        yard.close(keep_logs=False)
