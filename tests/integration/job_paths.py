"""What the streams of Kubernetes Jobs must be: legal paths of the job machine (contract 3)."""

LEGAL = {
    None: {"pending", "queued", "running", "throttled", "succeeded", "failed", "timed_out"},
    "pending": {"queued", "canceled"},
    "queued": {"leased", "throttled", "canceled", "timed_out"},
    "throttled": {"queued", "canceled"},
    "leased": {"running", "queued", "failed", "canceled", "timed_out"},
    "running": {"queued", "succeeded", "failed", "canceled", "timed_out"},
}
ENDS = {"succeeded", "failed", "canceled", "timed_out"}


def check_stream(events):
    """Each stream's events are a legal path of the job machine, whole, and end once."""
    by_key = {}
    for event in events:
        by_key.setdefault(event["stream_key"], []).append(event)
    for key, mine in by_key.items():
        state, attempt = None, None
        assert [e["seq"] for e in mine] == list(range(1, len(mine) + 1)), key
        for event in mine:
            data = event["data"]
            assert data["job_id"] == key.partition(":")[2]
            assert data["previous_state"] == state and data["state"] in LEGAL[state], (key, data)
            again = (state, data["state"]) == ("running", "queued")
            assert attempt is None or data["attempt"] == attempt + again, (key, data)
            assert event["terminal"] == (data["state"] in ENDS)
            assert event["source"].startswith("/watcher/")
            state, attempt = data["state"], data["attempt"]
