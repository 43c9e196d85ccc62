"""Kubernetes Jobs as job streams (`watch.jobs_as_streams`), on a simulated cluster."""

import contextlib
import time

import pytest

from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

from .job_paths import check_stream

NAMESPACE = "shop"
STARTED = {"startTime": "2026-01-01T00:00:01Z"}
RUNS = {**STARTED, "active": 1}


def condition(kind, reason, **more):
    """A status with this condition."""
    told = {"type": kind, "status": "True", "reason": reason, "message": f"{reason}: told"}
    return {"conditions": [{**told, "lastTransitionTime": "2026-01-01T00:00:09Z"}], **more}


class Jobs:
    """A simulator whose Jobs change by hand alone, and a Sluice that streams them."""

    def __init__(self, sim, sluice, stack):
        """Opens the prefix of the cluster's jobs from its beginning."""
        self.sim = sim
        self.sluice = sluice
        prefix = f"job:{sim.context}/*"
        self.stream = stack.enter_context(sluice.stream(prefix, last_event_id="-1"))

    def create(self, name, **spec):
        """A Job; its uid."""
        body = {"metadata": {"name": name}, "spec": {"backoffLimit": 2, **spec}}
        return self.sim.api.create("jobs", NAMESPACE, body)["metadata"]["uid"]

    def status(self, name, status):
        """What its controller would write."""
        gone = dict.fromkeys(("startTime", "active", "failed", "conditions"))
        whole = {"status": {**gone, **status}}
        self.sim.api.patch("jobs", NAMESPACE, name, whole, subresource="status")

    def delete(self, name):
        """It goes."""
        self.sim.api.delete("jobs", NAMESPACE, name)

    def key(self, name):
        """Of its stream."""
        return f"job:{self.sim.context}/{NAMESPACE}/{name}"

    def events(self, name=None):
        """The events so far, of one stream or all."""
        self.stream.pump()
        return [
            e for e in self.stream.events() if name is None or e["stream_key"] == self.key(name)
        ]

    def told(self, name):
        """Its states so far: "running 1"."""
        return [f"{e['data']['state']} {e['data']['attempt']}" for e in self.events(name)]

    def wait_told(self, name, *states):
        """Until exactly these states were told."""
        wait_until(lambda: len(self.told(name)) >= len(states), 20, f"{name}: {states}")
        assert self.told(name) == list(states)

    def wait_state(self, name, state):
        """Until this one was told, whatever came before."""
        wait_until(lambda: state in self.told(name), 20, f"{name}: {state}")

    def restarted(self, meanwhile):
        """The watcher killed; MEANWHILE happens before its next one looks."""
        name = f"watcher/{self.sim.context}"
        self.sim.faults(next=[{"match": "GET /apis/batch/v1/jobs", "status": 503, "count": 0}])
        pid = self.sluice.kill(name)
        meanwhile()
        self.sluice.wait_restarted(name, pid)
        self.sim.clear_faults()


@contextlib.contextmanager
def streaming(**watch):
    """Jobs, as streams; WATCH: more of the configuration."""
    conf = {
        "kinds": ["job"],
        "jobs_as_streams": True,
        "backoff": {"base": "100ms", "max": "400ms"},
        **watch,
    }
    with contextlib.ExitStack() as stack:
        sim = stack.enter_context(KubeSim(frozen=True, objects=0, kinds="job"))
        sluice = stack.enter_context(Sluice({"watch": conf}, kubeconfig=sim.kubeconfig))
        yield Jobs(sim, sluice, stack)


@pytest.fixture(name="jobs")
def streamed_jobs():
    """Jobs, as streams."""
    with streaming() as jobs:
        yield jobs
        check_stream(jobs.events())


