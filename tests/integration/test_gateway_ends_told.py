"""Each end is told once, and behind the last event, wherever a client stands by then."""

import os
import signal
import time

import pytest

from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

from .numbered import publish, wait_kept
from .test_gateway_ends import FAST, ends, line, state, status_of, to_the_end
from .test_history import wait_stored

# A heartbeat moves cursors: none comes in time to help.
QUIET = {"heartbeat_interval": "30s", "log_grace": "1s"}


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice({"streams": {"default": QUIET, "run": FAST}}) as running:
        yield running


def over(key, **more):
    """How a stream ends before its log does."""
    return state(key, "failed", logs_open=True, **more)


def keys_of(stream):
    """Whose ends were told, in that order."""
    return [e["stream_key"] for e in ends(stream)]


def _sips(stream):
    """Some more of what there is, but never all of it at once."""
    stream.sip(64 * 1024)


# --- behind the last event ---------------------------------------------------------------


def test_a_slow_client_gets_the_whole_of_an_open_log_before_the_end():
    conf = {"streams": {"default": {"log_grace": "60s"}}}
    gateway = {"ring": "4MiB", "processes": 1}
    key, count = "job:slow", 1200
    with Sluice({**conf, "gateway": gateway}) as sluice:
        first = sluice.publish([state(key, "running"), over(key)])["first_id"]
        pad = "x" * 8000
        for begin in range(1, count, 75):
            sluice.publish([line(key, n, pad=pad) for n in range(begin, min(begin + 75, count))])
        last = sluice.publish([line(key, count, last=True)])["last_id"]
        with sluice.stream(key, last_event_id=first) as stream:
            # Its socket is full when it has come from the journal to the ring and the broker is
            # asked, and 4 MiB are still to be sent.
            wait_until(lambda: _sips(stream) or stream.ended, 60, "the end")
            assert stream.ended == "clean"
            lines = [e["data"]["line_no"] for e in stream.events()[1:]]
            assert lines == list(range(1, count + 1))
            assert [e["last_id"] for e in ends(stream)] == [last] == [stream.last_id()]


def test_after_log_grace_who_resumes_is_told_behind_the_last_line(sluice):
    key = "job:resumed"
    ids = sluice.publish([over(key), line(key, 1), line(key, 2)])
    wait_until(lambda: status_of(sluice, key, cursor="now") == 204, 10, "its time of grace")
    for query in ({}, {"types": "job.state_changed"}, {"format": "cloudevents"}):
        with sluice.stream(key, last_event_id=ids["first_id"], **query) as stream:
            assert to_the_end(stream) == "clean"
            assert [e["last_id"] for e in ends(stream)] == [ids["last_id"]]
            assert len(stream.events()) == (0 if "types" in query else 2)


def test_after_log_grace_who_wants_no_lines_is_told_too(sluice):
    key = "job:no-lines"
    with sluice.stream(key, snapshot=0, types="job.state_changed") as stream:
        stream.wait_open()
        last = sluice.publish([over(key), line(key, 1), line(key, 2)])["last_id"]
        assert to_the_end(stream) == "clean"
        assert [e["last_id"] for e in ends(stream)] == [last]


# --- once --------------------------------------------------------------------------------


def test_selectors_that_overlap_are_told_once(sluice):
    key = "job:overlap/1"
    with sluice.stream(key, "job:overlap/*", snapshot=0) as stream:
        stream.wait_open()
        sluice.publish([over(key)])
        stream.read_until(ends, 10, "its end")
        sluice.publish([state("job:overlap/2", "running")])
        stream.wait_events(2)
        assert keys_of(stream) == [key]


# --- from the journal --------------------------------------------------------------------


@pytest.fixture(name="small", scope="module")
def _small():
    conf = {"streams": {"default": {**FAST, "log_grace": "1s"}}}
    with Sluice({**conf, "gateway": {"ring": "256KiB", "processes": 1}}) as running:
        yield running


def push_out(sluice, last):
    """Fills the ring with others' events until this one has left it."""
    publish(sluice, "workflow:noise", 0, 1500, size=500)

    def oldest():
        return sluice.request("GET", "/api/v1/status")[2]["gateway"]["ring"]["oldest"]

    wait_until(lambda: oldest() > int(last.partition("-")[2]), 10, "the ring has moved on")


