"""The judge of frames: it knows good ones, and what is wrong with bad ones."""

import json
import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from .. import sse
from ..clients import Follower
from ..frames import Collector, problem
from ..net import deadline
from ..payloads import good
from ..retold import Retold, note_answer, note_rows, note_text
from ..schemas import SCHEMAS, validator
from ..sluice import REPO

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


# --- frames that others have read --------------------------------------------------------


@pytest.fixture(name="noted")
def _noted(monkeypatch):
    """Where the frames of one test are noted; they are not this test's own."""
    collector = Collector()
    monkeypatch.setattr(sse, "collector", collector)
    return collector


def parts(frame):
    """(event, id, data) of a frame."""
    rows = dict(line.split(": ", 1) for line in frame.decode().split("\n"))
    return rows["event"], rows.get("id", ""), rows["data"]


OPEN = block(
    "stream.open",
    {
        "stream_keys": ["job:8f2c"],
        "epoch": "65f1a2b3",
        "tip": "65f1a2b3-40",
        "oldest": "65f1a2b3-1",
        "heartbeat_ms": 15000,
        "idle_timeout_ms": 0,
        "retry_ms": 3000,
        "connection_id": "100000001",
    },
)
GOOD_ROWS = [
    [parts(OPEN), parts(event()), (*parts(OPEN)[:1], "65f1a2b3-41", parts(OPEN)[2])],
    [parts(frame) for frame in GOOD if frame.startswith(b"event")],
    [("message", "", ""), parts(OPEN), ("", "", ""), parts(event())],
]
BAD_ROWS = [
    ([parts(frame) for frame, _ in BAD[-1:]], "no bookmark"),
    ([parts(event(id="65f1a2b3-42"))], "not its id"),
    ([parts(OPEN), (parts(OPEN)[0], "65f1a2b3-41", parts(OPEN)[2])], "no bookmark"),
    ([parts(event()), ("job.state_changed", "65f1a2b3-41", '{"id":"65f1a2b3-42"}')], "$"),
    ([("job.state_changed", "65f1a2b3-41", "two\nlines")], "no frame"),
    ([("a\nb", "", "{}")], "no frame"),
    ([("message", "", "{}")], "no such control frame|stream-event"),
    ([("", "", "{}")], "no frame"),
    ([("heartbeat", "", "")], "no frame"),
]


@pytest.mark.parametrize("rows", GOOD_ROWS)
def test_good_frames_are_good_in_the_parts_that_a_client_hands_over(noted, rows):
    """An EventSource tells the last id with each frame, whether it stood there or not."""
    note_rows(rows)
    assert len(noted.blocks) == len({row for row in rows if row[2]})
    noted.judge()


@pytest.mark.parametrize("rows,what", BAD_ROWS)
def test_bad_frames_are_bad_in_the_parts_that_a_client_hands_over(noted, rows, what):
    """Also those whose id the client has not just had."""
    note_rows(rows)
    with pytest.raises(AssertionError, match=what.replace("$", "[$]")):
        noted.judge()


def test_of_a_connection_that_was_not_the_first_the_last_id_is_not_known(noted):
    """It may have come on the one before."""
    Retold(last=None).note(parts(OPEN)[0], "65f1a2b3-41", parts(OPEN)[2])
    noted.judge()
    Retold().note(parts(OPEN)[0], "65f1a2b3-41", parts(OPEN)[2])
    with pytest.raises(AssertionError, match="no bookmark"):
        noted.judge()


def test_what_curl_prints_and_the_bytes_of_an_answer_are_judged(noted):
    """But for a frame that is not whole."""
    frames = [GOOD[0], OPEN, event(), BAD[-1][0]]
    text = b"".join(frame + b"\n\n" for frame in frames).decode()
    chunks = b"".join(b"%x\r\n%s\n\n\r\n" % (len(frame) + 2, frame) for frame in frames)
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    for note, said in ((note_text, text), (note_answer, answer)):
        note(said)
        assert [found[0] for found in noted.blocks] == frames
        with pytest.raises(AssertionError, match="no bookmark"):
            noted.judge()
        note(said[: said.rindex(said[-2:])])
        assert [found[0] for found in noted.blocks] == frames[:3]
        noted.judge()


def test_what_a_follower_wrote_is_judged_when_it_is_stopped(noted, tmp_path):
    """Also what the test has not looked at."""
    (tmp_path / "node.out").write_text(json.dumps(parts(BAD[-1][0])) + "\n")
    Follower("node", "http://127.0.0.1:1", tmp_path).stop()
    with pytest.raises(AssertionError, match="no bookmark"):
        noted.judge()


# --- when they are judged ----------------------------------------------------------------

PARTS = """
import pytest
from tests.bed import sse

def get(name):
    sse.note([name.encode()])

@pytest.fixture(scope="module", autouse=True)
def module():
    get("module setup")
    yield
    get("module teardown")

@pytest.fixture
def mine(request):
    get(request.node.name + " setup")
    yield
    get(request.node.name + " teardown")

def test_whose_module_begins():
    pass

def test_itself():
    get("call")

def test_fixture(mine):
    pass

def test_that_fails():
    get("of the failed")
    assert 1 == 2, "its own reason"

def test_good():
    sse.note([b": comment"])

def test_last():
    pass
"""


def test_a_bad_frame_is_told_of_the_part_that_got_it(tmp_path):
    """Fixtures of the first test, of any, of the last; a failed test has its own reason."""
    (tmp_path / "test_it.py").write_text(PARTS)
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={REPO}"]
    words += ["-c", f"{REPO}/pyproject.toml", f"--junitxml={tmp_path}/it.xml", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=REPO, capture_output=True, text=True, timeout=deadline(60), check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    told = [
        (case.get("name").removeprefix("test_"), found.get("message"))
        for case in ElementTree.parse(tmp_path / "it.xml").iter("testcase")
        for found in case
    ]
    wanted = [
        ("whose_module_begins", 'setup with "', "module setup"),
        ("itself", "", "call"),
        ("fixture", 'setup with "', "test_fixture setup"),
        ("fixture", 'teardown with "', "test_fixture teardown"),
        ("that_fails", "", None),
        ("last", 'teardown with "', "module teardown"),
    ]
    assert [name for name, _ in told] == [name for name, _, _ in wanted], told
    for (_, message), (_, part, frame) in zip(told, wanted, strict=True):
        assert part in message and (frame or "its own reason") in message
        assert (": it is no frame of the contract" in message) == (frame is not None)
