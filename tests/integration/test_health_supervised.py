"""sluice-health under the real supervisor and broker, on a simulated cluster."""

import pytest

from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice


def wait_text(sluice, text, timeout=30):
    """Waits until health's line in `sluicectl status` says TEXT."""

    def says():
        return text in str(sluice.status().get("health", {}))

    wait_until(says, timeout, f"health says {text!r}", ignore=(AssertionError,))


def test_health_finds_the_cluster_and_comes_back_after_a_kill():
    """Connected through the whole installation; after SIGKILL it is ready and checks again."""
    with (
        KubeSim(frozen=True, objects=5) as sim,
        Sluice({"contexts": "all"}, kubeconfig=sim.kubeconfig) as sluice,
    ):
        wait_text(sluice, "1 cluster, 1 connected")
        sim.clear_requests()  # The next check of this process is a minute away.
        old = sluice.kill("health")
        sluice.wait_restarted("health", old)
        wait_text(sluice, "1 cluster, 1 connected")
        wait_until(
            lambda: any("/readyz" in str(request) for request in sim.requests()),
            20,
            "the new process checks",
        )
        assert sluice.stop() == 0


@pytest.mark.slow
def test_a_cluster_that_is_away_is_told_and_the_other_goes_on():
    """One cluster does not exist: the other is connected, and nobody restarts for it."""
    with KubeSim(frozen=True, objects=5) as sim:
        clusters = [
            {"id": "good", "context": sim.context, "kubeconfig": sim.kubeconfig},
            {"id": "gone", "context": "nobody", "kubeconfig": sim.kubeconfig},
        ]
        sluice = Sluice({"clusters": clusters}).start(ready=False)
        try:
            # Its watcher gives up: no restart makes a context appear.
            sluice.wait_ready(only=["health", "store", "watcher/good"])
            wait_text(sluice, "2 clusters, 1 connected, 1 error")
            assert sluice.status()["health"]["restarts"] == 0
        finally:
            sluice.close()
