"""A real Kubernetes control plane on loopback: etcd, API server, controllers, kwok's fake nodes."""

import base64
import http.client
import json
import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from . import certs
from .kubeapi import KubeApi
from .net import free_port, wait_until
from .process import BedError, Group

_BUILD = Path(__file__).resolve().parents[1] / "cluster" / "build.sh"
_ADMIN_TOKEN = "tok-admin"
_NOBODY_TOKEN = "tok-nobody"
_NOT_READY = "node.kubernetes.io/not-ready"
# One line for each request as it comes in (a killed server notes no end), and one at its end, for
# the answer's code; watches last too long for that.
_AUDIT_POLICY = """apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [ResponseStarted, Panic]
rules:
- level: Metadata
  verbs: [watch]
  omitStages: [ResponseComplete]
- level: Metadata
"""


def binaries():
    """The built programs by file name; BedError with the command to build them when absent."""
    found = subprocess.run(
        (_BUILD, "--print"), capture_output=True, text=True, timeout=30, check=True
    )
    directories = dict(line.split(" ", 1) for line in found.stdout.splitlines())
    parts = {
        "etcd": ("etcd",),
        "kwok": ("kwok", "stages.yaml"),
        "kubernetes": ("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    }
    paths = {name: Path(directories[module], name) for module in parts for name in parts[module]}
    absent = [name for name, path in paths.items() if not path.exists()]
    if absent:
        raise BedError(f"not built: {', '.join(absent)}; remedy: run tests/cluster/build.sh")
    return paths


def kubeconfig_text(server, cluster, user):
    """A kubeconfig for SERVER; CLUSTER and USER map its further fields to their values."""
    cluster_lines = "".join(f"    {key}: {value}\n" for key, value in cluster.items())
    user_lines = "".join(f"    {key}: {value}\n" for key, value in user.items())
    return (
        "apiVersion: v1\nkind: Config\ncurrent-context: testbed\n"
        f"clusters:\n- name: testbed\n  cluster:\n    server: {server}\n{cluster_lines}"
        f"users:\n- name: testbed\n  user:\n{user_lines}"
        "contexts:\n- name: testbed\n  context:\n    cluster: testbed\n    user: testbed\n"
    )


class RealCluster(Group, KubeApi):
    """A cluster of its own in its own directory and on its own ports; a context manager.

    Attributes: url, port, ca_file, token (administrator), nobody_token (may do nothing),
    kubeconfig (token, CA inside), kubeconfig_cert (client certificate, files by path),
    kubeconfig_insecure (token, no verification), kubeconfig_nobody (nobody_token), client_cert
    (its pair of paths), authority, directory, and the processes etcd, apiserver, controllers,
    scheduler, kwok.
    """

    def __init__(self, nodes=2, *, controllers=True, audit=False, apiserver_args=(), etcd_args=()):
        """NODES fake nodes (0: no kwok); CONTROLLERS False: the API server alone.

        AUDIT: every request is noted, for requests().

        The further arguments are appended to the command lines (--goaway-chance=0.02,
        --feature-gates=WatchList=false, --max-requests-inflight=5 ...).
        """
        if nodes and not controllers:
            raise BedError("fake nodes need the controllers: give nodes=0 too")
        Group.__init__(self)
        self.nodes = nodes
        self._programs = binaries()
        self._with_controllers = controllers
        self._with_audit = audit
        self._extra = {"apiserver": list(apiserver_args), "etcd": list(etcd_args)}
        self.nobody_token = _NOBODY_TOKEN

    def _start(self):
        """The steps of start()."""
        self.make_directory()
        self.authority = certs.Authority(self.directory)
        KubeApi.__init__(self, free_port(), self.authority.cert, _ADMIN_TOKEN)
        self._write_files()
        self.etcd = self.add("etcd", self._etcd_args())
        self.apiserver = self.add("apiserver", self._apiserver_args())
        self.wait_ready()
        if self._with_controllers:
            self.controllers = self.add("controllers", self._controllers_args())
            self.scheduler = self.add("scheduler", self._scheduler_args())
            self.wait_for(self._has_default_namespace, 30, "the namespace default")
        if self.nodes:
            self.kwok = self.add("kwok", self._kwok_args())
            self.add_nodes(self.nodes)

    def _path(self, name):
        """The path of a file of this cluster."""
        return os.path.join(self.directory, name)

    def _write(self, name, text):
        """Writes a file that only its owner reads; returns its path."""
        path = self._path(name)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def _write_files(self):
        """Certificates, tokens and kubeconfigs."""
        sans = ("IP:127.0.0.1", "DNS:localhost", "DNS:kubernetes.default.svc")
        self.serving_cert = self.authority.issue("apiserver", "/CN=kube-apiserver", sans)
        self.client_cert = self.authority.issue(
            "client", "/O=system:masters/CN=cert-admin", usage="clientAuth"
        )
        self.account_key = certs.make_key(self._path("sa.key"))
        self._account_public = certs.public_key(self.account_key, self._path("sa.pub"))
        self._tokens = self._write(
            "tokens.csv",
            f'{_ADMIN_TOKEN},admin,1,"system:masters"\n{_NOBODY_TOKEN},nobody,2,"nobodies"\n',
        )
        authority = base64.b64encode(Path(self.ca_file).read_bytes()).decode()
        by_token = {"token": self.token}
        by_cert = {"client-certificate": self.client_cert.cert, "client-key": self.client_cert.key}
        self.kubeconfig = self.write_kubeconfig(
            "token.conf", {"certificate-authority-data": authority}, by_token
        )
        self.kubeconfig_cert = self.write_kubeconfig(
            "cert.conf", {"certificate-authority": self.ca_file}, by_cert
        )
        self.kubeconfig_insecure = self.write_kubeconfig(
            "insecure.conf", {"insecure-skip-tls-verify": "true"}, by_token
        )
        self.kubeconfig_nobody = self.write_kubeconfig(
            "nobody.conf", {"certificate-authority": self.ca_file}, {"token": self.nobody_token}
        )

    def write_kubeconfig(self, name, cluster, user, server=None):
        """Writes a kubeconfig NAME into the cluster's directory; returns its path."""
        return self._write(name, kubeconfig_text(server or self.url, cluster, user))

    def _etcd_args(self):
        """The command line of etcd."""
        self._etcd_url = f"http://127.0.0.1:{free_port()}"
        peer = f"http://127.0.0.1:{free_port()}"
        return [
            self._programs["etcd"],
            f"--data-dir={self._path('etcd')}",
            f"--listen-client-urls={self._etcd_url}",
            f"--advertise-client-urls={self._etcd_url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=error",
            *self._extra["etcd"],
        ]

    def _apiserver_args(self):
        """The command line of the API server."""
        return [
            self._programs["kube-apiserver"],
            f"--etcd-servers={self._etcd_url}",
            f"--cert-dir={self._path('certs')}",
            f"--tls-cert-file={self.serving_cert.cert}",
            f"--tls-private-key-file={self.serving_cert.key}",
            f"--client-ca-file={self.ca_file}",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--authorization-mode=RBAC",
            f"--token-auth-file={self._tokens}",
            f"--service-account-issuer={self.url}/",
            f"--service-account-key-file={self._account_public}",
            f"--service-account-signing-key-file={self.account_key}",
            "--disable-admission-plugins=ServiceAccount",
            "--endpoint-reconciler-type=none",
            "--allow-privileged",
            # Without it an end by SIGTERM takes 60 s as long as one watch is open.
            "--shutdown-watch-termination-grace-period=2s",
            *(self._audit_args() if self._with_audit else ()),
            *self._extra["apiserver"],
        ]

    def _audit_args(self):
        """What makes the API server note every request."""
        policy = self._write("audit.yaml", _AUDIT_POLICY)
        return [f"--audit-policy-file={policy}", f"--audit-log-path={self._path('audit.log')}"]

    def _controllers_args(self):
        """The command line of the controller manager."""
        return [
            self._programs["kube-controller-manager"],
            f"--kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={self.account_key}",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            # Else 15 s between two looks at an autoscaler, or at a claim.
            "--horizontal-pod-autoscaler-sync-period=1s",
            "--pvclaimbinder-sync-period=1s",
            "--leader-elect=false",
            "--secure-port=0",
            # A loaded machine is no dead node: its pods would be made unready for ever.
            "--node-monitor-grace-period=10m",
        ]

    def _scheduler_args(self):
        """The command line of the scheduler."""
        return [
            self._programs["kube-scheduler"],
            f"--kubeconfig={self.kubeconfig}",
            "--leader-elect=false",
            "--secure-port=0",
        ]

    def _kwok_args(self):
        """The command line of kwok, which plays the kubelets."""
        return [
            self._programs["kwok"],
            f"--kubeconfig={self.kubeconfig}",
            "--manage-all-nodes=true",
            f"--config={self._programs['stages.yaml']}",
            f"--server-address=127.0.0.1:{free_port()}",
            "--node-ip=127.0.0.1",
            # Without leases no node gives a sign of life, and all are unready after a minute.
            "--node-lease-duration-seconds=40",
        ]

    def wait_for(self, fn, timeout=30, what=None, ignore=()):
        """Waits until FN returns something true and returns that (see net.wait_until).

        Fails at once when a program of the cluster has ended that nobody ended here.
        """

        def probe():
            """One look: at the programs, then at FN."""
            for process in self.processes:
                if not process.ended_on_purpose:
                    process.check()
            return fn()

        what = what or getattr(fn, "__name__", "condition")
        return wait_until(probe, timeout, what, ignore=ignore)

    def _is_ready(self):
        """True when the API server calls itself ready."""
        return self.request("GET", "/readyz", timeout=5)[0] == 200

    def _has_default_namespace(self):
        """True when objects can be created in the namespace default."""
        return self.exists("namespaces", None, "default")

    def wait_ready(self, timeout=60):
        """Waits until the API server is ready."""
        self.wait_for(self._is_ready, timeout, "the API server's /readyz", ignore=(OSError,))

    def add_nodes(self, count, prefix="node"):
        """Creates COUNT fake nodes and waits until pods can be placed on all of them."""
        names = [f"{prefix}-{number}" for number in range(count)]
        room = {"cpu": "64", "memory": "256Gi", "pods": "1000"}
        for name in names:
            self.create(
                "nodes",
                None,
                {
                    "metadata": {
                        "name": name,
                        "annotations": {"kwok.x-k8s.io/node": "fake"},
                        "labels": {"kubernetes.io/hostname": name, "type": "kwok"},
                    },
                    "status": {"capacity": room, "allocatable": room},
                },
            )
        self.wait_for(lambda: all(map(self._node_takes_pods, names)), 60, f"{count} nodes ready")

    def _node_takes_pods(self, name):
        """True when the node is Ready and the controllers have taken the taint off."""
        node = self.get("nodes", None, name)
        taints = [taint["key"] for taint in node["spec"].get("taints", [])]
        conditions = node["status"].get("conditions", [])
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
        return ready and _NOT_READY not in taints

    def wait_available(self, namespace, name, replicas, timeout=60):
        """Waits until a Deployment has exactly REPLICAS available replicas."""
        self.wait_for(
            lambda: self.available(namespace, name) == replicas,
            timeout,
            f"{replicas} available replicas of {namespace}/{name}",
        )

    def wait_gone(self, resource, namespace, name, timeout=60):
        """Waits until an object is no longer there."""
        self.wait_for(
            lambda: not self.exists(resource, namespace, name), timeout, f"end of {resource} {name}"
        )

    def start_apiserver(self):
        """Starts the API server again, on the same port and data, and waits until it is ready."""
        self.apiserver.start()
        self.wait_ready()

    def stop_apiserver(self):
        """Ends the API server alone by SIGTERM, open watches too; True when it obeyed."""
        return self.apiserver.stop()

    def kill_apiserver(self):
        """Ends the API server alone by SIGKILL."""
        self.apiserver.kill()

    def suspend_apiserver(self):
        """Freezes the API server (SIGSTOP): connections stay open and silent."""
        self.apiserver.suspend()

    def resume_apiserver(self):
        """Lets a frozen API server go on and waits until it is ready."""
        self.apiserver.resume()
        self.wait_ready()

    def wipe(self):
        """Loses everything the cluster knew: a new etcd, and the API server on it, both empty."""
        self.apiserver.kill()
        self.etcd.kill()
        shutil.rmtree(self._path("etcd"))
        self.etcd.start()
        self.start_apiserver()

    def compact(self):
        """Makes etcd forget what it has had up to now: no version but the newest can be read."""
        tick = {"key": base64.b64encode(b"/bed/tick").decode(), "value": ""}
        version = self._ask_etcd("put", tick)["header"]["revision"]
        self._ask_etcd("compaction", {"revision": version})

    def _ask_etcd(self, what, body):
        """One request to etcd past the API server; the answer."""
        conn = http.client.HTTPConnection(urlsplit(self._etcd_url).netloc, timeout=30)
        try:
            conn.request("POST", f"/v3/kv/{what}", json.dumps(body))
            answer = conn.getresponse()
            text = answer.read()
        finally:
            conn.close()
        if answer.status != 200:
            raise BedError(f"etcd {what}: {answer.status} {text!r}")
        return json.loads(text)

    def requests(self, user_agent=""):
        """The requests of clients whose User-Agent begins so, oldest first (AUDIT was given).

        Of each: verb (list, watch, get ...), user, uri, resource (pods; None of no object), time
        (RFC 3339) and code (None of a watch, and before the answer's end).
        """
        rows = {}
        with open(self._path("audit.log"), "rb") as log:
            for line in log:
                # An end by SIGKILL may leave half a line.
                if not line.endswith(b"}\n"):
                    continue
                event = json.loads(line)
                if event.get("userAgent", "").startswith(user_agent):
                    row = {
                        "verb": event["verb"],
                        "user": event["user"].get("username"),
                        "uri": event["requestURI"],
                        "resource": event.get("objectRef", {}).get("resource"),
                        "time": event["requestReceivedTimestamp"],
                        "code": event.get("responseStatus", {}).get("code"),
                    }
                    rows.setdefault(event["auditID"], row).update(code=row["code"])
        return list(rows.values())
