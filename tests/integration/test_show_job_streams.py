"""Jobs of a real cluster as job streams: every end, tries, suspension, and a name used again."""

import contextlib
import itertools

import pytest

from tests.bed.kubeapi import pod_pace, pod_spec
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

from .job_paths import check_stream

# A namespace is long in going: each test has its own.
NAMESPACES = (f"job-streams-{i}" for i in itertools.count())
CONF = {
    "watch": {
        "kinds": ["job", "pod"],
        "jobs_as_streams": True,
        "backoff": {"base": "200ms", "max": "1s"},
    }
}
PENDING = ["pending 1"]
RUNNING = [*PENDING, "queued 1", "leased 1", "running 1"]

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@contextlib.contextmanager
def untouched(cluster):
    """No controller does anything meanwhile: a Job that is created stays as it was created.

    Of one that was begun before the watcher had listed it, or had sent what it was at first, only
    that is told: where its stream begins would be chance.
    """
    cluster.controllers.suspend()
    try:
        yield
    finally:
        cluster.controllers.resume()


class Jobs:
    """The Jobs of one namespace, and what their streams tell."""

    def __init__(self, api, sluice, stack, namespace):
        """Opens the streams from their beginning."""
        self.api = api
        self.namespace = namespace
        self.sluice = sluice
        self.stack = stack
        self.watcher = next(n for n in sluice.status() if n.startswith("watcher/"))
        self.prefix = f"job:{self.watcher.partition('/')[2]}/{self.namespace}/"
        self.open()

    def open(self):
        """The streams, from their beginning."""
        self.stream = self.stack.enter_context(
            self.sluice.stream(f"{self.prefix}*", last_event_id="-1")
        )

    def create(self, name, step="1h", **spec):
        """A Job whose pods go on every STEP by themselves, and go at once; its uid."""
        quick = {k: v for k, v in pod_pace().items() if k.startswith("pod-delete.")}
        template = {
            "metadata": {"labels": {"app": name}, "annotations": {**pod_pace(step), **quick}},
            "spec": {**pod_spec(), "restartPolicy": "Never"},
        }
        body = {"metadata": {"name": name}, "spec": {"template": template, **spec}}
        return self.api.create("jobs", self.namespace, body)["metadata"]["uid"]

    def end_pod(self, name, phase):
        """Ends the Job's pod as its program would."""

        def running():
            """Its pods that have not ended."""
            pods = self.api.list("pods", self.namespace, labelSelector=f"app={name}")
            ended = ("Failed", "Succeeded")
            return [p["metadata"]["name"] for p in pods if p["status"].get("phase") not in ended]

        pod = wait_until(running, 60, f"a pod of {name}")[0]
        self.api.set_pod_status(self.namespace, pod, {"phase": phase})

    def events(self, name):
        """Its stream's events so far."""
        self.stream.pump()
        return [e for e in self.stream.events() if e["stream_key"] == self.prefix + name]

    def told(self, name):
        """Its states so far, as "running 1"."""
        return [f"{e['data']['state']} {e['data']['attempt']}" for e in self.events(name)]

    def wait_state(self, name, state):
        """Until it was told."""
        wait_until(lambda: state in self.told(name), 60, f"{name}: {state}, not {self.told(name)}")


@pytest.fixture(name="jobs")
def jobs_of_a_real_cluster(real_cluster):
    """Whatever they did, their streams are legal paths."""
    namespace = next(NAMESPACES)
    real_cluster.create_namespace(namespace)
    try:
        with contextlib.ExitStack() as stack:
            sluice = stack.enter_context(Sluice(CONF, kubeconfig=real_cluster.kubeconfig))
            jobs = Jobs(real_cluster, sluice, stack, namespace)
            yield jobs
            jobs.stream.pump()
            check_stream(jobs.stream.events())
    finally:
        real_cluster.delete("namespaces", None, namespace)


