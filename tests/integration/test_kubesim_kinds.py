"""The simulated API server has all kinds, each with realistic objects and a life."""

import pytest

from tests.bed.kinds import KINDS
from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until

# As --kinds calls them.
PLURALS = {kind.lower(): plural for kind, plural, _ in KINDS}


@pytest.fixture(name="zoo", scope="module")
def frozen_sim_of_all_kinds():
    """One frozen cluster for the tests that only read."""
    with KubeSim(tls=False, frozen=True, kinds="all", objects=200) as sim:
        yield sim


def conditions(item):
    """{type: (status, reason)} of an object."""
    found = item["status"].get("conditions", [])
    return {entry["type"]: (entry["status"], entry["reason"]) for entry in found}


def test_every_kind_is_listed_under_its_own_name(zoo):
    """kind and apiVersion stand at the list, not at its items, and every kind has objects."""
    counts = zoo.stats()["objects"]
    for name, plural in PLURALS.items():
        items = zoo.api.list(plural)
        assert len(items) == counts[name] > 0, name
        for item in items:
            assert "kind" not in item
            meta = item["metadata"]
            assert meta["managedFields"] and meta["uid"] and meta["creationTimestamp"]
    state = zoo.state()
    assert {key[0] for key in state} >= {"Service", "HorizontalPodAutoscaler", "Secret", "Node"}


def test_without_kinds_only_deployments_live(zoo):
    """The other kinds are served, and empty; what lives is as it always was."""
    with KubeSim(tls=False, frozen=True) as sim:
        counts = {name: n for name, n in sim.stats()["objects"].items() if n}
        assert set(counts) == {
            *("deployment", "replicaset", "pod"),
            *("node", "namespace", "storageclass"),
        }
        assert sim.api.list("secrets") == []
    with KubeSim(tls=False, frozen=True, kinds="secret,pvc", objects=10) as sim:
        counts = sim.stats()["objects"]
        assert counts["secret"] == counts["persistentvolumeclaim"] == 5
        assert counts["pod"] == 0


def test_pods_name_the_owner_they_have(zoo):
    """With the labels that each controller gives."""
    label_of = {
        "ReplicaSet": "pod-template-hash",
        "StatefulSet": "apps.kubernetes.io/pod-index",
        "DaemonSet": "pod-template-generation",
        "Job": "batch.kubernetes.io/job-name",
    }
    owners = set()
    for pod in zoo.api.list("pods"):
        owner = pod["metadata"]["ownerReferences"][0]["kind"]
        owners.add(owner)
        assert label_of[owner] in pod["metadata"]["labels"]
    assert owners == set(label_of)


