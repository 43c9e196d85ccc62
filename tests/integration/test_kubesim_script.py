"""The simulated API server can be large, be many, and tell the same story twice."""

import http.client
import json
import os
import socket
import ssl
import time

import pytest

from tests.bed.kubeapi import KubeApi
from tests.bed.kubesim import KubeSim
from tests.bed.net import deadline, wait_until
from tests.bed.sluice import Sluice
from tests.integration.watch_reader import PODS, Watch, watch_target

EPOCH = 1_790_000_000_000
CLOCK = ("--clock", EPOCH)
MIB = 1 << 20


def memory_mib(sim):
    """The most memory the process ever had."""
    with open(f"/proc/{sim.pid}/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def raw(sim, target):
    """The bytes of an answer."""
    conn = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=deadline(30))
    conn.request("GET", target, headers={"Authorization": f"Bearer {sim.token}"})
    body = conn.getresponse().read()
    conn.close()
    return body


# --- one story ---


def test_a_script_happens_in_its_order_and_notes_what_cannot():
    """Objects come, change and go when they should; a mistake does not end it."""
    with KubeSim(tls=False, frozen=True, options=CLOCK) as sim:
        pod = {"kind": "pod", "ns": "shop", "name": "told"}
        failed = {"status": {"phase": "Failed"}}
        sim.script(
            {"at_ms": 300, "delete": pod},
            {"at_ms": 100, "create": {**pod, "object": {"metadata": {"labels": {"a": "1"}}}}},
            {"at_ms": 200, "patch": {**pod, "patch": failed, "status": True}},
            {"at_ms": 250, "delete": {**pod, "name": "nobody"}},
            {"at_ms": 260, "change": {"kind": "deployment", "count": 3}, "modes": {"minor": 30}},
        )
        assert not sim.api.exists("pods", "shop", "told")
        sim.advance(100)
        assert sim.api.get("pods", "shop", "told")["metadata"]["labels"]["a"] == "1"
        assert sim.advance(900) == EPOCH + 1000
        states = sim.history("pod", "shop", "told")
        assert [state["type"] for state in states] == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
        assert states[1]["object"]["status"]["phase"] == "Failed"
        shown = sim.control("GET", "script")
        assert (shown["left"], shown["done"]) == (0, 5)
        assert shown["errors"] == ["step 3, delete: no nobody"]
        assert sim.api.call("GET", "/version")["minor"] == "30"


def test_a_script_also_runs_by_the_clock_of_the_machine():
    """And can change the server under an open watch."""
    with (
        KubeSim(tls=False, frozen=True) as sim,
        Watch(sim, watch_target(sim.stats()["resourceVersion"])) as watch,
    ):
        sim.script(
            {"at_ms": 100, "change": {"count": 2}},
            {"at_ms": 200, "faults": {"drop_watches": True}},
        )
        assert [event["type"] for event in watch.events(2)] == ["MODIFIED"] * 2
        assert watch.event() is None


@pytest.mark.parametrize(
    "step",
    [{"delete": {}}, {"at_ms": 1, "explode": {}}, {"at_ms": 1, "change": 5}],
)
def test_a_script_with_a_step_that_is_none_is_refused(step):
    """Before anything of it happens."""
    with KubeSim(tls=False, frozen=True, options=CLOCK) as sim:
        body = {"steps": [{"at_ms": 0, "change": {"count": 1}}, step]}
        status, answer = sim.api.request("POST", "/_sim/script", body)
        assert status == 400
        assert "step 1" in answer["message"]
        sim.advance(100)
        assert sim.control("GET", "script")["done"] == 0


