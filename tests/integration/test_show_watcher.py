"""A change in a cluster reaches browsers and the database, whatever crashes."""

import contextlib
import json
import os
import sqlite3

import pytest

from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice
from tests.bed.sse import pump_all

from .truth import Truth, check_published, status_at_rest, untold

# A restart is prompt however often it was needed, and the circuit stays closed.
PATIENT = {
    "supervise": {"circuit_deaths": 100, "base": "100ms", "max": "300ms"},
    "watch": {"kinds": ["deployment", "pod"]},
}


class NotLevel(Exception):
    """What the streams have not told yet, or what has not come to rest."""


def churn(cluster, round_number):
    """Changes something of every object in the namespace `show`: scales up and down, A, B, A."""
    for i in range(5):
        cluster.scale_deployment("show", f"app-{i}", 1 + (round_number + i) % 3)


def all_streams(sluice, stack, cluster, count):
    """COUNT open streams, half on everything of the cluster, half on one deployment each.

    Returns [(stream, the key it is confined to or None)].
    """
    opened = []
    for i in range(count):
        key = None if i % 2 else f"resource:{cluster}/deployment/show/app-{i % 5}"
        wanted = key or f"resource:{cluster}/*"
        opened.append((stack.enter_context(sluice.stream(wanted, last_event_id="-1")), key))
    for stream, _ in opened:
        stream.wait_open()
    return opened


def contiguous(stream):
    """Asserts that each stream key's seq, from the beginning, has no hole and no repetition."""
    last = {}
    for event in stream.events():
        key = event["stream_key"]
        assert event["seq"] == last.get(key, 0) + 1, key
        last[key] = event["seq"]


def settled(opened, truths, cluster):
    """Waits until the namespace is at rest and a stream on everything has told all there is."""
    streams = [stream for stream, _ in opened]
    whole = next(stream for stream, key in opened if key is None)

    def level():
        """True once nothing moves any more and all is told; else NotLevel says what is not."""
        pump_all(streams, 0.2)
        for kind, truth in truths.items():
            truth.check()
            for key, item in list(truth.live.items()):
                if key[0] == "show" and status_at_rest(kind, item) is None:
                    raise NotLevel(f"{kind} {key} still moves: {item['status']}")
            missing = untold(whole.events(), truth, cluster, kind)
            if missing:
                raise NotLevel(f"not told as it is: {missing}")
        return True

    wait_until(level, 60, "the streams level with the API server", ignore=(NotLevel,))
    return whole


def told_alike(opened, whole):
    """Waits until every stream has told just the same as WHOLE, of the keys it is confined to."""
    streams = [stream for stream, _ in opened]

    def alike():
        """True when no id is missing, out of order or there twice, on any of them."""
        pump_all(streams, 0.2)
        ids = {None: whole.ids()}
        for event in whole.events():
            ids.setdefault(event["stream_key"], []).append(event["id"])
        return all(stream.ids() == ids.get(key, []) for stream, key in opened)

    wait_until(alike, 20, "all streams told the same")


@pytest.mark.slow
@pytest.mark.cluster
def test_twenty_killed_watchers_cost_no_stream_and_tell_the_truth(real_cluster):
    """100 streams, 20 SIGKILLs of the watcher while a real cluster changes."""
    real_cluster.create_namespace("show")
    for i in range(5):
        real_cluster.create_deployment("show", f"app-{i}", 1)
    with contextlib.ExitStack() as stack:
        truths = {}
        for kind in ("deployment", "pod"):
            truths[kind] = Truth(real_cluster.url, real_cluster.token, real_cluster.ca_file, kind)
            truths[kind].start()
        sluice = stack.enter_context(Sluice(PATIENT, kubeconfig=real_cluster.kubeconfig))
        watcher = next(n for n in sluice.status() if n.startswith("watcher/"))
        cluster = watcher.partition("/")[2]
        opened = all_streams(sluice, stack, cluster, 100)
        streams = [stream for stream, _ in opened]
        for round_number in range(20):
            churn(real_cluster, round_number)
            pump_all(streams, 0.3)
            old = sluice.kill(watcher)
            churn(real_cluster, round_number + 1)
            pump_all(streams, 0.3)
            sluice.wait_restarted(watcher, old)
        whole = settled(opened, truths, cluster)
        pump_all(streams, 1.5)
        told_alike(opened, whole)
        settled(opened, truths, cluster)
        for stream in streams:
            assert stream.ended is None
            assert not stream.named("stream.gap")
            contiguous(stream)
        for kind, truth in truths.items():
            mine = [e for e in whole.events() if f"/{kind}/" in e["stream_key"]]
            check_published(mine, truth, cluster, kind)
            truth.end()


