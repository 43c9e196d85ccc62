"""What an API server really said of its objects: an independent watch, kept as history."""

import http.client
import json
import ssl
import threading
from urllib.parse import urlsplit

KINDS = {"deployment": "/apis/apps/v1/deployments", "pod": "/api/v1/pods"}


class Truth(threading.Thread):
    """Lists and watches one kind; `history[(ns, name)]` = the resourceVersions, in order.

    `live` holds the newest object of each name, without the deleted ones.
    """

    def __init__(self, url, token, ca_file, kind):
        """Lists at once; the watch begins with start()."""
        super().__init__(daemon=True)
        self.url = urlsplit(url)
        self.token = token
        self.ca_file = ca_file
        self.kind = kind
        self.history = {}
        self.live = {}
        self.problem = None
        self._ending = False
        self._conn = None
        answer = json.load(self._get(KINDS[kind]))
        self.version = answer["metadata"]["resourceVersion"]
        for item in answer["items"]:
            self._note("ADDED", item)

    def _get(self, target):
        """One request; the open answer."""
        host = (self.url.hostname, self.url.port)
        if self.url.scheme == "https":
            context = ssl.create_default_context(cafile=self.ca_file)
            self._conn = http.client.HTTPSConnection(*host, context=context, timeout=600)
        else:
            self._conn = http.client.HTTPConnection(*host, timeout=600)
        self._conn.request("GET", target, headers={"Authorization": f"Bearer {self.token}"})
        answer = self._conn.getresponse()
        assert answer.status == 200, answer.status
        return answer

    def _note(self, change, item):
        """Adds one state to the history."""
        meta = item["metadata"]
        key = (meta["namespace"], meta["name"])
        self.history.setdefault(key, []).append(meta["resourceVersion"])
        if change == "DELETED":
            self.live.pop(key, None)
        else:
            self.live[key] = item

    def run(self):
        """Follows the watch until end()."""
        try:
            answer = self._get(f"{KINDS[self.kind]}?watch=1&resourceVersion={self.version}")
            for line in answer:
                event = json.loads(line)
                self._note(event["type"], event["object"])
        except (OSError, ValueError, http.client.HTTPException) as error:
            if not self._ending:
                self.problem = repr(error)

    def check(self):
        """Raises if the watch ended by itself: what is held then is no truth any more."""
        assert self.is_alive(), self.problem or "the watch ended by itself"

    def end(self):
        """Ends the watch; raises if it ended by itself."""
        broken = not self.is_alive()
        self._ending = True
        if self._conn.sock is not None:
            self._conn.sock.close()
        assert not broken, self.problem or "the watch ended by itself"


def is_subsequence(part, whole):
    """True when PART's members stand in WHOLE in the same order."""
    rest = iter(whole)
    return all(member in rest for member in part)


def status_at_rest(kind, item):
    """The whole status that the rules give an object whose controllers are done with it.

    None while it moves, and for what is not simply well: those rules have tests of their own.
    """
    status = item.get("status", {})
    conditions = {c["type"]: (c["status"], c.get("reason")) for c in status.get("conditions", [])}
    if "deletionTimestamp" in item["metadata"]:
        return None
    if kind == "deployment":
        wanted = item["spec"]["replicas"]
        counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        if (
            status.get("observedGeneration") != item["metadata"]["generation"]
            or wanted == 0
            or any(status.get(count, 0) != wanted for count in counts)
            or item["spec"].get("paused")
            or conditions.get("Progressing") != ("True", "NewReplicaSetAvailable")
            or conditions.get("Available", ("",))[0] != "True"
            or len(conditions) != 2
        ):
            return None
        more = {"replicas": wanted, "readyReplicas": wanted}
        return _healthy("Available", f"ready: {wanted}/{wanted}", more)
    containers = status.get("containerStatuses", [])
    if (
        status.get("phase") != "Running"
        or conditions.get("Ready", ("",))[0] != "True"
        or item["spec"].get("restartPolicy") != "Always"
        or {"reason", "initContainerStatuses"} & status.keys()
        or not all(c.get("ready") and "running" in c.get("state", {}) for c in containers)
    ):
        return None
    ready = f"containers ready: {len(containers)}/{len(containers)}"
    return _healthy("Running", ready, {"phase": "Running"})


def _healthy(reason, message, more):
    return {"state": "healthy", "health": "healthy", "reason": reason, "message": message, **more}


def tells(event, kind, item):
    """True when EVENT, the newest of an object, tells of ITEM: of one at rest, all its status."""
    if event is None or event["event_type"] != "status_update":
        return False
    told = event["data"]["status"]
    whole = status_at_rest(kind, item)
    if whole is not None:
        return told == whole
    status = item.get("status", {})
    if kind == "deployment":
        ready = status.get("readyReplicas", 0)
        return (told["replicas"], told["readyReplicas"]) == (item["spec"]["replicas"], ready)
    return told["phase"] == status.get("phase")


def untold(events, truth, cluster, kind):
    """The objects of which the newest of EVENTS is not what TRUTH holds, or not their deletion."""
    newest = {event["stream_key"]: event for event in events}
    live = {
        f"resource:{cluster}/{kind}/{'/'.join(k)}": item for k, item in list(truth.live.items())
    }
    wrong = [key for key, item in live.items() if not tells(newest.get(key), kind, item)]
    for key, event in newest.items():
        mine = key.startswith(f"resource:{cluster}/{kind}/")
        if mine and key not in live and event["event_type"] != "resource.deleted":
            wrong.append(key)
    return wrong


def check_published(events, truth, cluster, kind):
    """Asserts that EVENTS (status_update, resource.deleted) tell what TRUTH saw, no more.

    Each object's published versions are a subsequence of its history, and no status is repeated:
    the store was never away, nothing is `sync`. That the last ones tell all is for untold().
    """
    by_key = {}
    for event in events:
        by_key.setdefault(event["stream_key"], []).append(event)
    for key, mine in by_key.items():
        where = tuple(key.split("/")[2:])
        # A deletion that nobody saw has no version: only that the object is gone is known.
        told = [e for e in mine if not e["data"].get("final_state_unknown")]
        versions = [e["data"]["resource_version"] for e in told]
        assert is_subsequence(versions, truth.history.get(where, [])), (key, versions)
        for before, after in zip(mine, mine[1:], strict=False):
            same = before["data"].get("status") == after["data"].get("status")
            assert not same or before["event_type"] != after["event_type"], (key, after)
        assert all(e["data"]["change"] != "sync" for e in mine), key
