"""What watching takes at most, and whom it keeps waiting: on simulators."""

import contextlib
import re

import pytest

from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice
from tests.integration.watching import DEPLOYMENTS, PODS, QUICK, deny, watching

PODS_LIST = "GET /api/v1/pods?limit"
PODS_WATCH = "GET /api/v1/pods?watch"
REVIEWS = "selfsubjectaccessreviews"


def reviews(bed):
    """The rows of the questions whether something is allowed."""
    return [row for row in bed.sim.requests() if REVIEWS in row["target"]]


def test_403_by_a_rule_is_forbidden_and_by_anything_else_a_failure():
    """The server's own review decides: a role that is missing, or a proxy's 403."""
    with watching() as bed:
        bed.sim.faults(next=[{"match": PODS_WATCH, "status": 403, "count": 2}], drop_watches=True)
        bed.wait_told("pod", "backoff", "ForbiddenElsewhere")
        bed.wait_watching()
        assert reviews(bed)[0]["method"] == "POST"
        assert not bed.deleted("pod")
        bed.sim.access(deny("pods"))
        bed.sim.faults(drop_watches=True)
        bed.wait_state("pod", "forbidden", "Forbidden")
        bed.sim.access()
        bed.wait_watching()
        bed.wait_level("pod")
        assert not bed.deleted("pod")


def test_a_kind_with_too_many_objects_stops_and_the_others_go_on():
    """25 objects where 20 have room: said with the remedy, mended by their going."""
    conf = {"max_objects": 20, "denied_retry": "2s"}
    with watching(conf, ready=False, objects=30) as bed:

        def full():
            """The kind that was listed last, once it says so."""
            kinds = ("pod", "deployment")
            return next((k for k in kinds if bed.state(k).get("reason") == "TooManyObjects"), None)

        last = wait_until(full, 20, "a kind without room")
        bed.wait_state(last, "stopped", "TooManyObjects")
        bed.wait_watching(["deployment" if last == "pod" else "pod"])
        wait_until(lambda: "raise watch.max_objects" in bed.words(), 20, "the remedy")
        assert len(bed.shown("pod")) + len(bed.shown("deployment")) <= 20
        for key in sorted(bed.sim.state("Pod"))[:-5]:
            bed.sim.api.delete("pods", *key[1:], force=True)
        bed.wait_watching()
        bed.wait_level("pod")


def test_a_list_that_hardly_comes_is_given_up_and_asked_for_again():
    """Its head came, the rest does not: after `slow_list` that is named, and asked anew."""
    with watching({"slow_list": "1s"}, objects=200) as bed:
        bed.sim.faults(next=[{"match": PODS_LIST, "action": "hang", "count": 2}])
        old = bed.sluice.kill(bed.process)
        bed.sluice.wait_restarted(bed.process, old)
        bed.wait_told("pod", "backoff", "SlowList")
        bed.wait_watching()
        bed.wait_level("pod")
        assert not bed.deleted("pod")


def test_lists_of_one_cluster_come_three_at_a_time():
    """Fourteen kinds of which no list ends: three are asked for, the next when those gave up."""
    kinds = [
        "deployment",
        "service",
        "statefulset",
        "daemonset",
        "job",
        "cronjob",
        "ingress",
        "configmap",
        "secret",
        "pvc",
        "pod",
        "replicaset",
        "hpa",
        "networkpolicy",
    ]
    # From the watcher's start of a list; a connection is made first, which may take its time.
    conf = {"kinds": kinds, "slow_list": "8s"}
    with watching(conf, ready=False, kinds="all") as bed:
        bed.wait_watching(kinds)
        bed.sim.faults(next=[{"match": "limit=500", "action": "hang", "count": 0}])
        old = bed.sluice.kill(bed.process)
        bed.sim.clear_requests()
        bed.sluice.wait_restarted(bed.process, old)

        def lists():
            """When each list was asked for."""
            rows = [r for r in bed.sim.requests() if "limit=500" in r["target"]]
            return sorted(row["time_ms"] for row in rows)

        wait_until(lambda: len(lists()) >= 4, 30, "a fourth list")
        assert lists()[3] - lists()[0] >= 2500, bed.sim.requests()
        bed.sim.clear_faults()
        bed.wait_watching(kinds, timeout=60)


def test_ten_clusters_whose_lists_never_come_do_not_keep_another_waiting():
    """They hold all slots for first lists; each gives its own back after twice `slow_list`."""
    with contextlib.ExitStack() as stack:
        sims = KubeSim(frozen=True, objects=8, options=("--clusters", "11"))
        stack.enter_context(sims)
        sims.faults(next=[{"match": "/api/v1/pods?limit", "action": "hang", "count": 0}])
        watch = {**QUICK["watch"], "kinds": ["pod"], "slow_list": "3s"}
        conf = {"watch": watch, "contexts": "all"}
        sluice = stack.enter_context(Sluice(conf, kubeconfig=sims.kubeconfig))

        def waiting():
            """The watchers, and those of them that wait for a slot."""
            rows = {n: r for n, r in sluice.status().items() if n.startswith("watcher/")}
            return rows, [n for n, r in rows.items() if "waiting for a slot" in r["status"]]

        wait_until(lambda: len(waiting()[0]) == 11, 30, "eleven watchers")
        wait_until(lambda: not waiting()[1], 60, "all eleven to list")


