"""run.progress derived from a run's jobs (`derive: true`), over two gateways and crashes."""

import contextlib
import random

import pytest

from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

from .guarded import Guarded
from .lifecycle import job, job_path, post, publisher_each, run

CONF = {"streams": {"default": {"heartbeat_interval": "500ms"}}}
COUNTS = ("queued", "running", "succeeded", "failed", "canceled")
ENDS = ("succeeded", "failed", "canceled")
# The states of each job to its end.
WORDS = {
    "succeeded": ["pending", "queued", "leased", "running", "succeeded"],
    "failed": ["pending", "queued", "throttled", "queued", "leased", "failed"],
    "canceled": ["pending", "queued", "canceled"],
    "timed_out": ["pending", "queued", "leased", "timed_out"],
    "retried": ["pending", "queued", "leased", "running", "+queued", "leased", "running", "failed"],
}


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice(CONF, gateways=2) as running:
        yield running


def of_run(events, name):
    """The events, each of which names the run."""
    return [{**e, "data": {**e["data"], "run_id": name}} for e in events]


def told(stream):
    """The counts of each run.progress so far."""
    return [e["data"] for e in stream.events() if e["event_type"] == "run.progress"]


def wait_told(stream, **counts):
    """Waits until the last one says that."""

    def says(s):
        return told(s) and {k: told(s)[-1].get(k) for k in counts} == counts

    stream.read_until(says, 20, f"{counts}, after {told(stream)[-1:]}")


def judge(stream):
    """What holds of all that was told: once each, in order, and never back."""
    rows = told(stream)
    for row in rows:
        assert sum(row[c] for c in COUNTS) <= row["total_jobs"]
    for one, two in zip(rows, rows[1:], strict=False):
        assert {c: one[c] for c in COUNTS} != {c: two[c] for c in COUNTS}, "told twice"
        for key in (*ENDS, "total_jobs"):
            assert one[key] <= two[key], (one, two)
    events = stream.events()
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    state = None
    for event in events:
        if event["event_type"] == "run.state_changed":
            state = event["data"]
        else:
            assert event["data"]["state"] == state["state"]
            assert event["data"]["previous_state"] == state["previous_state"]


def blindly(publishers, chance, event):
    """Repeats the event at any gateway until it is there."""

    def taken():
        try:
            status, answer = chance.choice(list(publishers.values())).post(event)
        except OSError:
            return False
        assert status in (202, 503), answer
        return status == 202

    wait_until(taken, 20, f"an answer to {event}")


def interleaved(chance, name, count):
    """The events of COUNT jobs, each job's in order; how many of them come to which end."""
    ends = [list(WORDS)[i % len(WORDS)] for i in range(count)]
    paths = [of_run(job_path(f"job:{name}-{i}", *WORDS[e]), name) for i, e in enumerate(ends)]
    events = []
    while any(paths):
        events.append(chance.choice([p for p in paths if p]).pop(0))
    failed = sum(e in ("failed", "timed_out", "retried") for e in ends)
    return events, {
        "queued": 0,
        "running": 0,
        "succeeded": ends.count("succeeded"),
        "failed": failed,
        "canceled": ends.count("canceled"),
        "total_jobs": count,
    }


def test_the_progress_of_a_run_is_derived_from_its_jobs(sluice):
    key = "run:r1"
    with sluice.stream(key) as stream:
        stream.wait_joined()
        sluice.publish([run(key, "pending", derive=True, total_jobs=3)])
        sluice.publish(of_run([job("job:r1-a", "pending")], "r1"))
        wait_told(stream, queued=1, total_jobs=3)
        first = [e for e in stream.events() if e["event_type"] == "run.progress"][0]
        assert first["data"] == {
            "run_id": "r1", "state": "pending", "previous_state": None, "total_jobs": 3,
            "queued": 1, "running": 0, "succeeded": 0, "failed": 0, "canceled": 0,
        }  # fmt: skip
        assert (first["type"], first["source"], first["terminal"]) == ("run", "/store", False)
        sluice.publish([run(key, "running", "pending")])
        # Whose run it is was said once.
        sluice.publish([job("job:r1-a", "queued", "pending"), job("job:r1-a", "leased", "queued")])
        wait_told(stream, running=1, state="running", previous_state="pending")
        # Nobody's, of another run, and of one that nobody asked for.
        sluice.publish([job("job:nobody", "running"), *of_run([job("job:x", "running")], "other")])
        for i in range(4):
            sluice.publish(of_run([job(f"job:r1-{i}", "failed")], "r1"))
        wait_told(stream, running=1, failed=4, total_jobs=5)
        # A publisher's own is taken, and stands beside.
        own = {"run_id": "r1", "state": "running", "previous_state": "pending", "total_jobs": 99}
        event = {"stream_key": key, "event_type": "run.progress", "data": own}
        assert post(sluice, event)[0] == 202
        sluice.publish([job("job:r1-a", "timed_out", "leased")])
        wait_told(stream, running=0, failed=5, total_jobs=5)
        last = sluice.publish([run(key, "failed", "running")])["last_id"]
        wait_until(lambda: stream.pump() or stream.ended, 10, "the end")
        assert stream.events()[-1]["id"] == last
        # The run is over: what its jobs say is not told any more.
        sluice.publish(of_run([job("job:r1-late", "running")], "r1"))
    with sluice.stream(key) as stream:
        wait_until(lambda: stream.pump() or stream.ended, 10, "the end")
        assert stream.named("stream.end")[0].json["last_id"] == last


