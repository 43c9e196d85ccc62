"""Drain of a gateway by command: its streams go elsewhere, and nobody is refused."""

import collections
import contextlib
import http.client
import itertools
import json
import os
import signal
import threading
import time

import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.retold import note_text
from tests.bed.sluice import Sluice
from tests.bed.sse import pump_all

from .crowd import spread
from .numbered import events, numbers, publish

SPREAD = 3  # seconds: DRAIN_SPREAD_MS


def owners(streams):
    """The incarnation of the gateway that has each of the STREAMS."""
    return [int(s.wait_open()["connection_id"], 16) >> 32 for s in streams]


def incarnation(sluice, name):
    """Of a gateway now."""
    return sluice.status()[name]["incarnation"]


def drained(sluice, name):
    """Drains a gateway, and waits until it has no stream left; its row."""
    sluice.ctl("drain", name)

    def empty():
        row = sluice.status()[name]
        return row["state"] == "draining" and row["status_state"] == "drained" and row

    return wait_until(empty, 15, f"{name} has let go of all streams")


def told(sluice, key="job:asked"):
    """Asks for a stream: "open", or the reason it was turned away for; and its retry."""
    with sluice.stream(key, snapshot=0) as stream:
        stream.read_until(lambda s: s.named("stream.open", "stream.closing"), 10, "first frame")
        closing = stream.named("stream.closing")
        assert stream.status == 200
        if closing:
            wait_until(lambda: stream.pump() or stream.ended, 10, "the end")
            # No last chunk: a proxy passes that on as an error, and every client comes back.
            assert stream.ended == "cut"
        return (closing[0].json["reason"] if closing else "open"), stream.frames[0].retry


@contextlib.contextmanager
def noted(errors):
    """Of a thread, whose exceptions would be nobody's."""
    try:
        yield
    except (OSError, http.client.HTTPException, AssertionError) as error:
        errors.append(repr(error))


@pytest.mark.slow
def test_the_streams_of_one_of_two_gateways_go_over_a_while_and_nobody_elses():
    with Sluice(gateways=2) as sluice:
        for _ in range(3):
            with contextlib.ExitStack() as stack:
                took, unseen = drain_of_many(sluice, stack)
            # Once more where this machine stood still: then all are due at one time.
            if took > 0.5 or unseen <= 1.5:
                break
            sluice.ctl("start", "gateway/1")
            sluice.wait_ready()
        assert took > 0.5, ("all at one time", took, unseen)


def drain_of_many(sluice, stack):
    """How many seconds lie between the first stream that is told of a drain and the last.

    And for how many at most nobody looked.
    """
    streams = spread(stack, 120, lambda: sluice.stream("job:go", snapshot=0))
    of = dict(zip(streams, owners(streams), strict=True))
    gone = [s for s in streams if of[s] == incarnation(sluice, "gateway/1")]
    kept = [s for s in streams if of[s] == incarnation(sluice, "gateway/0")]
    assert len(gone) + len(kept) == 120 and min(len(gone), len(kept)) >= 36
    looked = [time.monotonic()]
    sluice.ctl("drain", "gateway/1")
    assert sluice.status()["gateway/1"]["state"] == "draining"
    for _ in range(40):
        pump_all(streams, deadline(SPREAD) / 10)
        looked.append(time.monotonic())
        if all(s.ended for s in gone):
            break
    assert {s.ended for s in gone} == {"cut"} and {s.ended for s in kept} == {None}
    ends = [s.named("stream.closing") for s in gone]
    assert {frame.json["reason"] for (frame,) in ends} == {"shutdown"}
    assert len({frame.json["retry_ms"] for (frame,) in ends}) > 5
    publish(sluice, "job:go", 0, 1)
    for stream in kept:
        stream.wait_events(1)
    row = drained(sluice, "gateway/1")
    assert "sluicectl start gateway/1" in row["status"]
    table = sluice.ctl("status")
    assert "draining" in table and "drain by command" in table
    at = [frame.at for (frame,) in ends]
    return max(at) - min(at), max(b - a for a, b in itertools.pairwise(looked))


