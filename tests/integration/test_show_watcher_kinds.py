"""Every kind on a real cluster: created, changed, broken, repaired, deleted.

What streams and the database say is what the cluster's own fields say.
"""

import contextlib
import json
import sqlite3
import time

import pytest

from tests.bed.kubeapi import pod_pace, pod_spec, resource_path
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

NAMESPACE = "kinds"
CUSTOM = [
    {"group": "example.com", "version": "v1", "resource": "widgets", "kind": "Widget"},
    {"group": "example.com", "version": "v1", "resource": "gears", "kind": "Gear"},
]
CONF = {"watch": {"custom": CUSTOM, "backoff": {"base": "200ms", "max": "1s"}}}
MARK = "not-for-anybody"


class Bed:
    """A Sluice on a cluster, one stream on everything of it, and its database."""

    def __init__(self, api, sluice, stream, cluster):
        """Everything is running."""
        self.api = api
        self.sluice = sluice
        self.stream = stream
        self.cluster = cluster

    def key(self, kind, name):
        """The stream key of an object in the namespace."""
        return f"resource:{self.cluster}/{kind}/{NAMESPACE}/{name}"

    def newest(self, key):
        """The newest event of a stream, or None."""
        self.stream.pump()
        mine = [e for e in self.stream.events() if e["stream_key"] == key]
        return mine[-1] if mine else None

    def stored(self, kind, name):
        """(state, health, reason) of the object's row, or None."""
        path = f"{self.sluice.conf['state_directory']}/projection.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return db.execute(
                "select state, health, reason from resources"
                " where cluster=? and kind=? and namespace=? and name=?",
                (self.cluster, kind, NAMESPACE, name),
            ).fetchone()

    def expect(self, kind, name, timeout=30, **status):
        """Waits until the newest frame and the row of an object say this; the frame's status."""

        def told():
            """The status, once it has these members."""
            event = self.newest(self.key(kind, name))
            said = event["data"].get("status", {}) if event else {}
            return said if all(said.get(k) == v for k, v in status.items()) else None

        def kept():
            """True when the row says the same."""
            row = self.stored(kind, name)
            return row == (said["state"], said["health"], said["reason"])

        said = wait_until(told, timeout, f"{kind} {name}: {status}")
        wait_until(kept, 10, f"the row of {kind} {name}: {said}", ignore=(sqlite3.Error,))
        return said

    def gone(self, resource, kind, name, **options):
        """Deletes an object and waits until its stream and the database say so."""
        self.api.delete(resource, NAMESPACE, name, **options)

        def told():
            """True when the newest frame is the deletion, and no row is left."""
            event = self.newest(self.key(kind, name))
            return event["event_type"] == "resource.deleted" and not self.stored(kind, name)

        wait_until(told, 30, f"the end of {kind} {name}", ignore=(sqlite3.Error,))

    def own(self, resource, name):
        """The object as the cluster has it."""
        return self.api.get(resource, NAMESPACE, name)

    def pods(self, **labels):
        """The pods with these labels, by name."""
        selector = ",".join(f"{k}={v}" for k, v in labels.items())
        return {
            p["metadata"]["name"]: p
            for p in self.api.list("pods", NAMESPACE, labelSelector=selector)
        }

    def set_ready(self, pod, ready):
        """Says as the kubelet would whether a pod is ready."""
        word = "True" if ready else "False"
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        conditions = self.own("pods", pod)["status"]["conditions"]
        for condition in conditions:
            if condition["type"] in ("Ready", "ContainersReady"):
                condition.update({"status": word, "lastTransitionTime": now})
        self.api.set_pod_status(NAMESPACE, pod, {"conditions": conditions})

    def break_and_repair(self, kind, name, of):
        """Takes a pod of a workload that has OF of them from it, and gives it back."""
        pod = sorted(self.pods(app=name))[0]
        self.set_ready(pod, False)
        self.expect(kind, name, state="partial", health="progressing")
        self.set_ready(pod, True)
        return self.expect(kind, name, state="healthy", health="healthy", **of)


def define(api, plural, kind, scope):
    """Makes a custom resource definition with a status."""
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": status, "status": status}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    api.create(
        "customresourcedefinitions",
        None,
        {
            "metadata": {"name": f"{plural}.example.com"},
            "spec": {"group": "example.com", "scope": scope, "names": names, "versions": [version]},
        },
    )
    path = resource_path(f"/apis/example.com/v1/{plural}")
    wait_until(lambda: api.request("GET", path)[0] == 200, 20, f"{plural} is served")


