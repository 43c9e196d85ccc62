"""From a change at a real API server to the SSE frame, beside a plain watch on the same server.

Deployments and pods get a new status by PATCH, one every 40 ms. Both times end when the
reader holds the line: the peer reads the API server's own watch, the other a stream of Sluice. The
peer's begins when the PATCH is sent, Sluice's when it was to be sent: one that waits does so until
Sluice has told of the object's change before. One thread does all of it, so that neither reader
waits for the other. `--short`: a few seconds, and only that nothing was lost.
"""

import json
import re
import select
import socket
import ssl
import sys
import time

sys.path.insert(0, __file__.rsplit("/tests/", 1)[0])

from tests.bed.cluster import RealCluster
from tests.bed.kubeapi import resource_path
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice
from tests.bench import report

OBJECTS = 10  # of each kind
PAUSE = 0.04  # seconds between changes
CHANGES, CHANGES_SHORT = 1500, 75
WARM_UP = 50  # changes whose times do not count
PATIENCE = 60  # seconds for what is under way
MARK = re.compile(rb'"readyReplicas":(\d+)[,}]|"change-(\d+)"')


class Wire:
    """A keep-alive TLS connection to the API server that never blocks."""

    def __init__(self, cluster):
        """Connects."""
        self.head = f"Host: 127.0.0.1:{cluster.port}\r\nAuthorization: Bearer {cluster.token}\r\n"
        context = ssl.create_default_context(cafile=cluster.ca_file)
        plain = socket.create_connection(("127.0.0.1", cluster.port), 10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self.sock.setblocking(False)
        self.raw = b""

    def fileno(self):
        """For select()."""
        return self.sock.fileno()

    def send(self, method, path, body=""):
        """Sends one request (small enough for the socket's buffer)."""
        more = f"Content-Type: application/merge-patch+json\r\nContent-Length: {len(body)}\r\n"
        head = f"{method} {path} HTTP/1.1\r\n{self.head}{more if body else ''}\r\n"
        self.sock.send((head + body).encode())

    def pump(self):
        """Takes in what has come; AssertionError when the server ended the connection."""
        while True:
            try:
                piece = self.sock.recv(1 << 17)
            except ssl.SSLWantReadError:
                return
            assert piece, "the API server closed a connection"
            self.raw += piece

    def taken(self):
        """What has come since the last call."""
        raw, self.raw = self.raw, b""
        return raw


class Run:
    """One run: when each change was due, and sent, and how long it took to each reader."""

    def __init__(self, cluster, sluice):
        """Makes the objects and opens the readers."""
        self.due, self.sent, self.direct, self.frames = {}, {}, {}, {}
        cluster.create_namespace("bench")
        for i in range(OBJECTS):
            cluster.create_deployment("bench", f"app-{i}", 1)
            cluster.create_pod("bench", f"pod-{i}")
        self.patch = Wire(cluster)
        self.watches = [self.watch(cluster, kind) for kind in ("deployments", "pods")]
        self.stream = sluice.stream("resource:bench/*", last_event_id="-1")
        self.stream.wait_open()
        self.stream.wait_events(2 * OBJECTS, 30)
        self.seen = len(self.stream.frames)

    @staticmethod
    def watch(cluster, kind):
        """An open watch on KIND, from now on."""
        wire = Wire(cluster)
        version = cluster.call("GET", resource_path(kind, "bench"))["metadata"]["resourceVersion"]
        query = f"?watch=1&resourceVersion={version}&timeoutSeconds=600"
        wire.send("GET", resource_path(kind, "bench") + query)
        return wire

    def change(self, n, due):
        """Sends the PATCH number N, which was to be sent at DUE."""
        index = n // 2 % OBJECTS
        if n % 2:
            path = resource_path("pods", "bench", f"pod-{index}", "status")
            status = {"phase": "Failed", "reason": "Bench", "message": f"change-{n}"}
        else:
            path = resource_path("deployments", "bench", f"app-{index}", "status")
            status = {"replicas": 1000000, "readyReplicas": n}
        self.due[n], self.sent[n] = due, time.monotonic()
        self.patch.send("PATCH", path, json.dumps({"status": status}))

    def look(self, seconds):
        """Reads for SECONDS."""
        limit = time.monotonic() + seconds
        readers = [self.patch, self.stream, *self.watches]
        while (left := limit - time.monotonic()) > 0:
            for reader in select.select(readers, [], [], left)[0]:
                reader.pump()
                now = time.monotonic()
                if reader is self.stream:
                    self.take_frames(now)
                elif reader is self.patch:
                    answer = reader.taken()
                    assert b"HTTP/1.1 4" not in answer and b"HTTP/1.1 5" not in answer, answer
                else:
                    self.note(self.direct, self.sent, reader.taken(), now)

    def take_frames(self, now):
        """Notes the new frames of the stream."""
        assert self.stream.ended is None
        for frame in self.stream.frames[self.seen :]:
            self.note(self.frames, self.due, frame.data.encode(), now)
        self.seen = len(self.stream.frames)

    @staticmethod
    def note(times, begun, raw, now):
        """Remembers how long after it had BEGUN a change was read first."""
        for found in MARK.finditer(raw):
            n = int(found[1] or found[2])
            if n in begun:
                times.setdefault(n, now - begun[n])

    def wait(self, there):
        """Reads until THERE() says that what is under way has come; False: in vain."""
        limit = time.monotonic() + PATIENCE
        while not there():
            if time.monotonic() > limit:
                return False
            self.look(0.05)
        return True

    def go(self, changes):
        """Makes all changes at their pace, then waits for what is still under way.

        None of an object before its last one was read: a watcher that was held up tells of the
        newest alone.
        """
        begin = time.monotonic()
        for n in range(1, changes + 1):
            before = n - 2 * OBJECTS
            if before > 0 and not self.wait(lambda before=before: before in self.frames):
                return
            self.change(n, begin + (n - 1) * PAUSE)
            self.look(max(0.0, begin + n * PAUSE - time.monotonic()))
        self.wait(lambda: min(len(self.frames), len(self.direct)) >= changes)


def figures_of(run, changes):
    """The figures of a run, those of the plain watch as the peer's."""
    counted = range(min(WARM_UP, changes // 5) + 1, changes + 1)
    ours = [run.frames[n] * 1000 for n in counted if n in run.frames]
    peer = [run.direct[n] * 1000 for n in counted if n in run.direct]
    both = [n for n in counted if n in run.frames and n in run.direct]
    added = [(run.frames[n] - run.direct[n]) * 1000 for n in both]
    lost = changes - len(run.frames)
    figures = []
    for name, share, aim in (("p50", 0.5, 20), ("p99", 0.99, 100), ("max", 1, None)):
        of_peer = report.percentile(peer, share)
        value = report.percentile(ours, share)
        figures.append(
            report.figure(
                f"API server change to SSE frame, {name}", value, "ms", peer=of_peer, aim=aim
            )
        )
    figures.append(report.figure("added by Sluice, p50", report.percentile(added, 0.5), "ms"))
    figures.append(report.figure("added by Sluice, p99", report.percentile(added, 0.99), "ms"))
    figures.append(report.figure("changes", changes, "changes"))
    figures.append(report.figure("lost", lost, "changes", peer=changes - len(run.direct), aim=0))
    return figures, lost


def main():
    """Runs it; 1 when a change was lost."""
    short = "--short" in sys.argv[1:]
    changes = CHANGES_SHORT if short else CHANGES
    # Without controllers nothing else changes these objects.
    with RealCluster(nodes=0, controllers=False) as cluster:
        clusters = [{"id": "bench", "context": "testbed", "kubeconfig": cluster.kubeconfig}]
        with Sluice({"clusters": clusters, "log": {"level": "info"}}) as sluice:
            run = Run(cluster, sluice)
            run.go(changes)
            figures, lost = figures_of(run, changes)
            watcher = wait_until(lambda: sluice.status()["watcher/bench"], 5, "status")
            assert watcher["deaths"] == 0, watcher
    report.show("latency", figures)
    if not short:
        print(f"wrote {report.write('latency', figures)}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
