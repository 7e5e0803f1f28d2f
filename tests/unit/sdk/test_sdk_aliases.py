from __future__ import annotations

import pytest

from st_ops.sdk.aliases import Format, NoMatch


@pytest.mark.parametrize(
    ("text", "command", "parameters"),
    [
        ("restart {{ host }}", "restart web-1", {"host": "web-1"}),
        ("restart {{ host }}", '  restart "web 1"  ', {"host": "web 1"}),
        ("restart {{ host }} now", "restart 'a b' now", {"host": "a b"}),
        ("restart {{ host=all }}", "restart", {"host": "all"}),
        ("restart {{ host='all of them' }}", "restart", {"host": "all of them"}),
        ("restart {{ host=all }}", "restart db", {"host": "db"}),
        ("put {{ data }}", 'put {"a": 1}', {"data": '{"a": 1}'}),
        (
            "restart {{ host }}",
            "restart web force=yes why='a b' x=\"\"",
            {"host": "web", "force": "yes", "why": "a b", "x": ""},
        ),
        ("", "a=1", {"a": "1"}),
        ("(?:stop|halt) {{ host }}", "halt web", {"host": "web"}),
        ("say {{ text={{ st2kv.system.hello }} }}", "say", {"text": "{{ st2kv.system.hello }}"}),
    ],
)
def test_a_command_gives_its_parameters(text, command, parameters):
    assert Format(text).match(command) == parameters


@pytest.mark.parametrize(
    ("text", "command"), [("restart {{ host }}", "start web"), ("a {{ b }}", "xx a b"), ("go", "")]
)
def test_what_does_not_fit_is_no_match(text, command):
    with pytest.raises(NoMatch):
        Format(text).match(command)


def test_a_format_with_anchors_of_its_own_gets_no_others():
    assert Format(r"^(?:.*\s)?(?P<key>[A-Z]+-\d+)\s.*$").match("see OPS-7 now") == {"key": "OPS-7"}


def test_all_places_that_fit_are_given_for_match_multiple():
    found = Format(r"(?:^|\s)(?P<key>[A-Z]+-\d+)(?=\s|$)").match_all("OPS-1 and OPS-2")
    assert [item["key"] for item in found] == ["OPS-1", "OPS-2"]


def test_a_format_that_is_no_regular_expression_says_so():
    with pytest.raises(ValueError, match="not a regular expression"):
        Format("restart ( {{ host }}")


def test_the_parameters_of_a_format_are_known():
    assert Format("copy {{ source }} {{ target=here }}").names == ["source", "target"]
