"""What every bus does, whichever broker carries it."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import redis
from kombu import Connection
from kombu.transport import memory

from st_ops.bus.interface import Bus
from st_ops.bus.kombu_bus import KombuBus
from st_ops.errors import InvalidInput, Unavailable
from st_ops.model.bells import Bell, Topic
from tests.servers.process import free_port
from tests.waiting import eventually

#: Seconds for a broker on a loaded machine to do what takes it milliseconds.
PATIENCE = 20


@dataclass
class Ear:
    """A subscriber that remembers what it heard."""

    bells: list[Bell] = field(default_factory=list)

    def __call__(self, bell: Bell) -> None:
        self.bells.append(bell)

    @property
    def ids(self) -> list[str]:
        return [each for bell in list(self.bells) for each in bell.ids]

    @property
    def missed(self) -> int:
        return sum(bell.missed for bell in list(self.bells))

    def heard(self, *ids: str) -> bool:
        return set(ids) <= set(self.ids)


class Broker:
    """One kind of broker, a namespace of this test's own on it, and the buses made there."""

    def __init__(self, kind: str, url: str, server: Any) -> None:
        self.kind = kind
        self.url = url
        self.server = server
        self.namespace = f"test-{uuid.uuid4().hex}"
        self.buses: list[KombuBus] = []

    def bus(self, **options: str) -> KombuBus:
        made = KombuBus(**{"url": self.url, "namespace": self.namespace, **options})
        made.open()
        self.buses.append(made)
        return made


