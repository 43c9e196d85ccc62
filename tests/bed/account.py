"""A service account of a real cluster whose tokens are signed here, for as long as wanted.

The server's own tokens live for ten minutes at least; tests need one that is over soon.
"""

import base64
import json
import subprocess
import time

# The server takes a token for so much longer (go-jose's leeway).
_LEEWAY_S = 60


def _encoded(data):
    """Base64 for URLs, without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _plain_signature(der):
    """The two numbers of an ECDSA signature, 32 bytes each (RFC 7518, 3.4)."""
    at, numbers = 2, []
    for _ in range(2):
        length = der[at + 1]
        number = int.from_bytes(der[at + 2 : at + 2 + length], "big")
        numbers.append(number.to_bytes(32, "big"))
        at += 2 + length
    return b"".join(numbers)


class Account:
    """A service account that may read everything."""

    def __init__(self, cluster, namespace, name):
        """Makes it, and the right, in the CLUSTER (a RealCluster)."""
        self.cluster = cluster
        self.namespace = namespace
        self.name = name
        if not cluster.exists("namespaces", None, namespace):
            cluster.create_namespace(namespace)
        made = cluster.create("serviceaccounts", namespace, {"metadata": {"name": name}})
        self.uid = made["metadata"]["uid"]
        rules = [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
            {"nonResourceURLs": ["*"], "verbs": ["get"]},
        ]
        group = "rbac.authorization.k8s.io"
        cluster.create("clusterroles", None, {"metadata": {"name": name}, "rules": rules})
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        role = {"kind": "ClusterRole", "name": name, "apiGroup": group}
        body = {"metadata": {"name": name}, "subjects": [subject], "roleRef": role}
        cluster.create("clusterrolebindings", None, body)

    def token(self, seconds):
        """A token that the server takes for SECONDS, and some more out of its cache."""
        now = int(time.time())
        issuer = f"{self.cluster.url}/"
        account = {"name": self.name, "uid": self.uid}
        claims = {
            "iss": issuer,
            "aud": [issuer],
            "iat": now - 3600,
            "nbf": now - 3600,
            "exp": now + seconds - _LEEWAY_S,
            "sub": f"system:serviceaccount:{self.namespace}:{self.name}",
            "kubernetes.io": {"namespace": self.namespace, "serviceaccount": account},
        }
        head = {"alg": "ES256", "typ": "JWT"}
        text = b".".join(_encoded(json.dumps(part).encode()) for part in (head, claims))
        signed = subprocess.run(
            ("openssl", "dgst", "-sha256", "-sign", self.cluster.account_key),
            input=text,
            capture_output=True,
            check=True,
            timeout=60,
        )
        return (text + b"." + _encoded(_plain_signature(signed.stdout))).decode()
