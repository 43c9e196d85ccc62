"""Every error of the table in doc/contract.md: its status, its code, its body, its headers.

ERRORS reads like that table; a test compares the two, so that neither can have more than the other.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import struct
import time

import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.sluice import REPO, Sluice
from tests.bed.tokens import Issuer, bearer, conf

from .numbered import publish

STREAM = "/api/v1/streams?stream=job:a"
EVENTS = "/api/v1/events"
LOGS = "/api/v1/streams/job:a/logs"
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}
HOST = b"Host: localhost\r\n"
GET = b"GET /api/v1/status HTTP/1.1\r\n"


def event(key="job:a", **more):
    """A good event as a body, MORE laid upon it."""
    body = {"stream_key": key, "event_type": "x.n", "data": {}, **more}
    return json.dumps(body, ensure_ascii=False)


def rows(*events):
    """Events as an array."""
    return "[" + ",".join(events) + "]"


# 45,000 bytes as received, 90,000 as a data line.
LONG_LINE = event(data={"pad": "\u2028" * 15000}).encode()
LARGE = event(data={"pad": "p" * 49152})
TEXT = {"Content-Type": "text/plain"}

# status, code, what must be there (headers; behind a "/" the paths that details have, all of them,
# in this order), how: a request (method, path, headers, body) or bytes.
ERRORS = [
    (400, "bad_request", (), ("GET", "/api/v1/streams", {}, None)),
    (400, "bad_request", (), ("GET", f"{STREAM}&bogus=1", {}, None)),
    (400, "bad_request", (), ("GET", f"{STREAM}&timeout=-1", {}, None)),
    (400, "bad_request", ("/atomic",), ("POST", f"{EVENTS}?atomic=2", JSON, event())),
    (400, "bad_request", ("/",), ("POST", EVENTS, NDJSON, "\n\n")),
    (400, "bad_request", ("/",), ("POST", EVENTS, JSON, "[]")),
    (400, "bad_request", ("/",), ("POST", EVENTS, BATCH, event())),
    (400, "bad_request", ("/",), ("POST", LOGS, TEXT, "")),
    (400, "bad_request", ("/stream",), ("POST", f"{LOGS}?stream=in", TEXT, "a")),
    (400, "bad_request", ("/level",), ("POST", f"{LOGS}?level=", TEXT, "a")),
    (400, "bad_request", ("/step_index",), ("POST", f"{LOGS}?step_index=-1", TEXT, "a")),
    (400, "bad_request", ("/X-Log-Offset",), ("POST", LOGS, {**TEXT, "X-Log-Offset": "0"}, "a")),
    (400, "invalid_id", ("/key",), ("POST", LOGS.replace("job:a", "job:"), TEXT, "a")),
    (404, "not_found", ("/key",), ("POST", LOGS.replace("job:a", "cluster:a"), TEXT, "a")),
    (400, "invalid_id", (), ("GET", "/api/v1/streams?stream=nope:a", {}, None)),
    (400, "invalid_id", (), ("GET", "/api/v1/orchestrator/stream/jobs/a%20b", {}, None)),
    (400, "invalid_id", (), ("GET", "/api/v1/workflows/a%20b", {}, None)),
    (400, "invalid_cursor", (), ("GET", STREAM, {"Last-Event-ID": "12"}, None)),
    (400, "invalid_cursor", (), ("GET", f"{STREAM}&last_event_id=0000000A-1", {}, None)),
    (400, "invalid_json", ("/",), ("POST", EVENTS, JSON, '{"a":')),
    (400, "invalid_json", ("/[1]",), ("POST", EVENTS, NDJSON, event() + "\n{]\n")),
    (
        400,
        "invalid_json",
        ("/[0].data", "/[2]"),
        ("POST", EVENTS, NDJSON, f"{event(data=None)}\n{event()}\n{{]\n{event()}"),
    ),
    (400, "invalid_json", ("/[1]",), ("POST", LOGS, NDJSON, '{"line":"a"}\n{"line"\n')),
    (400, "invalid_json", (), ("PUT", "/api/v1/workflows/w", JSON, "{")),
    (400, "bad_request", (), GET + b"\r\n"),
    (400, "bad_request", (), GET + HOST + HOST + b"\r\n"),
    (400, "bad_request", (), b"GET / HTTP/1.1\nHost: localhost\n\n"),
    (417, "expectation_failed", (), GET + HOST + b"Expect: a-miracle\r\n\r\n"),
    (403, "forbidden_host", (), ("GET", "/", {"Host": "evil.example"}, None)),
    (403, "forbidden_origin", (), ("POST", EVENTS, {"Origin": "https://evil.example"}, event())),
    (404, "not_found", (), ("GET", "/nothing/here", {}, None)),
    # A path has one spelling: a balancer that keeps it to itself knows no other.
    (404, "not_found", (), ("GET", "/metrics/", {}, None)),
    (404, "not_found", (), ("GET", "/%6detrics", {}, None)),
    (404, "not_found", (), ("GET", "/api/v1/%73treams?stream=job:none", {}, None)),
    (404, "not_found", (), ("GET", "/api/v1/streams/?stream=job:none", {}, None)),
    (404, "not_found", (), ("GET", "/api/v1/workflows/unknown", {}, None)),
    (404, "not_found", (), ("GET", "/api/v1/streams?stream=job:none&must_exist=1", {}, None)),
    (405, "method_not_allowed", ("Allow",), ("DELETE", EVENTS, {}, None)),
    (405, "method_not_allowed", ("Allow",), ("BREW", "/", {}, None)),
    (406, "not_acceptable", (), ("GET", STREAM, {"Accept": "application/json"}, None)),
    (505, "http_version", (), b"GET " + STREAM.encode() + b" HTTP/1.0\r\n" + HOST + b"\r\n"),
    (505, "http_version", (), b"GET / HTTP/2.0\r\n" + HOST + b"\r\n"),
    (409, "cursor_ahead", (), ("GET", f"{STREAM}&strict=1", {"Last-Event-ID": "@ahead"}, None)),
    (410, "epoch_changed", (), ("GET", f"{STREAM}&strict=1&last_event_id=00000001-1", {}, None)),
    (413, "too_large", ("/",), ("POST", EVENTS, JSON, LARGE)),
    (413, "too_large", ("/",), ("POST", EVENTS, JSON, LONG_LINE)),
    (413, "too_large", ("/[1]",), ("POST", f"{EVENTS}?atomic=0", JSON, rows(event(), LARGE))),
    (
        413,
        "too_large",
        ("/[0].version", "/[1]", "/[3]", "/[4].data"),
        (
            "POST",
            EVENTS,
            JSON,
            rows(event(version=0), LARGE, event(), LARGE, event(data=None)),
        ),
    ),
    (413, "too_large", ("/[1000]",), ("POST", EVENTS, NDJSON, (event() + "\n") * 1001)),
    (413, "too_large", ("/[1000]",), ("POST", LOGS, TEXT, "\n" * 1001)),
    (413, "too_large", (), ("POST", EVENTS, NDJSON, (event() + "\n") * 20000)),
    (414, "target_too_long", (), ("GET", "/" + "a" * 8192, {}, None)),
    (431, "head_too_large", (), GET + HOST + b"X: " + b"a" * 16384 + b"\r\n\r\n"),
    (431, "head_too_large", (), GET + HOST + b"X: a\r\n" * 101 + b"\r\n"),
    (415, "unsupported_media_type", ("/Content-Type",), ("POST", EVENTS, TEXT, "x")),
    (415, "unsupported_media_type", ("/Content-Type",), ("POST", LOGS, JSON, '{"line":"a"}')),
    (415, "unsupported_media_type", (), ("PUT", "/api/v1/workflows/w", {}, "{}")),
    (422, "schema_violation", ("/data",), ("POST", EVENTS, JSON, event(data=None))),
    (
        422,
        "schema_violation",
        ("/[0].data", "/[2].timestamp", "/[2].version"),
        (
            "POST",
            EVENTS,
            JSON,
            rows(event(data=None), event(), event(version=0, timestamp="soon")),
        ),
    ),
    (422, "schema_violation", ("/[1].line",), ("POST", LOGS, NDJSON, '{"line":"a"}\n{}\n')),
    (
        422,
        "schema_violation",
        ("/cluster", "/nodes"),
        ("PUT", "/api/v1/workflows/w", JSON, "{}"),
    ),
]

# Those that need something to have happened: each has its own test below.
STAGED = {
    (401, "unauthorized"),
    (401, "invalid_token"),
    (403, "forbidden"),
    (409, "idempotency_conflict"),
    (410, "evicted"),
    (429, "overloaded"),
    (503, "broker_unavailable"),
    (503, "store_unavailable"),
    (503, "draining"),
    (503, "not_ready"),
    (503, "too_many_streams"),
    # By a subject that was revoked, a full file of them, and a gateway that hangs.
    (401, "token_revoked"),
    (503, "too_many_revocations"),
    (503, "gateway_unavailable"),
    # Of logs: in test_gateway_logs.
    (409, "log_offset"),
    (409, "log_attempt"),
    # Of state machines: in test_lifecycle.
    (409, "illegal_transition"),
    (409, "stream_ended"),
    (409, "too_many_steps"),
    # After a million steps: in the unit test test_publish_machines, with room for fewer.
    (503, "no_room_for_steps"),
    # After 65 guards lost in a row: in the unit test test_publish_unit.
    (503, "machine_busy"),
}


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice() as running:
        running.publish([json.loads(event())])
        yield running


def check(answer, status, code, wanted=()):
    """ANSWER (status, headers, body) is that error, in the form that every error has.

    WANTED: as in ERRORS.
    """
    got, headers, body = answer
    assert (got, body["code"]) == (status, code), body
    assert headers["Content-Type"] == "application/json"
    assert body["error"] and isinstance(body["error"], str)
    assert re.fullmatch("[0-9a-f]{16}", body["trace_id"])
    assert set(body) - {"details"} == {"error", "code", "trace_id"}
    details = body.get("details", [])
    for problem in details:
        assert set(problem) - {"code"} == {"path", "problem"} and problem["problem"]
    assert [problem["path"] for problem in details] == [w[1:] for w in wanted if w[0] == "/"]
    # Of several events that are wrong in their own ways the answer has the code of one.
    codes = {problem["code"] for problem in details if "code" in problem}
    assert not codes or code in codes
    for name in wanted:
        assert name[0] == "/" or headers[name], name
    assert ("Retry-After" in headers) == (status in (429, 503))


def raw(port, data):
    """The answer to bytes on a connection of their own."""
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.settimeout(deadline(20))
        sock.sendall(data)
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        return answer.status, dict(answer.headers), json.loads(answer.read())


@contextlib.contextmanager
def nothing_appended(sluice, head=None):
    """What is done within leaves no event, of no stream."""

    def mark():
        mark = {"stream_key": "workflow:mark", "event_type": "x.mark", "data": {}}
        status, _, answer = sluice.request("POST", EVENTS, mark, head)
        assert status == 202, answer
        epoch, _, position = answer["last_id"].partition("-")
        return epoch, int(position)

    epoch, before = mark()
    yield
    assert mark() == (epoch, before + 1)


@pytest.mark.parametrize("status,code,wanted,how", ERRORS)
def test_an_error_has_its_status_code_and_body(sluice, status, code, wanted, how):
    if isinstance(how, bytes):
        answer = raw(sluice.port, how)
        # What stands behind a request that could not be read cannot be read either.
        assert answer[1].get("Connection") == "close" or b"HTTP/1.0" in how
    else:
        method, path, headers, body = how
        headers = dict(headers)
        if headers.get("Last-Event-ID") == "@ahead":
            epoch = sluice.publish([json.loads(event())])["last_id"].partition("-")[0]
            headers["Last-Event-ID"] = f"{epoch}-999999"
        with nothing_appended(sluice):
            answer = sluice.request(method, path, body, headers)
    check(answer, status, code, wanted)


def test_the_table_of_the_contract_is_this_one():
    with open(f"{REPO}/doc/contract.md", encoding="utf-8") as file:
        table = file.read().partition("| problem | answer and `code` |")[2].partition("\n\n")[0]
    documented = set()
    for row in table.splitlines()[2:]:
        status = None
        for number, code in re.findall(r"\b([45]\d\d)\b|`(\w+)`", row.rpartition(" | ")[2]):
            status = int(number) if number else status
            documented |= {(status, code)} if code else set()
    assert documented == {(status, code) for status, code, _, _ in ERRORS} | STAGED
    assert len(documented) >= 25


# --- what must have happened -------------------------------------------------------------


def test_a_token_that_is_missing_bad_or_not_enough(tmp_path):
    issuer, keys = Issuer(), str(tmp_path / "jwks.json")
    issuer.write(keys)
    with Sluice(conf(keys)) as sluice:

        def ask(token):
            return sluice.request("GET", STREAM, headers=bearer(token) if token else {})

        check(ask(None), 401, "unauthorized", ("WWW-Authenticate",))
        old = issuer.grants(["*"], exp=1)
        for token in ("nonsense", old):
            check(ask(token), 401, "invalid_token", ("WWW-Authenticate",))
        few = issuer.grants(["job:b"])
        check(ask(few), 403, "forbidden", ("WWW-Authenticate",))
        marks = bearer(issuer.grants([], ["workflow:mark"]))
        some = bearer(issuer.grants([], ["job:b"]))
        for head, body, paths in (
            (bearer(few), event(), ()),
            (some, event(), ("/stream_key",)),
            (some, rows(event("job:b"), event()), ("/[1].stream_key",)),
        ):
            with nothing_appended(sluice, marks):
                answer = sluice.request("POST", EVENTS, body, {**JSON, **head})
            check(answer, 403, "forbidden", ("WWW-Authenticate", *paths))
            with nothing_appended(sluice, marks):
                answer = sluice.request("POST", LOGS, "a", {**TEXT, **head})
            check(answer, 403, "forbidden", ("WWW-Authenticate",))


def test_a_revoked_subject_and_one_too_many(tmp_path):
    issuer, keys = Issuer(), str(tmp_path / "jwks.json")
    issuer.write(keys)
    with Sluice(conf(keys)) as sluice:
        admin = bearer(issuer.grants(admin=True, sub="admin"))
        eve = bearer(issuer.grants(["*"], sub="eve"))

        def revoke(subject):
            path = f"/api/v1/connections?subject={subject}"
            return sluice.request("DELETE", path, headers=admin)

        assert revoke("eve")[0] == 200
        answer = sluice.request("GET", STREAM, headers=eve)
        check(answer, 401, "token_revoked", ("WWW-Authenticate",))
        # As if others had been since: a file of places, each a key and a time.
        path = f"{sluice.conf['state_directory']}/revoked"
        with open(path, "r+b") as file:
            head, changes, used = struct.unpack("<QQQ", file.read(24))
            assert used == 1
            file.seek(0)
            file.write(struct.pack("<QQQ", head, changes, 4096))
            file.seek(24 + used * 24)
            now = int(time.time() * 1000)
            file.write(b"".join(struct.pack("<16sq", b"%16d" % n, now) for n in range(1, 4096)))
        check(revoke("mallory"), 503, "too_many_revocations", ("Retry-After",))
        assert revoke("eve")[0] == 200


def test_another_body_under_the_same_key_is_a_conflict(sluice):
    assert sluice.request("POST", EVENTS, event(idempotency_key="k"), JSON)[0] == 202
    other = event(idempotency_key="k", subject="b")
    with nothing_appended(sluice):
        again = sluice.request("POST", EVENTS, other, JSON)
        check(again, 409, "idempotency_conflict", ("/idempotency_key",))
        again = sluice.request("POST", EVENTS, rows(event(), event(), other, event()), JSON)
        check(again, 409, "idempotency_conflict", ("/[2].idempotency_key",))


def test_a_strict_cursor_that_left_the_journal_is_gone():
    small = {"journal": {"size": "8MiB", "segment": "2MiB"}, "gateway": {"ring": "256KiB"}}
    with Sluice(small) as sluice:
        first = sluice.publish([json.loads(event())])["first_id"]

        def evicted():
            publish(sluice, "job:a", 0, 4000, size=1000)
            answer = sluice.request("GET", f"{STREAM}&strict=1&last_event_id={first}&timeout=1s")
            return answer if answer[0] == 410 else None

        check(wait_until(evicted, 30, "the journal let go of it"), 410, "evicted")


def test_over_the_limit_of_connections_the_api_says_so():
    with Sluice({"gateway": {"max_connections": 2}}) as sluice, contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(sluice.stream("job:a")).wait_open()
        answer = sluice.request("GET", "/api/v1/status")
        check(answer, 429, "overloaded", ("Retry-After",))
        assert answer[1]["Connection"] == "close"
        # But who would end what is too much gets through.
        path = "/api/v1/connections"
        status, head, page = sluice.request("GET", path)
        assert (status, head["Connection"]) == (200, "close")
        end = f"{path}/{page['connections'][0]['id']}"
        assert len(page["connections"]) == 2 and sluice.request("DELETE", end)[0] == 200


@pytest.mark.slow
def test_neighbours_that_are_away_are_named():
    with Sluice({"supervise": {"hang_timeout": "60s"}}) as sluice:
        pids = [sluice.kill(name, signal.SIGSTOP) for name in ("broker", "store")]
        try:
            answer = sluice.request("POST", EVENTS, event(), JSON)
            check(answer, 503, "broker_unavailable", ("Retry-After",))
            answer = sluice.request("GET", "/api/v1/clusters")
            check(answer, 503, "store_unavailable", ("Retry-After",))
            check(sluice.request("GET", "/readyz"), 503, "not_ready", ("Retry-After",))
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


def test_more_streams_than_the_journal_may_have_are_refused():
    with Sluice({"journal": {"max_streams": 1000}}) as sluice:
        lines = "\n".join(event(f"job:{n}") for n in range(1000))
        assert sluice.request("POST", EVENTS, lines, NDJSON)[0] == 202
        answer = sluice.request("POST", EVENTS, event("job:more"), JSON)
        check(answer, 503, "too_many_streams", ("Retry-After", "/"))
        answer = sluice.request("POST", EVENTS, rows(event("job:1"), event("job:more")), JSON)
        check(answer, 503, "too_many_streams", ("Retry-After", "/[1]"))


def test_a_request_that_arrives_while_the_gateway_stops_is_told_so():
    with Sluice() as sluice:
        told = wait_until(lambda: told_at_the_stop(sluice), 90, "it stopped before it was asked")
        check(told, 503, "draining", ("Retry-After",))
        assert told[1]["Connection"] == "close"


def told_at_the_stop(sluice):
    """What is answered to a request whose rest comes after SIGTERM.

    None if this machine took longer for that than the gateway waits: two seconds for its end,
    five for a head.
    """
    with socket.create_connection(("127.0.0.1", sluice.port), 10) as sock:
        sock.settimeout(deadline(20))
        before = sluice.log().count("draining: ")
        asked = time.monotonic()
        # Half a request is under way: the gateway waits for the rest of it.
        sock.sendall(GET)
        wait_until(lambda: reading(sluice) >= 2, 10, "the gateway has it")
        stopped = time.monotonic()
        pid = sluice.kill("gateway/0", signal.SIGTERM)
        wait_until(lambda: sluice.log().count("draining: ") > before, 10, "it drains")
        try:
            sock.sendall(HOST + b"\r\n")
            answer = http.client.HTTPResponse(sock)
            answer.begin()
            return answer.status, dict(answer.headers), json.loads(answer.read())
        except ConnectionError:
            ended = time.monotonic()
            assert ended - stopped > 2 or ended - asked > 5, "it did not wait"
    sluice.wait_restarted("gateway/0", pid)
    return None


def reading(sluice):
    """How many connections the gateway reads from, this one included."""
    text = sluice.request("GET", "/metrics")[2]
    return int(text.split('connections{state="reading"} ')[1].split()[0])
