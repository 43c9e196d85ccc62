"""How many events of 200 B are taken in a second, beside NATS JetStream and Nchan on this machine.

Batches: 100 events a request over one connection, the next request when the last one was answered.
One by one: an event a request over 16 connections, each kept alive. Sluice answers when its journal
has the event; fdatasync follows every 100 ms (journal.sync). The peers:
- NATS JetStream (nats.py), each message acknowledged: over one connection with 1,000 on their way,
  and over 16 connections with one on each;
- Nchan (nchan.py), an event a request over 16 connections. It keeps messages in memory alone.
The load (bench/load) sends each connection's first request again and again, so that it costs next
to nothing; what it takes of a core is printed. CPU is user and system time of all the server's
processes (of Sluice: broker, journal and store, too). "Lost or doubled": what was accepted against
the last seq of each stream, and of NATS against what its stream holds.
`--short`: some hundred events of each, and only that none was lost. `--ours`: without the peers.
"""

import sys
import time

sys.path.insert(0, __file__.rsplit("/tests/", 1)[0])

from tests.bed.net import wait_until
from tests.bench import report
from tests.bench.gateway_load import Ours, Peer, Server
from tests.bench.nats import NatsServer

LANES = 16
BATCH = 100
UNDER_WAY = 1000
SECONDS = 10
WARM_UP = ("-n", 2000)
SHORT = ("-n", 400)


class Synced(Ours):
    """With the journal synced every 100 ms."""

    loads = {
        "batches": ("-c", 1, "-m", BATCH, "-s", 1),
        "one by one": ("-c", LANES, "-s", LANES),
    }
    publish_options = ("-z",)

    def __init__(self):
        """Nothing is started yet."""
        super().__init__({"journal": {"size": "4GiB", "segment": "64MiB", "sync": "100ms"}})

    def stored(self, streams):
        """How many events its streams b0 … have, by their last seq."""
        keys = [f"job:b{i}" for i in range(streams)]

        def known():
            with self.sluice.stream(*keys, types="job.progress") as stream:
                stream.read_until(lambda s: s.last_id(), 10, "the snapshot")
                tip = stream.named("stream.open")[0].json["tip"]
                frames = stream.named("snapshot")
                if not frames or frames[-1].json["as_of"] != tip:
                    return None
                return sum(frame.json["seq"] for frame in frames)

        return wait_until(known, 60, "the store has it all")


class Nats(Server):
    """JetStream; a context manager."""

    name = "NATS JetStream"
    publisher = "nats"
    publish_options = ("-t", "b.{}")
    loads = {
        "batches": ("-c", 1, "-W", UNDER_WAY, "-s", 1),
        "one by one": ("-c", LANES, "-W", 1, "-s", LANES),
    }

    def __init__(self):
        """Nothing is started yet."""
        super().__init__()
        self.nats = NatsServer()
        self.port = self.nats.port

    def __enter__(self):
        """Starts it."""
        self.nats.start()
        self.pids = self.nats.pids
        self.pid = self.pids[0]
        return self

    def __exit__(self, *_):
        """Ends it."""
        self.nats.stop()
        self.close()

    def stored(self, _):
        """How many messages it has."""
        return self.nats.messages()


class Nchan(Peer):
    """Which takes one message a request, and tells nobody how many it had."""

    publish_options = (*Peer.publish_options, "-z")
    loads = {"one by one": ("-c", LANES, "-s", LANES)}
    stored = None


class Run:
    """One load on a server started anew."""

    def __init__(self, server_class, name, amount):
        """Runs it; AMOUNT: how many, or for how long."""
        options = server_class.loads[name]
        with server_class() as server:
            warm = 0 if amount == SHORT else server.publish(*options, *WARM_UP).result()["events"]
            cpu, begin = server.cpu(), time.monotonic()
            done = server.publish(*options, *amount).result()
            cpu, took = server.cpu() - cpu, time.monotonic() - begin
            self.lost = 0
            if server.stored:
                streams = options[options.index("-s") + 1]
                self.lost = abs(warm + done["events"] - server.stored(streams))
        self.per_second = done["events"] / done["seconds"]
        self.cpu_us = cpu * 1e6 / done["events"]
        self.p99_ms = done["p99_ms"]
        self.load_share = done["cpu_s"] / took


# (load, title, unit, what, aim)
ROWS = (
    ("batches", "batches of 100, 1 connection", "events/s", "per_second", 60000),
    ("batches", "batches of 100, CPU per event", "us", "cpu_us", None),
    ("batches", "batches of 100, p99 of the answers", "ms", "p99_ms", None),
    ("batches", "batches of 100, the load's own core", "cores", "load_share", None),
    ("one by one", "one by one, 16 connections", "events/s", "per_second", 8000),
    ("one by one", "one by one, CPU per event", "us", "cpu_us", None),
    ("one by one", "one by one, p99 of the answers", "ms", "p99_ms", None),
    ("one by one", "one by one, the load's own core", "cores", "load_share", None),
)


def main():
    """Runs it; 1 when an event was lost or doubled."""
    short = "--short" in sys.argv[1:]
    peers = () if "--ours" in sys.argv[1:] else (Nats, Nchan)
    amount = SHORT if short else ("-d", SECONDS)
    runs = {
        (server.name, name): Run(server, name, amount)
        for server in (Synced, *peers)
        for name in server.loads
    }
    figures = []
    for name, title, unit, what, aim in () if short else ROWS:
        own = runs[Synced.name, name]
        beside = [peer for peer in peers if name in peer.loads]
        for peer in beside or [None]:
            said = f"{title} / {peer.name}" if len(beside) > 1 else title
            value = getattr(runs[peer.name, name], what) if peer else None
            figures.append(report.figure(said, getattr(own, what), unit, peer=value, aim=aim))
    lost = {server.name: 0 for server in (Synced, *peers)}
    for (server, _), run in runs.items():
        lost[server] += run.lost
    peer = lost.get(Nats.name)
    title = "events lost or doubled"
    figures.append(report.figure(title, lost[Synced.name], "events", peer=peer, aim=0))
    report.show("publishing, 200 B", figures)
    if not short:
        print(f"wrote {report.write('publish', figures)}")
    return 1 if lost[Synced.name] else 0


if __name__ == "__main__":
    sys.exit(main())
