"""The kinds of resources."""

from st2client.models.core import Resource

__all__ = ["RESOURCES", "Resource"]


class Action(Resource):
    """An action."""

    _path = "actions"


class Execution(Resource):
    """A run of an action."""

    _path = "executions"


class LiveAction(Execution):
    """The request of a run."""


class KeyValuePair(Resource):
    """A key with its value."""

    _path = "keys"


class Pack(Resource):
    """A pack."""

    _path = "packs"


class Rule(Resource):
    """A rule."""

    _path = "rules"


class Sensor(Resource):
    """A sensor type."""

    _path = "sensortypes"


class TriggerType(Resource):
    """A trigger type."""

    _path = "triggertypes"


class TriggerInstance(Resource):
    """An event."""

    _path = "triggerinstances"


class Inquiry(Resource):
    """A question to a person."""

    _path = "inquiries"


class ActionAlias(Resource):
    """An alias."""

    _path = "actionalias"


class ActionAliasMatch(Resource):
    """A command to be matched."""

    _path = "actionalias"


class ActionAliasExecution(Resource):
    """A command to be run."""

    _path = "aliasexecution"


RESOURCES = (Action, Execution, KeyValuePair, Pack, Rule, Sensor, TriggerType, TriggerInstance, Inquiry, ActionAlias,
             ActionAliasExecution)  # fmt: skip
