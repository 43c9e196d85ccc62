"""The broker slow or away while a cluster changes: only intermediate states are lost."""

import contextlib
import os
import signal

from tests.bed.kubeapi import pod_spec
from tests.bed.net import factor, wait_until
from tests.integration.test_watcher_metrics import figures
from tests.integration.watching import watching

TURNS = 1000
# The queue to the broker takes 4 MiB; each change of the flood would take 500 bytes or more there.
FLOOD, ROOM_KIB = 30000, 8192


def resident(pid):
    """What a process holds in memory, in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def status_step(pod, message):
    """A step of a script: POD has failed, with a MESSAGE."""
    patch = {"status": {"phase": "Failed", "message": message}}
    return {"kind": "pod", "ns": pod[0], "name": pod[1], "patch": patch, "status": True}


def again_steps(pod):
    """Steps: a pod of that name is deleted, made again, deleted, made again."""
    place = {"kind": "pod", "ns": pod[0], "name": pod[1]}
    thing = {"metadata": {"name": pod[1], "namespace": pod[0]}, "spec": pod_spec()}
    return [{"delete": place}, {"create": {**place, "object": thing}}] * 2


class Pressed:
    """What happens to the pods of a watched simulator in a moment, and what is to be told."""

    def __init__(self, bed):
        """One pod changes a thousand times, the others once; one goes, one comes again."""
        self.bed = bed
        self.busy, self.doomed, self.again, *self.others = sorted(bed.shown("pod"))
        bed.sim.quiet()
        # The figures are told once in a while: those that know of the last thing told.
        bed.sim.api.set_pod_status(*self.busy, {"phase": "Failed", "message": "begin"})
        wait_until(lambda: bed.shown("pod")[self.busy].get("message") == "begin", 20, "the begin")
        self.before = len(bed.objects.events())
        pods = sum("/pod/" in event["stream_key"] for event in bed.objects.events())
        wait_until(lambda: self.figure("published_total") == pods, 20, "the figures")
        self.taken = self.figure("events_total")

    def figure(self, name):
        """The newest of the watcher's figures on pods."""
        return figures(self.bed.sluice).get((name, self.bed.cluster, "pod"))

    def change(self):
        """Makes it happen, and waits until the watcher has taken it in."""
        steps = [{"patch": status_step(self.busy, f"turn {n}")} for n in range(TURNS)]
        steps += [{"patch": status_step(pod, "changed")} for pod in self.others]
        steps += [{"patch": status_step(self.doomed, "going")}]
        steps += [{"delete": {"kind": "pod", "ns": self.doomed[0], "name": self.doomed[1]}}]
        steps += again_steps(self.again)
        steps += [{"patch": status_step(self.again, "new")}]
        self.bed.sim.script(*({"at_ms": 0, **step} for step in steps))

        def done():
            """True when the script is over."""
            now = self.bed.sim.control("GET", "script")
            assert not now["errors"], now["errors"][:3]
            return now["left"] == 0

        wait_until(done, 20, "the script's end")
        self.taken += len(steps)
        wait_until(
            lambda: self.figure("events_total") >= self.taken, 20, "the watcher has taken all in"
        )

    def told(self, pod):
        """The events of a POD since."""
        key = f"resource:{self.bed.cluster}/pod/{'/'.join(pod)}"
        return [e for e in self.bed.objects.events()[self.before :] if e["stream_key"] == key]

    def check(self):
        """The last that was told of each pod is the truth; every deletion was told."""
        messages = {pod: "changed" for pod in self.others}
        messages |= {self.busy: f"turn {TURNS - 1}", self.again: "new"}

        def level():
            """True when each says its last message, and the doomed one is gone."""
            shown = self.bed.shown("pod")
            return shown.keys() == messages.keys() and all(
                shown[pod].get("message") == message for pod, message in messages.items()
            )

        wait_until(level, 40, "the last messages")
        assert self.told(self.doomed)[-1]["event_type"] == "resource.deleted"
        types = [e["event_type"] for e in self.told(self.again)]
        assert "resource.deleted" in types and types[-1] == "status_update", types
        self.bed.wait_level("pod")


def test_a_stopped_broker_costs_intermediate_states_only():
    """SIGSTOP, then SIGCONT or what the supervisor does first: the truth, collapsed."""
    with watching(objects=120) as bed:
        pressed = Pressed(bed)
        broker = bed.sluice.kill("broker", signal.SIGSTOP)
        try:
            pressed.change()
        finally:
            # The supervisor may have ended what it took for hung.
            with contextlib.suppress(ProcessLookupError):
                os.kill(broker, signal.SIGCONT)
        pressed.check()
        bed.check_published()
        assert len(pressed.told(pressed.busy)) < TURNS / 4


def test_a_broker_that_is_away_costs_no_memory():
    """Not there for as long as 30,000 changes take: each pod waits with its newest state alone."""
    with watching(objects=120) as bed:
        pressed = Pressed(bed)
        pid = bed.sluice.pid(bed.process)
        bed.sluice.ctl("stop", "broker")
        # While it ends it might take the flood's first changes one after the other.
        wait_until(lambda: bed.sluice.status()["broker"]["state"] == "stopped", 20, "no broker")
        before = resident(pid)
        bed.sim.change("pod", count=FLOOD)
        pressed.taken += FLOOD
        pressed.change()
        grown = resident(pid) - before
        bed.sluice.ctl("start", "broker")
        pressed.check()
        assert len(pressed.told(pressed.busy)) <= 2
        assert bed.sluice.pid(bed.process) == pid
        if factor() == 1:
            assert grown < ROOM_KIB, f"{grown} KiB for {FLOOD} changes"
