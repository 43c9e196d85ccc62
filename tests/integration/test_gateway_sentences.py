"""Sentences of doc/contract.md, section 4, that no other test holds: what is asked, and told."""

import os
import re
import signal
import socket

import pytest

from tests.bed.net import DeadlineError, deadline, wait_until
from tests.bed.payloads import good
from tests.bed.retold import note_answer
from tests.bed.sluice import Sluice
from tests.bed.sse import Stream

from .numbered import events, numbers, publish, wait_kept
from .test_history import wait_stored

FAST = {
    "streams": {
        "default": {"heartbeat_interval": "500ms"},
        # What is told here is not told because it was time for it.
        "notifications": {"heartbeat_interval": "10m"},
    }
}
PATH = "/api/v1/streams?"


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice(FAST) as running:
        yield running


def position(event_id):
    """The place of an id in the one order."""
    return int(event_id.rpartition("-")[2])


# --- what is asked -----------------------------------------------------------------------


def test_64_keys_and_prefixes_are_one_connection_and_65_are_refused(sluice):
    keys = [f"job:many/{n}" for n in range(62)] + ["run:*", "resource:prod/*"]
    with sluice.stream(*keys, snapshot=0) as stream:
        assert sorted(stream.wait_open()["stream_keys"]) == sorted(keys)
        for key in ("job:many/61", "run:any", "resource:prod/pod/a/b", "job:many/0"):
            publish(sluice, key, 0, 1)
        publish(sluice, "job:other", 0, 1)
        publish(sluice, "resource:prodigy/pod/a/b", 0, 1)
        publish(sluice, "job:many/1", 1, 2)
        got = stream.wait_events(5)
        assert [e["stream_key"] for e in got] == [
            "job:many/61",
            "run:any",
            "resource:prod/pod/a/b",
            "job:many/0",
            "job:many/1",
        ]
    query = "&".join(f"stream=job:{n}" for n in range(65))
    status, _, answer = sluice.request("GET", PATH + query)
    assert (status, answer["code"]) == (400, "bad_request")


def test_a_key_named_twice_or_within_a_prefix_gives_each_event_once(sluice):
    with sluice.stream("job:twice", "job:twice", "job:*", snapshot=0) as stream:
        stream.wait_open()
        publish(sluice, "job:twice", 0, 20)
        stream.wait_events(20)
        publish(sluice, "job:twice", 20, 21)
        stream.wait_events(21)
        assert numbers(stream) == list(range(21))


@pytest.mark.parametrize(
    "query",
    [
        "stream=job:a&snapshot=2",
        "stream=job:a&strict=yes",
        "stream=job:a&must_exist=",
        "stream=job:a&heartbeat=none",
        "stream=job:a&types=Job.log",
        "stream=job:a&types=" + ",".join(f"x.t{n}" for n in range(33)),
        "stream=job:a&token=x",
        "types=x.n",
    ],
)
def test_a_parameter_that_says_nothing_known_is_refused(sluice, query):
    status, _, answer = sluice.request("GET", PATH + query)
    assert (status, answer["code"]) == (400, "bad_request")


CURSORS = [
    ("", {}, 200),
    ("last_event_id=now", {}, 200),
    ("lastEventId=now", {}, 200),
    ("lastEventId=now&last_event_id=now", {"Last-Event-ID": "now"}, 200),
    ("last_event_id=-1", {"Last-Event-ID": "-1"}, 200),
    # A browser that has no id yet sends an empty one.
    ("", {"Last-Event-ID": ""}, 200),
    ("last_event_id=now", {"Last-Event-ID": ""}, 200),
    ("last_event_id=now", {"Last-Event-ID": "-1"}, 400),
    ("lastEventId=00000001-1", {"Last-Event-ID": "00000001-2"}, 400),
    ("lastEventId=now&last_event_id=-1", {}, 400),
    ("last_event_id=0", {}, 400),
    ("last_event_id=NOW", {}, 400),
    ("last_event_id=-2", {}, 400),
    ("last_event_id=00000001-01", {}, 400),
    ("last_event_id=00000001-18446744073709551616", {}, 400),
    ("last_event_id=00000001-", {}, 400),
    ("last_event_id=1-1", {}, 400),
    ("last_event_id=00000001-1%20", {}, 400),
]


