"""The end of a stream: stream.end, the connection's end, 204, log_grace, retention."""

import os
import signal
import time

import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.payloads import good
from tests.bed.sluice import Sluice
from tests.bed.sse import Stream

from .numbered import publish, wait_kept
from .test_gateway import IN_TIME

FAST = {"heartbeat_interval": "500ms"}
CONF = {
    "streams": {
        "default": FAST,
        "run": {"log_grace": "1s"},
        "pack-run": {"log_grace": "off"},
    }
}
JOB = ["pending", "queued", "leased", "running", "succeeded"]


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice(CONF) as running:
        yield running


def state(key, word, **more):
    """One lifecycle event of a job, pack run or run."""
    kind = key.partition(":")[0].replace("-", "_")
    name = f"{kind}.state_changed"
    return {"stream_key": key, "event_type": name, "data": good(name, key, state=word, **more)}


def line(key, number, **more):
    """One line of a log."""
    kind = key.partition(":")[0].replace("-", "_")
    data = {"line": f"line {number}", "line_no": number, "stream": "stdout", **more}
    return {"stream_key": key, "event_type": f"{kind}.log", "data": data}


def to_the_end(stream, timeout=10):
    """Reads until the stream ended; how it did."""
    wait_until(lambda: stream.pump() or stream.ended, timeout, "the end")
    return stream.ended


def status_of(sluice, *keys, cursor=None, tries=2, **query):
    """The status by which a stream opens.

    It opens where the broker does not say in 1.5 s that it is over, as on a machine that stands
    still: then it is asked once more.
    """
    for _ in range(tries):
        begin = time.monotonic()
        with sluice.stream(*keys, last_event_id=cursor, **query) as stream:
            status = stream.read_until(lambda s: s.status, 10, "an answer")
        if status != 200 or time.monotonic() - begin < 1.4:
            break
    return status


def names_of(stream):
    """The names of the frames so far, but heartbeats: those come where an answer is late."""
    return [f.event for f in stream.frames if f.event not in (None, "heartbeat")]


def ends(stream):
    """The data of the stream.end frames so far."""
    return [f.json for f in stream.named("stream.end")]


@pytest.mark.parametrize("final", ["succeeded", "failed", "canceled", "timed_out"])
def test_a_job_that_is_over_ends_its_connection_within_a_second(sluice, final):
    took = []
    # Once more where this machine stood still.
    while len(took) < 3 and min(took, default=9) > 1:
        took.append(job_that_is_over(sluice, f"job:row-{final}-{len(took)}", final))
    assert min(took) <= deadline(1), took


def job_that_is_over(sluice, key, final):
    """A job's life and what a stream tells of it; the seconds from its end to the stream's."""
    with sluice.stream(key) as stream:
        stream.wait_joined()
        sluice.publish([state(key, word) for word in [*JOB[:-1], final]])
        last = time.monotonic()
        assert to_the_end(stream) == "clean"
        took = time.monotonic() - last
        events = stream.events()
        assert [e["data"]["state"] for e in events] == [*JOB[:-1], final]
        assert [e["seq"] for e in events] == [1, 2, 3, 4, 5]
        assert [e["terminal"] for e in events] == [False] * 4 + [True]
        end = {"stream_key": key, "final_state": final, "last_id": events[-1]["id"]}
        assert stream.frames[-1].json == {**end, "reason": "terminal"}
        # Not a bookmark: the last event's id is the cursor.
        assert stream.frames[-1].id is None and stream.last_id() == events[-1]["id"]
        return took


@pytest.mark.parametrize(
    "event,final",
    [
        (state("job:alias", "success"), "succeeded"),
        (state("run:alias", "partially_succeeded"), "partially_succeeded"),
        (state("pack-run:alias", "timed-out"), "timed_out"),
        ({"stream_key": "build:a", "event_type": "complete", "data": {}}, "complete"),
        ({"stream_key": "import:a", "event_type": "cancelled", "data": {}}, "cancelled"),
        (
            {"stream_key": "pod-logs:a", "event_type": "log", "data": {"line": "", "last": True}},
            "complete",
        ),
    ],
)
def test_every_type_that_ends_has_its_words_for_it(sluice, event, final):
    with sluice.stream(event["stream_key"]) as stream:
        stream.wait_joined()
        sluice.publish([event])
        assert to_the_end(stream) == "clean"
        assert ends(stream)[0]["final_state"] == final


