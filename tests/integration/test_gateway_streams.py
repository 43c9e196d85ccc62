"""Streams of sluice-gateway: the answer, snapshots, heartbeats, ends, limits."""

import itertools
import os
import signal
import time

import pytest

from tests.bed.net import wait_until
from tests.bed.sluice import Sluice
from tests.bed.sse import Stream, pump_all
from tests.bed.stillness import Stillness

from .in_time import assert_in_time
from .numbered import events, numbers, publish, wait_kept
from .test_gateway import IN_TIME
from .test_history import wait_stored

BEAT = {"heartbeat_interval": "500ms"}
RARE = {"heartbeat_interval": "10m"}
FAST = {"streams": {"default": BEAT}}


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    # What is told of `notifications` is not told because it was time for it.
    with Sluice({"streams": {"default": BEAT, "notifications": RARE}}) as running:
        yield running


@pytest.mark.parametrize("in_time", IN_TIME)
def test_the_answer_begins_as_the_contract_says(sluice, in_time):
    with sluice.stream("job:begin") as stream:
        opened = stream.wait_open()
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "no-cache, no-store, no-transform"
        assert stream.headers["x-accel-buffering"] == "no"
        assert 2400 <= int(stream.frames[0].retry) <= 3600
        assert opened["stream_keys"] == ["job:begin"] and opened["heartbeat_ms"] == 500
    # An empty set is followed at once by a heartbeat whose id is S.
    with sluice.stream("notifications:begin") as stream:
        assert stream.wait_open()["heartbeat_ms"] == 600_000
        beat = stream.read_until(lambda s: s.named("heartbeat"), 20, "heartbeat")[0]
        assert beat.id
        assert not in_time or beat.at - stream.named("stream.open")[0].at < 0.4


def test_a_snapshot_stands_for_what_was_and_live_goes_on_after_it(sluice):
    for n in range(3):
        sluice.publish(
            [
                {
                    "stream_key": "cluster:snap",
                    "event_type": "cluster.health",
                    "data": {
                        "cluster_id": "snap",
                        "name": "snap",
                        "status": "connected",
                        "reachable": True,
                        "checked_at": "2026-01-01T00:00:00Z",
                        "n": n,
                    },
                }
            ]
        )
    wait_kept(sluice, "cluster:snap")
    with sluice.stream("cluster:snap", "cluster:none") as stream:
        sets = stream.read_until(lambda s: s.named("snapshot"), 20, "snapshot")
        assert [(f.json["i"], f.json["n"], f.json["data"]["n"]) for f in sets] == [(1, 1, 2)]
        assert sets[0].id == sets[0].json["as_of"]
        publish(sluice, "cluster:snap", 3, 4, event_type="x.n")
        assert [e["seq"] for e in stream.wait_events(1)] == [4]


def test_only_the_last_frame_of_a_snapshot_has_an_id(sluice):
    for n in range(5):
        publish(sluice, f"job:set/{n}", 0, 1, event_type="job.state_changed")
    wait_kept(sluice, "job:set/*")
    with sluice.stream("job:set/*") as stream:
        stream.read_until(lambda s: s.last_id(), 20, "the last frame")
        sets = stream.named("snapshot")
    assert [f.json["i"] for f in sets] == [1, 2, 3, 4, 5]
    assert [bool(f.id) for f in sets] == [False] * 4 + [True]


def test_types_choose_events_and_snapshot_frames(sluice):
    publish(sluice, "job:types", 0, 1, event_type="job.state_changed")
    publish(sluice, "job:types", 1, 2, event_type="job.progress")
    wait_kept(sluice, "job:types")
    with sluice.stream("job:types", types="job.progress") as stream:
        sets = stream.read_until(lambda s: s.named("snapshot"), 20, "snapshot")
        assert [f.json["event_type"] for f in sets] == ["job.progress"]
        publish(sluice, "job:types", 5, 6, event_type="job.state_changed")
        publish(sluice, "job:types", 3, 4, event_type="job.progress")
        stream.wait_events(1)
        assert numbers(stream) == [3]


@pytest.mark.parametrize("path", ["jobs", "runs", "pack-runs"])
def test_a_single_stream_path_is_the_same_for_one_stream(sluice, path):
    key = f"{path[:-1]}:single"
    with Stream(sluice.port, f"/api/v1/orchestrator/stream/{path}/single") as stream:
        assert stream.wait_joined()["stream_keys"] == [key]
        publish(sluice, key, 0, 2)
        stream.wait_events(2)