def test_from_the_journal_the_end_of_an_open_log_is_told_on_any_connection(small):
    closed, grace, plain = keys = [f"job:multi/{n}" for n in ("closed", "grace", "plain")]
    events = [state(closed, "running"), over(closed), line(closed, 1, last=True)]
    events += [over(grace), line(grace, 1), state(plain, "failed")]
    ids = small.publish(events)
    push_out(small, ids["last_id"])
    wait_until(lambda: status_of(small, grace, cursor="now") == 204, 10, "its time of grace")
    with small.stream(*keys, last_event_id=ids["first_id"]) as stream:
        assert to_the_end(stream) == "clean"
        assert sorted(keys_of(stream)) == keys
        last = {e["stream_key"]: e["last_id"] for e in ends(stream)}
        assert last == {e["stream_key"]: e["id"] for e in stream.events()}
    with small.stream("job:multi/*", last_event_id=ids["first_id"]) as stream:
        stream.read_until(lambda s: len(ends(s)) == 3, 10, "three ends")
        assert sorted(keys_of(stream)) == keys


def test_from_the_journal_a_log_that_is_open_is_told_when_it_closes(small):
    key, other = "job:later/1", "job:later/2"
    ids = small.publish([state(key, "running"), over(key), state(other, "running")])
    push_out(small, ids["last_id"])
    with small.stream(key, other, last_event_id=ids["first_id"]) as stream:
        stream.read_until(ends, 10, "its end")
        assert keys_of(stream) == [key] and stream.ended is None
        small.publish([state(other, "failed")])
        assert to_the_end(stream) == "clean" and keys_of(stream) == [key, other]


# --- ended before the client came --------------------------------------------------------


@pytest.mark.parametrize("cursor", [None, "00000001-1"])
@pytest.mark.parametrize("count", [1, 2])
def test_without_snapshots_an_end_that_was_passed_is_told(sluice, cursor, count):
    keys = [f"job:passed/{'gap' if cursor else 'new'}/{n}of{count}" for n in range(count)]
    sluice.publish([state(key, "failed") for key in keys])
    with sluice.stream(*keys, snapshot=0, last_event_id=cursor) as stream:
        assert to_the_end(stream) == "clean"
        assert keys_of(stream) == keys
        assert len(stream.named("stream.gap")) == (1 if cursor else 0)


def test_of_two_without_snapshots_the_one_that_has_ended_is_told(sluice):
    sluice.publish([state("job:half/1", "failed"), state("job:half/2", "running")])
    with sluice.stream("job:half/1", "job:half/2", snapshot=0) as stream:
        stream.read_until(ends, 10, "its end")
        sluice.publish([state("job:half/2", "failed")])
        assert to_the_end(stream) == "clean"
        assert keys_of(stream) == ["job:half/1", "job:half/2"]


# --- asked of a broker that is silent ----------------------------------------------------


@pytest.mark.slow
def test_who_could_not_ask_whether_a_log_is_over_asks_again():
    """The broker falls silent when the grace of the last of two runs is over."""
    conf = {"streams": {"default": FAST, "run": {"log_grace": "5s"}}}
    conf["supervise"] = {"hang_timeout": "60s"}
    with Sluice(conf) as sluice, sluice.stream("run:ask/a", "run:ask/b") as stream:
        stream.wait_joined()
        sluice.publish([state("run:ask/a", "failed")])
        sluice.publish([state("run:ask/b", "failed", logs_open=True)])
        # The gateway hears of that only when the broker is silent already.
        gateway = sluice.kill("gateway/0", signal.SIGSTOP)
        over = time.monotonic() + 6
        wait_until(lambda: time.monotonic() > over, 10, "the broker's clock")
        pid = sluice.kill("broker", signal.SIGSTOP)
        os.kill(gateway, signal.SIGCONT)
        try:
            until = time.monotonic() + 3  # the question's time is over
            wait_until(lambda: stream.pump() or time.monotonic() > until, 10, "no answer")
            # Whether a line was taken in time nobody can say.
            assert len(ends(stream)) == 1
        finally:
            os.kill(pid, signal.SIGCONT)
        assert to_the_end(stream) == "clean"
        assert len(ends(stream)) == 2


# --- what closes a log -------------------------------------------------------------------


def test_the_last_line_of_a_pod_log_leaves_no_log_open(sluice):
    key = "pod-logs:p"
    event = {"stream_key": key, "event_type": "log", "data": {}}
    event["data"] = {"line": "", "last": True, "logs_open": True}
    with sluice.stream(key) as stream:
        stream.wait_joined()
        last = sluice.publish([event])["last_id"]
        assert to_the_end(stream) == "clean" and len(ends(stream)) == 1
        assert status_of(sluice, key, cursor=last) == 204


