"""Good data of every event type of the contract, for tests that publish.

What a test wants to find again goes in as further members: they are passed on as they are.
"""

import functools
import os
import re

from .sluice import REPO

_STATE = {"attempt": 1, "previous_state": None}
_LINE = {"line": "a line", "line_no": 1, "stream": "stdout"}
_STATUS = {"state": "healthy", "health": "healthy", "reason": "", "message": ""}
_HEALTH = {
    "name": "c",
    "status": "connected",
    "reachable": True,
    "checked_at": "2026-01-01T00:00:00Z",
}
_ALERT = {"rule_id": "r1", "severity": "warning", "message": "too hot"}

# What each has to have, but the member that is the name in its key.
_REQUIRED = {
    "job.state_changed": {**_STATE, "state": "running"},
    "job.progress": {"attempt": 1, "done": 1},
    "job.log": _LINE,
    "job.artifact": {"id": "a1", "name": "a", "uri": "file:///a"},
    "pack_run.state_changed": {**_STATE, "state": "running", "step_count": 3},
    "pack_run.step": {
        **_STATE,
        "step_index": 0,
        "step_count": 3,
        "step_id": "s0",
        "state": "running",
    },
    "pack_run.progress": {"step_index": 0, "step_count": 3, "percent": 10},
    "pack_run.log": _LINE,
    "pack_run.artifact": {"id": "a1", "name": "a", "uri": "file:///a"},
    "run.state_changed": {"state": "running", "previous_state": None},
    "run.progress": {"state": "running", "previous_state": "pending"},
    "run.event": {"kind": "note"},
    "node_update": {"node_id": "n1", "type": "pod", "status": _STATUS},
    "workflow_sync": {},
    "status_update": {"resource_id": "r", "type": "pod", "status": _STATUS},
    "resource.deleted": {"resource_id": "r", "type": "pod", "status": _STATUS},
    "log": {"line": "a line"},
    "progress": {"progress": 10},
    "complete": {},
    "failed": {},
    "cancelled": {},
    "cluster.health": {"cluster_id": "c", **_HEALTH},
    "cluster.status_changed": {"cluster_id": "c", **_HEALTH},
    "cluster.metadata_updated": {"cluster_id": "c"},
    "watcher.state_changed": {
        "cluster_id": "c",
        "kind": "pod",
        "state": "watching",
        "previous_state": None,
    },
    "alert_fired": _ALERT,
    "alert_resolved": _ALERT,
    "new_notification": {"id": "1", "type": "system", "title": "t", "message": "m"},
}
# The member that is the name in its key.
NAMED = {"job": "job_id", "pack-run": "pack_run_id", "run": "run_id"}
_NAMELESS = ("job.log", "job.artifact", "pack_run.log", "pack_run.artifact")


def good(event_type, key, /, **more):
    """Data of EVENT_TYPE for the stream KEY, MORE laid upon it; of another type only MORE."""
    kind, _, name = key.partition(":")
    data = dict(_REQUIRED.get(event_type, {}))
    if event_type in _REQUIRED and event_type not in _NAMELESS and kind in NAMED:
        data[NAMED[kind]] = name
    return {**data, **more}


def event_types():
    """All that there are."""
    return sorted(_REQUIRED)


@functools.cache
def table():
    """{stream type: its event types} as the contract has them, section 2."""
    with open(os.path.join(REPO, "doc", "contract.md"), encoding="utf-8") as file:
        text = file.read()
    made = {}
    for row in text.partition("## 2.")[2].partition("## 3.")[0].splitlines():
        kinds, _, names = row.removeprefix("| ").partition(" | ")
        names = re.sub(r"\(.*?\)|\[.*?\]", "", names.partition(" |")[0])
        if row.startswith("| ") and not kinds.startswith("type"):
            made |= dict.fromkeys(kinds.split(", "), re.findall(r"[a-z_.]+", names))
    made.pop("any")
    return made


def stream_types(event_type):
    """Those whose streams have events of this type."""
    return [kind for kind, names in table().items() if event_type in names]
