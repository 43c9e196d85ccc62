"""Random publishers of lifecycle events: what they know, choose, send and are answered."""

import http.client
import random
import re
import threading
import time

from tests.bed.net import deadline

from .lifecycle import job, pack, publisher_at, run, step

ENDS = {"succeeded", "failed", "canceled", "timed_out"}
BUILD_ENDS = {"complete", "failed", "cancelled"}
# Contract 3, written out; "+": with the next attempt.
JOB = {
    "pending": {"queued", "canceled"},
    "queued": {"leased", "throttled", "canceled", "timed_out"},
    "throttled": {"queued", "canceled"},
    "leased": {"running", "queued", "failed", "canceled", "timed_out"},
    "running": ENDS | {"+queued"},
}
PACK_RUN = {
    "pending": {"queued", "canceled"},
    "queued": {"running", "canceled"},
    "running": ENDS | {"waiting"},
    "waiting": ENDS | {"running"},
}
STEP = {
    "pending": {"running", "skipped"},
    "running": ENDS | {"waiting", "skipped"},
    "waiting": ENDS | {"running", "skipped"},
    "failed": {"+pending"},
}
RUN = {"pending": {"running"}, "running": ENDS | {"partially_succeeded"}}
EDGES = {"job": JOB, "pack-run": PACK_RUN, "step": STEP, "run": RUN, "build": {}}
FINALS = {kind: ENDS for kind in EDGES}
FINALS |= {"run": ENDS | {"partially_succeeded"}, "build": BUILD_ENDS}
WORDS = {kind: sorted(FINALS[kind] | set(edges)) for kind, edges in EDGES.items()}
WORDS["step"].append("skipped")
ATTEMPTS = {"job", "pack-run", "step"}
# How often each is chosen: of a pack run there are more steps than states.
SHARES = {"job": 50, "step": 25, "pack-run": 8, "run": 12, "build": 5}
STATE = re.compile(r"the current state is (\w+)(?:, attempt (\d+))?")
LATER = {"broker_unavailable", "machine_busy"}
CONNECTIONS = 8
BATCH = 20
PATIENCE = 60  # for processes that were killed


def machine_of(event):
    """(stream, step or None): whose state it is."""
    return event["stream_key"], event["data"].get("step_id")


def kind_of(machine):
    """Which of EDGES."""
    return "step" if machine[1] else machine[0].partition(":")[0]


def point_of(event):
    """(state, attempt); of a build its event's name is its state."""
    data = event["data"]
    return data.get("state", event["event_type"]), data.get("attempt", 0)


def lifecycle_event(machine, state, attempt, n):
    """The event, numbered N, by which a machine comes to a state."""
    key, kind = machine[0], kind_of(machine)
    if kind == "job":
        return job(key, state, None, attempt, n=n)
    if kind == "pack-run":
        return pack(key, state, None, attempt=attempt, n=n)
    if kind == "step":
        return step(key, int(machine[1][1:]), state, None, attempt, n=n)
    if kind == "run":
        return run(key, state, None, n=n)
    return {"stream_key": key, "event_type": state, "data": {"n": n}}


def legal(kind, now, then):
    """Whether a machine of KIND that stands at NOW may come to THEN."""
    raised = {0: "", 1: "+"}.get(then[1] - now[1])
    return raised is not None and raised + then[0] in EDGES[kind].get(now[0], ())


def choice(rng, kind, now):
    """(state, attempt) for a machine that stands, as far as is known, at NOW."""
    words, edges = WORDS[kind], EDGES[kind]
    if now is None or rng.random() < 0.25:
        return rng.choice(words), rng.choice((1, 1, 2)) if kind in ATTEMPTS else 0
    state, attempt = now
    # Not to its end at once: half of the paths lead there.
    ends = FINALS[kind]
    ways = sorted(edges.get(state, words), key=lambda word: (word in ends, rng.random()))
    word = ways[0] if rng.random() < 0.9 else rng.choice(ways)
    return word.lstrip("+"), attempt + word.startswith("+")


class Seen:
    """What all publishers know of the machines."""

    def __init__(self):
        self.now = {}  # machine -> point
        self.taken = {}  # machine -> the numbers of its events that were accepted, as told


class Gate:
    """How many events each may have sent by now: faults are to meet all of them at work."""

    def __init__(self):
        self._most = 0
        self._changed = threading.Condition()

    def open(self, most):
        """Lets each come to MOST."""
        with self._changed:
            self._most = most
            self._changed.notify_all()

    def wait(self, sent):
        """Until one that has SENT so many may send more."""
        with self._changed:
            self._changed.wait_for(lambda: sent < self._most)


class Refusal:
    """Of one event; `known`: those of its machine that had been accepted before it was sent."""

    def __init__(self, event, row, known):
        self.event, self.code, self.problem, self.known = event, row["code"], row["problem"], known


class Random(threading.Thread):
    """The publisher of one connection to one gateway, of the two by turns; what became of its
    events is in `accepted` and `refused`.

    When its gateway dies it connects again and repeats its request as it was: what of it was taken
    it cannot know. `torn` counts that. `told` are the ids it was given, `alone` {n: id} of events
    that were all of a request.
    """

    def __init__(self, sluice, number, count, seen, gate):
        super().__init__(daemon=True)
        self.sluice, self.number, self.count, self.seen = sluice, number, count, seen
        self.gate, self.gateway = gate, f"gateway/{number % 2}"
        self.rng = random.Random(number)
        self.accepted, self.refused, self.error = set(), [], None
        self.sent = self.torn = 0
        self.told, self.alone = set(), {}
        self.publisher = None

    def run(self):
        try:
            self.publish()
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.error = error

    def publish(self):
        """All its events, in requests of up to BATCH, each event for itself."""
        while self.sent < self.count:
            self.gate.wait(self.sent)
            # Of an event that is alone in its request the answer tells the id.
            most = 1 if self.rng.random() < 0.2 else BATCH
            size = min(self.rng.randint(1, most), self.count - self.sent)
            events = [self.event(self.sent + i) for i in range(size)]
            known = {machine_of(e): set(self.seen.taken.get(machine_of(e), ())) for e in events}
            end = time.monotonic() + deadline(PATIENCE)
            while events:
                assert time.monotonic() < end, "no answer"
                events = self.ask(events, known)
            self.sent += size
        self.publisher.close()

    def ask(self, events, known):
        """Publishes them; returns those of which it is not known yet."""
        try:
            self.publisher = self.publisher or publisher_at(self.sluice, self.gateway)
            status, answer = self.publisher.post(events, "?atomic=0")
        except (ConnectionError, http.client.HTTPException):
            self.torn += 1
            self.publisher = None
            return events
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
                self.refused.append(Refusal(event, rows[i], before))
        if status == 202:
            taken = answer["accepted"] + answer["duplicates"]
            assert taken == len(events) - len(rows), answer
            self.told |= {answer["first_id"], answer["last_id"]}
            if len(events) == 1:
                self.alone[events[0]["data"]["n"]] = answer["first_id"]
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
        kind = self.rng.choices(list(SHARES), SHARES.values())[0]
        if kind in ("step", "pack-run"):
            machine = (f"pack-run:prop/{at // 3}", f"s{at % 3}" if kind == "step" else None)
        else:
            machine = (f"{kind}:prop/{at}", None)
        now = choice(self.rng, kind, self.seen.now.get(machine))
        return lifecycle_event(machine, *now, n) | {"idempotency_key": f"prop-{n}"}
