import threading

import pytest

from st_ops.errors import ExpressionError
from st_ops.expressions.datastore import datastore
from st_ops.expressions.jinja import Templates, contains_expression

TEMPLATES = Templates()


def test_a_value_without_templates_comes_back_as_the_same_object():
    value = {"a": ["b", 1, None], "c": "no { braces } here"}
    assert TEMPLATES.render(value, {}) is value


def test_a_lone_expression_keeps_its_type_and_others_become_text():
    context = {"n": 5, "items": [1, {"a": None}]}
    assert TEMPLATES.render("{{ items }}", context) == [1, {"a": None}]
    assert TEMPLATES.render("  {{ n }}\n", context) == 5
    assert TEMPLATES.render("{{ n }} of {{ n }}", context) == "5 of 5"
    assert TEMPLATES.render("{{ n }}{{ n }}", context) == "55"
    assert TEMPLATES.render("{{ {'a': {'b': n}} }}", context) == {"a": {"b": 5}}
    assert TEMPLATES.render_texts("{{ n }}", context) == "5"


def test_lists_dicts_and_keys_are_rendered():
    rendered = TEMPLATES.render({"k{{ n }}": ["{{ n }}", {"deep": "<{{ n }}>"}], "same": 3}, {"n": 1})
    assert rendered == {"k1": [1, {"deep": "<1>"}], "same": 3}


def test_blocks_are_trimmed_as_stackstorm_trims_them():
    template = "{% for i in items %}\n  {{ i }}\n  {% endfor %}\ndone"
    assert TEMPLATES.text(template, {"items": [1, 2]}) == "  1\n  2\ndone"


def test_an_error_names_the_template_and_what_is_missing():
    with pytest.raises(
        ExpressionError, match=r"Cannot render '\{\{ trigger\.host \}\}': .*no attribute 'host'"
    ):
        TEMPLATES.render("{{ trigger.host }}", {"trigger": {}})
    with pytest.raises(ExpressionError, match="'nobody' is undefined"):
        TEMPLATES.render("hello {{ nobody }}", {})
    with pytest.raises(ExpressionError, match="Cannot render"):
        TEMPLATES.render("{{ 1 + }}", {})


def test_a_failing_filter_is_an_expression_error():
    for template in (
        "{{ 'x' | from_json_string }}",
        "{{ '(' | regex_match('(') }}",
        "{{ 'x' | version_bump_major }}",
    ):
        with pytest.raises(ExpressionError, match="Cannot render"):
            TEMPLATES.render(template, {})


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ x.append(1) }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ x | attr('__class__') }}",
    ],
)
def test_a_template_cannot_leave_the_sandbox(template):
    with pytest.raises(ExpressionError):
        TEMPLATES.text(template, {"x": []})


def test_the_test_in_is_there():
    assert TEMPLATES.render("{{ 2 is in [1, 2] }}", {}) is True


def test_what_has_an_expression_is_told_from_what_has_not():
    assert contains_expression({"a": [{"{{ b }}": 1}]})
    assert contains_expression("{% if x %}")
    assert not contains_expression({"a": ["{ b }", 1, None, "<% c %>"]})


def test_the_variables_of_a_template_are_its_undeclared_names():
    assert TEMPLATES.variables("{% set a = b %}{{ a }} {{ c.d }} {{ range(3) }}") == frozenset({"b", "c"})
    assert TEMPLATES.variables("{{ broken") is None


def test_secrets_are_opened_only_where_a_key_is_given():
    context = datastore(lambda scope, user, name: "sealed" if name == "pw" else None)
    opened = Templates(decrypt=lambda text: text.upper())
    assert opened.render("{{ st2kv.system.pw | decrypt_kv }}", context) == "SEALED"
    with pytest.raises(ExpressionError, match="cannot be decrypted here"):
        TEMPLATES.render("{{ st2kv.system.pw | decrypt_kv }}", context)
    with pytest.raises(ExpressionError, match=r"no item 'st2kv\.system\.other'"):
        opened.render("{{ st2kv.system.other | decrypt_kv }}", context)


def test_threads_share_templates():
    failures: list[str] = []

    def work(number: int) -> None:
        made = [TEMPLATES.render("{{ a + b }} {{ b }}", {"a": number, "b": turn}) for turn in range(50)]
        failures.extend(text for turn, text in enumerate(made) if text != f"{number + turn} {turn}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
