"""The framing between a child and the platform."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from st_ops.sdk.wire import Channel, ChannelClosed, FrameTooLarge, RequestFailed

PATIENCE = 10.0


def pair(limit: int = 1 << 20) -> tuple[Channel, Channel]:
    left, right = socket.socketpair()
    return Channel(left.detach()), Channel(right.detach(), limit=limit)


def test_messages_arrive_whole_and_in_order() -> None:
    left, right = pair()
    for number in range(3):
        left.send({"type": "line", "n": number, "text": "é" * 1000})
    assert [right.receive(PATIENCE)["n"] for _ in range(3)] == [0, 1, 2]  # type: ignore[index]


def test_receive_gives_up_after_its_timeout() -> None:
    _left, right = pair()
    assert right.receive(0.01) is None


def test_each_of_many_threads_gets_the_answer_to_its_own_request() -> None:
    left, right = pair()
    answers: dict[int, int] = {}

    def serve() -> None:
        waiting = [right.receive(PATIENCE) for _ in range(20)]
        for request in reversed(waiting):
            assert request is not None
            right.answer(request, request["arguments"]["n"] * 2)

    def ask(number: int) -> None:
        answers[number] = left.request("double", n=number)

    threads = [threading.Thread(target=serve)] + [threading.Thread(target=ask, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert answers == {n: n * 2 for n in range(20)}


def test_a_one_way_message_in_front_of_an_answer_is_kept_for_receive() -> None:
    left, right = pair()

    def serve() -> None:
        request = right.receive(PATIENCE)
        assert request is not None
        right.send({"type": "notice"})
        right.answer(request, "yes")

    thread = threading.Thread(target=serve)
    thread.start()
    assert left.request("question") == "yes"
    assert left.receive(PATIENCE) == {"type": "notice"}
    thread.join(PATIENCE)


def test_a_refusal_reaches_the_caller_as_its_sentence() -> None:
    left, right = pair()

    def serve() -> None:
        request = right.receive(PATIENCE)
        assert request is not None
        right.refuse(request, "There is no key 'x'.")

    thread = threading.Thread(target=serve)
    thread.start()
    with pytest.raises(RequestFailed, match="There is no key 'x'"):
        left.request("kv.get", name="x")
    thread.join(PATIENCE)


def test_the_end_of_the_stream_wakes_everyone_who_waits() -> None:
    left, right = pair()
    outcomes: list[str] = []

    def wait() -> None:
        try:
            left.request("never")
        except ChannelClosed:
            outcomes.append("closed")

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert right.receive(PATIENCE) is not None
    right.close()
    for thread in threads:
        thread.join(PATIENCE)
    assert outcomes == ["closed"] * 3
    with pytest.raises(ChannelClosed):
        left.receive()


def test_a_frame_over_the_limit_is_skipped_and_the_channel_stays_usable() -> None:
    left, right = pair(limit=100)

    def talk() -> None:
        left.send({"text": "x" * 500_000})
        left.send({"text": "short"})

    thread = threading.Thread(target=talk)
    thread.start()
    with pytest.raises(FrameTooLarge):
        right.receive(PATIENCE)
    assert right.receive(PATIENCE) == {"text": "short"}
    thread.join(PATIENCE)


def test_two_pipes_serve_as_well_as_one_socket() -> None:
    first_read, first_write = os.pipe()
    second_read, second_write = os.pipe()
    left, right = Channel(first_read, second_write), Channel(second_read, first_write)
    left.send({"a": 1})
    right.send({"b": 2})
    assert right.receive(PATIENCE) == {"a": 1}
    assert left.receive(PATIENCE) == {"b": 2}
    left.close()
    left.close()
    with pytest.raises(ChannelClosed):
        right.receive(PATIENCE)
