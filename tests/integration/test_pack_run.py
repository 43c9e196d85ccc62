"""A pack run, from its publisher to its readers (contract 7, row 2): steps, log lines, progress.

Each request goes to either of two gateways, is repeated blindly, and one of them may be killed
under it. What readers get is the same.
"""

import contextlib
import random
import time

import pytest

from tests.bed.sluice import Sluice
from tests.bed.stillness import Stillness

from .crowd import one_on_each
from .lifecycle import STEADY, ends_in_time, name_of, pack, publisher_each, step, to_the_end
from .repeating import Repeater, dies_unanswered
from .test_gateway import IN_TIME

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


def judge(script, events, ends):
    """All of it, once each, in its order, and one end."""
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
    assert [frame.json for frame in ends] == [end]


def reader_each(stack, sluice, key):
    """{incarnation: a reader there}, joined."""
    readers = one_on_each(stack, lambda: sluice.stream(key))
    for reader in readers.values():
        reader.wait_joined()
    return readers


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("in_time", IN_TIME)
def test_a_pack_run_is_followed_to_its_end(sluice, in_time, name):
    key = f"pack-run:row-{name}-{in_time:d}"
    script, chance = SCRIPTS[name](key), random.Random(name)
    publishers = list(publisher_each(sluice).values())
    with contextlib.ExitStack() as stack:
        still = stack.enter_context(Stillness(sluice.directory))
        readers = reader_each(stack, sluice, key)
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
        for reader in readers.values():
            ends_in_time(reader, at, still, in_time)
            judge(script, reader.events(), reader.named("stream.end"))
            assert reader.frames[-1].event == "stream.end"
    if name == "succeeds":
        assert script.lines == STEPS * LINES == 30
    with sluice.stream(key, last_event_id="-1") as stream:
        assert to_the_end(stream) == "clean"
        judge(script, stream.events(), stream.named("stream.end"))
    for publisher in publishers:
        publisher.close()


# Of which event nobody is told whether it was taken: a line, the end of a step, of a wait, of all.
UNANSWERED = {
    "succeeds": ("pack_run.log", {"line_no": 15}),
    "fails": ("pack_run.step", {"step_index": 1, "state": "failed"}),
    "approved": ("pack_run.step", {"step_index": 1, "state": "running", "kind": "gate.approval"}),
    "refused": ("pack_run.state_changed", {"state": "failed"}),
}


def place(script, event_type, data):
    """Where this event stands in the script."""
    (at,) = [
        i
        for i, event in enumerate(script.events)
        if event["event_type"] == event_type and data.items() <= event["data"].items()
    ]
    return at


def machine(event):
    """Whose state it is."""
    return event["event_type"], event["data"].get("step_id")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_gateway_dies_between_append_and_answer_of_a_pack_run(name):
    key = f"pack-run:killed-{name}"
    script = SCRIPTS[name](key)
    at = place(script, *UNANSWERED[name])
    event = script.events[at]
    with Sluice(CONF | STEADY, gateways=2) as sluice, contextlib.ExitStack() as stack:
        still = stack.enter_context(Stillness(sluice.directory))
        readers = reader_each(stack, sluice, key)
        victim, other = publisher_each(sluice).values()
        cut = readers.pop(victim.incarnation())
        (whole,) = readers.values()
        for i, before in enumerate(script.events[:at]):
            assert (victim, other)[i % 2].post(before)[0] == 202
        # The one that dies has seen where its machine stands: it need not ask.
        known = [e for e in script.events[:at] if machine(e) == machine(event)]
        assert victim.post(known[-1])[1]["duplicates"] == 1
        # It is behind by none of them: what it has not told when it stops, it tells nobody.
        cut.read_until(lambda s: len(s.ids()) == at, 10, "what was before, at the one that dies")
        gateway = victim.gateway(sluice)
        dies_unanswered(sluice, gateway, key, lambda: victim.send(event))
        begin = time.monotonic()
        with pytest.raises(OSError):
            victim.answer()
        with Repeater(sluice, other) as repeater:
            for i, after in enumerate(script.events[at:]):
                begin = begin if i == 0 else time.monotonic()
                # Once, what nobody was told of is known again.
                assert repeater.publish(after)["duplicates"] == (i == 0)
        ends_in_time(whole, begin, still)
        judge(script, whole.events(), whole.named("stream.end"))
        assert to_the_end(cut) == "cut" and len(cut.ids()) == at
        rest = stack.enter_context(sluice.stream(key, last_event_id=cut.last_id(), snapshot=0))
        assert to_the_end(rest) == "clean"
        judge(script, cut.events() + rest.events(), rest.named("stream.end"))
        sluice.wait_restarted(*gateway)
        for one in publisher_each(sluice).values():
            assert one.post(script.events[-1])[1]["duplicates"] == 1
            one.close()
        again = stack.enter_context(sluice.stream(key, last_event_id="-1"))
        assert to_the_end(again) == "clean"
        judge(script, again.events(), again.named("stream.end"))
        assert whole.ids() == cut.ids() + rest.ids() == again.ids()
        victim.close()