@pytest.mark.parametrize("name", ["*", "a%2F*", "a%20b", "-a"])
def test_a_single_stream_path_opens_no_prefix(sluice, name):
    status, _, answer = sluice.request("GET", f"/api/v1/orchestrator/stream/jobs/{name}")
    assert (status, answer["code"]) == (400, "invalid_id")


@pytest.mark.slow
@pytest.mark.parametrize("in_time", IN_TIME)
def test_heartbeats_keep_their_interval_and_their_id_resumes_exactly(sluice, in_time):
    key = f"job:beat-{in_time:d}"
    asked = time.monotonic()
    with sluice.stream(key, snapshot=0) as stream, Stillness(sluice.directory) as still:
        stream.wait_open()
        begin = time.monotonic()
        # Eight to ten in five seconds.
        stream.read_until(lambda s: len(s.named("heartbeat")) >= 8, 20, "eight")
        assert not in_time or still.ran(begin, time.monotonic()) <= 5
        stream.read_until(lambda s: len(s.named("heartbeat")) >= 11, 20, "the eleventh")
        assert time.monotonic() - asked > 5
        beats = stream.named("heartbeat")
        assert [b.json["n"] for b in beats] == list(range(1, len(beats) + 1))
        cursor = beats[-1].id
    publish(sluice, key, 0, 3)
    with sluice.stream(key, last_event_id=cursor) as stream:
        stream.wait_events(3)
        assert numbers(stream) == [0, 1, 2] and not stream.named("stream.gap", "snapshot")


def test_comment_heartbeats_are_comments_with_an_id(sluice):
    with sluice.stream("job:beat2", snapshot=0, heartbeat="comment") as stream:
        stream.wait_open()
        found = stream.read_until(lambda s: [f for f in s.frames if f.id], 20, "a bookmark")
        assert found[0].event is None and found[0].data == ""


@pytest.mark.slow
@pytest.mark.parametrize("in_time", IN_TIME)
def test_an_idle_stream_ends_cleanly_and_an_event_postpones_it(sluice, in_time):
    rounds = itertools.count()

    def postponed():
        """Seconds from an event to the end; too many where the end came first."""
        n = next(rounds)
        with sluice.stream("job:idle", timeout="4s") as stream:
            stream.wait_joined()
            # Two seconds are left for it to be told.
            pump_all([stream], 2)
            begin = time.monotonic()
            publish(sluice, "job:idle", n, n + 1)
            wait_until(lambda: stream.pump() or stream.ended, 20, "the end")
            ended = time.monotonic() - begin
            assert stream.ended == "clean"
            last = stream.frames[-1]
            assert last.event == "stream.closing" and last.json["reason"] == "idle_timeout"
            assert last.id == last.json["last_id"]
            # From when it was told of the event on.
            assert not stream.events() or ended >= 3.9
            return ended if stream.events() else 99

    assert_in_time(sluice.directory, postponed, 4.8 if in_time else 98)


# --- ends and neighbours -----------------------------------------------------------------


@pytest.mark.parametrize("in_time", IN_TIME)
def test_sigterm_says_closing_and_cuts_without_the_last_chunk(in_time):
    with Sluice(FAST) as sluice:
        streams = [sluice.stream(f"job:{n}") for n in range(20)]
        for stream in streams:
            stream.wait_joined()
        begin = time.monotonic()
        sluice.process._child.send_signal(signal.SIGTERM)
        for stream in streams:
            stream.read_until(lambda s: s.named("stream.closing"), 10, "closing")
            wait_until(lambda s=stream: s.pump() or s.ended, 10, "the end")
            assert stream.ended == "cut"
            assert stream.frames[-1].json["reason"] == "shutdown" and stream.frames[-1].id
            stream.close()
        assert sluice.stop() == 0
        # A tenth of a second mostly: there is room for a machine that stands still.
        assert not in_time or time.monotonic() - begin < 6


def test_two_gateways_share_the_clients_and_say_the_same():
    with Sluice(FAST, gateways=2) as sluice:
        streams = [sluice.stream("job:two", snapshot=0) for _ in range(200)]
        ids = [int(s.wait_open()["connection_id"], 16) >> 32 for s in streams]
        counts = [ids.count(i) for i in set(ids)]
        assert len(counts) == 2 and min(counts) >= 60
        publish(sluice, "job:two", 0, 50)
        seen = set()
        for stream in streams:
            stream.wait_events(50, 30)
            seen.add(tuple((f.id, f.data) for f in stream.frames if f.event == "x.n"))
            stream.close()
        assert len(seen) == 1