def test_an_event_too_large_is_followed_by_a_list_in_its_time():
    """The watch goes on; two fifths of `stale` later a list looks for what was missed."""
    with watching({"stale": "10s"}, objects=12) as bed:
        big = sorted(bed.shown("pod"))[0]
        bed.sim.clear_requests()
        note = {"metadata": {"annotations": {"example.com/note": "x" * (17 << 20)}}}
        bed.sim.api.patch("pods", *big, note)
        wait_until(lambda: bed.lists(PODS), 40, "a list after the event")
        watches = bed.asked(PODS, "watch=1")
        assert not [w for w in watches if w["time_ms"] < bed.lists(PODS)[0]["time_ms"] - 2000]
        bed.sim.change("pod", count=3)
        bed.wait_watching()
        bed.wait_level("pod")
        assert not bed.deleted("pod")


@pytest.mark.parametrize("shown", [False, True], ids=["left_out", "by_option"])
def test_secrets_of_helm_releases_are_left_out_unless_wanted(shown):
    """A fieldSelector keeps their megabytes at the server; the option asks for them too."""
    conf = {"kinds": ["secret"], "helm_releases": shown}
    with watching(conf, ready=False, kinds="secret,deployment") as bed:
        bed.wait_watching(["secret"])
        place = sorted(bed.sim.state("Secret"))[0][1]
        for name, kind in (("sh.helm.release.v1.a.v1", "helm.sh/release.v1"), ("own", "Opaque")):
            body = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": place},
                "type": kind,
            }
            bed.sim.api.create("secrets", place, body)
        wait_until(lambda: (place, "own") in bed.shown("secret"), 20, "the other secret")
        assert ((place, "sh.helm.release.v1.a.v1") in bed.shown("secret")) == shown
        asked = bed.asked("secrets")
        assert asked and all(("fieldSelector" in row["target"]) != shown for row in asked), asked


def test_a_failure_is_logged_with_the_servers_audit_id():
    """Who looks for it in the API server's audit log finds it."""
    with watching() as bed:
        bed.sim.faults(next=[{"match": PODS_WATCH, "status": 500}], drop_watches=True)
        line = re.compile(r"pod: .*Audit-Id [0-9a-f]{8}-0000-4000-8000-[0-9a-f]{12}")

        def said():
            """The line of the failure."""
            with open(bed.sluice.process.log, encoding="utf-8") as log:
                return line.search(log.read())

        wait_until(said, 20, "the failure with its Audit-Id")
        bed.wait_watching()


def test_a_server_a_watcher_cannot_reach_is_checked_at_once():
    """Health's own turn is a minute away; the watcher's failure brings it forward."""
    with watching() as bed:
        health = bed.sluice.stream(f"cluster:{bed.cluster}", last_event_id="-1")
        with health:
            bed.sim.kill()

            def seen():
                """The statuses health has told."""
                health.pump()
                return [e["data"]["status"] for e in health.events() if "status" in e["data"]]

            wait_until(lambda: "disconnected" in seen() or "degraded" in seen(), 40, "a check")


def light_and_whole(bed, target):
    """The lists of TARGET since the requests were cleared: comparisons, and whole ones."""
    rows = bed.lists(target)
    light = [r for r in rows if "PartialObjectMetadataList" in r.get("accept", "")]
    return light, [r for r in rows if r not in light]


def test_an_event_that_never_came_is_found_by_a_comparison():
    """The watch stays silent about it; metadata of a list shows it, and a whole list follows."""
    with watching({"compare": "2s"}) as bed:
        bed.sim.faults(next=[{"match": PODS_WATCH, "action": "drop"}], drop_watches=True)
        bed.sim.wait_watches(2)
        bed.sim.clear_requests()
        name = sorted(bed.shown("pod"))[0]
        bed.sim.api.set_pod_status(*name, {"phase": "Failed"})
        bed.wait_level("pod", timeout=30)
        bed.wait_watching()
        light, whole = light_and_whole(bed, PODS)
        assert len(light) >= 2 and whole, bed.lists(PODS)
        assert all(";drop=metadata.managedFields" in row["accept"] for row in light)
        assert not bed.deleted("pod")


def lose_one(bed, *, wait=False, **faults):
    """A pod changes and no watch tells it; one behind it is told. WAIT: until it was."""
    bed.sim.faults(**faults, next=[{"match": PODS_WATCH, "action": "drop"}], drop_watches=True)
    bed.sim.wait_watches(2)
    untold, told = sorted(bed.shown("pod"))[:2]
    bed.sim.api.set_pod_status(*untold, {"phase": "Failed"})
    bed.sim.api.set_pod_status(*told, {"phase": "Unknown"})
    if wait:
        wait_until(lambda: bed.shown("pod")[told]["phase"] == "Unknown", 20, "the one behind it")


