"""StreamOptions (doc/contract.md, section 6): each acts, and for its stream type alone."""

import time

import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.sluice import Sluice
from tests.bed.sse import pump_all

from .numbered import events, numbers, publish

# One type for each option; `job` has the defaults.
STREAMS = {
    "default": {"heartbeat_interval": "500ms"},
    "run": {"heartbeat_interval": "200ms", "heartbeat_form": "comment", "retry": "10s"},
    "build": {"idle_timeout": "1s"},
    "import": {"max_duration": "5s"},
    "pack-run": {"max_event": "1KiB"},
}


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice({"streams": STREAMS}) as running:
        yield running


def metric(sluice, name):
    """One figure of /metrics."""
    text = sluice.request("GET", "/metrics")[2]
    return int(text.split(f"\nsluice_gateway_{name} ")[1].split()[0])


def bookmarks(stream):
    """What kept the stream alive: frames with an id that are no events."""
    return [f for f in stream.frames if f.id]


def to_the_end(stream, timeout=15):
    """Reads until the stream ended; how it did."""
    wait_until(lambda: stream.pump() or stream.ended, timeout, "the end")
    return stream.ended


def test_heartbeat_interval_and_form_are_those_of_the_type(sluice):
    begin = time.monotonic()
    with sluice.stream("run:a", snapshot=0) as run, sluice.stream("job:a", snapshot=0) as job:
        assert run.wait_open()["heartbeat_ms"] == 200
        assert job.wait_open()["heartbeat_ms"] == 500
        run.read_until(lambda s: len(bookmarks(s)) >= 4, 10, "comments")
        beats = bookmarks(run)
        assert all(f.event is None and f.data == "" for f in beats)
        # Never earlier than the interval; they may be read later than they came.
        assert beats[3].at - begin >= 0.6
        assert job.read_until(lambda s: s.named("heartbeat"), 10, "an event")[0].json["n"] == 1


def test_who_asks_for_another_form_gets_it(sluice):
    with (
        sluice.stream("run:a", snapshot=0, heartbeat="event") as run,
        sluice.stream("job:a", snapshot=0, heartbeat="comment") as job,
    ):
        assert run.read_until(lambda s: s.named("heartbeat"), 10, "an event")
        assert job.read_until(bookmarks, 10, "a comment")[0].event is None


def test_idle_timeout_is_that_of_the_type_and_a_client_s_own_wins(sluice):
    with (
        sluice.stream("build:a") as short,
        sluice.stream("build:a", timeout="1h") as own,
        sluice.stream("job:a") as other,
    ):
        assert short.wait_open()["idle_timeout_ms"] == 1000
        assert own.wait_open()["idle_timeout_ms"] == 3_600_000
        assert other.wait_open()["idle_timeout_ms"] == 30 * 60_000
        assert to_the_end(short) == "clean"
        assert short.frames[-1].json["reason"] == "idle_timeout" and short.frames[-1].id
        for stream in (own, other):
            count = len(stream.frames)
            stream.read_until(lambda s, n=count: len(s.frames) > n, 10, "a heartbeat after that")
            assert stream.ended is None


@pytest.mark.parametrize("value,right", [("1s", 1000), ("1", 1000), ("24h", 86_400_000)])
def test_timeout_is_taken_from_a_second_to_a_day(sluice, value, right):
    with sluice.stream("job:a", timeout=value) as stream:
        assert stream.wait_open()["idle_timeout_ms"] == right


@pytest.mark.parametrize("value", ["999ms", "0", "24h1", "86401", "1d", "", "-1s", "1e3"])
def test_any_other_timeout_is_refused(sluice, value):
    status, _, answer = sluice.request("GET", f"/api/v1/streams?stream=job:a&timeout={value}")
    assert (status, answer["code"]) == (400, "bad_request")


