"""Random histories with faults: after quiet, what was published equals the cluster.

Each history is made of a seed alone: what kind of server and watcher it has, and what happens to
them. `make check` runs 20; more, some of them, or one again (`-n 3`: three at a time):

    SLUICE_HISTORIES=500 build/venv/bin/python -m pytest -n 3 \
        tests/integration/test_watching_property.py
    SLUICE_HISTORIES=501-800 ...
    SLUICE_HISTORY=17 ...

Every third one has Jobs, too, and follows them as job streams.
"""

import contextlib
import os
import random
import signal
import time

import pytest

from tests.bed.kubeapi import pod_spec
from tests.bed.net import wait_until
from tests.integration.job_histories import JobHistory
from tests.integration.watching import DEPLOYMENTS, PODS, deny, watching

STEPS = 40
CONF = {
    "backoff": {"base": "20ms", "max": "100ms"},
    "denied_retry": "100ms",
    "stale": "500ms",
    "namespaces": ["shop", "billing"],
}
LISTS = (
    "GET /api/v1/pods?limit",
    "GET /api/v1/pods?resourceVersion",
    "GET /apis/apps/v1/deployments?limit",
    "limit=500&continue=",
)
WATCHES = ("GET /api/v1/pods?watch", "/deployments?watch")
JOB_LISTS = ("GET /apis/batch/v1/jobs?limit", "GET /apis/batch/v1/jobs?resourceVersion")
JOB_WATCHES = ("/jobs?watch",)
# So many pods are bound to nodes of a workflow, which tell their uids.
BOUND = 12


def seeds():
    """The seeds of this run."""
    one = os.environ.get("SLUICE_HISTORY")
    if one:
        return [int(one)]
    first, _, last = os.environ.get("SLUICE_HISTORIES", "20").rpartition("-")
    return list(range(int(first or 1), int(last) + 1))


def setting(seed):
    """(configuration of the watcher, modes of the server) of one history."""
    chance = random.Random(f"setting {seed}")
    conf = {
        **CONF,
        "http2": chance.random() < 0.5,
        "watch_list": chance.random() < 0.25,
        # Where they are compared with lists, watches may lose events.
        "compare": chance.choice(["off", "off", "off", "300ms"]),
    }
    if seed % 3 == 0:
        conf.update(kinds=["deployment", "pod", "job"], jobs_as_streams=True)
    modes = {"too_large_ms": 50, "page_max": chance.choice([0, 3, 7])}
    return conf, modes