def test_the_same_seed_clock_and_script_give_the_same_bytes():
    """Life included, whatever is asked meanwhile."""

    def story(seed, curious):
        """Everything listed after ten seconds of life."""
        options = (*CLOCK, "--rate", 40)
        with KubeSim(tls=False, kinds="all", objects=100, seed=seed, options=options) as sim:
            sim.script({"at_ms": 700, "change": {"kind": "pod", "count": 7}})
            for _ in range(10):
                sim.advance(1000)
                if curious:
                    raw(sim, PODS + "?limit=3")
                    with Watch(sim, watch_target(0)) as watch:
                        watch.event()
            kinds = ("/api/v1/pods", "/apis/apps/v1/statefulsets", "/apis/batch/v1/jobs")
            return [raw(sim, path) for path in kinds], sim.stats()["changes"]

    first = story(3, curious=False)
    assert first == story(3, curious=True)
    assert first != story(4, curious=False)
    assert first[1] > 200


def test_a_finalizer_of_a_test_holds_a_deletion_back():
    """Marked first; gone when the last one is patched away."""
    with KubeSim(tls=False, frozen=True) as sim:
        sim.api.create_pod("shop", "held")
        meta = {"metadata": {"finalizers": ["example.com/hold"]}}
        sim.api.patch("pods", "shop", "held", meta)
        sim.api.delete("pods", "shop", "held")
        assert "deletionTimestamp" in sim.api.get("pods", "shop", "held")["metadata"]
        sim.api.patch("pods", "shop", "held", {"metadata": {"finalizers": None}})
        assert not sim.api.exists("pods", "shop", "held")
        types = [state["type"] for state in sim.history("pod", "shop", "held")]
        assert types == ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]


# --- size ---


@pytest.mark.slow
def test_a_large_cluster_is_text_only_while_it_is_read():
    """30,000 pods of 10 KB: 300 MB of list in a tenth of that memory, whole and in pages."""
    options = ("--pods", 30000, "--namespaces", 30)
    with KubeSim(tls=False, frozen=True, objects=0, options=options) as sim:
        counts = sim.stats()["objects"]
        assert (counts["pod"], counts["deployment"], counts["namespace"]) == (30000, 30, 34)
        body = raw(sim, "/api/v1/namespaces/load-007/pods")
        assert 9000 < len(body) / 1000 < 10500
        conn = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=deadline(60))
        conn.request("GET", PODS, headers={"Authorization": f"Bearer {sim.token}"})
        answer, total = conn.getresponse(), 0
        while chunk := answer.read(4 * MIB):
            total += len(chunk)
        conn.close()
        assert total > 270 * MIB
        page = sim.api.call("GET", PODS + "?limit=500")
        assert page["metadata"]["remainingItemCount"] == 29500
        more = page["metadata"]["continue"]
        assert len(sim.api.call("GET", f"{PODS}?limit=500&continue={more}")["items"]) == 500
        print(f"memory of the simulator: {memory_mib(sim)} MiB")
        assert memory_mib(sim) < 64 or os.environ.get("SLUICE_SANITIZED") == "1"


@pytest.mark.slow
@pytest.mark.release_only
def test_five_thousand_changes_a_second_are_kept_up_with():
    """Each to a watch, at the rate that was asked for."""
    options = ("--pods", 10000, "--namespaces", 10)
    with KubeSim(tls=False, frozen=True, objects=0, options=options) as sim:
        rv = sim.stats()["resourceVersion"]
        with Watch(sim, watch_target(rv)) as watch:
            begin, lines = time.monotonic(), 0
            sim.change(count=10000, rate=5000, wait=False)
            while lines < 10000:
                lines += watch.answer.read1(MIB).count(b"\n")
            took = time.monotonic() - begin
        assert 1.9 < took < deadline(4)


