"""What the tests of the kinds on a real cluster stand on.

One Sluice, a stream on all of its objects, a workflow with a node for each, and its database: what
they say of an object is compared with the cluster's own.
"""

import base64
import contextlib
import sqlite3
import stat
import time
from pathlib import Path

from tests.bed.kinds import PLURAL_OF
from tests.bed.kubeapi import ApiError, resource_path
from tests.bed.net import DeadlineError, wait_until

from .kind_fields import own_fields, told_fields

NAMESPACE = "kinds"
WORKFLOW = "kinds"
WIDGETS = "/apis/example.com/v1/widgets"
RESOURCES = {**PLURAL_OF, "widgets.example.com": WIDGETS}


class Bed:
    """A Sluice on a cluster, streams on everything of it, and its database."""

    def __init__(self, api, sluice, cluster, stack):
        """Everything is running; STACK closes the streams."""
        self.api = api
        self.sluice = sluice
        self.cluster = cluster
        self.stream = self._open(stack, f"resource:{cluster}/*")
        self.nodes = self._open(stack, f"workflow:{WORKFLOW}")
        self._note = ""

    def _open(self, stack, key):
        """A stream on a KEY from its beginning."""
        stream = stack.enter_context(self.sluice.stream(key, last_event_id="-1"))
        stream.wait_open()
        return stream

    def bind(self, objects):
        """Makes the workflow: a node `kind/name` for each (kind, name)."""
        nodes = [
            {"id": f"{kind}/{name}", "type": kind, "name": name, "namespace": NAMESPACE}
            for kind, name in objects
        ]
        body = {"cluster": self.cluster, "nodes": nodes}
        status, _, answer = self.sluice.request("PUT", f"/api/v1/workflows/{WORKFLOW}", body)
        assert status in (200, 201), answer

    # --- what Sluice says -------------------------------------------------

    def key(self, kind, name):
        """The stream key of an object in the namespace."""
        return f"resource:{self.cluster}/{kind}/{NAMESPACE}/{name}"

    def told(self, key):
        """The events of a stream, oldest first."""
        self.stream.pump()
        return [e for e in self.stream.events() if e["stream_key"] == key]

    def newest(self, key):
        """The newest event of a stream, or None."""
        return next(reversed(self.told(key)), None)

    def history(self, kind, name):
        """All that was told of an object: its healths, and "deleted" where it was."""
        return [
            "deleted" if e["event_type"] == "resource.deleted" else e["data"]["status"]["health"]
            for e in self.told(self.key(kind, name))
        ]

    def node(self, kind, name):
        """The data of the newest node_update of the object's node, or None."""
        self.nodes.pump()
        mine = (
            e["data"] for e in reversed(self.nodes.events()) if e["subject"] == f"{kind}/{name}"
        )
        return next(mine, None)

    def stored(self, kind, name):
        """The object's row, or None."""
        path = f"{self.sluice.conf['state_directory']}/projection.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return db.execute(
                "select state, health, reason, message, resource_version from resources"
                " where cluster=? and kind=? and namespace=? and name=?",
                (self.cluster, kind, NAMESPACE, name),
            ).fetchone()

    # --- what it must say -------------------------------------------------

    def own(self, kind, name):
        """The object as the cluster has it."""
        return self.api.get(RESOURCES[kind], NAMESPACE, name)

    def _wait(self, cond, timeout, what):
        """Waits for COND; a failure says what was wrong last."""
        try:
            return wait_until(cond, timeout, what, ignore=(ApiError, sqlite3.Error))
        except DeadlineError as error:
            raise AssertionError(f"{error}\n{self._note}") from error

    def _frame(self, kind, name, want):
        """The newest event when it says what is WANTed and what the cluster's own fields say."""
        event, own = self.newest(self.key(kind, name)), self.own(kind, name)
        fields = own_fields(kind, own)
        self._note = f"told: {event and event['data']}\nthe cluster: {fields}"
        if event is None or event["event_type"] != "status_update":
            return None
        said, version = event["data"]["status"], event["data"]["resource_version"]
        if any(said.get(word) != value for word, value in want.items()):
            return None
        older = int(version) <= int(own["metadata"]["resourceVersion"])
        return event if told_fields(said) == fields and older else None

    def _everywhere(self, kind, name, event):
        """True when the row and the node say the same as the EVENT, of the object itself."""
        said, own = event["data"]["status"], self.own(kind, name)
        row, node = self.stored(kind, name), self.node(kind, name)
        self._note = f"told: {event['data']}\nrow: {row}\nnode: {node}"
        words = tuple(said[word] for word in ("state", "health", "reason", "message"))
        return (
            row == (*words, event["data"]["resource_version"])
            and node is not None
            and node["status"] == said
            and node["resource"]["uid"] == own["metadata"]["uid"]
        )

    def expect(self, kind, name, timeout=30, **status):
        """Waits until frame, row and node say this of an object, and what the cluster does.

        Returns the frame's status.
        """
        what = f"{kind} {name}: {status}"

        def agreed():
            """The event, once all say the same."""
            event = self._frame(kind, name, status)
            return event if event and self._everywhere(kind, name, event) else None

        return self._wait(agreed, timeout, what)["data"]["status"]

    def expect_gone(self, kind, name):
        """Waits until stream, database and node say that there is no such object."""

        def told():
            """True when they do."""
            event, row = self.newest(self.key(kind, name)), self.stored(kind, name)
            node = self.node(kind, name)
            self._note = f"told: {event}\nrow: {row}\nnode: {node}"
            missing = node["status"]["reason"] == "NotFound" and "uid" not in node["resource"]
            return event["event_type"] == "resource.deleted" and row is None and missing

        self._wait(told, 30, f"the end of {kind} {name}")

    # --- what is done to the cluster --------------------------------------

    def create(self, kind, body):
        """Creates an object."""
        return self.api.create(RESOURCES[kind], NAMESPACE, body)

    def patch(self, kind, name, body):
        """Changes an object."""
        return self.api.patch(RESOURCES[kind], NAMESPACE, name, body)

    def patch_status(self, kind, name, status):
        """Changes its status, as its controller would."""
        return self.api.patch(RESOURCES[kind], NAMESPACE, name, {"status": status}, "status")

    def delete(self, kind, name, **options):
        """Deletes an object."""
        self.api.delete(RESOURCES[kind], NAMESPACE, name, **options)

    def gone(self, kind, name, **options):
        """Deletes an object and waits until all say so."""
        self.delete(kind, name, **options)
        self.expect_gone(kind, name)

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
        conditions = self.own("pod", pod)["status"]["conditions"]
        for condition in conditions:
            if condition["type"] in ("Ready", "ContainersReady"):
                condition.update({"status": word, "lastTransitionTime": now})
        self.api.set_pod_status(NAMESPACE, pod, {"conditions": conditions})

    def break_and_repair(self, kind, name, **healthy):
        """Takes a pod of a workload from it, and gives it back."""
        pod = sorted(self.pods(app=name))[0]
        self.set_ready(pod, False)
        self.expect(kind, name, state="partial", health="progressing")
        self.set_ready(pod, True)
        self.expect(kind, name, state="healthy", health="healthy", **healthy)

    @contextlib.contextmanager
    def no_more_pods(self):
        """A quota that forbids another pod while the context lasts."""
        quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
        self.api.create("resourcequotas", NAMESPACE, quota)
        # Before it was counted a quota refuses with other words.
        self._wait(
            lambda: "hard" in self.api.get("resourcequotas", NAMESPACE, "none").get("status", {}),
            20,
            "the quota is counted",
        )
        try:
            yield
        finally:
            self.api.delete("resourcequotas", NAMESPACE, "none")

    def holds(self, text):
        """The files of the installation (journal, databases, log) that hold a TEXT, or its base64.

        Of the latter all that does not depend on what stands around it.
        """
        raw = text.encode()
        codes = [base64.b64encode(b"?" * n + raw)[4:-4] for n in range(3)]

        def holds(path):
            """Whether a path is of a file that holds one of them."""
            return stat.S_ISREG(path.stat().st_mode) and any(
                part in path.read_bytes() for part in (raw, *codes)
            )

        # One that is written anew may stand under its passing name when it is listed, and under
        # its own when it is to be read: what was listed is no list of all then.
        for _ in range(10):
            with contextlib.suppress(FileNotFoundError):
                return [str(p) for p in Path(self.sluice.directory).rglob("*") if holds(p)]
        raise AssertionError("ten times a file of the installation was gone when it was read")


def condition_of(item, kind):
    """The condition of that type of an object of the cluster."""
    return next(c for c in item["status"]["conditions"] if c["type"] == kind)


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