def test_a_secret_stands_in_its_annotation_too(zoo):
    """As `kubectl apply` leaves it: a reader must not keep annotations."""
    secret = zoo.api.list("secrets")[0]
    applied = secret["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    assert secret["data"]["password"] in applied
    assert secret["data"]["password"].startswith("a3ViZXNpbS1zZWNyZXQt")
    assert secret["type"] == "Opaque"


def test_kinds_at_rest_say_that_all_is_well(zoo):
    """Addresses are given, claims bound, sets ready, jobs complete, metrics found."""
    for item in zoo.api.list("ingresses"):
        assert item["status"]["loadBalancer"]["ingress"][0]["ip"]
    services = {item["spec"]["type"] for item in zoo.api.list("services")}
    assert services == {"LoadBalancer", "ClusterIP"}
    for item in zoo.api.list("services"):
        given = "ingress" in item["status"]["loadBalancer"]
        assert given == (item["spec"]["type"] == "LoadBalancer")
    for item in zoo.api.list("persistentvolumeclaims"):
        assert item["status"]["phase"] == "Bound"
        assert item["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    for item in zoo.api.list("horizontalpodautoscalers"):
        assert conditions(item)["ScalingActive"] == ("True", "ValidMetricFound")
    for item in zoo.api.list("statefulsets"):
        status = item["status"]
        assert status["readyReplicas"] == item["spec"]["replicas"] == status["updatedReplicas"]
        assert status["currentRevision"] == status["updateRevision"]
    for item in zoo.api.list("daemonsets"):
        assert item["status"]["numberReady"] == item["status"]["desiredNumberScheduled"] == 3
    for item in zoo.api.list("jobs"):
        assert conditions(item)["Complete"][0] == "True"
        assert item["status"]["succeeded"] == 1
    for item in zoo.api.list("networkpolicies"):
        assert "status" not in item


@pytest.mark.slow
def test_a_statefulset_is_scaled_and_updated_in_order():
    """Pods come upwards one after the other and are replaced downwards."""
    with KubeSim(tls=False, rate=0, kinds="statefulset", objects=3) as sim:
        (_, ns, name) = next(key for key in sim.state("statefulset"))
        path = f"/apis/apps/v1/namespaces/{ns}/statefulsets/{name}"
        sim.api.call("PATCH", path, {"spec": {"replicas": 4}})

        def settled():
            """True when the status says that the set is as asked for."""
            item = sim.api.call("GET", path)
            status = item["status"]
            return (
                status["observedGeneration"] == item["metadata"]["generation"]
                and status.get("readyReplicas") == item["spec"]["replicas"]
                and status["currentRevision"] == status["updateRevision"]
            )

        wait_until(lambda: settled() and len(sim.versions("pod")) == 4, 40, "four are ready")
        born = [sim.history("pod", ns, f"{name}-{i}")[0]["rv"] for i in range(4)]
        assert born == sorted(born)


@pytest.mark.slow
def test_a_job_runs_to_its_end_and_a_deleted_one_takes_its_pods_along():
    """Created by a client: active, then complete with its times."""
    with KubeSim(tls=False, rate=0, kinds="job", objects=0) as sim:
        body = {"metadata": {"name": "once"}, "spec": {"completions": 1}}
        sim.api.call("POST", "/apis/batch/v1/namespaces/shop/jobs", body)
        path = "/apis/batch/v1/namespaces/shop/jobs/once"

        def complete():
            """True when the Job says so."""
            return conditions(sim.api.call("GET", path)).get("Complete", ("", ""))[0] == "True"

        wait_until(complete, 20, "the job is complete")
        states = [state["object"]["status"] for state in sim.history("job", "shop", "once")]
        assert any(status.get("active") == 1 for status in states)
        assert states[-1]["completionTime"]
        assert [pod["status"]["phase"] for pod in sim.state("pod").values()] == ["Succeeded"]
        sim.api.call("DELETE", path)
        wait_until(lambda: not sim.versions("pod"), 20, "its pod is gone")


@pytest.mark.slow
def test_a_claim_is_marked_before_it_goes():
    """Its finalizer holds it back: first a deletionTimestamp, then the end."""
    with KubeSim(tls=False, rate=0, kinds="pvc", objects=1) as sim:
        (_, ns, name) = next(key for key in sim.state("pvc"))
        sim.api.delete("persistentvolumeclaims", ns, name)
        wait_until(lambda: not sim.versions("pvc"), 20, "the claim is gone")
        states = sim.history("pvc", ns, name)
        assert [state["type"] for state in states] == ["ADDED", "MODIFIED", "DELETED"]
        assert "deletionTimestamp" in states[1]["object"]["metadata"]


def is_well(item):
    """Whether an object says that all is well; None for kinds that say nothing of the sort."""
    status, spec = item.get("status", {}), item.get("spec", {})
    told = {
        "PersistentVolumeClaim": lambda: status["phase"] == "Bound",
        "HorizontalPodAutoscaler": lambda: conditions(item)["ScalingActive"][0] == "True",
        "Ingress": lambda: bool(status["loadBalancer"]),
        "StatefulSet": lambda: status.get("readyReplicas", 0) == spec["replicas"],
        "DaemonSet": lambda: status["numberReady"] == status["desiredNumberScheduled"],
        "Job": lambda: "Complete" in conditions(item) or "Failed" not in conditions(item),
    }.get(item["kind"])
    return told and told()


@pytest.mark.slow
def test_every_kind_breaks_and_is_repaired():
    """By the script alone: of each kind that can be ill, some are, and some are well."""
    # Time goes by looks: the seed alone decides what is seen, and when.
    options = ("--truth", 100000, "--clock", 1_790_000_000_000)
    with KubeSim(tls=False, rate=120, kinds="all", objects=300, options=options) as sim:
        begin, seen = sim.stats()["changes"], set()

        def story():
            """True when each kind has had enough of a life."""
            sim.advance(500)
            for kind in ill:
                # Not the pods, which are most of all there is.
                items = sim.state(kind.lower()).values()
                seen.update((item["kind"], is_well(item)) for item in items)
            return all({(kind, True), (kind, False)} <= seen for kind in ill)

        ill = ("PersistentVolumeClaim", "HorizontalPodAutoscaler", "Ingress", "StatefulSet")
        ill += ("DaemonSet", "Job")
        wait_until(story, 60, "all have broken and been repaired", interval=0)
        assert sim.stats()["changes"] - begin > 100
