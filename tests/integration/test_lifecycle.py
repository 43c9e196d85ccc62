"""State machines: what is taken, what is refused, over two gateways (contract 3, 5 and 7)."""

import select
import signal
import socket
import struct
import threading
import time

import pytest

from tests.bed.net import wait_until
from tests.bed.sluice import Sluice
from tests.bed.stillness import Stillness

from .errors import check
from .lifecycle import (
    PATHS,
    STEADY,
    Publisher,
    columns,
    ends_in_time,
    job,
    job_path,
    pack,
    post,
    publisher_each,
    quiet,
    run,
    states,
    step,
    to_the_end,
)
from .repeating import go_on
from .test_gateway import IN_TIME

CONF = {"streams": {"default": {"heartbeat_interval": "500ms"}, "job": {"log_grace": "60s"}}}


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice(CONF, gateways=2) as running:
        yield running


def line(key, number, **more):
    """One line of a job's log."""
    data = {"line": f"line {number}", "line_no": number, "stream": "stdout", "attempt": 1}
    return {"stream_key": key, "event_type": "job.log", "data": data | more}


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("in_time", IN_TIME)
def test_a_job_is_followed_to_its_end(sluice, in_time, name):
    key, words = f"job:path-{name}-{in_time:d}", PATHS[name]
    events = job_path(key, *words)
    publishers = publisher_each(sluice)
    with sluice.stream(key) as stream, Stillness(sluice.directory) as still:
        stream.wait_joined()
        for i, event in enumerate(events):
            at = time.monotonic()
            gateway = publishers[f"gateway/{i % 2}"]
            assert gateway.post(event)[0] == 202
        ends_in_time(stream, at, still, in_time)
        assert states(stream) == columns(words, events)
        ends = [f.json["final_state"] for f in stream.named("stream.end")]
        assert ends == [events[-1]["data"]["state"]]
    for publisher in publishers.values():
        publisher.close()


def test_aliases_and_null_become_the_machines_own_words(sluice):
    key = "job:alias"
    with sluice.stream(key) as stream:
        stream.wait_joined()
        for word in ("created", "scheduled", "leased", "running", "error"):
            assert post(sluice, job(key, word))[0] == 202
        assert to_the_end(stream) == "clean"
        words = ["pending", "queued", "leased", "running", "failed"]
        chain = list(zip([None, *words[:-1]], words, strict=True))
        assert [(e[2], e[3]) for e in states(stream)] == chain


@pytest.mark.parametrize(
    ("wrong", "path", "said"),
    [
        (job("job:bad", "succeeded", "queued"), "data.state", "queued, attempt 1; what may follow"),
        (job("job:bad", "queued", "queued", why="again"), "data.state", "current state is queued"),
        (job("job:bad", "leased", "queued", 2), "data.attempt", "queued, attempt 1"),
        (job("job:bad", "leased", "running"), "data.previous_state", "current state is queued"),
    ],
)
def test_an_illegal_transition_is_refused_with_the_current_state(sluice, wrong, path, said):
    key = "job:bad"
    assert post(sluice, job(key, "queued", "pending"))[0] == 202
    with sluice.stream(key, snapshot=0) as stream:
        stream.wait_joined()
        for events in (wrong, [wrong]):
            answer = sluice.request("POST", "/api/v1/events", events)
            place = "[0]." if events == [wrong] else ""
            check(answer, 409, "illegal_transition", (f"/{place}{path}",))
            assert said in answer[2]["details"][0]["problem"]
        quiet(sluice, stream)
        # The other gateway may have been told of the first only now.
        assert not [e for e in stream.events() if e["seq"] > 1]


def test_the_end_is_final_and_its_repeat_is_not_an_error(sluice):
    key = "job:final"
    *_, last = events = job_path(key, *PATHS["succeeded"])
    ids = sluice.publish(events)
    assert ids["accepted"] == 5
    for publisher in publisher_each(sluice).values():
        status, answer = publisher.post(last)
        assert (status, answer["accepted"], answer["duplicates"]) == (202, 0, 1)
        assert answer["first_id"] == answer["last_id"] == ids["last_id"]
        for wrong, path in (
            (last | {"data": last["data"] | {"reason": "another body"}}, ".data.state"),
            (events[3], ".data.state"),
            (job(key, "queued", "succeeded", 2), ".data.state"),
            (line(key, 1), ""),
            ({"stream_key": key, "event_type": "job.progress",
              "data": {"job_id": "final", "attempt": 1, "percent": 3}}, ""),
        ):  # fmt: skip
            publisher.send(wrong)
            answer = publisher.whole_answer()
            check(answer, 409, "stream_ended", ("/" + path[1:],))
            publisher.send([job(f"{key}-other", "pending"), wrong])
            answer = publisher.whole_answer()
            check(answer, 409, "stream_ended", (f"/[1]{path}",))
        publisher.close()
    with sluice.stream(f"{key}-other", last_event_id="-1") as stream:
        quiet(sluice, stream)
        assert not stream.events()


