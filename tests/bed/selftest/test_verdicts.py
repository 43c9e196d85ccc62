"""The quick way to know whether a value is good says what python jsonschema says of the whole."""

import random

import pytest

from .. import schema_values, schemas
from ..payloads import good, stream_types
from ..verdicts import KEPT, KEPT_LENGTH, Verdict

NAME = "8f2c"


@pytest.mark.parametrize("event_type", schemas.payload_types())
def test_it_is_the_verdict_on_the_whole(event_type):
    """Of good and bad values at every place; also when it is asked again."""
    key = f"{stream_types(event_type)[0]}:{NAME}"
    values = schema_values.distinct(
        [
            good(event_type, key),
            *schema_values.directed(event_type, NAME),
            *schema_values.mixed(random.Random(event_type), event_type, NAME, 50),
        ]
    )
    for value in values:
        want = not schemas.data_problems(event_type, key, value)
        for _ in range(2):
            assert schemas.is_good_data(event_type, key, value) is want, value


@pytest.mark.parametrize(
    "schema,fine,bad",
    [
        ({"type": "integer"}, 1, True),
        ({"type": "integer"}, 1.0, 1.5),
        ({"type": "boolean"}, False, 0),
        ({"type": "object"}, {}, []),
        ({"type": "string"}, "type", {"type": None}),
        ({"required": ["a"]}, {"a": 1}, {"b": 1}),
        ({"required": ["a"]}, "no object", {}),
        ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"b": 1}, {"c": 1}),
        ({"anyOf": [{"required": ["a"]}, {"type": "string"}]}, "s", {"c": 1}),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"a": 1}, {"b": 1}),
        ({"properties": {"a": {"type": "null"}}}, {"a": None}, {"a": 1}),
        ({"additionalProperties": {"type": "null"}}, {"b": None}, {"b": 1}),
        ({"items": {"maximum": 2}, "maxItems": 2}, [1, 2], [1, 3]),
        ({"items": {"maximum": 2}, "maxItems": 2}, [1, 2], [1, 2, 2]),
        ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, 2, 3),
        ({"allOf": [{"minimum": 1}], "maximum": 2}, 2, 0),
        ({"allOf": [{"minProperties": 2}], "required": ["b"]}, {"a": 1, "b": 2}, {"b": 1}),
        ({"enum": [[1], None]}, [1], [2]),
        ({"x-less": [["a", "b"]]}, {"a": 1, "b": 2}, {"a": 2, "b": 2}),
    ],
)  # fmt: skip
def test_what_is_kept_of_one_value_is_no_verdict_on_another(schema, fine, bad):
    """Whichever came first, and however often."""
    assert schemas.compiled(schema).is_valid(fine) and not schemas.compiled(schema).is_valid(bad)
    of = Verdict(schema, schemas.compiled)
    for value in (fine, bad, bad, fine, fine, bad):
        assert of.good(value) is (value is fine), value


def test_it_keeps_no_more_than_it_says():
    """Neither of many values nor of long ones."""
    of = Verdict({"type": "string"}, schemas.compiled)
    assert all(of.good(str(n)) for n in range(3 * KEPT))
    assert of.good("a" * (KEPT_LENGTH + 1)) and not of.good(1)
    assert len(of._known) <= KEPT and max(len(text) for _, text in of._known) <= KEPT_LENGTH
