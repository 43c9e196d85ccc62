"""A cluster in which nothing happens: 10,000 objects of all fourteen kinds, each watched.

What the watcher takes of a core over two minutes, and its memory; the peer is client-go's informer
on a simulator started alike. `--short`: 500 objects, no peer, and only that all of them were seen
and nothing was asked again.
"""

import sys
import tempfile
import time

sys.path.insert(0, __file__.rsplit("/tests/", 1)[0])

from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bench import report, usage
from tests.bench.informer.peer import Informer
from tests.bench.watching import UNWATCHED, watched

OBJECTS, OBJECTS_SHORT = 10000, 500
KINDS = 14
SECONDS, SECONDS_SHORT = 120, 3
SETTLE, SETTLE_SHORT = 10, 0  # seconds after which what the start left to do is done
PATIENCE = 120
MB = 1000000


def simulator(objects):
    """A cluster of about so many OBJECTS, in which nothing changes."""
    return KubeSim(objects=objects, frozen=True, kinds="all")


def watch_quietly(sim, pid, seconds, settle=SETTLE):
    """(share of a core in percent, RSS in bytes) of process PID while nothing happens."""
    wait_until(lambda: sim.stats()["watches"] == KINDS, PATIENCE, "every kind is watched")
    time.sleep(settle)
    sim.clear_requests()
    cpu, begin = usage.cpu_exact(pid), time.monotonic()
    time.sleep(seconds)
    share = (usage.cpu_exact(pid) - cpu) / (time.monotonic() - begin)
    asked = [row["target"] for row in sim.requests() if "watch=" in row["target"]]
    assert not asked, asked
    return share * 100, usage.rss_bytes(pid)


def run_sluice(objects, seconds, settle):
    """(objects, share in percent, RSS in bytes)"""
    with simulator(objects) as sim, watched(sim.kubeconfig) as all_of_it:
        counts = sim.stats()["objects"]
        there = sum(n for kind, n in counts.items() if kind not in UNWATCHED)
        all_of_it.wait_level(there, there, PATIENCE)
        return there, *watch_quietly(sim, all_of_it.pid, seconds, settle)


def run_peer(objects, seconds):
    """The same of the informer."""
    with (
        simulator(objects) as sim,
        tempfile.TemporaryDirectory(prefix="sl-", dir="/tmp") as directory,
        Informer(sim.kubeconfig, directory, options=("--no-watch-list",)) as peer,
    ):
        return peer.synced(PATIENCE)["objects"], *watch_quietly(sim, peer.pid, seconds)


def main():
    """Runs it."""
    short = "--short" in sys.argv[1:]
    objects, seconds = (OBJECTS_SHORT, SECONDS_SHORT) if short else (OBJECTS, SECONDS)
    there, share, rss = run_sluice(objects, seconds, SETTLE_SHORT if short else SETTLE)
    peer_share = peer_rss = None
    if not short:
        also, peer_share, peer_rss = run_peer(objects, seconds)
        assert also == there, (also, there)
        peer_rss /= MB
    figures = [
        report.figure("idle, objects of 14 kinds", there, "objects"),
        report.figure("of a core", share, "%", peer=peer_share, aim=0.1),
        report.figure("memory (RSS)", rss / MB, "MB", peer=peer_rss, aim=12),
    ]
    report.show("idle", figures)
    if not short:
        print(f"wrote {report.write('idle', figures)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
