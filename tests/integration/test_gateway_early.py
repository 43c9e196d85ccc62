"""Who comes to a gateway that has not heard of the broker, or has just done so, since its start."""

import os
import signal
import time

import pytest

from tests.bed.net import wait_until
from tests.bed.sluice import Sluice
from tests.bed.sse import Stream, pump_all

from .numbered import numbers, publish, wait_kept

FAST = {"streams": {"default": {"heartbeat_interval": "500ms"}}}


def _says(sluice, path):
    """The status of an answer; None while there is none."""
    try:
        return sluice.request("GET", path)[0]
    except OSError:
        return None


def _held(sluice, cursor):
    """Streams that came while there was no broker, right after it is back.

    None if that took this machine more than half of the three seconds a gateway holds them, or
    the gateway so long to hear from the broker that they may have been over by then.
    """
    broker = sluice.kill("broker", signal.SIGSTOP)
    try:
        old = sluice.kill("gateway/0")
        wait_until(lambda: sluice.pid("gateway/0") != old, 20, "the next gateway")
        wait_until(lambda: _says(sluice, "/healthz") == 200, 20, "its first answer")
        assert _says(sluice, "/readyz") == 503
        begin = time.monotonic()
        held = [
            sluice.stream("job:early"),
            sluice.stream("job:early", last_event_id=cursor),
            Stream(sluice.port, "/api/v1/orchestrator/stream/jobs/early", [("must_exist", 1)]),
        ]
        sluice.stream("job:early").close()  # one that does not wait
        # What shall come after a look at them: nothing was said to any of them so far.
        assert _says(sluice, "/healthz") == 200
        pump_all(held, 0.2)
        said = [(s.status, s.ended) for s in held]
    finally:
        os.kill(broker, signal.SIGCONT)
    continued = time.monotonic()
    wait_until(lambda: _says(sluice, "/readyz") == 200, 20, "the gateway has caught up")
    heard = time.monotonic()
    if continued - begin > 1.5:
        for stream in held:
            stream.close()
        return None
    assert said == [(None, None)] * 3
    for stream in held:
        stream.read_until(lambda s: s.named("stream.open", "stream.closing"), 20, "an answer")
    sent_away = any(s.named("stream.closing") for s in held)
    # A gateway that had heard of the broker by then looks at that first, however late.
    if sent_away and heard - begin > 2.5:
        for stream in held:
            stream.close()
        return None
    return held


@pytest.mark.slow
def test_who_comes_before_the_gateway_has_caught_up_is_held_and_not_sent_away():
    with Sluice({**FAST, "supervise": {"hang_timeout": "60s"}}, gateways=1) as sluice:
        publish(sluice, "job:early", 0, 2, event_type="job.state_changed")
        wait_kept(sluice, "job:early")
        with sluice.stream("job:early") as stream:
            stream.wait_joined()
            cursor = stream.last_id()
        held = wait_until(lambda: _held(sluice, cursor), 60, "they were held for a moment only")
        for stream in held:
            stream.wait_open()
            stream.wait_joined()
            assert not stream.named("stream.closing")
        publish(sluice, "job:early", 2, 4)
        for stream in held:
            stream.wait_events(2)
            assert numbers(stream) == [2, 3]
            stream.close()


def _first_answer(sluice, key):
    """To must_exist for KEY, published just before gateway, store and broker were away.

    The gateway and the store began anew while there was no broker, and the store had not got
    the event before. None if the gateway was not back in the time it holds a stream.
    """
    store = sluice.kill("store", signal.SIGSTOP)
    publish(sluice, key, 0, 1, event_type="job.state_changed")
    broker = sluice.kill("broker", signal.SIGSTOP)
    try:
        gateway = sluice.kill("gateway/0")
        os.kill(store, signal.SIGKILL)
        wait_until(lambda: sluice.pid("store") != store, 20, "the next store")
        wait_until(lambda: sluice.pid("gateway/0") != gateway, 20, "the next gateway")
        wait_until(lambda: _says(sluice, "/healthz") == 200, 20, "its first answer")
        # The store answers what it has.
        wait_until(lambda: _says(sluice, "/api/v1/clusters") == 200, 20, "the store")
        stream = sluice.stream(key, must_exist=1)
        pump_all([stream], 0.2)
    finally:
        os.kill(broker, signal.SIGCONT)
    with stream:
        stream.read_until(
            lambda s: s.status == 404 or s.named("stream.open", "stream.closing"), 10, "an answer"
        )
        away = stream.named("stream.closing")
    sluice.wait_ready()
    return None if away else stream.status


@pytest.mark.slow
def test_what_neither_store_nor_ring_has_yet_is_not_said_to_be_absent():
    with Sluice({**FAST, "supervise": {"hang_timeout": "60s"}}, gateways=1) as sluice:
        publish(sluice, "job:seen", 0, 1, event_type="job.state_changed")
        wait_kept(sluice, "job:seen")
        for n in range(5):
            if status := _first_answer(sluice, f"job:late/{n}"):
                break
        assert status == 200


@pytest.mark.slow
def test_who_is_held_too_long_is_told_to_come_again():
    with Sluice({**FAST, "supervise": {"hang_timeout": "60s"}}, gateways=1) as sluice:
        broker = sluice.kill("broker", signal.SIGSTOP)
        try:
            old = sluice.kill("gateway/0")
            wait_until(lambda: sluice.pid("gateway/0") != old, 20, "the next gateway")
            wait_until(lambda: _says(sluice, "/healthz") == 200, 20, "its first answer")
            with sluice.stream("job:early") as stream:
                wait_until(lambda: stream.pump() or stream.ended, 20, "the end")
                assert (stream.status, stream.ended) == (200, "cut")
                assert stream.frames[0].retry
                assert stream.frames[-1].json["reason"] == "overloaded"
        finally:
            os.kill(broker, signal.SIGCONT)


def test_events_are_taken_as_soon_as_the_gateway_is_ready():
    """Its publisher may not have been registered by then: they wait for that."""
    supervise = {"base": "100ms", "max": "200ms", "circuit_deaths": 100}
    with Sluice({**FAST, "supervise": supervise}, gateways=1) as sluice:
        for n in range(5):
            old = sluice.kill("gateway/0")
            wait_until(lambda old=old: sluice.pid("gateway/0") != old, 20, "the next gateway")
            wait_until(lambda: _says(sluice, "/readyz") == 200, 20, "it is ready")
            publish(sluice, "job:soon", n, n + 1)
