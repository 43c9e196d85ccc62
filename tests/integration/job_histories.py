"""Random histories of Kubernetes Jobs on a simulator, and what their streams must have told."""

import time

from tests.bed.net import wait_until

from .job_paths import ENDS, check_stream

NAMESPACES = ("shop", "data")
NAMES = ("hook", "nightly", "migrate")
GONE = dict.fromkeys(("startTime", "completionTime", "active", "failed", "conditions"))
LIMIT = 3
ENDINGS = {
    "succeeded": ("Complete", "CompletionsReached"),
    "failed": ("Failed", "BackoffLimitExceeded"),
    "timed_out": ("Failed", "DeadlineExceeded"),
}


def now():
    """The time, as Kubernetes writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def condition(kind, reason):
    """A condition of a Job that is true since now."""
    told = {"type": kind, "status": "True", "reason": reason, "message": "told"}
    return {**told, "lastTransitionTime": now()}


def shown_as(job):
    """The states that the stream of a Job like this may show; what lies behind is not told back."""
    status, spec = job.get("status", {}), job["spec"]
    for told in status.get("conditions") or []:
        if told["type"] == "Suspended" and spec.get("suspend"):
            return {"throttled"}
        for state, (kind, reason) in ENDINGS.items():
            if told["type"] == kind and (kind == "Complete" or told["reason"] == reason):
                return {state}
    if status.get("active"):
        return {"running"}
    return {"queued", "running"} if status.get("startTime") else {"pending", "queued", "running"}


class JobHistory:
    """Jobs of few names, which come, run, fail, end, and go, to come again."""

    def __init__(self, chance, bed):
        """CHANCE decides what they do."""
        self.random = chance
        self.sim = bed.sim
        self.bed = bed
        self.paused = set()  # uids of those that were suspended: they have tries of their own

    def live(self):
        """{(namespace, name): Job} that are there."""
        return {key[1:]: job for key, job in self.sim.state("Job").items()}

    def status(self, place, **members):
        """What its controller would write."""
        body = {"status": {**GONE, **members}}
        self.sim.api.patch("jobs", *place, body, subresource="status")

    def suspend(self, place, job):
        """It is suspended, or goes on."""
        on = not job["spec"].get("suspend")
        self.paused.add(job["metadata"]["uid"])
        self.sim.api.patch("jobs", *place, {"spec": {"suspend": on}})
        failed = job.get("status", {}).get("failed", 0)
        told = [condition("Suspended", "JobSuspended")] if on else []
        self.status(place, failed=failed, conditions=told)

    def go_on(self, place, job):
        """The next thing that may happen to one that has not ended."""
        status = job.get("status", {})
        failed = status.get("failed", 0)
        begun = {"startTime": status.get("startTime") or now()}
        turn = self.random.choice(["start", "run", "run", "fail", "fail", "end", "end", "suspend"])
        if turn == "suspend" or job["spec"].get("suspend"):
            self.suspend(place, job)
        elif turn == "start":
            self.status(place, failed=failed, **begun)
        elif turn == "run":
            self.status(place, failed=failed, active=1, **begun)
        elif turn == "fail" and failed < LIMIT:
            self.status(place, failed=failed + 1, active=self.random.randint(0, 1), **begun)
        else:
            end = self.random.choice([e for e in ENDINGS if turn == "end" or e != "succeeded"])
            failed += end != "succeeded" and turn == "end"
            told = [condition(*ENDINGS[end])]
            self.status(place, failed=min(failed, LIMIT + 1), conditions=told, **begun)

    def step(self):
        """Something happens to some Job, several times at times."""
        for _ in range(self.random.choice([1, 1, 1, 4])):
            live = self.live()
            place = (self.random.choice(NAMESPACES), self.random.choice(NAMES))
            job = live.get(place)
            if job is None:
                body = {"metadata": {"name": place[1]}, "spec": {"backoffLimit": LIMIT}}
                self.sim.api.create("jobs", place[0], body)
            elif self.random.random() < 0.15 or len(shown_as(job) & ENDS) == 1:
                self.sim.api.delete("jobs", *place)
            else:
                self.go_on(place, job)

    def check(self):
        """Each stream is a legal path; what is there is shown; what is gone has ended."""
        with self.bed.sluice.stream(f"job:{self.bed.cluster}/*", last_event_id="-1") as stream:

            def wrong():
                """{uid: (what it shows, what it may)} of those that are not as they should be."""
                stream.pump()
                shown = {e["correlation_id"]: e["data"]["state"] for e in stream.events()}
                may = {job["metadata"]["uid"]: shown_as(job) for job in self.live().values()}
                return {
                    uid: (shown.get(uid), may.get(uid, ENDS))
                    for uid in shown.keys() | may.keys()
                    if shown.get(uid) not in may.get(uid, ENDS)
                }

            try:
                wait_until(lambda: not wrong(), 30, "the streams of the jobs")
            except AssertionError as error:
                told = "\n".join(str(event) for event in stream.events())
                raise AssertionError(f"{error}\n{wrong()}\n{told}") from error
            events = stream.events()
        check_stream(events)
        whose = {}
        for event in events:
            uid, data = event["correlation_id"], event["data"]
            assert whose.setdefault(uid, event["stream_key"]) == event["stream_key"], event
            if uid not in self.paused:
                # Of what a new watcher does not find any more it is not known.
                fits = data["attempt"] <= data.get("max_attempts", LIMIT + 1) == LIMIT + 1
                assert fits, [e["data"] for e in events if e["correlation_id"] == uid]
        assert len(set(whose.values())) == len(whose), whose
