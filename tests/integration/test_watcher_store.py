"""The watcher and a store that was away, or lost what it knew."""

import contextlib
import json
import os

import pytest

from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bed.store import StoreBed, job

SMALL = {"size": "8MiB", "segment": "2MiB", "retain": "1s"}


def cluster_of(bed):
    """The id of the only cluster."""
    return next(n for n in bed.status() if n.startswith("watcher/")).partition("/")[2]


def pods_of(sim):
    """(namespace, name) of every pod, in order."""
    return sorted(key[1:] for key in sim.state("Pod"))


def keys_of(sim, cluster):
    """The stream keys of every object the simulator has."""
    return {
        f"resource:{cluster}/{kind.lower()}/{namespace}/{name}"
        for kind in ("Deployment", "Pod")
        for _, namespace, name in sim.state(kind)
    }


def held(bed, cluster):
    """{key: event} the store shows of the cluster; None while it says it may lack something."""
    head, items = bed.snapshot(f"resource:{cluster}/*")
    return {item["key"]: item for item in items} if head["complete"] else None


def wait_level(bed, sim, cluster):
    """Waits until the store shows the simulator's objects and no other; {key: event}."""

    def level():
        """What it shows once the keys are the same."""
        shown = held(bed, cluster)
        return shown if shown and shown.keys() == keys_of(sim, cluster) else None

    return wait_until(level, 30, "the store level with the cluster", ignore=(AssertionError,))


@contextlib.contextmanager
def bed_on(sim, conf=None):
    """A Sluice that watches the simulator, its store level with it; (bed, cluster)."""
    two = {"kubeconfig": sim.kubeconfig, "watch": {"kinds": ["deployment", "pod"]}}
    with StoreBed({**two, **(conf or {})}) as bed:
        cluster = cluster_of(bed)
        wait_level(bed, sim, cluster)
        yield bed, cluster


def deletions(stream, key):
    """The deletions of KEY told so far."""
    stream.pump()
    return [
        e
        for e in stream.events()
        if e["stream_key"] == key and e["event_type"] == "resource.deleted"
    ]


def bind(bed, cluster, workflow, nodes):
    """PUTs a workflow of pods: {node: (namespace, name)}."""
    rows = [
        {"id": node, "type": "pod", "namespace": namespace, "name": name}
        for node, (namespace, name) in nodes.items()
    ]
    body = {"cluster": cluster, "nodes": rows}
    status, _, answer = bed.request("PUT", f"/api/v1/workflows/{workflow}", body)
    assert status in (200, 201), answer


def node_reason(bed, workflow, node):
    """The reason in the store's status of a node."""
    _, items = bed.snapshot(f"workflow:{workflow}")
    return next(
        (i["data"]["status"].get("reason") for i in items if i["data"]["node_id"] == node),
        None,
    )


def roll_journal(bed):
    """Publishes more than the journal holds."""
    bed.publish_raw([job("filler", "x" * 2000 + str(i)) for i in range(9000)])


def test_a_deletion_that_the_store_missed_is_told_after_resync():
    """Its checkpoint left the journal: everything comes as sync, the vanished pod as deleted."""
    with KubeSim(frozen=True) as sim, bed_on(sim, {"journal": SMALL}) as (bed, cluster):
        namespace, name = pods_of(sim)[0]
        key = f"resource:{cluster}/pod/{namespace}/{name}"
        bind(bed, cluster, "w1", {"n1": (namespace, name)})
        wait_until(lambda: node_reason(bed, "w1", "n1") is not None, 20, "the node's status")
        bed.stop_store()
        with bed.stream(f"resource:{cluster}/*", last_event_id="-1") as stream:
            sim.api.delete("pods", namespace, name, force=True)
            wait_until(lambda: deletions(stream, key), 20, "the deletion")
        roll_journal(bed)
        # From now on, without a snapshot: one taken after the deletion would just leave it out.
        with bed.stream(f"resource:{cluster}/*", last_event_id="now") as stream:
            stream.wait_open()
            bed.ctl("start", "store")
            shown = wait_level(bed, sim, cluster)
            assert {e["data"]["change"] for e in shown.values()} == {"sync"}
            told = wait_until(lambda: deletions(stream, key), 20, "the deletion, again")
            assert told[-1]["data"]["final_state_unknown"] is True
            wait_until(
                lambda: node_reason(bed, "w1", "n1") == "NotFound", 20, "the node without object"
            )


def test_a_lost_projection_and_journal_start_are_made_whole_by_the_watcher():
    """Without projection.db, and with a journal that lost its beginning."""
    with KubeSim(frozen=True) as sim, bed_on(sim, {"journal": SMALL}) as (bed, cluster):
        bed.stop_store()
        for leaf in ("projection.db", "projection.db-wal", "projection.db-shm"):
            if os.path.exists(bed.path(leaf)):
                os.unlink(bed.path(leaf))
        roll_journal(bed)
        bed.ctl("start", "store")
        shown = wait_level(bed, sim, cluster)
        assert {e["data"]["change"] for e in shown.values()} == {"sync"}


