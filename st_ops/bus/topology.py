"""What the bus declares at the broker, and how each kind of broker is spoken to.

One fanout exchange per topic, and one exclusive queue per consumer connection and topic: every process gets
every bell of the topics it asked for, and nothing is left behind when it goes. On Redis this is PUB/SUB.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import Any

from kombu import Connection, Exchange, Queue

from st_ops.errors import InvalidInput
from st_ops.model.bells import Topic

#: Seconds to wait for the broker to accept a connection.
CONNECT_TIMEOUT = 3

#: Seconds between RabbitMQ's heartbeats on the consumer's connection; two lost ones end it.
HEARTBEAT = 10

#: Seconds to wait for one answer of the broker (a publisher confirm, a reply of Redis).
ANSWER_TIMEOUT = 5

#: Messages a broker keeps for a consumer that is slow; older ones go first.
LONGEST_QUEUE = 10_000

_NAMESPACE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


def exchange(namespace: str, topic: Topic) -> Exchange:
    """Where bells of ``topic`` are published. Platforms with different namespaces do not hear each other."""
    return Exchange(f"{namespace}.bells.{topic}", type="fanout", durable=True, delivery_mode="transient")


def queues(namespace: str, topics: Iterable[Topic], driver: str) -> list[Queue]:
    """Queues for one consumer connection, under fresh names: RabbitMQ may still hold those of a connection lost.

    With the ``driver`` redis a queue is a name only (PUB/SUB keeps nothing), which kombu writes down for good
    when a process is killed; one name for all leaves nothing to pile up.
    """
    owner = "pubsub" if driver == "redis" else uuid.uuid4().hex
    return [
        Queue(
            f"{namespace}.bells.{topic}.{owner}",
            exchange=exchange(namespace, topic),
            durable=False,
            exclusive=True,
            auto_delete=True,
            max_length=LONGEST_QUEUE,
        )
        for topic in topics
    ]


def checked_namespace(namespace: str) -> str:
    """``namespace`` when it may be part of an exchange's name; raises InvalidInput."""
    if not _NAMESPACE.fullmatch(namespace):
        raise InvalidInput(
            f"A bus namespace has letters, digits, '_', '-' and '.', not '{namespace}'.", where="namespace"
        )
    return namespace


def in_memory(url: str) -> bool:
    """True when ``url`` names kombu's transport within one process."""
    return _scheme(url) == "memory"


def connection(url: str, *, publisher: bool = False) -> Connection:
    """A connection to ``url``, not yet made.

    Heartbeats belong to the consumer, whose thread reads all the time; a publisher learns from its confirms
    whether the broker lives, and on Redis from the reply.
    """
    return Connection(
        url,
        connect_timeout=CONNECT_TIMEOUT,
        heartbeat=0 if publisher else HEARTBEAT,
        transport_options=_options(_scheme(url), publisher),
    )


def connect(made: Connection) -> None:
    """Connect ``made`` now, trying each host of its URL once (``amqp://one//;amqp://two//``) without pauses.

    Raises what kombu raises when none answers. kombu itself would try again after a sleep of 2 s that nothing
    can interrupt.
    """
    made.ensure_connection(max_retries=max(0, len(made.alt or ()) - 1), interval_start=0)


def _scheme(url: str) -> str:
    return url.partition("://")[0].partition("+")[0].lower()


def _options(scheme: str, publisher: bool) -> dict[str, Any]:
    if scheme in ("redis", "rediss", "sentinel"):
        return {
            "socket_timeout": ANSWER_TIMEOUT,
            "socket_connect_timeout": CONNECT_TIMEOUT,
            "socket_keepalive": True,
            "health_check_interval": HEARTBEAT,
        }
    if scheme in ("amqp", "amqps", "pyamqp"):
        return {"confirm_publish": publisher, "write_timeout": ANSWER_TIMEOUT}
    return {}