def test_other_types_and_states_never_end(sluice):
    going_on = [
        {"stream_key": "job:on", "event_type": "x.done", "data": {"state": "succeeded"}},
        {"stream_key": "workflow:on", "event_type": "x.done", "data": {"state": "succeeded"}},
        {
            "stream_key": "resource:on",
            "event_type": "resource.deleted",
            "data": good("resource.deleted", "resource:on", state="succeeded"),
        },
    ]
    keys = [e["stream_key"] for e in going_on]
    with sluice.stream(*keys) as stream:
        stream.wait_joined()
        sluice.publish(going_on)
        stream.wait_events(3)
        count = len(stream.named("heartbeat"))
        stream.read_until(lambda s: len(s.named("heartbeat")) > count, 20, "a heartbeat after that")
        assert stream.ended is None and not ends(stream)


def no_stream(sluice, path, headers=None):
    """An answer that is to be no stream; of one that opens for want of an answer, the next."""
    for _ in range(2):
        begin = time.monotonic()
        answer = sluice.request("GET", f"{path}&timeout=1s", headers=headers)
        # The question has 1.5 s; what opens ends after a second without an event.
        if answer[0] != 200 or time.monotonic() - begin < 2.4:
            break
    return answer


def test_204_to_who_has_all_of_an_ended_stream_and_to_nobody_else(sluice):
    key = "job:over"
    ids = sluice.publish([state(key, word) for word in JOB])
    epoch = ids["last_id"].partition("-")[0]
    first, last = ids["first_id"], ids["last_id"]
    status, headers, body = no_stream(
        sluice, f"/api/v1/streams?stream={key}", {"Last-Event-ID": last}
    )
    assert (status, body) == (204, "") and "Transfer-Encoding" not in headers
    assert status_of(sluice, key, cursor="now") == 204
    path = f"/api/v1/orchestrator/stream/jobs/over?last_event_id={last}"
    assert no_stream(sluice, path)[0] == 204
    for cursor in (first, "-1", f"{epoch}-{int(last.split('-')[1]) + 1000}", "00000001-1"):
        assert status_of(sluice, key, cursor=cursor) == 200
    # Something of it may yet come, or it is not known.
    assert status_of(sluice, key, "job:not-over", cursor=last) == 200
    assert status_of(sluice, "job:*", cursor=last) == 200
    assert status_of(sluice, key, "workflow:w", cursor=last) == 200
    sluice.publish([state("job:over-too", "failed")])
    assert status_of(sluice, key, "job:over-too", cursor=last) == 200
    assert status_of(sluice, key, "job:over-too", cursor="now") == 204


def test_who_resumes_gets_the_rest_and_the_end(sluice):
    key = "job:rest"
    ids = sluice.publish([state(key, word) for word in JOB])
    with sluice.stream(key, last_event_id=ids["first_id"]) as stream:
        assert to_the_end(stream) == "clean"
        assert [e["data"]["state"] for e in stream.events()] == JOB[1:]
        assert ends(stream)[0]["last_id"] == ids["last_id"] == stream.last_id()


def test_who_comes_late_gets_the_snapshot_then_the_end_and_then_204(sluice):
    key = "job:late"
    sluice.publish([state(key, word) for word in JOB])
    wait_until(lambda: _kept_state(sluice, key) == "succeeded", 10, "the store has it")
    with sluice.stream(key) as stream:
        assert to_the_end(stream) == "clean"
        assert names_of(stream) == ["stream.open", "snapshot", "stream.end"]
        cursor = stream.last_id()
        assert cursor == stream.named("snapshot")[0].json["as_of"]
    assert status_of(sluice, key, cursor=cursor) == 204


def _kept_state(sluice, key):
    """The state that a snapshot of a stream has."""
    with sluice.stream(key) as stream:
        kept = stream.read_until(lambda s: s.named("snapshot", "heartbeat"), 20, "a snapshot")
        return kept[0].json["data"]["state"] if kept[0].event == "snapshot" else None


