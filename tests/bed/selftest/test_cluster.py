"""The real cluster: it starts, works, survives the end of its API server, and goes away."""

import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys

import pytest

from ..cluster import RealCluster, binaries
from ..kubeapi import ApiError
from ..net import can_listen, wait_until
from ..process import LIVE, BedError

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def namespace(real_cluster):
    """A namespace of this module's own in the shared cluster."""
    real_cluster.create_namespace("selftest", {"team": "bed"})
    return "selftest"


def alive(pid):
    """True when a process PID exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def user_of(cluster, context, token=None):
    """The name under which the API server knows the bearer of CONTEXT and TOKEN."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPSConnection(cluster.host, cluster.port, context=context)
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    connection.request("POST", path, json.dumps(body), headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer["status"]["userInfo"]["username"]


def test_version_is_the_one_of_the_module(real_cluster):
    """The linker flags gave the server its real version."""
    version = real_cluster.call("GET", "/version")
    assert (version["gitVersion"], version["major"], version["minor"]) == ("v1.36.1", "1", "36")


def test_build_script_finds_everything_built():
    """Every program is where build.sh says; stages.yaml holds several stages."""
    paths = binaries()
    assert len(paths) == 6
    assert all(os.access(path, os.X_OK) for name, path in paths.items() if name != "stages.yaml")
    text = paths["stages.yaml"].read_text(encoding="utf-8")
    assert text.count("kind: Stage") == text.count("---\n") >= 5


def test_deployment_becomes_available_and_scales(real_cluster, namespace):
    """Three replicas run on fake nodes; scaling up and down shows in pods and status."""
    real_cluster.create_deployment(namespace, "web", 3, {"tier": "front"})
    real_cluster.wait_available(namespace, "web", 3)
    pods = real_cluster.list("pods", namespace, labelSelector="app=web")
    assert [pod["status"]["phase"] for pod in pods] == ["Running"] * 3
    assert {pod["spec"]["nodeName"] for pod in pods} <= {"node-0", "node-1"}
    assert {pod["metadata"]["labels"]["tier"] for pod in pods} == {"front"}
    real_cluster.scale_deployment(namespace, "web", 5)
    real_cluster.wait_available(namespace, "web", 5)
    real_cluster.scale_deployment(namespace, "web", 1)
    real_cluster.wait_available(namespace, "web", 1)
    left = real_cluster.wait_for(
        lambda: len(real_cluster.list("pods", namespace, labelSelector="app=web")) == 1,
        what="end of four pods",
    )
    assert left
    real_cluster.delete("deployments", namespace, "web")
    real_cluster.wait_gone("deployments", namespace, "web")
    with pytest.raises(ApiError) as refused:
        real_cluster.get("deployments", namespace, "web")
    assert refused.value.status == 404
    assert refused.value.body["reason"] == "NotFound"


def test_fake_nodes_give_signs_of_life(real_cluster):
    """Each node's lease is renewed: without it, all pods would be made unready after a minute."""
    path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

    def renewed():
        """The moment of the last renewal of each node."""
        leases = real_cluster.request("GET", path)[1]["items"]
        return {lease["metadata"]["name"]: lease["spec"]["renewTime"] for lease in leases}

    first = real_cluster.wait_for(lambda: renewed().keys() >= {"node-0", "node-1"} and renewed())
    real_cluster.wait_for(lambda: all(renewed()[node] > first[node] for node in first))


def test_pods_take_their_time_when_asked(real_cluster, namespace):
    """At kwok's own pace a pod is seen Pending on its node before it runs."""
    real_cluster.create_pod(namespace, "slow", step="2s")
    placed = real_cluster.wait_for(
        lambda: "nodeName" in (pod := real_cluster.get("pods", namespace, "slow"))["spec"] and pod
    )
    assert placed["status"]["phase"] == "Pending"
    real_cluster.wait_for(
        lambda: real_cluster.get("pods", namespace, "slow")["status"]["phase"] == "Running"
    )


def test_pod_status_set_by_hand_stays(real_cluster, namespace):
    """A crash loop written into a running pod's status is what a reader gets."""
    real_cluster.create_pod(namespace, "crashing")
    real_cluster.wait_for(
        lambda: real_cluster.get("pods", namespace, "crashing")["status"]["phase"] == "Running"
    )
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting"}
    container = {
        "name": "app",
        "image": "registry.example/app:1",
        "imageID": "",
        "ready": False,
        "restartCount": 7,
        "state": {"waiting": waiting},
    }
    real_cluster.set_pod_status(namespace, "crashing", {"containerStatuses": [container]})
    real_cluster.create_deployment(namespace, "meanwhile", 1)
    real_cluster.wait_available(namespace, "meanwhile", 1)
    status = real_cluster.get("pods", namespace, "crashing")["status"]
    assert status["containerStatuses"][0]["state"]["waiting"] == waiting
    assert status["containerStatuses"][0]["restartCount"] == 7
    real_cluster.delete("pods", namespace, "crashing", force=True)
    real_cluster.wait_gone("pods", namespace, "crashing")


def test_ways_to_log_in(real_cluster):
    """Token, client certificate and no verification work; strangers and the powerless do not."""
    verified = ssl.create_default_context(cafile=real_cluster.ca_file)
    assert user_of(real_cluster, verified, real_cluster.token) == "admin"
    with_cert = ssl.create_default_context(cafile=real_cluster.ca_file)
    with_cert.load_cert_chain(*real_cluster.client_cert)
    assert user_of(real_cluster, with_cert) == "cert-admin"
    with pytest.raises(ssl.SSLCertVerificationError):
        user_of(real_cluster, ssl.create_default_context(), real_cluster.token)
    assert real_cluster.request("GET", "/api/v1/pods", token="tok-stranger")[0] == 401
    status, answer = real_cluster.request("GET", "/api/v1/pods", token=real_cluster.nobody_token)
    assert (status, answer["reason"]) == (403, "Forbidden")


def test_kubeconfigs_say_how(real_cluster):
    """Each kubeconfig names the server and its own way to log in, and only the owner reads it."""
    wanted = {
        real_cluster.kubeconfig: ("certificate-authority-data: ", f"token: {real_cluster.token}"),
        real_cluster.kubeconfig_cert: ("client-certificate: /tmp/sl-", "client-key: /tmp/sl-"),
        real_cluster.kubeconfig_insecure: ("insecure-skip-tls-verify: true", "token: "),
    }
    for path, phrases in wanted.items():
        assert os.stat(path).st_mode & 0o077 == 0
        with open(path, encoding="utf-8") as file:
            text = file.read()
        assert f"    server: {real_cluster.url}\n" in text
        assert all(phrase in text for phrase in phrases), path


@pytest.mark.parametrize("way", ["kubeconfig", "kubeconfig_cert", "kubeconfig_insecure"])
def test_kubeconfigs_work_in_a_real_client(real_cluster, way, tmp_path):
    """The scheduler, a client of Kubernetes' own making, gets work done by each kubeconfig."""
    name = way.replace("_", "-")
    pod = {
        "schedulerName": f"by-{name}",
        "containers": [{"name": "app", "image": "registry.example/app:1"}],
    }
    real_cluster.create_pod("default", f"pod-{name}", spec=pod)
    config = tmp_path / "scheduler.yaml"
    config.write_text(
        "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
        f"clientConnection:\n  kubeconfig: {getattr(real_cluster, way)}\n"
        f"leaderElection:\n  leaderElect: false\nprofiles:\n- schedulerName: by-{name}\n",
        encoding="utf-8",
    )
    argv = (binaries()["kube-scheduler"], f"--config={config}", "--secure-port=0")
    assert "nodeName" not in real_cluster.get("pods", "default", f"pod-{name}")["spec"]
    with real_cluster.extra_process(f"scheduler-{name}", argv):
        real_cluster.wait_for(
            lambda: "nodeName" in real_cluster.get("pods", "default", f"pod-{name}")["spec"],
            what=f"a node for the pod, through {way}",
        )
    real_cluster.delete("pods", "default", f"pod-{name}", force=True)


def test_apiserver_restarts_and_all_is_gone_afterwards():
    """Killed, frozen and stopped, the API server comes back with its data; then nothing is left."""
    with RealCluster(nodes=1) as cluster:
        directory = cluster.directory
        processes = list(cluster.processes)
        pids = [process.pid for process in processes]
        assert [process.name for process in processes] == [
            "etcd",
            "apiserver",
            "controllers",
            "scheduler",
            "kwok",
        ]
        cluster.create_deployment("default", "kept", 2)
        cluster.wait_available("default", "kept", 2)
        uid = cluster.get("deployments", "default", "kept")["metadata"]["uid"]

        cluster.kill_apiserver()
        with pytest.raises(ConnectionRefusedError):
            cluster.request("GET", "/readyz")
        cluster.start_apiserver()
        assert cluster.get("deployments", "default", "kept")["metadata"]["uid"] == uid
        cluster.scale_deployment("default", "kept", 3)
        cluster.wait_available("default", "kept", 3)

        cluster.suspend_apiserver()
        with pytest.raises(TimeoutError):
            cluster.request("GET", "/readyz", timeout=1)
        cluster.resume_apiserver()
        cluster.scale_deployment("default", "kept", 1)
        cluster.wait_available("default", "kept", 1)

        assert cluster.stop_apiserver()
        assert can_listen(cluster.port)
        cluster.start_apiserver()
        assert cluster.get("deployments", "default", "kept")["spec"]["replicas"] == 1
        pids.append(cluster.apiserver.pid)
    assert not [pid for pid in pids if alive(pid)]
    assert not os.path.exists(directory)
    assert can_listen(cluster.port)
    assert not [process for process in LIVE if process in processes]


def test_a_bare_server_with_a_knob():
    """Without controllers and nodes there is the API server alone, with the flags it was given."""
    with RealCluster(nodes=0, controllers=False, apiserver_args=("--goaway-chance=0.01",)) as bare:
        assert [process.name for process in bare.processes] == ["etcd", "apiserver"]
        assert "--goaway-chance=0.01" in bare.apiserver.argv
        bare.create_namespace("alone")
        assert bare.exists("namespaces", None, "alone")
        assert bare.list("nodes") == []


def test_a_failed_start_says_why_and_leaves_nothing(capsys):
    """An API server that refuses its flags ends start() with its words, and all is taken down."""
    before = list(LIVE)
    cluster = RealCluster(nodes=0, controllers=False, apiserver_args=("--no-such-flag",))
    with pytest.raises(BedError, match="unknown flag: --no-such-flag"):
        cluster.start()
    assert before == LIVE
    assert cluster.directory is None
    assert not os.path.exists(cluster.ca_file)
    assert "unknown flag" in capsys.readouterr().err


def test_programs_end_with_a_parent_that_is_killed():
    """After SIGKILL of the process that made the cluster, no program of it is left."""
    code = (
        "import sys, time\n"
        f"from {RealCluster.__module__} import RealCluster\n"
        "cluster = RealCluster(nodes=0, controllers=False).start()\n"
        "print(cluster.directory, *[p.pid for p in cluster.processes], flush=True)\n"
        "time.sleep(600)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    child = subprocess.Popen((sys.executable, "-c", code), stdout=subprocess.PIPE, env=env)
    try:
        directory, *pids = child.stdout.readline().split()
    finally:
        child.kill()
        child.wait(10)
        child.stdout.close()
    assert len(pids) == 2
    wait_until(lambda: not any(alive(int(pid)) for pid in pids), 10, "end of etcd and API server")
    shutil.rmtree(directory)
