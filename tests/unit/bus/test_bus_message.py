"""Bells on the wire, and bells merged."""

from __future__ import annotations

import pytest

from st_ops.bus.message import MOST_IDS, decode, encode, merge, missed
from st_ops.errors import InvalidInput
from st_ops.model.bells import Bell, Topic

CHANGED, FINISHED = Topic.EXECUTION_CHANGED, Topic.EXECUTION_FINISHED


def test_a_bell_survives_the_wire():
    bell = Bell(topic=CHANGED, ids=["a", "b"], data={"status": "läuft"})
    assert decode(encode(bell)) == bell


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "A bus message is no bell: Invalid JSON"),
        (b'{"ids": []}', "A bus message is no bell: topic: Field required"),
        (b'{"topic": "execution.changed", "ids": [1]}', "ids.0: Input should be a valid string"),
        (b'{"version": 7, "topic": "execution.changed"}', "has version 7; this process understands 1"),
    ],
)
def test_what_is_no_bell_is_refused_with_the_reason(body, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        decode(body)


def test_a_refusal_does_not_repeat_the_content():
    with pytest.raises(InvalidInput) as refused:
        decode(b'{"topic": "hunter2"}')
    assert "hunter2" not in str(refused.value)


def test_bells_of_one_topic_become_one_with_each_identity_once():
    bells = [
        Bell(topic=CHANGED, ids=["a"]),
        Bell(topic=FINISHED, ids=["b"]),
        Bell(topic=CHANGED, ids=["c", "a"]),
    ]
    assert merge(bells) == [Bell(topic=CHANGED, ids=["a", "c"]), Bell(topic=FINISHED, ids=["b"])]


def test_merging_loses_no_data_and_no_call_to_look_at_everything():
    told = [Bell(topic=CHANGED, ids=["a"], data={"status": "running"}), Bell(topic=CHANGED), missed(CHANGED)]
    assert merge([*told, Bell(topic=CHANGED, ids=["b"])]) == [Bell(topic=CHANGED, ids=["b"]), *told]


def test_a_merged_bell_has_a_bounded_number_of_identities():
    ids = [str(number) for number in range(2 * MOST_IDS + 1)]
    merged = merge(Bell(topic=CHANGED, ids=[each]) for each in ids)
    assert [len(bell.ids) for bell in merged] == [MOST_IDS, MOST_IDS, 1]
    assert [each for bell in merged for each in bell.ids] == ids


def test_a_missed_bell_says_so():
    assert missed(CHANGED).missed
    assert not Bell(topic=CHANGED, ids=["a"]).missed
