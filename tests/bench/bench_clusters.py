"""A hundred clusters of 1,000 objects on one host: a hundred watchers that start together.

The memory of each (PSS: a page that several share counts to each in part) when all are level, and
how many of them are in their first lists at one time, from the simulators' own logs of requests.
The peer's memory is that of one informer beside nine others, each on a cluster of its own, started
alike. `--short`: 12 clusters of 50 objects, no peer, and only that nothing was asked twice and
never more than ten list at once.
"""

import contextlib
import sys
import tempfile
import time

sys.path.insert(0, __file__.rsplit("/tests/", 1)[0])

from tests.bed.kubeapi import KubeApi
from tests.bed.kubesim import KubeSim
from tests.bench import report, usage
from tests.bench.informer.peer import Informer
from tests.bench.watching import UNWATCHED, watched

CLUSTERS, CLUSTERS_SHORT = 100, 12
OBJECTS, OBJECTS_SHORT = 1000, 50
PEERS = 10
SLOTS = 10  # first lists at once that the supervisor allows
SETTLE, SETTLE_SHORT = 10, 0  # seconds after the last list
PATIENCE = 600  # seconds
MB = 1000000


def simulators(clusters, objects):
    """So many CLUSTERS in one process, which has one clock."""
    options = ("--clusters", clusters)
    return KubeSim(objects=objects, frozen=True, kinds="all", options=options)


def control(sim, port, path):
    """What the cluster at PORT tells of itself."""
    return KubeApi(port, sim.ca_file, sim.token).call("GET", f"/_sim/{path}")


def objects_at(sim, port):
    """How many objects of watched kinds it has."""
    counts = control(sim, port, "stats")["objects"]
    return sum(n for kind, n in counts.items() if kind not in UNWATCHED)


def listing(sim, port):
    """(first, last) millisecond of the first lists of the cluster at PORT."""
    rows = [
        row
        for row in control(sim, port, "requests")["requests"]
        if "&resourceVersion=0" in row["target"] or "&continue=" in row["target"]
    ]
    assert rows, f"nothing was listed at port {port}"
    pages = [row["target"] for row in rows]
    assert len(pages) == len(set(pages)), pages
    return min(row["time_ms"] for row in rows), max(
        row["time_ms"] + row["ended_after_ms"] for row in rows
    )


def most_at_once(spans):
    """How many of the (begin, end) SPANS overlap at most."""
    edges = sorted(edge for begin, end in spans for edge in ((begin, 1), (end, -1)))
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


def run_sluice(clusters, objects, settle):
    """(PSS of each in bytes, most lists at once, seconds from the first list to the last)"""
    with simulators(clusters, objects) as sim:
        there = sum(objects_at(sim, port) for port in sim.ports)
        with watched(sim.kubeconfig, {"contexts": "all"}) as all_of_it:
            assert len(all_of_it.pids) == clusters, all_of_it.pids
            all_of_it.wait_level(there, there, PATIENCE)
            time.sleep(settle)
            memory = [usage.pss_bytes(pid) for pid in all_of_it.pids.values()]
            spans = [listing(sim, port) for port in sim.ports]
    took = max(end for _, end in spans) - min(begin for begin, _ in spans)
    return memory, most_at_once(spans), took / 1000


def run_peers(objects):
    """The PSS of each of PEERS informers, in bytes."""
    with contextlib.ExitStack() as stack:
        peers = []
        for _ in range(PEERS):
            sim = stack.enter_context(simulators(1, objects))
            directory = tempfile.TemporaryDirectory(prefix="sl-", dir="/tmp")
            place = stack.enter_context(directory)
            options = ("--no-watch-list",)
            peers.append(stack.enter_context(Informer(sim.kubeconfig, place, options=options)))
        for peer in peers:
            peer.synced(PATIENCE)
        time.sleep(SETTLE)
        return [usage.pss_bytes(peer.pid) for peer in peers]


def main():
    """Runs it; 1 when more listed at once than may."""
    short = "--short" in sys.argv[1:]
    clusters, objects = (CLUSTERS_SHORT, OBJECTS_SHORT) if short else (CLUSTERS, OBJECTS)
    memory, most, took = run_sluice(clusters, objects, SETTLE_SHORT if short else SETTLE)
    peers = None if short else run_peers(objects)
    title = f"{clusters} clusters of {objects} objects"
    figures = [
        report.figure(
            f"{title}, PSS each, median",
            report.percentile(memory, 0.5) / MB,
            "MB",
            peer=peers and report.percentile(peers, 0.5) / MB,
            aim=8,
        ),
        report.figure(
            "PSS, the largest", max(memory) / MB, "MB", peer=peers and max(peers) / MB, aim=8
        ),
        report.figure("first lists at once, at most", most, "lists", aim=SLOTS),
        report.figure("from the first list to the last", took, "s"),
    ]
    report.show("clusters", figures)
    if not short:
        print(f"wrote {report.write('clusters', figures)}")
    return 1 if most > SLOTS else 0


if __name__ == "__main__":
    sys.exit(main())
