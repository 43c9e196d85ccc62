"""What a gateway does at its limits: slow readers, floods, long bodies, no fds, no disk."""

import contextlib
import fcntl
import json
import os
import pathlib
import resource
import socket
import struct
import termios
import time

import pytest

from tests.bed.hooked import Hooked
from tests.bed.net import deadline, factor, wait_until
from tests.bed.sluice import Sluice
from tests.bed.sockets import accepted_by

from .in_time import assert_in_time
from .numbered import events, numbers, publish, wait_kept
from .test_gateway import IN_TIME

FAST = {"heartbeat_interval": "500ms"}
SMALL_RING = {"gateway": {"ring": "1MiB", "processes": 1}}


def metric(sluice, name):
    """One figure of /metrics."""
    text = sluice.request("GET", "/metrics")[2]
    return int(text.split(f"\nsluice_gateway_{name} ")[1].split()[0])


def resident(pid):
    """Bytes of memory a process holds."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def to_the_end(stream, timeout=10):
    """Reads until the stream ended; how it did."""
    wait_until(lambda: stream.pump() or stream.ended, timeout, "the end")
    return stream.ended


def unread(sock):
    """Bytes the kernel holds for the other end, unacknowledged or not sent yet."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]


# --- readers ---------------------------------------------------------------------------


def test_the_kernel_holds_little_for_a_stream_and_sends_it_at_once():
    most = int(pathlib.Path("/proc/sys/net/core/wmem_max").read_text(encoding="ascii"))
    with (
        Sluice({"streams": {"default": FAST}}) as sluice,
        sluice.stream("job:x", snapshot=0) as stream,
    ):
        stream.hold_little()
        stream.wait_open()
        with accepted_by(sluice.pid("gateway/0"), stream.sock) as accepted:

            def option(name, level=socket.IPPROTO_TCP):
                return accepted.getsockopt(level, name)

            # The kernel doubles what it is told, for its own needs; it is no longer tuned then.
            held = option(socket.SO_SNDBUF, socket.SOL_SOCKET)
            assert held == 2 * min(128 * 1024, most) <= 256 * 1024
            assert option(socket.TCP_NOTSENT_LOWAT) == 16 * 1024
            assert option(socket.TCP_NODELAY) != 0
            # A client that does not read: no more than that stands in the kernel.
            publish(sluice, "job:x", 0, 4000, size=1000)
            wait_until(lambda: unread(accepted) >= 16 * 1024, 10, "the kernel is full")
            publish(sluice, "job:x", 4000, 6000, size=1000)
            assert unread(accepted) <= held


def test_on_overflow_journal_gives_a_slow_reader_every_event():
    conf = {"streams": {"default": {**FAST, "on_overflow": "journal"}}, **SMALL_RING}
    with Sluice(conf) as sluice, sluice.stream("job:slow", snapshot=0) as stream:
        stream.hold_little()
        stream.wait_open()
        # More than the kernel takes for a client that does not read, and than the ring has.
        publish(sluice, "job:slow", 0, 16000, size=1000)
        stream.wait_events(16000, 30)
        publish(sluice, "job:slow", 16000, 16010)
        stream.wait_events(16010)
        assert numbers(stream) == list(range(16010))
        assert not stream.named("stream.gap") and metric(sluice, "events_replayed_total") > 0


def test_on_overflow_close_ends_a_slow_reader_which_resumes_without_a_hole():
    conf = {"streams": {"default": {**FAST, "on_overflow": "close"}}, **SMALL_RING}
    with Sluice(conf) as sluice:
        with sluice.stream("job:slow", snapshot=0) as stream:
            stream.hold_little()
            stream.wait_open()
            publish(sluice, "job:slow", 0, 16000, size=1000)
            assert to_the_end(stream, 30) == "cut"
            closing = stream.frames[-1]
            assert closing.json["reason"] == "slow_consumer"
            assert not stream.named("stream.gap")
            have = numbers(stream)
            assert closing.id == stream.last_id() == stream.events()[-1]["id"]
        with sluice.stream("job:slow", last_event_id=closing.id) as stream:
            stream.wait_events(16000 - len(have), 30)
            assert have + numbers(stream) == list(range(16000))


