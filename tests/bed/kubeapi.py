"""A small Kubernetes API client for tests: plain requests and the few calls tests need."""

import contextlib
import http.client
import json
import ssl
import urllib.parse

_GROUP_OF = {
    "bindings": "/api/v1",
    "configmaps": "/api/v1",
    "endpoints": "/api/v1",
    "events": "/api/v1",
    "namespaces": "/api/v1",
    "nodes": "/api/v1",
    "persistentvolumeclaims": "/api/v1",
    "persistentvolumes": "/api/v1",
    "pods": "/api/v1",
    "resourcequotas": "/api/v1",
    "secrets": "/api/v1",
    "serviceaccounts": "/api/v1",
    "services": "/api/v1",
    "daemonsets": "/apis/apps/v1",
    "deployments": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "statefulsets": "/apis/apps/v1",
    "cronjobs": "/apis/batch/v1",
    "jobs": "/apis/batch/v1",
    "horizontalpodautoscalers": "/apis/autoscaling/v2",
    "ingresses": "/apis/networking.k8s.io/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "storageclasses": "/apis/storage.k8s.io/v1",
    "clusterrolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "clusterroles": "/apis/rbac.authorization.k8s.io/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "roles": "/apis/rbac.authorization.k8s.io/v1",
    "apiservices": "/apis/apiregistration.k8s.io/v1",
    "customresourcedefinitions": "/apis/apiextensions.k8s.io/v1",
}


class ApiError(AssertionError):
    """The API server refused a request; .status is the HTTP status, .body its answer."""

    def __init__(self, method, path, status, body):
        """Keeps the answer and makes a message of it."""
        message = body.get("message", "") if isinstance(body, dict) else body
        super().__init__(f"{method} {path}: {status} {message}")
        self.status = status
        self.body = body


def resource_path(resource, namespace=None, name=None, subresource=None):
    """The path of a RESOURCE, which is a plural name known here or "/apis/GROUP/VERSION/plural"."""
    group, _, plural = resource.rpartition("/")
    parts = [group or _GROUP_OF[plural]]
    if namespace is not None:
        parts += ["namespaces", urllib.parse.quote(namespace)]
    parts += [part for part in (plural, name, subresource) if part is not None]
    return "/".join(parts)


def pod_pace(step="100ms"):
    """Annotations that let kwok take a pod from one stage to the next after STEP.

    None: kwok's own pace, 1 to 6 seconds for each stage.
    """
    if step is None:
        return {}
    stages = ("create", "init-container-running", "init-container-completed", "ready", "complete")
    prefixes = [f"pod-{stage}.stage.kwok.x-k8s.io" for stage in (*stages, "delete")]
    return {f"{prefix}/{kind}": step for prefix in prefixes for kind in ("delay", "jitter-delay")}


def pod_spec(image="registry.example/app:1"):
    """The spec of a pod with one container and nothing special."""
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "app", "image": image}],
    }