@pytest.mark.slow
def test_after_an_outage_a_comparison_comes_soon():
    """A watch goes on behind what it never told; the next turn would be minutes away."""
    with watching({"compare": "3m"}) as bed:
        lose_one(bed, wait=True)
        bed.sim.clear_requests()
        bed.sim.faults(next=[{"match": PODS_WATCH, "action": "reset"}], drop_watches=True)
        bed.wait_level("pod", timeout=60)
        bed.wait_watching()
        light, whole = light_and_whole(bed, PODS)
        assert len(light) == 2 and len(whole) == 1, bed.lists(PODS)
        assert not light_and_whole(bed, DEPLOYMENTS)[0], "no outage of these"


@pytest.mark.slow
def test_a_comparison_after_an_outage_that_is_refused_is_asked_for_again():
    """Its list is answered 503 once, or its watch is shut just then: its turn is minutes away."""
    with watching({"compare": "3m"}) as bed:
        lose_one(bed, wait=True)
        bed.sim.clear_requests()
        rules = [
            {"match": PODS_WATCH, "action": "reset"},
            {"match": "GET /api/v1/pods?limit=500&resourceVersion=0", "status": 503},
        ]
        bed.sim.faults(next=rules, drop_watches=True)
        wait_until(lambda: light_and_whole(bed, PODS)[0], 30, "a comparison")
        # A second outage: the watch is shut, and open again, while another try is due.
        bed.sim.faults(next=[{"match": PODS_WATCH, "status": 503}], drop_watches=True)
        bed.wait_level("pod", timeout=60)
        bed.wait_watching()
        light, whole = light_and_whole(bed, PODS)
        assert len(light) >= 3 and len(whole) == 1, bed.lists(PODS)


@pytest.mark.slow
def test_a_server_that_is_busy_or_not_ready_is_compared_with_when_it_answers():
    """What it may have lost meanwhile no watch tells: 429 is what one says that reads its data."""
    with watching({"compare": "3m"}) as bed:
        lose_one(bed, wait=True)
        bed.sim.faults(next=[{"match": PODS_WATCH, "status": 429}], drop_watches=True)
        bed.wait_level("pod", timeout=60)
        bed.wait_watching()


@pytest.mark.slow
def test_a_watch_that_falls_silent_is_followed_by_a_comparison():
    """Its server may have been away unseen; a kind that is quiet all the time costs no list."""
    with watching({"compare": "3m", "stale": "3s"}, ready=False) as bed:
        # No silence yet: one behind an event would be an outage of deployments, too.
        bed.sim.faults(bookmark_interval_ms=100)
        bed.wait_watching()
        bed.wait_level("pod")
        bed.prove()
        lose_one(bed, bookmark_interval_ms=0)
        bed.wait_level("pod", timeout=60)
        assert light_and_whole(bed, PODS)[0], bed.lists(PODS)
        assert bed.asked(DEPLOYMENTS, "limit=1"), "was asked whether its version is one"
        assert not light_and_whole(bed, DEPLOYMENTS)[0], bed.lists(DEPLOYMENTS)


def test_comparisons_that_find_nothing_cost_no_list():
    """Only metadata is listed, again and again."""
    with watching({"compare": "300ms"}) as bed:
        bed.sim.clear_requests()
        wait_until(lambda: len(light_and_whole(bed, PODS)[0]) >= 5, 30, "five comparisons")
        assert not light_and_whole(bed, PODS)[1], bed.lists(PODS)
        bed.wait_level("pod")


def test_a_kind_whose_watch_is_refused_is_not_compared():
    """There is nothing to compare with; the other kind goes on with its own comparisons."""
    with watching({"compare": "300ms"}) as bed:
        bed.sim.faults(next=[{"match": PODS_WATCH, "status": 500, "count": 0}], drop_watches=True)
        bed.wait_told("pod", "backoff")
        bed.sim.clear_requests()
        wait_until(lambda: len(light_and_whole(bed, DEPLOYMENTS)[0]) >= 5, 30, "five of the other")
        assert not light_and_whole(bed, PODS)[0], bed.lists(PODS)
        bed.sim.clear_faults()
        bed.wait_watching()
        wait_until(lambda: light_and_whole(bed, PODS)[0], 30, "a comparison")


def test_a_list_that_had_to_skip_an_object_is_not_compared():
    """Its metadata is small: each comparison would miss it, and list all of it again."""
    with watching({"compare": "300ms"}, objects=12) as bed:
        big = sorted(bed.shown("pod"))[0]
        old = bed.sluice.kill(bed.process)
        bed.sim.api.set_pod_status(*big, {"message": "x" * (17 << 20)})
        bed.sluice.wait_restarted(bed.process, old)

        def skipped():
            """It said so."""
            with open(bed.sluice.process.log, encoding="utf-8") as log:
                return "no list is compared" in log.read()

        wait_until(skipped, 40, "a list that skips")
        bed.wait_watching()
        bed.sim.clear_requests()
        wait_until(lambda: len(light_and_whole(bed, DEPLOYMENTS)[0]) >= 5, 30, "five of the other")
        assert not bed.lists(PODS), bed.lists(PODS)
        assert not bed.deleted("pod")
