"""Every kind on a real cluster: created, changed, broken, repaired, deleted.

What frames, workflow nodes and the database say is what the cluster's own fields say: see
kinds_bed.py, whose `expect` compares all of them each time.
"""

import contextlib
import datetime
import json
import time

import pytest

from tests.bed.kubeapi import ApiError, pod_pace, pod_spec
from tests.bed.net import wait_until
from tests.bed.pod_metrics import PodMetrics
from tests.bed.sluice import Sluice

from .kinds_bed import NAMESPACE, WIDGETS, Bed, condition_of, define

CUSTOM = [
    {"group": "example.com", "version": "v1", "resource": "widgets", "kind": "Widget"},
    {"group": "example.com", "version": "v1", "resource": "gears", "kind": "Gear"},
]
CONF = {"watch": {"custom": CUSTOM, "backoff": {"base": "200ms", "max": "1s"}}}
MARK = "not-for-anybody-to-see"
# Every object of these tests: the nodes of the workflow.
OBJECTS = [
    ("deployment", "web"),
    ("replicaset", "set"),
    ("statefulset", "db"),
    ("daemonset", "agent"),
    ("pod", "lone"),
    ("pod", "homeless"),
    ("job", "once"),
    ("job", "never"),
    ("job", "later"),
    ("cronjob", "nightly"),
    ("service", "front"),
    ("ingress", "door"),
    ("configmap", "box"),
    ("secret", "box"),
    ("networkpolicy", "wall"),
    ("pvc", "disk"),
    ("hpa", "auto"),
    ("deployment", "scaled"),
    ("widgets.example.com", "w1"),
]


@pytest.fixture(scope="module", name="bed")
def bed_on_the_real_cluster(real_cluster):
    """One bed for all: what a kind does is no business of the others."""
    real_cluster.create_namespace(NAMESPACE)
    define(real_cluster, "widgets", "Widget", "Namespaced")
    define(real_cluster, "gears", "Gear", "Cluster")
    with contextlib.ExitStack() as stack:
        sluice = stack.enter_context(Sluice(CONF, kubeconfig=real_cluster.kubeconfig))
        cluster = next(n for n in sluice.status() if n.startswith("watcher/")).partition("/")[2]
        bed = Bed(real_cluster, sluice, cluster, stack)
        bed.bind(OBJECTS)
        name = f"watcher/{cluster}"
        wait_until(lambda: "16 kinds" in sluice.status()[name]["status"], 30, "16 kinds")
        wait_until(lambda: all(bed.node(*o) for o in OBJECTS), 20, "every node says something")
        for kind, name in OBJECTS:
            said = bed.node(kind, name)["status"]
            assert (said["state"], said["reason"]) == ("pending", "NotFound")
        # For the last test: it waits for the time to pass that the others take.
        spec = {**pod_spec(), "nodeSelector": {"kubernetes.io/hostname": "nowhere"}}
        real_cluster.create_pod(NAMESPACE, "homeless", spec=spec)
        yield bed
    real_cluster.delete("namespaces", None, NAMESPACE)
    for plural in ("widgets", "gears"):
        real_cluster.delete("customresourcedefinitions", None, f"{plural}.example.com")


pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def template(name, step="100ms", **spec):
    """The pod template of a workload; its pods change every STEP."""
    return {
        "metadata": {"labels": {"app": name}, "annotations": pod_pace(step)},
        "spec": {**pod_spec(), **spec},
    }


def workload(name, replicas, **spec):
    """The body of a workload that keeps REPLICAS pods."""
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name),
            **spec,
        },
    }


