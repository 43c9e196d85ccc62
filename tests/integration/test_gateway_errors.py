"""Every error of the table in doc/contract.md: its status, its code, its body, its headers.

ERRORS and STAGED read like that table; a test compares them, so that neither can have more than the
other.
"""

import http.client
import importlib
import inspect
import json
import re
import socket
import time

import pytest

from tests.bed.net import deadline
from tests.bed.sluice import REPO, Sluice

from .errors import EVENTS, JSON, NDJSON, TEXT, check, event, nothing_appended, rows

STREAM = "/api/v1/streams?stream=job:a"
NONE = "/api/v1/streams?stream=job:none"
LOGS = "/api/v1/streams/job:a/logs"
BATCH = {"Content-Type": "application/cloudevents-batch+json"}
HOST = b"Host: localhost\r\n"
GET = b"GET /api/v1/status HTTP/1.1\r\n"

# 45,000 bytes as received, 90,000 as a data line.
LONG_LINE = event(data={"pad": "\u2028" * 15000}).encode()
LARGE = event(data={"pad": "p" * 49152})

# status, code, what must be there (as check() has it), how: a request (method, path, headers, body)
# or bytes.
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
    (404, "not_found", (), ("GET", f"{NONE}&must_exist=1&timeout=1s", {}, None)),
    (404, "no_history", (), ("GET", "/api/v1/streams/watcher:c/events", {}, None)),
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

# Those that need something to have happened, and the test that makes it happen and checks them.
_HERE = "test_gateway_errors_staged::test_"
STAGED = {
    (401, "unauthorized"): _HERE + "a_token_that_is_missing_bad_or_not_enough",
    (401, "invalid_token"): _HERE + "a_token_that_is_missing_bad_or_not_enough",
    (403, "forbidden"): _HERE + "a_token_that_is_missing_bad_or_not_enough",
    (401, "token_revoked"): _HERE + "a_revoked_subject_and_one_too_many",
    (503, "too_many_revocations"): _HERE + "a_revoked_subject_and_one_too_many",
    (409, "idempotency_conflict"): _HERE + "another_body_under_the_same_key_is_a_conflict",
    (410, "evicted"): _HERE + "a_strict_cursor_that_left_the_journal_is_gone",
    (429, "overloaded"): _HERE + "over_the_limit_of_connections_the_api_says_so",
    (503, "broker_unavailable"): _HERE + "neighbours_that_are_away_are_named",
    (503, "store_unavailable"): _HERE + "neighbours_that_are_away_are_named",
    (503, "not_ready"): _HERE + "neighbours_that_are_away_are_named",
    (503, "draining"): _HERE + "a_request_that_arrives_while_the_gateway_stops_is_told_so",
    (503, "too_many_streams"): _HERE + "more_streams_than_the_journal_may_have_are_refused",
    (409, "too_many_steps"): _HERE + "a_pack_run_has_so_many_steps_and_no_more",
    (503, "no_room_for_steps"): _HERE + "more_steps_than_there_is_room_for_are_refused",
    (503, "machine_busy"): _HERE + "who_loses_to_other_publishers_all_the_time_is_told_so",
    (503, "log_busy"): _HERE + "who_loses_the_next_line_to_others_all_the_time_is_told_so",
    (503, "gateway_unavailable"): (
        "test_gateway_connections::test_a_gateway_that_hangs_is_named_and_the_rest_is_told"
    ),
    (409, "log_offset"): "test_gateway_logs::test_an_offset_that_is_not_the_next_takes_nothing",
    (409, "log_attempt"): (
        "test_gateway_logs::test_attempts_too_long_ago_are_not_counted_any_more"
    ),
    (409, "illegal_transition"): (
        "test_lifecycle::test_an_illegal_transition_is_refused_with_the_current_state"
    ),
    (409, "stream_ended"): "test_lifecycle::test_the_end_is_final_and_its_repeat_is_not_an_error",
}


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice() as running:
        running.publish([json.loads(event())])
        yield running


def raw(port, data):
    """The answer to bytes on a connection of their own."""
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.settimeout(deadline(20))
        sock.sendall(data)
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        return answer.status, dict(answer.headers), json.loads(answer.read())


def answer_in_time(sluice, *request):
    """The answer; the next one where a stream opened because the store was silent for 1.5 s."""
    for _ in range(2):
        begin = time.monotonic()
        answer = sluice.request(*request)
        # It ends after a second without an event.
        if answer[0] != 200 or time.monotonic() - begin < 2.4:
            break
    return answer


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
            answer = answer_in_time(sluice, method, path, body, headers)
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
    assert documented == {(status, code) for status, code, _, _ in ERRORS} | set(STAGED)
    assert len(documented) >= 25


@pytest.mark.parametrize("status,code", STAGED)
def test_what_must_have_happened_has_a_test_that_checks_it(status, code):
    module, _, name = STAGED[status, code].partition("::")
    test = getattr(importlib.import_module(f".{module}", __package__), name)
    # By the one check() there is, which looks at everything that an error has.
    assert test.__globals__["check"] is check
    # Of an answer: a request, or the name of one.
    called = rf'\bcheck\([^,\n]*(\([^\n]*\))?, {status}, "{code}"'
    assert re.search(called, inspect.getsource(test)), f"{name} checks no {status} {code}"