@pytest.fixture(scope="module", name="bed")
def bed_on_the_real_cluster(real_cluster):
    """One bed for all: what a kind does is no business of the others."""
    real_cluster.create_namespace(NAMESPACE)
    define(real_cluster, "widgets", "Widget", "Namespaced")
    define(real_cluster, "gears", "Gear", "Cluster")
    with Sluice(CONF, kubeconfig=real_cluster.kubeconfig) as sluice:
        cluster = next(n for n in sluice.status() if n.startswith("watcher/")).partition("/")[2]
        with sluice.stream(f"resource:{cluster}/*", last_event_id="-1") as stream:
            stream.wait_open()
            name = f"watcher/{cluster}"
            wait_until(lambda: "16 kinds" in sluice.status()[name]["status"], 30, "16 kinds")
            yield Bed(real_cluster, sluice, stream, cluster)
    real_cluster.delete("namespaces", None, NAMESPACE)
    for plural in ("widgets", "gears"):
        real_cluster.delete("customresourcedefinitions", None, f"{plural}.example.com")


pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def template(name, **spec):
    """The pod template of a workload."""
    return {
        "metadata": {"labels": {"app": name}, "annotations": pod_pace("100ms")},
        "spec": {**pod_spec(), **spec},
    }


def workload(name, replicas):
    """The body of a workload that keeps REPLICAS pods."""
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name),
        },
    }


def test_deployment(bed):
    """Scaled to nothing it is healthy; a pod that is not ready makes it partial."""
    bed.api.create("deployments", NAMESPACE, workload("web", 2))
    bed.expect("deployment", "web", state="healthy", replicas=2, readyReplicas=2)
    said = bed.break_and_repair("deployment", "web", {"readyReplicas": 2})
    assert said["readyReplicas"] == bed.own("deployments", "web")["status"]["readyReplicas"]
    bed.api.scale_deployment(NAMESPACE, "web", 0)
    bed.expect("deployment", "web", state="healthy", health="healthy", replicas=0, readyReplicas=0)
    bed.gone("deployments", "deployment", "web")


def lives_by_replicas(bed, resource, kind, name):
    """One replica there, broken and repaired, none wanted, deleted: every status as it should."""
    bed.expect(kind, name, state="healthy", readyReplicas=1)
    bed.break_and_repair(kind, name, {"readyReplicas": 1})
    bed.api.patch(resource, NAMESPACE, name, {"spec": {"replicas": 0}})
    bed.expect(kind, name, state="healthy", health="healthy", replicas=0)
    bed.gone(resource, kind, name)


def test_replicaset(bed):
    """By itself, without a deployment."""
    bed.api.create("replicasets", NAMESPACE, workload("set", 1))
    lives_by_replicas(bed, "replicasets", "replicaset", "set")


def test_statefulset(bed):
    """The same for ordered pods."""
    body = workload("db", 1)
    body["spec"]["serviceName"] = "db"
    bed.api.create("statefulsets", NAMESPACE, body)
    lives_by_replicas(bed, "statefulsets", "statefulset", "db")


def test_daemonset(bed):
    """One pod on each node."""
    body = workload("agent", 0)
    del body["spec"]["replicas"]
    bed.api.create("daemonsets", NAMESPACE, body)
    nodes = len(bed.api.list("nodes"))
    bed.expect("daemonset", "agent", desiredNumberScheduled=nodes, numberReady=nodes)
    said = bed.break_and_repair("daemonset", "agent", {"numberReady": nodes})
    own = bed.own("daemonsets", "agent")["status"]
    assert said["desiredNumberScheduled"] == own["desiredNumberScheduled"]
    bed.gone("daemonsets", "daemonset", "agent")


def test_pod(bed):
    """A crash-looping pod is degraded with its reason, and healthy when it runs again."""
    bed.api.create_pod(NAMESPACE, "lone")
    bed.expect("pod", "lone", state="healthy", health="healthy", phase="Running")
    good = bed.own("pods", "lone")["status"]
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}
    broken = {**good["containerStatuses"][0], "ready": False, "state": {"waiting": waiting}}
    bed.api.set_pod_status(NAMESPACE, "lone", {"containerStatuses": [broken]})
    bed.set_ready("lone", False)
    said = bed.expect("pod", "lone", state="error", health="degraded", reason="CrashLoopBackOff")
    assert waiting["message"] in said["message"]
    bed.api.set_pod_status(NAMESPACE, "lone", {"containerStatuses": good["containerStatuses"]})
    bed.set_ready("lone", True)
    bed.expect("pod", "lone", state="healthy", health="healthy")
    bed.gone("pods", "pod", "lone", force=True)


