"""Orquesta's expressions (reference 1.9)."""

import json
import threading
from typing import Any

import pytest

from st_ops.expressions.evaluate import MIXED, EvaluationError, Evaluator, Fault, Variable


class UnknownVariable(Exception):
    pass


def ctx(context: dict[str, Any], name: str | None = None) -> Any:
    if name is None:
        return context
    if name not in context:
        raise UnknownVariable(f'The variable "{name}" is undefined.')
    return context[name]


EVALUATOR = Evaluator({
    "ctx": ctx,
    "item": lambda context, key=None: context["item"] if key is None else context["item"][key],
    "succeeded": lambda context: True,
    "st2kv": lambda context, key, decrypt=False: f"{key}:{decrypt}",
})  # fmt: skip
VARIABLES: dict[str, Any] = {
    "foo": "bar",
    "bar": "foobar",
    "n": 5,
    "none": None,
    "nested": {"list": [1, 2, {"z": 5}], "on": True},
    "vms": [{"name": "a", "role": "db"}, {"name": "b", "role": "web"}],
    "item": {"k": "v"},
    "yaql_again": "<% ctx().foo %>",
    "jinja_again": "{{ ctx().foo }}",
    "loop": "<% ctx().loop %>",
    "thief": "<% st2kv('system.password', decrypt => true) %>",
    "jinja_thief": "{{ st2kv('system.password', decrypt=true) }}",
    "parts": ["{{ ctx().foo }}", "b"],
}


def evaluate(value: Any) -> Any:
    return EVALUATOR.evaluate(value, VARIABLES)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain text { } % <", "plain text { } % <"),
        (5, 5),
        ("<% ctx().foo %>", "bar"),
        ("<% ctx(foo) %>", "bar"),
        ("<% ctx('foo') %>", "bar"),
        ("<% ctx(ctx().foo) %>", "foobar"),
        ("<% ctx().none %>", None),
        ("<% ctx().nested.list[2].z + 1 %>", 6),
        ("<% ctx().nested %>", VARIABLES["nested"]),
        ("<% ctx().foo %> and <% ctx().n %>", "bar and 5"),
        (" <% ctx().n %>", " 5"),
        ("a <% ctx().nested.on %> b", "a True b"),
        ("<% ctx().vms.select($.name) %>", ["a", "b"]),
        ("<% ctx(vms).where($.role = db).name %>", ["a"]),
        ("<% dict(vms => dict(ctx().vms.select([$.name, $.role]))) %>", {"vms": {"a": "db", "b": "web"}}),
        ("<% ctx().vms.distinct().len() %>", 2),
        ("<% ctx().nested.set(a, 1).a %>", 1),
        ("<% ctx().vms[0].get(none, 7) %>", 7),
        ("<% zip([1, 2], [3], pad => 0) %>", [[1, 3], [2, 0]]),
        ("<% item() %>", {"k": "v"}),
        ("<% item(k) %>", "v"),
        ("<% succeeded() and ctx().n = 5 %>", True),
        ("<% regex_match('abc', 'A', ignorecase => true) %>", True),
        ("<% st2kv('system.x', decrypt => true) %>", "system.x:True"),
        ("<% ctx().yaql_again %>", "bar"),
        ("{{ ctx().foo }}", "bar"),
        ("{{ ctx('foo') }}", "bar"),
        ("{{ ctx().nested.list }}", [1, 2, {"z": 5}]),
        ("{{ ctx().none }}", None),
        ("{{ ctx().foo }} and {{ ctx().n }}", "bar and 5"),
        ("{{ {'a': {'b': ctx().n}} }}", {"a": {"b": 5}}),
        ("{{ ctx().jinja_again }}", "bar"),
        ("{{ item('k') | regex_replace('v', 'w') }}", "w"),
        ("{{ st2kv('system.x') }}", "system.x:False"),
        ("{% for p in ctx().parts %}{{ p }}{% endfor %}", "barb"),
        ("{{ ctx().n }}{% if ctx().nested.on %}!{% endif %} and {% raw %}{{ 1 }}{% endraw %}", "5! and {{ 1 }}"),
        ("{% raw %}{{ ctx().foo }}{% endraw %}", "{{ ctx().foo }}"),
        ("{% raw %}<% ctx().foo %>{% endraw %}", "<% ctx().foo %>"),
        ({"<% ctx().foo %>": ["<% ctx().n %>", {"x": "{{ ctx().n }}"}]}, {"bar": [5, {"x": 5}]}),
    ],
)  # fmt: skip
def test_expressions(value, expected):
    assert evaluate(value) == expected


