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

    def end(self):
        """Ends the watch; raises if it ended by itself."""
        broken = self.problem or (None if self.is_alive() else "the watch ended by itself")
        self._ending = True
        if self._conn.sock is not None:
            self._conn.sock.close()
        assert broken is None, broken


def is_subsequence(part, whole):
    """True when PART's members stand in WHOLE in the same order."""
    rest = iter(whole)
    return all(member in rest for member in part)


def check_published(events, truth, cluster, kind):
    """Asserts that EVENTS (status_update, resource.deleted) tell what TRUTH saw, no more.

    Each object's published versions are a subsequence of its history, no status is repeated
    (except as `sync`), and the last one stands for the object as it is now.
    """
    by_key = {}
    for event in events:
        by_key.setdefault(event["stream_key"], []).append(event)
    for (namespace, name), item in truth.live.items():
        key = f"resource:{cluster}/{kind}/{namespace}/{name}"
        mine = [e for e in by_key.get(key, []) if e["event_type"] == "status_update"]
        assert mine, f"{key} was never published"
        status = item.get("status", {})
        last = mine[-1]["data"]["status"]
        if kind == "deployment":
            assert last["replicas"] == item["spec"]["replicas"], key
            assert last["readyReplicas"] == status.get("readyReplicas", 0), key
        else:
            assert last["phase"] == status.get("phase"), key
    for key, mine in by_key.items():
        where = tuple(key.split("/")[2:])
        # A deletion that nobody saw has no version: only that the object is gone is known.
        told = [e for e in mine if not e["data"].get("final_state_unknown")]
        versions = [e["data"]["resource_version"] for e in told]
        assert is_subsequence(versions, truth.history.get(where, [])), (key, versions)
        for before, after in zip(mine, mine[1:], strict=False):
            same = before["data"].get("status") == after["data"].get("status")
            if same and before["event_type"] == after["event_type"]:
                assert after["data"]["change"] == "sync", (key, after)