@pytest.mark.slow
@pytest.mark.parametrize("in_time", IN_TIME)
def test_max_duration_ends_a_stream_cleanly_whatever_the_heartbeat(in_time):
    conf = {"streams": {"default": {"heartbeat_interval": "15s", "max_duration": "2s"}}}
    with Sluice(conf) as sluice:

        def lasted():
            begin = time.monotonic()
            with sluice.stream("job:long", snapshot=0) as stream:
                assert to_the_end(stream) == "clean"
                took = time.monotonic() - begin
                closing = stream.frames[-1]
                assert closing.json["reason"] == "max_duration" and closing.id
            assert took >= 1.5
            return took

        assert_in_time(sluice.directory, lasted, 2.4 if in_time else deadline(10))


@pytest.mark.slow
def test_a_closing_in_the_middle_of_a_snapshot_has_no_id():
    with Sluice({"streams": {"default": FAST}}) as sluice:
        for n in range(0, 600, 20):
            batch = []
            for i in range(n, n + 20):
                batch += events(f"job:set/{i}", 0, 1, 40000, "job.state_changed")
            sluice.publish(batch)
        publish(sluice, "job:last", 0, 1, event_type="job.state_changed")
        wait_kept(sluice, "job:last")
        # Time for a busy store; what is left of the set waits for its reader, however long.
        with sluice.stream("job:set/*", timeout="8s") as stream:
            # The kernel would hold the whole set for one that reads as fast as it is sent.
            stream.hold_little()
            wait_until(
                lambda: stream.sip(16 * 1024) and stream.named("snapshot"), 10, "the first frame"
            )
            wait_until(
                lambda: metric(sluice, 'stream_closings_total{reason="idle_timeout"}'),
                20,
                "the end",
            )
            assert to_the_end(stream) == "clean"
            assert 0 < len(stream.named("snapshot")) < 600
            assert stream.frames[-1].json["reason"] == "idle_timeout"
            # An id would say that the client has it all: it would never get the rest.
            assert stream.last_id() is None and "last_id" not in stream.frames[-1].json


def test_a_reader_that_takes_nothing_is_closed_in_time_whatever_the_heartbeat():
    conf = {"streams": {"default": {"heartbeat_interval": "60s", "write_stall_timeout": "1s"}}}
    with Sluice(conf) as sluice, sluice.stream("job:stuck", snapshot=0) as stream:
        stream.hold_little()
        stream.wait_open()
        publish(sluice, "job:stuck", 0, 16000, size=1000)
        wait_until(lambda: metric(sluice, 'closes_total{reason="write_stalled"}'), 8, "the end")


def test_a_reader_that_was_behind_is_sent_heartbeats_again():
    with (
        Sluice({"streams": {"default": FAST}}) as sluice,
        sluice.stream("job:slow", snapshot=0) as slow,
        sluice.stream("job:clock", snapshot=0) as clock,
    ):
        slow.hold_little()
        slow.wait_open()
        publish(sluice, "job:slow", 0, 16000, size=1000)
        # Blocked for longer than the interval.
        clock.read_until(lambda s: len(s.named("heartbeat")) > 3, 20, "the time has passed")
        slow.wait_events(16000, 30)
        before = len(slow.named("heartbeat"))
        # Not only once a stalled one would be closed (30 s).
        slow.read_until(lambda s: len(s.named("heartbeat")) > before, 10, "a heartbeat")


# --- senders ---------------------------------------------------------------------------


