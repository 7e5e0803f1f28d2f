"""Bells that wait for the broker."""

from __future__ import annotations

import threading

from st_ops.bus.message import MOST_IDS
from st_ops.bus.outbox import Outbox
from st_ops.model.bells import Bell, Topic

CHANGED, FINISHED = Topic.EXECUTION_CHANGED, Topic.EXECUTION_FINISHED


def drain(outbox: Outbox) -> list[Bell]:
    taken = []
    while (bell := outbox.take(0)) is not None:
        taken.append(bell)
    return taken


def test_waiting_bells_of_one_topic_are_merged_and_the_oldest_leaves_first():
    outbox = Outbox()
    for bell in (
        Bell(topic=CHANGED, ids=["a"]),
        Bell(topic=FINISHED, ids=["b"]),
        Bell(topic=CHANGED, ids=["c"]),
    ):
        outbox.put(bell)
    assert drain(outbox) == [Bell(topic=CHANGED, ids=["a", "c"]), Bell(topic=FINISHED, ids=["b"])]


def test_a_bell_with_data_is_kept_apart():
    outbox = Outbox()
    told = Bell(topic=CHANGED, ids=["a"], data={"status": "running"})
    for bell in (Bell(topic=CHANGED, ids=["a"]), told, Bell(topic=CHANGED, ids=["b"])):
        outbox.put(bell)
    assert drain(outbox) == [Bell(topic=CHANGED, ids=["a", "b"]), told]


def test_a_bell_that_is_full_is_followed_by_another():
    outbox = Outbox()
    for number in range(MOST_IDS + 1):
        outbox.put(Bell(topic=CHANGED, ids=[str(number)]))
    assert [len(bell.ids) for bell in drain(outbox)] == [MOST_IDS, 1]


def test_a_full_outbox_drops_the_oldest_and_counts_it():
    outbox = Outbox(capacity=2)
    for name in ("first", "second", "third"):
        outbox.put(Bell(topic=CHANGED, ids=[name], data={"of": name}))
    assert [bell.ids for bell in drain(outbox)] == [["second"], ["third"]]
    assert outbox.dropped == 1


def test_a_bell_that_could_not_be_sent_goes_back_to_the_front():
    outbox = Outbox()
    outbox.put(Bell(topic=CHANGED, ids=["a"]))
    outbox.put(Bell(topic=FINISHED, ids=["b"]))
    failed = outbox.take(0)
    assert failed is not None
    outbox.put_back(failed)
    assert [bell.topic for bell in drain(outbox)] == [CHANGED, FINISHED]


def test_a_taken_bell_grows_no_more():
    outbox = Outbox()
    outbox.put(Bell(topic=CHANGED, ids=["a"]))
    taken = outbox.take(0)
    outbox.put(Bell(topic=CHANGED, ids=["b"]))
    assert taken == Bell(topic=CHANGED, ids=["a"])
    assert drain(outbox) == [Bell(topic=CHANGED, ids=["b"])]


def test_closing_wakes_who_waits_and_takes_in_no_more():
    outbox = Outbox()
    taken: list[Bell | None] = []
    waiting = threading.Thread(target=lambda: taken.append(outbox.take(None)))
    waiting.start()
    outbox.close()
    waiting.join(10)
    outbox.put(Bell(topic=CHANGED, ids=["late"]))
    assert (taken, outbox.dropped) == ([None], 1)


def test_what_is_abandoned_is_counted():
    outbox = Outbox()
    outbox.put(Bell(topic=CHANGED, ids=["a"]))
    outbox.close()
    outbox.abandon()
    assert (drain(outbox), outbox.dropped) == ([], 1)
