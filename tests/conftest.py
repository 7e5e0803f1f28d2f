"""What every test may ask for: real servers, started when first asked for and gone when the session ends.

A server that a test stops must be started again by that test: all tests of a session share it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

import pytest

from tests.servers.alertmanager import Alertmanager
from tests.servers.moto import Moto
from tests.servers.postgres import Postgres
from tests.servers.process import Yard
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis
from tests.servers.sshd import Sshd

#: fixture → the server whose log is shown when a test that used it fails.
_LOGS = {
    "alertmanager": "alertmanager",
    "moto": "moto",
    "postgres": "postgres",
    "rabbitmq": "rabbitmq",
    "redis_server": "redis",
    "sshd": "sshd",
}


@pytest.fixture(scope="session")
def yard(request: pytest.FixtureRequest) -> Iterator[Yard]:
    """Where this session's servers live."""
    yard = Yard()
    request.config.stash[_YARD] = yard
    yield yard
    yard.close(keep_logs=request.session.testsfailed > 0)


@pytest.fixture(scope="session")
def postgres(yard: Yard) -> Postgres:
    """The session's PostgreSQL cluster."""
    return Postgres(yard)


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database of this test's own."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def redis_server(yard: Yard) -> Redis:
    """The session's Redis."""
    return Redis(yard)


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    """The URL of the session's Redis."""
    return redis_server.url


@pytest.fixture(scope="session")
def rabbitmq(yard: Yard) -> RabbitMQ:
    """The session's RabbitMQ node."""
    return RabbitMQ(yard)


@pytest.fixture
def rabbitmq_url(rabbitmq: RabbitMQ) -> str:
    """The URL of the session's RabbitMQ node."""
    return rabbitmq.url


@pytest.fixture(scope="session")
def sshd(yard: Yard) -> Sshd:
    """A machine to provision: a real sshd that lets the user of the tests in by key."""
    return Sshd(yard)


@pytest.fixture
def alertmanager(yard: Yard) -> Iterator[Callable[[str], Alertmanager]]:
    """A factory: configuration text in, running Alertmanager out; stopped after the test."""
    running: list[Alertmanager] = []

    def start(config: str) -> Alertmanager:
        running.append(Alertmanager(yard, config))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture(scope="session")
def moto_server(yard: Yard) -> Moto:
    """The session's AWS on loopback."""
    return Moto(yard)


@pytest.fixture
def moto(moto_server: Moto) -> Iterator[Moto]:
    """The session's AWS on loopback, empty before and after the test."""
    moto_server.reset()
    yield moto_server
    moto_server.reset()


@pytest.fixture
def moto_url(moto: Moto) -> str:
    """boto3's ``endpoint_url`` of an empty AWS on loopback."""
    return moto.url


_YARD: pytest.StashKey[Yard] = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the servers a failed test used."""
    report = yield
    yard = item.config.stash.get(_YARD, None)
    if report.failed and yard is not None:
        for fixture in getattr(item, "fixturenames", []):
            tail = yard.log_tail(_LOGS[fixture]) if fixture in _LOGS else ""
            if tail:
                report.sections.append((f"log of {_LOGS[fixture]}", tail))
    return report