def test_objects_can_be_as_large_as_wanted():
    """1.5 MiB as etcd stores it at most, and 17 MiB of it as JSON; small again, they are gone."""
    with KubeSim(tls=False, frozen=True) as sim:
        (ns, name) = min(sim.versions("pod"))
        path = f"/api/v1/namespaces/{ns}/pods/{name}"
        for size in (3 * MIB // 2, 17 * MIB):
            rv = sim.stats()["resourceVersion"]
            sim.change("pod", count=1, namespace=ns, name=name, size=size)
            assert size < len(raw(sim, path)) < size + 16384
            with Watch(sim, watch_target(rv)) as watch:
                assert len(watch.line()) > size
        sim.script({"at_ms": 0, "change": {"count": 1, "ns": ns, "name": name, "size": 0}})
        assert len(raw(sim, path)) < 16384


def test_clusters_are_told_apart_by_the_name_a_client_asks_for():
    """SNI on one port, as the kubeconfig says; without a name it is the first one."""
    options = ("--clusters", 100, "--sni")
    with KubeSim(frozen=True, objects=4, options=options) as sim:
        with open(sim.kubeconfig, encoding="utf-8") as file:
            text = file.read()
        assert text.count(f"server: {sim.url}\n") == 100
        assert "    tls-server-name: demo-99.kubesim.example\n" in text
        context = ssl.create_default_context(cafile=sim.ca_file)
        uids = set()
        for host in ("demo", "demo-1", "demo-99"):
            conn = socket.create_connection(("127.0.0.1", sim.port), timeout=deadline(10))
            with context.wrap_socket(conn, server_hostname=f"{host}.kubesim.example") as tls:
                head = f"GET {PODS} HTTP/1.1\r\nAuthorization: Bearer {sim.token}\r\n"
                tls.sendall(f"{head}Connection: close\r\n\r\n".encode())
                with tls.makefile("rb") as answer:
                    text = answer.read().partition(b"\r\n\r\n")[2]
                uids |= {item["metadata"]["uid"] for item in json.loads(text)["items"]}
        pods = sim.stats()["objects"]["pod"]
        assert len(uids) == 3 * pods
        assert {item["metadata"]["uid"] for item in sim.api.list("pods")} <= uids
        last = KubeApi(sim.ports[99], sim.ca_file, sim.token)
        assert len(last.call("GET", "/_sim/requests")["requests"]) == 1


def test_a_watcher_finds_its_cluster_by_its_name():
    """Two contexts of one server: each is told its own objects."""
    conf = {"watch": {"kinds": ["pod"]}, "contexts": "all"}
    options = ("--clusters", 2, "--sni")
    with (
        KubeSim(frozen=True, objects=10, options=options) as sim,
        Sluice(conf, kubeconfig=sim.kubeconfig) as sluice,
    ):
        last = KubeApi(sim.ports[1], sim.ca_file, sim.token)
        last.create_pod("shop", "only-there")
        names = sorted(n[8:] for n in sluice.status() if n.startswith("watcher/"))
        for name, count in zip(names, (0, 1), strict=True):
            with sluice.stream(f"resource:{name}/*", last_event_id="-1") as stream:
                stream.wait_events(len(sim.versions("pod")) + count)
                told = [e for e in stream.events() if e["stream_key"].endswith("/only-there")]
                assert len(told) == count


def test_many_clusters_live_in_one_process():
    """A port, a seed and a context each; what happens in one is not seen in the others."""
    with KubeSim(tls=False, frozen=True, options=("--clusters", 20)) as sim:
        assert len(set(sim.ports)) == 20
        with open(sim.kubeconfig, encoding="utf-8") as file:
            text = file.read()
        assert "- name: demo-19\n  context:\n    cluster: demo-19\n" in text
        assert f"server: http://127.0.0.1:{sim.ports[19]}\n" in text
        last = KubeApi(sim.ports[19], None, sim.token)
        assert {pod["metadata"]["uid"] for pod in last.list("pods")}.isdisjoint(
            pod["metadata"]["uid"] for pod in sim.api.list("pods")
        )
        before = sim.stats()["resourceVersion"]
        last.create_pod("shop", "only-here")
        assert sim.stats()["resourceVersion"] == before
        assert not sim.api.exists("pods", "shop", "only-here")
        wait_until(lambda: sim.stop() == 0, 10, "all clusters have ended")
