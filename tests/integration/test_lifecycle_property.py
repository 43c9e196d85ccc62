"""Random publishers over two gateways: what was accepted is a legal path, once each, and what was
refused was illegal; the broker is killed half-way, and whoever has no answer asks again."""

import random
import re
import threading
import time

import pytest

from tests.bed.net import deadline
from tests.bed.sluice import Sluice

from .lifecycle import Publisher, job, step

ENDS = {"succeeded", "failed", "canceled", "timed_out"}
# Contract 3, written out; "+": with the next attempt.
JOB = {
    "pending": {"queued", "canceled"},
    "queued": {"leased", "throttled", "canceled", "timed_out"},
    "throttled": {"queued", "canceled"},
    "leased": {"running", "queued", "failed", "canceled", "timed_out"},
    "running": ENDS | {"+queued"},
}
STEP = {
    "pending": {"running", "skipped"},
    "running": ENDS | {"waiting", "skipped"},
    "waiting": ENDS | {"running", "skipped"},
    "failed": {"+pending"},
}
WORDS = {"job": sorted(ENDS | set(JOB)), "step": sorted(ENDS | set(STEP) | {"skipped"})}
EDGES = {"job": JOB, "step": STEP}
STATE = re.compile(r"the current state is (\w+), attempt (\d+)")
LATER = {"broker_unavailable", "machine_busy"}
CONNECTIONS = 8
BATCH = 20
PATIENCE = 60  # for a broker that was killed


def machine_of(event):
    """(stream, step or None): whose state it is."""
    return event["stream_key"], event["data"].get("step_id")


def kind_of(machine):
    """Which of EDGES."""
    return "job" if machine[1] is None else "step"


def point_of(event):
    """(state, attempt)."""
    return event["data"]["state"], event["data"]["attempt"]


def legal(kind, now, then):
    """Whether a machine of KIND that stands at NOW may come to THEN."""
    raised = {0: "", 1: "+"}.get(then[1] - now[1])
    return raised is not None and raised + then[0] in EDGES[kind].get(now[0], ())


def choice(rng, kind, now):
    """(state, attempt) for a machine that stands, as far as is known, at NOW."""
    words, edges = WORDS[kind], EDGES[kind]
    if now is None or rng.random() < 0.25:
        return rng.choice(words), rng.choice((1, 1, 2))
    state, attempt = now
    # Not to its end at once: half of the paths lead there.
    ways = sorted(edges.get(state, words), key=lambda word: (word in ENDS, rng.random()))
    word = ways[0] if rng.random() < 0.9 else rng.choice(ways)
    return word.lstrip("+"), attempt + word.startswith("+")


class Seen:
    """What all publishers know of the machines."""

    def __init__(self):
        self.now = {}  # machine -> point
        self.taken = {}  # machine -> the numbers of its events that were accepted, as told


class Refusal:
    """Of one event; `known`: those of its machine that had been accepted before it was sent."""

    def __init__(self, event, problem, known):
        self.event, self.problem, self.known = event, problem, known


class Random(threading.Thread):
    """One connection's publisher; what became of its events is in `accepted` and `refused`."""

    def __init__(self, sluice, number, count, seen):
        super().__init__(daemon=True)
        self.sluice, self.number, self.count, self.seen = sluice, number, count, seen
        self.rng = random.Random(number)
        self.accepted, self.refused, self.error = set(), [], None
        self.sent = 0

    def run(self):
        try:
            self.publish()
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.error = error

    def publish(self):
        """All its events, in requests of up to BATCH, each event for itself."""
        publisher = Publisher(self.sluice)
        while self.sent < self.count:
            size = min(self.rng.randint(1, BATCH), self.count - self.sent)
            events = [self.event(self.sent + i) for i in range(size)]
            known = {machine_of(e): set(self.seen.taken.get(machine_of(e), ())) for e in events}
            end = time.monotonic() + PATIENCE
            while events:
                assert time.monotonic() < end, "no answer"
                events = self.ask(publisher, events, known)
            self.sent += size
        publisher.close()

    def ask(self, publisher, events, known):
        """Publishes them; returns those of which it is not known yet."""
        status, answer = publisher.post(events, "?atomic=0")
        assert status in (202, 409, 503), answer
        rows = {int(d["path"][1:].partition("]")[0]): d for d in answer.get("details", ())}
        if status == 503 and not rows:
            time.sleep(0.1)
            return events
        again = []
        for i, event in enumerate(events):
            if i not in rows:
                self.take(event, known)
            elif rows[i]["code"] in LATER:
                again.append(event)
            else:
                assert rows[i]["code"] in ("illegal_transition", "stream_ended"), rows[i]
                before = set(known[machine_of(event)])
                self.refused.append(Refusal(event, rows[i]["problem"], before))
        if status == 202:
            taken = answer["accepted"] + answer["duplicates"]
            assert taken == len(events) - len(rows), answer
        return again

    def take(self, event, known):
        """One that was accepted."""
        machine = machine_of(event)
        self.accepted.add(event["data"]["n"])
        self.seen.now[machine] = point_of(event)
        self.seen.taken.setdefault(machine, set()).add(event["data"]["n"])
        known[machine].add(event["data"]["n"])

    def event(self, i):
        """The I-th: of one of the machines that all are at now."""
        n = i * CONNECTIONS + self.number
        at = i // 40 * 5 + self.rng.randrange(10)
        machine = (f"job:prop/{at}", None)
        if self.rng.random() < 0.4:
            machine = (f"pack-run:prop/{at // 3}", f"s{at % 3}")
        state, attempt = choice(self.rng, kind_of(machine), self.seen.now.get(machine))
        if machine[1] is None:
            event = job(machine[0], state, None, attempt, n=n)
        else:
            event = step(machine[0], at % 3, state, None, attempt)
            event["data"]["n"] = n
        return event | {"idempotency_key": f"prop-{n}"}


