"""Values made from a schema of schemas/: good ones, and each of its keywords broken in turn.

Directed, so that what a schema says is never missed by chance; and mixed at random from a seed.
"""

import copy
import functools
import json

from . import schemas

# In the place of a value: there is no such member.
GONE = object()
# What each pattern admits, and what it does not: a new pattern needs a row.
_PATTERNS = {
    "^[^\\r\\n]*$": (["a\tb\u0000", "\u2028 é 😀"], ["a\nb", "\r", "a\n"]),
    "^[!-~]+$": (["file:///a", "~!"], ["a b", "é", "a\n", "", "\x7f"]),
    "^sha256:[0-9a-f]{64}$": (
        ["sha256:" + "0a" * 32],
        ["sha256:" + "0A" * 32, "sha256:" + "0" * 63, "sha256:" + "0" * 65, "sha1:" + "0" * 64],
    ),
}
_TIMES = [
    "2026-02-28T23:59:59Z", "2024-02-29t00:00:60.123456789z", "1900-01-01T00:00:00+23:59",
    "2026-01-01T00:00:00.5-00:00", "2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z",
    "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
    "2026-01-00T00:00:00Z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00", "2026-01-01",
    "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+01:60",
    "2026-01-01T00:00:00+0100", "1899-12-31T23:59:59Z", "٢026-01-01T00:00:00Z",
    "2026-01-01T00:00:00Z\n", " 2026-01-01T00:00:00Z", "2026-1-1T00:00:00Z", "", "now",
]  # fmt: skip
# One of each type, and what is nearly another.
_ANY = [
    None, True, False, 0, 1, -1, 1.5, 2.0, -0.0, 1e300, 2**53, -(2**53), "", "x", "1", "\u0000",
    [], [None], {}, {"state": "running"},
]  # fmt: skip
_WORDS = ["cancelled", "error", "created", "succeeded\u0000", "running "]


def flat(schema):
    """A resolved schema with what its references brought as its own keywords."""
    made = {}
    parts = [flat(part) for part in schema.get("allOf", [])]
    for part in [*parts, {k: v for k, v in schema.items() if k != "allOf"}]:
        for key, value in part.items():
            if key == "properties":
                made.setdefault(key, {}).update({n: flat(s) for n, s in value.items()})
            elif key == "required":
                made[key] = [*made.get(key, []), *value]
            else:
                made[key] = flat(value) if key == "items" else value
    return made


@functools.cache
def schema_of(event_type):
    """The flat schema of the data of an event type."""
    return flat(schemas.validator(event_type).schema)


def a_good(schema):
    """One good value, with all that may be in it."""
    if "enum" in schema:
        return schema["enum"][-1]
    if "const" in schema:
        return schema["const"]
    if "pattern" in schema:
        return _PATTERNS[schema["pattern"]][0][0]
    if "format" in schema:
        return _TIMES[0]
    return {
        "string": lambda: "ö" * max(1, schema.get("minLength", 0)),
        "integer": lambda: max(1, schema.get("minimum", 0)),
        "number": lambda: max(1, schema.get("minimum", 0)),
        "boolean": lambda: True,
        "array": lambda: [a_good(schema["items"])],
        "object": lambda: {n: a_good(s) for n, s in schema.get("properties", {}).items()},
    }[schema["type"]]()


def _edges(schema):
    """Values at the bounds of one place, on both sides of them."""
    if "minimum" in schema:
        least = schema["minimum"]
        yield from (least, float(least), least - 1, least - 0.5, least + 0.5)
    if "maximum" in schema:
        most = schema["maximum"]
        yield from (most, float(most), most + 1, most + 1024, -most)
    for length in (schema.get("minLength", 0), schema.get("maxLength", 0)):
        if length > 0:
            yield from (
                c * n for c in "a\u00e9\U0001f600" for n in (length - 1, length, length + 1)
            )
    if "pattern" in schema:
        good, bad = _PATTERNS[schema["pattern"]]
        yield from (*good, *bad)
    if "format" in schema:
        yield from _TIMES
    for word in (*schema.get("enum", []), schema.get("const")):
        yield from (word, f"{word}".upper(), f"{word}x", f"{word}"[:-1])
    if "enum" in schema:
        yield from _WORDS


