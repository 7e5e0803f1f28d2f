from typing import Any

import pytest

from st_ops.errors import ExpressionError
from st_ops.expressions.datastore import SYSTEM, USER, datastore
from st_ops.expressions.jinja import Templates

VALUES = {
    (SYSTEM, "", "find"): "found",
    (SYSTEM, "", "host"): "web1",
    (SYSTEM, "", "a.b.c"): "deep",
    (SYSTEM, "", "n"): "5",
    (USER, "ada", "host"): "mine",
}


class Store:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, scope: str, user: str, name: str) -> str | None:
        self.asked.append(name)
        return VALUES.get((scope, user, name))


def render(template: str, store: Store | None = None) -> Any:
    return Templates().render(template, datastore(store or Store(), user="ada"))


def test_names_are_found_in_their_scopes():
    assert render("{{ st2kv.system.host }}") == "web1"
    assert render("{{ st2kv.user.host }}") == "mine"
    assert render("{{ system.host }}") == "web1"
    assert render("{{ st2kv.system.find }}{{ st2kv.system.child }}{{ st2kv.system.items }}") == "found"
    assert render("{{ st2kv.system.a.b.c }}") == "deep"
    assert render("{{ st2kv['system']['a.b.c'] }}") == "deep"


def test_a_missing_name_is_empty_text():
    assert render("<{{ st2kv.system.none.such }}>") == "<>"
    assert render("{{ st2kv.system.nothing or 'default' }}") == "default"


def test_nothing_is_asked_before_it_is_used_and_each_name_once():
    store = Store()
    assert render("{% if false %}{{ st2kv.system.host }}{% endif %}x", store) == "x"
    assert store.asked == []
    assert render("{% set h = st2kv.system.a.b.c %}{{ h }}{{ h }}", store) == "deepdeep"
    assert store.asked == ["a.b.c"]


def test_an_entry_behaves_like_its_text():
    assert render("{{ st2kv.system.n | int + 1 }}") == 6
    assert render("{{ st2kv.system.host == 'web1' }}") is True
    assert render("{{ 'eb' in st2kv.system.host }}") is True
    assert render("{{ 'x-' + st2kv.system.host + '-y' }}") == "x-web1-y"
    assert render("{{ st2kv.system.host | length }}") == 4
    assert render("{{ st2kv.system.host | upper }}") == "WEB1"
    assert render("{{ {'h': st2kv.system.host} | to_json_string }}") == '{"h": "web1"}'


def test_an_entry_cannot_be_walked_or_shown_by_its_repr():
    with pytest.raises(ExpressionError):
        render("{% for x in st2kv.system.host %}{{ x }}{% endfor %}")
    assert "web1" not in repr(datastore(Store())["system"].host)
