"""schemas/ as an independent validator (python jsonschema) applies them.

Beside JSON Schema's own keywords it knows the three that gateway/schema_rule.h adds, takes a
pattern as ECMA-262 does ($ is the end, not before a last newline), and judges format date-time.
"""

import datetime
import functools
import json
import os
import re

from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators

from .sluice import REPO
from .verdicts import Verdict

SCHEMAS = os.path.join(REPO, "schemas")
CONTROL = {"heartbeat", "snapshot"}
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:[Zz]|[+-](\d\d):(\d\d))",
    re.ASCII,
)


def read(name):
    """A schema as it stands."""
    with open(os.path.join(SCHEMAS, f"{name}.json"), encoding="utf-8") as file:
        return json.load(file)


def payload_types():
    """The event types that have a schema for their data."""
    names = [name.removesuffix(".json") for name in os.listdir(SCHEMAS)]
    return sorted(n for n in names if read(n)["title"] == f"data of {n}")


def is_control(name):
    """Whether frames of this name are the server's own, and no events."""
    return name in CONTROL or name.startswith("stream.")


def _whole(part):
    """A schema with what it refers to in its place: a reference costs more than all the rest."""
    if isinstance(part, list):
        return [_whole(value) for value in part]
    if not isinstance(part, dict):
        return part
    rest = {key: _whole(value) for key, value in part.items() if key != "$ref"}
    if "$ref" not in part:
        return rest
    name, _, path = part["$ref"].partition(".json")
    found = read(name)
    for step in path.removeprefix("#/").split("/") if path else ():
        found = found[step]
    return {**rest, "allOf": [_whole(found)]}


# --- keywords ------------------------------------------------------------------------------


@functools.cache
def _exact(pattern):
    return re.compile(re.sub(r"\$$", r"\\Z", pattern))


def _pattern(validator, pattern, instance, _schema):
    if validator.is_type(instance, "string") and not _exact(pattern).search(instance):
        yield ValidationError(f"{instance!r} does not match {pattern}")


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _pairs(is_good, words):
    def check(_validator, pairs, instance, _schema):
        for small, large in pairs if isinstance(instance, dict) else ():
            a, b = instance.get(small), instance.get(large)
            if _is_number(a) and _is_number(b) and not is_good(float(a), float(b)):
                yield ValidationError(f"{a} must be {words} {large}", path=[small])

    return check


_Validator = validators.extend(
    Draft202012Validator,
    {
        "pattern": _pattern,
        "x-less": _pairs(lambda a, b: a < b, "less than"),
        "x-at-most": _pairs(lambda a, b: a <= b, "at most"),
    },
)
_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("date-time")
def _is_time(value):
    """RFC 3339, of 1900 and later."""
    if not isinstance(value, str):
        return True
    found = _TIME.fullmatch(value)
    if not found or int(found[1]) < 1900 or int(found[6]) > 60:
        return False
    if int(found[7] or 0) > 23 or int(found[8] or 0) > 59:
        return False
    try:
        datetime.datetime(*map(int, found.groups()[:5]))
    except ValueError:
        return False
    return True


# --- questions -----------------------------------------------------------------------------


@functools.cache
def validator(name):
    """The compiled schema of this name ("stream.open"); None if there is none."""
    if not os.path.exists(os.path.join(SCHEMAS, f"{name}.json")):
        return None
    schema = read(name)
    Draft202012Validator.check_schema(schema)
    return compiled(_whole(schema))


def compiled(schema):
    """A validator of a schema whose references are resolved."""
    return _Validator(schema, format_checker=_FORMATS)


@functools.cache
def _verdict(name):
    return Verdict(validator(name).schema, compiled)


def is_good(name, value):
    """Whether the schema of this name has nothing to say against VALUE; the quick way to know."""
    return _verdict(name).good(value)


def _path(error):
    """Where an error is, as the gateway writes paths."""
    path = "data"
    for step in error.absolute_path:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    missing = re.match(r"'(.*)' is a required property", error.message)
    return f"{path}.{missing[1]}" if missing else path


def data_problems(event_type, key, data):
    """[(path, text)] of what is wrong with the DATA of an event of the stream KEY."""
    of = validator(event_type) if event_type in _payload_types() else None
    if of is None:
        known = event_type.startswith("x.")
        return [] if known else [("event_type", f"{event_type} has no schema")]
    return problems(of, key, data)


def problems(of, key, data):
    """The same, by this validator."""
    found = [(_path(error), error.message[:200]) for error in of.iter_errors(data)]
    if _is_misnamed(of.schema, key, data):
        found.append((f"data.{of.schema['x-key-name']}", "is not the name in stream_key"))
    return found


def _is_misnamed(schema, key, data):
    named = data.get(schema.get("x-key-name")) if isinstance(data, dict) else None
    return isinstance(named, str) and named != key.partition(":")[2]


def is_good_data(event_type, key, data):
    """Whether data_problems would find none."""
    if event_type not in _payload_types():
        return event_type.startswith("x.")
    schema = validator(event_type).schema
    return is_good(event_type, data) and not _is_misnamed(schema, key, data)


@functools.cache
def _payload_types():
    return frozenset(payload_types())