class KubeApi:
    """Requests to one API server, one connection each."""

    def __init__(self, port, ca_file, token):
        """Talks to https://127.0.0.1:PORT, trusts CA_FILE only, names itself by TOKEN.

        Without CA_FILE it is plain HTTP (the simulator's).
        """
        self.host = "127.0.0.1"
        self.port = port
        self.url = f"{'https' if ca_file else 'http'}://127.0.0.1:{port}"
        self.ca_file = ca_file
        self.token = token
        self._context = ssl.create_default_context(cafile=ca_file) if ca_file else None

    def _connection(self, timeout):
        """A new connection, not yet opened."""
        if self._context is None:
            return http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        return http.client.HTTPSConnection(
            self.host, self.port, timeout=timeout, context=self._context
        )

    def request(self, method, path, body=None, *, token=None, content_type=None, timeout=30):
        """Sends one request; returns (status, answer), the answer parsed when it is JSON.

        A PATCH is a merge patch unless CONTENT_TYPE says otherwise. TOKEN replaces the
        administrator's. Errors of the connection (OSError) go through.
        """
        headers = {"Authorization": f"Bearer {token or self.token}", "Accept": "application/json"}
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            patch = "application/merge-patch+json" if method == "PATCH" else "application/json"
            headers["Content-Type"] = content_type or patch
        connection = self._connection(timeout)
        try:
            connection.request(method, path, payload, headers)
            response = connection.getresponse()
            raw = response.read()
            kind = response.headers.get_content_type()
        except http.client.HTTPException as error:
            raise ConnectionError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
        return response.status, json.loads(raw) if kind == "application/json" else raw.decode()

    def call(self, method, path, body=None, **options):
        """Like request(), but returns the answer alone and raises ApiError from 400 on."""
        status, answer = self.request(method, path, body, **options)
        if status >= 400:
            raise ApiError(method, path, status, answer)
        return answer

    def create(self, resource, namespace, body):
        """Creates the object BODY; NAMESPACE is None for kinds without."""
        return self.call("POST", resource_path(resource, namespace), body)

    def create_many(self, resource, namespace, bodies):
        """Creates the objects BODIES, by one connection."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        path = resource_path(resource, namespace)
        with contextlib.closing(self._connection(30)) as connection:
            for body in bodies:
                connection.request("POST", path, json.dumps(body), headers)
                response = connection.getresponse()
                text = response.read().decode()
                if response.status >= 400:
                    raise ApiError("POST", path, response.status, text)

    def get(self, resource, namespace, name):
        """The object; ApiError with .status 404 when there is none."""
        return self.call("GET", resource_path(resource, namespace, name))

    def exists(self, resource, namespace, name):
        """True when the object is there, also while it is terminating."""
        path = resource_path(resource, namespace, name)
        status, answer = self.request("GET", path)
        if status not in (200, 404):
            raise ApiError("GET", path, status, answer)
        return status == 200

    def list(self, resource, namespace=None, **query):
        """The objects as a list; QUERY are parameters such as labelSelector."""
        path = resource_path(resource, namespace)
        if query:
            path += "?" + urllib.parse.urlencode(query)
        return self.call("GET", path)["items"]

    def patch(self, resource, namespace, name, body, subresource=None):
        """Merges BODY into the object, or into its SUBRESOURCE such as "status" or "scale"."""
        return self.call("PATCH", resource_path(resource, namespace, name, subresource), body)

    def delete(self, resource, namespace, name, *, force=False):
        """Deletes the object in the background; FORCE gives it no grace period."""
        options = {"propagationPolicy": "Background"}
        if force:
            options["gracePeriodSeconds"] = 0
        return self.call("DELETE", resource_path(resource, namespace, name), options)

    def create_namespace(self, name, labels=None):
        """Creates the namespace NAME."""
        return self.create("namespaces", None, {"metadata": {"name": name, "labels": labels or {}}})

    def create_deployment(self, namespace, name, replicas=1, labels=None, *, step="100ms"):
        """Creates a Deployment; its pods carry LABELS and app=NAME, and change every STEP."""
        labels = {**(labels or {}), "app": name}
        body = {
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": labels, "annotations": pod_pace(step)},
                    "spec": pod_spec(),
                },
            },
        }
        return self.create("deployments", namespace, body)

    def scale_deployment(self, namespace, name, replicas):
        """Sets the number of replicas through the scale subresource."""
        return self.patch("deployments", namespace, name, {"spec": {"replicas": replicas}}, "scale")

    def create_pod(self, namespace, name, labels=None, spec=None, *, step="100ms"):
        """Creates a single pod, by default with one container, that changes every STEP."""
        body = {
            "metadata": {"name": name, "labels": labels or {}, "annotations": pod_pace(step)},
            "spec": pod_spec() if spec is None else spec,
        }
        return self.create("pods", namespace, body)

    def set_pod_status(self, namespace, name, status):
        """Merges STATUS into the pod's status, as a kubelet would (lists are replaced whole)."""
        return self.patch("pods", namespace, name, {"status": status}, "status")

    def available(self, namespace, name):
        """The available replicas of a Deployment when its controller has seen its last change.

        None before that: the status still speaks of an older spec.
        """
        deployment = self.get("deployments", namespace, name)
        status = deployment.get("status", {})
        if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
            return None
        return status.get("availableReplicas", 0)