def fail_pod(bed, name):
    """Ends a job's pod as a failing program would."""
    status = {"phase": "Failed", "reason": "Error", "message": "exit code 1"}
    bed.api.set_pod_status(NAMESPACE, name, status)


def job(name, step, **spec):
    """The body of a job whose pods change every STEP."""
    pod = template(name, restartPolicy="Never")
    pod["metadata"]["annotations"] = pod_pace(step)
    return {"metadata": {"name": name}, "spec": {"template": pod, **spec}}


def test_job(bed):
    """One failed try is no failure; the last one is, with the cluster's reason."""
    bed.api.create("jobs", NAMESPACE, job("once", "3s", backoffLimit=3))
    bed.expect("job", "once", state="running", active=1, failed=0)
    first = wait_until(lambda: sorted(bed.pods(app="once")), 10, "its pod")[0]
    fail_pod(bed, first)
    said = bed.expect("job", "once", failed=1)
    assert (said["state"], said["health"]) == ("running", "progressing")
    bed.api.create("jobs", NAMESPACE, job("never", "3s", backoffLimit=0))
    bed.expect("job", "never", state="running", active=1)
    fail_pod(bed, wait_until(lambda: sorted(bed.pods(app="never")), 10, "its pod")[0])
    bed.expect("job", "never", state="failed", health="failed", reason="BackoffLimitExceeded")
    bed.expect("job", "once", timeout=40, state="completed", health="completed", succeeded=1)
    assert bed.own("jobs", "once")["status"]["succeeded"] == 1
    bed.gone("jobs", "job", "once")
    bed.gone("jobs", "job", "never")


def test_cronjob(bed):
    """Suspended and set going again."""
    body = job("nightly", "100ms")
    spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": body["spec"]}}
    bed.api.create("cronjobs", NAMESPACE, {**body, "spec": spec})
    bed.expect("cronjob", "nightly", state="active", health="healthy")
    bed.api.patch("cronjobs", NAMESPACE, "nightly", {"spec": {"suspend": True}})
    bed.expect("cronjob", "nightly", state="suspended", health="suspended")
    bed.api.patch("cronjobs", NAMESPACE, "nightly", {"spec": {"suspend": False}})
    bed.expect("cronjob", "nightly", state="active", health="healthy")
    bed.gone("cronjobs", "cronjob", "nightly")


def test_service(bed):
    """A load balancer is not there before it has an address."""
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    bed.api.create("services", NAMESPACE, {"metadata": {"name": "front"}, "spec": spec})
    said = bed.expect("service", "front", state="healthy", health="healthy")
    assert said["clusterIP"] == bed.own("services", "front")["spec"]["clusterIP"]
    bed.api.patch("services", NAMESPACE, "front", {"spec": {"type": "LoadBalancer"}})
    bed.expect("service", "front", state="partial", health="progressing")
    address = {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}
    bed.api.patch("services", NAMESPACE, "front", {"status": address}, "status")
    bed.expect("service", "front", state="healthy", health="healthy", externalIP="192.0.2.7")
    bed.gone("services", "service", "front")


def test_ingress(bed):
    """Likewise, and loses its address again."""
    backend = {"service": {"name": "front", "port": {"number": 80}}}
    spec = {"defaultBackend": backend}
    bed.api.create("ingresses", NAMESPACE, {"metadata": {"name": "door"}, "spec": spec})
    bed.expect("ingress", "door", state="pending", health="progressing")
    address = {"loadBalancer": {"ingress": [{"hostname": "door.example"}]}}
    bed.api.patch("ingresses", NAMESPACE, "door", {"status": address}, "status")
    bed.expect("ingress", "door", state="healthy", loadBalancerHostname="door.example")
    none = {"loadBalancer": {"ingress": []}}
    bed.api.patch("ingresses", NAMESPACE, "door", {"status": none}, "status")
    bed.expect("ingress", "door", state="pending", health="progressing")
    bed.gone("ingresses", "ingress", "door")