def candidates(schema):
    """Values for one place, good and bad."""
    yield a_good(schema)
    yield from _edges(schema)
    yield from _ANY


def places(schema, at=()):
    """[(path, schema)] of all places in a value."""
    yield at, schema
    for name, part in schema.get("properties", {}).items():
        yield from places(part, (*at, name))
    if "items" in schema:
        yield from places(schema["items"], (*at, 0))


def put(value, at, new):
    """A copy of VALUE with NEW at the path AT; without that member if NEW is GONE."""
    if not at:
        return new
    value = copy.deepcopy(value)
    inner = value
    for step in at[:-1]:
        inner = inner[step]
    if new is GONE:
        del inner[at[-1]]
    else:
        inner[at[-1]] = new
    return value


def _relations(schema):
    """What members must be to each other, kept and broken: {name: value} each."""
    for small, large in [*schema.get("x-less", []), *schema.get("x-at-most", [])]:
        for a, b in ((0, 1), (1, 1), (2, 1), (0.5, 1), (1e300, 1), ("2", 1), (2, None), (2, GONE)):
            yield {small: a, large: b}
    if "anyOf" in schema:
        names = [choice["required"][0] for choice in schema["anyOf"]]
        yield dict.fromkeys(names, GONE)
        yield from ({n: GONE for n in names if n != kept} for kept in names)


def whole(event_type, name):
    """Data of EVENT_TYPE with every member, for a stream of this NAME."""
    schema = schema_of(event_type)
    data = a_good(schema)
    if "x-key-name" in schema:
        data[schema["x-key-name"]] = name
    for small, large in schema.get("x-less", []):
        data[small], data[large] = 0, 3
    return data


def of_place(schema, full, at, part):
    """The data FULL with the place AT, whose schema is PART, as each of its candidates."""
    for new in candidates(part):
        yield put(full, at, new)
    for member in part.get("required", []):
        yield put(full, (*at, member), GONE)
    if at:
        return
    for members in _relations(schema):
        data = full
        for member, new in members.items():
            if new is not GONE or member in data:
                data = put(data, (member,), new)
        yield data
    if "x-key-name" in schema:
        member = schema["x-key-name"]
        for other in ("x", "\u0000"):
            yield put(full, (member,), full[member] + other)
        yield put(full, (member,), full[member][:-1])


def directed(event_type, name):
    """Data in which each place is each of its candidates, and each member is gone."""
    schema = schema_of(event_type)
    full = whole(event_type, name)
    yield full
    for at, part in places(schema):
        yield from of_place(schema, full, at, part)
        if at and isinstance(at[-1], str):
            yield put(full, at, GONE)
    yield put(full, ("other",), {"any": [1, None]})


def _mixed(rng, schema, full):
    """Some of the members, up to four places as something else."""
    data = {k: v for k, v in full.items() if k in schema.get("required", []) or rng.random() < 0.5}
    for _ in range(rng.randrange(5)):
        name = rng.choice([*schema["properties"], "other"])
        inside = list(places(schema["properties"].get(name, {}), (name,)))
        # What was put in its place may have nothing inside.
        at, part = rng.choice(inside if data.get(name) == full.get(name, GONE) else inside[:1])
        data = put(data, at, rng.choice(list(candidates(part)) if part else _ANY))
    return data


def mixed(rng, event_type, name, count):
    """COUNT data, made up at random."""
    schema = schema_of(event_type)
    full = whole(event_type, name)
    return [_mixed(rng, schema, full) for _ in range(count)]


def distinct(values):
    """Each different one once, in their order; 1, 1.0 and true are three."""
    return [json.loads(text) for text in dict.fromkeys(json.dumps(v) for v in values)]
