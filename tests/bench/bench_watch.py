"""A cluster of 165,000 pods of 10 KB: its first list, then 5,000 changes a second for a minute.

The peer is client-go's informer (tests/bench/informer) with lists in pages, its cheaper way to
begin. One after the other follows its own simulator, started alike, so both read the same bytes;
both by TLS and HTTP/2, uncompressed. CPU is user and system time of the one process that follows
the cluster; what the rest of Sluice takes to order, store and stream the same events has a row of
its own. `--short`: 3,000 pods, no peer, and only that every object and change was counted.
`--alone`: no peer, which on a busy machine takes ten times as long.
"""

import sys
import tempfile

sys.path.insert(0, __file__.rsplit("/tests/", 1)[0])

from tests.bed.kubesim import KubeSim
from tests.bench import report, usage
from tests.bench.informer.peer import Informer
from tests.bench.watching import watched

PODS, PODS_SHORT = 165000, 3000
NAMESPACES = 165
POD_BYTES = 10000
RATE = 5000  # changes per second
SECONDS, SECONDS_SHORT = 60, 1
PATIENCE = 900  # seconds, for the slower of both on a busy machine
MB = 1000000


def simulator(pods):
    """A cluster of PODS that nobody changes but we."""
    options = (
        *("--pods", pods, "--namespaces", max(1, min(pods, NAMESPACES)), "--pod-bytes", POD_BYTES),
        *("--watch-buffer", 4096, "--truth", 1, "--window", 100000),
    )
    return KubeSim(objects=0, frozen=True, options=options)


def change(sim, count):
    """Changes COUNT pods at the RATE; returns when all are made."""
    sim.change("pod", count=count, rate=RATE)


def run_sluice(pods, changes):
    """{figure: value} of the watcher."""
    conf = {"watch": {"kinds": ["pod"]}}
    with simulator(0) as sim, watched(sim.kubeconfig, conf) as empty:
        empty.wait_level(0, 0, PATIENCE)
        base = empty.settled_rss()
    with simulator(pods) as sim:
        sim.modes(gzip="off")
        with watched(sim.kubeconfig, conf) as all_of_it:
            pid, others = all_of_it.pid, all_of_it.others()
            all_of_it.wait_level(pods, pods, PATIENCE)
            first = usage.cpu_seconds(pid)
            rest = sum(map(usage.cpu_seconds, others))
            kept = (all_of_it.settled_rss() - base) / pods
            settled = usage.cpu_seconds(pid)
            rest_settled = sum(map(usage.cpu_seconds, others))
            change(sim, changes)
            now = all_of_it.wait_level(pods, pods + changes, PATIENCE)
            assert now["events_total"] == pods + changes, now
            assert now["lists_total"] == 1, now
            return {
                "first": first,
                "kept": kept,
                "peak": usage.peak_rss_bytes(pid),
                "change": (usage.cpu_seconds(pid) - settled) / changes,
                "rest_first": rest,
                "rest_change": (sum(map(usage.cpu_seconds, others)) - rest_settled) / changes,
            }


def run_peer(pods, changes):
    """The same of the informer."""
    with simulator(pods) as sim, tempfile.TemporaryDirectory(prefix="sl-", dir="/tmp") as directory:
        sim.modes(gzip="off")
        options = ("--no-watch-list",)
        with Informer(sim.kubeconfig, directory, kinds=("pod",), options=options) as peer:
            first = peer.synced(PATIENCE)
            assert first["objects"] == pods, first
            first = peer.now()
            change(sim, changes)
            last = peer.wait_events(pods + changes, PATIENCE)
            assert last["events"] == pods + changes, last
            return {
                "first": first["cpu_seconds"],
                "kept": first["rss_bytes"] / pods,
                "peak": last["peak_rss_bytes"],
                "change": (last["cpu_seconds"] - first["cpu_seconds"]) / changes,
            }


def figures_of(pods, changes, ours, peer):
    """The rows."""

    def row(title, key, scale, unit, aim):
        """One figure of both."""
        other = peer[key] * scale if key in peer else None
        return report.figure(title, ours[key] * scale, unit, peer=other, aim=aim)

    return [
        report.figure("pods", pods, "pods"),
        report.figure("changes", changes, "changes"),
        row(f"first sync of {pods} pods, CPU", "first", 1, "s", "x0.2"),
        row("peak memory (RSS)", "peak", 1 / MB, "MB", "150, x0.1"),
        row("memory kept per object", "kept", 1, "bytes", 400),
        row(f"CPU per change at {RATE}/s", "change", 1e6, "us", "x0.2"),
        row("all other processes, first sync, CPU", "rest_first", 1, "s", None),
        row("all other processes, CPU per change", "rest_change", 1e6, "us", None),
    ]


def main():
    """Runs it: `bench_watch.py [--short | --alone] [PODS SECONDS]`."""
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    short, alone = ("--short" in sys.argv[1:], "--alone" in sys.argv[1:])
    pods, seconds = (PODS_SHORT, SECONDS_SHORT) if short else (PODS, SECONDS)
    if words:
        pods, seconds = map(int, words)
    changes = RATE * seconds
    ours = run_sluice(pods, changes)
    peer = {} if short or alone else run_peer(pods, changes)
    figures = figures_of(pods, changes, ours, peer)
    report.show("watch", figures)
    if not short:
        print(f"wrote {report.write('watch_alone' if alone else 'watch', figures)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