def test_a_connection_ends_with_the_last_of_its_streams_in_any_order(sluice):
    keys = [f"job:three/{n}" for n in range(3)]
    with sluice.stream(*keys) as stream, sluice.stream("job:three/*") as prefix:
        stream.wait_joined()
        prefix.wait_joined()
        for n in (2, 0):
            sluice.publish([state(keys[n], "failed"), state(f"{keys[n]}/x", "failed")])
            stream.read_until(
                lambda s, n=n: ends(s)[-1:] and ends(s)[-1]["stream_key"] == keys[n], 5, "its end"
            )
        sluice.publish([state(keys[1], "running")])
        stream.wait_events(3)
        count = len(stream.named("heartbeat"))
        stream.read_until(lambda s: len(s.named("heartbeat")) > count, 20, "still open")
        sluice.publish([state(keys[1], "succeeded")])
        assert to_the_end(stream) == "clean"
        assert [e["stream_key"] for e in ends(stream)] == [keys[2], keys[0], keys[1]]
        # A prefix is told of each, and never ends.
        prefix.wait_events(6)
        prefix.read_until(lambda s: len(ends(s)) == 5, 20, "five ends")
        count = len(prefix.named("heartbeat"))
        prefix.read_until(lambda s: len(s.named("heartbeat")) > count, 20, "still open")
        assert prefix.ended is None


def test_a_stream_that_had_ended_before_counts_when_the_other_ends(sluice):
    done = sluice.publish([state("job:before", "failed")])["last_id"]
    with sluice.stream("job:before", "job:after", last_event_id=done) as stream:
        stream.wait_open()
        sluice.publish([state("job:after", "succeeded")])
        assert to_the_end(stream) == "clean"
        assert sorted(e["stream_key"] for e in ends(stream)) == ["job:after", "job:before"]


@pytest.mark.parametrize("query", [{"types": "job.log"}, {"format": "cloudevents"}])
def test_the_end_is_told_whatever_types_and_form_are_wanted(sluice, query):
    key = f"job:told-{'-'.join(query)}"
    with sluice.stream(key, **query) as stream:
        stream.wait_joined()
        sluice.publish([state(key, "running"), line(key, 1), state(key, "succeeded")])
        assert to_the_end(stream) == "clean"
        assert len(stream.events()) == (1 if "types" in query else 3)
        assert ends(stream)[0]["final_state"] == "succeeded"
    # From the ring, too.
    with sluice.stream(key, last_event_id="-1", **query) as stream:
        assert to_the_end(stream) == "clean" and len(ends(stream)) == 1
        assert len(stream.events()) == (1 if "types" in query else 3)


# --- logs that are open ------------------------------------------------------------------


def test_the_end_waits_for_the_last_line_of_an_open_log(sluice):
    key = "job:log"
    with sluice.stream(key) as stream, sluice.stream(key, types="job.log") as lines:
        stream.wait_joined()
        lines.wait_joined()
        ended = sluice.publish([line(key, 1), state(key, "failed", logs_open=True), line(key, 2)])
        stream.wait_events(3)
        # Its log is open: not over, wherever a client stands.
        assert status_of(sluice, key, cursor=ended["last_id"]) == 200
        assert not ends(stream) and stream.ended is None
        last = sluice.publish([line(key, 3, last=True)])["last_id"]
        for one in (stream, lines):
            assert to_the_end(one) == "clean"
            assert ends(one) == [
                {
                    "stream_key": key,
                    "final_state": "failed",
                    "last_id": last,
                    "reason": "terminal",
                }
            ]
            assert one.events()[-1]["data"]["line"] == "line 3"
    with sluice.stream(key, last_event_id="-1") as stream:
        assert to_the_end(stream) == "clean"
        assert names_of(stream)[-2:] == ["job.log", "stream.end"]
    assert status_of(sluice, key, cursor=last) == 204


@pytest.mark.parametrize("in_time", IN_TIME)
def test_the_end_waits_no_longer_than_log_grace(sluice, in_time):
    key = "run:grace-in-time" if in_time else "run:grace"
    with sluice.stream(key, snapshot=0) as stream, sluice.stream(f"{key}/*", key) as wide:
        stream.wait_open()
        wide.wait_joined()
        begin = time.monotonic()
        last = sluice.publish([state(key, "failed", logs_open=True)])["last_id"]
        assert to_the_end(stream) == "clean"
        took = time.monotonic() - begin
        assert took >= 1 and (not in_time or took <= 3), took
        assert ends(stream)[0]["last_id"] == last
        assert wide.read_until(ends, 10, "its end") and wide.ended is None
    assert status_of(sluice, key, cursor=last) == 204
    with sluice.stream(key, last_event_id="-1") as stream:
        assert to_the_end(stream) == "clean" and len(ends(stream)) == 1


