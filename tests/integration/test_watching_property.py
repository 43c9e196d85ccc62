"""Random histories with faults: after quiet, what was published equals the cluster.

Each history is made of a seed alone. `make check` runs 20; more, or one again:

    SLUICE_HISTORIES=500 pytest tests/integration/test_watching_property.py
    SLUICE_HISTORY=17 pytest tests/integration/test_watching_property.py
"""

import contextlib
import os
import random
import signal
import time

import pytest

from tests.bed.net import wait_until
from tests.integration.watching import DEPLOYMENTS, PODS, deny, watching

STEPS = 30
CONF = {
    "backoff": {"base": "20ms", "max": "100ms"},
    "denied_retry": "100ms",
    "stale": "500ms",
    "namespaces": ["shop", "billing"],
}
LISTS = ("GET /api/v1/pods?limit", "GET /api/v1/pods?resourceVersion", "/deployments?limit")
WATCHES = ("GET /api/v1/pods?watch", "/deployments?watch")


def seeds():
    """The seeds of this run."""
    one = os.environ.get("SLUICE_HISTORY")
    return [int(one)] if one else list(range(1, int(os.environ.get("SLUICE_HISTORIES", "20")) + 1))


class History:
    """One random history on a watched simulator."""

    def __init__(self, seed, bed):
        """SEED decides everything but the moments at which it meets the watcher."""
        self.random = random.Random(seed)
        self.bed = bed
        self.sim = bed.sim
        self.told = []

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

    # --- what happens to the watcher ---

    def drop(self):
        """All watches end, cleanly or not."""
        self.sim.faults(drop_watches=self.random.choice([True, "reset"]))

    def compact(self):
        """What a watch stands at is gone: 410 at its next try."""
        self.sim.faults(compact=True, drop_watches=self.random.choice([True, "reset"]))

    def expire(self):
        """Continue tokens expire."""
        self.sim.faults(expire_continue=True)

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
        match = self.random.choice(WATCHES)
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
        self.sim.faults(next=[{"match": self.random.choice(LISTS), **rule}])
        self.compact()

    def denied(self):
        """One kind, or both, may not be read: in the cluster, or nowhere."""
        kinds = self.random.choice([[PODS], [DEPLOYMENTS], [PODS, DEPLOYMENTS]])
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
            (self.drop, 3),
            (self.compact, 2),
            (self.expire, 1),
            (self.bad_watch, 4),
            (self.bad_list, 3),
            (self.denied, 2),
            (self.allowed, 2),
            (self.roll_back, 1),
            (self.killed, 1),
        ]
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


def check_level(bed):
    """What was published last of every object is what it is now."""

    def level():
        """True when nothing differs."""
        shown, live = bed.shown("deployment"), bed.sim.state("Deployment")
        return shown.keys() == {key[1:] for key in live} and all(
            shown[key[1:]]["replicas"] == item["spec"]["replicas"]
            and shown[key[1:]]["readyReplicas"] == item["status"].get("readyReplicas", 0)
            for key, item in live.items()
        )

    bed.wait_level("pod", timeout=30)
    wait_until(level, 30, "the deployments level with the cluster")


@pytest.mark.slow
@pytest.mark.release_only
@pytest.mark.parametrize("seed", seeds())
def test_what_is_published_converges_to_the_cluster(seed):
    """View == truth after quiet; every published sequence is a subsequence of the truth's."""
    with watching(CONF, objects=30, seed=seed) as bed:
        bed.sim.modes(too_large_ms=50)
        history = History(seed, bed)
        try:
            history.run()
            check_level(bed)
            bed.check_published(by_version="roll_back" not in history.told)
        except BaseException as error:
            replay = f"SLUICE_HISTORY={seed} pytest {__file__}"
            steps = " ".join(history.told)
            raise AssertionError(f"replay: {replay}\nsteps: {steps}\n{error}") from error
