from __future__ import annotations

from st_ops.packs.kinds.actions import entry_of
from st_ops.packs.metadata_keys import VOCABULARIES
from st_ops.sdk.declarations import ACTION_OPTIONS

CODE = """
from st_ops.sdk import Context, action, poll

raise SystemExit("the platform must not run this file")

@action(idempotent=True, timeout=30)
def greet(ctx: Context, name: str, times: int = 1):
    '''Greet somebody.

    :param name: Who is greeted.
    '''
"""


def test_an_action_is_read_from_python_without_running_it(load):
    loaded = load({"actions/hello.py": CODE})
    assert loaded.problems == []
    action = loaded.find("action", "greet")
    assert action.runner_type == "python-script"
    assert action.description == "Greet somebody."
    assert action.idempotent is True
    assert action.parameters == {
        "name": {"type": "string", "description": "Who is greeted.", "required": True},
        "times": {"type": "integer", "default": 1},
        "timeout": {"default": 30},
    }
    file, function = entry_of(action, loaded.pack.path)
    assert (file.name, function) == ("hello.py", "greet")


def test_a_sensor_and_its_trigger_types_are_read_from_python(load):
    code = """
        import st_ops.sdk as sdk

        TRIGGERS = {"full": {"payload_schema": {"type": "object"}}, "free": None}

        @sdk.poll(every="5m", triggers=TRIGGERS)
        def disk(ctx):
            "Look at the disk."
    """
    loaded = load({"sensors/disk.py": code})
    assert loaded.problems == []
    sensor = loaded.find("sensor", "disk")
    assert (sensor.class_name, sensor.entry_point, sensor.poll_interval) == ("disk", "disk.py", 300)
    assert sensor.trigger_types == ["demo.full", "demo.free"]
    assert [item.ref for item in loaded.resources["trigger_type"]] == ["demo.full", "demo.free"]


def test_yaml_that_describes_the_function_counts(load):
    loaded = load(
        {
            "actions/hello.py": CODE,
            "actions/hello.yaml": "name: hi\nrunner_type: python-script\nentry_point: hello.py\n",
        }
    )
    assert loaded.problems == []
    assert [item.name for item in loaded.resources["action"]] == ["hi"]


def test_what_cannot_be_read_statically_is_said_with_its_line(load):
    code = "from st_ops.sdk import action\nimport os\n\n@action\ndef a(x: os.PathLike):\n    pass\n"
    problem = load({"actions/a.py": code}).problems[0]
    assert (problem.path, problem.line, problem.key) == ("actions/a.py", 5, "x")
    assert "has no JSON type" in problem.message


def test_an_unknown_option_of_the_decorator_is_said(load):
    code = "from st_ops.sdk import action\n\n@action(idempotnt=True)\ndef a():\n    pass\n"
    problem = load({"actions/a.py": code}).problems[0]
    assert problem.line == 3
    assert "no argument 'idempotnt'" in problem.message


def test_a_file_that_is_not_python_is_a_problem_only_when_it_uses_the_sdk(load):
    loaded = load({"actions/old.py": "print 'python 2'\n", "actions/new.py": "import st_ops.sdk\ndef (:\n"})
    assert [(problem.path, problem.line) for problem in loaded.problems] == [("actions/new.py", 2)]


def test_the_names_of_operators_are_those_the_matcher_has():
    from st_ops.model.operator_names import OPERATOR_NAMES

    assert len(OPERATOR_NAMES) == len(set(OPERATOR_NAMES)) == 33


def test_python_may_say_of_an_action_whatever_yaml_may(load):
    written_otherwise = {
        "pack",
        "id",
        "uid",
        "ref",
        "metadata_file",
        "runner_type",
        "entry_point",
        "parameters",
    }
    said = set(VOCABULARIES["action"].types) - written_otherwise
    assert said | {"timeout"} == set(ACTION_OPTIONS)
    code = """
        from st_ops.sdk import action

        @action(probe="demo.took", queue="dmz", needs=["region=tokyo"], priority=3, limits={"memory_mb": 64},
                concurrency={"key": "x", "limit": 1}, retry={"count": 2}, rate="10/minute",
                require=[{"action": "demo.other", "within": "2h"}])
        def move(name: str): ...
    """
    loaded = load({"actions/move.py": code})
    assert loaded.problems == []
    action = loaded.find("action", "move")
    assert (action.queue, action.needs, action.rate) == ("dmz", ["region=tokyo"], "10/minute")
    assert action.require == [{"action": "demo.other", "within": "2h"}]
    assert (action.retry, action.limits) == ({"count": 2}, {"memory_mb": 64})