def test_a_401_that_a_retry_mended_is_not_told_at_resync():
    """The state that is told again when the store asks is as good as before the 401."""
    with KubeSim(frozen=True) as sim, bed_on(sim, {"journal": SMALL}) as (bed, cluster):
        rule = {"match": "GET /api/v1/pods?watch", "status": 401}
        sim.clear_requests()
        sim.faults(next=[rule], drop_watches=True)
        wait_until(
            lambda: len([r for r in sim.requests() if "/pods?watch" in r["target"]]) == 2,
            20,
            "the watch again",
        )
        bed.stop_store()
        for leaf in ("projection.db", "projection.db-wal", "projection.db-shm"):
            if os.path.exists(bed.path(leaf)):
                os.unlink(bed.path(leaf))
        roll_journal(bed)
        with bed.stream(f"watcher:{cluster}", last_event_id="now") as states:
            states.wait_open()
            bed.ctl("start", "store")

            def told_again():
                """The reasons of the pods' states since then."""
                states.pump()
                mine = [e["data"] for e in states.events() if e["subject"] == "pod"]
                return [(data["state"], data.get("reason")) for data in mine]

            assert wait_until(told_again, 20, "the state again") == [("watching", None)]


@pytest.mark.slow
def test_a_watcher_that_starts_without_a_store_levels_it_later():
    """5 s without an answer: sync; A, B, A does not stay B; deletions when the store is back."""
    with KubeSim(frozen=True) as sim, bed_on(sim) as (bed, cluster):
        gone, turned = pods_of(sim)[:2]
        key = {pod: f"resource:{cluster}/pod/{pod[0]}/{pod[1]}" for pod in (gone, turned)}
        before = held(bed, cluster)[key[turned]]["data"]["status"]
        first = sim.state("Pod")[("Pod", *turned)]["status"]
        bed.stop_store()
        with bed.stream(f"resource:{cluster}/*") as stream:
            stream.wait_open()
            other = {"phase": "Failed", "message": "made so by a test"}
            sim.api.set_pod_status(*turned, other)
            stream.read_until(
                lambda s: any(e["data"]["status"].get("phase") == "Failed" for e in s.events()),
                20,
                "the pod's other status",
            )
            # Still at work it might tell of what follows.
            watcher = f"watcher/{cluster}"
            bed.ctl("stop", watcher)
            wait_until(lambda: bed.status()[watcher]["state"] == "stopped", 20, "no watcher")
            sim.api.set_pod_status(*turned, {"message": None, **first})
            sim.api.delete("pods", *gone, force=True)
            bed.ctl("start", watcher)
            count = len(keys_of(sim, cluster))

            def synced():
                """How many objects came as sync."""
                stream.pump()
                return len([e for e in stream.events() if e["data"]["change"] == "sync"])

            wait_until(lambda: synced() == count, 20, "everything as sync")
            assert not deletions(stream, key[gone])
            bed.ctl("start", "store")
            shown = wait_level(bed, sim, cluster)
            assert shown[key[turned]]["data"]["status"] == before, json.dumps(shown[key[turned]])
            told = wait_until(lambda: deletions(stream, key[gone]), 20, "the deletion")
            assert told[-1]["data"]["final_state_unknown"] is True
            assert len(told) == 1
            assert synced() == count


@pytest.mark.slow
def test_bindings_learnt_late_repeat_no_unchanged_node():
    """A watcher that started without a store hears of its nodes later: what stands is not told."""
    with KubeSim(frozen=True) as sim, bed_on(sim) as (bed, cluster):
        same, other = pods_of(sim)[:2]
        bind(bed, cluster, "w1", {"same": same, "other": other})
        wait_until(lambda: node_reason(bed, "w1", "same") is not None, 20, "the node's status")
        wait_until(lambda: node_reason(bed, "w1", "other") is not None, 20, "the node's status")
        bed.stop_store()
        with (
            bed.stream("workflow:w1", last_event_id="-1") as nodes,
            bed.stream(f"resource:{cluster}/*") as stream,
        ):
            nodes.wait_events(2)
            stream.wait_open()
            bed.kill(f"watcher/{cluster}")
            stream.wait_events(len(keys_of(sim, cluster)))
            sim.api.set_pod_status(*other, {"phase": "Failed", "message": "made so by a test"})
            bed.ctl("start", "store")
            nodes.wait_events(3)
            wait_level(bed, sim, cluster)
            nodes.pump()
            assert [e["subject"] for e in nodes.events()[2:]] == ["other"], nodes.events()
