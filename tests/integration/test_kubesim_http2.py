"""The simulated API server speaks HTTP/2 over TLS, and breaks it where it is told to."""

import contextlib
import json
import os
import socket
import ssl
import struct
import subprocess
import time

import pytest

from tests.bed.kubesim import KubeSim
from tests.bed.net import deadline, wait_until

PODS = "/api/v1/pods"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
ACK = END_STREAM = 1
END_HEADERS = 4


@pytest.fixture(name="sim")
def frozen_sim():
    """A frozen simulator that offers HTTP/2."""
    with KubeSim(tls=True, frozen=True) as sim:
        yield sim


def command(sim, *targets, options=()):
    """How curl is started to fetch the TARGETS over one connection."""
    argv = [
        "curl",
        "-sS",
        "--http2",
        "--cacert",
        sim.ca_file,
        "-H",
        f"Authorization: Bearer {sim.token}",
    ]
    return [*argv, "-A", "test", *options, *(sim.url + target for target in targets)]


def curl(sim, *targets, options=()):
    """What curl prints for the TARGETS, fetched over one connection; and its exit status."""
    argv = command(sim, *targets, options=options)
    done = subprocess.run(argv, capture_output=True, timeout=deadline(60), check=False)
    return done.stdout, done.returncode


@contextlib.contextmanager
def watching(sim):
    """A curl that has begun to watch all pods, and is not left to go on for ever."""
    rv = sim.stats()["resourceVersion"]
    argv = command(sim, f"{PODS}?watch=1&resourceVersion={rv}")
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as client:
        try:
            sim.wait_watches(1)
            yield client
        finally:
            # Else the context waits for its end: one that has ended is sent nothing.
            client.kill()


class Frames:
    """A connection of HTTP/2 in frames, without any library's opinion."""

    def __init__(self, sim):
        """Shakes hands and says hello."""
        context = ssl.create_default_context(cafile=sim.ca_file)
        context.set_alpn_protocols(["h2"])
        raw = socket.create_connection(("127.0.0.1", sim.port), timeout=deadline(10))
        self.sock = context.wrap_socket(raw, server_hostname="127.0.0.1")
        assert self.sock.selected_alpn_protocol() == "h2"
        self.sock.sendall(PREFACE)
        self.send(SETTINGS, b"")

    def send(self, kind, payload, flags=0, stream=0):
        """One frame."""
        head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags])
        self.sock.sendall(head + struct.pack(">I", stream) + payload)

    def _exactly(self, count):
        """COUNT bytes."""
        found = b""
        while len(found) < count:
            part = self.sock.recv(count - len(found))
            assert part
            found += part
        return found

    def receive(self):
        """The next frame: (kind, flags, payload)."""
        head = self._exactly(9)
        length = int.from_bytes(head[:3], "big")
        return head[3], head[4], self._exactly(length)

    def close(self):
        """Ends it."""
        self.sock.close()


def test_an_answer_is_the_same_by_both_protocols(sim):
    """Status, body and headers; the log says which it was."""
    sim.clear_requests()
    body, _ = curl(sim, f"{PODS}?limit=3")
    head, _ = curl(sim, "/apis/nothing/v1/pods", options=("-i", "-o", "/dev/null", "-D", "-"))
    assert json.loads(body) == sim.api.call("GET", f"{PODS}?limit=3")
    assert head.startswith(b"HTTP/2 404")
    assert b"content-type: text/plain" in head
    assert [entry["protocol"] for entry in sim.requests()] == ["HTTP/2", "HTTP/2", "HTTP/1.1"]


def test_a_server_may_offer_only_the_old_protocol():
    """By option."""
    with KubeSim(tls=True, frozen=True, options=("--http1",)) as sim:
        head, _ = curl(sim, "/version", options=("-i",))
        assert head.startswith(b"HTTP/1.1 200")


