"""publish.py URL JOB: the life of a job. SLUICE_TOKEN: where auth is jwt."""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

URL, JOB = sys.argv[1:]


def post(path, content_type, body, **headers):
    """Repeats until it is answered: what was taken, and the answer lost, is not taken twice."""
    headers["Content-Type"] = content_type
    if "SLUICE_TOKEN" in os.environ:
        headers["Authorization"] = "Bearer " + os.environ["SLUICE_TOKEN"]
    request = urllib.request.Request(URL + path, body.encode(), headers)
    for attempt in range(8):
        wait = min(0.2 * 2**attempt, 5)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 425, 429):
                return error.code, error.read().decode()
            after = error.headers.get("Retry-After", "")
            wait = max(wait, min(int(after), 60) if after.isdigit() else 0)
            print(error, file=sys.stderr)
        except (OSError, http.client.HTTPException) as error:
            print(error, file=sys.stderr)
        time.sleep(wait)
    raise SystemExit("no answer")


def event(event_type, key, **data):
    """An event with a key of its own: so it can be repeated."""
    return {
        "stream_key": f"job:{JOB}",
        "event_type": event_type,
        "idempotency_key": f"{JOB}/{key}",
        "data": {"job_id": JOB, "attempt": 1, **data},
    }


def publish(*events):
    """One event or a batch: all or none of them."""
    body = "".join(json.dumps(row) + "\n" for row in events)
    status, answer = post("/api/v1/events", "application/x-ndjson", body)
    if status != 202:
        raise SystemExit(answer)
    print(answer)


publish(event("job.state_changed", "running", state="running", previous_state=None))
publish(*(event("job.progress", percent, percent=percent) for percent in (50, 100)))
# Lines of the log, the first is number 1; 409: it has them already, or ended. A / in the job's name
# is %2F here.
lines = {"X-Log-Offset": "1"}
path = f"/api/v1/streams/{urllib.parse.quote('job:' + JOB, safe=':')}/logs"
status, answer = post(path, "text/plain", "fetching\ndone", **lines)
if status not in (202, 409):
    raise SystemExit(answer)
publish(event("job.state_changed", "succeeded", state="succeeded", previous_state="running"))
