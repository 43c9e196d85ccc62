"""A pack run, from its publisher to its readers (contract 7, row 2): steps, log lines, progress.

Each request goes to either of two gateways, is repeated blindly, and one of them may be killed
under it. What readers get is the same.
"""

import random
import time

import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.sluice import Sluice

from .lifecycle import Publisher, name_of, pack, publisher_each, step

CONF = {"streams": {"default": {"heartbeat_interval": "500ms"}}}
LINES = 10
STEPS = 3


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice(CONF, gateways=2) as running:
        yield running


class Script:
    """What a pack run says, in order, and what its readers must see of it."""

    def __init__(self, key):
        self.key = key
        self.events = []
        self.lines = 0
        self._state = None
        self._steps = {}

    def to(self, *words):
        """The run goes through these states."""
        for word in words:
            self.events.append(pack(self.key, word, self._state))
            self._state = word
        return self

    def step(self, index, *words, **more):
        """A step does."""
        for word in words:
            self.events.append(step(self.key, index, word, self._steps.get(index), **more))
            self._steps[index] = word
        return self

    def log(self, index):
        """Its lines; the run's are counted through."""
        for _ in range(LINES):
            self.lines += 1
            data = {"line": f"step {index}: {self.lines}", "line_no": self.lines}
            data |= {"stream": "stdout", "step_id": f"s{index}", "step_index": index}
            self._add("log", data)
        return self

    def progress(self, index, percent):
        """How far it is."""
        data = {"pack_run_id": name_of(self.key), "step_index": index, "step_count": STEPS}
        self._add("progress", data | {"percent": percent})
        return self

    def whole(self, index):
        """A step that succeeds, all of it."""
        self.step(index, "pending", "running").log(index).step(index, "succeeded")
        return self.progress(index, round(100 * (index + 1) / STEPS))

    def _add(self, kind, data):
        # What has no machine is known again by its key.
        event = {"stream_key": self.key, "event_type": f"pack_run.{kind}", "data": data}
        self.events.append(event | {"idempotency_key": f"{self.key} {len(self.events)}"})


def succeeds(key):
    """Three steps, one after the other."""
    script = Script(key).to("pending", "queued", "running")
    for index in range(STEPS):
        script.whole(index)
    return script.to("succeeded")


def fails(key):
    """The second step fails; the third is skipped."""
    script = Script(key).to("queued", "running").whole(0)
    script.step(1, "pending", "running").log(1).step(1, "failed", exit_code=2)
    return script.step(2, "pending", "skipped").progress(2, 66).to("failed")


def gate(key, decision):
    """The second step is a gate, for which the run waits."""
    asked = {"id": "g1", "required_approvals": 1}
    said = {"kind": "gate.approval", "gate": asked | {"decision": decision, "by": "ada"}}
    script = Script(key).to("queued", "running").whole(0).step(1, "pending", "running")
    script.step(1, "waiting", kind="gate.approval", gate=asked).to("waiting")
    if decision == "approved":
        script.step(1, "running", **said).to("running").log(1).step(1, "succeeded")
        return script.progress(1, 66).whole(2).to("succeeded")
    script.step(1, "failed", **said).step(2, "pending", "skipped")
    return script.to("failed")


SCRIPTS = {
    "succeeds": succeeds,
    "fails": fails,
    "approved": lambda key: gate(key, "approved"),
    "refused": lambda key: gate(key, "refused"),
}