def test_requests_share_a_connection(sim):
    """Each a stream of it: a watch stays open beside lists."""
    sim.clear_requests()
    rv = sim.stats()["resourceVersion"]
    watch = f"{PODS}?watch=1&resourceVersion={rv}&timeoutSeconds=1"
    start = time.monotonic()
    out, status = curl(sim, watch, *[f"{PODS}?limit=1"] * 20, options=("--parallel",))
    assert status == 0
    assert out.count(b"PodList") == 20
    assert 0.9 < time.monotonic() - start < deadline(6)
    log = [entry for entry in sim.requests() if entry["protocol"] == "HTTP/2"]
    assert len(log) == 21
    assert len({entry["connection"] for entry in log}) == 1


def test_a_write_has_a_body(sim):
    """POST and PATCH arrive whole."""
    body = json.dumps({"metadata": {"name": "by-h2"}, "spec": {"note": "x" * 200_000}})
    path = os.path.join(sim.directory, "body.json")
    with open(path, "w", encoding="ascii") as file:
        file.write(body)
    target = "/api/v1/namespaces/shop/pods"
    out, _ = curl(sim, target, options=("-X", "POST", "--data-binary", f"@{path}"))
    assert json.loads(out)["metadata"]["name"] == "by-h2"
    assert len(sim.api.get("pods", "shop", "by-h2")["spec"]["note"]) == 200_000


def test_events_come_as_they_happen(sim):
    """And a watch ends cleanly when the server ends it, behind all of them."""
    with watching(sim) as client:
        sim.script(
            *({"at_ms": at, "change": {"count": 5}} for at in (200, 400, 600)),
            {"at_ms": 800, "faults": {"drop_watches": True}},
        )
        out = client.communicate(timeout=deadline(20))[0]
    assert client.returncode == 0
    assert [json.loads(line)["type"] for line in out.splitlines()] == ["MODIFIED"] * 15


@pytest.mark.slow
def test_a_watch_whose_answer_waited_gets_no_more_than_it_asked_for(sim):
    """Its head leaves on its own then: what happened before its version stays untold."""
    sim.faults(compact=True, latency_ms=20)
    watch = f"{PODS}?watch=1&timeoutSeconds=1&resourceVersion={sim.stats()['resourceVersion']}"
    text, code = curl(sim, watch)
    assert (text, code) == (b"", 0)


def test_a_long_list_is_written_as_it_is_read():
    """Whole, while its text never is in memory."""
    options = ("--pods", 10000, "--pod-bytes", 10000)
    with KubeSim(tls=True, frozen=True, objects=0, options=options) as sim:
        out, status = curl(sim, PODS)
        assert status == 0
        assert len(json.loads(out)["items"]) == 10000
        out, status = curl(sim, PODS, options=("--compressed",))
        assert status == 0
        assert len(json.loads(out)["items"]) == 10000


@pytest.mark.parametrize("coding", [(), ("--compressed",)], ids=["plain", "gzip"])
def test_a_long_list_whose_answer_waited_is_written_once(coding):
    """It leaves on its own then, and what has left makes room for more of it, within."""
    options = ("--pods", 3000, "--pod-bytes", 2000)
    with KubeSim(tls=True, frozen=True, objects=0, options=options) as sim:
        sim.faults(latency_ms=20)
        out, status = curl(sim, PODS, PODS, options=coding)
        assert status == 0
        pages = [json.loads(line) for line in out.splitlines()]
        assert len(pages) == 2
        for page in pages:
            names = [item["metadata"]["name"] for item in page["items"]]
            assert len(names) == 3000 and names == sorted(set(names))


