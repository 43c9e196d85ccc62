"""Versions of lists and watches: bookmarks, changes between pages, servers that lag."""

import contextlib
import pathlib
import time

from tests.bed.kubeapi import pod_spec
from tests.bed.net import wait_until
from tests.integration.balancer import Balancer
from tests.integration.watching import DEPLOYMENTS, PODS, watching

# One bookmark is longer than half of this.
TWO_BOOKMARKS = 400


def version_asked(row):
    """The resourceVersion of a logged request, as a number."""
    return int(row["target"].partition("resourceVersion=")[2].partition("&")[0])


def test_an_idle_kind_survives_a_compaction_by_its_bookmarks():
    """The pods change, the history is forgotten: what a bookmark told is still current."""
    with watching() as bed:
        bed.sim.faults(bookmark_interval_ms=100)
        last = bed.sim.change("pod", count=50)["last_rv"]
        bed.sim.quiet()

        def sent():
            """The bytes that went to the watch of the deployments."""
            return bed.asked(DEPLOYMENTS, "watch=1")[-1]["bytes"]

        before = sent()
        wait_until(lambda: sent() >= before + TWO_BOOKMARKS, 20, "a bookmark after the changes")
        bed.sim.clear_requests()
        bed.sim.faults(compact=True, drop_watches=True)
        wait_until(lambda: bed.asked(DEPLOYMENTS, "watch=1"), 20, "the watch again")
        bed.wait_watching()
        bed.prove()
        assert version_asked(bed.asked(DEPLOYMENTS, "watch=1")[0]) >= last
        assert not bed.lists(DEPLOYMENTS), bed.lists(DEPLOYMENTS)
        assert not bed.deleted("deployment")


def test_what_changes_between_two_pages_comes_by_the_watch():
    """All pages show the version of the first; the watch begins there, behind no change."""
    with watching(objects=1600) as bed:
        first, gone, *_, last = sorted(bed.shown("pod"))
        bed.sim.faults(ignore_limit=False, latency_ms=500)
        bed.sim.clear_requests()
        old = bed.sluice.kill(bed.process)
        wait_until(lambda: bed.asked(PODS, "continue="), 30, "the second page")
        place = {"kind": "pod", "ns": first[0]}
        told = {"status": {"phase": "Failed", "message": "between pages"}}
        thing = {"metadata": {"name": "new", "namespace": first[0]}, "spec": pod_spec()}
        steps = [
            {"patch": {**place, "name": first[1], "patch": told, "status": True}},
            {"patch": {**place, "ns": last[0], "name": last[1], "patch": told, "status": True}},
            {"delete": {**place, "ns": gone[0], "name": gone[1]}},
            {"create": {**place, "name": "new", "object": thing}},
        ]
        bed.sim.script(*({"at_ms": 0, **step} for step in steps))
        wait_until(lambda: bed.sim.control("GET", "script")["left"] == 0, 20, "the changes")
        assert not bed.sim.control("GET", "script")["errors"]
        changed = bed.sim.versions("Pod")
        bed.sim.faults(latency_ms=0)
        bed.sluice.wait_restarted(bed.process, old)
        bed.wait_level("pod", timeout=30)

        def level():
            """True when what changed is told, early and late pages alike."""
            shown = bed.shown("pod")
            return all(shown[pod].get("message") == "between pages" for pod in (first, last))

        wait_until(level, 20, "the changes told")
        assert bed.deleted("pod") == {gone}
        watched = version_asked(bed.asked(PODS, "watch=1")[0])
        assert watched < min(changed[first], changed[last]), "the list came after the changes"
        assert len([row for row in bed.lists(PODS) if "continue=" not in row["target"]]) == 1


def test_a_watcher_moved_to_a_lagging_server_neither_loops_nor_loses(tmp_path):
    """504 to its version: it lists what is newest, now and then, until the server is level."""
    conf = {"stale": "1s", "backoff": {"base": "300ms", "max": "1s"}}
    with watching(conf) as bed, contextlib.closing(Balancer(bed.sim.port)) as balancer:
        config = pathlib.Path(bed.sim.kubeconfig).read_text(encoding="utf-8")
        path = tmp_path / "balanced"
        path.write_text(config.replace(f":{bed.sim.port}", f":{balancer.port}"))
        bed.sluice.write_conf({"kubeconfig": str(path)})
        bed.sluice.ctl("reload")
        wait_until(lambda: balancer.open, 20, "a connection by the balancer")
        bed.sim.modes(too_large_ms=100)
        bed.sim.faults(bookmark_interval_ms=200)
        gone = sorted(bed.sim.state("Pod"))[0][1:]
        bed.sim.faults(replica_hold=True)
        bed.sim.change("pod", count=50)
        # What it is told now is newer than the replica.
        ahead = sorted(bed.sim.state("Pod"))[1][1:]
        bed.sim.api.set_pod_status(*ahead, {"phase": "Failed", "message": "ahead"})
        wait_until(lambda: bed.shown("pod")[ahead].get("message") == "ahead", 20, "the newest")
        bed.sim.clear_requests()
        begin = time.monotonic()
        balancer.move(bed.sim.replica.port)
        # Its watch there stays silent; a quorum read shows what the replica has not seen.
        wait_until(lambda: bed.asked(PODS, "limit=1&", "NotOlderThan"), 30, "a probe")
        bed.sim.api.delete("pods", *gone, force=True)
        wait_until(lambda: gone in bed.deleted("pod"), 30, "the deletion")
        wait_until(lambda: len(bed.asked(PODS, "limit=1&")) >= 3, 60, "a third probe")
        seconds = time.monotonic() - begin
        # Each round waits for `stale`, and asks: probe, list, watch; one more is asked by libcurl.
        assert len(bed.asked(PODS)) <= 4 * (seconds + 2), bed.asked(PODS)
        bed.sim.faults(replica_hold=False)
        bed.sim.change("pod", count=50)
        bed.wait_level("pod", timeout=30)
        bed.wait_watching()
        assert bed.deleted("pod") == {gone}
        bed.check_published()