@pytest.mark.slow
def test_while_one_drains_every_request_is_served_and_all_streams_are_the_other_s():
    with Sluice(gateways=2) as sluice, contextlib.ExitStack() as stack:
        answers, ended, refused = collections.Counter(), threading.Event(), []
        rounds = [0, 0]

        def round_of(number):
            for path in ("/readyz", "/api/v1/status", "/"):
                answers[sluice.request("GET", path)[0], path] += 1
            body = json.dumps(events("job:during", 0, 1)[0])
            head = {"Content-Type": "application/json"}
            answers[sluice.request("POST", "/api/v1/events", body, head)[0], ""] += 1
            rounds[number] += 1

        def ask(number):
            while not ended.is_set() and not refused:
                with noted(refused):
                    round_of(number)

        def asked_anew():
            """No request is left of those on their way to it when it began to drain."""
            begin = list(rounds)
            wait_until(
                lambda: (
                    refused
                    or all(told >= then + 2 for told, then in zip(rounds, begin, strict=True))
                ),
                20,
                "two rounds of each asker",
            )

        askers = [threading.Thread(target=ask, args=(n,)) for n in range(2)]
        for asker in askers:
            asker.start()
        try:
            drained(sluice, "gateway/1")
            streams = [stack.enter_context(sluice.stream("job:x", snapshot=0)) for _ in range(50)]
            assert set(owners(streams)) == {incarnation(sluice, "gateway/0")}
            # Not by a crash, only by command, does it serve again.
            asked_anew()
            pid = sluice.kill("gateway/1")
            wait_until(lambda: sluice.pid("gateway/1") != pid, 10, "its next process")
            drained(sluice, "gateway/1")
            more = [stack.enter_context(sluice.stream("job:x", snapshot=0)) for _ in range(50)]
            assert set(owners(more)) == {incarnation(sluice, "gateway/0")}
            sluice.ctl("start", "gateway/1")
            sluice.wait_ready()
        finally:
            ended.set()
            for asker in askers:
                asker.join()
        assert not refused
        # Each asker may have a connection to it when it begins to drain.
        assert answers.pop((503, "/readyz"), 0) <= 2
        assert {status for status, _ in answers} == {200, 202}, answers
        assert answers[202, ""] > 10
        shares = [0, 0]

        def even():
            """Each accepts on its own listener again, and on no other's."""
            fresh = [stack.enter_context(sluice.stream("job:y", snapshot=0)) for _ in range(100)]
            of = owners(fresh)
            shares[:] = [of.count(incarnation(sluice, f"gateway/{n}")) for n in range(2)]
            return min(shares) >= 30

        wait_until(even, 20, "half of the streams are each one's")


def test_a_request_on_a_connection_that_a_draining_gateway_has_is_answered():
    with Sluice(gateways=2) as sluice, contextlib.ExitStack() as stack:

        def kept_alive():
            """A connection whose next request gateway/1 gets."""
            conn = http.client.HTTPConnection("127.0.0.1", sluice.port, timeout=deadline(20))
            stack.callback(conn.close)
            conn.request("GET", "/api/v1/status")
            asked = json.loads(conn.getresponse().read())["gateway"]["instance"]
            return conn if asked == "1" else None

        api, ready, stream = (wait_until(kept_alive, 20, "gateway/1 has one") for _ in range(3))
        drained(sluice, "gateway/1")
        api.request("GET", "/api/v1/status")
        answer = api.getresponse()
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert json.loads(answer.read())["gateway"]["draining"] is True
        ready.request("GET", "/readyz")
        answer = ready.getresponse()
        assert (answer.status, answer.headers["Connection"]) == (503, "close")
        assert answer.headers["Retry-After"] and b"draining" in answer.read()
        stream.request("GET", "/api/v1/streams?stream=job:x")
        answer = stream.getresponse()
        assert answer.status == 200
        with pytest.raises(http.client.IncompleteRead) as cut:
            answer.read()
        assert b'"reason":"shutdown"' in cut.value.partial
        note_text(cut.value.partial.decode())


@pytest.mark.slow
def test_where_no_other_serves_a_stream_is_told_when_to_come_again():
    with Sluice(gateways=2) as sluice:
        for name in ("gateway/0", "gateway/1"):
            drained(sluice, name)
        answers = [told(sluice) for _ in range(20)]
        assert {reason for reason, _ in answers} == {"shutdown"}
        assert len({retry for _, retry in answers}) > 5
        for method, path in (("GET", "/readyz"), ("GET", "/api/v1/status")):
            status, headers, body = sluice.request(method, path)
            assert status == 503 and int(headers["Retry-After"]) >= 1
            assert body["code"] == ("not_ready" if path == "/readyz" else "draining")
        assert sluice.request("GET", "/healthz")[0] == 200
        # The one that serves again accepts for both.
        sluice.ctl("start", "gateway/1")
        sluice.wait_ready(only=["gateway/1"])
        wait_until(lambda: all(told(sluice)[0] == "open" for _ in range(20)), 20, "it serves")
        assert sluice.status()["gateway/0"]["state"] == "draining"
        with sluice.stream("job:z", snapshot=0) as stream:
            stream.wait_open()
            publish(sluice, "job:z", 0, 3)
            stream.wait_events(3)
            assert numbers(stream) == [0, 1, 2]
        sluice.ctl("restart", "gateway/0")
        sluice.wait_ready()