def test_a_last_line_before_the_end_does_not_close_the_log_in_a_snapshot():
    with Sluice({"streams": {"default": {**FAST, "log_grace": "60s"}}}) as sluice:
        key = "job:early"
        sluice.publish([state(key, "running"), line(key, 1, last=True), over(key)])
        wait_kept(sluice, key)
        with sluice.stream(key) as stream:
            stream.wait_joined()
            sluice.publish([line(key, 2, last=True)])
            assert to_the_end(stream) == "clean"
            assert [e["data"]["line_no"] for e in stream.events()] == [2]


def test_who_gets_the_snapshot_of_another_is_told_of_an_end_once(sluice):
    """The second is given at once what the first asked for; nothing came since."""
    names = ("run:kept/over", "run:kept/on")
    last = sluice.publish([state(names[0], "failed"), state(names[1], "running")])["last_id"]
    wait_stored(sluice, names[1], last)
    with sluice.stream(*names) as first:
        first.wait_joined()
        with sluice.stream(*names) as second:
            second.wait_joined()
            beats = len(second.named("heartbeat"))
            second.read_until(lambda s: len(s.named("heartbeat")) > beats + 1, 20, "heartbeats")
            assert keys_of(second) == keys_of(first) == [names[0]]


# --- while the store is away -------------------------------------------------------------


def ended_in_the_dark(sluice, names, before, closed_by, stream):
    """Streams end while STREAM is live without its snapshot; it has their last events then."""
    stream.read_until(lambda s: s.named("stream.error"), 20, "stream.error")
    last = [state(key, "failed", logs_open=closed_by != "the event") for key in names]
    if closed_by == "a line":
        last += [line(key, 2, last=True) for key in names]
    stream.wait_events(sluice.publish(last)["accepted"])
    # A client of its own knows when log_grace is over.
    with sluice.stream(*names, last_event_id=before) as other:
        other.read_until(lambda s: len(ends(s)) == 2, 20, "both ends")


@pytest.fixture(name="dark", scope="module")
def _dark():
    conf = {
        "streams": {"default": {**FAST, "log_grace": "1s"}},
        "supervise": {"hang_timeout": "60s"},
    }
    with Sluice(conf) as running:
        yield running


def begun(sluice, folder):
    """Two streams of which the store has the beginning, and their last event so far."""
    names = (f"job:{folder}/a", f"job:{folder}/b")
    early = [state(key, "running") for key in names] + [line(key, 1) for key in names]
    last = sluice.publish(early)["last_id"]
    wait_stored(sluice, names[0], last)
    return names, last


@pytest.mark.slow
@pytest.mark.parametrize("closed_by", ["the event", "a line", "log_grace"])
def test_the_ends_of_named_streams_wait_for_the_snapshot_that_shows_what_was_before(
    dark, closed_by
):
    """Nothing of a stream follows its stream.end, which comes once."""
    names, before = begun(dark, closed_by.replace(" ", "-"))
    pid = dark.kill("store", signal.SIGSTOP)
    with dark.stream(*names) as stream:
        try:
            ended_in_the_dark(dark, names, before, closed_by, stream)
            beats = len(stream.named("heartbeat"))
            stream.read_until(lambda s: len(s.named("heartbeat")) > beats + 1, 20, "heartbeats")
            assert not ends(stream) and stream.ended is None
        finally:
            os.kill(pid, signal.SIGCONT)
        assert to_the_end(stream, 30) == "clean"
        words = [f.event for f in stream.frames if f.event in ("snapshot", "stream.end")]
        # At least the lines; the states, too, where the store has not yet seen the later ones.
        assert words == ["snapshot"] * max(2, len(words) - 2) + ["stream.end"] * 2
        assert sorted(keys_of(stream)) == sorted(names)


@pytest.mark.slow
@pytest.mark.parametrize("closed_by", ["the event", "a line", "log_grace"])
def test_the_ends_of_streams_under_a_prefix_wait_for_no_snapshot(dark, closed_by):
    """A snapshot tells none of those; each comes once."""
    folder = "prefix-" + closed_by.replace(" ", "-")
    names, before = begun(dark, folder)
    pid = dark.kill("store", signal.SIGSTOP)
    with dark.stream(f"job:{folder}/*") as stream:
        try:
            ended_in_the_dark(dark, names, before, closed_by, stream)
            stream.read_until(lambda s: len(ends(s)) == 2, 20, "both ends")
        finally:
            os.kill(pid, signal.SIGCONT)
        stream.read_until(lambda s: s.named("snapshot"), 30, "the snapshot")
        dark.publish([state(f"job:{folder}/c", "running")])
        stream.read_until(lambda s: s.events()[-1]["stream_key"].endswith("/c"), 20, "an event")
        assert sorted(keys_of(stream)) == sorted(names)
