"""The judge of frames: it knows good ones, and what is wrong with bad ones."""

import json
import os

import pytest

from ..frames import Collector, problem
from ..payloads import good
from ..schemas import SCHEMAS, validator

EVENT = {
    "id": "65f1a2b3-41",
    "seq": 3,
    "type": "job",
    "stream_key": "job:8f2c",
    "event_type": "job.state_changed",
    "timestamp": "2026-11-21T21:33:06.123Z",
    "source": "/worker/w-17",
    "version": 1,
    "data": good("job.state_changed", "job:8f2c"),
}
SNAPSHOT = {
    "stream_key": "job:8f2c",
    "event_type": "job.state_changed",
    "seq": 2,
    "as_of": "65f1a2b3-40",
    "data": good("job.state_changed", "job:8f2c"),
    "i": 1,
    "n": 1,
}
CLOSING = {"reason": "shutdown", "retry_ms": 3000}


def block(name, body, frame_id=None):
    """A frame as bytes."""
    tail = f"\nid: {frame_id}" if frame_id else ""
    return f"event: {name}\ndata: {json.dumps(body)}{tail}".encode()


def event(**more):
    """A stored event's frame, MORE laid upon the event."""
    return block("job.state_changed", {**EVENT, **more}, "65f1a2b3-41")


GOOD = [
    b"retry: 3000",
    b": heartbeat",
    b": heartbeat\nid: 65f1a2b3-40",
    event(),
    event(terminal=True, tenant="acme", subject="8f2c", idempotency_key="k"),
    block("job.state_changed", EVENT),
    block("snapshot", SNAPSHOT, "65f1a2b3-40"),
    block("snapshot", {**SNAPSHOT, "n": 2}),
    block("heartbeat", {"ts": EVENT["timestamp"], "tip": "-1", "n": 1}, "65f1a2b3-40"),
    block("stream.closing", CLOSING),
    block("stream.closing", {**CLOSING, "last_id": "65f1a2b3-40"}, "65f1a2b3-40"),
    block("stream.gap", {"from": "-1", "to": "65f1a2b3-40", "reason": "evicted"}),
]

BAD = [
    (b"hello", "no frame"),
    (b"data: {}", "no frame"),
    (b"id: 65f1a2b3-41\n" + block("job.state_changed", EVENT), "no frame"),
    (event() + b"\nid: 65f1a2b3-41", "no frame"),
    (event().replace(b"{", b"{\r", 1), "no frame"),
    (b"event: heartbeat\ndata: [1]", "no object"),
    (b"event: heartbeat\ndata: {", "no JSON"),
    (b'event: heartbeat\ndata: {"a":"\xff"}', "no JSON in UTF-8"),
    (event(data={"t": "\u2028"}).replace(b"\\u2028", "\u2028".encode()), "separator"),
    (event(data={"t": "a" * 60000}), "60"),
    (event(data=[]), "$.data"),
    (event(seq=0), "$.seq"),
    (event(id="65f1a2b3-041"), "$.id"),
    (event(id="65f1a2b3-42"), "not its id"),
    (event(event_type="job.progress"), "not its event_type"),
    (event(type="run"), "not its stream_key's"),
    (event(stream_key="job:*"), "$.stream_key"),
    (event(bogus=1), "bogus"),
    (event(data={**EVENT["data"], "state": "done"}), "data.state"),
    (event(data={**EVENT["data"], "job_id": "other"}), "data.job_id"),
    (block("snapshot", {**SNAPSHOT, "data": {}}, "65f1a2b3-40"), "data.job_id"),
    (block("job.bogus", {**EVENT, "event_type": "job.bogus"}), "has no schema"),
    (block("stream.bogus", {}), "no such control frame"),
    (event(timestamp="2026-11-21T21:33:06Z"), "$.timestamp"),
    (block("snapshot", SNAPSHOT), "has an id"),
    (block("snapshot", {**SNAPSHOT, "n": 2}, "65f1a2b3-40"), "has an id"),
    (block("snapshot", {**SNAPSHOT, "i": 3, "n": 2}), "one of its set"),
    (block("heartbeat", {"ts": EVENT["timestamp"], "tip": "0", "n": 1}), "$.tip"),
    (block("stream.closing", {**CLOSING, "reason": "tired"}), "$.reason"),
    (block("stream.closing", {**CLOSING, "last_id": "65f1a2b3-40"}), "last_id"),
    (
        block("stream.gap", {"from": "-1", "to": "65f1a2b3-4", "reason": "evicted"}, "65f1a2b3-4"),
        "no bookmark",
    ),
]


@pytest.mark.parametrize("frame", GOOD)
def test_a_good_frame_is_taken(frame):
    """Nothing is wrong with it."""
    assert problem(frame) is None


@pytest.mark.parametrize("frame,what", BAD)
def test_a_bad_frame_is_told_what_is_wrong(frame, what):
    """The problem names it."""
    assert what in problem(frame)


def test_a_cloud_event_is_judged_as_one():
    """By a schema of its own; as a native event it would be a bad one."""
    cloud = {
        "specversion": "1.0",
        "id": "65f1a2b3-41",
        "sequence": "3",
        "type": "x.n",
        "streamkey": "job:8f2c",
        "time": EVENT["timestamp"],
        "source": "/worker/w-17",
        "version": 1,
        "data": {},
    }
    frame = block("x.n", cloud, "65f1a2b3-41")
    assert problem(frame, cloud=True) is None
    assert problem(frame) is not None
    assert "$.sequence" in problem(block("x.n", {**cloud, "sequence": 3}), cloud=True)
    assert "not its type" in problem(block("x.m", cloud), cloud=True)
    assert problem(block("stream.closing", CLOSING), cloud=True) is None


def test_every_schema_is_one():
    """All of them compile, and refer only to what is there."""
    names = [name.removesuffix(".json") for name in os.listdir(SCHEMAS)]
    assert "stream-event" in names and "stream.open" in names
    for name in names:
        assert list(validator(name).iter_errors(1)) or name == "common"


def test_a_frame_is_judged_when_the_test_has_ended_and_once():
    """What was noted is judged, and forgotten."""
    collector = Collector()
    collector.note([GOOD[0], GOOD[0], BAD[0][0]])
    assert len(collector.blocks) == 2
    with pytest.raises(AssertionError, match="no frame"):
        collector.judge()
    collector.judge()


def test_of_very_many_frames_each_is_judged():
    """Wherever the bad one stands."""
    collector = Collector()
    for place in (0, 7_777, 9_999):
        frames = [b": %d" % n for n in range(10_000)]
        frames[place] = BAD[0][0]
        collector.note(frames)
        with pytest.raises(AssertionError, match="no frame"):
            collector.judge()


def test_what_python_alone_takes_for_json_is_none():
    """NaN."""
    assert "no JSON" in problem(b'event: heartbeat\ndata: {"n":NaN}')
