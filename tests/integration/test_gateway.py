"""sluice-gateway with the real broker and store: requests, publishing, limits."""

import glob
import json
import os
import signal
import socket
import subprocess
import time

import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.sluice import REPO, Sluice
from tests.bed.sse import Stream

# The machine for itself, under no sanitizer: the only one whose upper bound means anything.
IN_TIME = [False, pytest.param(True, marks=pytest.mark.release_only)]


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice({"streams": {"default": {"heartbeat_interval": "500ms"}}}) as running:
        yield running


def event(key="job:a", event_type="job.progress", **more):
    """A good event, MORE laid upon it."""
    data = {"job_id": key.partition(":")[2], "attempt": 1, "percent": 1}
    return {"stream_key": key, "event_type": event_type, "data": data, **more}


def raw(port, request, timeout=20):
    """Sends bytes; what comes back until the other side closes or TIMEOUT."""
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.settimeout(deadline(timeout))
        sock.sendall(request)
        answer = b""
        try:
            while piece := sock.recv(65536):
                answer += piece
        except (TimeoutError, ConnectionResetError):
            pass
        return answer


def status_of(answer):
    """The status of a raw answer."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None


BAD_REQUESTS = [
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: localhost\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\r\n c\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\0\r\n\r\n", 400),
    (b"GET http://elsewhere/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"b" * 17000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/3.0\r\nHost: localhost\r\n\r\n", 505),
    (b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 403),
    (b"GET / HTTP/1.1\r\nHost: localhost.evil.example\r\nConnection: close\r\n\r\n", 403),
    (b"PATCH / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 405),
    (b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
    (
        b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n", 413),
    (
        b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n"
        b"Content-Length: 0\r\nConnection: close\r\n\r\n",
        403,
    ),
    (b"GET /api/v1/streams?stream=job:a HTTP/1.0\r\nHost: localhost\r\n\r\n", 505),
]


@pytest.mark.parametrize("request_bytes,status", BAD_REQUESTS)
def test_a_bad_request_gets_its_code_and_the_connection_ends(sluice, request_bytes, status):
    answer = raw(sluice.port, request_bytes)
    assert status_of(answer) == status, answer[:200]
    if status != 405:
        body = json.loads(answer.split(b"\r\n\r\n", 1)[1])
        assert body["error"] and body["code"] and body["trace_id"]


STREAM_ERRORS = [
    ("/api/v1/streams", {}, 400, "bad_request"),
    ("/api/v1/streams?stream=nope:a", {}, 400, "invalid_id"),
    ("/api/v1/streams?stream=job:a*", {}, 400, "invalid_id"),
    ("/api/v1/streams?stream=job:a&bogus=1", {}, 400, "bad_request"),
    ("/api/v1/streams?stream=job:a&timeout=25h", {}, 400, "bad_request"),
    ("/api/v1/streams?stream=job:a&snapshot=2", {}, 400, "bad_request"),
    ("/api/v1/streams?stream=job:a&types=A", {}, 400, "bad_request"),
    ("/api/v1/streams?stream=job:a&last_event_id=12", {}, 400, "invalid_cursor"),
    ("/api/v1/streams?stream=job:a", {"Last-Event-ID": "x-1"}, 400, "invalid_cursor"),
    (
        "/api/v1/streams?stream=job:a&last_event_id=0000000a-1",
        {"Last-Event-ID": "0000000a-2"},
        400,
        "invalid_cursor",
    ),
    ("/api/v1/streams?stream=job:a", {"Accept": "application/json"}, 406, "not_acceptable"),
    ("/api/v1/orchestrator/stream/jobs/a%20b", {}, 400, "invalid_id"),
    ("/api/v1/orchestrator/stream/jobs/a?stream=job:b", {}, 400, "bad_request"),
]


@pytest.mark.parametrize("path,headers,status,code", STREAM_ERRORS)
def test_a_bad_stream_request_says_what_is_wrong(sluice, path, headers, status, code):
    got, _, body = sluice.request("GET", path, headers=headers)
    assert (got, body["code"]) == (status, code)


@pytest.mark.parametrize("accept", ["text/event-stream", "text/*;q=0.1", "a/b, */*", None])
def test_any_accept_that_admits_a_stream_gets_one(sluice, accept):
    head = {"Accept": accept} if accept else {}
    with Stream(sluice.port, "/api/v1/streams?stream=job:a", headers=head) as stream:
        stream.wait_open()


def test_requests_are_pipelined_and_answered_in_order(sluice):
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    post = json.dumps(event()).encode()
    two = (
        b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(post), post)
    )
    last = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = raw(sluice.port, one * 20 + two + last)
    codes = [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert codes == [200] * 20 + [202, 404]


POST_HEAD = b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize("in_time", IN_TIME)
@pytest.mark.parametrize(
    ("requests", "codes"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3, [200] * 3),
        (b"GET /api/v1/workflows HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2, [200] * 2),
        (POST_HEAD + b"Content-Length: 2\r\n\r\n{}", [422]),
        (b"GET /app.js HTTP/1.1\r\nHost: localhost\r\n\r\n", [200]),
        (POST_HEAD + b"Content-Length: 3\r\n\r\n{}", []),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HT", [200]),
        (b"GET /api/v1/streams?stream=job:half HTTP/1.1\r\nHost: localhost\r\n\r\n", None),
    ],
)
def test_who_shuts_down_its_side_after_the_request_gets_the_answer(
    sluice, requests, codes, in_time
):
    address = ("127.0.0.1", sluice.port)
    with (
        socket.create_connection(address, 5) as other,
        socket.create_connection(address, 5) as sock,
    ):
        other.settimeout(deadline(20))
        other.sendall(b"GET /healthz HTTP/1.1\r\nHost: local")
        sock.settimeout(deadline(20))
        sock.sendall(requests)
        sock.shutdown(socket.SHUT_WR)
        begin = time.monotonic()
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
        took = time.monotonic() - begin
        assert not in_time or took < 1.5, took
        # Not by the five seconds that a request has: one begun before still has them.
        other.sendall(b"host\r\n\r\n")
        assert status_of(other.recv(65536)) == 200
    if codes is not None:
        assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == codes


def test_expect_continue_and_chunked_bodies_are_taken(sluice):
    post = json.dumps(event()).encode()
    with socket.create_connection(("127.0.0.1", sluice.port), 5) as sock:
        sock.settimeout(deadline(20))
        sock.sendall(
            b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
            b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        for byte in post:
            sock.sendall(b"1\r\n%c\r\n" % byte)
        sock.sendall(b"0\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 202 ")


@pytest.mark.slow
@pytest.mark.parametrize("in_time", IN_TIME)
def test_half_a_head_is_cut_after_five_seconds(sluice, in_time):
    begin = time.monotonic()
    assert raw(sluice.port, b"GET / HTTP/1.1\r\nHost: local") == b""
    assert 4.8 <= time.monotonic() - begin <= (6 if in_time else deadline(20))


# --- publishing ---------------------------------------------------------------------


def post(sluice, body, content_type="application/json", query=""):
    """POSTs a body as it is."""
    head = {"Content-Type": content_type}
    return sluice.request("POST", "/api/v1/events" + query, body, head)


BAD_EVENTS = [
    ({"event_type": "job.progress", "data": {}}, "stream_key"),
    (event(key="job:a b"), "stream_key"),
    (event(key="nope:a"), "stream_key"),
    (event(type="run"), "type"),
    (event(event_type="job.bogus"), "event_type"),
    (event(event_type="heartbeat"), "event_type"),
    (event(event_type="stream.x"), "event_type"),
    (event(event_type="error"), "event_type"),
    (event(event_type="X"), "event_type"),
    (event(data=None), "data"),
    (event(data=[]), "data"),
    (event(timestamp="yesterday"), "timestamp"),
    (event(timestamp="2999-01-01T00:00:00Z"), "timestamp"),
    (event(version=0), "version"),
    (event(version=1.5), "version"),
    (event(source="a b"), "source"),
    (event(traceparent="00-0-0-0"), "traceparent"),
    (event(id="00000001-1"), "id"),
    (event(seq=1), "seq"),
    (event(tenant="other"), "tenant"),
    (event(terminal=True), "terminal"),
    (event(bogus=1), "bogus"),
    (event(subject="a\nb"), "subject"),
    (event(idempotency_key="k" * 257), "idempotency_key"),
]


@pytest.mark.parametrize("body,path", BAD_EVENTS)
def test_a_bad_event_is_422_and_names_the_member(sluice, body, path):
    status, _, answer = post(sluice, json.dumps(body))
    assert status == 422 and answer["code"] == "schema_violation"
    assert path in [d["path"] for d in answer["details"]]


def test_all_problems_of_all_events_are_listed_and_nothing_is_taken(sluice):
    lines = [event("job:none"), event("job:none", version=0, timestamp="x"), event(seq=3)]
    body = "\n".join(json.dumps(line) for line in lines)
    status, _, answer = post(sluice, body, "application/x-ndjson")
    paths = {d["path"] for d in answer["details"]}
    assert status == 422 and paths == {"[1].version", "[1].timestamp", "[2].seq"}
    with sluice.stream("job:none") as stream:
        stream.read_until(lambda s: s.named("heartbeat"), 5, "heartbeat")
        assert not stream.named("snapshot")


@pytest.mark.parametrize(
    "body,kind,status,code",
    [
        (b"{", "application/json", 400, "invalid_json"),
        (b'{"a":1,"a":2}', "application/json", 400, "invalid_json"),
        (b'{"a":"\xff"}', "application/json", 400, "invalid_json"),
        (b"[]", "application/json", 400, "bad_request"),
        (b"", "application/json", 400, "bad_request"),
        (b"", "application/x-ndjson", 400, "bad_request"),
        (b"{}\n{", "application/x-ndjson", 400, "invalid_json"),
        (b"3", "application/json", 422, "schema_violation"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (json.dumps(event(data={"x": "a" * 50000})).encode(), "application/json", 413, "too_large"),
        (b"{}\n" * 1001, "application/x-ndjson", 413, "too_large"),
    ],
)
def test_a_bad_body_has_its_own_code(sluice, body, kind, status, code):
    got, _, answer = post(sluice, body, kind)
    assert (got, answer["code"]) == (status, code)


def test_an_empty_workflow_is_told_in_words(sluice):
    head = {"Content-Type": "application/json"}
    status, _, answer = sluice.request("PUT", "/api/v1/workflows/w1", b"", head)
    assert (status, answer["code"]) == (400, "invalid_json")
    assert "arguments" not in answer["error"]


def test_atomic_0_takes_the_good_and_names_the_bad(sluice):
    body = json.dumps([event("job:part"), event("job:part", version=0), event("job:part")])
    status, _, answer = post(sluice, body, query="?atomic=0")
    assert status == 202 and answer["accepted"] == 2
    assert [d["path"] for d in answer["details"]] == ["[1].version"]


def test_atomic_0_names_what_the_broker_refused(sluice):
    body = "\n".join(
        json.dumps(event("job:part", **more))
        for more in (
            {"idempotency_key": "p1"},
            {"version": 0, "source": ""},
            {"idempotency_key": "p1", "subject": "other"},
            {},
        )
    )
    status, _, answer = post(sluice, body, "application/x-ndjson", "?atomic=0")
    assert (status, answer["accepted"], answer["refused"]) == (202, 2, 2)
    paths = [d["path"] for d in answer["details"]]
    assert paths == ["[1].source", "[1].version", "[2].idempotency_key"]
    assert "idempotency_key" in answer["details"][-1]["problem"]


def test_an_idempotency_key_gives_the_first_id_again_and_refuses_another_body(sluice):
    first = post(sluice, json.dumps(event("job:idem", idempotency_key="k1")))[2]
    again = post(sluice, json.dumps(event("job:idem", idempotency_key="k1")))[2]
    assert (first["accepted"], again["accepted"], again["duplicates"]) == (1, 0, 1)
    assert again["first_id"] == first["first_id"]
    other = event("job:idem", idempotency_key="k1", subject="other")
    status, _, answer = post(sluice, json.dumps(other))
    assert (status, answer["code"]) == (409, "idempotency_conflict")


def test_a_repeat_of_events_published_apart_names_the_ids_they_have(sluice):
    apart = [event(f"job:apart-{i}", idempotency_key=f"apart-{i}") for i in range(2)]
    first, _, last = (
        post(sluice, json.dumps(e))[2]["first_id"]
        for e in (apart[0], event("job:between"), apart[1])
    )
    answer = post(sluice, json.dumps(apart))[2]
    assert (answer["accepted"], answer["duplicates"]) == (0, 2)
    assert (answer["first_id"], answer["last_id"]) == (first, last)


def test_data_arrives_as_it_was_sent(sluice):
    text = (
        '{ "stream_key":"job:exact", "event_type":"x.any", "data": { "f" : 1.10, "e":1E2,\n'
        ' "big": 123456789012345678901234567890, "u": "\u2028\u2029\x7f \\u0000 \\n é 😀",'
        ' "a": [ ] } }'
    )
    with sluice.stream("job:exact", snapshot=0) as stream:
        stream.wait_open()
        assert post(sluice, text.encode())[0] == 202
        stream.wait_events(1)
        data = stream.named("x.any")[0].data
        assert '"f":1.10,"e":1E2,"big":123456789012345678901234567890' in data
        assert "\\u2028\\u2029\\u007f \\u0000 \\n é 😀" in data
        assert stream.events()[0]["data"]["u"] == "\u2028\u2029\x7f \0 \n é 😀"


def test_the_largest_event_passes_and_comes_whole(sluice):
    data = {"x": "é" * 24000}
    body = json.dumps(event("job:large", "x.any", data=data), ensure_ascii=False).encode()
    assert 48000 < len(body) <= 48 * 1024
    with sluice.stream("job:large", snapshot=0) as stream:
        stream.wait_open()
        assert post(sluice, body)[0] == 202
        assert stream.wait_events(1)[0]["data"] == data


# --- REST -----------------------------------------------------------------------------


def test_a_workflow_is_put_read_listed_and_deleted(sluice):
    node = {"id": "n1", "type": "deployment", "name": "web", "namespace": "prod"}
    body = {"cluster": "c1", "nodes": [node]}
    assert sluice.request("GET", "/api/v1/workflows/w1")[0] == 404
    assert sluice.request("PUT", "/api/v1/workflows/w1", body)[0] == 200
    status, _, answer = sluice.request("GET", "/api/v1/workflows/w1")
    assert status == 200 and answer["cluster"] == "c1" and answer["nodes"] == [node]
    listed = sluice.request("GET", "/api/v1/workflows")[2]["workflows"]
    assert "w1" in [w["id"] for w in listed]
    assert sluice.request("DELETE", "/api/v1/workflows/w1")[0] == 200
    assert sluice.request("GET", "/api/v1/workflows/w1")[0] == 404


@pytest.mark.parametrize(
    "body,paths",
    [
        ({}, {"cluster", "nodes"}),
        ({"cluster": "A B", "nodes": [3]}, {"cluster", "nodes[0]"}),
        (
            {"cluster": "c", "nodes": [{"id": 1, "type": "pod"}], "op": "x"},
            {"", "nodes[0].id", "nodes[0].name"},
        ),
        ({"cluster": "c", "nodes": [{}] * 501}, {"nodes"}),
    ],
)
def test_a_bad_workflow_lists_every_problem(sluice, body, paths):
    status, _, answer = sluice.request("PUT", "/api/v1/workflows/bad", body)
    assert status == 422 and {d["path"] for d in answer["details"]} == paths


@pytest.mark.parametrize("kind", ["text/plain", "application/jsonl", "application/json, text/html"])
def test_a_workflow_of_another_media_type_is_415(sluice, kind):
    body = json.dumps({"cluster": "c", "nodes": []})
    answer = sluice.request("PUT", "/api/v1/workflows/kind", body, {"Content-Type": kind})
    assert (answer[0], answer[2]["code"]) == (415, "unsupported_media_type")


def test_status_and_health_tell_the_truth(sluice):
    with sluice.stream("job:m") as stream:
        stream.wait_open()
        status = sluice.request("GET", "/api/v1/status")[2]
        assert status["gateway"]["ready"] and status["gateway"]["connections"]["streams"] == 1
        assert isinstance(status["store"], dict)
        assert sluice.request("GET", "/readyz")[0] == 200


def test_the_page_is_whole_and_lets_nothing_foreign_in(sluice):
    status, headers, text = sluice.request("GET", "/")
    policy = headers["Content-Security-Policy"]
    assert status == 200 and "default-src 'none'" in policy and "unsafe" not in policy
    assert "/app.js" in text and "/style.css" in text
    for name in os.listdir(f"{REPO}/gateway/page"):
        if name == "index.html":
            continue
        kind = {"js": "text/javascript", "css": "text/css"}[name.rsplit(".", 1)[1]]
        status, headers, body = sluice.request("GET", f"/{name}")
        assert status == 200 and headers["Content-Type"].startswith(kind)
        assert "innerHTML" not in body and "http://" not in body


def test_a_journal_in_memory_is_told_everywhere():
    told = "ok\njournal: in memory after a disk error; see sluicectl status\n"
    with Sluice() as sluice:
        assert sluice.request("GET", "/readyz")[2] == "ok\n"
        status = sluice.request("GET", "/api/v1/status")[2]
        assert status["journal"] == {"memory": False, "recycling": False}
        assert "sluice_journal_memory 0" in sluice.request("GET", "/metrics")[2].splitlines()
        # The write that passes 1 MiB fails; a memory segment has this limit as well.
        limit = f"--fsize={1 << 20}:"
        subprocess.run(["prlimit", f"--pid={sluice.pid('broker')}", limit], check=True)
        for _ in range(40):
            sluice.publish([event("job:large", "x.any", data={"x": "x" * 40000})])
        wait_until(lambda: sluice.request("GET", "/readyz")[2] == told, 10, "memory told")
        assert sluice.request("GET", "/readyz")[0] == 200
        assert sluice.request("GET", "/api/v1/status")[2]["journal"]["memory"] is True
        text = sluice.request("GET", "/metrics")[2]
        assert "# TYPE sluice_journal_memory gauge\nsluice_journal_memory 1\n" in text
        assert "# TYPE sluice_journal_recycling gauge\nsluice_journal_recycling 0\n" in text
        # The supervisor is told by another way than the gateway.
        wait_until(lambda: "free or repair the disk" in sluice.ctl("status"), 10, "the remedy")


def test_a_damaged_journal_is_named_by_the_gateway_that_cannot_read_it():
    with Sluice() as sluice:
        for _ in range(20):
            sluice.publish([event("job:large", "x.any", data={"x": "x" * 40000})])
        sluice.ctl("stop", "gateway/0")
        (name,) = glob.glob(f"{sluice.directory}/state/journal/*.seg")
        with open(name, "r+b") as segment:
            segment.seek(500000)
            segment.write(b"broken")
        sluice.ctl("start", "gateway/0")
        told = f"{name}: at offset "
        wait_until(lambda: told in sluice.ctl("status"), 20, "the place of the damage")
        sluice.wait_ready()
        wait_until(lambda: told not in sluice.ctl("status"), 10, "the damage given up")
        log = sluice.log()
        assert f"warning gateway/0: {told}" in log and "are lost: clients are told" in log


# --- neighbours away ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("in_time", IN_TIME)
def test_with_the_broker_stopped_streams_stay_and_publishing_says_503(in_time):
    conf = {"supervise": {"hang_timeout": "60s"}}
    with Sluice(conf) as sluice, sluice.stream("job:a") as stream:
        stream.wait_joined()
        sluice.publish([event()])
        stream.wait_events(1)
        pid = sluice.kill("broker", signal.SIGSTOP)
        try:
            begin = time.monotonic()
            status, headers, answer = post(sluice, json.dumps(event()))
            assert status == 503 and headers["Retry-After"], answer
            first = time.monotonic() - begin
            begin = time.monotonic()
            assert post(sluice, json.dumps(event()))[0] == 503
            second = time.monotonic() - begin
            assert first >= 2.5 and (not in_time or first <= 5), first
            # Who is next does not wait for it again.
            assert second < (1 if in_time else 2.5), second
            assert sluice.request("GET", "/readyz")[0] == 503
            wait_until(lambda: "nothing heard of the broker" in sluice.ctl("status"), 20, "told")
            stream.pump()
            assert stream.ended is None
        finally:
            os.kill(pid, signal.SIGCONT)
        wait_until(lambda: sluice.request("GET", "/readyz")[0] == 200, 10, "ready again")
        # The publisher hears of it with its next repeat, up to a second later.
        last = json.dumps(event(subject="last"))
        wait_until(lambda: post(sluice, last)[0] == 202, 10, "publishing again")
        # What was handed over before the 503 may come too: it was not dropped.
        stream.read_until(
            lambda s: any(e.get("subject") == "last" for e in s.events()), 10, "the last event"
        )
        seqs = [e["seq"] for e in stream.events()]
        assert seqs == list(range(1, len(seqs) + 1))
