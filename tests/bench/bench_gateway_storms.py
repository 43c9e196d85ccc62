"""Ten thousand clients at once: that come back after 1,000 missed events each, and that join anew.

Reconnect storm: 10,000 clients on 100 streams are cut off, 1,000 events of 200 B go to each stream,
and all come back at once, each with its own last id. Counted until the last one is level, beside
100 clients of ten other streams that get 200 events/s in all meanwhile. The peer has a tenth of the
clients (it would take minutes for all), so only its CPU per frame is compared. The clients that
storm run with less priority (nice) than those that are live: what they take of the second core is
no delay of the server's.
Snapshot storm: 10,000 clients join one prefix of 1,000 objects, from the first connection to the
last one's last frame; the gateway's own count of its questions to the store.
`--short`: 100 clients, 50 missed events, 50 objects, no peer, and only that everybody had all.
"""

import sys
import time

sys.path.insert(0, __file__.rsplit("/tests/", 1)[0])

from tests.bed.net import wait_until
from tests.bench import report
from tests.bench.gateway_load import PATIENCE, Ours, Peer, wrong

CLIENTS, CLIENTS_SHORT = 10000, 100
STREAMS, STREAMS_SHORT = 100, 10
MISSED, MISSED_SHORT = 1000, 50
OBJECTS, OBJECTS_SHORT = 1000, 50
PEER_SHARE = 10  # a tenth of the clients
LIVE, LIVE_STREAMS, LIVE_RATE = 100, 10, 200
BEFORE = 3  # events of each stream that everybody has seen
BATCH = 100
OBJECTS_EACH = 500  # of a request
ASKED = "sluice_gateway_snapshot_questions_total"
REPLAYED = "sluice_gateway_events_replayed_total"
NICE = ("/usr/bin/nice", "-n", "10")


def publish(server, each, streams, after):
    """EACH events more to each stream, after the first AFTER."""
    batch = () if server.publish_options else ("-m", BATCH)
    result = server.publish("-n", each * streams, "-s", streams, "-o", after, *batch).result()
    assert result["events"] == each * streams, result