def test_a_job_is_followed_from_its_creation_to_its_end(jobs):
    """By its key: an event for each transition, the payload of the contract, then the end."""
    uid = jobs.create("migrate")
    jobs.wait_told("migrate", "pending 1")
    with jobs.sluice.stream(jobs.key("migrate"), last_event_id="-1") as stream:
        jobs.status("migrate", STARTED)
        jobs.wait_told("migrate", "pending 1", "queued 1")
        jobs.status("migrate", RUNS)
        # A pod fails, and another is tried; then all is well.
        jobs.wait_told("migrate", "pending 1", "queued 1", "leased 1", "running 1")
        jobs.status("migrate", {**STARTED, "failed": 1})
        jobs.wait_state("migrate", "queued 2")
        jobs.status("migrate", {**RUNS, "failed": 1})
        jobs.wait_state("migrate", "running 2")
        jobs.status("migrate", condition("Complete", "CompletionsReached", failed=1, **STARTED))
        stream.read_until(lambda s: s.ended, 20, "the stream's end")
        end = stream.named("stream.end")[0].json
        assert (end["final_state"], end["reason"]) == ("succeeded", "terminal")
        ids = [e["id"] for e in stream.events()]
        wait_until(lambda: [e["id"] for e in jobs.events("migrate")] == ids, 20, "the same by both")
    last = jobs.events("migrate")[-1]
    assert last["correlation_id"] == uid and last["terminal"]
    data = dict(last["data"])
    assert data.pop("queued_at")
    assert data == {
        "job_id": f"{jobs.sim.context}/{NAMESPACE}/migrate",
        "state": "succeeded",
        "previous_state": "running",
        "attempt": 2,
        "max_attempts": 3,
        "job_type": "kubernetes",
        "reason": "CompletionsReached",
        "message": "CompletionsReached: told",
        "started_at": "2026-01-01T00:00:01.000Z",
        "finished_at": "2026-01-01T00:00:09.000Z",
        "duration_ms": 8000,
    }
    # The object's deletion is no news of a stream that has ended.
    jobs.delete("migrate")
    jobs.create("after")
    jobs.wait_told("after", "pending 1")
    assert len(jobs.events("migrate")) == 8


@pytest.mark.parametrize(
    ("status", "states"),
    [
        (condition("Failed", "BackoffLimitExceeded", failed=1, **STARTED), ["failed 1"]),
        (condition("Failed", "DeadlineExceeded", failed=1, **STARTED), ["timed_out 1"]),
        (condition("Complete", "CompletionsReached", **STARTED), ["succeeded 1"]),
        (
            condition("Failed", "BackoffLimitExceeded", failed=2, **STARTED),
            ["queued 2", "leased 2", "running 2", "failed 2"],
        ),
    ],
)
def test_each_end_of_a_job_is_one_of_its_stream(jobs, status, states):
    """And what lies between two looks at the Job is told, too."""
    jobs.create("one")
    jobs.wait_told("one", "pending 1")
    jobs.status("one", RUNS)
    running = ["pending 1", "queued 1", "leased 1", "running 1"]
    jobs.wait_told("one", *running)
    jobs.status("one", status)
    jobs.wait_told("one", *running, *states)


def test_a_suspended_job_is_throttled_until_it_goes_on(jobs):
    """Its pods are gone then, so that what follows is another attempt."""
    jobs.create("later", suspend=True)
    jobs.status("later", condition("Suspended", "JobSuspended"))
    jobs.wait_state("later", "throttled 1")
    jobs.sim.api.patch("jobs", NAMESPACE, "later", {"spec": {"suspend": False}})
    jobs.status("later", RUNS)
    jobs.wait_state("later", "running 1")
    jobs.sim.api.patch("jobs", NAMESPACE, "later", {"spec": {"suspend": True}})
    jobs.status("later", condition("Suspended", "JobSuspended"))
    jobs.wait_state("later", "throttled 2")
    assert jobs.events("later")[-1]["data"]["reason"] == "JobSuspended"


def test_a_deleted_job_is_canceled_and_the_next_of_its_name_has_its_own_stream(jobs):
    """The end of a stream is final: the second one's key has its uid."""
    jobs.create("hook")
    jobs.wait_told("hook", "pending 1")
    jobs.delete("hook")
    jobs.wait_told("hook", "pending 1", "canceled 1")
    uid = jobs.create("hook")
    second = f"hook:{uid[:8]}"
    jobs.wait_told(second, "pending 1")
    jobs.status("hook", RUNS)
    jobs.wait_told(second, "pending 1", "queued 1", "leased 1", "running 1")
    jobs.wait_told("hook", "pending 1", "canceled 1")
    # Who follows the name gets both, and is told which is which.
    with jobs.sluice.stream(jobs.key("hook"), f"{jobs.key('hook')}:*") as stream:

        def shown(s):
            # The store's snapshot may be behind; then the rest follows it.
            told = [f for f in s.frames if f.event in ("snapshot", "job.state_changed")]
            return {f.json["stream_key"]: f.json["data"]["state"] for f in told}

        ends = {jobs.key("hook"): "canceled", jobs.key(second): "running"}
        stream.read_until(lambda s: shown(s) == ends, 20, "both of that name")