class History:
    """One random history on a watched simulator."""

    def __init__(self, seed, bed, conf):
        """SEED decides everything but the moments at which it meets the watcher."""
        self.random = random.Random(seed)
        self.bed = bed
        self.sim = bed.sim
        self.conf = conf
        self.told = []
        self.jobs = JobHistory(self.random, bed) if "jobs_as_streams" in conf else None
        self.watches = WATCHES + (JOB_WATCHES if self.jobs else ())
        self.lists = LISTS + (JOB_LISTS if self.jobs else ())
        self.bound = [key[1:] for key in sorted(self.sim.state("Pod"))][:BOUND]
        nodes = [
            {"id": "/".join(pod), "type": "pod", "name": pod[1], "namespace": pod[0]}
            for pod in self.bound
        ]
        body = {"cluster": bed.cluster, "nodes": nodes}
        status, _, answer = bed.sluice.request("PUT", "/api/v1/workflows/w1", body)
        assert status in (200, 201), answer

    def pick(self, kind):
        """(namespace, name) of some object of the KIND; None when there is none."""
        found = sorted(self.sim.state(kind))
        return self.random.choice(found)[1:] if found else None

    # --- what happens to the cluster ---

    def change(self):
        """Some pods change, at full speed or slowly."""
        self.sim.change("pod", count=self.random.randint(1, 20), rate=self.random.choice([0, 200]))

    def message(self):
        """One pod says something new, several times."""
        pod = self.pick("Pod")
        for turn in range(self.random.randint(1, 4)):
            status = {"phase": self.random.choice(["Running", "Failed"]), "message": f"turn {turn}"}
            self.sim.api.set_pod_status(*pod, status)

    def delete(self):
        """A pod is deleted."""
        self.sim.api.delete("pods", *self.pick("Pod"), force=True)

    def scale(self):
        """A deployment is scaled."""
        self.sim.api.scale_deployment(*self.pick("Deployment"), self.random.randint(0, 6))

    def recreate(self):
        """A pod is deleted and another one bears its name; that may happen unseen."""
        pod = self.random.choice(self.bound)
        unseen = self.random.choice([None, "watch", "list"])
        if unseen:
            rules = [{"match": watch, "status": 503, "count": 1} for watch in self.watches]
            self.sim.faults(next=rules, drop_watches=True)
        if self.sim.api.exists("pods", *pod):
            self.sim.api.delete("pods", *pod, force=True)
        body = {"metadata": {"name": pod[1]}, "spec": pod_spec()}
        self.sim.api.create("pods", pod[0], body)
        if self.random.random() < 0.5:
            self.sim.api.set_pod_status(*pod, {"phase": "Running"})
        if unseen == "list":
            self.compact()

    def replace(self):
        """A deployment goes and comes again, with everything that it owns."""
        name = self.pick("Deployment")
        self.sim.api.delete("deployments", *name)
        self.sim.api.create_deployment(*name, self.random.randint(0, 4))

    # --- what happens to the watcher ---

    def drop(self):
        """All watches end, cleanly or not."""
        self.sim.faults(drop_watches=self.random.choice([True, "reset"]))

    def compact(self):
        """What a watch stands at is gone: 410 at its next try."""
        self.sim.faults(compact=True, drop_watches=self.random.choice([True, "reset"]))

    def restart(self):
        """The server resets every connection."""
        self.sim.faults(restart=True)

    def size(self):
        """Bytes of the largest list so far."""
        rows = self.bed.lists(PODS) + self.bed.lists(DEPLOYMENTS)
        return max(row["bytes"] for row in rows) if rows else 100_000

    def cut_list(self):
        """Lists are needed, and some break off at any byte."""
        rules = [
            {"match": match, "action": "truncate", "at": self.random.randrange(self.size())}
            for match in self.random.sample(self.lists, self.random.randint(1, len(self.lists)))
        ]
        self.sim.faults(next=rules)
        self.compact()

    def cut_watch(self):
        """Watches break off at any byte of their next lines."""
        rules = [
            {"match": match, "action": "halfline", "at": self.random.randrange(30_000)}
            for match in self.watches
            for _ in range(self.random.randint(0, 3))
        ]
        self.sim.faults(next=rules, drop_watches=True)
        self.change()

    def odd_watch(self):
        """Events come twice, in twos, in pieces, or the watch falls silent."""
        action = self.random.choice(["duplicate", "duplicate", "merge", "split", "freeze"])
        rules = [{"match": match, "action": action} for match in self.watches]
        self.sim.faults(next=rules, drop_watches=True)
        self.random.choice([self.change, self.delete, self.recreate])()

    def lose(self):
        """An event never comes, and nothing says so; of a list by watch that would be a lie."""
        if self.conf["compare"] != "off" and not self.conf["watch_list"]:
            rule = {"match": self.random.choice(self.watches), "action": "drop"}
            self.sim.faults(next=[rule], drop_watches=True)

    def expire(self):
        """Continue tokens expire."""
        self.sim.faults(expire_continue=True)
        if self.random.random() < 0.5:
            self.sim.faults(next=[{"match": "limit=500&continue=", "status": 410}])
            self.compact()

    def bad_watch(self):
        """The next watches break off inside an event, bring nonsense, or an error."""
        rule = self.random.choice(
            [
                {"action": "halfline"},
                {"action": "garbage"},
                {"action": "reset"},
                {"watch_error": 410},
                {"watch_error": 500},
                {"status": 429, "retry_after": 0},
                {"status": 503, "html": True},
            ]
        )
        match = self.random.choice(self.watches)
        rules = [{"match": match, "count": self.random.randint(1, 2), **rule}]
        self.sim.faults(next=rules, drop_watches=True)

    def bad_list(self):
        """A list is needed, and the next ones are cut, refused or nonsense."""
        rule = self.random.choice(
            [
                {"action": "truncate"},
                {"action": "garbage"},
                {"action": "reset"},
                {"status": 410},
                {"status": 500},
                {"status": 502, "html": True},
            ]
        )
        self.sim.faults(next=[{"match": self.random.choice(self.lists), **rule}])
        self.compact()

    def denied(self):
        """One kind, or both, may not be read: in the cluster, or nowhere."""
        kinds = [[PODS], [DEPLOYMENTS], [PODS, DEPLOYMENTS]]
        if self.jobs:
            kinds += [["jobs"], ["jobs", PODS]]
        kinds = self.random.choice(kinds)
        self.sim.access(deny(*kinds, namespaces=self.random.choice([None, [""]])))
        self.drop()

    def allowed(self):
        """Everything may be read."""
        self.sim.access()

    def roll_back(self):
        """The server's counter goes back, as after an etcd restore; once, and far.

        Where new versions reach the old ones before anybody looks, no version tells the two
        apart: for that etcd has --bump-revision.
        """
        if self.told.count("roll_back") == 1:
            self.sim.faults(rv_rollback=900, drop_watches=True)

    def killed(self):
        """The watcher itself dies, if it lives: between two lives it has no pid."""
        row = self.bed.sluice.status()[self.bed.process]
        if row["state"] == "ready" and row["pid"] > 0:
            # Killed a moment ago, it may be gone before the supervisor knows.
            with contextlib.suppress(ProcessLookupError):
                os.kill(row["pid"], signal.SIGKILL)

    def run(self):
        """All steps, then quiet."""
        weighted = [
            (self.change, 6),
            (self.message, 6),
            (self.delete, 3),
            (self.scale, 3),
            (self.recreate, 4),
            (self.replace, 1),
            (self.drop, 3),
            (self.restart, 1),
            (self.cut_list, 3),
            (self.cut_watch, 3),
            (self.odd_watch, 3),
            (self.lose, 1),
            (self.compact, 2),
            (self.expire, 1),
            (self.bad_watch, 4),
            (self.bad_list, 3),
            (self.denied, 2),
            (self.allowed, 2),
            (self.roll_back, 1),
            (self.killed, 1),
        ]
        if self.jobs:
            weighted.append((self.jobs.step, 12))
        steps = self.random.choices(
            [step for step, _ in weighted], [weight for _, weight in weighted], k=STEPS
        )
        for step in steps:
            self.told.append(step.__name__)
            step()
            time.sleep(self.random.choice([0, 0, 0.02, 0.1]))
        self.sim.access()
        self.sim.clear_faults()
        self.sim.quiet()