@pytest.mark.slow
def test_max_duration_ends_streams_of_the_type_at_80_to_100_percent_of_it(sluice):
    begin = time.monotonic()
    with sluice.stream("job:a") as other:
        other.wait_open()
        streams, opened = [], []
        for _ in range(20):
            opened.append(time.monotonic())
            streams.append(sluice.stream("import:a"))
        while any(s.ended is None for s in streams) and time.monotonic() - begin < deadline(20):
            pump_all(streams, 0.1)
        for stream in streams:
            assert stream.ended == "clean"
            closing = stream.frames[-1]
            assert closing.json["reason"] == "max_duration"
            assert closing.id == closing.json["last_id"]
            stream.close()
        ages = [s.frames[-1].at - at for s, at in zip(streams, opened, strict=True)]
        # Not all at one time: no herd of clients that come back. Over the second in which they end
        # who reads them may stand still for a while.
        assert min(ages) >= 4 and max(ages) - min(ages) >= 0.05
        other.read_until(lambda s: s.named("heartbeat"), 10, "a heartbeat")
        other.pump()
        assert other.ended is None


def test_retry_is_that_of_the_type_give_or_take_a_fifth(sluice):
    told = []
    for _ in range(20):
        with sluice.stream("run:a") as stream:
            opened = stream.wait_open()
            told.append(int(stream.frames[0].retry))
            assert opened["retry_ms"] == told[-1]
    assert len(set(told)) > 5 and 8000 <= min(told) <= max(told) <= 12000


def test_max_event_is_that_of_the_type_for_each_event_of_a_request(sluice):
    def post(*many):
        return sluice.request("POST", "/api/v1/events", list(many))

    (small,) = events("pack-run:a", 0, 1, 500)
    (large,) = events("pack-run:a", 1, 2, 2000)
    (other,) = events("job:a", 2, 3, 2000)
    status, _, answer = post(small, large)
    assert (status, answer["code"]) == (413, "too_large")
    assert "event 1 " in answer["error"] and "streams.pack-run.max_event" in answer["error"]
    assert post(small, other)[0] == 202


def test_streams_of_several_types_have_the_options_of_default(sluice):
    for keys in (("run:a", "build:a"), ("build:a", "run:a"), ("build:*", "run:a", "build:b")):
        with sluice.stream(*keys) as stream:
            opened = stream.wait_open()
            assert (opened["heartbeat_ms"], opened["idle_timeout_ms"]) == (500, 1_800_000)
            assert 2400 <= opened["retry_ms"] <= 3600
    with sluice.stream("run:a", "run:b", "run:c/*") as stream:
        assert stream.wait_open()["heartbeat_ms"] == 200


@pytest.mark.slow
def test_on_overflow_and_write_stall_timeout_are_those_of_the_type():
    conf = {
        "gateway": {"ring": "1MiB"},
        "streams": {
            # However long it takes to publish all that, while nobody reads.
            "default": {
                "heartbeat_interval": "500ms",
                "on_overflow": "close",
                "write_stall_timeout": "10m",
            },
            "run": {"on_overflow": "gap"},
            "build": {"on_overflow": "journal"},
            "import": {"on_overflow": "journal", "write_stall_timeout": "1s"},
        },
    }
    with Sluice(conf) as sluice:
        keys = ["job:o", "run:o", "build:o", "import:o"]
        job, run, build, stuck = streams = [sluice.stream(key, snapshot=0) for key in keys]
        for stream in streams:
            stream.hold_little()
            stream.wait_open()
        # More than the kernel takes for clients that do not read, and than the ring has.
        for at in range(0, 16000, 400):
            sluice.publish([e for key in keys[:3] for e in events(key, at, at + 200, 1000)])
            sluice.publish([e for key in keys[:3] for e in events(key, at + 200, at + 400, 1000)])
        assert to_the_end(job) == "cut" and job.frames[-1].json["reason"] == "slow_consumer"
        gap = run.read_until(lambda s: s.named("stream.gap"), 30, "a gap")[0].json
        assert gap["reason"] == "slow_consumer"
        build.wait_events(16000, 60)
        assert numbers(build) == list(range(16000)) and not build.named("stream.gap")
        assert metric(sluice, 'closes_total{reason="write_stalled"}') == 0
        publish(sluice, "import:o", 0, 16000, size=1000)
        wait_until(
            lambda: metric(sluice, 'closes_total{reason="write_stalled"}') == 1, 20, "the cut"
        )
        assert to_the_end(stuck) == "cut"
        for stream in streams:
            stream.close()