def test_a_hook_that_nobody_saw_running_has_its_own_stream(jobs):
    """Of the earlier one of its name, which is over and gone, the broker alone knows."""
    done = condition("Complete", "CompletionsReached", **STARTED)
    # Just now: of one that ended long ago nothing would be told.
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    done["conditions"][0]["lastTransitionTime"] = now
    jobs.create("hook")
    jobs.status("hook", done)
    jobs.wait_state("hook", "succeeded 1")
    jobs.delete("hook")
    jobs.create("behind")
    jobs.wait_told("behind", "pending 1")
    lists = {"match": "GET /apis/batch/v1/jobs", "status": 503, "count": 0}
    jobs.sim.faults(next=[lists], drop_watches=True)
    uid = jobs.create("hook")
    jobs.status("hook", done)
    jobs.sim.faults(compact=True)
    jobs.sim.clear_faults()
    jobs.wait_told(f"hook:{uid[:8]}", "succeeded 1")
    assert jobs.told("hook")[-1] == "succeeded 1"


def test_a_watcher_that_comes_back_tells_only_what_is_new(jobs):
    """Killed while Jobs ran: those that are as they were say nothing, the others their end."""
    for name in ("stays", "ends", "goes", "done"):
        jobs.create(name)
        jobs.status(name, RUNS)
        jobs.wait_state(name, "running 1")
    jobs.status("done", condition("Complete", "CompletionsReached", **STARTED))
    jobs.wait_state("done", "succeeded 1")
    before = {name: jobs.told(name) for name in ("stays", "ends", "goes", "done")}

    def meanwhile():
        jobs.status("ends", condition("Failed", "DeadlineExceeded", failed=1, **STARTED))
        jobs.delete("goes")
        jobs.create("new")

    jobs.restarted(meanwhile)
    jobs.wait_told("ends", *before["ends"], "timed_out 1")
    jobs.wait_told("goes", *before["goes"], "canceled 1")
    wait_until(lambda: jobs.told("new"), 20, "what was created meanwhile")
    assert jobs.told("stays") == before["stays"] and jobs.told("done") == before["done"]
    jobs.status("stays", condition("Complete", "CompletionsReached", **STARTED))
    jobs.wait_told("stays", *before["stays"], "succeeded 1")


def test_what_another_publisher_ended_is_left_to_it(jobs):
    """The guard is the broker's: nothing comes behind the end."""
    jobs.create("taken")
    jobs.wait_told("taken", "pending 1")
    name = jobs.key("taken").partition(":")[2]
    data = {"job_id": name, "state": "canceled", "previous_state": "pending", "attempt": 1}
    event = {"stream_key": jobs.key("taken"), "event_type": "job.state_changed", "data": data}
    jobs.sluice.publish([event])
    jobs.wait_told("taken", "pending 1", "canceled 1")
    jobs.status("taken", RUNS)
    jobs.create("after")
    jobs.wait_told("after", "pending 1")
    assert jobs.told("taken") == ["pending 1", "canceled 1"]
    # Not the watcher's, which check_stream would hold against it.
    jobs.stream.frames.clear()


def test_who_writes_the_name_of_a_job_into_a_path_is_told_how(jobs):
    """It has slashes, and is one segment."""
    jobs.create("asked")
    jobs.wait_told("asked", "pending 1")
    paths = {jobs.key("asked"): "streams/{}/events"}
    paths[jobs.key("asked").partition(":")[2]] = "orchestrator/stream/jobs/{}"
    for name, path in paths.items():
        status, _, answer = jobs.sluice.request("GET", "/api/v1/" + path.format(name))
        assert status == 404 and "%2F" in answer["error"], answer
    key = jobs.key("asked").replace("/", "%2F")

    def stored():
        status, _, page = jobs.sluice.request("GET", f"/api/v1/streams/{key}/events")
        assert status == 200, page
        return [e["data"]["state"] for e in page["events"]]

    # The store may take it later than subscribers do.
    wait_until(lambda: stored() == ["pending"], 20, "the event on its page")


def test_without_the_switch_a_job_is_an_object_alone():
    """And a switch that can have no effect is warned of."""
    with streaming(jobs_as_streams=False) as jobs:
        jobs.create("plain")
        key = f"resource:{jobs.sim.context}/job/{NAMESPACE}/plain"
        with jobs.sluice.stream(key) as stream:
            stream.read_until(lambda s: any(key in f.data for f in s.frames[1:]), 20, "the object")
        assert jobs.events() == []
    with streaming(kinds=["pod"]) as jobs:
        wait_until(lambda: "job is not among" in jobs.sluice.log(), 20, "the warning")