def check_level(history):
    """What was published last of every object, and every node, is what it is now."""
    bed = history.bed
    nodes = bed.sluice.stream("workflow:w1", last_event_id="-1")

    def level():
        """True when nothing differs."""
        shown, live = bed.shown("deployment"), bed.sim.state("Deployment")
        return shown.keys() == {key[1:] for key in live} and all(
            shown[key[1:]]["replicas"] == item["spec"]["replicas"]
            and shown[key[1:]]["readyReplicas"] == item["status"].get("readyReplicas", 0)
            for key, item in live.items()
        )

    def messages():
        """True when those of failed pods are told."""
        shown, live = bed.shown("pod"), bed.sim.state("Pod")
        return all(
            shown[key[1:]].get("message") == item["status"]["message"]
            for key, item in live.items()
            if item["status"].get("phase") == "Failed" and item["status"].get("message")
        )

    def wrong():
        """The nodes that do not have the uid of the pod that bears their name now, or none."""
        nodes.pump()
        newest = {e["data"]["node_id"]: e for e in nodes.events()}
        live = {
            "/".join(key[1:]): item["metadata"]["uid"] for key, item in bed.sim.state("Pod").items()
        }
        names = ["/".join(pod) for pod in history.bound]
        return {
            name: (live.get(name), newest.get(name))
            for name in names
            if name not in newest
            or newest[name]["data"].get("resource", {}).get("uid") != live.get(name)
        }

    bed.wait_level("pod", timeout=30)
    wait_until(level, 30, "the deployments level with the cluster")
    wait_until(messages, 30, "the messages of failed pods")
    with nodes:
        try:
            wait_until(lambda: not wrong(), 30, "the nodes' uids")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{wrong()}") from error


@pytest.mark.slow
@pytest.mark.release_only
@pytest.mark.parametrize("seed", seeds())
def test_what_is_published_converges_to_the_cluster(seed):
    """View == truth after quiet; every published sequence is a subsequence of the truth's."""
    conf, modes = setting(seed)
    with watching(conf, objects=30, seed=seed) as bed:
        bed.sim.modes(**modes)
        history = History(seed, bed, conf)
        try:
            history.run()
            check_level(history)
            if history.jobs:
                history.jobs.check()
            bed.check_published(by_version="roll_back" not in history.told)
        except BaseException as error:
            replay = f"SLUICE_HISTORY={seed} pytest {__file__}"
            steps = " ".join(history.told)
            raise AssertionError(
                f"replay: {replay}\n{conf} {modes}\nsteps: {steps}\n{error}"
            ) from error
