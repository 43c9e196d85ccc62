"""Floods of connections: half heads by the thousand, more clients than there are descriptors.

Times and processor time are measured here, so these run alone (release_only).
"""

import contextlib
import http.client
import json
import os
import resource
import select
import socket
import threading
import time

import pytest

from tests.bed.hooked import Hooked
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice
from tests.bed.stillness import Stillness

from .numbered import events, numbers

pytestmark = [pytest.mark.slow, pytest.mark.release_only]

HALF_HEADS = 5000
HALF = b"GET /api/v1/streams?stream=job:a HTTP/1.1\r\nHost: localhost\r\nX-Slow: "


@pytest.fixture(name="many_files", autouse=True)
def _many_files():
    """This process may have so many sockets open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = HALF_HEADS + 1000
    if hard != resource.RLIM_INFINITY and hard < want:
        pytest.fail(f"this test needs {want} open files; allow more: ulimit -Hn is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, want), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def cpu(pid):
    """Seconds of processor time of a process."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(int(x) for x in fields[11:13]) / os.sysconf("SC_CLK_TCK")


class GoodClients(threading.Thread):
    """Somebody who connects, asks and is answered, again and again; how long each took."""

    def __init__(self, port):
        """Nothing is asked yet."""
        super().__init__(daemon=True)
        self.port = port
        self.ended = threading.Event()
        self.seconds = []
        self.failures = []

    def run(self):
        """Asks fifty times a second until stop()."""
        while not self.ended.wait(0.02):
            begin = time.monotonic()
            conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                conn.request("GET", "/", headers={"Connection": "close"})
                if conn.getresponse().status != 200:
                    self.failures.append("status")
            except OSError as error:
                self.failures.append(repr(error))
            finally:
                conn.close()
            self.seconds.append(time.monotonic() - begin)

    def stop(self):
        """Ends it; the 99th percentile in seconds."""
        self.ended.set()
        self.join()
        assert not self.failures, self.failures[:3]
        ordered = sorted(self.seconds)
        return ordered[int(len(ordered) * 0.99)]


def half_open(port, count, drip):
    """Opens COUNT connections with half a head; after how many seconds each was ended.

    With DRIP each sends another byte ten times in all while it waits: that must not help.
    """
    poll, opened, lasted = select.epoll(), {}, []
    limit = time.monotonic() + 30
    dripped = time.monotonic()
    while time.monotonic() < limit and len(lasted) < count:
        for _ in range(50):
            if len(opened) + len(lasted) == count:
                break
            sock = socket.create_connection(("127.0.0.1", port), 10)
            sock.sendall(HALF)
            sock.setblocking(False)
            poll.register(sock.fileno(), select.EPOLLIN | select.EPOLLRDHUP)
            opened[sock.fileno()] = (sock, time.monotonic())
        for fd, _ in poll.poll(0.01):
            sock, since = opened.pop(fd)
            poll.unregister(fd)
            # A reset where a byte and the end crossed each other.
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(10) == b""
            sock.close()
            lasted.append(time.monotonic() - since)
        if drip and time.monotonic() - dripped > 0.5:
            dripped = time.monotonic()
            for sock, _ in opened.values():
                with contextlib.suppress(OSError):
                    sock.send(b"a")
    return lasted


@pytest.mark.parametrize("drip", [False, True], ids=["silent", "dripping"])
def test_5000_half_heads_are_ended_in_time_and_good_clients_do_not_notice(drip):
    with Sluice() as sluice, sluice.stream("job:open", snapshot=0) as stream:
        stream.wait_open()
        for _ in range(3):
            good, begin = GoodClients(sluice.port), time.monotonic()
            with Stillness(sluice.directory) as still:
                good.start()
                lasted = half_open(sluice.port, HALF_HEADS, drip)
                p99, late = good.stop(), still.stood(begin, time.monotonic())
            assert len(lasted) == HALF_HEADS, len(lasted)
            # Once more only where this machine stood still, or these threads held each other up.
            if (max(lasted) <= 6 and p99 < 0.2) or not late:
                break
        assert max(lasted) <= 6, (max(lasted), late)
        assert len(good.seconds) > 100 and p99 < 0.2, (p99, late)
        sluice.publish(events("job:open", 0, 3))
        stream.wait_events(3)