@pytest.mark.slow
def test_without_the_store_streams_are_live_without_ids_until_it_is_back():
    conf = {**FAST, "supervise": {"hang_timeout": "60s"}}
    with Sluice(conf) as sluice:
        publish(sluice, "job:blind", 0, 3, event_type="job.state_changed")
        pid = sluice.kill("store", signal.SIGSTOP)
        try:
            with sluice.stream("job:blind") as stream:
                opened = stream.wait_open()
                assert opened["tip"].endswith("-3")
                error = stream.read_until(lambda s: s.named("stream.error"), 20, "stream.error")
                assert error[0].json["code"] == "snapshot_unavailable"
                assert error[0].json["retrying"] is True
                publish(sluice, "job:blind", 3, 6, event_type="job.progress")
                stream.wait_events(3)
                assert stream.last_id() is None
                os.kill(pid, signal.SIGCONT)
                sets = stream.read_until(lambda s: s.named("snapshot"), 20, "the snapshot")
                # The progress events were sent already: only the state is left.
                assert [f.json["event_type"] for f in sets] == ["job.state_changed"]
                assert sets[-1].json["i"] == sets[-1].json["n"] == 1
                assert sets[-1].id.endswith("-6")
                publish(sluice, "job:blind", 6, 7, event_type="job.progress")
                stream.wait_events(4)
                assert numbers(stream) == [3, 4, 5, 6]
                assert stream.frames[-1].id
        finally:
            os.kill(pid, signal.SIGCONT)


def test_must_exist_is_answered_by_what_the_store_keeps():
    conf = {**FAST, "gateway": {"ring": "1MiB"}, "supervise": {"hang_timeout": "60s"}}
    with Sluice(conf) as sluice:

        def opens(path):
            with Stream(sluice.port, path) as stream:
                stream.read_until(lambda s: s.status, 10, "an answer")
                return stream.status

        def absent(path):
            """Whether what is nowhere is answered 404: a stream opens if the store is late."""
            with Stillness(sluice.directory) as still:
                for _ in range(5):
                    begin = time.monotonic()
                    status = opens(path)
                    end = time.monotonic()
                    # Once more where this machine stood still.
                    if status == 404 or end - begin < 1.4 or not still.stood(begin, end):
                        break
            return status == 404

        path = "/api/v1/streams?must_exist=1&stream=job:"
        assert absent(path + "old")
        publish(sluice, "job:old", 0, 1, event_type="job.state_changed")
        publish(sluice, "job:noise", 0, 300, size=10_000)
        assert sluice.request("GET", "/api/v1/status")[2]["gateway"]["ring"]["oldest"] > 1
        assert opens(path + "old") == opens(path + "noise") == opens(path + "never/*") == 200
        assert opens(path + "never&stream=job:old") == 200
        wait_until(lambda: opens(path + "never") == 404, 20, "404 when the store has it all")
        single = "/api/v1/orchestrator/stream/jobs/{}?must_exist=1"
        assert opens(single.format("old")) == 200
        assert absent(single.format("never"))
        pid = sluice.kill("store", signal.SIGSTOP)
        try:
            # One leaves while the question is under way; a stream never gets 503.
            Stream(sluice.port, path + "never").close()
            assert opens(path + "never") == opens(single.format("never")) == 200
        finally:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.slow
def test_a_snapshot_over_the_limit_is_told_once_and_not_asked_for_again():
    # All of it stays in the journal, so that a store that is behind loses nothing.
    with Sluice({**FAST, "journal": {"size": "128MiB"}}) as sluice:
        for at in range(0, 1500, 20):
            keys = [f"job:big/{n}" for n in range(at, at + 20)]
            sluice.publish([events(k, 0, 1, 46_000, "job.state_changed")[0] for k in keys])
        # The store has the rest when it has the last one: before that, its answer is small.
        last = sluice.publish(events("job:last", 0, 1, event_type="job.state_changed"))["last_id"]
        wait_stored(sluice, "job:last", last, 60)

        def in_vain():
            line = "sluice_gateway_snapshot_failures_total "
            text = sluice.request("GET", "/metrics")[2]
            return int(next(x for x in text.splitlines() if x.startswith(line)).split()[1])

        def refused(stream):
            return [e.json for e in stream.named("stream.error") if not e.json["retrying"]]

        with sluice.stream("job:big/*") as stream:
            stream.read_until(refused, 60, "the refusal")
            asked = in_vain()
            publish(sluice, "job:big/1", 1, 2)
            stream.wait_events(1)
            assert stream.frames[-1].id == stream.last_id() is not None
            stream.read_until(lambda s: len(s.named("heartbeat")) > 4, 10, "heartbeats")
            (error,) = refused(stream)
            assert error["code"] == "snapshot_unavailable"
            assert "64 MiB" in error["message"] and "narrower" in error["message"]
            assert not stream.named("snapshot") and in_vain() == asked