def test_a_foreign_host_is_told_only_whether_the_gateway_is_up():
    with Sluice({"streams": {"default": FAST}}) as sluice:

        def status(path, host):
            return sluice.request("GET", path, headers={"Host": host})[0]

        for host in ("evil.example", "localhost.evil.example", "localhost:junk", "localhost:1x"):
            for path in ("/", "/metrics", "/api/v1/status", "/api/v1/streams?stream=job:a"):
                assert status(path, host) == 403, (path, host)
            assert status("/healthz", host) == status("/readyz", host) == 200, host
        for host in ("localhost", "LOCALHOST:80", "127.0.0.1:9", "[::1]", "[::1]:65535"):
            assert status("/metrics", host) == 200, host


def test_a_flood_of_requests_whose_answers_nobody_reads_is_not_taken_in():
    with Sluice({"streams": {"default": FAST}}) as sluice:
        pid = sluice.pid("gateway/0")
        request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
        before = resident(pid)
        with socket.create_connection(("127.0.0.1", sluice.port), 5) as sock:
            sock.settimeout(0.5)
            limit = time.monotonic() + 3
            sent = 0
            try:
                while time.monotonic() < limit and sent < 400_000_000:
                    sent += sock.send(request * 4000)
            except (TimeoutError, ConnectionError):
                pass
            assert resident(pid) - before < 20_000_000, f"after {sent} bytes"
        assert sluice.request("GET", "/healthz")[0] == 200


def test_a_body_that_is_too_long_is_told_so_although_it_is_sent_on():
    body = json.dumps({"pad": "p" * 8_000_000})
    with Sluice() as sluice:
        for _ in range(5):
            status, _, answer = sluice.request(
                "POST", "/api/v1/events", body, {"Content-Type": "application/json"}
            )
            assert (status, answer["code"]) == (413, "too_large")


def test_long_bodies_that_never_end_keep_others_from_long_ones_only():
    head = "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n"
    good = {"stream_key": "job:a", "event_type": "x.n", "data": {}}
    long = [{**good, "data": {"pad": "p" * 40000}}] * 20
    with Sluice() as sluice, contextlib.ExitStack() as stack:
        pid = sluice.pid("gateway/0")
        before = resident(pid)

        def begin():
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", sluice.port), 10))
            sock.settimeout(deadline(10))
            sock.sendall(head.encode() + b" " * 1_000_000)
            return sock

        def refused():
            begin()
            return sluice.request("POST", "/api/v1/events", long)[0] == 429

        socks = [begin() for _ in range(64)]
        wait_until(refused, 15, "no room is left")
        status, headers, body = sluice.request("POST", "/api/v1/events", long)
        assert (status, body["code"]) == (429, "overloaded") and headers["Retry-After"]
        assert sluice.request("POST", "/api/v1/events", good)[0] == 202
        # Under a sanitizer what was freed is held back, in a quarantine of 256 MiB.
        held_back = 256 << 20 if factor() > 1 else 0
        assert resident(pid) - before < 250_000_000 + held_back
        for sock in socks:
            sock.close()
        wait_until(
            lambda: sluice.request("POST", "/api/v1/events", long)[0] == 202, 10, "room again"
        )


@pytest.mark.slow
def test_a_body_that_drips_is_cut_after_thirty_seconds():
    head = b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    with Sluice() as sluice, socket.create_connection(("127.0.0.1", sluice.port), 10) as sock:
        sock.sendall(head)
        begin = time.monotonic()

        def ended():
            with contextlib.suppress(ConnectionError):
                sock.sendall(b" ")
            return metric(sluice, 'closes_total{reason="body_timeout"}') == 1

        wait_until(ended, 35, "the end", interval=0.5)
        assert time.monotonic() - begin > 25


# --- no file descriptor, no disk ---------------------------------------------------------