@pytest.mark.slow
def test_twenty_killed_watchers_of_the_simulator_republish_nothing():
    """The same on the simulator at rest: after the first list nothing at all is published again."""
    with KubeSim(frozen=True) as sim, Sluice(PATIENT, kubeconfig=sim.kubeconfig) as sluice:
        watcher = next(n for n in sluice.status() if n.startswith("watcher/"))
        cluster = watcher.partition("/")[2]
        objects = len(sim.state("Deployment")) + len(sim.state("Pod"))
        with sluice.stream(f"resource:{cluster}/*", last_event_id="-1") as stream:
            stream.wait_events(objects)
            for _ in range(20):
                old = sluice.kill(watcher)
                sluice.wait_restarted(watcher, old)
            sim.wait_watches(2, timeout=30)
            pump_all([stream], 2)
            assert len(stream.events()) == objects
            assert stream.ended is None


def bind(sluice, cluster, namespace):
    """Makes the workflow w1, whose only node n1 stands for the deployment web."""
    node = {"id": "n1", "type": "deployment", "name": "web", "namespace": namespace}
    body = {"cluster": cluster, "nodes": [node]}
    status, _, answer = sluice.request("PUT", "/api/v1/workflows/w1", body)
    assert status in (200, 201), answer


def three(stream):
    """The event on STREAM that tells of three ready replicas, all well."""

    def told():
        stream.pump()
        for event in reversed(stream.events()):
            status = event["data"].get("status", {})
            if (status.get("readyReplicas"), status.get("health")) == (3, "healthy"):
                return event
        return None

    return wait_until(told, 30, "3 ready replicas on the stream")


@pytest.mark.cluster
def test_a_scaled_deployment_reaches_streams_and_the_database(real_cluster):
    """Scaling by the Kubernetes API: frames on resource: and workflow:, and the SQLite rows."""
    real_cluster.create_namespace("scaled")
    real_cluster.create_deployment("scaled", "web", 1)
    real_cluster.wait_available("scaled", "web", 1)
    with Sluice(kubeconfig=real_cluster.kubeconfig) as sluice:
        watcher = next(n for n in sluice.status() if n.startswith("watcher/"))
        cluster = watcher.partition("/")[2]
        bind(sluice, cluster, "scaled")
        key = f"resource:{cluster}/deployment/scaled/web"
        with sluice.stream(key) as native, sluice.stream("workflow:w1") as workflow:
            native.wait_joined()
            workflow.wait_joined()
            real_cluster.scale_deployment("scaled", "web", 3)
            update = three(native)
            node_update = three(workflow)
        assert update["event_type"] == "status_update"
        assert update["data"]["status"]["state"] == "healthy"
        assert node_update["event_type"] == "node_update"
        assert node_update["data"]["node_id"] == "n1" == node_update["subject"]
        assert node_update["data"]["status"] == update["data"]["status"]

        def rows():
            """What the database says of the deployment and of the node."""
            path = f"{sluice.conf['state_directory']}/projection.db"
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
                row = db.execute(
                    "select state, health, reason, message, resource_version from resources"
                    " where cluster=? and kind='deployment' and namespace='scaled' and name='web'",
                    (cluster,),
                ).fetchone()
                node_row = db.execute(
                    "select status from workflow_nodes where workflow='w1' and node='n1'"
                ).fetchone()
            return row, node_row and json.loads(node_row[0])

        status = update["data"]["status"]
        said = tuple(status[word] for word in ("state", "health", "reason", "message"))
        same = ((*said, update["data"]["resource_version"]), status)
        wait_until(lambda: rows() == same, 20, "the rows say the same", ignore=(sqlite3.Error,))


@pytest.mark.cluster
@pytest.mark.mongo
def test_a_scaled_deployment_reaches_mongodb(real_cluster, mongo_server):
    """The same change, in the workflow's document under nodes.$[n].data._status."""
    name = f"show{os.getpid()}"
    real_cluster.create_namespace("stored")
    real_cluster.create_deployment("stored", "web", 1)
    real_cluster.wait_available("stored", "web", 1)
    conf = {"mongodb": f"mongodb://127.0.0.1:{mongo_server.port}/{name}"}
    with Sluice(conf, kubeconfig=real_cluster.kubeconfig) as sluice:
        cluster = next(n for n in sluice.status() if n.startswith("watcher/")).partition("/")[2]
        bind(sluice, cluster, "stored")
        with sluice.stream("workflow:w1") as workflow:
            workflow.wait_joined()
            real_cluster.scale_deployment("stored", "web", 3)
            node_update = three(workflow)

        def stored():
            """The status in the document, and the position that guards it."""
            with mongo_server.client() as client:
                document = client[name]["workflows"].find_one({"_id": "w1"})
            found = (document or {}).get("nodes", [{}])[0].get("data", {}).get("_status", {})
            return found, found.pop("sluice", {}).get("position")

        position = int(node_update["id"].rpartition("-")[2])
        same = (node_update["data"]["status"], position)
        wait_until(lambda: stored() == same, 30, "the document says the same")