def test_the_log_may_follow_the_end_only_while_it_is_open(sluice):
    key = "job:open-log"
    sluice.publish([job(key, "running"), job(key, "failed", "running", logs_open=True)])
    assert post(sluice, line(key, 1))[0] == 202
    assert post(sluice, job(key, "queued", "failed", 2))[1]["code"] == "stream_ended"
    assert post(sluice, line(key, 2, last=True))[0] == 202
    assert post(sluice, line(key, 3))[1]["code"] == "stream_ended"
    # In one request, before anybody knows of the end.
    other = [job("job:shut", "failed"), line("job:shut", 1)]
    status, answer = post(sluice, other)
    assert (status, answer["code"], answer["details"][0]["path"]) == (409, "stream_ended", "[1]")
    assert post(sluice, other, atomic=0)[1]["accepted"] == 1


def test_a_batch_is_judged_in_its_order(sluice):
    key = "job:batch"
    events = job_path(key, *PATHS["succeeded"])
    status, answer = post(sluice, [*events[:2], events[3]])
    assert (status, answer["code"]) == (409, "illegal_transition")
    assert [d["path"] for d in answer["details"]] == ["[2].data.state"]
    status, answer = post(sluice, [events[0], events[3], events[1], line(key, 1)], atomic=0)
    assert status == 202
    assert (answer["accepted"], answer["refused"]) == (3, 1)
    assert [d["path"] for d in answer["details"]] == ["[1].data.state"]
    status, answer = post(sluice, [events[1], *events[2:]])
    assert (status, answer["accepted"], answer["duplicates"]) == (202, 3, 1)
    with sluice.stream(key, last_event_id="-1") as stream:
        assert to_the_end(stream) == "clean"
        assert [e[3] for e in states(stream)] == ["pending", "queued", None, *PATHS["failed"][2:4],
                                                  "succeeded"]  # fmt: skip


def test_a_request_is_repeated_blindly(sluice):
    request = [
        job("job:blind-1", "running"),
        pack("pack-run:blind", "running"),
        step("pack-run:blind", 0, "running"),
        step("pack-run:blind", 1, "pending"),
        line("job:blind-1", 1) | {"idempotency_key": "blind-line"},
    ]
    publishers = publisher_each(sluice)
    first = publishers["gateway/0"].post(request)[1]
    assert first["accepted"] == 5
    for name in ("gateway/0", "gateway/1", "gateway/0"):
        status, answer = publishers[name].post(request)
        assert (status, answer["accepted"], answer["duplicates"]) == (202, 0, 5)
        assert (answer["first_id"], answer["last_id"]) == (first["first_id"], first["last_id"])
    # Of an event with a key not only the latest.
    keyed = job("job:keyed", "queued") | {"idempotency_key": "keyed"}
    ids = sluice.publish([keyed])
    sluice.publish([job("job:keyed", "leased", "queued")])
    for name in ("gateway/0", "gateway/1"):
        status, answer = publishers[name].post(keyed)
        assert (status, answer.get("first_id")) == (202, ids["first_id"]), answer
        publishers[name].close()


