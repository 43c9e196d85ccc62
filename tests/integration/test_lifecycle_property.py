"""Random publishers over two gateways: what was accepted is a legal path, once each."""

import random
import threading

import pytest

from tests.bed.net import deadline
from tests.bed.sluice import Sluice

from .lifecycle import Publisher, job

ENDS = {"succeeded", "failed", "canceled", "timed_out"}
# Contract 3, written out; "+": with the next attempt.
EDGES = {
    "pending": {"queued", "canceled"},
    "queued": {"leased", "throttled", "canceled", "timed_out"},
    "throttled": {"queued", "canceled"},
    "leased": {"running", "queued", "failed", "canceled", "timed_out"},
    "running": ENDS | {"+queued"},
}
WORDS = sorted(ENDS | set(EDGES))
CONNECTIONS = 8
BATCH = 20


def choice(rng, now):
    """(state, attempt) of an event for a job that stands, as far as is known, at NOW."""
    if now is None or rng.random() < 0.25:
        return rng.choice(WORDS), rng.choice((1, 1, 2))
    state, attempt = now
    # Not to its end at once: half of the paths lead there.
    ways = sorted(EDGES.get(state, WORDS), key=lambda word: (word in ENDS, rng.random()))
    word = ways[0] if rng.random() < 0.9 else rng.choice(ways)
    return word.lstrip("+"), attempt + word.startswith("+")


class Random(threading.Thread):
    """One connection's publisher; what became of its events is in `accepted`."""

    def __init__(self, sluice, number, count, seen):
        super().__init__(daemon=True)
        self.sluice, self.number, self.count, self.seen = sluice, number, count, seen
        self.rng = random.Random(number)
        self.accepted, self.error = set(), None

    def run(self):
        try:
            self.publish()
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.error = error

    def publish(self):
        """All its events, in requests of up to BATCH, each event for itself."""
        publisher = Publisher(self.sluice)
        sent = 0
        while sent < self.count:
            size = min(self.rng.randint(1, BATCH), self.count - sent)
            events = [self.event(sent + i) for i in range(size)]
            status, answer = publisher.post(events, "?atomic=0")
            assert status in (202, 409), answer
            assert status == 202 or answer["code"] in ("illegal_transition", "stream_ended")
            refused = {int(d["path"][1:].partition("]")[0]) for d in answer.get("details", ())}
            for i, event in enumerate(events):
                if i not in refused:
                    data = event["data"]
                    self.accepted.add(data["n"])
                    self.seen[event["stream_key"]] = data["state"], data["attempt"]
            assert status == 409 or answer["accepted"] == size - len(refused)
            sent += size
        publisher.close()

    def event(self, i):
        """The I-th: of one of the jobs that all are at now."""
        key = f"job:prop/{i // 40 * 5 + self.rng.randrange(10)}"
        state, attempt = choice(self.rng, self.seen.get(key))
        return job(key, state, None, attempt, n=i * CONNECTIONS + self.number)


def check_path(key, events):
    """One stream's events: a legal path, every link of its chain right."""
    previous = None
    for i, event in enumerate(events):
        data = event["data"]
        assert event["seq"] == i + 1, key
        if previous is not None:
            state, attempt = previous
            raised = "+" if data["attempt"] == attempt + 1 else ""
            assert raised or data["attempt"] == attempt, (key, i, previous, data)
            assert raised + data["state"] in EDGES.get(state, ()), (key, i, previous, data)
        assert data["previous_state"] == (previous[0] if previous else None)
        assert event["terminal"] == (data["state"] in ENDS)
        previous = data["state"], data["attempt"]
    assert all(not e["terminal"] for e in events[:-1]), key


@pytest.mark.parametrize(
    "count", [6_000, pytest.param(100_000, marks=[pytest.mark.release_only, pytest.mark.slow])]
)
def test_what_is_accepted_is_a_legal_path_and_delivered_once(count):
    with Sluice({"journal": {"size": "256MiB"}}, gateways=2) as sluice:
        seen = {}
        threads = [Random(sluice, i, count // CONNECTIONS, seen) for i in range(CONNECTIONS)]
        with sluice.stream("job:prop/*") as stream:
            stream.wait_joined()
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    stream.pump()
                    thread.join(0.005)
                assert thread.error is None, thread.error
            accepted = set().union(*(t.accepted for t in threads))
            assert len(accepted) > count // 20
            stream.wait_events(len(accepted), deadline(60))
            found = stream.events()
        assert sorted(e["data"]["n"] for e in found) == sorted(accepted)
        assert len({e["id"] for e in found}) == len(found)
        streams = {}
        for event in found:
            streams.setdefault(event["stream_key"], []).append(event)
        for key, events in streams.items():
            check_path(key, events)