def test_deployment(bed):
    """A rollout that hangs degrades it, one that is undone repairs it; scaled to 0 it is well."""
    bed.create("deployment", workload("web", 2, progressDeadlineSeconds=3))
    bed.expect("deployment", "web", state="healthy", health="healthy", readyReplicas=2)
    bed.break_and_repair("deployment", "web", readyReplicas=2)
    bed.patch("deployment", "web", {"spec": {"template": template("web", "1h")}})
    said = bed.expect(
        "deployment", "web", state="error", health="degraded", reason="ProgressDeadlineExceeded"
    )
    progressing = condition_of(bed.own("deployment", "web"), "Progressing")
    assert said["message"] == progressing["message"]
    bed.patch("deployment", "web", {"spec": {"template": template("web")}})
    bed.expect("deployment", "web", state="healthy", health="healthy", readyReplicas=2)
    bed.patch("deployment", "web", {"spec": {"paused": True}})
    bed.expect("deployment", "web", state="partial", health="suspended")
    bed.patch("deployment", "web", {"spec": {"paused": False, "replicas": 0}})
    bed.expect("deployment", "web", state="healthy", health="healthy", reason="ScaledToZero")
    bed.gone("deployment", "web")


def scaled_to_zero_and_gone(bed, kind, name):
    """No replica wanted is healthy; deleted."""
    bed.patch(kind, name, {"spec": {"replicas": 0}})
    bed.expect(kind, name, state="healthy", health="healthy", reason="ScaledToZero", replicas=0)
    bed.gone(kind, name)


def test_replicaset(bed):
    """By itself, without a deployment; broken by a quota, it has the cluster's own words."""
    bed.create("replicaset", workload("set", 1))
    bed.expect("replicaset", "set", state="healthy", readyReplicas=1)
    bed.break_and_repair("replicaset", "set", readyReplicas=1)
    with bed.no_more_pods():
        bed.patch("replicaset", "set", {"spec": {"replicas": 2}})
        said = bed.expect("replicaset", "set", state="error", health="degraded", replicas=2)
        failure = condition_of(bed.own("replicaset", "set"), "ReplicaFailure")
        assert (said["reason"], said["message"]) == (failure["reason"], failure["message"])
        assert said["reason"] == "FailedCreate"
    bed.expect("replicaset", "set", state="healthy", health="healthy", readyReplicas=2)
    scaled_to_zero_and_gone(bed, "replicaset", "set")


def test_statefulset(bed):
    """The same for ordered pods."""
    bed.create("statefulset", workload("db", 1, serviceName="db"))
    bed.expect("statefulset", "db", state="healthy", readyReplicas=1)
    bed.break_and_repair("statefulset", "db", readyReplicas=1)
    bed.patch("statefulset", "db", {"spec": {"replicas": 2}})
    bed.expect("statefulset", "db", state="healthy", health="healthy", readyReplicas=2)
    scaled_to_zero_and_gone(bed, "statefulset", "db")


def test_daemonset(bed):
    """One pod on each node, on one of them, on none."""
    body = workload("agent", 0)
    del body["spec"]["replicas"]
    bed.create("daemonset", body)
    nodes = sorted(n["metadata"]["name"] for n in bed.api.list("nodes"))
    bed.expect("daemonset", "agent", state="healthy", numberReady=len(nodes))
    bed.break_and_repair("daemonset", "agent", numberReady=len(nodes))
    for node, wanted in ((nodes[0], 1), ("nowhere", 0)):
        pods = template("agent", nodeSelector={"kubernetes.io/hostname": node})
        bed.patch("daemonset", "agent", {"spec": {"template": pods}})
        counts = {"desiredNumberScheduled": wanted, "numberReady": wanted}
        said = bed.expect("daemonset", "agent", state="healthy", health="healthy", **counts)
    assert said["reason"] == "NoNodeWanted"
    bed.gone("daemonset", "agent")


