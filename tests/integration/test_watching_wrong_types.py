"""Objects that no API server would send: wrong types everywhere, and every legal name."""

import copy
import string

import pytest

from tests.bed.kubeapi import resource_path
from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

KINDS = {
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "ReplicaSet": "replicasets",
    "Job": "jobs",
    "CronJob": "cronjobs",
    "Service": "services",
    "Ingress": "ingresses",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "Pod": "pods",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "NetworkPolicy": "networkpolicies",
}
WRONG = [7, -1, 1e300, "word", "", True, [], [[]], [7], {}, {"x": []}]
CONF = {"watch": {"backoff": {"base": "100ms", "max": "400ms"}}}
LONGEST = 253


def spoiled(value, wrong):
    """VALUE with WRONG for each leaf; lists and dicts keep their form."""
    if isinstance(value, dict) and value:
        return {name: spoiled(member, wrong) for name, member in value.items()}
    if isinstance(value, list) and value:
        return [spoiled(member, wrong) for member in value]
    return copy.deepcopy(wrong)


def variants(part):
    """PART spoiled as a whole, in each leaf, and in each of its members."""
    for wrong in WRONG:
        yield spoiled(part, wrong)
        yield dict.fromkeys(part, wrong)
        for name in part:
            yield {**part, name: wrong}


@pytest.mark.slow
def test_wrong_types_in_every_field_leave_the_watcher_alone():
    """Every part of every status, of every wrong type: told, repaired, and nobody died."""
    with (
        KubeSim(frozen=True, kinds="all", objects=80) as sim,
        Sluice(CONF, kubeconfig=sim.kubeconfig) as sluice,
    ):
        watcher = next(n for n in sluice.status() if n.startswith("watcher/"))
        cluster = watcher.partition("/")[2]
        with sluice.stream(f"resource:{cluster}/*", last_event_id="-1") as stream:
            stream.wait_open()
            sent = 0
            for kind, resource in KINDS.items():
                key = sorted(sim.state(kind))[0]
                good = sim.state(kind)[key]
                path = resource_path(resource, key[1], key[2], "status")
                for status in variants(good.get("status") or {}):
                    sim.api.call("PUT", path, {**good, "metadata": {}, "status": status})
                    sent += 1
                sim.api.call(
                    "PUT", path, {**good, "metadata": {}, "status": good.get("status", {})}
                )
            assert sent > 500, sent
            pod = sorted(sim.state("Pod"))[0]
            sim.api.set_pod_status(*pod[1:], {"phase": "Failed", "message": "the last one"})

            def last():
                """True once the last change has come."""
                stream.pump()
                told = [e["data"]["status"].get("message") for e in stream.events()]
                return "the last one" in told

            wait_until(last, 30, "the last change")
            assert stream.ended is None
        row = sluice.status()[watcher]
        assert row["deaths"] == 0 and "14 kinds" in row["status"], row


def test_names_with_every_legal_character_are_told():
    """Letters, digits, dots and dashes, and the longest there is."""
    legal = string.ascii_lowercase + string.digits
    names = [f"{c}-{c}.{c}{c}" for c in legal] + ["0", "a" * LONGEST, ".".join("x" * 9)]
    with (
        KubeSim(frozen=True, objects=0, kinds="all") as sim,
        Sluice(CONF, kubeconfig=sim.kubeconfig) as sluice,
    ):
        watcher = next(n for n in sluice.status() if n.startswith("watcher/"))
        cluster = watcher.partition("/")[2]
        sim.api.create_namespace("n-0")
        for name in names:
            sim.api.create("configmaps", "n-0", {"metadata": {"name": name}})
        with sluice.stream(f"resource:{cluster}/*", last_event_id="-1") as stream:
            wanted = {f"resource:{cluster}/configmap/n-0/{name}" for name in names}

            def told():
                """True when each has its stream."""
                stream.pump()
                return wanted <= {e["stream_key"] for e in stream.events()}

            wait_until(told, 20, "every name")
            for name in names:
                sim.api.delete("configmaps", "n-0", name)

            def gone():
                """True when each is told to be gone."""
                stream.pump()
                return wanted <= {
                    e["stream_key"]
                    for e in stream.events()
                    if e["event_type"] == "resource.deleted"
                }

            wait_until(gone, 20, "every name gone")