def test_nothing_follows_stream_end_when_log_grace_is_over():
    conf = {"streams": {"default": {**FAST, "log_grace": "3s"}}}
    key = "job:late"
    late = [
        line(key, 2),
        {"stream_key": key, "event_type": "job.progress",
         "data": {"job_id": "late", "attempt": 1, "percent": 9}},
        {"stream_key": key, "event_type": "x.note", "data": {}},
    ]  # fmt: skip
    with Sluice(conf, gateways=2) as sluice, sluice.stream(key) as stream:
        stream.wait_joined()
        sluice.publish([state(key, "failed", logs_open=True)])
        taken = sluice.publish([line(key, 1)])["last_id"]
        # Without a pause, over both gateways, until the end was told and for a while after it.
        counts = {202: 0, 409: 0}
        number = 2
        until, limit = None, time.monotonic() + deadline(60)
        while (now := time.monotonic()) < limit and (
            until is None or now < until or counts[409] == 0
        ):
            status, _, answer = sluice.request("POST", "/api/v1/events", line(key, number))
            counts[status] += 1
            if status == 202:
                taken, number = answer["last_id"], number + 1
            else:
                assert answer["code"] == "stream_ended"
            stream.pump()
            if until is None and stream.ended:
                until = time.monotonic() + 0.5
        assert min(counts.values()) > 0, counts
        assert [e["last_id"] for e in ends(stream)] == [taken] == [stream.events()[-1]["id"]]
        # Nor is it opened again by a greater log_grace.
        for gone in (None, "broker", "reload", "broker"):
            if gone == "reload":
                sluice.write_conf({"streams": {"default": {"log_grace": "1h"}}})
                sluice.ctl("reload")
            elif gone:
                pid = sluice.kill(gone)
                sluice.wait_restarted(gone, pid)
            for event in late:
                said = wait_until(lambda e=event: _said_to(sluice, e), 20, "the broker's answer")
                assert said == (409, "stream_ended"), (gone, event)
        assert status_of(sluice, key, cursor=taken) == 204


def _said_to(sluice, event):
    """Status and code of the answer to this event; None where the broker gave none yet."""
    status, _, answer = sluice.request("POST", "/api/v1/events", event)
    code = answer.get("code")
    return None if code == "broker_unavailable" else (status, code)


def test_with_log_grace_off_an_open_log_holds_nothing_up(sluice):
    key = "pack-run:off"
    with sluice.stream(key, snapshot=0) as stream:
        stream.wait_open()
        sluice.publish([state(key, "failed", logs_open=True)])
        assert to_the_end(stream) == "clean" and len(ends(stream)) == 1


def test_a_snapshot_in_the_time_of_grace_does_not_end_and_one_after_it_does(sluice):
    key = "run:snap"
    sluice.publish([state(key, "succeeded", logs_open=True)])
    wait_kept(sluice, "run:snap")
    with sluice.stream(key) as stream:
        stream.wait_joined()
        assert to_the_end(stream) == "clean" and len(ends(stream)) == 1
    with sluice.stream(key) as stream:
        assert to_the_end(stream) == "clean" and len(ends(stream)) == 1
        assert names_of(stream)[-2:] == ["snapshot", "stream.end"]


# --- far back ----------------------------------------------------------------------------


def test_from_the_journal_the_end_is_told_as_from_the_ring():
    conf = {**CONF, "gateway": {"ring": "256KiB", "processes": 1}}
    with Sluice(conf) as sluice:
        first = sluice.publish([state("job:old", word) for word in JOB])
        open_log = [state("run:old", "failed", logs_open=True), line("run:old", 1, last=True)]
        open_log[1]["event_type"] = "x.log"
        sluice.publish(open_log)
        publish(sluice, "job:noise", 0, 3000, size=500)
        oldest = sluice.request("GET", "/api/v1/status")[2]["gateway"]["ring"]["oldest"]
        assert oldest > 7
        with sluice.stream("job:old", last_event_id=first["first_id"]) as stream:
            assert to_the_end(stream) == "clean"
            assert [e["data"]["state"] for e in stream.events()] == JOB[1:]
            assert ends(stream)[0]["final_state"] == "succeeded"
        assert status_of(sluice, "job:old", cursor=first["last_id"]) == 204
        # The log was never closed: its end comes with its time of grace, or at once.
        with sluice.stream("run:old", last_event_id="-1") as stream:
            assert to_the_end(stream) == "clean"
            assert ends(stream)[0]["final_state"] == "failed"


