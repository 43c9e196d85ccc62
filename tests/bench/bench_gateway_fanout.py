"""From a POST to the frames of many readers, 200 B of data, beside Nchan on the same machine.

Saturated: published one by one over 32 connections, each as soon as the last one on it was
answered, to 1 stream with 1,000 readers, and to 100 streams with 10 each. With 32 outstanding: the
same while readers have on average not more than 32 events to come. At a pace: 50 events/s to 1,000
readers, and 2,000/s over 100 streams of 10. CPU is user and system time of all the server's
processes (of Sluice: journal and store, too), from the first POST to the last frame read; a
latency is from sending the POST to having read the frame. How Nchan is set and why: nchan.py.
`--short`: a few seconds of each, and only that every reader had every event once.
`--ours`: without the peer. A name or several (wide, window, slow, many, full): only those.
"""

import sys

sys.path.insert(0, __file__.rsplit("/tests/", 1)[0])

from tests.bench import report
from tests.bench.gateway_load import Ours, Peer, Run, warm_up

HELD = "sluice_gateway_flush_held_max_seconds"
LANES = 32
WINDOW = 32
READERS, READERS_SHORT = 1000, 50
STREAMS, EACH = 100, 10
STREAMS_SHORT, EACH_SHORT = 10, 4
SECONDS, SECONDS_SHORT = 8, 0.7


class Loads:
    """The loads, each a method that gives a Run; on a server started anew for each."""

    def __init__(self, short):
        """Their sizes."""
        self.seconds = SECONDS_SHORT if short else SECONDS
        self.readers = READERS_SHORT if short else READERS
        self.streams, self.each = (STREAMS_SHORT, EACH_SHORT) if short else (STREAMS, EACH)

    def run(self, server, streams, each, options, read_options=()):
        """EACH readers on each of STREAMS."""
        with server.read(streams * each, streams=streams, options=read_options) as readers:
            warm_up(server, readers)
            run = Run(server, readers, ("-d", self.seconds, "-s", streams, *options))
        run.held_ms = server.metrics()[HELD] * 1000 if server.name == Ours.name else None
        return run

    def wide(self, server):
        """Saturated, one stream."""
        return self.run(server, 1, self.readers, ("-c", LANES))

    def window(self, server):
        """At most 32 outstanding."""
        shared = ("-w", server.shared)
        limit = ("-W", WINDOW, "-F", self.readers)
        return self.run(server, 1, self.readers, ("-c", LANES, *limit, *shared), shared)

    def pace(self, server):
        """50 a second to one stream."""
        return self.run(server, 1, self.readers, ("-c", 4, "-r", 50))

    def many(self, server):
        """2,000 a second over many streams."""
        return self.run(server, self.streams, self.each, ("-c", 8, "-r", 2000))

    def full(self, server):
        """Saturated, many streams."""
        return self.run(server, self.streams, self.each, ("-c", LANES))


def per_cpu_second(run):
    """Deliveries per second of the server's processor time."""
    return run.per_cpu_second


def cpu_us(run):
    """Microseconds of the server's processor time per delivery."""
    return run.cpu_us


def per_second(run):
    """Deliveries per second."""
    return run.read["fresh"] / run.seconds


def events_per_second(run):
    """Events that were accepted per second."""
    return run.events / run.published["seconds"]


def held(run):
    """Milliseconds that news were held back at most, as the gateway counts it; Nchan: no such."""
    return run.held_ms


def p99(run):
    """Milliseconds from sending to having read."""
    return run.read["p99_ms"]


# (load, title, unit, what, aim)
ROWS = (
    ("wide", "1 x 1000 saturated, per CPU-second", "frames", per_cpu_second, "1200000, x11"),
    ("wide", "1 x 1000 saturated, per second", "frames", per_second, None),
    ("wide", "1 x 1000 saturated, events taken", "per s", events_per_second, None),
    ("wide", "1 x 1000 saturated, p99", "ms", p99, None),
    ("wide", "1 x 1000 saturated, news held back", "ms", held, 5),
    ("window", "1 x 1000, 32 outstanding, p99", "ms", p99, 60),
    ("window", "1 x 1000, 32 outstanding, per CPU-second", "frames", per_cpu_second, None),
    ("pace", "1 x 1000 at 50/s, CPU per frame", "us", cpu_us, "x0.7"),
    ("pace", "1 x 1000 at 50/s, p99", "ms", p99, 9),
    ("many", "100 x 10 at 2,000/s, CPU per frame", "us", cpu_us, "x1.2"),
    ("many", "100 x 10 at 2,000/s, p99", "ms", p99, 0.6),
    ("many", "100 x 10 at 2,000/s, events taken", "per s", events_per_second, 2000),
    ("full", "100 x 10 saturated, per CPU-second", "frames", per_cpu_second, None),
    ("full", "100 x 10 saturated, events taken", "per s", events_per_second, None),
    ("full", "100 x 10 saturated, p99", "ms", p99, None),
)
LOADS = tuple(dict.fromkeys(row[0] for row in ROWS))


def main():
    """Runs it; 1 when an event was lost or repeated."""
    words = sys.argv[1:]
    short, alone = "--short" in words, "--ours" in words
    names = [name for name in LOADS if name in words] or LOADS
    loads = Loads(short)
    runs = {}
    for server_class in (Ours,) if alone else (Ours, Peer):
        for name in names:
            with server_class() as server:
                runs[server_class.name, name] = getattr(loads, name)(server)
    figures = []
    for name, title, unit, what, aim in ROWS:
        if name in names and not short:
            peer = runs.get((Peer.name, name))
            value = what(runs[Ours.name, name])
            figures.append(
                report.figure(title, value, unit, peer=what(peer) if peer else None, aim=aim)
            )
    lost, frames = {server: 0 for server, _ in runs}, {server: 0 for server, _ in runs}
    for (server, _), run in runs.items():
        lost[server] += run.lost
        frames[server] += run.read["fresh"]
    peer = frames.get(Peer.name)
    figures.append(report.figure("frames read in all", frames[Ours.name], "frames", peer=peer))
    peer = lost.get(Peer.name)
    figures.append(report.figure("lost or repeated", lost[Ours.name], "frames", peer=peer, aim=0))
    report.show("gateway, fan-out", figures)
    if not short:
        print(f"wrote {report.write('gateway_fanout', figures)}")
    return 1 if lost[Ours.name] else 0


if __name__ == "__main__":
    sys.exit(main())
