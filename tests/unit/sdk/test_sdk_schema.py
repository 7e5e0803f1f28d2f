"""From signatures to schemas."""

from __future__ import annotations

import pytest

from st_ops.sdk.declarations import read
from st_ops.sdk.durations import seconds


def parameters(signature: str, before: str = "", docstring: str = "") -> dict[str, object]:
    source = f"from st_ops.sdk import action\n{before}\n@action\ndef f({signature}):\n    '''{docstring}'''\n"
    declarations, faults = read(source)
    assert faults == []
    return dict(declarations[0].parameters)


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        ("str", {"type": "string"}),
        ("int", {"type": "integer"}),
        ("float", {"type": "number"}),
        ("bool", {"type": "boolean"}),
        ("list", {"type": "array"}),
        ("list[int]", {"type": "array", "items": {"type": "integer"}}),
        ("typing.List[str]", {"type": "array", "items": {"type": "string"}}),
        ("dict[str, int]", {"type": "object"}),
        ("Any", {}),
        ("'int'", {"type": "integer"}),
        ("Secret", {"type": "string", "secret": True}),
        ("Literal['a', 'b']", {"type": "string", "enum": ["a", "b"]}),
        ("Literal[1, 'b']", {"enum": [1, "b"]}),
        (
            "Annotated[int, 'How many.', {'minimum': 1}]",
            {"type": "integer", "description": "How many.", "minimum": 1},
        ),
        ("Annotated[str, Secret]", {"type": "string", "secret": True}),
        ("int | str", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
    ],
)
def test_annotations_become_types(annotation, schema):
    assert parameters(f"x: {annotation}") == {"x": {**schema, "required": True}}


@pytest.mark.parametrize("annotation", ["Optional[int]", "int | None", "Union[int, None]"])
def test_an_optional_parameter_is_not_required_and_has_no_default(annotation):
    assert parameters(f"x: {annotation} = None") == {"x": {"type": "integer"}}


def test_defaults_may_be_constants_of_the_file():
    assert parameters("x: int = LIMIT, *, y: list = NAMES", "LIMIT = -5\nNAMES: list = ['a', LIMIT]") == {
        "x": {"type": "integer", "default": -5},
        "y": {"type": "array", "default": ["a", -5]},
    }


def test_the_context_is_no_parameter():
    assert parameters("ctx, x: int") == {"x": {"type": "integer", "required": True}}
    assert parameters("c: Context, x: int") == {"x": {"type": "integer", "required": True}}


@pytest.mark.parametrize(
    "docstring",
    [
        "Do it.\n\n    Args:\n        x: How\n            often.\n        y (int): Where.\n\n    Returns:\n        z\n",
        "Do it.\n\n    :param x: How\n        often.\n    :param int y: Where.\n    :returns: nothing\n    ",
    ],
)
def test_descriptions_come_from_the_docstring(docstring):
    found = parameters("x: int, y: int, z: int", docstring=docstring)
    assert {name: schema.get("description") for name, schema in found.items()} == {  # type: ignore[attr-defined]
        "x": "How often.",
        "y": "Where.",
        "z": None,
    }


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def f(*names): pass", "named arguments only"),
        ("async def f(): pass", "is an async function"),
        ("def f(x: set): pass", ""),
        ("def f(x: Path): pass", "has no JSON type"),
        ("def f(x=make()): pass", "must be a literal"),
    ],
)
def test_what_cannot_be_offered_is_said(code, said):
    _declarations, faults = read(f"from st_ops.sdk import action\n@action\n{code}\n")
    assert [said in str(fault) for fault in faults] == ([True] if said else [])


def test_a_decorator_is_recognised_by_its_import_not_its_name():
    source = "import st_ops\nfrom elsewhere import action\n@action\ndef f(): pass\n"
    assert read(source) == ([], [])
    source = "from st_ops.sdk import action as task\n@task(name='g')\ndef f(): pass\n"
    assert read(source)[0][0].name == "g"


@pytest.mark.parametrize(
    ("text", "value"), [(3, 3.0), ("30s", 30.0), ("1h30m", 5400.0), ("250ms", 0.25), ("2 d", 172800.0)]
)
def test_durations_are_read(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("text", [0, -1, True, None, "", "5", "5x", "m5"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)