@pytest.mark.parametrize("kind", ["configmap", "secret"])
def test_what_is_metadata_only(bed, kind):
    """It exists or not; what it holds is in no frame and no file."""
    data = {"stringData": {"k": MARK}} if kind == "secret" else {"data": {"k": MARK}}
    bed.api.create(f"{kind}s", NAMESPACE, {"metadata": {"name": "box"}, **data})
    bed.expect(kind, "box", state="created", health="healthy")
    bed.gone(f"{kind}s", kind, "box")
    assert MARK not in json.dumps(bed.stream.events())


def test_networkpolicy(bed):
    """It has no status: it exists or not."""
    body = {"metadata": {"name": "wall"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}
    bed.api.create("networkpolicies", NAMESPACE, body)
    bed.expect("networkpolicy", "wall", state="active", health="healthy")
    bed.gone("networkpolicies", "networkpolicy", "wall")


def volume(name, claim):
    """A volume that waits for a CLAIM."""
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/nowhere"},
        "claimRef": {"namespace": NAMESPACE, "name": claim},
    }
    return {"metadata": {"name": name}, "spec": spec}


def test_pvc(bed):
    """Bound by the controller to a volume; lost when that is taken away."""
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    bed.api.create(
        "persistentvolumeclaims", NAMESPACE, {"metadata": {"name": "disk"}, "spec": spec}
    )
    bed.expect("pvc", "disk", state="Pending", health="progressing")
    bed.api.create("persistentvolumes", None, volume("v1", "disk"))
    said = bed.expect("pvc", "disk", state="Bound", health="healthy", volumeName="v1")
    own = bed.own("persistentvolumeclaims", "disk")
    assert said["capacity"] == own["status"]["capacity"]["storage"]
    bed.api.delete("persistentvolumes", None, "v1")
    bed.api.patch("persistentvolumes", None, "v1", {"metadata": {"finalizers": None}})
    bed.expect("pvc", "disk", state="Lost")
    bed.gone("persistentvolumeclaims", "pvc", "disk")


def test_hpa(bed):
    """Without metrics it is degraded, with the cluster's own reason."""
    bed.api.create("deployments", NAMESPACE, workload("scaled", 1))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "scaled"}
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    spec = {
        "scaleTargetRef": target,
        "maxReplicas": 3,
        "metrics": [{"type": "Resource", "resource": cpu}],
    }
    body = {"metadata": {"name": "auto"}, "spec": spec}
    bed.api.create("horizontalpodautoscalers", NAMESPACE, body)
    said = bed.expect("hpa", "auto", timeout=40, state="error", health="degraded")
    conditions = bed.own("horizontalpodautoscalers", "auto")["status"]["conditions"]
    failing = next(c for c in conditions if c["type"] == "ScalingActive")
    assert failing["status"] == "False"
    assert said["reason"] == failing["reason"] == "FailedGetResourceMetric"
    bed.gone("horizontalpodautoscalers", "hpa", "auto")
    bed.gone("deployments", "deployment", "scaled")


def condition(status, reason):
    """The status of a custom object with one condition."""
    return {"status": {"conditions": [{"type": "Ready", "status": status, "reason": reason}]}}


def test_custom_kinds(bed):
    """The generic rule on objects of two definitions, one of them cluster-wide."""
    widgets, gears = "/apis/example.com/v1/widgets", "/apis/example.com/v1/gears"
    bed.api.create(
        widgets,
        NAMESPACE,
        {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w1"}},
    )
    bed.expect("widgets.example.com", "w1", health="healthy")
    bed.api.patch(widgets, NAMESPACE, "w1", condition("False", "Melting"), "status")
    bed.expect("widgets.example.com", "w1", health="progressing", reason="Melting")
    bed.api.patch(widgets, NAMESPACE, "w1", condition("True", "Solid"), "status")
    bed.expect("widgets.example.com", "w1", health="healthy", reason="Solid")
    bed.gone(widgets, "widgets.example.com", "w1")
    body = {"apiVersion": "example.com/v1", "kind": "Gear", "metadata": {"name": "g1"}}
    bed.api.create(gears, None, body)
    key = f"resource:{bed.cluster}/gears.example.com/g1"
    event = wait_until(lambda: bed.newest(key), 20, "the cluster-wide object")
    assert event["data"]["resource_id"] == key.partition(":")[2]
    assert event["data"]["status"]["health"] == "healthy"
    bed.api.delete(gears, None, "g1")
    wait_until(lambda: bed.newest(key)["event_type"] == "resource.deleted", 20, "the end of it")
