"""Watching when the server denies, does not serve, or has gone back: on the simulator."""

import json

import pytest

from tests.bed.net import wait_until
from tests.bed.sluice import Sluice
from tests.integration.watching import PODS, QUICK, deny, watching


def pods_by_namespace(sim):
    """{namespace: [name]} of the simulator's pods."""
    found = {}
    for _, namespace, name in sorted(sim.state("Pod")):
        found.setdefault(namespace, []).append(name)
    return found


def test_a_forbidden_kind_keeps_its_objects_and_comes_back():
    """403: state forbidden with the server's words, nothing is swept, the other kind watches."""
    with watching() as bed:
        bed.sim.access(deny(PODS))
        bed.sim.faults(drop_watches=True)
        told = bed.wait_state("pod", "forbidden", "Forbidden")
        assert told["code"] == 403, told
        assert bed.state("deployment")["state"] == "watching"
        bed.sim.access()
        bed.wait_state("pod", "watching")
        bed.wait_level("pod")
        assert not bed.deleted("pod")


def test_a_forbidden_kind_is_asked_again_slowly():
    """At first soon, then at `denied_retry` to twice that; never by a watch."""
    with watching({"denied_retry": "500ms"}) as bed:
        bed.sim.access(deny(PODS))
        bed.sim.faults(drop_watches=True)
        bed.wait_state("pod", "forbidden")
        bed.sim.clear_requests()
        wait_until(lambda: len(bed.lists(PODS)) >= 3, 20, "100, 200, 400 ms")
        bed.sim.clear_requests()
        wait_until(lambda: len(bed.lists(PODS)) >= 3, 20, "three more lists")
        times = [row["time_ms"] for row in bed.lists(PODS)]
        gaps = [b - a for a, b in zip(times, times[1:], strict=False)]
        assert min(gaps) >= 450, gaps
        assert not bed.asked(PODS, "watch=1")


def test_a_kind_forbidden_in_the_cluster_is_watched_in_namespaces():
    """Only what was listed is swept; when the cluster is allowed again, it is watched whole."""
    with watching({"namespaces": ["shop", "nowhere"]}, ready=False) as bed:
        bed.wait_watching()
        bed.wait_level("pod")
        pods = pods_by_namespace(bed.sim)
        other = next(n for n in pods if n != "shop")
        bed.sim.access(deny(PODS, namespaces=[""]))
        bed.sim.faults(drop_watches=True)
        told = bed.wait_state("pod", "watching", "NamespacesOnly")
        assert told["code"] == 403, told
        bed.sim.api.delete("pods", "shop", pods["shop"][0], force=True)
        bed.sim.api.delete("pods", other, pods[other][0], force=True)
        bed.wait_level("pod", namespaces=["shop"])
        assert bed.deleted("pod") == {("shop", pods["shop"][0])}
        bed.sim.access()
        wait_until(
            lambda: (other, pods[other][0]) in bed.deleted("pod"), 20, "the sweep of the cluster"
        )
        bed.wait_level("pod")
        # libcurl tells of a stream given up with the next frame of its connection.
        bed.sim.change("pod", count=5)
        bed.wait_level("pod")
        bed.sim.wait_watches(2)


def test_a_namespace_listed_anew_sweeps_nothing_outside_of_it():
    """Pods vanish while nothing is watched: those of the listed namespace are told, no other."""
    with watching({"namespaces": ["shop"]}, ready=False) as bed:
        bed.wait_watching()
        bed.wait_level("pod")
        pods = pods_by_namespace(bed.sim)
        other = next(n for n in pods if n != "shop")
        bed.sim.access(deny(PODS))
        bed.sim.faults(drop_watches=True)
        told = bed.wait_state("pod", "forbidden")
        assert told["code"] == 403
        wait_until(lambda: "in namespace shop" in bed.words(), 20, "the namespace")
        for namespace in ("shop", other):
            bed.sim.api.delete("pods", namespace, pods[namespace][0], force=True)
        bed.sim.access(deny(PODS, namespaces=[""]))
        bed.wait_level("pod", namespaces=["shop"])
        assert bed.deleted("pod") == {("shop", pods["shop"][0])}


def test_without_configured_namespaces_the_context_names_one(tmp_path):
    """A token that may see one namespace only, as its kubeconfig says."""
    with watching(ready=False) as bed:
        bed.wait_watching()
        with open(bed.sim.kubeconfig, encoding="utf-8") as text:
            config = text.read()
        assert "namespace" not in config
        place = tmp_path / "config"
        place.write_text(config.replace("    user:", "    namespace: shop\n    user:", 1))
        bed.sim.access(deny(PODS, namespaces=[""]))
        bed.sim.clear_requests()
        with Sluice(QUICK, kubeconfig=place) as narrow:
            name = next(n for n in narrow.status() if n.startswith("watcher/"))
            wait_until(
                lambda: (
                    "watched in namespaces shop" in narrow.status()[name]["status"]
                    or narrow.status()[name]["status_state"] == "watching"
                ),
                20,
                "the namespace",
            )
            wait_until(
                lambda: bed.asked(PODS, "/namespaces/shop/pods?watch=1"), 20, "the watch there"
            )


