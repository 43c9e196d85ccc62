"""Who comes back to several streams is told of each that has ended, once, on any gateway."""

import contextlib
import os
import signal

import pytest

from tests.bed.net import wait_until
from tests.bed.power import lose_power, pretend_reboot
from tests.bed.sluice import Sluice

from .numbered import publish
from .test_gateway_connections import on_both
from .test_gateway_ends import ends, line, state, status_of, to_the_end

# A heartbeat asks again what was not answered: none comes in time to help.
QUIET = {"heartbeat_interval": "30s", "log_grace": "60s"}
TWO = {"streams": {"default": QUIET, "run": {**QUIET, "log_grace": "1s"}}}


@pytest.fixture(name="two", scope="module")
def _two():
    with Sluice(TWO, gateways=2) as running:
        yield running


@pytest.fixture(name="small", scope="module")
def _small():
    """What was published before is soon in the journal alone."""
    with Sluice({**TWO, "gateway": {"ring": "256KiB", "processes": 2}}) as running:
        yield running


def position(event_id):
    """The number in an id."""
    return int(event_id.rpartition("-")[2])


def over(key):
    """How a stream ends before its log does."""
    return state(key, "failed", logs_open=True)


def keys_of(stream):
    """Whose ends were told, in that order."""
    return sorted(e["stream_key"] for e in ends(stream))


def push_out(sluice):
    """Fills both rings with others' events: all that was published before leaves them."""
    publish(sluice, "workflow:noise", 0, 1500, size=500)


def resumed(stack, sluice, keys, cursor, **query):
    """Ten clients and more, on both gateways, who go on there."""
    return on_both(stack, lambda: sluice.stream(*keys, last_event_id=cursor, **query))


def all_told(streams, keys):
    """Each client is told of these ends, and of no other."""
    for stream in streams:
        stream.read_until(lambda s: len(ends(s)) >= len(keys), 10, f"the ends of {keys}")
        assert keys_of(stream) == sorted(keys)


def all_end(streams, keys):
    """Each connection ends, and told of each stream once."""
    for stream in streams:
        assert to_the_end(stream) == "clean"
        assert keys_of(stream) == sorted(keys)


@pytest.mark.parametrize("far", [False, True], ids=["ring", "journal"])
@pytest.mark.parametrize("cursor", ["last", "now"])
def test_ends_before_the_cursor_are_told_and_the_last_one_closes(two, small, far, cursor):
    sluice = small if far else two
    name = f"job:passed/{cursor}"
    plain, closed, on = keys = [f"{name}/{n}" for n in ("plain", "closed", "on")]
    rows = [state(plain, "failed"), state(on, "running"), over(closed), line(closed, 1, last=True)]
    last = sluice.publish(rows)["last_id"]
    if far:
        push_out(sluice)
    with contextlib.ExitStack() as stack:
        streams = resumed(stack, sluice, keys, last if cursor == "last" else cursor)
        all_told(streams, [plain, closed])
        assert [s.ended for s in streams] == [None] * len(streams)
        last = sluice.publish([state(on, "failed")])["last_id"]
        all_end(streams, keys)
    for _ in range(10):
        assert status_of(sluice, *keys, cursor=last) == 204


@pytest.mark.parametrize("far", [False, True], ids=["ring", "journal"])
def test_between_a_terminal_event_and_the_last_line_each_end_is_told(two, small, far):
    sluice = small if far else two
    ended, late = keys = [f"job:between/{n}" for n in ("ended", "late")]
    sluice.publish([state(ended, "failed"), state(late, "running")])
    cursor = sluice.publish([over(late)])["last_id"]
    last = sluice.publish([line(late, 1), line(late, 2, last=True)])["last_id"]
    if far:
        push_out(sluice)
    with contextlib.ExitStack() as stack:
        streams = resumed(stack, sluice, keys, cursor)
        all_end(streams, keys)
        for stream in streams:
            assert [e["data"]["line_no"] for e in stream.events()] == [1, 2]
            told = {e["stream_key"]: e["last_id"] for e in ends(stream)}
            assert told[late] == last and position(told[ended]) < position(cursor)


