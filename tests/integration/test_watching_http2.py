"""Connections: how many the watcher holds to the simulator, and for how long."""

import pytest

from tests.bed.net import wait_until
from tests.integration.test_watcher_http2 import connections
from tests.integration.watching import DEPLOYMENTS, PODS, watching

ALL = ["deployment", "service", "statefulset", "daemonset", "job", "cronjob", "ingress", "pod"]


def watch_connections(bed):
    """The ids of the connections on which the newest watches were asked for."""
    return {bed.asked(kind, "watch=1")[-1]["connection"] for kind in (PODS, DEPLOYMENTS)}


@pytest.mark.parametrize(("http2", "expected"), [(True, 1), (False, 2)])
def test_watches_share_one_connection_apart_from_lists(http2, expected):
    """HTTP/2: both watches on one, the lists on another; HTTP/1.1 by option: one each."""
    with watching({"http2": http2}) as bed:
        watches = bed.asked(PODS, "watch=1") + bed.asked(DEPLOYMENTS, "watch=1")
        lists = bed.lists(PODS) + bed.lists(DEPLOYMENTS)
        assert {r["protocol"] for r in watches} == {"HTTP/2" if http2 else "HTTP/1.1"}
        assert len({r["connection"] for r in watches}) == expected
        assert not {r["connection"] for r in watches} & {r["connection"] for r in lists}


def test_many_kinds_need_two_connections():
    """Eight watches and their lists: two connections, no more."""
    with watching({"kinds": ALL}, ready=False, kinds="all") as bed:
        bed.wait_watching(ALL)
        bed.sim.wait_watches(len(ALL))
        pid = bed.sluice.pid(bed.process)
        wait_until(lambda: connections(pid, bed.sim.port) <= 2, 10, "two connections")


def test_goaway_moves_the_watches_without_a_list():
    """Every answer says GOAWAY: streams end as they should, the next go elsewhere, no list."""
    with watching({"timeout": "1s"}) as bed:
        bed.sim.modes(goaway_percent=100)
        bed.sim.clear_requests()
        wait_until(lambda: len(bed.asked(PODS, "watch=1")) >= 3, 30, "three watches")
        bed.sim.modes(goaway_percent=0)
        bed.sim.change("pod", count=5)
        bed.wait_level("pod")
        assert not bed.lists(PODS)
        assert not bed.deleted("pod")
        pid = bed.sluice.pid(bed.process)
        wait_until(lambda: connections(pid, bed.sim.port) <= 3, 10, "no more than three left")


@pytest.mark.slow
def test_a_silent_connection_is_left_by_all_its_watches():
    """SIGSTOP beyond `stale`: afterwards both watches share one new connection, the old is gone.

    Each finds the silence at its own time; on one they are, at the latest, when they are renewed.
    """
    with watching({"stale": "1s", "timeout": "4s"}) as bed:
        pid = bed.sluice.pid(bed.process)
        before = watch_connections(bed)
        assert len(before) == 1
        bed.sim.clear_requests()
        bed.freeze_until_noticed()
        bed.sim.faults(bookmark_interval_ms=200)
        bed.wait_watching()
        bed.prove()
        # A kind that noticed nothing asks only when its watch is over.
        wait_until(
            lambda: len(watch_connections(bed)) == 1,
            20,
            "one connection for both",
            ignore=(IndexError,),
        )
        assert watch_connections(bed) != before
        wait_until(lambda: connections(pid, bed.sim.port) <= 2, 20, "two connections")
        assert not bed.lists(PODS)