@pytest.mark.parametrize("relisting", [False, True])
def test_a_right_given_back_repeats_nothing_that_the_namespaces_told(relisting):
    """The cluster's list is old when its watch opens at last: nothing goes back to it.

    RELISTING: the namespace waits to be listed anew in the moment the cluster is listed.
    """
    with watching({"namespaces": ["shop"]}) as bed:
        pod, gone = sorted(pods_by_namespace(bed.sim)["shop"])[:2]
        bed.sim.access(deny("pods", namespaces=[""]))
        bed.sim.faults(drop_watches=True)
        bed.wait_state("pod", "watching", "NamespacesOnly")
        bed.sim.clear_requests()
        whole = "GET /api/v1/pods?watch"
        rules = [{"match": whole, "status": 503, "count": 0}]
        if relisting:
            shop = "GET /api/v1/namespaces/shop/pods?"
            rules.append({"match": shop + "watch", "watch_error": 410})
            rules.append({"match": shop + "limit", "status": 503, "count": 12})
        bed.sim.faults(next=rules, drop_watches=True)
        if relisting:
            wait_until(lambda: bed.asked(PODS, "shop/pods?limit"), 20, "the namespace's list")
        bed.sim.access()
        refused = "/api/v1/pods?watch"
        wait_until(
            lambda: any(r["target"].startswith(refused) for r in bed.asked(PODS)), 20, "a refusal"
        )
        # So much between them that a repetition would come in several pieces.
        for turn in range(4):
            bed.sim.api.set_pod_status("shop", pod, {"phase": "Failed", "message": f"turn {turn}"})
            bed.sim.change("pod", count=300)
        bed.sim.api.delete("pods", "shop", gone, force=True)
        wait_until(lambda: ("shop", gone) in bed.deleted("pod"), 20, "the deletion")
        bed.sim.clear_faults()
        wait_until(
            lambda: (
                bed.state("pod").get("state") == "watching" and "reason" not in bed.state("pod")
            ),
            20,
            "the cluster to be watched",
        )
        bed.sim.change("pod", count=20)
        bed.wait_level("pod")
        bed.check_published()
        assert bed.deleted("pod") == {("shop", gone)}


@pytest.mark.parametrize("discovery", ["v2", "legacy"])
def test_a_kind_that_is_not_served_is_swept_and_found_again(discovery):
    """404, and not in discovery: stopped, its objects gone; served again, they are back."""
    with watching() as bed:
        bed.sim.modes(unserved=["pods"], discovery=discovery)
        bed.sim.faults(drop_watches=True)
        told = bed.wait_state("pod", "stopped", "NotServed")
        assert told["code"] == 404, told
        wait_until(lambda: not bed.shown("pod"), 20, "the pods to go")
        assert bed.state("deployment")["state"] == "watching"
        bed.sim.modes(unserved=[])
        bed.wait_state("pod", "watching")
        bed.wait_level("pod")


def test_404_of_a_served_kind_sweeps_nothing():
    """A proxy's 404: the server's discovery still names the kind, so it is only a failure."""
    with watching() as bed:
        rule = {"match": "/api/v1/pods?", "status": 404, "html": True, "count": 3}
        bed.sim.faults(next=[rule], drop_watches=True)
        told = bed.wait_told("pod", "backoff", "NotFound")
        assert told["code"] == 404, told
        bed.wait_state("pod", "watching")
        bed.wait_level("pod")
        assert not bed.deleted("pod")


def test_a_version_in_the_future_is_found_by_a_probe():
    """After an etcd restore a watch stays silent: the probe says so, everything is listed anew."""
    with watching({"stale": "1s"}) as bed:
        bed.sim.modes(too_large_ms=100)
        gone = sorted(bed.sim.state("Pod"))[0][1:]
        for _ in range(20):
            bed.sim.change("pod", count=10)
        bed.wait_level("pod")
        bed.sim.clear_requests()
        bed.sim.faults(rv_rollback=150, drop_watches=True)
        bed.sim.api.delete("pods", *gone, force=True)
        wait_until(lambda: gone in bed.deleted("pod"), 20, "the deletion")
        bed.wait_level("pod")
        assert bed.asked(PODS, "limit=1&", "NotOlderThan")
        assert [r for r in bed.lists(PODS) if "resourceVersion" not in r["target"]]


@pytest.mark.slow
def test_a_silent_watch_is_renewed_without_a_list():
    """No byte for `watch.stale`: probe, then the same version again; a bookmark keeps it."""
    with watching({"stale": "2s"}) as bed:
        bed.sim.clear_requests()
        wait_until(lambda: len(bed.asked(PODS, "watch=1")) >= 2, 20, "two watches")
        assert bed.asked(PODS, "limit=1&")
        assert not bed.lists(PODS)
        bed.sim.faults(bookmark_interval_ms=100)
        bed.sim.faults(drop_watches=True)
        bed.wait_watching()
        bed.sim.wait_watches(2)
        bed.sim.clear_requests()
        bed.sim.change("pod", count=40, rate=20)
        assert not bed.asked(PODS, "limit=1&")
        bed.wait_level("pod")
        assert not bed.lists(PODS)


@pytest.mark.slow
def test_a_frozen_server_costs_no_list_and_no_second_connection():
    """SIGSTOP for longer than `stale`: afterwards the watches stand, nothing was listed."""
    with watching({"stale": "1s"}) as bed:
        bed.sim.clear_requests()
        bed.freeze_until_noticed()
        bed.wait_watching()
        bed.sim.wait_watches(2)
        bed.sim.change("pod", count=5)
        bed.wait_level("pod")
        assert not bed.lists(PODS), json.dumps(bed.lists(PODS))
        assert not bed.deleted("pod")


def test_a_watch_that_the_server_does_not_end_is_ended():
    """timeoutSeconds has an end here, too: ten seconds later at the latest."""
    with watching({"timeout": "2s"}) as bed:
        bed.sim.clear_requests()
        wait_until(lambda: len(bed.asked(PODS, "watch=1")) >= 3, 30, "three watches")
        assert not bed.lists(PODS)
