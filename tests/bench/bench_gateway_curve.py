"""What an event costs by how many read it: 1 to 10,000 readers of one stream, 200 B, and Nchan's.

CPU per event of all the server's processes while events come at a pace (50/s, fewer to 10,000
readers, for Nchan could not keep up), and their memory (PSS) at its end. Written as a plot, too:
build/bench/gateway_curve.svg. `--short`: 1, 10 and 100 readers, no peer, and only that every
reader had every event once.
"""

import os
import sys

sys.path.insert(0, __file__.rsplit("/tests/", 1)[0])

from tests.bench import report, svg
from tests.bench.gateway_load import Ours, Peer, Run, warm_up

READERS, READERS_SHORT = (1, 10, 100, 1000, 10000), (1, 10, 100)
SECONDS, SECONDS_SHORT = 6, 0.5
RATE = 50  # events per second
FRAMES_MAX = 50000  # per second, of all readers
MIB = 1 << 20


class Point:
    """One number of readers on a server of its own."""

    def __init__(self, server_class, readers, seconds):
        """Measures."""
        rate = min(RATE, FRAMES_MAX / readers)
        with server_class() as server, server.read(readers) as clients:
            warm_up(server, clients, 5)
            run = Run(server, clients, ("-d", seconds, "-r", rate, "-c", 4))
            self.memory = server.memory() / MIB
        self.cpu_us = run.cpu * 1e6 / run.events
        self.lost = run.lost


def plot(path, curves):
    """Writes the plot of {server: {readers: Point}}."""

    def series(key):
        """{server: [(readers, value)]}"""
        return {
            name: [(readers, max(getattr(point, key), 0.01)) for readers, point in points.items()]
            for name, points in curves.items()
        }

    panels = [
        svg.Panel("CPU per event", "readers of one stream", "microseconds", series("cpu_us")),
        svg.Panel("memory of all processes", "readers of one stream", "MiB", series("memory")),
    ]
    facts = report.machine()
    note = f"{facts['cores']} x {facts['cpu']}, Linux {facts['kernel']}; 200 B of data"
    svg.write(path, panels, note)


def main():
    """Runs it; 1 when an event was lost or repeated."""
    short = "--short" in sys.argv[1:]
    readers, seconds = (READERS_SHORT, SECONDS_SHORT) if short else (READERS, SECONDS)
    curves = {
        server.name: {n: Point(server, n, seconds) for n in readers}
        for server in ((Ours,) if short else (Ours, Peer))
    }
    ours, peer = curves[Ours.name], curves.get(Peer.name)
    figures = []
    for key, title, unit in (("cpu_us", "CPU per event", "us"), ("memory", "memory", "MiB")):
        for n in readers:
            other = getattr(peer[n], key) if peer else None
            name = f"{title}, {n} readers"
            figures.append(report.figure(name, getattr(ours[n], key), unit, peer=other))
    lost = sum(point.lost for point in ours.values())
    other = sum(point.lost for point in peer.values()) if peer else None
    figures.append(report.figure("lost or repeated", lost, "frames", peer=other, aim=0))
    report.show("gateway, cost by readers", figures)
    if not short:
        path = report.write("gateway_curve", figures)
        image = f"{os.path.splitext(path)[0]}.svg"
        plot(image, curves)
        print(f"wrote {path}\nwrote {image}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