def test_pod(bed):
    """A crash-looping pod is degraded with its reason, and healthy when it runs again."""
    bed.api.create_pod(NAMESPACE, "lone")
    bed.expect("pod", "lone", state="healthy", health="healthy", phase="Running")
    bed.set_ready("lone", False)
    bed.expect("pod", "lone", state="partial", health="progressing", phase="Running")
    good = bed.own("pod", "lone")["status"]
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}
    broken = {**good["containerStatuses"][0], "ready": False, "state": {"waiting": waiting}}
    bed.patch_status("pod", "lone", {"containerStatuses": [broken]})
    said = bed.expect("pod", "lone", state="error", health="degraded", phase="Running")
    assert (said["reason"], said["message"]) == (waiting["reason"], waiting["message"])
    bed.patch_status("pod", "lone", {"containerStatuses": good["containerStatuses"]})
    bed.set_ready("lone", True)
    bed.expect("pod", "lone", state="healthy", health="healthy")
    bed.gone("pod", "lone", force=True)


def end_pod(bed, job_name, **status):
    """Ends a job's running pod as its program would: STATUS."""

    def running():
        """The names of those that have not ended."""
        pods = bed.pods(app=job_name).items()
        ended = ("Failed", "Succeeded")
        return [name for name, pod in pods if pod["status"]["phase"] not in ended]

    pod = wait_until(running, 40, f"the pod of {job_name}")[0]
    bed.patch_status("pod", pod, status)


def fail_pod(bed, job_name):
    """It exits with 1."""
    end_pod(bed, job_name, phase="Failed", reason="Error", message="exit code 1")


def job(name, step, **spec):
    """The body of a job whose pods change every STEP."""
    pod = template(name, step, restartPolicy="Never")
    return {"metadata": {"name": name}, "spec": {"template": pod, **spec}}


def test_job(bed):
    """One failed try is no failure; the last one is, with the cluster's reason."""
    # Nobody but the test ends these pods: a state that is looked for everywhere stays until then.
    bed.create("job", job("once", "1h", backoffLimit=3))
    bed.expect("job", "once", state="running", active=1, failed=0)
    fail_pod(bed, "once")
    said = bed.expect("job", "once", failed=1)
    assert (said["state"], said["health"]) == ("running", "progressing")
    # The next try is ten seconds away.
    bed.create("job", job("never", "1h", backoffLimit=0))
    bed.expect("job", "never", state="running", active=1)
    fail_pod(bed, "never")
    said = bed.expect("job", "never", state="failed", health="failed")
    failure = condition_of(bed.own("job", "never"), "Failed")
    assert (said["reason"], said["message"]) == (failure["reason"], failure["message"])
    assert said["reason"] == "BackoffLimitExceeded"
    bed.create("job", job("later", "100ms", suspend=True))
    bed.expect("job", "later", state="pending", health="suspended", reason="JobSuspended")
    bed.patch("job", "later", {"spec": {"suspend": False}})
    bed.expect("job", "later", state="completed", health="completed", succeeded=1)
    end_pod(bed, "once", phase="Succeeded")
    bed.expect("job", "once", timeout=40, state="completed", health="completed", succeeded=1)
    for name in ("once", "never", "later"):
        bed.gone("job", name)


