"""Random publishers over two gateways: what was accepted is a legal path, once each, and what was
refused was illegal; gateways and the broker are killed meanwhile, and whoever has no answer repeats
its request as it was."""

import contextlib
import os
import signal

import pytest

from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

from .random_publishers import (
    CONNECTIONS,
    ENDS,
    STATE,
    Gate,
    Random,
    Seen,
    kind_of,
    legal,
    machine_of,
    point_of,
)

KEYS = ("job:prop/*", "pack-run:prop/*")
LAST = "job:prop/last"
# Who is killed together, one after the other; GATEWAY is the one that holds the connection of the
# first publisher, so that each time it is another.
GATEWAY = "gateway"
FAULTS = ((GATEWAY,), (GATEWAY,), ("broker",), (GATEWAY, "broker"), (GATEWAY,))


class Follower:
    """A stream of KEYS that is opened again by the last id it has seen whenever it is cut."""

    def __init__(self, sluice):
        self.sluice = sluice
        self.sessions = [sluice.stream(*KEYS)]
        self.sessions[0].wait_joined()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for session in self.sessions:
            session.close()

    def pump(self):
        """Takes in what is there."""
        self.sessions[-1].pump()
        if self.sessions[-1].ended is None:
            return
        assert self.sessions[-1].ended == "cut"
        cursor = [s.last_id() for s in self.sessions if s.last_id()][-1]
        with contextlib.suppress(ConnectionError):  # that gateway dies, too
            self.sessions.append(self.sluice.stream(*KEYS, last_event_id=cursor))

    def frames(self, *names):
        """Of all sessions: those with one of these names."""
        return [f for s in self.sessions for f in s.named(*names)]

    def events(self):
        """Of all sessions."""
        return [e for s in self.sessions for e in s.events()]

    def whole(self):
        """All events there are: what stands behind all the others proves that none comes late."""
        self.sluice.publish([{"stream_key": LAST, "event_type": "x.end", "data": {}}])

        def there():
            self.pump()
            return self.frames("x.end")

        wait_until(there, 60, "the last event")
        return [e for e in self.events() if e["stream_key"] != LAST]


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


def lives(sluice, victims, threads):
    """{name: pid} of those who are to die."""

    def found():
        rows = {name: sluice.pid(name) for name in victims if name != GATEWAY}
        return rows | dict([threads[0].publisher.gateway(sluice)] if GATEWAY in victims else [])

    # Its connection may not be there yet.
    return wait_until(found, 20, "the victims", ignore=(AssertionError, AttributeError, OSError))


def publish_all(sluice, threads, gate, follower):
    """Lets them publish, a share after the other; in the middle of each some process dies. Whose
    gateways they were."""

    def watch(cond, what):
        """COND is awaited, everybody being looked after."""

        def now():
            follower.pump()
            for thread in threads:
                assert thread.error is None, thread.error
            return cond()

        wait_until(now, 120, what, interval=0.005)

    def sent():
        return sum(t.sent for t in threads)

    share = threads[0].count // len(FAULTS)
    died = []
    for thread in threads:
        thread.start()
    for i, victims in enumerate(FAULTS):
        gate.open(share * (i + 1))
        pids = lives(sluice, victims, threads)
        watch(lambda i=i: sent() * 2 >= share * (2 * i + 1) * len(threads), "half of a share")
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        died += [name for name in pids if name.startswith(GATEWAY)]
        for name, pid in pids.items():
            watch(lambda name=name, pid=pid: ready_again(sluice, name, pid), f"{name} ready again")
    gate.open(threads[0].count)
    watch(lambda: not any(t.is_alive() for t in threads), "the rest")
    return died


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
        with Follower(sluice) as follower:
            died = publish_all(sluice, threads, gate, follower)
            assert set(died) == {"gateway/0", "gateway/1"}
            assert threads[0].torn >= len(died)
            accepted = set().union(*(t.accepted for t in threads))
            refused = [r for t in threads for r in t.refused]
            found = follower.whole()
            assert not follower.frames("stream.gap", "stream.error")
        check_all(threads, accepted, refused, found)


def check_all(threads, accepted, refused, found):
    """What publishers were told, against what was delivered."""
    count = sum(t.count for t in threads)
    assert len(accepted) + len(refused) == count
    assert min(len(accepted), len(refused)) > count // 20
    assert sorted(e["data"]["n"] for e in found) == sorted(accepted)
    ids = {e["id"] for e in found}
    assert len(ids) == len(found)
    assert set().union(*(t.told for t in threads)) <= ids
    for events in by(lambda e: e["stream_key"], found).values():
        check_stream(events)
    paths = by(machine_of, found)
    assert {kind_of(machine) for machine in paths} == {"job", "step"}
    for machine, events in paths.items():
        check_path(machine, events)
    for refusal in refused:
        check_refusal(refusal, paths[machine_of(refusal.event)])