@pytest.fixture(params=["memory", "redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    if request.param == "memory":
        made = Broker("memory", "memory://", None)
    else:
        name = {"redis": "redis_server", "rabbitmq": "rabbitmq"}[request.param]
        server = request.getfixturevalue(name)
        made = Broker(request.param, server.url, server)
    yield made
    for bus in made.buses:
        bus.close()


@pytest.fixture
def absent(broker: Broker) -> Iterator[Callable[[], None]]:
    """Takes the broker away when called; it is back after the test."""
    if broker.server is None:
        pytest.fail("memory:// cannot go away")
    gone = threading.Event()

    def leave() -> None:
        broker.server.stop(kill=True)
        gone.set()

    yield leave
    if gone.is_set():
        broker.server.start()


over_a_network = pytest.mark.parametrize("broker", ["redis", "rabbitmq"], indirect=True)


def listen(bus: Bus, *topics: Topic) -> Ear:
    ear = Ear()
    assert bus.subscribe(topics, ear).wait(PATIENCE)
    return ear


def bell(topic: Topic, *ids: str, **data: Any) -> Bell:
    return Bell(topic=topic, ids=list(ids), data=data)


def test_every_subscriber_in_every_process_hears_a_bell(broker):
    one, other = broker.bus(), broker.bus()
    ears = [
        listen(one, Topic.EVENT_ACCEPTED),
        listen(one, Topic.EVENT_ACCEPTED),
        listen(other, Topic.EVENT_ACCEPTED),
    ]
    one.publish(bell(Topic.EVENT_ACCEPTED, "e1"))
    for ear in ears:
        eventually(partial(ear.heard, "e1"), PATIENCE, "a bell at each subscriber")
    assert [ear.ids for ear in ears] == [["e1"]] * 3


def test_a_bell_arrives_with_all_it_carries(broker):
    bus = broker.bus()
    ear = listen(bus, Topic.EXECUTION_OUTPUT)
    sent = bell(Topic.EXECUTION_OUTPUT, "x1", lines=["ä\n"], seq=3)
    bus.publish(sent)
    eventually(lambda: sent in ear.bells, PATIENCE)


def test_a_subscriber_hears_only_its_topics(broker):
    bus = broker.bus()
    finished = listen(bus, Topic.EXECUTION_FINISHED)
    both = listen(bus, Topic.EXECUTION_FINISHED, Topic.EXECUTION_CHANGED)
    bus.publish(bell(Topic.EXECUTION_CHANGED, "changed"))
    bus.publish(bell(Topic.EXECUTION_FINISHED, "finished"))
    eventually(lambda: both.heard("changed", "finished"), PATIENCE)
    eventually(lambda: finished.heard("finished"), PATIENCE)
    assert "changed" not in finished.ids


def test_a_new_subscriber_is_first_told_to_look_at_everything(broker):
    ear = listen(broker.bus(), Topic.EVENT_ACCEPTED)
    eventually(lambda: ear.missed == 1, PATIENCE)
    assert ear.bells[0].missed


def test_a_subscription_made_before_open_counts(broker):
    bus = KombuBus(broker.url, namespace=broker.namespace)
    ear = Ear()
    subscription = bus.subscribe([Topic.REGISTRY_CHANGED], ear)
    broker.buses.append(bus)
    bus.open()
    assert subscription.wait(PATIENCE)
    bus.publish(bell(Topic.REGISTRY_CHANGED, "core"))
    eventually(lambda: ear.heard("core"), PATIENCE)


def test_a_closed_subscription_hears_no_more(broker):
    bus = broker.bus()
    leaving = Ear()
    subscription = bus.subscribe([Topic.EVENT_ACCEPTED], leaving)
    staying = listen(bus, Topic.EVENT_ACCEPTED)
    subscription.close()
    subscription.close()
    bus.publish(bell(Topic.EVENT_ACCEPTED, "late"))
    eventually(lambda: staying.heard("late"), PATIENCE)
    assert "late" not in leaving.ids


def test_a_subscriber_that_fails_is_logged_and_hears_the_next_bell(broker, caplog):
    bus = broker.bus()
    heard: list[str] = []

    def fails(bell: Bell) -> None:
        heard.extend(bell.ids)
        raise ValueError("a bug of the subscriber")

    assert bus.subscribe([Topic.EVENT_ACCEPTED], fails).wait(PATIENCE)
    for each in ("first", "second"):
        bus.publish(bell(Topic.EVENT_ACCEPTED, each))
        eventually(partial(heard.__contains__, each), PATIENCE)
    assert "a bug of the subscriber" in caplog.text


def test_platforms_of_different_namespaces_do_not_hear_each_other(broker):
    ours, theirs = broker.bus(), broker.bus(namespace=f"{broker.namespace}-other")
    ear, stranger = listen(ours, Topic.EVENT_ACCEPTED), listen(theirs, Topic.EVENT_ACCEPTED)
    theirs.publish(bell(Topic.EVENT_ACCEPTED, "theirs"))
    eventually(lambda: stranger.heard("theirs"), PATIENCE)
    ours.publish(bell(Topic.EVENT_ACCEPTED, "ours"))
    eventually(lambda: ear.heard("ours"), PATIENCE)
    assert ear.ids == ["ours"]
    assert stranger.ids == ["theirs"]


@pytest.mark.parametrize(
    "body",
    [b"\x80\x04 a pickle", b"[]", b'{"version": 2, "topic": "event.accepted"}', b'{"topic": "tea.ready"}'],
    ids=["no JSON", "no object", "a newer version", "an unknown topic"],
)
def test_a_message_that_is_no_bell_is_dropped_and_counted(broker, body, caplog):
    bus = broker.bus()
    ear = listen(bus, Topic.EVENT_ACCEPTED)
    with Connection(broker.url) as connection:
        channel = connection.channel()
        exchange = f"{broker.namespace}.bells.event.accepted"
        channel.exchange_declare(exchange, type="fanout", durable=True, auto_delete=False)
        connection.Producer(channel).publish(
            body,
            exchange=exchange,
            content_type="application/json",
            content_encoding="binary",
        )
    bus.publish(bell(Topic.EVENT_ACCEPTED, "after"))
    eventually(lambda: ear.heard("after"), PATIENCE)
    eventually(lambda: bus.counts().garbage == 1, PATIENCE)
    assert "It is dropped." in caplog.text


def test_ten_thousand_bells_all_arrive(broker):
    sender, receiver = broker.bus(), broker.bus()
    ear = listen(receiver, Topic.EXECUTION_CHANGED)
    ids = [f"{number:024x}" for number in range(10_000)]
    for each in ids:
        sender.publish(bell(Topic.EXECUTION_CHANGED, each))
    eventually(lambda: ear.heard(*ids), PATIENCE, "ten thousand identities")
    assert sender.counts().published == 10_000
    assert sender.counts().dropped == 0


def test_ping_returns_while_the_broker_answers(broker):
    broker.bus().ping()


def test_close_may_be_called_twice_and_ends_every_thread(broker):
    before = set(threading.enumerate())
    bus = broker.bus()
    listen(bus, Topic.EVENT_ACCEPTED)
    bus.close()
    bus.close()
    assert [each for each in threading.enumerate() if each not in before] == []


def test_nothing_is_left_at_the_broker_after_close(broker):
    bus = broker.bus()
    listen(bus, *Topic)
    bus.publish(bell(Topic.EVENT_ACCEPTED, "e1"))
    assert left_behind(broker) != []
    bus.close()
    eventually(lambda: left_behind(broker) == [], PATIENCE)


def left_behind(broker: Broker) -> list[str]:
    """The queues that still exist in the namespace of ``broker``."""
    if broker.kind == "memory":
        return [name for name in memory.Channel.queues if name.startswith(broker.namespace)]
    if broker.kind == "redis":
        with redis.Redis.from_url(broker.url) as client:
            return [key.decode() for key in client.keys(f"*{broker.namespace}*")]
    return broker.server.queues(broker.namespace)


def test_a_bell_published_after_close_is_dropped_and_counted(broker):
    bus = broker.bus()
    bus.close()
    bus.publish(bell(Topic.EVENT_ACCEPTED, "late"))
    assert bus.counts().dropped == 1


def test_a_bus_that_was_never_opened_can_be_closed(broker):
    KombuBus(broker.url, namespace=broker.namespace).close()


@over_a_network
def test_a_bus_survives_its_broker(broker, absent, caplog):
    """Given a broker that crashes and comes back, then bells flow again and everybody is told to look once more."""
    sender, receiver = broker.bus(), broker.bus()
    ear = listen(receiver, Topic.EVENT_ACCEPTED)
    sender.publish(bell(Topic.EVENT_ACCEPTED, "before"))
    eventually(lambda: ear.heard("before"), PATIENCE)
    absent()
    sender.publish(bell(Topic.EVENT_ACCEPTED, "meanwhile"))
    broker.server.start()
    eventually(lambda: ear.missed == 2, PATIENCE, "the bell that says: sweep")

    def heard_again() -> bool:
        sender.publish(bell(Topic.EVENT_ACCEPTED, "after"))
        return ear.heard("after")

    eventually(heard_again, PATIENCE)
    assert receiver.counts().reconnects >= 1
    assert caplog.text.count("The bus is away") <= 3, "said once per connection, not once per try"


@over_a_network
def test_publishing_without_a_broker_neither_blocks_nor_raises(broker, absent):
    bus = broker.bus()
    ear = listen(bus, Topic.EVENT_ACCEPTED)
    absent()
    published = threading.Event()

    def publish() -> None:
        for number in range(5_000):
            bus.publish(bell(Topic.EVENT_ACCEPTED, str(number)))
        published.set()

    threading.Thread(target=publish, daemon=True).start()
    assert published.wait(PATIENCE)
    assert bus.counts().published == 5_000
    assert not ear.heard("4999")


@over_a_network
def test_bells_that_waited_for_the_publishers_broker_are_sent(broker, absent):
    """Given a bus that opens before its broker is there."""
    absent()
    bus = broker.bus()
    bus.publish(bell(Topic.EVENT_ACCEPTED, "early"))
    broker.server.start()
    ear = listen(bus, Topic.EVENT_ACCEPTED)
    eventually(lambda: ear.missed >= 1, PATIENCE)
    bus.publish(bell(Topic.EVENT_ACCEPTED, "now"))
    eventually(lambda: ear.heard("now"), PATIENCE)
    assert bus.counts().dropped == 0


@over_a_network
def test_close_returns_when_the_broker_is_gone(broker, absent):
    bus = broker.bus()
    listen(bus, Topic.EVENT_ACCEPTED)
    absent()
    bus.publish(bell(Topic.EVENT_ACCEPTED, "lost"))
    closing = threading.Thread(target=bus.close, daemon=True)
    closing.start()
    closing.join(PATIENCE)
    assert not closing.is_alive()
    assert bus.counts().dropped == 1


@over_a_network
def test_a_second_host_of_the_url_is_tried(broker):
    scheme = broker.url.partition("://")[0]
    nobody = f"{scheme}://127.0.0.1:{free_port()}/"
    bus = broker.bus(url=f"{nobody};{broker.url}")
    ear = listen(bus, Topic.EVENT_ACCEPTED)
    bus.publish(bell(Topic.EVENT_ACCEPTED, "by the second"))
    eventually(lambda: ear.heard("by the second"), PATIENCE)


@over_a_network
def test_ping_says_what_is_missing_when_the_broker_is_gone(broker, absent):
    bus = broker.bus()
    absent()
    with pytest.raises(Unavailable, match=r"The bus is not available: (redis|amqp)://.* does not answer"):
        bus.ping()


def test_a_password_in_the_url_is_never_told(caplog):
    caplog.set_level(logging.DEBUG)
    bus = KombuBus(
        f"amqp://operator:hunter2@127.0.0.1:{free_port()}//;amqp://o:hunter2@127.0.0.1:{free_port()}//"
    )
    bus.subscribe([Topic.EVENT_ACCEPTED], Ear())
    bus.open()
    eventually(lambda: "The bus is away" in caplog.text)
    with pytest.raises(Unavailable) as told:
        bus.ping()
    bus.close()
    assert "hunter2" not in caplog.text + str(told.value)
    assert not any("hunter2" in str(vars(record)) for record in caplog.records)


def test_a_namespace_is_checked():
    with pytest.raises(InvalidInput, match="namespace has letters"):
        KombuBus("memory://", namespace="a/b*")
