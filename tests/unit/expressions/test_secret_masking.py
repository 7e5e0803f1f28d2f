from st_ops.expressions.masking import MASK, mask, secret_names, secret_values

SCHEMA = {
    "user": {"type": "string"},
    "pin": {"type": "string", "secret": True},
    "blob": {"type": "object", "secret": True},
    "auth": {
        "type": "object",
        "properties": {"key": {"type": "string", "secret": True}, "id": {"type": "string"}},
    },
    "hosts": {"type": "array", "items": {"type": "object", "properties": {"pw": {"secret": True}}}},
    "headers": {"type": "object", "additionalProperties": {"type": "string", "secret": True}},
}
VALUES = {
    "user": "ada",
    "pin": "1234",
    "blob": {"a": "bb"},
    "auth": {"key": "kkk", "id": "i"},
    "hosts": [{"pw": "p1", "n": 1}, {"pw": None}],
    "headers": {"X": "hhh"},
    "other": {"deep": [{"Password": "q9"}], "token": 17},
}


def test_secrets_are_hidden_wherever_schema_or_key_says_so():
    before = repr(VALUES)
    assert mask(SCHEMA, VALUES) == {
        "user": "ada",
        "pin": MASK,
        "blob": MASK,
        "auth": {"key": MASK, "id": "i"},
        "hosts": [{"pw": MASK, "n": 1}, {"pw": MASK}],
        "headers": {"X": MASK},
        "other": {"deep": [{"Password": MASK}], "token": MASK},
    }
    assert repr(VALUES) == before


def test_parameters_that_hold_secrets_are_known_by_name():
    assert secret_names(SCHEMA) == {"pin", "blob", "auth", "hosts", "headers"}


def test_what_is_hidden_can_be_listed_to_be_hidden_in_output_too():
    assert secret_values(SCHEMA, VALUES) == ["1234", "hhh", "kkk", "17", "bb", "p1", "q9"]