class Live:
    """Clients of streams that have nothing to do with the storm, and their events."""

    def __init__(self, server):
        """Events come from now on."""
        self.readers = server.read(LIVE, streams=LIVE_STREAMS, options=("-f", STREAMS))
        options = ("-s", LIVE_STREAMS, "-f", STREAMS, "-r", LIVE_RATE, "-d", PATIENCE, "-c", 4)
        self.publisher = server.publish(*options)

    def __enter__(self):
        """Waits until they are under way."""
        self.readers.fresh(LIVE_RATE * LIVE // LIVE_STREAMS)
        return self

    def __exit__(self, *_):
        """Ends what still runs."""
        self.publisher.end()
        self.readers.end()

    def lost(self):
        """Ends it; how many did not come."""
        wanted = self.publisher.stop()["events"] * LIVE // LIVE_STREAMS
        now = self.readers.fresh(wanted, "events")
        return abs(wanted - now["events"]) + wrong(now)


def reconnect(server, clients, streams, missed):
    """{figure: value}"""
    with server.read(clients, streams=streams, before=NICE) as readers:
        publish(server, BEFORE, streams, 0)
        readers.fresh(BEFORE * clients)
        readers.ask("drop", r'\{"dropped".*')
        publish(server, missed, streams, BEFORE)
        with Live(server) as live:
            calm = live.readers.report()
            live.readers.mark()
            cpu = server.cpu()
            level = readers.ask(f"resume {BEFORE + missed}", r'\{"resume".*')
            cpu = server.cpu() - cpu
            stormy = live.readers.report()
            lost = live.lost()
        replayed = server.metrics()[REPLAYED] if server.name == Ours.name else 0
        now = readers.report()
    return {
        "seconds": level["ms"] / 1000,
        "cpu": cpu,
        "per_frame": cpu * 1e6 / (clients * missed),
        "replayed": replayed,
        "calm": calm["p99_ms"],
        "stormy": stormy["p99_ms"],
        "lost": lost + abs(now["events"] - clients * (BEFORE + missed)) + wrong(now),
    }


def make_objects(server, count):
    """COUNT streams of one prefix, each with a status."""
    for begin in range(0, count, OBJECTS_EACH):
        numbers = range(begin, min(count, begin + OBJECTS_EACH))
        server.sluice.publish([status_of(f"bench/deployment/default/app-{i}") for i in numbers])
    wait_kept(server.sluice, count)


def wait_kept(sluice, count):
    """Waits until the store has all COUNT objects.

    By another selector than the storm's: its answers are not those of the storm.
    """

    def kept():
        """Whether a snapshot has them."""
        with sluice.stream("resource:bench/deployment/*") as stream:
            stream.read_until(lambda s: s.last_id(), PATIENCE, "the end of the snapshot")
            return len(stream.named("snapshot")) == count

    wait_until(kept, PATIENCE, f"{count} objects in the store")


def status_of(name):
    """A status of the object NAME."""
    status = {"state": "running", "health": "healthy", "message": "x" * 100}
    return {
        "type": "resource",
        "stream_key": f"resource:{name}",
        "event_type": "status_update",
        "source": "/watcher/bench",
        "data": {"resource_id": name, "type": "deployment", "status": status},
    }


def snapshots(server, clients, objects):
    """{figure: value}"""
    make_objects(server, objects)
    cpu, begin = server.cpu(), time.monotonic()
    asked = server.metrics()[ASKED]
    with server.read(clients, target="/api/v1/streams?stream=resource:bench/*") as readers:
        readers.ask(f"snapshots {objects}", r'\{"snapshots".*')
        seconds, cpu = time.monotonic() - begin, server.cpu() - cpu
        now = readers.report()
        return {
            "seconds": seconds,
            "cpu": cpu,
            "asked": server.metrics()[ASKED] - asked,
            "lost": abs(now["snapshots"] - clients * objects) + wrong(now),
        }


def main():
    """Runs it; 1 when an event was lost or repeated."""
    short = "--short" in sys.argv[1:]
    clients, streams, missed, objects = (
        (CLIENTS_SHORT, STREAMS_SHORT, MISSED_SHORT, OBJECTS_SHORT)
        if short
        else (CLIENTS, STREAMS, MISSED, OBJECTS)
    )
    with Ours() as server:
        storm = reconnect(server, clients, streams, missed)
    with Ours() as server:
        joined = snapshots(server, clients, objects)
    peer = {}
    if not short:
        with Peer() as server:
            peer = reconnect(server, clients // PEER_SHARE, streams, missed)
    lost = storm["lost"] + joined["lost"]
    figures = [
        report.figure("reconnect: clients", clients, ""),
        report.figure("reconnect: server CPU until level", storm["cpu"], "s", aim=5),
        report.figure("reconnect: all level after", storm["seconds"], "s"),
        report.figure(
            "reconnect: CPU per frame", storm["per_frame"], "us", peer=peer.get("per_frame")
        ),
        report.figure("reconnect: of it read from the journal", storm["replayed"], "frames"),
        report.figure("reconnect: live clients' p99 before", storm["calm"], "ms"),
        report.figure("reconnect: live clients' p99", storm["stormy"], "ms", aim=50),
        report.figure("snapshots: questions to the store", joined["asked"], "", aim=1),
        report.figure("snapshots: all have theirs after", joined["seconds"], "s", aim=10),
        report.figure("snapshots: server CPU", joined["cpu"], "s"),
        report.figure("lost or repeated", lost, "frames", peer=peer.get("lost"), aim=0),
    ]
    report.show("gateway, storms", figures)
    if not short:
        print(f"wrote {report.write('gateway_storms', figures)}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