def check_stream(events):
    """One stream's: no seq is missing, and nothing stands behind its end."""
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1)), events[0]
    assert all(not e["terminal"] for e in events[:-1]), events[0]


def check_path(machine, events):
    """One machine's: a legal path, every link of its chain right."""
    previous = None
    for event in events:
        now = point_of(event)
        assert previous is None or legal(kind_of(machine), previous, now), (machine, previous, now)
        assert event["data"]["previous_state"] == (previous[0] if previous else None)
        assert machine[1] is not None or event["terminal"] == (now[0] in ENDS)
        previous = now


def check_refusal(refusal, path):
    """It names where its machine stood: not before what its publisher knew, and it was illegal."""
    machine = machine_of(refusal.event)
    words = STATE.search(refusal.problem)
    assert words, refusal.problem
    now = words[1], int(words[2])
    assert not legal(kind_of(machine), now, point_of(refusal.event)), (refusal.event, now)
    known = max((i for i, e in enumerate(path) if e["data"]["n"] in refusal.known), default=0)
    later = [point_of(e) for e in path[known:]]
    assert now in later, (refusal.event, refusal.problem, later)


def publish_all(sluice, threads, stream):
    """Lets them publish; the broker dies when half of it is done."""
    killed = False
    for thread in threads:
        thread.start()
    while any(t.is_alive() for t in threads):
        stream.pump()
        if not killed and sum(t.sent for t in threads) * 2 >= sum(t.count for t in threads):
            sluice.kill("broker")
            killed = True
        threads[0].join(0.005)
        for thread in threads:
            assert thread.error is None, thread.error
    assert killed


def by(key, events):
    """Lists of events, by KEY(event)."""
    found = {}
    for event in events:
        found.setdefault(key(event), []).append(event)
    return found


@pytest.mark.parametrize(
    "count", [6_000, pytest.param(100_000, marks=[pytest.mark.release_only, pytest.mark.slow])]
)
def test_what_is_accepted_is_a_legal_path_and_delivered_once(count):
    with Sluice({"journal": {"size": "256MiB"}}, gateways=2) as sluice:
        seen = Seen()
        threads = [Random(sluice, i, count // CONNECTIONS, seen) for i in range(CONNECTIONS)]
        with sluice.stream("job:prop/*", "pack-run:prop/*") as stream:
            stream.wait_joined()
            publish_all(sluice, threads, stream)
            accepted = set().union(*(t.accepted for t in threads))
            refused = [r for t in threads for r in t.refused]
            stream.wait_events(len(accepted), deadline(60))
            found = stream.events()
        assert len(accepted) + len(refused) == count // CONNECTIONS * CONNECTIONS
        assert min(len(accepted), len(refused)) > count // 20
        assert sorted(e["data"]["n"] for e in found) == sorted(accepted)
        assert len({e["id"] for e in found}) == len(found)
        for events in by(lambda e: e["stream_key"], found).values():
            check_stream(events)
        paths = by(machine_of, found)
        assert {kind_of(machine) for machine in paths} == {"job", "step"}
        for machine, events in paths.items():
            check_path(machine, events)
        for refusal in refused:
            check_refusal(refusal, paths[machine_of(refusal.event)])
