"""What it costs the gateway to hold published events against the schemas, one core.

The events are typical ones, VARIANTS of each type, with other ids, times and texts; in turn: one of
each type, so that little is warm from the one before. Validated is all that is checked of a parsed
event, envelope and data; made ready for the journal adds its hashes and its frame. CPU of one
process (bench_payload.c). The independent validator of the tests (python jsonschema) holds the same
data against the same schemas in the same run; it is no fair peer, being Python.
`--short`: only that both say the same, of good events and of bad ones.
"""

import copy
import json
import re
import subprocess
import sys
import time

sys.path.insert(0, __file__.rsplit("/tests/", 1)[0])

from tests.bed import schemas
from tests.bed.sluice import binary
from tests.bench import report

AIM = 3  # us per event
VARIANTS = 64
PATIENCE = 300  # seconds


def _time(i, seconds):
    """RFC 3339."""
    return f"2026-11-21T21:{i % 60:02}:{seconds:02}.{i * 13 % 1000:03}Z"


def _job_state(i):
    """With every member that the contract names."""
    return {
        "job_id": f"8f2c{i:04x}",
        "state": "failed",
        "previous_state": "running",
        "attempt": 1 + i % 3,
        "max_attempts": 3,
        "job_type": "pack.build",
        "run_id": f"run-{i:08x}",
        "worker_id": f"worker-{i % 17}",
        "lease_id": f"lease-{i * 7919:012x}",
        "lease_expires_at": _time(i, 59),
        "reason": "exit_code",
        "message": f"process 'compile {i}' ended with status 2 after 41 s",
        "exit_code": 2,
        "queued_at": _time(i, 1),
        "started_at": _time(i, 7),
        "finished_at": _time(i, 48),
        "duration_ms": 41000 + i,
        "error": {"code": "compile_failed", "message": f"{i} errors", "retryable": False},
        "payload_digest": f"sha256:{i:064x}",
        "artifacts": [
            {
                "id": f"a{i}",
                "name": f"report-{i}.html",
                "uri": f"s3://artifacts/8f2c/{i}/report.html",
                "digest": f"sha256:{i * 31:064x}",
                "mime": "text/html",
                "size": 48213 + i,
            }
        ],
        "logs_open": True,
    }


def _job_progress(i):
    """How far a job is."""
    return {
        "job_id": f"8f2c{i:04x}",
        "attempt": 1,
        "percent": i * 1.5,
        "done": i,
        "total": 64,
        "unit": "files",
        "message": f"compiling part {i} of 64",
        "eta_ms": 90_000 - i,
    }


def _log(i):
    """A line of 200 bytes."""
    return {
        "line": f"{i:05} GET /api/v1/items/{i * 7919} 200 in 12 ms ".ljust(200, "x"),
        "line_no": i + 1,
        "stream": "stdout",
        "level": "info",
        "ts": _time(i, 7),
        "attempt": 1,
    }


def _step(i):
    """A step of a pack run."""
    return {
        "pack_run_id": f"8f2c{i:04x}",
        "step_index": i % 12,
        "step_count": 12,
        "step_id": f"step-{i % 12}",
        "state": "running",
        "previous_state": "pending",
        "attempt": 1,
        "step_name": f"Build part {i % 12}",
        "kind": "run",
        "parent_step_id": "root",
        "message": "started",
    }


def _status(i):
    """Of an object."""
    return {
        "state": "progressing",
        "health": "progressing",
        "reason": "RollingUpdate",
        "message": f"{i % 5} of 5 replicas are ready",
        "replicas": 5,
        "readyReplicas": i % 5,
    }


def _resource(i):
    """Where an object is."""
    return {
        "cluster_id": "prod-eu-1",
        "group": "apps",
        "version": "v1",
        "kind": "Deployment",
        "namespace": f"team-{i % 9}",
        "name": f"web-{i}",
        "uid": f"{i:08x}-1c2d-4e3f-8a9b-00000000000a",
    }


