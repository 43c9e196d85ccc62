"""Every frame that any test receives, held against the contract's framing and JSON Schemas.

Readers (sse.Stream; of other clients retold.py) only note what they got: a test that measures, or
must keep up with a stream, is not held up. What differs is judged when the test, or a fixture's
part of it, has ended, once, by an independent validator.
"""

import json
import re

from . import schemas

DATA_LINE_MAX = 60_000

# Contract, section 4: event, data, id in that order, one line each, the id where there is one.
_EVENT = re.compile(
    rb"event: ([a-z][a-z0-9_.]{0,63})\n"
    rb"data: ([^\x00-\x1f\x7f]+)"
    rb"(?:\nid: ([0-9a-f]{8}-[0-9]{1,20}))?"
)
# What no event is: how long to wait before the next attempt, and heartbeats as comments.
_OTHER = re.compile(
    rb"(?:(?:retry: [0-9]{1,9}|:[^\x00-\x1f\x7f]*|id: [0-9a-f]{8}-[0-9]{1,20})(?:\n|$))+"
)
# Contract, section 3: a control frame with a bookmark.
_BOOKMARKS = {"heartbeat", "snapshot", "stream.closing"}


def _refuse(name):
    raise ValueError(f"{name} is no JSON")


# Python takes NaN and Infinity else.
_decode = json.JSONDecoder(parse_constant=_refuse).decode


def _against_schema(name, body):
    """What is wrong with a frame's data by the schema NAME, or None."""
    if schemas.is_good(name, body):
        return None
    for error in schemas.validator(name).iter_errors(body):
        return f"{name}.json: {error.json_path}: {error.message[:200]}"
    return None


def _of_payload(event_type, key, data):
    """What is wrong with the data of an event by the schema of its type, or None."""
    if schemas.is_good_data(event_type, key, data):
        return None
    for path, text in schemas.data_problems(event_type, key, data):
        return f"{event_type}.json: {path}: {text}"
    return None


def _of_event(kind, frame_id, body):
    """What is wrong with a stored event, or None."""
    if body.get("event_type") != kind:
        return "its event: line is not its event_type"
    if frame_id is not None and body.get("id") != frame_id:
        return "its id: line is not its id"
    key = body.get("stream_key", "")
    if body.get("type") != key.partition(":")[0]:
        return "its type is not its stream_key's"
    return _of_payload(kind, key, body["data"])


def _of_cloud_event(kind, frame_id, body):
    """What is wrong with an event told as a CloudEvent, or None."""
    if body.get("type") != kind:
        return "its event: line is not its type"
    if frame_id is not None and body.get("id") != frame_id:
        return "its id: line is not its id"
    return _of_payload(kind, body.get("streamkey", ""), body["data"])


def _of_control(kind, frame_id, body):
    """What is wrong with a control frame, or None."""
    if frame_id is not None and kind not in _BOOKMARKS:
        return "this control frame is no bookmark"
    if kind == "snapshot" and (frame_id is not None) != (body["i"] == body["n"]):
        return "the last frame of a set, and only it, has an id: line"
    if kind == "snapshot" and not 1 <= body["i"] <= body["n"]:
        return "it is not one of its set"
    if kind == "stream.closing" and body.get("last_id") != frame_id:
        return "its id: line is not its last_id"
    if kind == "snapshot":
        return _of_payload(body["event_type"], body["stream_key"], body["data"])
    return None


def _of_body(kind, frame_id, body, cloud):
    """What is wrong with the object that is a frame's data, or None."""
    if schemas.is_control(kind):
        if schemas.validator(kind) is None:
            return "there is no such control frame"
        return _against_schema(kind, body) or _of_control(kind, frame_id, body)
    if cloud:
        return _against_schema("cloud-event", body) or _of_cloud_event(kind, frame_id, body)
    return _against_schema("stream-event", body) or _of_event(kind, frame_id, body)


def _of_data(kind, frame_id, data, cloud):
    """What is wrong with an event's data line, or None."""
    if len(data) > DATA_LINE_MAX:
        return f"its data line has {len(data)} bytes"
    try:
        text = data.decode("utf-8")
        body = _decode(text)
    except ValueError as error:
        return f"its data is no JSON in UTF-8: {error}"
    if "\u2028" in text or "\u2029" in text:
        return "a line or paragraph separator is not escaped"
    if not isinstance(body, dict):
        return "its data is no object"
    return _of_body(kind, frame_id, body, cloud)


def problem(block, cloud=False):
    """What is wrong with one frame (bytes without the empty line), or None.

    CLOUD: of a stream that was asked for CloudEvents.
    """
    found = _EVENT.fullmatch(block)
    if found is None:
        return None if _OTHER.fullmatch(block) else "it is no frame of the contract"
    return _of_data(found[1].decode(), found[3] and found[3].decode(), found[2], cloud)


class Collector:
    """The frames of one test, each different one once."""

    def __init__(self):
        """None so far."""
        self.blocks = {}

    def note(self, blocks, cloud=False, or_else=None):
        """Frames that a reader got; OR_ELSE: as what a frame is good as well."""
        self.blocks.update(dict.fromkeys((block, cloud, or_else) for block in blocks))

    def forget(self):
        """None any more."""
        self.blocks = {}

    def judge(self):
        """AssertionError for the first frame that is not as it must be; forgets all."""
        blocks, self.blocks = self.blocks, {}
        for block, cloud, or_else in blocks:
            wrong = problem(block, cloud)
            if wrong is not None and or_else is not None:
                wrong = problem(or_else, cloud)
            assert wrong is None, f"a frame that breaks the contract: {wrong}\n{block[:2000]!r}"