@pytest.mark.slow
def test_streams_outlive_the_broker_and_go_on_without_a_hole():
    with Sluice(FAST) as sluice, sluice.stream("job:kill") as stream:
        stream.wait_joined()
        for round_ in range(3):
            publish(sluice, "job:kill", round_ * 100, round_ * 100 + 100)
            pid = sluice.kill("broker")
            sluice.wait_restarted("broker", pid)
        publish(sluice, "job:kill", 300, 310)
        stream.wait_events(310)
        assert numbers(stream) == list(range(310))
        assert stream.ended is None and not stream.named("stream.gap")
        assert [e["seq"] for e in stream.events()] == list(range(1, 311))


def test_a_killed_gateway_resets_its_streams_and_the_clients_resume():
    with Sluice(FAST) as sluice:
        with sluice.stream("job:gone", snapshot=0) as stream:
            stream.wait_open()
            publish(sluice, "job:gone", 0, 10)
            stream.wait_events(10)
            pid = sluice.kill("gateway/0")
            wait_until(lambda: stream.pump() or stream.ended, 20, "the end")
            assert stream.ended == "cut"
            cursor = stream.last_id()
        sluice.wait_restarted("gateway/0", pid)
        publish(sluice, "job:gone", 10, 20)
        with sluice.stream("job:gone", last_event_id=cursor) as stream:
            stream.wait_events(10)
            assert numbers(stream) == list(range(10, 20))


# --- limits ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_reader_that_takes_nothing_is_closed_and_its_place_is_free_again():
    conf = {"streams": {"default": BEAT, "job": {**BEAT, "write_stall_timeout": "2s"}}}
    with Sluice(conf) as sluice:

        def streaming():
            text = sluice.request("GET", "/metrics")[2]
            return int(text.split('connections{state="streaming"} ')[1].split()[0])

        # One of several types has the default's 30 s: it may be scheduled late.
        both = ("job:stall", "run:none")
        with sluice.stream(*both, snapshot=0) as fast, sluice.stream("job:stall") as stuck:
            fast.wait_open()
            stuck.hold_little()
            stuck.wait_open()
            for at in range(0, 12000, 500):
                publish(sluice, "job:stall", at, at + 500, size=1000)
                fast.pump()  # it reads while it is written to: only the other one stalls
            fast.wait_events(12000, 30)
            wait_until(lambda: streaming() == 1, 20, "the stalled reader to be closed")
            publish(sluice, "job:stall", 12000, 12010)
            fast.wait_events(12010)
            assert numbers(fast) == list(range(12010))
            assert 'closes_total{reason="write_stalled"} 1' in sluice.request("GET", "/metrics")[2]


def test_over_the_limit_a_stream_is_answered_200_and_told_overloaded():
    with Sluice({**FAST, "gateway": {"processes": 1, "max_connections": 8}}) as sluice:
        streams = [sluice.stream(f"job:{n}") for n in range(8)]
        for stream in streams:
            stream.wait_open()
        retries = [_refused_retry(sluice) for _ in range(12)]
        # Of 1201 values: less than eight come once in millions of times, one for all never.
        assert len(set(retries)) >= 8 and 2400 <= min(retries) <= max(retries) <= 3600, retries
        assert sluice.request("GET", "/api/v1/clusters")[0] == 429
        assert sluice.request("GET", "/healthz")[0] == 200
        streams.pop().close()
        again = wait_until(lambda: _try_open(sluice), 20, "a place")
        for stream in [*streams, again]:
            stream.pump()
            assert stream.ended is None
            stream.close()


def _refused_retry(sluice):
    """When who is one stream too many is told to come back, in ms."""
    with sluice.stream("job:more") as more:
        wait_until(lambda: more.pump() or more.ended, 20, "the end")
        assert (more.status, more.ended) == (200, "cut")
        closing = more.frames[-1].json
        assert (closing["reason"], closing["retry_ms"]) == ("overloaded", int(more.frames[0].retry))
        return closing["retry_ms"]


def _try_open(sluice):
    """A stream that was let in, or None."""
    stream = sluice.stream("job:again")
    wait_until(lambda: stream.pump() or stream.ended or len(stream.frames) > 1, 20, "an answer")
    if stream.named("stream.open"):
        return stream
    stream.close()
    return None
