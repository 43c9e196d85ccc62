"""What a connection on which nothing happens takes of the server's memory: 10,000 on 100 streams.

User-space memory (PSS) of all the server's processes with 10,000 connections less that with 100,
one on each stream, by how many more they are: so neither streams nor what a first connection makes
count. It is read after 20 s, when each of Sluice's connections has had its first heartbeat; Nchan
sends none. Then every reader must get the one event that is published to its stream.
`--short`: 300 connections, no peer, and only that.
"""

import sys
import time

sys.path.insert(0, __file__.rsplit("/tests/", 1)[0])

from tests.bench import report
from tests.bench.gateway_load import Ours, Peer, Run

CONNECTIONS, CONNECTIONS_SHORT = 10000, 300
STREAMS, STREAMS_SHORT = 100, 10
SETTLE, SETTLE_SHORT = 20, 0.2  # seconds; heartbeats come after 15
KIB = 1024


def idle(server, connections, streams, settle):
    """{figure: value} of one server; what is joined with a snapshot has it long before SETTLE."""
    how = {"streams": streams, "target": None if settle < 1 else server.whole_target}
    with server.read(streams, **how):
        # What a start leaves to be done after it is ready must not count.
        time.sleep(settle)
        few = server.memory()
        with server.read(connections - streams, **how) as readers:
            cpu, begin = server.cpu(), time.monotonic()
            time.sleep(settle)
            many, share = server.memory(), (server.cpu() - cpu) / (time.monotonic() - begin)
            run = Run(server, readers, ("-n", streams, "-s", streams, "-c", 4))
            return {
                "memory": (many - few) / (connections - streams) / KIB,
                "share": share * 100,
                "opened": readers.opened["open"] / readers.opened["ms"] * 1000,
                "lost": run.lost,
            }


def main():
    """Runs it; 1 when an event was lost or repeated."""
    short = "--short" in sys.argv[1:]
    sizes = (
        (CONNECTIONS_SHORT, STREAMS_SHORT, SETTLE_SHORT)
        if short
        else (CONNECTIONS, STREAMS, SETTLE)
    )
    with Ours() as server:
        ours = idle(server, *sizes)
    peer = {}
    if not short:
        with Peer() as server:
            peer = idle(server, *sizes)
    rows = (
        ("user memory per idle connection", "memory", "KiB", 0.5),
        ("of a core, all of them idle", "share", "%", None),
        ("connections opened per second", "opened", "per s", None),
        ("lost or repeated", "lost", "frames", 0),
    )
    figures = [report.figure("idle connections", sizes[0], "")]
    figures += [
        report.figure(title, ours[key], unit, peer=peer.get(key), aim=aim)
        for title, key, unit, aim in rows
    ]
    report.show("gateway, idle", figures)
    if not short:
        print(f"wrote {report.write('gateway_idle', figures)}")
    return 1 if ours["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