def ago(minutes):
    """That many minutes ago, as the API writes times."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - minutes * 60))


def test_cronjob(bed):
    """Its run is made up for and succeeds; the next one fails, the one after does not."""
    minute = time.gmtime(time.time() - 90).tm_min
    spec = {"schedule": f"{minute} * * * *", "jobTemplate": {"spec": job("nightly", "1h")["spec"]}}
    bed.create("cronjob", {"metadata": {"name": "nightly"}, "spec": spec})
    bed.expect("cronjob", "nightly", state="active", health="healthy", reason="NeverScheduled")
    bed.patch_status("cronjob", "nightly", {"lastScheduleTime": ago(30)})
    bed.expect("cronjob", "nightly", reason="JobsActive", health="healthy", activeJobs=1)
    end_pod(bed, "nightly", phase="Succeeded")
    said = bed.expect("cronjob", "nightly", reason="LastRunSucceeded", health="healthy")
    assert said["lastSuccessfulTime"] and said["activeJobs"] == 0
    bed.patch_status("cronjob", "nightly", {"lastScheduleTime": ago(-1)})
    bed.expect("cronjob", "nightly", state="active", health="degraded", reason="LastRunFailed")
    bed.patch("cronjob", "nightly", {"spec": {"suspend": True}})
    bed.expect("cronjob", "nightly", state="suspended", health="suspended")
    bed.patch("cronjob", "nightly", {"spec": {"suspend": False}})
    bed.expect("cronjob", "nightly", state="active", health="degraded")
    bed.patch_status("cronjob", "nightly", {"lastSuccessfulTime": ago(-2)})
    bed.expect("cronjob", "nightly", state="active", health="healthy", reason="LastRunSucceeded")
    bed.gone("cronjob", "nightly")


def test_service(bed):
    """A load balancer is not there before it has an address, nor when it has lost it."""
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    bed.create("service", {"metadata": {"name": "front"}, "spec": spec})
    bed.expect("service", "front", state="healthy", health="healthy", nodePort=0)
    bed.patch("service", "front", {"spec": {"type": "LoadBalancer"}})
    said = bed.expect("service", "front", state="partial", health="progressing")
    assert said["nodePort"] > 0
    for address in ({"ip": "192.0.2.7"}, {"hostname": "front.example"}):
        bed.patch_status("service", "front", {"loadBalancer": {"ingress": [address]}})
        external = next(iter(address.values()))
        bed.expect("service", "front", state="healthy", health="healthy", externalIP=external)
        bed.patch_status("service", "front", {"loadBalancer": {"ingress": []}})
        bed.expect("service", "front", state="partial", health="progressing", externalIP="")
    bed.gone("service", "front")


def test_ingress(bed):
    """Likewise."""
    backend = {"service": {"name": "front", "port": {"number": 80}}}
    spec = {"defaultBackend": backend}
    bed.create("ingress", {"metadata": {"name": "door"}, "spec": spec})
    bed.expect("ingress", "door", state="pending", health="progressing", rulesCount=0)
    paths = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
    bed.patch("ingress", "door", {"spec": {"rules": [{"host": "door.example", "http": paths}]}})
    bed.expect("ingress", "door", state="pending", health="progressing", rulesCount=1)
    for address in ({"ip": "192.0.2.8"}, {"hostname": "door.example"}):
        bed.patch_status("ingress", "door", {"loadBalancer": {"ingress": [address]}})
        said = bed.expect("ingress", "door", state="healthy", health="healthy")
        assert next(iter(address.values())) in said.values()
        bed.patch_status("ingress", "door", {"loadBalancer": {"ingress": []}})
        bed.expect("ingress", "door", state="pending", health="progressing")
    bed.gone("ingress", "door")


def lives_by_existing(bed, kind, body, change, there):
    """A kind without a status: a CHANGE of its contents tells nothing; broken is one held back.

    Its end is told, and one that comes again under its name is another.
    """
    name = body["metadata"]["name"]
    bed.create(kind, body)
    bed.expect(kind, name, state=there, health="healthy", reason="Exists")
    first = bed.node(kind, name)["resource"]["uid"]
    bed.patch(kind, name, change)
    bed.patch(kind, name, {"metadata": {"finalizers": ["example.com/hold"]}})
    bed.delete(kind, name)
    bed.expect(kind, name, state="pending", health="terminating")
    bed.patch(kind, name, {"metadata": {"finalizers": None}})
    bed.expect_gone(kind, name)
    bed.create(kind, body)
    bed.expect(kind, name, state=there, health="healthy")
    assert bed.node(kind, name)["resource"]["uid"] != first
    bed.gone(kind, name)
    # What was told of the last change proves that those before it had been seen.
    assert bed.history(kind, name) == ["healthy", "terminating", "deleted", "healthy", "deleted"]


@pytest.mark.parametrize("kind", ["configmap", "secret"])
def test_what_is_metadata_only(bed, kind):
    """It exists or not; what it holds, now or ever, is in no frame and no file."""
    data = "stringData" if kind == "secret" else "data"
    applied = "kubectl.kubernetes.io/last-applied-configuration"
    notes = {applied: json.dumps({data: {"k": MARK}}), "example.com/note": MARK}
    body = {"metadata": {"name": "box", "annotations": notes}, data: {"k": MARK}}
    change = {data: {"k": f"{MARK} 2", "more": MARK}}
    lives_by_existing(bed, kind, body, change, "created")
    assert MARK not in json.dumps(bed.stream.events() + bed.nodes.events())
    assert not bed.holds(MARK)
    # The search itself is sound: the names are found.
    assert bed.holds(f"{kind}/{NAMESPACE}/box")


def test_networkpolicy(bed):
    """The API has no status for it."""
    spec = {"podSelector": {}, "policyTypes": ["Ingress"]}
    body = {"metadata": {"name": "wall"}, "spec": spec}
    change = {"spec": {"policyTypes": ["Ingress", "Egress"]}}
    lives_by_existing(bed, "networkpolicy", body, change, "active")


def volume(name, claim):
    """A volume that waits for a CLAIM: its name; also its uid where it was bound before."""
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/nowhere"},
        "claimRef": {"namespace": NAMESPACE, **claim},
    }
    return {"metadata": {"name": name}, "spec": spec}


def remove_volume(api, name):
    """Removes a volume, used or not: where it is still there, nobody is to hold it back."""
    api.delete("persistentvolumes", None, name)
    with contextlib.suppress(ApiError):
        api.patch("persistentvolumes", None, name, {"metadata": {"finalizers": None}})
    wait_until(lambda: not api.exists("persistentvolumes", None, name), 20, f"no volume {name}")


def test_pvc(bed):
    """Bound by the controller to a volume; lost when that is taken away; found with it again."""
    size = {"requests": {"storage": "1Gi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": size}
    bed.create("pvc", {"metadata": {"name": "disk"}, "spec": spec})
    bed.expect("pvc", "disk", state="Pending", health="progressing", capacity="")
    bed.api.create("persistentvolumes", None, volume("kinds-1", {"name": "disk"}))
    bed.expect("pvc", "disk", state="Bound", health="healthy", volumeName="kinds-1")
    resizing = {"type": "FileSystemResizePending", "status": "True"}
    bed.patch_status("pvc", "disk", {"conditions": [resizing]})
    said = bed.expect("pvc", "disk", state="Bound", health="progressing")
    assert said["reason"] == resizing["type"]
    bed.patch_status("pvc", "disk", {"conditions": []})
    bed.expect("pvc", "disk", state="Bound", health="healthy", capacity="1Gi")
    remove_volume(bed.api, "kinds-1")
    bed.expect("pvc", "disk", state="Lost", health="degraded", reason="ClaimLost")
    uid = bed.own("pvc", "disk")["metadata"]["uid"]
    bed.api.create("persistentvolumes", None, volume("kinds-1", {"name": "disk", "uid": uid}))
    bed.expect("pvc", "disk", state="Bound", health="healthy", volumeName="kinds-1")
    bed.gone("pvc", "disk")
    remove_volume(bed.api, "kinds-1")


def inactive(bed, reason):
    """Waits until the autoscaler says that it does nothing, with the cluster's own words."""

    def told():
        """True when they are."""
        said = bed.expect("hpa", "auto", state="error", health="degraded", reason=reason)
        of = "AbleToScale" if reason == "FailedGetScale" else "ScalingActive"
        failing = condition_of(bed.own("hpa", "auto"), of)
        words = (failing["status"], failing["reason"], failing["message"])
        return words == ("False", said["reason"], said["message"])

    wait_until(told, 30, f"the autoscaler's {reason}")


