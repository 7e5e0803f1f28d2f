"""Every file of every shipped pack: that it loads, and that what it names is there."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from st_ops.expressions.evaluate import Evaluator
from st_ops.model.resources import Action, Rule, SensorType
from st_ops.model.runner_types import RUNNER_TYPES
from st_ops.packs.loader import LoadedPack, load_pack
from st_ops.workflows.dialects.inspection import inspect
from st_ops.workflows.functions import functions
from tests.packs.pack_files import PACKS

NAMES = sorted(folder.name for folder in PACKS.iterdir() if (folder / "pack.yaml").is_file())


@cache
def loaded(name: str) -> LoadedPack:
    return load_pack(PACKS / name)


def everything(kind: str) -> Iterator[tuple[LoadedPack, object]]:
    for name in NAMES:
        for resource in loaded(name).resources[kind]:
            yield loaded(name), resource


def action_of(ref: str) -> Action | None:
    """The action ``ref`` with its runner's parameters among its own."""
    for _pack, action in everything("action"):
        assert isinstance(action, Action)
        if action.ref == ref:
            runner = RUNNER_TYPES[action.runner_type]
            parameters = {**runner.parameters, **action.parameters}
            return action.model_copy(update={"parameters": parameters})
    return None


def workflows() -> list[str]:
    return [
        action.ref
        for _pack, action in everything("action")
        if isinstance(action, Action) and action.runner_type == "orquesta"
    ]


def rules() -> list[Rule]:
    return [rule for _pack, rule in everything("rule") if isinstance(rule, Rule)]


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_pack_loads_without_a_problem(name: str):
    assert [str(problem) for problem in loaded(name).problems] == []


@pytest.mark.parametrize("ref", workflows())
def test_a_shipped_workflow_passes_its_inspection(ref: str):
    pack, _dot, _name = ref.partition(".")
    action = action_of(ref)
    assert action is not None
    text = (PACKS / pack / "actions" / action.entry_point).read_text()

    _graph, findings = inspect(text, Evaluator(functions()), action_of=action_of)

    assert findings == []


@pytest.mark.parametrize("ref", [rule.ref for rule in rules()])
def test_a_shipped_rule_names_a_trigger_and_an_action_that_exist(ref: str):
    rule = next(rule for rule in rules() if rule.ref == ref)
    triggers = {kind.ref for name in NAMES for kind in loaded(name).resources["trigger_type"]}
    action = action_of(rule.action.ref)

    # Those of core are the platform's own.
    assert rule.trigger.type in triggers or rule.trigger.type.startswith("core.")
    assert action is not None
    assert set(rule.action.parameters) <= set(action.parameters)


def test_every_sensor_names_trigger_types_that_exist():
    triggers = {kind.ref for name in NAMES for kind in loaded(name).resources["trigger_type"]}

    for _pack, sensor in everything("sensor"):
        assert isinstance(sensor, SensorType)
        assert set(sensor.trigger_types) <= triggers, sensor.ref
