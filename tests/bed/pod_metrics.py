"""A metrics server for a real cluster: what every container is said to use, for autoscalers."""

import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from .net import free_port

_GROUP = "/apis/metrics.k8s.io/v1beta1"
_NAME = "v1beta1.metrics.k8s.io"


class _Handler(BaseHTTPRequestHandler):
    """Answers what the aggregator and the autoscalers' controller ask for."""

    def do_GET(self):
        """The group, or the pods of a namespace and a selector; else 404."""
        url = urlsplit(self.path)
        metrics = self.server.metrics
        if url.path == _GROUP:
            pods = {"name": "pods", "namespaced": True, "kind": "PodMetrics", "verbs": ["list"]}
            kind = {"kind": "APIResourceList", "groupVersion": _GROUP[6:], "resources": [pods]}
            self._answer(200, {"apiVersion": "v1", **kind})
        elif url.path.startswith(f"{_GROUP}/namespaces/") and metrics.usage is not None:
            namespace = url.path.split("/")[5]
            selector = parse_qs(url.query).get("labelSelector", [""])[0]
            self._answer(200, metrics.pods_of(namespace, selector))
        else:
            self._answer(503 if url.path.startswith(_GROUP) else 404, {})

    def _answer(self, code, body):
        """Writes an answer in JSON."""
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format, *args):
        """Says nothing."""


class PodMetrics:
    """The metrics API of one RealCluster while the context lasts.

    `usage` is what each container uses, as {"cpu": "50m", ...}; None: nobody knows (503).
    """

    def __init__(self, cluster):
        """Nothing is measured yet."""
        self.cluster = cluster
        self.usage = None
        self._server = None

    def pods_of(self, namespace, selector):
        """The PodMetricsList of the pods there."""
        items = [
            {
                "metadata": {"name": pod["metadata"]["name"], "namespace": namespace},
                "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "window": "1s",
                "containers": [
                    {"name": c["name"], "usage": self.usage} for c in pod["spec"]["containers"]
                ],
            }
            for pod in self.cluster.list("pods", namespace, labelSelector=selector)
        ]
        return {"kind": "PodMetricsList", "apiVersion": _GROUP[6:], "metadata": {}, "items": items}

    def __enter__(self):
        """Listens, and has the cluster send there what it is asked of the group."""
        pair = self.cluster.authority.issue("metrics", "/CN=localhost", ("DNS:localhost",))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        port = free_port()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        self._server.daemon_threads = True
        self._server.metrics = self
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        # A service by an external name is the only one that leads to the loopback.
        spec = {"type": "ExternalName", "externalName": "localhost"}
        self.cluster.create("services", "default", {"metadata": {"name": "metrics"}, "spec": spec})
        spec = {
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "service": {"namespace": "default", "name": "metrics", "port": port},
            "insecureSkipTLSVerify": True,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        }
        self.cluster.create("apiservices", None, {"metadata": {"name": _NAME}, "spec": spec})
        return self

    def __exit__(self, *exc):
        """The cluster no longer has the group: one that is away would hold up its discovery."""
        self.cluster.delete("apiservices", None, _NAME)
        self.cluster.delete("services", "default", "metrics")
        self._server.shutdown()
        self._server.server_close()
