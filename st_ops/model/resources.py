"""What packs contribute: the registered, validated form of each metadata file.

Each class is one kind of resource. Field names are StackStorm's metadata keys, with ``-`` as ``_``.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from st_ops.model.base import Model, Object, ref_of


class Resource(Model):
    """What every kind shares. ``metadata_file`` is relative to the pack's folder."""

    pack: str
    name: str
    description: str = ""
    enabled: bool = True
    tags: list[Object] = Field(default_factory=list)
    metadata_file: str = ""

    @property
    def ref(self) -> str:
        """``pack.name``."""
        return ref_of(self.pack, self.name)


class Pack(Model):
    """One pack: its pack.yaml, plus where it lies (``path``, absolute) and its config schema."""

    ref: str
    name: str
    description: str = ""
    version: str = "0.0.0"
    author: str = ""
    email: str = ""
    keywords: list[str] = Field(default_factory=list)
    contributors: list[str] = Field(default_factory=list)
    stackstorm_version: str = ""
    python_versions: list[str] = Field(default_factory=list)
    #: st_ops' own keys: a PEP 440 range of Python versions, and whether the sandbox may import ahead of use.
    python: str = ""
    preload: bool = True
    dependencies: list[str] = Field(default_factory=list)
    system: Object = Field(default_factory=dict)
    path: str = ""
    config_schema: Object = Field(default_factory=dict)
    extra: Object = Field(default_factory=dict)


class Action(Resource):
    """What can be executed: a runner, an entry point and a parameter schema."""

    runner_type: str
    entry_point: str = ""
    #: name → StackStorm draft-4 property schema (with ``required``, ``secret``, ``immutable``, ``position``).
    parameters: dict[str, Object] = Field(default_factory=dict)
    output_schema: Object = Field(default_factory=dict)
    notify: Object = Field(default_factory=dict)
    # st_ops' own keys below.
    #: Running it twice does the same as running it once, so a lost run is simply run again.
    idempotent: bool = False
    #: Ref of an action that tells whether a run whose worker died took effect.
    probe: str = ""
    queue: str = "default"
    needs: list[str] = Field(default_factory=list)
    priority: int = 0
    #: What one run may use (``run_limits.py``); absent ones come from the settings.
    limits: Object = Field(default_factory=dict)
    concurrency: Object = Field(default_factory=dict)
    retry: Object = Field(default_factory=dict)
    rate: str = ""
    #: ``{action, run_key | within, timeout}``, or a list of them: what must have succeeded before it may start.
    require: Object | list[Object] = Field(default_factory=list)


class TriggerType(Resource):
    """A kind of event: the schema of its payload and of the parameters a trigger of this type takes."""

    payload_schema: Object = Field(default_factory=dict)
    parameters_schema: Object = Field(default_factory=dict)


class SensorType(Resource):
    """A sensor class in a pack and the trigger types it emits. ``poll_interval`` (seconds) marks a polling sensor."""

    class_name: str
    entry_point: str
    poll_interval: float | None = None
    trigger_types: list[str] = Field(default_factory=list)
    artifact_uri: str = ""


class RuleTrigger(Model):
    """Which trigger a rule listens to: a trigger type's ref and that type's parameters."""

    type: str
    parameters: Object = Field(default_factory=dict)
    ref: str = ""
    description: str = ""


class RuleAction(Model):
    """What a rule starts: an action's ref and its parameters, in which Jinja sees ``trigger``."""

    ref: str
    parameters: Object = Field(default_factory=dict)
    description: str = ""


class RuleType(Model):
    """``standard``, or ``backstop``: considered only when no standard rule matched the event."""

    ref: Literal["standard", "backstop"] = "standard"
    parameters: Object = Field(default_factory=dict)


class Rule(Resource):
    """When this trigger fires and these criteria hold, execute this action (StackStorm 1.6)."""

    enabled: bool = False
    trigger: RuleTrigger
    #: ``trigger.path[#suffix]`` → ``{type, pattern, condition}``; all must hold.
    criteria: dict[str, Object] = Field(default_factory=dict)
    action: RuleAction
    type: RuleType = Field(default_factory=RuleType)
    context: Object = Field(default_factory=dict)
    # st_ops' own keys below.
    #: ``{key, limit, on_limit}``, as an action's.
    concurrency: Object = Field(default_factory=dict)
    #: Template of the run key of what it starts; "" = none.
    run_key: str = ""
    #: Where it runs; "" and none = as the action says.
    queue: str = ""
    needs: list[str] = Field(default_factory=list)


class Alias(Resource):
    """A chat or CLI phrase for an action (StackStorm 1.12)."""

    action_ref: str
    formats: list[Any] = Field(default_factory=list)
    ack: Object = Field(default_factory=dict)
    result: Object = Field(default_factory=dict)
    extra: Object = Field(default_factory=dict)
    immutable_parameters: Object = Field(default_factory=dict)


class Policy(Resource):
    """A rule about running one action (StackStorm 1.11)."""

    resource_ref: str
    policy_type: str
    parameters: Object = Field(default_factory=dict)


#: kind, as stored and as named in the API → class.
KINDS: dict[str, type[Resource]] = {
    "action": Action,
    "trigger_type": TriggerType,
    "sensor": SensorType,
    "rule": Rule,
    "alias": Alias,
    "policy": Policy,
}