@pytest.mark.parametrize("query,headers,status", CURSORS)
def test_a_cursor_is_in_header_or_query_and_where_in_both_the_same(sluice, query, headers, status):
    with Stream(sluice.port, f"{PATH}stream=job:a&{query}".rstrip("&"), headers=headers) as stream:
        assert stream.read_until(lambda s: s.status, 10, "the answer") == status
        if status == 400:
            assert b"invalid_cursor" in stream._text


@pytest.mark.parametrize(
    "accept,status",
    [
        (None, 200),
        ("text/event-stream", 200),
        ("application/json, text/event-stream;q=0.5", 200),
        ("TEXT/*", 200),
        ("*/*", 200),
        ("application/json", 406),
        ("text/html", 406),
    ],
)
def test_accept_admits_the_stream_or_it_is_406(sluice, accept, status):
    line = f"Accept: {accept}\r\n" if accept else ""
    with socket.create_connection(("127.0.0.1", sluice.port), 10) as sock:
        sock.settimeout(deadline(10))
        request = f"GET {PATH}stream=job:a HTTP/1.1\r\nHost: localhost\r\n{line}\r\n"
        sock.sendall(request.encode())
        assert sock.recv(64).startswith(f"HTTP/1.1 {status} ".encode())


def test_http_1_0_is_told_what_its_proxy_must_be_told(sluice):
    with socket.create_connection(("127.0.0.1", sluice.port), 10) as sock:
        sock.settimeout(deadline(10))
        sock.sendall(f"GET {PATH}stream=job:a HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        answer = b""
        while piece := sock.recv(4096):
            answer += piece
        assert b" 505 " in answer.partition(b"\r\n")[0]
        assert b"proxy_http_version 1.1" in answer


# --- how it is told ----------------------------------------------------------------------


def test_the_bytes_of_frames_are_event_data_id_by_lf_each_frame_a_chunk(sluice):
    publish(sluice, "job:bytes", 0, 1, event_type="job.state_changed")
    wait_kept(sluice, "job:bytes")
    with socket.create_connection(("127.0.0.1", sluice.port), 10) as sock:
        sock.settimeout(deadline(10))
        sock.sendall(f"GET {PATH}stream=job:bytes HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        answer = b""
        for event in (b"event: snapshot", b"event: x.n"):
            while event not in answer or not answer.endswith(b"\n\n\r\n"):
                piece = sock.recv(65536)
                assert piece, f"the gateway closed behind {answer[-300:]!r}"
                answer += piece
            if event == b"event: snapshot":
                publish(sluice, "job:bytes", 1, 2)
    note_answer(answer)
    body = answer.partition(b"\r\n\r\n")[2]
    frames = []
    while body:
        size, _, body = body.partition(b"\r\n")
        frames.append(body[: int(size, 16)])
        assert body[int(size, 16) :].startswith(b"\r\n")
        body = body[int(size, 16) + 2 :]
    assert re.fullmatch(rb"retry: \d+\n\n", frames[0])
    assert re.fullmatch(rb"event: stream\.open\ndata: \{.*\}\n\n", frames[1])
    form = rb"event: [a-z][a-z0-9_.]*\ndata: (\{.*\})(\nid: [0-9a-f]{8}-\d+)?\n\n"
    for frame in frames[1:]:
        assert re.fullmatch(form, frame) and b"\r" not in frame
    # A store that is late is told of.
    beside = (b"event: heartbeat\n", b"event: stream.error\n")
    assert [f.partition(b"\n")[0] for f in frames[2:] if not f.startswith(beside)] == [
        b"event: snapshot",
        b"event: x.n",
    ]


def test_an_empty_set_is_followed_by_a_heartbeat_at_s_and_a_full_one_by_none(sluice):
    tip = sluice.publish(events("job:elsewhere", 0, 1))["last_id"]
    with sluice.stream("notifications:empty") as stream:
        beat = stream.read_until(lambda s: s.named("heartbeat"), 20, "a heartbeat")[0]
        # Where the store was late, it was said.
        names = [f.event for f in stream.frames[1:] if f.event != "stream.error"]
        assert names == ["stream.open", "heartbeat"]
        assert beat.id and position(beat.id) <= position(tip) and beat.json["n"] == 1


def test_the_kept_events_come_each_with_its_place_in_the_set(sluice):
    key = "pack-run:slots"
    kind = "pack_run."
    made = [
        (kind + "state_changed", "", {"state": "running"}),
        (kind + "step", "s1", {"step_id": "s1", "state": "running"}),
        (kind + "step", "s2", {"step_id": "s2", "state": "pending"}),
        (kind + "step", "s1", {"step_id": "s1", "state": "succeeded"}),
        (kind + "progress", "", {"percent": 10}),
        (kind + "progress", "", {"percent": 50}),
        (kind + "artifact", "", {"id": "a1", "name": "one"}),
        (kind + "artifact", "", {"id": "a2", "name": "two"}),
        (kind + "artifact", "", {"id": "a1", "name": "one again"}),
    ]
    made += [(kind + "log", "", {"line": str(n), "line_no": n}) for n in range(1, 121)]
    sluice.publish(
        [
            {
                "stream_key": key,
                "event_type": t,
                "data": good(t, key, **d),
                **({"subject": s} if s else {}),
            }
            for t, s, d in made
        ]
    )
    wait_kept(sluice, key)
    with sluice.stream(key) as stream:
        stream.wait_joined()
        kept = [f.json for f in stream.named("snapshot")]
    assert [k["i"] for k in kept] == list(range(1, len(kept) + 1))
    assert {k["n"] for k in kept} == {len(kept)} and len({k["as_of"] for k in kept}) == 1
    of = {}
    for one in kept:
        of.setdefault(one["event_type"], []).append(one)
    assert [k["data"]["state"] for k in of[kind + "state_changed"]] == ["running"]
    steps = {k["subject"]: k["data"]["state"] for k in of[kind + "step"]}
    assert steps == {"s1": "succeeded", "s2": "pending"} and len(of[kind + "step"]) == 2
    assert [k["data"]["percent"] for k in of[kind + "progress"]] == [50]
    assert sorted(k["data"]["name"] for k in of[kind + "artifact"]) == ["one again", "two"]
    # Of logs the last hundred, in their order.
    assert [k["data"]["line_no"] for k in of[kind + "log"]] == list(range(21, 121))
    assert kept[-1]["event_type"] == kind + "log"


def test_a_quiet_stream_s_cursor_does_not_age(sluice):
    with sluice.stream("job:quiet", snapshot=0) as stream:
        stream.read_until(lambda s: s.last_id(), 20, "a bookmark")
        tip = sluice.publish(events("job:busy", 0, 50))["last_id"]
        stream.read_until(lambda s: position(s.last_id()) >= position(tip), 20, "the tip")
        assert not stream.events()


def test_an_unknown_stream_waits_for_its_first_event(sluice):
    with Stream(sluice.port, "/api/v1/orchestrator/stream/runs/yet-to-come") as stream:
        stream.wait_joined()
        assert stream.status == 200
        publish(sluice, "run:yet-to-come", 0, 1)
        assert stream.wait_events(1)[0]["seq"] == 1


# --- losses ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_slow_reader_gets_the_gap_then_the_snapshot_at_its_end_then_what_is_after():
    # However long it takes to publish all that, while nobody reads.
    patient = {"heartbeat_interval": "500ms", "write_stall_timeout": "10m"}
    conf = {"streams": {"default": patient}, "gateway": {"ring": "1MiB", "processes": 1}}
    with Sluice(conf) as sluice:
        publish(sluice, "job:slow", 0, 1, event_type="job.state_changed")
        wait_kept(sluice, "job:slow")
        with sluice.stream("job:slow") as stream:
            stream.hold_little()
            stream.wait_joined()
            publish(sluice, "job:slow", 1, 16000, size=1000)
            (state,) = events("job:slow", 16000, 16001, event_type="job.state_changed")
            newest = sluice.publish([state])["last_id"]
            # Behind by more than 2 s the store would have the stream go on without a snapshot.
            wait_stored(sluice, "job:slow", newest, 60)
            stream.read_until(lambda s: s.named("stream.gap"), 30, "a gap")
            number = 16000

            def live():
                """It may have fallen behind again: what a second gap skips does not come."""
                nonlocal number
                number += 1
                publish(sluice, "job:slow", number, number + 1)
                return stream.read_until(lambda s: number in numbers(s), 2, "live again")

            wait_until(live, 30, "live again", ignore=(DeadlineError,))
        names = [f.event for f in stream.frames if f.event != "heartbeat"]
        at = names.index("stream.gap")
        frames = [f for f in stream.frames if f.event != "heartbeat"]
        gap, kept = frames[at].json, frames[at + 1]
        assert gap["reason"] == "slow_consumer" and kept.event == "snapshot"
        assert kept.id == kept.json["as_of"] == gap["to"]
        # Where the kernel takes much for who does not read, it was lost before the last was there.
        assert kept.json["data"]["n"] == (16000 if position(gap["to"]) >= position(newest) else 0)
        # Up to the gap without a hole, and nothing told twice or out of order.
        ids = [position(f.id) for f in frames if f.id]
        assert ids == sorted(set(ids))
        assert [f.id for f in frames[:at] if f.id][-1] == gap["from"]
        assert all(position(f.id) > position(gap["to"]) for f in frames[at + 2 :] if f.id)


def test_a_lost_cursor_without_snapshots_gets_the_gap_and_goes_on(sluice):
    ahead = sluice.publish(events("job:nosnap", 0, 1))["last_id"]
    epoch, _, number = ahead.partition("-")
    ahead = f"{epoch}-{int(number) + 100_000}"
    with sluice.stream("job:nosnap", last_event_id=ahead, snapshot=0) as stream:
        gap = stream.read_until(lambda s: s.named("stream.gap"), 20, "a gap")[0].json
        assert gap["from"] == ahead and gap["reason"] == "cursor_ahead"
        publish(sluice, "job:nosnap", 1, 2)
        assert numbers(stream) == [] or numbers(stream) == [1]
        stream.wait_events(1)
        assert numbers(stream) == [1] and not stream.named("snapshot")


@pytest.mark.slow
def test_a_store_that_is_away_delays_the_gap_s_snapshot_and_loses_nothing():
    with Sluice({**FAST, "supervise": {"hang_timeout": "60s"}}) as sluice:
        publish(sluice, "job:both", 0, 1, event_type="job.state_changed")
        wait_kept(sluice, "job:both")
        pid = sluice.kill("store", signal.SIGSTOP)
        try:
            with sluice.stream("job:both", last_event_id="00000001-1") as stream:
                gap = stream.read_until(lambda s: s.named("stream.gap"), 10, "a gap")[0].json
                assert gap["reason"] == "epoch_changed"
                publish(sluice, "job:both", 1, 3)
                stream.wait_events(2)
                assert stream.last_id() is None
                os.kill(pid, signal.SIGCONT)
                kept = stream.read_until(lambda s: s.named("snapshot"), 10, "the snapshot")
                assert kept[-1].id and kept[-1].json["data"]["n"] == 0
                publish(sluice, "job:both", 3, 4)
                wait_until(lambda: stream.pump() or 3 in numbers(stream), 10, "live")
                assert numbers(stream) == [1, 2, 3] and stream.frames[-1].id
        finally:
            os.kill(pid, signal.SIGCONT)
