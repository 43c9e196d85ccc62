"""Errors of doc/contract.md for which something must have happened, as test_gateway_errors asks."""

import contextlib
import http.client
import json
import os
import signal
import socket
import struct
import time

import pytest

from tests.bed.hooked import Hooked
from tests.bed.net import deadline, wait_until
from tests.bed.sluice import Sluice
from tests.bed.tokens import Issuer, bearer, conf

from .errors import EVENTS, JSON, NDJSON, TEXT, check, event, nothing_appended, rows
from .half_sent import wait_half_read
from .lifecycle import Publisher, job, step
from .numbered import publish

STREAM = "/api/v1/streams?stream=job:a"
LOGS = "/api/v1/streams/job:a/logs"
HOST = b"Host: localhost\r\n"
GET = b"GET /api/v1/status HTTP/1.1\r\n"


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
            place = ("/key",) if paths else ()
            check(answer, 403, "forbidden", ("WWW-Authenticate", *place))


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


def test_another_body_under_the_same_key_is_a_conflict():
    with Sluice() as sluice:
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


def steps_of(key, first, end):
    """The steps FIRST to END of a pack run, all pending."""
    return [step(key, n, "pending", step_count=n + 1) for n in range(first, end)]


def refused_apart(sluice, *events):
    """[(path, code)] of those of EVENTS that are refused where each stands for itself."""
    status, _, answer = sluice.request("POST", f"{EVENTS}?atomic=0", list(events))
    assert status == 202 and answer["accepted"] + answer["refused"] == len(events), answer
    return [(problem["path"], problem["code"]) for problem in answer["details"]]


def test_a_pack_run_has_so_many_steps_and_no_more():
    key = "pack-run:many"
    with Sluice() as sluice:
        # A request has a thousand events at most.
        for first, end in ((0, 1000), (1000, 1024)):
            assert sluice.publish(steps_of(key, first, end))["accepted"] == end - first
        (more,) = steps_of(key, 1024, 1025)
        known = step(key, 1023, "running", "pending", step_count=1024)
        with nothing_appended(sluice):
            for batch, place in ((more, "/"), ([known, more], "/[1]")):
                answer = sluice.request("POST", EVENTS, batch)
                check(answer, 409, "too_many_steps", (place,))
        # What is there goes on, and another pack run has steps of its own.
        others = [known, *steps_of("pack-run:other", 0, 1)]
        assert refused_apart(sluice, more, *others) == [("[0]", "too_many_steps")]


def test_more_steps_than_there_is_room_for_are_refused():
    sluice = Hooked()
    sluice.env["SLUICE_TEST_STEPS"] = "2"
    with sluice:
        sluice.publish([*steps_of("pack-run:a", 0, 1), *steps_of("pack-run:b", 0, 1)])
        (more,) = steps_of("pack-run:c", 0, 1)
        known = step("pack-run:a", 0, "running", "pending")
        with nothing_appended(sluice):
            for batch, place in ((more, "/"), ([known, more], "/[1]")):
                answer = sluice.request("POST", EVENTS, batch)
                check(answer, 503, "no_room_for_steps", ("Retry-After", place))
        assert refused_apart(sluice, more, known) == [("[0]", "no_room_for_steps")]


def test_who_loses_to_other_publishers_all_the_time_is_told_so():
    sluice = Hooked()
    sluice.env["SLUICE_TEST_BUG"] = "guards-lost"
    with sluice, contextlib.closing(Publisher(sluice)) as publisher:
        lost = publisher.figure("guards_lost_total")
        mine, other = job("job:contested", "queued"), json.loads(event())
        with nothing_appended(sluice):
            for batch, place in ((mine, "/"), ([other, mine], "/[1]")):
                answer = sluice.request("POST", EVENTS, batch)
                check(answer, 503, "machine_busy", ("Retry-After", place))
                # As often as it is tried again, and the first time.
                lost += 65
                assert publisher.figure("guards_lost_total") == lost
        # What stands behind it is not taken either, or the order would be another.
        found = refused_apart(sluice, other, mine, other)
        assert found == [("[1]", "machine_busy"), ("[2]", "broker_unavailable")]


@pytest.mark.slow
def test_who_loses_the_next_line_to_others_all_the_time_is_told_so():
    """Tried again for ten seconds."""
    sluice = Hooked()
    sluice.env["SLUICE_TEST_BUG"] = "places-lost"
    with sluice:
        begin = time.monotonic()
        with nothing_appended(sluice):
            answer = sluice.request("POST", LOGS, "a\nb", TEXT)
            check(answer, 503, "log_busy", ("Retry-After",))
        assert time.monotonic() - begin > 10
        # Who says which line it is does not race for it.
        answer = sluice.request("POST", LOGS, "a\nb", {**TEXT, "X-Log-Offset": "1"})
        assert (answer[0], answer[2]["next_offset"]) == (202, 3)


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
        wait_half_read(sluice)
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
