"""Payloads: what the gateway's validator says of data is what python jsonschema says of it."""

import copy
import json
import os
import random
import re
import subprocess

import pytest

from tests.bed import schema_values, schemas
from tests.bed.payloads import event_types, good, stream_types, table
from tests.bed.sluice import REPO, binary

SEED = int(os.environ.get("SLUICE_PAYLOAD_SEED", "1"))
MIXED = int(os.environ.get("SLUICE_PAYLOAD_COUNT", "300"))
NAME = "8f2c"
# Of a schema's keywords those that say nothing of values by themselves.
SILENT = {"$schema", "title", "description", "properties", "items"}


def verdicts(event_type, values):
    """[[[path, problem]...] or None] of the gateway's validator."""
    key = f"{(stream_types(event_type) or ['job'])[0]}:{NAME}"
    events = ({"event_type": event_type, "stream_key": key, "data": v} for v in values)
    lines = "".join(json.dumps(event) + "\n" for event in events)
    done = subprocess.run(
        [binary("tools/payload_verdicts")],
        input=lines, capture_output=True, check=True, text=True, timeout=60,
    )  # fmt: skip
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == len(values)
    return told


def paths(found):
    """The places of problems."""
    return sorted({path for path, _ in found})


def each(found):
    """The place of each problem."""
    return sorted(path for path, _ in found)


def test_every_event_type_of_the_contract_has_a_schema_and_no_other_has():
    named = {name for names in table().values() for name in names}
    assert sorted(named) == schemas.payload_types() == event_types()
    assert verdicts("x.own", [{}]) == [None]


def test_every_file_of_schemas_is_in_the_gateway_and_nothing_else():
    with open(os.path.join(REPO, "gateway", "schema_data.c"), encoding="utf-8") as file:
        embedded = re.findall(r'X\(\w+, "([^"]+)"\)', file.read())
    assert sorted(f"{name}.json" for name in embedded) == sorted(os.listdir(schemas.SCHEMAS))


@pytest.mark.parametrize("event_type", event_types())
def test_both_validators_find_the_same_places(event_type):
    rng = random.Random(f"{SEED}/{event_type}")
    key = f"{stream_types(event_type)[0]}:{NAME}"
    values = schema_values.distinct(
        [
            good(event_type, key),
            *schema_values.directed(event_type, NAME),
            *schema_values.mixed(rng, event_type, NAME, MIXED),
        ]
    )
    fine = 0
    for value, told in zip(values, verdicts(event_type, values), strict=True):
        want = schemas.data_problems(event_type, key, value)
        assert paths(told) == paths(want), (SEED, value, told, want)
        fine += not want
    assert fine >= 30 and len(values) - fine >= 30, (fine, len(values))


def weaker(schema, at):
    """[(what, SCHEMA without one of the keywords of the place AT)], lists word by word."""

    def part_of(whole):
        for step in at:
            whole = whole["items"] if step == 0 else whole["properties"][step]
        return whole

    for keyword, value in part_of(schema).items():
        if keyword in SILENT:
            continue
        for i in range(len(value) if isinstance(value, list) else 1):
            less = copy.deepcopy(schema)
            if isinstance(value, list):
                del part_of(less)[keyword][i]
            if not isinstance(value, list) or len(value) == 1:
                del part_of(less)[keyword]
            yield f"{'.'.join(map(str, at))} {keyword} {i}", less


@pytest.mark.parametrize("event_type", event_types())
def test_the_values_tell_a_schema_from_one_that_lacks_a_word_of_it(event_type):
    """So that the test above could fail at each."""
    key = f"{stream_types(event_type)[0]}:{NAME}"
    schema = schema_values.schema_of(event_type)
    full = schema_values.whole(event_type, NAME)
    whole = schemas.compiled(schema)
    for at, part in schema_values.places(schema):
        values = schema_values.distinct(schema_values.of_place(schema, full, at, part))
        told = [each(t) for t in verdicts(event_type, values)]
        # Ours tells of a value of another type nothing else.
        same = [
            (value, found)
            for value, found in zip(values, told, strict=True)
            if found == each(schemas.problems(whole, key, value))
        ]
        for what, less in weaker(schema, at):
            of = schemas.compiled(less)
            assert any(each(schemas.problems(of, key, value)) != found for value, found in same), (
                f"{event_type}: nothing needs {what}"
            )


def test_of_one_event_at_most_fifty_problems_are_told_and_that_there_are_more():
    data = good("job.state_changed", f"job:{NAME}", artifacts=[{}] * 100)
    (told,) = verdicts("job.state_changed", [data])
    assert len(told) == 51 and told[-1] == ["data", "has more problems than these"]
    assert paths(told[:3]) == [f"data.artifacts[0].{m}" for m in ("id", "name", "uri")]