def judge(script, stream):
    """All of it, once each, in its order, and nothing behind."""
    events = stream.events()
    want = [(e["event_type"], e["data"]) for e in script.events]
    assert [(e["event_type"], e["data"]) for e in events] == want
    assert [e["seq"] for e in events] == list(range(1, len(want) + 1))
    of = {k: [] for k in ("step", "log", "progress", "state_changed")}
    for event in events:
        of[event["event_type"].partition(".")[2]].append(event["data"])
    assert {d["step_index"] for d in of["step"]} == set(range(STEPS))
    assert all(d["step_id"] == f"s{d['step_index']}" for d in [*of["step"], *of["log"]])
    assert [d["line_no"] for d in of["log"]] == list(range(1, script.lines + 1))
    percents = [d["percent"] for d in of["progress"]]
    assert percents == sorted(percents)
    for rows in ([d for d in of["step"] if d["step_index"] == i] for i in range(STEPS)):
        chain = [d["state"] for d in rows]
        assert [d["previous_state"] for d in rows] == [None, *chain[:-1]]
    assert [e.get("terminal", False) for e in events] == [False] * (len(want) - 1) + [True]
    end = {"stream_key": script.key, "final_state": script.events[-1]["data"]["state"]}
    end |= {"last_id": events[-1]["id"], "reason": "terminal"}
    assert [f.json for f in stream.named("stream.end")] == [end]
    assert stream.frames[-1].event == "stream.end"


def to_the_end(stream):
    """Reads until the connection ends, cleanly."""
    wait_until(lambda: stream.pump() or stream.ended, 20, "the end")
    assert stream.ended == "clean"


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_pack_run_is_followed_to_its_end(sluice, name):
    key = f"pack-run:row-{name}"
    script, chance = SCRIPTS[name](key), random.Random(name)
    publishers = list(publisher_each(sluice).values())
    with sluice.stream(key) as stream, sluice.stream(key) as other:
        stream.wait_joined()
        other.wait_joined()
        for event in script.events:
            chance.shuffle(publishers)
            at = time.monotonic()
            status, first = publishers[0].post(event)
            assert (status, first["accepted"]) == (202, 1)
            # Whoever saw no answer asks again, wherever.
            if chance.random() < 0.3:
                status, again = publishers[1].post(event)
                assert (status, again["duplicates"]) == (202, 1)
                assert again["first_id"] == first["first_id"]
        to_the_end(stream)
        assert time.monotonic() - at < deadline(1)
        to_the_end(other)
        for one in (stream, other):
            judge(script, one)
    if name == "succeeds":
        assert script.lines == STEPS * LINES == 30
    with sluice.stream(key, last_event_id="-1") as stream:
        to_the_end(stream)
        judge(script, stream)
    for publisher in publishers:
        publisher.close()


def blindly(sluice, event):
    """Sends the event until it is there, each time to whatever gateway has the connection."""

    def taken():
        other = Publisher(sluice)
        try:
            status, answer = other.post(event)
        finally:
            other.close()
        assert status in (202, 503), answer
        return status == 202

    wait_until(taken, 20, f"202 for {event}", ignore=(OSError,))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_gateway_is_killed_in_the_midst_of_a_pack_run(name):
    key = f"pack-run:killed-{name}"
    script = SCRIPTS[name](key)
    half = len(script.events) // 2
    with Sluice(CONF, gateways=2) as sluice:
        with sluice.stream(key) as stream:
            stream.wait_joined()
            for event in script.events[:half]:
                blindly(sluice, event)
            victim = Publisher(sluice)
            assert victim.post([])[0] == 400
            gateway, _ = victim.gateway(sluice)
            # Of this nobody knows whether it was taken.
            victim.send(script.events[half])
            pid = sluice.kill(gateway)
            victim.close()
            for event in script.events[half:]:
                blindly(sluice, event)
            wait_until(lambda: stream.pump() or stream.ended, 20, "its end, or the kill")
            got = stream.events()
        sluice.wait_restarted(gateway, pid)
        if stream.ended == "clean":
            judge(script, stream)
        cursor = stream.last_id() or "-1"
        with sluice.stream(key, last_event_id=cursor, snapshot=0) as rest:
            wait_until(lambda: rest.pump() or rest.ended or rest.status == 204, 20, "the rest")
            seqs = [e["seq"] for e in [*got, *rest.events()]]
            assert seqs == list(range(1, len(script.events) + 1))
        with sluice.stream(key, last_event_id="-1") as whole:
            to_the_end(whole)
            judge(script, whole)
