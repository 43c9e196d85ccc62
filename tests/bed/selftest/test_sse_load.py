"""build/bench/sse_load, which judges servers: what it must notice, and what it sends."""

import http.server
import json
import socket
import subprocess
import threading
import time

import pytest

from tests.bench.gateway_load import Readers

from ..sluice import binary

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
TIMES = ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms")


def frame(number, seq=None, *, lane=0, event="job.progress", sent=None):
    """One event as Sluice frames it, with the mark of its publisher."""
    sent = time.monotonic_ns() if sent is None else sent
    data = {"id": "65f1a2b3-7", "seq": number if seq is None else seq}
    data["data"] = {"message": f"xx#{lane:02}:{number:010}@{sent:019}"}
    text = json.dumps(data, separators=(",", ":"))
    return f"event: {event}\ndata: {text}\nid: 65f1a2b3-{number}\n\n".encode()


class Fake:
    """A server of one client, told what to send; `port` and `directory` as of a benchmark's."""

    def __init__(self, directory):
        """Listens."""
        self.directory, self.stream_target = str(directory), "/stream/{}"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.conn = None

    def serve(self, *pieces, head=HEAD + b"\r\n"):
        """Answers the next client in a thread."""

        def answer():
            """The head and the pieces, each in a segment of its own."""
            self.conn = self.listener.accept()[0]
            self.conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.request = self.conn.recv(4096).decode()
            for piece in (head, *pieces):
                self.conn.sendall(piece)

        threading.Thread(target=answer, daemon=True).start()

    def close(self):
        """Ends the answer."""
        self.conn.close()


@pytest.fixture
def fake(tmp_path):
    """A Fake."""
    server = Fake(tmp_path)
    yield server
    server.listener.close()
    if server.conn:
        server.close()


def read(fake, wanted, *pieces, **how):
    """The report once WANTED events came of an answer of these pieces."""
    fake.serve(*pieces, **how)
    with Readers(fake, 1) as readers:
        return readers.fresh(wanted)


def counted(report):
    """(events, lost, repeated, out of order)"""
    return tuple(report[key] for key in ("fresh", "lost", "repeated", "out_of_seq"))


def test_every_event_counts_however_the_bytes_are_cut(fake):
    whole = b": hi\n\nretry: 3000\n\n" + b"".join(frame(n) for n in range(1, 6))
    report = read(fake, 5, *(whole[at : at + 7] for at in range(0, len(whole), 7)))
    assert counted(report) == (5, 0, 0, 0)
    assert fake.request.startswith("GET /stream/0 HTTP/1.1\r\n")


def test_chunks_are_taken_apart(fake):
    whole = b"".join(frame(n) for n in range(1, 6))
    pieces = [whole[at : at + 50] for at in range(0, len(whole), 50)]
    chunks = [f"{len(p):x}\r\n".encode() + p + b"\r\n" for p in pieces]
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    report = read(fake, 5, b"".join(chunks)[:120], b"".join(chunks)[120:], head=head)
    assert (report["fresh"], report["lost"], report["ended"]) == (5, 0, 0)


def test_what_is_lost_or_repeated_or_out_of_order_is_noticed(fake):
    report = read(fake, 5, *(frame(n) for n in (1, 2, 5, 5, 6)))
    assert counted(report) == (5, 2, 1, 2)


def test_lanes_are_counted_by_themselves_and_seq_over_all(fake):
    sent = ((1, 1, 0), (1, 2, 1), (2, 3, 1), (2, 4, 0))
    report = read(fake, 4, *(frame(n, seq, lane=lane) for n, seq, lane in sent))
    assert counted(report) == (4, 0, 0, 0)


def test_control_frames_are_no_events(fake):
    pieces = [frame(1), *(frame(9, event=e) for e in ("snapshot", "heartbeat", "stream.gap"))]
    report = read(fake, 2, *pieces, frame(2))
    counts = ("fresh", "snapshots", "heartbeats", "gaps", "lost")
    assert [report[key] for key in counts] == [2, 1, 1, 1, 0]


def test_a_stream_that_ends_is_noticed(fake):
    fake.serve(frame(1))
    with Readers(fake, 1) as readers:
        assert readers.fresh(1)["ended"] == 0
        fake.close()
        assert readers.fresh(1, "ended")["ended"] == 1


def test_a_latency_is_what_has_passed_since_the_mark(fake):
    late = time.monotonic_ns() - 500_000_000
    report = read(fake, 10, *(frame(n, sent=late) for n in range(1, 11)))
    assert all(500 <= report[key] < 5000 for key in TIMES), report


def test_who_comes_back_sends_its_last_id(fake):
    fake.serve(frame(1))
    with Readers(fake, 1) as readers:
        readers.fresh(1)
        readers.ask("drop", r'\{"dropped":1.*')
        fake.close()
        fake.serve(frame(2), frame(3))
        assert readers.ask("resume 3", r'\{"resume".*')["resume"] == 3
        assert "\r\nLast-Event-ID: 65f1a2b3-1\r\n" in fake.request
        report = readers.report()
        assert (report["events"], report["lost"], report["out_of_seq"]) == (3, 0, 0)


class Taking(http.server.BaseHTTPRequestHandler):
    """Takes every POST, and answers with the server's status."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        """Keeps the body."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append((self.path, self.headers["Content-Type"], body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format, *args):
        """Drops the line."""


def published(status, options):
    """(exit status, figures, requests) of a publisher."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        server.bodies, server.status = [], status
        threading.Thread(target=server.serve_forever, daemon=True).start()
        argv = (binary("bench/sse_load"), "publish", "-p", str(server.server_port))
        argv += tuple(options.split())
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        server.shutdown()
        return done.returncode, json.loads(done.stdout), server.bodies


def test_events_are_numbered_by_stream_and_of_the_size_asked_for():
    status, figures, bodies = published(202, "-n 5 -s 2 -m 3 -B 200")
    assert (status, figures["events"], figures["requests"]) == (0, 5, 2)
    assert {(path, kind) for path, kind, _ in bodies} == {
        ("/api/v1/events", "application/x-ndjson")
    }
    events = [json.loads(line) for _, _, body in bodies for line in body.splitlines()]
    assert [e["stream_key"] for e in events] == ["job:b0", "job:b1"] * 2 + ["job:b0"]
    marks = [e["data"]["message"].rpartition("#")[2] for e in events]
    assert [m.partition("@")[0] for m in marks] == [f"00:{n:010}" for n in (1, 1, 2, 2, 3)]
    sizes = {len(json.dumps(e["data"], separators=(",", ":"))) for e in events}
    assert sizes == {200}


def test_bare_payloads_go_to_the_path_of_their_stream():
    status, _, bodies = published(201, "-n 2 -s 2 -b -t /pub/b{}")
    assert (status, [path for path, _, _ in bodies]) == (0, ["/pub/b0", "/pub/b1"])
    assert [json.loads(body)["job_id"] for _, _, body in bodies] == ["b0", "b1"]


def test_a_refused_event_is_a_failure():
    status, figures, _ = published(503, "-n 3")
    assert (status, figures["refused"]) == (1, 3)