def test_hpa(bed):
    """Without a target or metrics it is degraded; with them stable, then limited by its bounds."""
    pods = pod_spec()
    pods["containers"][0]["resources"] = {"requests": {"cpu": "100m", "memory": "100Mi"}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "scaled"}
    goal = {"type": "Utilization", "averageUtilization": 50}
    metrics = [
        {"type": "Resource", "resource": {"name": name, "target": goal}}
        for name in ("cpu", "memory")
    ]
    spec = {"scaleTargetRef": target, "maxReplicas": 3, "metrics": metrics}
    bed.create("hpa", {"metadata": {"name": "auto"}, "spec": spec})
    inactive(bed, "FailedGetScale")
    bed.create("deployment", workload("scaled", 1, template=template("scaled", **pods)))
    inactive(bed, "FailedGetResourceMetric")
    with PodMetrics(bed.api) as measured:
        measured.usage = {"cpu": "50m", "memory": "40Mi"}
        bed.expect("hpa", "auto", state="stable", health="healthy", currentCPU=50, currentMemory=40)
        measured.usage = {"cpu": "300m", "memory": "40Mi"}
        said = bed.expect("hpa", "auto", state="limited", health="healthy", currentReplicas=3)
        assert said["reason"] == condition_of(bed.own("hpa", "auto"), "ScalingLimited")["reason"]
        assert (said["reason"], said["currentCPU"]) == ("TooManyReplicas", 300)
        measured.usage = None
        inactive(bed, "FailedGetResourceMetric")
        measured.usage = {"cpu": "50m", "memory": "50Mi"}
        bed.expect("hpa", "auto", health="healthy", currentCPU=50, currentMemory=50)
        bed.patch("deployment", "scaled", {"spec": {"replicas": 0}})
        bed.expect("hpa", "auto", state="stable", health="suspended", reason="ScalingDisabled")
    bed.gone("hpa", "auto")
    bed.gone("deployment", "scaled")


