"""A change in a cluster reaches browsers and the database, whatever crashes."""

import contextlib
import json
import os
import sqlite3
import time

import pytest

from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice
from tests.bed.sse import pump_all

from .truth import Truth, check_published

# A restart is prompt however often it was needed, and the circuit stays closed.
PATIENT = {
    "supervise": {"circuit_deaths": 100, "base": "100ms", "max": "300ms"},
    "watch": {"kinds": ["deployment", "pod"]},
}


def churn(cluster, round_number):
    """Changes something of every object in the namespace `show`: scales up and down, A, B, A."""
    for i in range(5):
        cluster.scale_deployment("show", f"app-{i}", 1 + (round_number + i) % 3)


def all_streams(sluice, stack, cluster, count):
    """COUNT open streams, half on everything of the cluster, half on one deployment each."""
    opened = []
    for i in range(count):
        key = (
            f"resource:{cluster}/*" if i % 2 else f"resource:{cluster}/deployment/show/app-{i % 5}"
        )
        opened.append(stack.enter_context(sluice.stream(key, last_event_id="-1")))
    for stream in opened:
        stream.wait_open()
    return opened


def contiguous(stream):
    """Asserts that each stream key's seq has no hole and no repetition."""
    last = {}
    for event in stream.events():
        key = event["stream_key"]
        assert event["seq"] == last.get(key, event["seq"] - 1) + 1, key
        last[key] = event["seq"]


def settled(opened, truths, cluster):
    """Waits until the first stream on everything has told the API server's newest versions."""
    whole = opened[1]

    def level():
        pump_all(opened, 0.2)
        told = {}
        for event in whole.events():
            told[event["stream_key"]] = event
        for kind, truth in truths.items():
            for (namespace, name), item in list(truth.live.items()):
                event = told.get(f"resource:{cluster}/{kind}/{namespace}/{name}")
                if event is None or event["event_type"] != "status_update":
                    return False
                status = event["data"]["status"]
                if kind == "deployment":
                    ready = item.get("status", {}).get("readyReplicas", 0)
                    if (status["replicas"], status["readyReplicas"]) != (
                        item["spec"]["replicas"],
                        ready,
                    ):
                        return False
        return True

    wait_until(level, 60, "the streams level with the API server")


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
        for round_number in range(20):
            churn(real_cluster, round_number)
            pump_all(opened, 0.3)
            old = sluice.kill(watcher)
            churn(real_cluster, round_number + 1)
            pump_all(opened, 0.3)
            sluice.wait_restarted(watcher, old)
        settled(opened, truths, cluster)
        time.sleep(1)
        pump_all(opened, 0.5)
        for stream in opened:
            assert stream.ended is None
            assert not stream.named("stream.gap")
            contiguous(stream)
        for kind, truth in truths.items():
            mine = [e for e in opened[1].events() if f"/{kind}/" in e["stream_key"]]
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


@pytest.mark.cluster
def test_a_scaled_deployment_reaches_streams_and_the_database(real_cluster):
    """Scaling by the Kubernetes API: frames on resource: and workflow:, and the SQLite row."""
    real_cluster.create_namespace("scaled")
    real_cluster.create_deployment("scaled", "web", 1)
    real_cluster.wait_available("scaled", "web", 1)
    with Sluice(kubeconfig=real_cluster.kubeconfig) as sluice:
        watcher = next(n for n in sluice.status() if n.startswith("watcher/"))
        cluster = watcher.partition("/")[2]
        node = {"id": "n1", "type": "deployment", "name": "web", "namespace": "scaled"}
        body = {"cluster": cluster, "nodes": [node]}
        status, _, answer = sluice.request("PUT", "/api/v1/workflows/w1", body)
        assert status in (200, 201), answer
        key = f"resource:{cluster}/deployment/scaled/web"
        with sluice.stream(key) as native, sluice.stream("workflow:w1") as workflow:
            native.wait_open()
            workflow.wait_open()
            real_cluster.scale_deployment("scaled", "web", 3)

            def three(stream):
                """The newest event that tells of three ready replicas."""
                stream.pump()
                good = [e for e in stream.events() if ready(e) == 3]
                return good[-1] if good else None

            def ready(event):
                """readyReplicas of a healthy status."""
                of = event["data"].get("status", {})
                return of.get("readyReplicas") if of.get("health") == "healthy" else None

            update = wait_until(lambda: three(native), 30, "3 ready on resource:")
            node_update = wait_until(lambda: three(workflow), 30, "3 ready on workflow:")
            assert update["event_type"] == "status_update"
            assert update["data"]["status"]["state"] == "healthy"
            assert node_update["event_type"] == "node_update"
            assert node_update["data"]["node_id"] == "n1" == node_update["subject"]
            assert node_update["data"]["status"] == update["data"]["status"]

        def stored():
            """The row of the deployment, once it says 3."""
            path = f"{sluice.conf['state_directory']}/projection.db"
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
                row = db.execute(
                    "select state, health from resources"
                    " where cluster=? and kind='deployment' and namespace='scaled' and name='web'",
                    (cluster,),
                ).fetchone()
                node_row = db.execute(
                    "select status from workflow_nodes where workflow='w1' and node='n1'"
                ).fetchone()
            if row != ("healthy", "healthy") or node_row is None:
                return None
            return json.loads(node_row[0])["readyReplicas"] == 3

        wait_until(stored, 20, "the rows say 3", ignore=(sqlite3.Error,))


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
        node = {"id": "n1", "type": "deployment", "name": "web", "namespace": "stored"}
        body = {"cluster": cluster, "nodes": [node]}
        status, _, answer = sluice.request("PUT", "/api/v1/workflows/w1", body)
        assert status in (200, 201), answer
        real_cluster.scale_deployment("stored", "web", 3)

        def stored():
            """The status in the document, once it tells of three ready replicas."""
            with mongo_server.client() as client:
                document = client[name]["workflows"].find_one({"_id": "w1"})
            of = (document or {}).get("nodes", [{}])[0].get("data", {}).get("_status", {})
            good = of.get("readyReplicas") == 3 and of.get("health") == "healthy"
            return of if good else None

        assert wait_until(stored, 30, "the document says 3")["state"] == "healthy"