def test_jobs_of_a_real_cluster_are_followed_to_each_of_their_ends(jobs):
    """Tried again, out of tries, out of time, suspended, deleted, and created anew."""
    with untouched(jobs.api):
        jobs.create("once", backoffLimit=3)
        jobs.create("never", backoffLimit=0)
        jobs.create("late")
        jobs.create("later", "100ms", suspend=True)
        jobs.create("gone")
        for name in ("once", "never", "late", "later", "gone"):
            jobs.wait_state(name, "pending 1")
    # The next try comes ten seconds after this.
    jobs.end_pod("once", "Failed")
    jobs.end_pod("never", "Failed")
    jobs.wait_state("later", "throttled 1")
    jobs.api.patch("jobs", jobs.namespace, "later", {"spec": {"suspend": False}})
    jobs.wait_state("gone", "running 1")
    jobs.api.delete("jobs", jobs.namespace, "gone")
    jobs.wait_state("gone", "canceled 1")
    uid = jobs.create("gone")
    jobs.wait_state(f"gone:{uid[:8]}", "running 1")
    jobs.wait_state("never", "failed 1")
    # Not before: what is over before it was told to run times out as it was.
    jobs.wait_state("late", "running 1")
    jobs.api.patch("jobs", jobs.namespace, "late", {"spec": {"activeDeadlineSeconds": 2}})
    jobs.wait_state("late", "timed_out 1")
    jobs.wait_state("later", "succeeded 1")
    jobs.wait_state("once", "running 2")
    jobs.end_pod("once", "Succeeded")
    jobs.wait_state("once", "succeeded 2")
    assert jobs.told("once") == [*RUNNING, "queued 2", "leased 2", "running 2", "succeeded 2"]
    assert jobs.told("never") == [*RUNNING, "failed 1"]
    assert jobs.told("late") == [*RUNNING, "timed_out 1"]
    suspended = [*PENDING, "queued 1", "throttled 1"]
    assert jobs.told("later") == [*suspended, *RUNNING[1:], "succeeded 1"]
    assert jobs.told("gone") == [*RUNNING, "canceled 1"]
    last = jobs.events("late")[-1]["data"]
    assert last["reason"] == "DeadlineExceeded" and last["duration_ms"] >= 2000
    assert jobs.events("once")[-1]["data"]["max_attempts"] == 4


def test_a_hook_that_comes_again_while_nobody_looks_is_told_of_once(jobs):
    """As Helm's do: over, deleted, created under the same name and over again, in one absence."""
    jobs.create("hook")
    jobs.end_pod("hook", "Succeeded")
    jobs.wait_state("hook", "succeeded 1")
    jobs.create("runs")
    jobs.wait_state("runs", "running 1")
    before = {name: jobs.events(name) for name in ("hook", "runs")}
    assert jobs.sluice.stop() == 0
    jobs.api.delete("jobs", jobs.namespace, "hook")
    wait_until(
        lambda: not jobs.api.exists("jobs", jobs.namespace, "hook"), 60, "the hook's deletion"
    )
    uid = jobs.create("hook")
    jobs.end_pod("hook", "Succeeded")

    def over():
        """Its controller has seen that."""
        job = jobs.api.get("jobs", jobs.namespace, "hook")
        return any(c["type"] == "Complete" for c in job["status"].get("conditions", []))

    wait_until(over, 60, "the second hook's end")
    jobs.sluice.start()
    jobs.open()
    jobs.wait_state(f"hook:{uid[:8]}", "succeeded 1")
    # Killed, it comes back and knows both, and has nothing to say.
    pid = jobs.sluice.kill(jobs.watcher)
    jobs.sluice.wait_restarted(jobs.watcher, pid)
    jobs.end_pod("runs", "Succeeded")
    jobs.wait_state("runs", "succeeded 1")
    assert jobs.events("hook") == before["hook"]
    assert jobs.told(f"hook:{uid[:8]}") == ["succeeded 1"]
    assert jobs.events("runs")[:-1] == before["runs"]