@pytest.mark.slow
def test_who_takes_answers_late_is_not_blamed_for_the_requests_behind_them():
    with Sluice() as sluice, socket.socket() as late:
        late.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        late.connect(("127.0.0.1", sluice.port))
        late.settimeout(deadline(10))
        request = b"GET /app.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
        late.sendall(request * 299 + request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        # Longer than a head may take.
        time.sleep(6)
        answers = b""
        while piece := late.recv(1 << 20):
            answers += piece
        assert answers.count(b"HTTP/1.1 200 OK\r\n") == 300


def long_answer(sluice):
    """From now on GET /api/v1/workflows is answered with more than the kernel takes."""
    for at in range(1200):
        path = f"/api/v1/workflows/{at:0512}"
        assert sluice.request("PUT", path, {"cluster": "c", "nodes": []})[0] == 200


@pytest.mark.slow
def test_who_asks_on_before_a_long_answer_is_taken_gets_it_whole_and_the_next():
    with Sluice() as sluice, socket.socket() as late:
        long_answer(sluice)
        late.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        late.connect(("127.0.0.1", sluice.port))
        late.settimeout(deadline(10))
        head = b"GET /api/v1/workflows HTTP/1.1\r\nHost: localhost\r\n"
        late.sendall(head + b"\r\n")
        answers = late.recv(1000)
        # The answer was made: what is sent now comes while it waits for its reader.
        late.sendall(head + b"Connection: close\r\n\r\n")
        # Longer than a head may take.
        time.sleep(6.5)
        while piece := late.recv(1 << 20):
            answers += piece
        assert metric(sluice, 'closes_total{reason="head_timeout"}') == 0
        bodies = [a.partition(b"\r\n\r\n")[2] for a in answers.split(b"HTTP/1.1 200 OK\r\n")[1:]]
        assert [len(json.loads(body)["workflows"]) for body in bodies] == [1200, 1200]


@pytest.mark.slow
def test_a_long_answer_is_not_cut_because_its_reader_is_slow():
    with Sluice() as sluice:
        long_answer(sluice)
        whole = len(sluice.request("GET", "/api/v1/workflows")[2]["workflows"])
        with socket.socket() as slow:
            # Small, so that most of the answer has to wait in the gateway.
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(("127.0.0.1", sluice.port))
            slow.settimeout(deadline(10))
            slow.sendall(
                b"GET /api/v1/workflows HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            answer = slow.recv(1000)
            # Of the 60 s it has; longer than a stream may take nothing.
            time.sleep(40)
            while piece := slow.recv(65536):
                answer += piece
        assert len(json.loads(answer.partition(b"\r\n\r\n")[2])["workflows"]) == whole == 1200


@pytest.mark.parametrize("files,most", [(64, 32), (511, 256), (513, 257), (1000, 744)])
def test_max_connections_auto_follows_the_limit_of_open_files(files, most):
    with Hooked().limit_files(files, files) as sluice:
        said = sluice.request("GET", "/api/v1/status")[2]["gateway"]["connections"]
        assert said["max"] == most


def test_max_connections_auto_is_20000_at_most():
    with Sluice() as sluice:
        # What the service gives its gateways: all that it may have itself.
        files, _ = resource.prlimit(sluice.pid("gateway/0"), resource.RLIMIT_NOFILE)
        said = sluice.request("GET", "/api/v1/status")[2]["gateway"]["connections"]
        assert said["max"] == min(20_000, files - 256) and files > 1000


def test_without_a_free_descriptor_streams_go_on_and_new_clients_wait():
    with Sluice({"streams": {"default": FAST}}) as sluice:
        pid = sluice.pid("gateway/0")
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        with sluice.stream("job:fds", snapshot=0) as stream:
            stream.wait_open()
            used = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd")) + 1
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 3, hard))
            more = [sluice.stream(f"job:{n}", snapshot=0) for n in range(12)]
            wait_until(lambda: any(s.pump() or s.frames for s in more), 10, "there is room for one")
            ticks = os.sysconf("SC_CLK_TCK")

            def cpu():
                with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                    return sum(int(x) for x in file.read().split()[13:15]) / ticks

            begin = cpu()
            time.sleep(1)
            assert cpu() - begin < 0.5
            waiting = [s for s in more if s.pump() or not s.frames]
            assert 0 < len(waiting) < 12
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
            for other in more:
                other.wait_open()
            publish(sluice, "job:fds", 0, 5)
            stream.wait_events(5)
            assert metric(sluice, "accept_errors_total") > 0
            for other in more:
                other.close()


