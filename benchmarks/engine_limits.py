"""What PostgreSQL, RabbitMQ and Redis can do on this machine, spoken to by their own clients."""

from __future__ import annotations

import threading
import time

import amqp
import psycopg
import redis

from benchmarks.limits import median_seconds
from benchmarks.report import Report


def postgres_commit(url: str, rows: int = 1) -> float:
    """Seconds of one INSERT of ``rows`` rows of 200 bytes and its commit (synchronous_commit on)."""
    with _table(url) as connection, connection.cursor() as cursor:
        batch = [("x" * 200,)] * rows

        def once() -> None:
            cursor.executemany("INSERT INTO limit_probe (data) VALUES (%s)", batch)
            connection.commit()

        return median_seconds(once, 300 if rows == 1 else 100)


def postgres_commits_together(url: str, clients: int = 8, seconds: float = 1.0) -> float:
    """Commits a second of one row by so many clients at once."""
    with _table(url):
        pass
    counts = [0] * clients
    until = time.perf_counter() + seconds

    def client(number: int) -> None:
        with psycopg.connect(_plain(url), autocommit=True) as connection:
            while time.perf_counter() < until:
                connection.execute("INSERT INTO limit_probe (data) VALUES (%s)", ("x" * 200,))
                counts[number] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def postgres_round_trip(url: str) -> float:
    """Seconds of SELECT 1."""
    with psycopg.connect(_plain(url), autocommit=True) as connection:
        return median_seconds(lambda: connection.execute("SELECT 1").fetchone(), 1000)


def rabbitmq_publish(url: str) -> float:
    """Seconds to publish one message to a queue and have the broker's confirm."""
    address = url.partition("@")[2].rstrip("/")
    with amqp.Connection(address, confirm_publish=True) as connection, connection.channel() as channel:
        channel.queue_declare("limit_probe", exclusive=True, auto_delete=True)
        message = amqp.Message("x" * 200)
        return median_seconds(lambda: channel.basic_publish_confirm(message, routing_key="limit_probe"), 1000)


def redis_round_trip(url: str) -> float:
    """Seconds to publish one message and have Redis' answer."""
    with redis.Redis.from_url(url) as client:
        return median_seconds(lambda: client.publish("limit_probe", "x" * 200), 1000)


def postgres(report: Report, url: str) -> None:
    """What PostgreSQL can do."""
    report.add("PostgreSQL round trip", postgres_round_trip(url) * 1000, "ms")
    report.add("PostgreSQL insert and commit, 1 row", postgres_commit(url) * 1000, "ms")
    report.add("PostgreSQL insert and commit, 100 rows", postgres_commit(url, 100) * 1000, "ms")
    report.add("PostgreSQL commits a second, 8 clients", postgres_commits_together(url), "/s")


def rabbitmq(report: Report, url: str) -> None:
    """What RabbitMQ can do."""
    report.add("RabbitMQ publish with confirm", rabbitmq_publish(url) * 1000, "ms")


def redis_(report: Report, url: str) -> None:
    """What Redis can do."""
    report.add("Redis round trip", redis_round_trip(url) * 1000, "ms")


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


def _table(url: str) -> psycopg.Connection:
    connection = psycopg.connect(_plain(url))
    connection.execute("CREATE TABLE IF NOT EXISTS limit_probe (id BIGSERIAL PRIMARY KEY, data TEXT)")
    connection.commit()
    return connection
