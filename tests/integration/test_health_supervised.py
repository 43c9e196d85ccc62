"""sluice-health under the real supervisor and broker, on a simulated cluster."""

import contextlib
import sqlite3

import pytest

from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice


def wait_text(sluice, text, timeout=30):
    """Waits until health's line in `sluicectl status` says TEXT."""

    def says():
        return text in str(sluice.status().get("health", {}))

    wait_until(says, timeout, f"health says {text!r}", ignore=(AssertionError,))


def row_of(sluice, cluster):
    """What the database holds of a cluster, by column; None before there is a row."""
    path = f"{sluice.conf['state_directory']}/projection.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        row = db.execute("SELECT * FROM clusters WHERE id = ?", (cluster,)).fetchone()
        return dict(row) if row else None


def wait_row(sluice, cluster, status, after=""):
    """Waits until the row says STATUS and what else the newest event of a check does; the row.

    The check was later than AFTER. What an event leaves out stays as it was.
    """
    words = ("name", "status", "latency_ms", "checked_at", "version", "consecutive_failures")
    with sluice.stream(f"cluster:{cluster}", last_event_id="-1") as stream:
        stream.wait_open()

        def same():
            """The row, once it stands at the newest event."""
            stream.pump()
            told = [e for e in stream.events() if e["event_type"] != "cluster.metadata_updated"]
            row = row_of(sluice, cluster)
            if not told or row is None or (row["checked_at"] or "") <= after:
                return None
            data = told[-1]["data"]
            error = data.get("error") or {}
            wanted = {word: data[word] for word in words if data.get(word) is not None}
            wanted.update(error_code=error.get("code"), error=error.get("message"), status=status)
            return row if {word: row[word] for word in wanted} == wanted else None

        return wait_until(same, 30, f"the row of {cluster}", ignore=(sqlite3.Error,))


def test_health_finds_the_cluster_and_comes_back_after_a_kill():
    """Connected through the whole installation; after SIGKILL it is ready and checks again."""
    with (
        KubeSim(frozen=True, objects=5) as sim,
        Sluice({"contexts": "all"}, kubeconfig=sim.kubeconfig) as sluice,
    ):
        wait_text(sluice, "1 cluster, 1 connected")
        row = wait_row(sluice, sim.context, "connected")
        assert row["latency_ms"] >= 0 and row["version"].startswith("v1.")
        sim.clear_requests()  # The next check of this process is a minute away.
        old = sluice.kill("health")
        sluice.wait_restarted("health", old)
        wait_text(sluice, "1 cluster, 1 connected")
        wait_until(
            lambda: any("/readyz" in str(request) for request in sim.requests()),
            20,
            "the new process checks",
        )
        wait_row(sluice, sim.context, "connected", row["checked_at"])
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
            wait_row(sluice, "good", "connected")
            assert "nobody" in wait_row(sluice, "gone", "error")["error"]
        finally:
            sluice.close()