@pytest.mark.slow
@pytest.mark.parametrize("in_time", IN_TIME)
def test_a_restarted_gateway_knows_what_ended_and_what_is_open(in_time):
    with Sluice({"streams": {"default": {**FAST, "log_grace": "60s"}}}) as sluice:
        over = sluice.publish([state("job:o", "failed")])["last_id"]
        opened = sluice.publish([state("run:o", "failed", logs_open=True)])["last_id"]
        pid = sluice.kill("gateway/0")
        sluice.wait_restarted("gateway/0", pid)
        # Its first question of all is not lost: that would look like a machine that stands still.
        assert status_of(sluice, "job:o", cursor=over, tries=1 if in_time else 2) == 204
        with sluice.stream("run:o", last_event_id=opened) as stream:
            stream.wait_open()
            sluice.publish([{"stream_key": "run:o", "event_type": "x.l", "data": {}}])
            stream.wait_events(1)
            assert stream.ended is None and not ends(stream)


@pytest.mark.slow
def test_without_the_store_the_end_is_told_and_without_the_broker_nobody_waits():
    conf = {**CONF, "supervise": {"hang_timeout": "60s"}}
    with Sluice(conf) as sluice:
        last = sluice.publish([state("job:b", "failed")])["last_id"]
        pid = sluice.kill("store", signal.SIGSTOP)
        try:
            with sluice.stream("job:blind") as stream:
                stream.read_until(lambda s: s.named("stream.error"), 20, "stream.error")
                sluice.publish([state("job:blind", "failed")])
                assert to_the_end(stream) == "clean" and stream.last_id() is None
                assert ends(stream)[0]["stream_key"] == "job:blind"
        finally:
            os.kill(pid, signal.SIGCONT)
        pid = sluice.kill("broker", signal.SIGSTOP)
        try:
            # Who was asked does not say so: it opens, rather than that it is refused.
            with sluice.stream("job:b", last_event_id=last) as stream:
                assert stream.read_until(lambda s: s.status, 20, "an answer") == 200
            Stream(sluice.port, f"/api/v1/streams?stream=job:b&last_event_id={last}").close()
        finally:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("query", [{}, {"types": "x.n"}], ids=["all", "types"])
def test_who_resumes_over_thousands_of_ends_gets_all_that_is_wanted(sluice, query):
    """They are more than one turn of the loop may take of them."""
    prefix = f"job:many/{len(query)}"
    before = sluice.publish([state(f"{prefix}/start", "failed")])["last_id"]
    for i in range(0, 3000, 500):
        sluice.publish([state(f"{prefix}/{n}", "failed") for n in range(i, i + 500)])
    publish(sluice, f"{prefix}/go-on", 0, 1)
    wanted = 1 if query else 3001
    with sluice.stream(f"{prefix}/*", last_event_id=before, **query) as stream:
        assert len(stream.wait_events(wanted, timeout=30)) == wanted
        assert stream.events()[-1]["stream_key"] == f"{prefix}/go-on"
        assert stream.ended is None


# --- retention ---------------------------------------------------------------------------


@pytest.mark.slow
def test_snapshot_retention_is_that_of_the_type():
    with Sluice({"streams": {"default": FAST, "run": {"snapshot_retention": "1s"}}}) as sluice:
        sluice.publish([state(f"{t}:r/1", "failed") for t in ("job", "run")])
        wait_kept(sluice, "job:r/*")

        def kept(selector):
            with sluice.stream(selector) as stream:
                stream.wait_joined()
                return len(stream.named("snapshot"))

        wait_until(lambda: kept("run:r/*") == 0, 40, "the run is hidden from a prefix")
        assert kept("job:r/*") == 1
        with sluice.stream("run:r/1") as stream:
            assert to_the_end(stream) == "clean" and len(stream.named("snapshot")) == 1