class Flood(threading.Thread):
    """So many clients that there is no descriptor for: each comes again when it is sent away."""

    def __init__(self, port, count):
        """Nobody has come yet."""
        super().__init__(daemon=True)
        self.port, self.count = port, count
        self.ended = threading.Event()
        self.came = 0

    def connect(self, poll, socks):
        """One client more."""
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", self.port))
        poll.register(sock.fileno(), select.EPOLLIN | select.EPOLLRDHUP)
        socks[sock.fileno()] = sock
        self.came += 1

    def run(self):
        """Floods until stop()."""
        poll, socks = select.epoll(), {}
        for _ in range(self.count):
            self.connect(poll, socks)
        while not self.ended.is_set():
            for fd, _ in poll.poll(0.05):
                poll.unregister(fd)
                socks.pop(fd).close()
                self.connect(poll, socks)
        for sock in socks.values():
            sock.close()

    def stop(self):
        """Ends it."""
        self.ended.set()
        self.join()


def test_with_64_descriptors_a_flood_costs_nothing_and_no_stream_notices():
    assert os.geteuid() == 0, "only root may look into a gateway: run this test as root"
    # What a gateway makes of the limit by itself (max_connections: auto): half of it for clients.
    with Hooked().limit_files(64, 64) as sluice:
        pid = sluice.pid("gateway/0")
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (64, 64)
        publisher = http.client.HTTPConnection("127.0.0.1", sluice.port, timeout=10)
        streams = [sluice.stream(f"job:{n}", snapshot=0) for n in range(8)]
        for stream in streams:
            stream.wait_open()
        # Asked once, its connection stays; one that said nothing would be ended after five seconds.
        publisher.request("GET", "/healthz")
        assert publisher.getresponse().read()
        publisher.auto_open = False
        flood = Flood(sluice.port, 1000)
        flood.start()
        wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) == 64, 10, "all descriptors in use")
        before, begin, sent = cpu(pid), time.monotonic(), 0
        while time.monotonic() - begin < 8:
            for n in range(len(streams)):
                (event,) = events(f"job:{n}", sent, sent + 1)
                head = {"Content-Type": "application/json"}
                publisher.request("POST", "/api/v1/events", json.dumps(event), head)
                answer = publisher.getresponse()
                assert (answer.status, bool(answer.read())) == (202, True)
            sent += 1
            time.sleep(0.5)
        used = (cpu(pid) - before) / (time.monotonic() - begin)
        for stream in streams:
            stream.wait_events(sent)
            assert numbers(stream) == list(range(sent)) and stream.ended is None
        flood.stop()
        assert used < 0.05, used
        assert flood.came > 1000
        # Descriptors are free again, and so is the way.
        assert sluice.request("GET", "/healthz")[0] == 200
        for stream in streams:
            stream.close()
        publisher.close()


class Pipeline(threading.Thread):
    """A client that sends requests without waiting, by the thousand, and reads what comes."""

    def __init__(self, port):
        """Nothing is sent yet."""
        super().__init__(daemon=True)
        self.sock = socket.create_connection(("127.0.0.1", port), 10)
        self.ended = threading.Event()
        self.read = 0

    def run(self):
        """Sends and reads until stop()."""
        requests = b"GET /style.css HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500
        self.sock.setblocking(False)
        sent = 0
        while not self.ended.is_set():
            readable, writable, _ = select.select([self.sock], [self.sock], [], 0.1)
            if writable:
                sent += self.sock.send(requests[sent % len(requests) :])
            if readable:
                self.read += len(self.sock.recv(1 << 20))

    def stop(self):
        """Ends it; how many bytes were answered."""
        self.ended.set()
        self.join()
        self.sock.close()
        return self.read


def test_pipelines_of_thousands_of_requests_do_not_keep_others_waiting():
    with Sluice() as sluice, sluice.stream("job:open", snapshot=0) as stream:
        stream.wait_open()
        pipelines = [Pipeline(sluice.port) for _ in range(4)]
        good = GoodClients(sluice.port)
        for thread in (*pipelines, good):
            thread.start()
        for n in range(20):
            sluice.publish(events("job:open", n, n + 1))
            stream.wait_events(n + 1)
            time.sleep(0.1)
        # No time is asserted: these threads keep this process, too, from measuring it.
        good.stop()
        assert len(good.seconds) >= 20
        # Each of them was served all the while.
        assert min(pipeline.stop() for pipeline in pipelines) > 1_000_000
        assert numbers(stream) == list(range(20))