@pytest.mark.parametrize("action", ["reset", "close", "truncate"])
def test_one_stream_ends_and_the_others_go_on(sim, action):
    """RST_STREAM is one request's matter; the connection stays."""
    sim.clear_requests()
    sim.faults(next=[{"match": "limit=7", "action": action}])
    out, status = curl(sim, f"{PODS}?limit=7", f"{PODS}?limit=1")
    assert out.count(b'"kind":"PodList"') in (1, 2)
    first, second = [entry for entry in sim.requests() if entry["protocol"] == "HTTP/2"]
    assert first["connection"] == second["connection"]
    assert second["status"] == 200
    _, status = curl(sim, f"{PODS}?limit=7")
    assert status == 0
    sim.faults(next=[{"match": "limit=7", "action": action}])
    _, status = curl(sim, f"{PODS}?limit=7")
    assert status == 92  # the stream was not closed cleanly


def test_goaway_lets_streams_end_and_takes_no_new_ones(sim):
    """The next request needs another connection."""
    sim.modes(goaway_percent=100)
    sim.clear_requests()
    out, status = curl(sim, *[f"{PODS}?limit=1"] * 3)
    assert status == 0
    assert out.count(b"PodList") == 3
    log = [entry for entry in sim.requests() if entry["protocol"] == "HTTP/2"]
    assert len({entry["connection"] for entry in log}) == 3
    sim.modes(goaway_percent=0)
    sim.faults(shutdown=True)
    head, _ = curl(sim, PODS, options=("-i",))
    assert head.startswith(b"HTTP/2 429")
    assert b"retry-after: 5" in head


def test_a_ping_is_answered_or_not(sim):
    """A half-open connection is one where nobody answers."""
    frames = Frames(sim)
    kinds = []
    frames.send(PING, b"abcdefgh")
    while PING not in kinds:
        kind, flags, payload = frames.receive()
        kinds.append(kind)
        if kind == SETTINGS and not flags & ACK:
            assert struct.pack(">HI", 3, 100) in payload  # MAX_CONCURRENT_STREAMS
        if kind == PING:
            assert (flags & ACK, payload) == (ACK, b"abcdefgh")
    sim.modes(ping="ignored")
    frames.send(PING, b"12345678")
    frames.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        while frames.receive()[0] != PING:
            pass
    frames.close()


def test_what_is_not_http2_ends_the_connection(sim):
    """And nothing else: the server goes on."""
    frames = Frames(sim)
    frames.send(0x01, b"\xff" * 40, flags=5, stream=2)
    kinds = set()
    with pytest.raises((AssertionError, OSError)):
        while True:
            kinds.add(frames.receive()[0])
    assert GOAWAY in kinds
    wait_until(lambda: sim.api.request("GET", "/readyz")[0] == 200, 5, "it still answers")


def test_a_stopped_server_ends_its_streams(sim):
    """At SIGTERM watches end cleanly; the process exits 0."""
    with watching(sim) as client:
        assert sim.stop() == 0
        assert client.wait(timeout=deadline(10)) == 0


def field(name, value):
    """A header field as HPACK writes one that nobody indexes."""
    return bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def body_of(sim, target):
    """(bytes of the answer's body, whether it was whole) by frames: curl may drop its last."""
    frames = Frames(sim)
    try:
        head = {":method": "GET", ":scheme": "https", ":path": target, ":authority": "sim"}
        head["authorization"] = f"Bearer {sim.token}"
        fields = b"".join(field(*pair) for pair in head.items())
        frames.send(HEADERS, fields, END_STREAM | END_HEADERS, 1)
        body = b""
        while True:
            kind, flags, payload = frames.receive()
            if kind == DATA:
                body += payload
            if kind == RST_STREAM or (kind == DATA and flags & END_STREAM):
                return body, kind == DATA
    finally:
        frames.close()


def test_a_stream_is_cut_at_whichever_byte_is_asked_for(sim):
    """The bytes before it arrive, then RST_STREAM."""
    target = f"{PODS}?limit=1"
    whole, ended = body_of(sim, target)
    assert ended and json.loads(whole)["items"]
    for at in (0, 1, len(whole) // 3, len(whole) - 1):
        sim.faults(next=[{"match": target, "action": "truncate", "at": at}])
        assert body_of(sim, target) == (whole[:at], False)