def test_steps_have_machines_of_their_own(sluice):
    key = "pack-run:steps"
    sluice.publish([pack(key, "pending"), pack(key, "queued"), pack(key, "running")])
    good = [
        step(key, 0, "pending"), step(key, 1, "pending"), step(key, 2, "pending"),
        step(key, 0, "running"), step(key, 0, "succeeded"),
        step(key, 1, "running"), step(key, 1, "waiting", kind="gate.approval"),
        step(key, 1, "running"), step(key, 1, "failed"),
        step(key, 1, "pending", None, 2), step(key, 1, "running", None, 2),
        step(key, 1, "failed", None, 2), step(key, 2, "skipped"),
    ]  # fmt: skip
    publishers = publisher_each(sluice)
    with sluice.stream(key, snapshot=0) as stream:
        stream.wait_joined()
        for i, event in enumerate(good):
            assert publishers[f"gateway/{i % 2}"].post(event)[0] == 202, event
        status, answer = post(sluice, step(key, 1, "running", None, 2))
        assert (status, answer["code"]) == (409, "illegal_transition")
        assert "failed, attempt 2" in answer["details"][0]["problem"]
        assert post(sluice, step(key, 2, "running"))[1]["code"] == "stream_ended"
        status, answer = post(sluice, pack(key, "failed", "running"))
        assert status == 202
        assert to_the_end(stream) == "clean"
        # The other gateway may have been told of what was before only now.
        later = [e for e in stream.events() if e["seq"] > 3]
        found = [(e["data"].get("step_index"), e["data"]["state"]) for e in later]
        want = [(e["data"]["step_index"], e["data"]["state"]) for e in good]
        assert found == [*want, (None, "failed")]
        assert [e["terminal"] for e in later] == [False] * len(good) + [True]
    # The run has ended: its steps with it, but for the latest again.
    assert post(sluice, step(key, 3, "pending", step_count=4))[1]["code"] == "stream_ended"
    assert post(sluice, good[-1])[1]["duplicates"] == 1
    # A failed step may be tried again: it is refused for its run's end, not for its own state.
    for publisher in publishers.values():
        code, problem = refused(publisher.post(step(key, 1, "pending", None, 3)))
        assert code == "stream_ended" and "current state" not in problem
        publisher.close()
    end = [pack(f"{key}/2", "running"), step(f"{key}/2", 1, "failed"), pack(f"{key}/2", "failed")]
    code, problem = refused(post(sluice, [*end, step(f"{key}/2", 1, "pending", None, 2)]))
    assert code == "stream_ended" and "current state" not in problem


def refused(answer):
    """(code, problem) of a request of which one event was refused."""
    assert answer[0] == 409, answer
    return answer[1]["code"], answer[1]["details"][0]["problem"]


def test_a_run_and_a_build_end_once(sluice):
    key = "run:once"
    for word in ("pending", "running", "partially_succeeded"):
        assert post(sluice, run(key, word))[0] == 202
    assert post(sluice, run(key, "succeeded"))[1]["code"] == "stream_ended"
    done = {"stream_key": "build:once", "event_type": "complete", "data": {}}
    assert post(sluice, done)[1]["accepted"] == 1
    assert post(sluice, done)[1]["duplicates"] == 1
    failed = done | {"event_type": "failed"}
    assert post(sluice, failed)[1]["code"] == "stream_ended"


class Flood(threading.Thread):
    """Posts lines of a log to one gateway, a request behind the other, until it is told to stop."""

    def __init__(self, publisher, key, begin):
        super().__init__(daemon=True)
        self.publisher, self.key, self.number = publisher, key, begin
        self.stop, self.requests, self.error = False, 0, None

    def run(self):
        try:
            while not self.stop:
                lines = [line(self.key, self.number + i) for i in range(100)]
                assert self.publisher.post(lines)[0] == 202
                self.number += len(lines)
                self.requests += 1
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.error = error


def a_request_of_each(floods):
    """Waits for one more answer to each."""
    done = [flood.requests for flood in floods]

    def further():
        return all(f.error or f.requests > n for f, n in zip(floods, done, strict=True))

    wait_until(further, 20, "lines between two transitions")


def test_a_flood_of_lines_does_not_starve_a_transition(sluice):
    key = "job:flood"
    publishers = [publisher_each(sluice), publisher_each(sluice), publisher_each(sluice)]
    floods = [
        Flood(publisher, key, (i + 1) * 10_000_000)
        for i, publisher in enumerate(p for each in publishers[:2] for p in each.values())
    ]
    other = list(publishers[2].values())[0]
    before = other.figure("guards_lost_total")
    words = [*PATHS["succeeded"][:-1], *(["+queued", "leased", "running"] * 8), "succeeded"]
    for flood in floods:
        flood.start()
    *events, end = job_path(key, *words)
    for event in events:
        assert other.post(event)[0] == 202
        a_request_of_each(floods)
    assert other.post(end)[0] == 202
    # Not one transition had to be judged again: lines take no guard away.
    assert other.figure("guards_lost_total") == before
    for flood in floods:
        flood.stop = True
        flood.join(20)
        assert isinstance(flood.error, (AssertionError, type(None))), flood.error
    assert all(flood.requests >= len(words) - 1 for flood in floods)
    for publisher in (p for each in publishers for p in each.values()):
        publisher.close()