def _node(i):
    """A workflow's node."""
    return {
        "node_id": f"node-{i}",
        "type": "deployment",
        "status": _status(i),
        "workflow_id": f"8f2c{i:04x}",
        "resource": _resource(i),
        "resource_version": f"{1_000_000 + i}",
        "change": "modified",
    }


def _status_update(i):
    """A resource."""
    return {"resource_id": f"r{i}", "type": "deployment", "status": _status(i)}


def _health(i):
    """A cluster's."""
    return {
        "cluster_id": f"8f2c{i:04x}",
        "name": "prod-eu-1",
        "status": "connected",
        "reachable": True,
        "checked_at": _time(i, 7),
    }


# {event_type: (stream type, data of the i-th, a member that makes it bad)}
EVENTS = {
    "job.state_changed": ("job", _job_state, {"lease_expires_at": "now"}),
    "job.progress": ("job", _job_progress, {"done": 65}),
    "job.log": ("job", _log, {"line": "two\nlines"}),
    "pack_run.step": ("pack-run", _step, {"step_index": 12}),
    "node_update": ("workflow", _node, {"status": {"state": "progressing"}}),
    "status_update": ("resource", _status_update, {"type": ""}),
    "cluster.health": ("cluster", _health, {"status": "well"}),
}


def good_events():
    """Those of one event_type stand together."""
    return [
        {
            "stream_key": f"{kind}:8f2c{i:04x}",
            "event_type": event_type,
            "source": f"/worker/w-{i % 17}",
            "idempotency_key": f"8f2c{i:04x}/1/{i}",
            "data": data(i),
        }
        for event_type, (kind, data, _) in EVENTS.items()
        for i in range(VARIANTS)
    ]


def bad_events():
    """Each with one thing that is wrong."""
    rows = copy.deepcopy(good_events())
    for row in rows:
        row["data"] |= EVENTS[row["event_type"]][2]
    return rows


def run(rows, *arguments):
    """What the program prints of these events, a dict per line."""
    done = subprocess.run(
        [binary("bench/bench_payload"), *arguments],
        input="".join(json.dumps(row) + "\n" for row in rows),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return [dict(re.findall(r"(\w+)=(\S+)", line)) for line in done.stdout.splitlines()]


def jsonschema_says(row):
    """How many problems the independent validator finds."""
    return len(schemas.data_problems(row["event_type"], row["stream_key"], row["data"]))


def compare():
    """Both validators, event by event."""
    good, bad = good_events(), bad_events()
    told = run(good + bad, "--short")
    for row, ours in zip(good + bad, told, strict=True):
        assert int(ours["problems"]) == jsonschema_says(row), (row, ours)
    assert all(int(ours["problems"]) == 0 for ours in told[: len(good)])
    assert all(int(ours["problems"]) > 0 for ours in told[len(good) :])
    return len(told)


def peer_us(rows):
    """CPU of python jsonschema per event; it was warmed by compare()."""
    began = time.process_time()
    for row in rows:
        jsonschema_says(row)
    return (time.process_time() - began) / len(rows) * 1e6


def main():
    """Runs it."""
    count = compare()
    print(f"payload: both validators say the same of {count} events")
    if "--short" in sys.argv[1:]:
        return 0
    rows = good_events()
    took = {(v["name"], v["what"]): float(v["us"]) for v in run(rows) if "us" in v}
    figures = []
    for name in [*EVENTS, "all"]:
        title = "all in turn" if name == "all" else name
        peer = peer_us([row for row in rows if name in (row["event_type"], "all")])
        checks, payload = took[name, "checks"], took[name, "payload"]
        whole, parsed = took[name, "event"], took[name, "parse"]
        figures += [
            report.figure(f"{title}: validated", checks, "us", aim=AIM),
            report.figure(f"{title}: its data alone", payload, "us", peer=peer),
            report.figure(f"{title}: made ready", whole, "us"),
            report.figure(f"{title}: parsed", parsed, "us"),
        ]
    report.show("payload", figures)
    print(f"wrote {report.write('payload', figures)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
