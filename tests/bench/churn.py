"""Objects that come and go beside others that stay: what the watcher's memory is afterwards."""

from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bench.watching import watched

PATIENCE = 120  # seconds for one round
WARM_ROUNDS = 2


def simulator(standing):
    """A cluster of about so many objects that stay."""
    options = ("--truth", 1, "--watch-buffer", 4096, "--window", 100000)
    return KubeSim(objects=standing, frozen=True, options=options)


class Churn:
    """Rounds of pods on a simulator and its watcher; .created counts them."""

    def __init__(self, sim, all_of_it):
        """Waits until the standing objects are there."""
        self.sim = sim
        self.watched = all_of_it
        self.created = 0
        counts = sim.stats()
        # Only what a watcher of these kinds is told.
        kinds = ("deployment", "replicaset", "pod")
        self.standing = sum(counts["objects"][kind] for kind in kinds)
        self.before = counts["changes"]
        self.level()

    def level(self):
        """Waits until the watcher has seen and published everything."""
        events = self.standing + self.sim.stats()["changes"] - self.before
        self.watched.wait_level(self.standing, events, PATIENCE)

    def play(self, steps):
        """Has the simulator do the STEPS as fast as it can."""
        self.sim.script(*steps)

        def played():
            """True when none is left; none may have failed."""
            now = self.sim.control("GET", "script")
            assert not now["errors"], now["errors"][:3]
            return now["left"] == 0

        wait_until(played, PATIENCE, "the script is done", interval=0.02)

    def round(self, count):
        """COUNT pods with names of their own come, are seen, and go."""
        names = [f"churn-{self.created + i:07d}-x7k2p" for i in range(count)]
        pods = [{"kind": "Pod", "ns": "shop", "name": name} for name in names]
        self.play([{"at_ms": 0, "create": pod} for pod in pods])
        self.play([{"at_ms": 0, "delete": pod} for pod in pods])
        self.created += count
        self.level()


def run(standing, total, at_once):
    """(RSS before in bytes, RSS after, pods created in between).

    Before: after WARM_ROUNDS that nobody counts, for what a watcher maps at its first deletion, and
    the free pieces that malloc keeps of each size, it takes only once. TOTAL pods come and go,
    AT_ONCE in a round, beside about STANDING objects.
    """
    conf = {"watch": {"kinds": ["deployment", "replicaset", "pod"]}}
    with simulator(standing) as sim, watched(sim.kubeconfig, conf) as all_of_it:
        churn = Churn(sim, all_of_it)
        for _ in range(WARM_ROUNDS):
            churn.round(at_once)
        before, warm = all_of_it.settled_rss(), churn.created
        while churn.created - warm < total:
            churn.round(min(at_once, total - (churn.created - warm)))
        now = all_of_it.figures()
        assert now["lists_total"] == 3, now
        return before, all_of_it.settled_rss(), churn.created - warm
