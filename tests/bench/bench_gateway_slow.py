"""Readers that never read, beside others on the same stream: events of 1 KB at 200 and 2,000/s.

100 readers with 20 that never read, and the same 100 without them: what the others' latency, the
rate at which events are taken, and memory become. A socket's kernel memory is what its buffers
hold of it, by SO_MEMINFO on the server's side, over the 20 fullest; user memory is what the
process that has the sockets has more of at the end than without the 20, after as many events.
`--short`: 20 readers and 5, 2,000/s for a second, no peer, and only that the others had all: no
figure that needs what a tiny run, or a user without CAP_SYS_PTRACE, has not.
"""

import socket
import struct
import sys

sys.path.insert(0, __file__.rsplit("/tests/", 1)[0])

from tests.bed.sockets import inet_sockets
from tests.bench import report, usage
from tests.bench.gateway_load import Ours, Peer, Run, warm_up

READERS, READERS_SHORT = 100, 20
STALLED, STALLED_SHORT = 20, 5
RATES, RATES_SHORT = (200, 2000), (2000,)
SECONDS, SECONDS_SHORT = 12, 1
BYTES = 1000
KIB = 1024

# linux/sock_diag.h
SO_MEMINFO = 55
MEMINFO = struct.Struct("=9I")
RMEM_ALLOC, FWD_ALLOC, WMEM_QUEUED = 0, 4, 5


def kernel_memory(pid, count):
    """The mean over the COUNT sockets of process PID that hold most, in bytes."""
    held = []
    for sock in inet_sockets(pid):
        if sock.type == socket.SOCK_STREAM:
            raw = sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, MEMINFO.size)
            info = MEMINFO.unpack(raw.ljust(MEMINFO.size, b"\0"))
            held.append(info[RMEM_ALLOC] + info[FWD_ALLOC] + info[WMEM_QUEUED])
    return sum(sorted(held)[-count:]) / count


class Outcome:
    """What one load came to."""

    def __init__(self, server_class, readers, stalled, rate, seconds, *, short):
        """READERS with STALLED more that never read, on a server of its own."""
        with (
            server_class() as server,
            server.read(readers + stalled, stalled=stalled) as clients,
        ):
            warm_up(server, clients)
            self.run = Run(server, clients, ("-d", seconds, "-r", rate, "-B", BYTES, "-c", 8))
            look = stalled and not short
            self.kernel = kernel_memory(server.pid, stalled) if look else 0
            self.user = usage.rss_bytes(server.pid)

    @property
    def p99(self):
        """Milliseconds."""
        return self.run.read["p99_ms"]

    @property
    def taken(self):
        """Events per second."""
        return self.run.events / self.run.published["seconds"]


class Pair:
    """The same load without and with those who never read."""

    def __init__(self, server_class, rate, readers, stalled, seconds, *, short=False):
        """One after the other."""
        self.without = Outcome(server_class, readers, 0, rate, seconds, short=short)
        self.with_them = Outcome(server_class, readers, stalled, rate, seconds, short=short)
        self.stalled = stalled
        self.short = short
        self.lost = self.without.run.lost + self.with_them.run.lost

    def values(self):
        """{figure: value}"""
        said = {
            "without": self.without.p99,
            "with": self.with_them.p99,
            "taken": self.with_them.taken,
            "rate": self.with_them.taken / self.without.taken,
        }
        if self.short:
            return said
        user = (self.with_them.user - self.without.user) / self.stalled / KIB
        kernel = self.with_them.kernel / KIB
        return said | {
            "more": self.with_them.p99 / self.without.p99,
            "memory": max(user, 0) + kernel,
            "kernel": kernel,
            "user": user,
        }


ROWS = (
    ("p99 without them", "without", "ms", None),
    ("p99 of the others", "with", "ms", 2),
    ("p99 by that without", "more", "", 1.2),
    ("events taken", "taken", "per s", None),
    ("events taken by those without", "rate", "", 1),
    ("memory per stalled socket", "memory", "KiB", 300),
    ("of it kernel", "kernel", "KiB", None),
    ("of it user", "user", "KiB", None),
)


def main():
    """Runs it; 1 when an event was lost or repeated."""
    short = "--short" in sys.argv[1:]
    sizes = (READERS_SHORT, STALLED_SHORT, SECONDS_SHORT) if short else (READERS, STALLED, SECONDS)
    figures, lost, peer_lost = [], 0, None
    for rate in RATES_SHORT if short else RATES:
        ours = Pair(Ours, rate, *sizes, short=short)
        lost += ours.lost
        values, peer = ours.values(), {}
        if not short:
            other = Pair(Peer, rate, *sizes)
            peer, peer_lost = other.values(), (peer_lost or 0) + other.lost
        for title, key, unit, aim in ROWS:
            if key not in values:
                continue
            name = f"{rate}/s, {title}"
            figures.append(report.figure(name, values[key], unit, peer=peer.get(key), aim=aim))
    figures.append(report.figure("lost or repeated", lost, "frames", peer=peer_lost, aim=0))
    report.show("gateway, slow readers", figures)
    if not short:
        print(f"wrote {report.write('gateway_slow', figures)}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
