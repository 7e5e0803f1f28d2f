"""A template may not eat the machine: each of these must fail at once."""

import time

import pytest

from st_ops.errors import ExpressionError
from st_ops.expressions.evaluate import EvaluationError, Evaluator
from st_ops.expressions.jinja import Templates

TEMPLATES = Templates()
YAQL = Evaluator({}, seconds=1)
DOUBLE = "{% set n = namespace(x='x' * 100) %}{% for i in range(60) %}{% set n.x = n.x OP n.x %}{% endfor %}{{ n.x }}"


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'x' * 10**9 }}",
        "{{ 10**9 * 'x' }}",
        "{{ [0] * 10**9 }}",
        "{{ 10 ** (10 ** 10) }}",
        "{{ (10 ** 20000) * (10 ** 20000) }}",
        "{{ range(10**9) | list }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        DOUBLE.replace("OP", "~"),
        DOUBLE.replace("OP", "+"),
        "{% set n = namespace(l=[1]) %}{% for i in range(60) %}{% set n.l = n.l + n.l %}{% endfor %}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%*d' % (999999999, 1) }}",
        "{{ '%999999999d' | format(1) }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{{ '{:>{}}'.format(1, 999999999) }}",
        "{{ 'x'.ljust(10**9) }}",
        "{{ 'x'.zfill(10**9) }}",
        "{{ '\t'.expandtabs(10**9) }}",
        "{{ ('x' * 9999999).replace('x', 'xxxxxxxxxx') }}",
        "{{ ('x' * 9999999) | replace('x', 'xxxxxxxxxx') }}",
        "{{ ('x' * 9999999) | regex_replace('x', 'xxxxxxxxxx') }}",
        "{{ ('x' * 999).join(range(99999)) }}",
        "{{ range(99999) | join('x' * 999) }}",
        "{{ 'x' | center(10**9) }}",
        "{{ 'x' | indent(10**9, true) }}",
        "{{ [1] | batch(10**9, 0) | list }}",
        "{{ {'a': [1]} | tojson(10**9) }}",
        "{{ {'a': [1]} | to_json_string(indent=10**9) }}",
        "{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
    ],
)
def test_a_runaway_template_is_stopped(template):
    started = time.monotonic()
    with pytest.raises(ExpressionError):
        TEMPLATES.text(template, {})
    assert time.monotonic() - started < 5


def test_ordinary_work_is_not_hindered():
    assert TEMPLATES.text("{% for i in range(3) %}{{ i * 2 }},{% endfor %}", {}) == "0,2,4,"
    assert TEMPLATES.render("{{ 2 ** 10 + 7 % 4 }}", {}) == 1027
    assert (
        TEMPLATES.text("{{ '%05.1f' % 3.14159 }} {{ '{:>4}|{}'.format('ab', 12345678901) }}", {})
        == "003.1   ab|12345678901"
    )
    assert TEMPLATES.text("{{ 'a' ~ 1 ~ none }} {{ [1, 2] | join('-') }}", {}) == "a1None 1-2"
    assert TEMPLATES.text("{{ [{'n': 'x'}, {'n': 'y'}] | join(',', attribute='n') }}", {}) == "x,y"
    assert (
        TEMPLATES.text("{{ 'aXbX' | replace('X', '-') }} {{ 'a\nb' | indent(2) }} {{ 'x' | center(3) }}", {})
        == "a-b- a\n  b  x "
    )


@pytest.mark.parametrize(
    "expression",
    [
        "<% 'x' * 1000000000 %>",
        "<% range(0, 1000000000).toList() %>",
        "<% generate(0, true, $ + 1) %>",
        "<% [0] * 1000000000 %>",
        "<% 1000000000 * [0] %>",
        "<% range(0, 60).aggregate($1 + $1, 'xxxxxxxx') %>",
        "<% range(0, 60).aggregate($1 * $1, 1000) %>",
        "<% range(0, 100000).join('x' * 1000) %>",
        "<% ('x' * 9999999).replace('x', 'xxxxxxxxxx') %>",
        "<% pow(10, pow(10, 9)) %>",
        "<% shiftBitsLeft(1, 1000000000000) %>",
        "<% range(0, 100000).select(range(0, 100000).toList()) %>",
    ],
)
def test_a_runaway_yaql_expression_is_stopped(expression):
    with pytest.raises(EvaluationError):
        YAQL.evaluate(expression, None)


def test_ordinary_yaql_is_not_hindered():
    assert YAQL.evaluate("<% [1, 2] * 2 %>", None) == [1, 2, 1, 2]
    assert YAQL.evaluate("<% 3 * 2.5 + pow(2, 3) - shiftBitsLeft(1, 2) %>", None) == 11.5
    assert YAQL.evaluate("<% 'a' + 'b' + concat('c', 'd') + 'x' * 2 %>", None) == "abcdxx"
    assert YAQL.evaluate("<% ['a', 1].join('-') + '+'.join([2, 'b']) %>", None) == "a-12+b"
    assert YAQL.evaluate("<% 'aXbX'.replace('X', '-', 1) %>", None) == "a-bX"
    assert YAQL.evaluate("<% pow(2, 10, 1000) %>", None) == 24