def test_of_a_run_that_did_not_ask_nothing_is_derived(sluice):
    with sluice.stream("run:plain", "run:asked") as stream:
        stream.wait_joined()
        sluice.publish([run("run:plain", "running"), run("run:asked", "running", derive=True)])
        sluice.publish(of_run([job("job:plain-a", "running")], "plain"))
        sluice.publish(of_run([job("job:asked-a", "running")], "asked"))
        wait_told(stream, run_id="asked", running=1)
        assert [row["run_id"] for row in told(stream)] == ["asked"]


def test_runs_and_jobs_of_one_name_in_two_tenants_are_apart():
    key = "run:r"
    with Guarded() as guarded, contextlib.ExitStack() as stack:
        asked, other, silent = (
            guarded.issuer.grants(["*"], ["*"], tenant=t) for t in ("acme", "globex", "initech")
        )

        def says(token, *events):
            status, _, body = guarded.post(token, events)
            assert (status, body["duplicates"]) == (202, 0), body

        def follow(token):
            stream = stack.enter_context(guarded.stream(token, key))
            stream.wait_joined()
            return stream

        one, two, none = (follow(token) for token in (asked, other, silent))
        says(asked, run(key, "running", derive=True, total_jobs=7))
        says(other, run(key, "pending", derive=True))
        says(silent, run(key, "running"))
        for i in range(3):
            says(asked, *of_run([job(f"job:{i}", "running")], "r"))
        # The same job, whose run only the first tenant has told.
        says(other, job("job:0", "running"), *of_run([job("job:1", "failed")], "r"))
        says(silent, *of_run([job("job:1", "failed"), job("job:9", "running")], "r"))
        wait_told(one, running=3, failed=0, total_jobs=7, state="running")
        wait_told(two, running=0, failed=1, total_jobs=1, state="pending")
        # What the store knows of them stands in its file.
        guarded.sluice.wait_restarted("store", guarded.sluice.kill("store"))
        says(asked, job("job:1", "succeeded", "running"))
        says(other, *of_run([job("job:2", "canceled")], "r"), run(key, "running", "pending"))
        # The end of one tenant's run is not the other's.
        wait_told(two, running=0, failed=1, canceled=1, state="running")
        says(other, run(key, "failed", "running"))
        wait_until(lambda: two.pump() or two.ended, 10, "the end")
        says(asked, job("job:2", "succeeded", "running"))
        wait_told(one, running=1, failed=0, canceled=0, succeeded=2, total_jobs=7)
        for stream in (one, two):
            judge(stream)
        assert {e["tenant"] for e in one.events()} == {"acme"}
        assert {e["tenant"] for e in two.events()} == {"globex"}
        says(silent, run(key, "succeeded", "running"))
        wait_until(lambda: none.pump() or none.ended, 10, "the end")
        assert [e["event_type"] for e in none.events()] == ["run.state_changed"] * 2


@pytest.mark.parametrize("victim", ["store", "broker", "gateway/1"])
def test_a_sigkill_in_the_middle_doubles_and_loses_nothing(victim):
    chance = random.Random(victim)
    events, ends = interleaved(chance, "big", 20)
    key = "run:big"
    with Sluice(CONF, gateways=2) as sluice, sluice.stream(key) as stream:
        stream.wait_joined()
        sluice.publish([run(key, "pending", derive=True), run(key, "running", "pending")])
        publishers = publisher_each(sluice)
        for i, event in enumerate(events):
            if i == len(events) // 2:
                pid = sluice.kill(victim)
            if victim.startswith("gateway") and i == len(events) // 2:
                publishers.pop(victim).close()
            blindly(publishers, chance, event)
        sluice.wait_restarted(victim, pid)
        # It may have been the one that served it.
        if not victim.startswith("gateway"):
            wait_told(stream, **ends)
            judge(stream)
        # Whoever reads it all again sees the same.
        with sluice.stream(key, last_event_id="-1") as again:
            wait_told(again, **ends)
            judge(again)
            last = sluice.publish([run(key, "partially_succeeded", "running")])["last_id"]
            wait_until(lambda: again.pump() or again.ended, 10, "the end")
            assert again.events()[-1]["id"] == last
        for publisher in publishers.values():
            publisher.close()