def test_atomic_0_tells_of_every_event_over_max_streams():
    def lines(first, last):
        return "\n".join(
            json.dumps({"stream_key": f"run:{i}", "event_type": "x.event", "data": {}})
            for i in range(first, last)
        )

    with Sluice({"journal": {"max_streams": 1000}}) as sluice:

        def post(body):
            head = {"Content-Type": "application/x-ndjson"}
            return sluice.request("POST", "/api/v1/events?atomic=0", body, head)

        assert post(lines(0, 999))[2]["accepted"] == 999
        status, _, answer = post(lines(998, 1002))
        assert (status, answer["accepted"], answer["refused"]) == (202, 2, 2)
        assert [d["path"] for d in answer["details"]] == ["[2]", "[3]"]
        assert "max_streams" in answer["details"][0]["problem"]
        status, _, answer = post(lines(2000, 2001))
        assert (status, answer["code"]) == (503, "too_many_streams")


def memory_segments(pid):
    """How many descriptors of memory segments a process has."""

    def link(fd):
        try:
            return os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:  # closed since the directory was read
            return ""

    return sum("sluice-journal" in link(fd) for fd in os.listdir(f"/proc/{pid}/fd"))


def test_memory_segments_told_again_are_not_kept_twice():
    with Sluice(SMALL_RING) as sluice:
        gateway = sluice.pid("gateway/0")
        broker = sluice.pid("broker")
        resource.prlimit(broker, resource.RLIMIT_FSIZE, (3 << 20, 8 << 20))
        publish(sluice, "job:disk", 0, 6000, size=1000)
        before = memory_segments(broker)
        assert before >= 2
        # The supervisor hands them on, one by one. Each has two descriptors there as well.
        wait_until(lambda: memory_segments(gateway) == before, 10, "all of them")
        # The broker tells all readers of its segments whenever one joins.
        for _ in range(3):
            pid = sluice.pid("store")
            sluice.ctl("restart", "store")
            sluice.wait_restarted("store", pid)
        # One more is there from when it is told to when it is found to be known.
        wait_until(lambda: memory_segments(gateway) == before, 10, "each once")


def test_when_the_journal_cannot_be_written_streams_stay_and_miss_nothing():
    conf = {"streams": {"default": FAST}, **SMALL_RING}
    with Sluice(conf) as sluice, sluice.stream("job:disk", snapshot=0) as stream:
        stream.wait_open()
        publish(sluice, "job:disk", 0, 100)
        stream.wait_events(100)
        # A memory segment has this limit as well: what fails is the write that passes 3 MiB.
        resource.prlimit(sluice.pid("broker"), resource.RLIMIT_FSIZE, (3 << 20, 8 << 20))
        publish(sluice, "job:other", 0, 3000, size=1000)
        gap = stream.read_until(lambda s: s.named("stream.gap"), 20, "the new epoch")[0]
        assert gap.json["reason"] == "epoch_changed"
        for at in range(100, 4000, 100):
            publish(sluice, "job:disk", at, at + 100, size=1000)
            stream.wait_events(at + 100)
        assert numbers(stream) == list(range(4000)) and stream.ended is None
        # What left the ring is in memory segments, and only there.
        first = next(e["id"] for e in stream.events() if e["data"]["n"] == 200)
        with sluice.stream("job:disk", last_event_id=first) as again:
            again.wait_events(3799, 30)
            assert numbers(again) == list(range(201, 4000))
            assert not again.named("stream.gap", "snapshot")
