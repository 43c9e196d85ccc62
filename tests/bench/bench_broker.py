"""8 publishers to 3 readers through the broker and its journal, events of 1 KiB.

One reader is stopped for three seconds meanwhile. The peer in the same run is a bare nanomsg hub
(build/bench/nanomsg_hub). `--short`: a few seconds, and only that nothing was lost or repeated.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, __file__.rsplit("/tests/", 1)[0])

from tests.bed.bus import Bus
from tests.bed.sluice import binary
from tests.bench import report
from tests.bench.usage import cpu_seconds

PUBLISHERS, READERS = 8, 3
EVENT_BYTES = 1024
EVENTS, EVENTS_SHORT = 1000000, 200000  # of all publishers together
STOPPED, STOPPED_SHORT = 3, 1  # seconds
PATIENCE = 120  # seconds
# Seconds after which a reader has what it will get; where only losses count, a machine may stand
# still for long.
QUIET = 15 if "--short" in sys.argv[1:] else 3


def wrong_at(reader, events):
    """How many of EVENTS this reader lost or had too often, and its own errors and gaps."""
    limit, quiet, before, items = time.monotonic() + PATIENCE, time.monotonic(), -1, 0
    while items < events and time.monotonic() < limit and time.monotonic() - quiet < QUIET:
        time.sleep(0.05)
        items, errors, gaps = map(
            int, reader.find(r"at \S+ items=(\d+) errors=(\d+) gaps=(\d+)").groups()
        )
        if items != before:
            before, quiet = items, time.monotonic()
    return abs(events - items) + errors + gaps


def run_broker(events, stopped):
    """(events per second, microseconds of the broker's CPU per event, events lost or repeated)."""
    bus = Bus(size=2 << 30, segment=64 << 20)
    try:
        bus.start()
        readers = [bus.reader(f"g{i}") for i in range(READERS)]
        for reader in readers:
            reader.wait("at ")
        cpu, begin = cpu_seconds(bus.pid), time.monotonic()
        words = ("-n", events // PUBLISHERS, "-s", EVENT_BYTES)
        publishers = [
            bus.publisher(f"watcher/p{i}", *words, "-k", f"job:p{i}") for i in range(PUBLISHERS)
        ]
        pid = readers[0].process.pid
        timers = [
            threading.Timer(0.3, os.kill, (pid, signal.SIGSTOP)),
            threading.Timer(0.3 + stopped, os.kill, (pid, signal.SIGCONT)),
        ]
        for timer in timers:
            timer.start()
        for publisher in publishers:
            publisher.wait("done ", PATIENCE)
        took, cpu = time.monotonic() - begin, cpu_seconds(bus.pid) - cpu
        for timer in timers:
            timer.join()
        wrong = sum(wrong_at(reader, events) for reader in readers)
        assert bus.stop() == 0, bus.log()
    finally:
        bus.close()
    return events / took, cpu * 1e6 / events, wrong


def run_hub(events):
    """The same of the bare hub, which may lose."""
    with tempfile.TemporaryDirectory(prefix="sl-", dir="/tmp") as directory:
        done = subprocess.run(
            [binary("bench/nanomsg_hub"), directory, str(events)],
            stdout=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
    values = dict(re.findall(r"(\w+)=(\S+)", done.stdout))
    return float(values["events_per_s"]), float(values["cpu_us"]), int(values["lost"])


def main():
    """Runs it; 1 when an event was lost or repeated."""
    short = "--short" in sys.argv[1:]
    events = EVENTS_SHORT if short else EVENTS
    per_s, cpu, wrong = run_broker(events, STOPPED_SHORT if short else STOPPED)
    peer_per_s, peer_cpu, lost = (None, None, None) if short else run_hub(events)
    title = f"broker, {PUBLISHERS} publishers to {READERS} readers, 1 KiB"
    figures = [
        report.figure(title, per_s, "events/s", peer=peer_per_s, aim=50000),
        report.figure("broker CPU per event", cpu, "us", peer=peer_cpu, aim=10),
        report.figure("events lost or repeated", wrong, "events", peer=lost, aim=0),
    ]
    report.show("broker", figures)
    if not short:
        print(f"wrote {report.write('broker', figures)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