def test_results_are_plain_json():
    for expression in (
        "<% ctx() %>",
        "<% ctx().vms.groupBy($.role) %>",
        "<% now() %>",
        "<% set(1, 2) %>",
        "{{ ctx() }}",
    ):
        json.dumps(evaluate(expression))


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("<% ctx().nope %>", "Unable to resolve key 'nope' in expression '<% ctx().nope %>' from context."),
        (
            "<% ctx(nope) %>",
            "Unable to evaluate expression '<% ctx(nope) %>'. UnknownVariable: The variable \"nope\" is undefined.",
        ),
        (
            "<% nope() %>",
            "Unable to evaluate expression '<% nope() %>'. NoFunctionRegisteredException: Unknown function \"nope\"",
        ),
        (
            "<% 1 + 'a' %>",
            (
                "Unable to evaluate expression '<% 1 + 'a' %>'. NoMatchingFunctionException: "
                'No function "#operator_+" matches supplied arguments'
            ),
        ),
        (
            "{{ ctx('nope') }}",
            "Unable to evaluate expression '{{ ctx('nope') }}'. UnknownVariable: The variable \"nope\" is undefined.",
        ),
    ],
)  # fmt: skip
def test_errors_read_as_orquestas(expression, message):
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression)
    assert str(caught.value) == message
    language = "Yaql" if expression.startswith("<%") else "Jinja"
    assert caught.value.orquesta_name == f"{language}EvaluationException"


def test_a_missing_name_in_jinja_is_an_error_not_empty_text():
    for expression in (
        "{{ ctx().nope }}",
        "x {{ ctx().nope }}",
        "{{ nope }}",
        "{{ ctx().nested.list.nope }}",
    ):
        with pytest.raises(EvaluationError, match="Unable to evaluate expression"):
            evaluate(expression)


def test_both_languages_in_one_string_are_refused():
    with pytest.raises(EvaluationError, match=MIXED):
        evaluate("<% ctx().foo %> and {{ ctx().foo }}")


def test_an_expression_that_leads_to_itself_ends():
    with pytest.raises(EvaluationError, match="leads to itself"):
        evaluate("<% ctx().loop %>")


def test_text_out_of_an_expression_cannot_read_the_datastore():
    for expression in ("<% ctx().thief %>", "{{ ctx().jinja_thief }}", "say <% ctx().thief %>"):
        with pytest.raises(EvaluationError, match="st2kv"):
            evaluate(expression)


def test_a_result_of_one_language_is_not_evaluated_in_the_other():
    assert evaluate("<% ctx().jinja_again %>") == "{{ ctx().foo }}"


def test_syntax_errors_are_found_without_evaluating():
    value = {
        "a": ["<% 1 + %>", "ok <% ctx().x %>"],
        "b": "{{ 1 + }}",
        "c": "<% 1 %>{{ 2 }}",
        "d": "{% for %}",
    }
    faults = EVALUATOR.check(value)
    assert [(fault.language, fault.expression) for fault in faults] == [
        ("yaql", "<% 1 + %>"), ("jinja", "{{ 1 + }}"), (None, "<% 1 %>{{ 2 }}"), ("jinja", "{% for %}"),
    ]  # fmt: skip
    assert faults[2] == Fault(language=None, expression="<% 1 %>{{ 2 }}", message=MIXED)
    assert all(fault.message for fault in faults)


def test_the_names_used_through_ctx_are_found():
    value = [
        "<% ctx().a.x + ctx(b) %> <% ctx('c') %>",
        "{{ ctx('d') }} {{ ctx().e.y }} {{ ctx()['f'] }}",
        "{% for i in ctx().g %}{{ i }}{% endfor %}",
        "<% ctx().h.where($.name = ctx().i).select(dict(a => ctx(j))) %>",
        "<% 'ctx().not_one' %> and ctx().neither",
    ]
    found = EVALUATOR.variables(value)
    assert [variable.name for variable in found] == list("abcdefghij")
    assert found[3] == Variable(name="d", language="jinja", expression=value[1])


def test_threads_share_an_evaluator():
    wrong: list[int] = []

    def work(number: int) -> None:
        made = [EVALUATOR.evaluate(f"<% ctx().n + {turn} %>", {"n": number}) for turn in range(40)]
        wrong.extend(value for turn, value in enumerate(made) if value != number + turn)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