@pytest.mark.slow
@pytest.mark.parametrize("first", ["open", "shutdown"])
def test_while_one_waits_long_for_its_restart_another_accepts_for_it(first):
    """Also one that drains: without it nobody would."""
    # The second death in a row is followed by a pause longer than any wait here.
    conf = {"supervise": {"first": "10ms", "base": "50s", "max": "60s"}}
    with Sluice(conf, gateways=2) as sluice:
        if first == "shutdown":
            drained(sluice, "gateway/0")
        pid = sluice.kill("gateway/1")
        sluice.wait_restarted("gateway/1", pid)
        sluice.kill("gateway/1")

        def waits():
            return sluice.status()["gateway/1"]["state"] == "backoff"

        wait_until(waits, 10, "it waits for its restart")
        # On both listeners: each gets about half of these.
        assert {told(sluice)[0] for _ in range(12)} == {first}
        assert waits()


def test_only_a_gateway_that_runs_is_drained():
    with Sluice(gateways=2) as sluice:
        for name, why in {
            "broker": "only a gateway can be drained, such as gateway/0",
            "gateway/7": 'no process "gateway/7"',
        }.items():
            done = sluice.ctl("drain", name, check=False)
            assert done.returncode == 1 and why in done.stderr
        sluice.ctl("stop", "gateway/1")
        wait_until(lambda: sluice.status()["gateway/1"]["state"] == "stopped", 10, "stopped")
        done = sluice.ctl("drain", "gateway/1", check=False)
        assert done.returncode == 1 and "gateway/1 does not run (stopped)" in done.stderr
        # One that drains can be stopped, and is not drained when it is started.
        sluice.ctl("drain", "gateway/0")
        sluice.ctl("stop", "gateway/0")
        for name in ("gateway/0", "gateway/1"):
            sluice.ctl("start", name)
        sluice.wait_ready()


@pytest.mark.slow
def test_a_strict_stream_that_is_not_open_yet_is_told_to_come_again():
    """Whether its cursor is good it would know by the broker, which is silent."""
    conf = {"supervise": {"hang_timeout": "60s"}}
    with Sluice(conf) as sluice:
        epoch, _, number = sluice.publish(events("workflow:s", 0, 1))["last_id"].partition("-")
        broker, gateway = sluice.kill("broker", signal.SIGSTOP), sluice.pid("gateway/0")
        try:
            ahead = f"{epoch}-{int(number) + 5}"
            with sluice.stream("workflow:s", strict=1, last_event_id=ahead) as stream:

                def waits():
                    stream.pump()
                    return 'waiting"} 1' in sluice.request("GET", "/metrics")[2]

                wait_until(waits, 10, "it waits to be judged")
                assert stream.status is None
                sluice.ctl("restart", "gateway/0")
                stream.read_until(lambda s: s.ended, 10, "the end")
                assert (stream.status, stream.ended) == (200, "cut")
                assert stream.frames[0].retry
                assert stream.frames[-1].json["reason"] == "shutdown"
        finally:
            os.kill(broker, signal.SIGCONT)
        sluice.wait_restarted("gateway/0", gateway)


@pytest.mark.slow
def test_a_restart_by_command_refuses_nobody():
    """Who comes while it stops waits for its next process."""
    with Sluice(gateways=1) as sluice:
        answers, ended, refused = collections.Counter(), threading.Event(), []

        def come():
            with sluice.stream("job:x", snapshot=0) as stream:
                stream.read_until(
                    lambda s: s.named("stream.open", "stream.closing"), 20, "a stream"
                )
                answers["open" if stream.named("stream.open") else "turned away"] += 1
            answers[sluice.request("GET", "/healthz")[0]] += 1

        def ask():
            while not ended.is_set() and not refused:
                with noted(refused):
                    come()

        asker = threading.Thread(target=ask)
        asker.start()
        try:
            for _ in range(5):
                pid = sluice.pid("gateway/0")
                sluice.ctl("restart", "gateway/0")
                sluice.wait_restarted("gateway/0", pid)
        finally:
            ended.set()
            asker.join()
        assert not refused and answers["open"] > 0
        assert set(answers) <= {200, "open", "turned away"}
