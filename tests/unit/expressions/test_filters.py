import pytest

from st_ops.expressions.filters import orquesta_functions, stackstorm_filters
from st_ops.expressions.jinja import Templates

#: Reference 1.7.
NAMES = {
    "decrypt_kv", "from_json_string", "from_yaml_string", "to_json_string", "to_yaml_string", "json_escape",
    "jsonpath_query", "to_complex", "regex_match", "regex_search", "regex_replace", "regex_substring",
    "to_human_time_from_seconds", "version_compare", "version_more_than", "version_less_than", "version_equal",
    "version_match", "version_bump_major", "version_bump_minor", "version_bump_patch", "version_strip_patch",
    "use_none", "basename", "dirname",
}  # fmt: skip


def test_every_filter_of_stackstorm_is_there():
    assert set(stackstorm_filters()) == NAMES
    aliases = {"json", "zip", "json_dump", "json_parse", "yaml_dump", "yaml_parse"}
    assert set(orquesta_functions()) == NAMES - {"decrypt_kv", "to_complex"} | aliases


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'{\"a\": [1, null]}' | from_json_string", {"a": [1, None]}),
        ("'a: [1, x]' | from_yaml_string", {"a": [1, "x"]}),
        ("{'b': 1, 'a': [2]} | to_json_string", '{"b": 1,"a": [2]}'),
        ("{'b': 1, 'a': 2} | to_json_string(indent=1, sort_keys=true)", '{\n "a": 2,\n "b": 1\n}'),
        ("{'a': ['é']} | to_yaml_string", "a:\n- é\n"),
        ("'say \"hi\"\n' | json_escape", 'say \\"hi\\"\\n'),
        ("{'a': [{'b': 1}, {'b': 2}]} | jsonpath_query('a[*].b')", [1, 2]),
        ("{'a': 1} | jsonpath_query('c')", None),
        ("{'a': none} | to_complex", '{"a": null}'),
        ("'xyz' | regex_match('yz')", False),
        ("'xyz' | regex_match('x')", True),
        ("'XYZ' | regex_match('x', ignorecase=true)", True),
        ("'xyz' | regex_search('yz')", True),
        ("105 | regex_search('05')", True),
        ("'xyz' | regex_replace('(y)', '<\\\\1>')", "x<y>z"),
        ("'XyZ' | regex_replace('x', '_', ignorecase=true)", "_yZ"),
        ("'a1 b2' | regex_substring('[a-z][0-9]')", "a1"),
        ("'a1 b2' | regex_substring('[a-z][0-9]', 1)", "b2"),
        ("0 | to_human_time_from_seconds", "0s"),
        ("12.3 | to_human_time_from_seconds", "12s"),
        ("185 | to_human_time_from_seconds", "3m5s"),
        ("3785 | to_human_time_from_seconds", "1h3m5s"),
        ("3600 | to_human_time_from_seconds", "1h0m0s"),
        ("(86400 * 2 + 1) | to_human_time_from_seconds", "2d0h0m1s"),
        ("(86400 * 366 + 61) | to_human_time_from_seconds", "1y1d0h1m1s"),
        ("0.5 | to_human_time_from_seconds", "0.5μs"),
        ("'1.2.3' | version_compare('1.10.0')", -1),
        ("'1.2.3' | version_more_than('1.2.2')", True),
        ("'1.2.3' | version_less_than('1.2.2')", False),
        ("'1.2.3' | version_equal('1.2.3')", True),
        ("'1.2.3' | version_match('>=1.0.0')", True),
        ("'1.2.3' | version_bump_major", "2.0.0"),
        ("'1.2.3' | version_bump_minor", "1.3.0"),
        ("'1.2.3' | version_bump_patch", "1.2.4"),
        ("'1.2.3' | version_strip_patch", "1.2"),
        ("none | use_none", "%*****__%NONE%__*****%"),
        ("'x' | use_none", "x"),
        ("'/a/b.txt' | basename", "b.txt"),
        ("'/a/b.txt' | dirname", "/a"),
    ],
)
def test_filters_do_what_stackstorms_do(expression, expected):
    assert Templates().render("{{ " + expression + " }}", {}) == expected


def test_orquestas_json_and_zip():
    functions = orquesta_functions()
    assert functions["json"]('{"a": 1}') == {"a": 1}
    assert functions["json"]({"a": 1}) == {"a": 1}
    with pytest.raises(TypeError, match="not typeof string"):
        functions["json"](5)
    assert functions["zip"]([1, 2], [3], pad=0) == [(1, 3), (2, 0)]
    assert functions["zip"](None, [3]) == [(None, 3)]
    assert functions["zip"]([1, 2]) == [1, 2]