@pytest.mark.parametrize("far", [False, True], ids=["ring", "journal"])
def test_of_a_log_that_is_open_the_end_is_told_when_it_closes(two, small, far):
    sluice = small if far else two
    ended, late, on = keys = [f"job:closing/{n}" for n in ("ended", "late", "on")]
    sluice.publish([state(ended, "failed"), state(on, "running"), state(late, "running")])
    cursor = sluice.publish([over(late)])["last_id"]
    sluice.publish([line(late, 1)])
    if far:
        push_out(sluice)
    with contextlib.ExitStack() as stack:
        streams = resumed(stack, sluice, keys, cursor)
        all_told(streams, [ended])
        sluice.publish([line(late, 2, last=True)])
        all_told(streams, [ended, late])
        sluice.publish([state(on, "failed")])
        all_end(streams, keys)


@pytest.mark.parametrize("far", [False, True], ids=["ring", "journal"])
def test_after_log_grace_the_end_is_told_of_a_log_that_nobody_closed(two, small, far):
    sluice = small if far else two
    late, on = keys = [f"run:grace/{n}" for n in ("late", "on")]
    sluice.publish([state(on, "running"), state(late, "running")])
    cursor = sluice.publish([over(late)])["last_id"]
    if far:
        push_out(sluice)
    wait_until(lambda: status_of(sluice, late, cursor="now") == 204, 10, "its time of grace")
    with contextlib.ExitStack() as stack:
        streams = resumed(stack, sluice, keys, cursor)
        all_told(streams, [late])
        sluice.publish([state(on, "failed")])
        all_end(streams, keys)


def test_beside_a_stream_that_never_ends_an_end_is_told_and_the_connection_stays(two):
    rows = [state("job:mixed", "failed"), {"stream_key": "alerts:a", "event_type": "x.n"}]
    last = two.publish([{"data": {}, **row} for row in rows])["last_id"]
    with contextlib.ExitStack() as stack:
        streams = resumed(stack, two, ["job:mixed", "alerts:a", "run:other/*"], last)
        all_told(streams, ["job:mixed"])
        two.publish([{"stream_key": "alerts:a", "event_type": "x.n", "data": {}}])
        for stream in streams:
            stream.wait_events(1)
            assert keys_of(stream) == ["job:mixed"] and stream.ended is None


def test_whose_end_the_broker_did_not_tell_of_in_time_is_told_later():
    conf = {"streams": {"default": {"heartbeat_interval": "500ms"}}}
    with Sluice({**conf, "supervise": {"hang_timeout": "60s"}}) as sluice:
        last = sluice.publish([state("job:silent", "failed")])["last_id"]
        pid = sluice.kill("broker", signal.SIGSTOP)
        try:
            stream = sluice.stream("job:silent", last_event_id=last)
            stream.wait_open()
        finally:
            os.kill(pid, signal.SIGCONT)
        with stream:
            all_end([stream], ["job:silent"])


def test_of_an_end_in_the_epoch_before_the_last_id_is_that_event_s_own():
    """The broker is asked about it: by numbers alone it would have the epoch of now."""
    old, on, single = "job:epochs/old", "job:epochs/on", "run:epochs/old"
    with Sluice({"streams": {"default": QUIET}}) as sluice:
        ids = [sluice.publish([state(key, "failed")])["last_id"] for key in (old, single)]
        lose_power(sluice)
        pretend_reboot(f"{sluice.conf['state_directory']}/journal")
        sluice.start()
        now = sluice.publish([state(on, "running")])["last_id"]
        assert now.partition("-")[0] != ids[0].partition("-")[0]
        with sluice.stream(old, on, last_event_id=now) as stream:
            all_told([stream], [old])
            assert ends(stream)[0]["last_id"] == ids[0]
        with sluice.stream(single, last_event_id=ids[1]) as stream:
            assert to_the_end(stream) == "clean"
            assert [e["last_id"] for e in ends(stream)] == [ids[1]]