def waiting(sluice):
    """How many connections wait for an answer to what they published."""
    text = sluice.request("GET", "/metrics")[2]
    return int(text.split('sluice_gateway_connections{state="waiting"} ')[1].split()[0])


def answers_while_the_broker_stands_still(sluice, name, count):
    """COUNT requests of 1,000 jobs, one after the other; their answers, the first to come first.

    Each holds about 4 MB, so that a slow gateway, too, has read enough of them in its patience.
    """
    publishers = [Publisher(sluice) for _ in range(count)]
    broker = sluice.kill("broker", signal.SIGSTOP)
    try:
        for number, publisher in enumerate(publishers):
            jobs = [
                job(f"job:{name}-{number}-{i}", "queued", message="m" * 700) for i in range(1000)
            ]
            publisher.send(jobs, "?atomic=0")
        by_fd = {p.conn.sock.fileno(): p for p in publishers}
        poll = select.poll()
        for fd in by_fd:
            poll.register(fd, select.POLLIN)
        first = [fd for fd, _ in poll.poll(10_000)]
    finally:
        go_on(broker)
    answers = [by_fd[fd].answer() for fd in first]
    answers += [p.answer() for fd, p in by_fd.items() if fd not in first]
    for publisher in publishers:
        publisher.close()
    return answers


def test_what_waits_for_its_state_machine_is_bounded():
    with Sluice(CONF | STEADY) as sluice:
        # After 3 s all are refused, because the broker stands still.
        for attempt in range(3):
            answers = answers_while_the_broker_stands_still(sluice, f"held{attempt}", 16)
            assert {status for status, _ in answers} <= {202, 503}
            if "too many requests" in answers[0][1].get("error", ""):
                break
        else:
            raise AssertionError(answers[0])
        wait_until(lambda: post(sluice, job("job:after", "queued"))[0] == 202, 20, "room again")


def test_of_a_client_that_went_nothing_more_is_begun():
    with Sluice(CONF | STEADY) as sluice:
        # One after the other, since the second is not legal.
        jobs = [job(f"job:left-{i}", "queued") for i in range(1000)]
        jobs[1:1] = [job("job:left-0", "running")]
        jobs.pop()
        other, gone = Publisher(sluice), Publisher(sluice)
        assert other.post([])[0] == 400
        broker = sluice.kill("broker", signal.SIGSTOP)
        try:
            gone.send(jobs, "?atomic=0")
            wait_until(lambda: waiting(sluice) == 1, 10, "the request waits")
            # A reset: the end of what it sends alone may yet be one that waits.
            linger = struct.pack("ii", 1, 0)
            gone.conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            gone.close()
            wait_until(lambda: waiting(sluice) == 0, 10, "its client is gone")
        finally:
            go_on(broker)
        for event in (jobs[0], jobs[2], jobs[-1]):
            status, answer = other.post(event)
            assert (status, answer["accepted"]) == (202, 1)
        other.close()


def test_what_is_known_of_machines_outlives_the_broker():
    with Sluice(CONF | STEADY, gateways=2) as sluice:
        job_key, key = "job:survivor", "pack-run:survivor"
        sluice.publish([job(job_key, "queued"), pack(key, "running"), step(key, 0, "running")])
        for _ in range(2):
            sluice.wait_restarted("broker", sluice.kill("broker"))
            wait_until(lambda: post(sluice, [])[0] == 400, 10, "the broker is back")
            status, answer = post(sluice, job(job_key, "succeeded", "queued"))
            assert (status, answer["code"]) == (409, "illegal_transition")
            status, answer = post(sluice, step(key, 0, "pending"))
            assert (status, answer["code"]) == (409, "illegal_transition")
            assert post(sluice, step(key, 0, "running"))[1]["duplicates"] == 1
        assert post(sluice, job(job_key, "leased", "queued"))[0] == 202
        assert post(sluice, step(key, 0, "succeeded", "running"))[0] == 202
