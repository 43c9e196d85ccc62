"""The peer counts what there is: otherwise its figures are worth nothing."""

import os
import subprocess

import pytest

from tests.bed.cluster import RealCluster
from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bench.informer.peer import Informer, binary

KINDS = ("deployment", "pod")
RESOURCES = (
    "deployments",
    "services",
    "statefulsets",
    "daemonsets",
    "jobs",
    "cronjobs",
    "ingresses",
    "configmaps",
    "secrets",
    "persistentvolumeclaims",
    "pods",
    "replicasets",
    "horizontalpodautoscalers",
    "networkpolicies",
)


def kernel_figures(pid):
    """RSS in bytes and CPU seconds of process PID, as the kernel shows them to others."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        status = dict(line.split(":", 1) for line in file)
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(status["VmRSS"].split()[0]) * 1024, (int(fields[11]) + int(fields[12])) / os.sysconf(
        "SC_CLK_TCK"
    )


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("options", [(), ("--no-watch-list",)])
def test_it_counts_objects_and_changes_of_a_simulated_cluster(tmp_path, tls, options):
    """All that is there once, then each change, by either way to begin."""
    with KubeSim(objects=2000, frozen=True, tls=tls) as sim:
        objects = len(sim.state("pod")) + len(sim.state("deployment"))
        with Informer(sim.kubeconfig, tmp_path, kinds=KINDS, options=options) as peer:
            first = peer.synced(60)
            assert first["objects"] == first["events"] == first["initial"] == objects
            assert sum(first["statuses"].values()) == objects
            assert first["statuses"]["unknown"] == 0
            sim.change("pod", count=500)
            then = peer.wait_events(objects + 500, 20)
            assert (then["objects"], then["events"]) == (objects, objects + 500)
            assert then["statuses"]["unready"] > first["statuses"]["unready"]
            initial = ["sendInitialEvents" in one["target"] for one in sim.requests()]
            assert any(initial) != bool(options)
            assert all(one["status"] == 200 for one in sim.requests())


def test_it_counts_what_goes_and_what_comes(tmp_path):
    """A deletion takes one object away, and its controllers' work is seen too."""
    with KubeSim(objects=100, frozen=True) as sim:
        pod = next(iter(sim.state("pod")))
        with Informer(sim.kubeconfig, tmp_path, kinds=("pod",)) as peer:
            before = peer.synced(60)["objects"]
            sim.api.call("DELETE", f"/api/v1/namespaces/{pod[1]}/pods/{pod[2]}")
            peer.wait_events(before + 1, 20)
            sim.quiet()
            assert peer.now()["objects"] == len(sim.state("pod"))


def test_its_figures_are_the_kernels(tmp_path):
    """What it says of itself is what others see of it."""
    with (
        KubeSim(objects=2000, frozen=True) as sim,
        Informer(sim.kubeconfig, tmp_path, kinds=KINDS) as peer,
    ):
        peer.synced(60)
        said = peer.now()
        rss, cpu = kernel_figures(peer.pid)
        assert said["rss_bytes"] == pytest.approx(rss, rel=0.1)
        assert said["cpu_seconds"] == pytest.approx(cpu, abs=0.05)
        assert said["peak_rss_bytes"] >= said["rss_bytes"]
        assert 0 < said["cpu_seconds"] <= os.cpu_count() * said["seconds"] + 0.1


@pytest.mark.cluster
@pytest.mark.slow
def test_it_follows_all_fourteen_kinds_of_a_real_cluster(tmp_path):
    """As many objects as the API server lists, by typed and by metadata informers."""
    with RealCluster(nodes=1) as cluster:
        cluster.create_deployment("default", "web", 2)
        cluster.create("secrets", "default", {"metadata": {"name": "key"}})
        cluster.wait_for(lambda: cluster.available("default", "web") == 2, 60, "the pods")
        for number, options in enumerate(((), ("--metadata",))):
            with Informer(cluster.kubeconfig, tmp_path, options=options) as peer:
                first = peer.synced(60)
                cluster.create("configmaps", "default", {"metadata": {"name": f"map-{number}"}})
                wait_until(
                    lambda: peer.now()["objects"] == sum(len(cluster.list(r)) for r in RESOURCES),
                    20,
                    "as many objects as are listed",
                )
                last = peer.now()
                assert last["objects"] > first["objects"]
                assert last["statuses"]["unknown"] == 0


def test_wrong_options_and_a_dead_cluster_are_said():
    """The exit status tells a benchmark, the text its reader."""
    for argv, status, text in (
        (("--kinds", "pod,pods"), 2, 'no kind "pods"'),
        (("--kinds", "pod,pod"), 2, "twice"),
        (("extra",), 2, "unexpected argument"),
        (("--kubeconfig", "/nonexistent"), 1, "kubeconfig"),
    ):
        ended = subprocess.run((binary(), *argv), capture_output=True, text=True, timeout=30)
        assert ended.returncode == status
        assert text in ended.stderr


def test_a_sync_that_does_not_end_is_given_up(tmp_path):
    """Kinds that the server refuses are named after --timeout."""
    with KubeSim(objects=40, frozen=True) as sim:
        sim.faults(forbid=["deployments/all"])
        options = ("--kubeconfig", sim.kubeconfig, "--kinds", "pod,deployment", "--timeout", "2s")
        ended = subprocess.run((binary(), *options), capture_output=True, text=True, timeout=30)
        assert ended.returncode == 1
        assert "not synced after 2s: deployments\n" in ended.stderr