def condition(status, reason):
    """The status of a custom object with one condition."""
    return {"conditions": [{"type": "Ready", "status": status, "reason": reason}]}


def test_custom_kinds(bed):
    """The generic rule on objects of two definitions, one of them cluster-wide."""
    kind, gears = "widgets.example.com", "/apis/example.com/v1/gears"
    of = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w1"}}
    bed.api.create(WIDGETS, NAMESPACE, of)
    bed.expect(kind, "w1", health="healthy")
    bed.patch_status(kind, "w1", condition("False", "Melting"))
    bed.expect(kind, "w1", state="partial", health="progressing", reason="Melting")
    bed.patch_status(kind, "w1", condition("True", "Solid"))
    bed.expect(kind, "w1", state="healthy", health="healthy", reason="Solid")
    bed.gone(kind, "w1")
    body = {"apiVersion": "example.com/v1", "kind": "Gear", "metadata": {"name": "g1"}}
    bed.api.create(gears, None, body)
    key = f"resource:{bed.cluster}/gears.example.com/g1"
    event = wait_until(lambda: bed.newest(key), 20, "the cluster-wide object")
    assert event["data"]["resource_id"] == key.partition(":")[2]
    assert event["data"]["status"]["health"] == "healthy"
    bed.api.delete(gears, None, "g1")
    wait_until(lambda: bed.newest(key)["event_type"] == "resource.deleted", 20, "the end of it")


def test_a_pod_that_no_node_takes(bed):
    """After 15 s it is degraded by time alone: the cluster says nothing new of it."""
    said = bed.expect("pod", "homeless", state="error", health="degraded", reason="Unschedulable")
    own, event = bed.own("pod", "homeless"), bed.newest(bed.key("pod", "homeless"))
    scheduled = condition_of(own, "PodScheduled")
    assert said["message"] == scheduled["message"]
    assert event["data"]["resource_version"] == own["metadata"]["resourceVersion"]
    created, judged, told = (
        datetime.datetime.fromisoformat(text).timestamp()
        for text in (
            own["metadata"]["creationTimestamp"],
            scheduled["lastTransitionTime"],
            event["timestamp"],
        )
    )
    assert judged < created + 15 < told
    bed.gone("pod", "homeless", force=True)
