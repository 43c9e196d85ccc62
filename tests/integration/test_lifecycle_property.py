"""Random publishers over two gateways: what was accepted is a legal path, once each, and what was
refused was illegal; gateways and the broker are killed meanwhile, and whoever has no answer repeats
its request as it was."""

import contextlib
import os
import signal

import pytest

from tests.bed.net import DeadlineError, wait_until
from tests.bed.sluice import Sluice

from .crowd import gateway_of
from .lifecycle import publisher_at
from .random_publishers import (
    CONNECTIONS,
    EDGES,
    FINALS,
    STATE,
    Gate,
    Random,
    Seen,
    kind_of,
    legal,
    machine_of,
    point_of,
)

KEYS = ("job:prop/*", "pack-run:prop/*", "run:prop/*", "build:prop/*")
LAST = "job:prop/last"
GATEWAYS = ("gateway/0", "gateway/1")
# Who is killed together, one after the other.
FAULTS = (GATEWAYS[:1], GATEWAYS[1:], ("broker",), ("gateway/0", "broker"), GATEWAYS[1:])


class Follower:
    """A stream of KEYS at one gateway, opened there again by its last id whenever it is cut."""

    def __init__(self, sluice, gateway):
        self.sluice, self.gateway = sluice, gateway
        self.sessions = []
        wait_until(self.open, 20, f"a stream of {gateway}", interval=0)
        self.sessions[0].wait_joined()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for session in self.sessions:
            session.close()

    def open(self):
        """Tries once, behind what it has; whether it came to its gateway."""
        ids = [s.last_id() for s in self.sessions if s.last_id()]
        # A gateway that dies meanwhile, too, is no answer.
        with contextlib.suppress(ConnectionError, DeadlineError):
            session = self.sluice.stream(*KEYS, last_event_id=ids[-1] if ids else None)
            if gateway_of(session) == self.sluice.status()[self.gateway]["incarnation"]:
                self.sessions.append(session)
                return True
            session.close()
        return False

    def pump(self):
        """Takes in what is there."""
        self.sessions[-1].pump()
        if self.sessions[-1].ended is not None:
            assert self.sessions[-1].ended == "cut"
            self.open()

    def frames(self, *names):
        """Of all sessions: those with one of these names."""
        return [f for s in self.sessions for f in s.named(*names)]

    def events(self):
        """Of all sessions, but for what stands behind all the others."""
        return [e for s in self.sessions for e in s.events() if e["stream_key"] != LAST]


def whole(sluice, followers):
    """All events there are, as both have them: one that stands behind all the others proves that
    none comes late.
    """
    sluice.publish([{"stream_key": LAST, "event_type": "x.end", "data": {}}])

    def there():
        for follower in followers:
            follower.pump()
        return all(follower.frames("x.end") for follower in followers)

    wait_until(there, 60, "the last event")
    for follower in followers:
        assert not follower.frames("stream.gap", "stream.error")
    first, second = (follower.events() for follower in followers)
    assert first == second
    return first


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
        if machine[0].partition(":")[0] != "build":
            assert event["data"]["previous_state"] == (previous[0] if previous else None)
        assert machine[1] or event["terminal"] == (now[0] in FINALS[kind_of(machine)])
        previous = now


def check_refusal(refusal, paths):
    """It names where its machine stood: not before what its publisher knew, and it was illegal. Or
    its step's pack run had ended: what the step's own machine would take. Whether it was that.
    """
    machine = machine_of(refusal.event)
    words = STATE.search(refusal.problem)
    if words is None:
        assert (kind_of(machine), refusal.code) == ("step", "stream_ended"), refusal.problem
        assert paths[machine[0], None][-1]["terminal"], refusal.event
        return True
    path = paths[machine]
    now = words[1], int(words[2] or 0)
    assert not legal(kind_of(machine), now, point_of(refusal.event)), (refusal.event, now)
    known = max((i for i, e in enumerate(path) if e["data"]["n"] in refusal.known), default=0)
    later = [point_of(e) for e in path[known:]]
    assert now in later, (refusal.event, refusal.problem, later)
    return False


def guards_lost(sluice):
    """How many events of both gateways came behind another's, since each began."""
    lost = 0
    for gateway in GATEWAYS:
        with contextlib.closing(publisher_at(sluice, gateway)) as one:
            lost += one.figure("guards_lost_total")
    return lost


def publish_all(sluice, threads, gate, followers):
    """Lets them publish, a share after the other; in the middle of each some process dies. The most
    guards that were lost between two deaths.
    """

    def watch(cond, what):
        """COND is awaited, everybody being looked after."""

        def now():
            for follower in followers:
                follower.pump()
            for thread in threads:
                assert thread.error is None, thread.error
            return cond()

        wait_until(now, 120, what, interval=0.005)

    def sent():
        return sum(t.sent for t in threads)

    share = threads[0].count // len(FAULTS)
    lost = []
    for thread in threads:
        thread.start()
    for i, victims in enumerate(FAULTS):
        gate.open(share * (i + 1))
        watch(lambda i=i: sent() * 2 >= share * (2 * i + 1) * len(threads), "half of a share")
        pids = {name: sluice.pid(name) for name in victims}
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        for name, pid in pids.items():
            watch(lambda name=name, pid=pid: ready_again(sluice, name, pid), f"{name} ready again")
        lost.append(guards_lost(sluice))
    gate.open(threads[0].count)
    watch(lambda: not any(t.is_alive() for t in threads), "the rest")
    return max(lost)


def ready_again(sluice, name, pid):
    """Whether it is, in another life than PID's."""
    row = sluice.status().get(name, {})
    return row.get("state") == "ready" and row["pid"] != pid


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
        seen, gate, each = Seen(), Gate(), count // CONNECTIONS
        threads = [Random(sluice, i, each, seen, gate) for i in range(CONNECTIONS)]
        with contextlib.ExitStack() as stack:
            followers = [stack.enter_context(Follower(sluice, name)) for name in GATEWAYS]
            lost = publish_all(sluice, threads, gate, followers)
            assert [t.gateway for t in threads] == list(GATEWAYS) * (CONNECTIONS // 2)
            assert lost > 0 and all(t.torn for t in threads)
            found = whole(sluice, followers)
        check_all(threads, found)


def check_ids(threads, found):
    """Each id that a publisher was told was delivered, and as that of its event."""
    ids = {e["data"]["n"]: e["id"] for e in found}
    assert len(set(ids.values())) == len(found)
    assert set().union(*(t.told for t in threads)) <= set(ids.values())
    alone = {n: first_id for t in threads for n, first_id in t.alone.items()}
    assert len(alone) > CONNECTIONS and alone == {n: ids[n] for n in alone}


def check_all(threads, found):
    """What publishers were told, against what was delivered."""
    accepted = set().union(*(t.accepted for t in threads))
    refused = [r for t in threads for r in t.refused]
    count = sum(t.count for t in threads)
    assert len(accepted) + len(refused) == count
    assert min(len(accepted), len(refused)) > count // 20
    assert sorted(e["data"]["n"] for e in found) == sorted(accepted)
    check_ids(threads, found)
    for events in by(lambda e: e["stream_key"], found).values():
        check_stream(events)
    paths = by(machine_of, found)
    assert {kind_of(machine) for machine in paths} == set(EDGES)
    for machine, events in paths.items():
        check_path(machine, events)
    after = sum(check_refusal(refusal, paths) for refusal in refused)
    assert after > 0, "no step was refused because its pack run had ended"
