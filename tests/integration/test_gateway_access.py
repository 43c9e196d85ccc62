"""auth: jwt over a real gateway: who is let in, to what, and for how long."""

import http.client
import json
import os
import socket
import time

import jwt
import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.tokens import (
    AUDIENCE,
    ISSUER,
    SECRET,
    Issuer,
    bearer,
    handmade,
)

from .guarded import ADMIN, Guarded, answers, refusal, ticket_of
from .numbered import events


@pytest.fixture(name="guarded", scope="module")
def _guarded():
    with Guarded() as running:
        yield running


# --- what is let in ----------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256"])
def test_a_token_of_each_algorithm_is_taken(guarded, algorithm):
    token = guarded.issuer.token(algorithm, sluice=ADMIN)
    status, _, body = guarded.get("/api/v1/status", token)
    assert status == 200 and body["gateway"]["ready"]


def test_without_a_token_only_what_tells_nothing_is_answered(guarded):
    for path in ("/healthz", "/readyz", "/metrics", "/", "/app.js", "/style.css"):
        assert guarded.get(path)[0] == 200, path
    paths = ["status", "clusters", "workflows", "workflows/x", "streams?stream=job:a"]
    for path in [f"/api/v1/{path}" for path in paths] + ["/api/v1/orchestrator/stream/jobs/a"]:
        status, headers, body = guarded.get(path)
        assert (status, body["code"]) == (401, "unauthorized"), path
        assert headers["WWW-Authenticate"] == 'Bearer realm="sluice"'
    status, headers, body = guarded.sluice.request("POST", "/api/v1/events", {"x": 1})
    assert (status, body["code"]) == (401, "unauthorized")


def test_what_is_missing_is_named_with_the_ways_to_give_it(guarded):
    assert "ticket" not in guarded.get("/api/v1/status")[2]["error"]
    text = guarded.get("/api/v1/streams?stream=job:a")[2]["error"]
    for part in ("Bearer", "POST /api/v1/tickets", "cookie sluice_token"):
        assert part in text
    token = guarded.issuer.grants(["*"])
    status, _, body = guarded.get("/api/v1/streams?stream=job:a&token=x", token)
    assert status == 400 and body["error"].endswith("last_event_id, ticket")


def test_with_a_token_any_host_and_origin_will_do(guarded):
    token = guarded.issuer.token(sluice=ADMIN)
    head = {"Host": "events.example:443", "Origin": "https://page.example"}
    assert guarded.get("/api/v1/status", token, head)[0] == 200
    rows = events("job:hosts", 0, 1)
    body = json.dumps(rows[0])
    more = {**head, **bearer(token), "Content-Type": "application/json"}
    assert guarded.sluice.request("POST", "/api/v1/events", body, more)[0] == 202


def test_a_preflight_needs_no_token(guarded):
    assert guarded.sluice.request("OPTIONS", "/api/v1/streams")[0] == 204


def test_a_cookie_opens_a_stream_and_nothing_else(guarded):
    token = guarded.issuer.grants(["job:*"], ["job:*"], admin=True)
    head = {"Cookie": f"a=b; sluice_token={token}; c=d"}
    with guarded.stream(None, "job:cookie", headers=head) as stream:
        stream.wait_open()
    assert guarded.get("/api/v1/status", headers=head)[0] == 401
    assert guarded.sluice.request("POST", "/api/v1/events", {}, head)[0] == 401
    # A bad bearer is not made good by the cookie beside it.
    with guarded.stream(None, "job:cookie", headers={**head, **bearer("x.y.z")}) as stream:
        assert refusal(stream)[0] == 401


# --- what is not -------------------------------------------------------------------------


def payload(issuer, **claims):
    """Good claims of an admin as bytes."""
    return json.dumps(issuer.claims(sluice=ADMIN, **claims)).encode()


def forged(issuer):
    """{what is wrong: a token} that must be refused."""
    good = issuer.token(sluice=ADMIN)
    head, body, signature = good.split(".")
    now = time.time()
    whole = payload(issuer)
    twice = whole[:-1] + b', "sluice": {"tenant": "other", "admin": true}}'
    other = Issuer()

    def hs(head, body=whole, key=SECRET):
        return handmade(head, body, key)

    return {
        "alg none": jwt.encode(issuer.claims(sluice=ADMIN), None, "none", headers={"kid": "es"}),
        "alg none, signed": hs(b'{"alg":"none","kid":"hs"}'),
        "alg None": hs(b'{"alg":"None","kid":"hs"}'),
        "no alg": hs(b'{"kid":"hs"}'),
        "HS256 with the public RSA key": hs(b'{"alg":"HS256","kid":"rs"}', key=issuer.public_pem()),
        "HS256 with it and no kid": hs(b'{"alg":"HS256"}', key=issuer.public_pem()),
        "RS256 of the secret's name": hs(b'{"alg":"RS256","kid":"hs"}'),
        "HS512": issuer.token("HS256").replace(".", "x.", 1),
        "another's key": other.token(sluice=ADMIN),
        "no exp": issuer.token(sluice=ADMIN, exp=None),
        "exp is a text": issuer.token("HS256", sluice=ADMIN, exp=None, iat=now, nbf=0, x="exp"),
        "expired by 1 s": issuer.token(sluice=ADMIN, exp=int(now) - 1),
        "expires now": issuer.token(sluice=ADMIN, exp=int(now)),
        "nbf ahead": issuer.token(sluice=ADMIN, nbf=int(now) + 60),
        "wrong aud": issuer.token(sluice=ADMIN, aud="other"),
        "aud with more": issuer.token(sluice=ADMIN, aud=AUDIENCE + "x"),
        "no aud": issuer.token(sluice=ADMIN, aud=None),
        "wrong iss": issuer.token(sluice=ADMIN, iss=ISSUER + "/"),
        "no iss": issuer.token(sluice=ADMIN, iss=None),
        "kid is a path": hs(b'{"alg":"HS256","kid":"../../../dev/null"}', key=b""),
        "kid is a query": hs(b'{"alg":"HS256","kid":"hs\' OR 1=1"}'),
        "kid is a number": hs(b'{"alg":"HS256","kid":1}'),
        "its own key": hs(
            b'{"alg":"HS256","jwk":{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}',
            key=bytes(32),
        ),
        "crit": hs(b'{"alg":"HS256","kid":"hs","crit":["exp"]}'),
        "claims twice": hs(b'{"alg":"HS256","kid":"hs"}', twice),
        "alg twice": hs(b'{"alg":"none","alg":"HS256","kid":"hs"}'),
        "claims are a list": hs(b'{"alg":"HS256","kid":"hs"}', b"[" + whole + b"]"),
        "deep claims": hs(b'{"alg":"HS256","kid":"hs"}', b"[" * 4000),
        "invalid UTF-8": hs(b'{"alg":"HS256","kid":"hs"}', b'{"sub":"\xff"}'),
        "huge": issuer.token(sluice=ADMIN, pad="x" * 9000),
        "four parts": f"{good}.{signature}",
        "two parts": f"{head}.{body}",
        "no signature": f"{head}.{body}.",
        "padded": good + "=",
        "another body": f"{head}.{issuer.token(sluice=ADMIN, sub='x').split('.')[1]}.{signature}",
        "a wild grant": issuer.grants(["job*"], admin=True),
        "admin is a text": issuer.token(sluice={"admin": "true"}),
        "empty": "",
    }


def test_every_forged_or_stale_token_is_refused(guarded):
    before = metric(guarded, 'auth_failures_total{reason="invalid"}')
    tokens = forged(guarded.issuer)
    for what, token in tokens.items():
        status, headers, body = guarded.get("/api/v1/status", token)
        if what == "huge":
            # It is longer than a token may be, not than a head may be.
            assert len(token) > 8192
        assert (status, body["code"]) == (401, "invalid_token"), (what, status, body)
        assert headers["WWW-Authenticate"] == 'Bearer realm="sluice", error="invalid_token"'
        with guarded.stream(token, "job:a") as stream:
            assert refusal(stream)[0] == 401, what
        assert guarded.post(token, events("job:a", 0, 1))[0] == 401, what
    after = metric(guarded, 'auth_failures_total{reason="invalid"}')
    assert after - before == 3 * len(tokens)


@pytest.mark.parametrize("field", ["Basic YTpi", "Bearer", "Bearer ", "bearerx", "Token x.y.z", ""])
def test_another_way_to_prove_it_is_refused(guarded, field):
    status, _, body = guarded.get("/api/v1/status", headers={"Authorization": field})
    assert (status, body["code"]) == (401, "invalid_token")


def metric(guarded, name):
    """One figure of /metrics."""
    text = guarded.get("/metrics")[2]
    return int(text.split(f"\nsluice_gateway_{name} ")[1].split()[0])


def test_no_part_of_a_token_is_told_or_logged():
    with Guarded() as guarded:
        tokens = list(forged(guarded.issuer).values()) + [guarded.issuer.token(sluice=ADMIN)]
        told = ""
        for token in tokens:
            told += json.dumps(guarded.get("/api/v1/status", token)[2])
            with guarded.stream(token, "job:a") as stream:
                refusal(stream)
        said = told + guarded.sluice.log()
        for token in tokens:
            for part in token.split("."):
                assert len(part) < 16 or part not in said


def raw(guarded, *requests):
    """What comes back, until the service ends the connection, for bytes sent as they are."""
    with socket.create_connection(("127.0.0.1", guarded.sluice.port), timeout=deadline(20)) as sock:
        for request in requests:
            sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        got = b""
        while piece := sock.recv(65536):
            got += piece
    return got


def head_of(line, token=None, **more):
    """A request's head as bytes."""
    rows = {"Host": "x", **(bearer(token) if token else {}), **more}
    return "".join(
        [line, " HTTP/1.1\r\n", *(f"{k}: {v}\r\n" for k, v in rows.items()), "\r\n"]
    ).encode()


def test_who_may_not_in_is_told_before_his_body(guarded):
    body = {"Content-Length": 1 << 20, "Expect": "100-continue"}
    body["Content-Type"] = "application/x-ndjson"
    reader = guarded.issuer.grants(["*"])
    for line, token, status in (
        ("POST /api/v1/events", None, 401),
        ("POST /api/v1/events", "x.y.z", 401),
        ("POST /api/v1/events", reader, 403),
        ("POST /api/v1/nothing", None, 404),
        ("POST /api/v1/status", reader, 405),
        ("PUT /api/v1/workflows/w", reader, 403),
    ):
        # No byte of the body is sent, and the client's side stays open.
        with socket.create_connection(("127.0.0.1", guarded.sluice.port), deadline(20)) as sock:
            sock.sendall(head_of(line, token, **body))
            got = b""
            while piece := sock.recv(65536):
                got += piece
        assert got.startswith(b"HTTP/1.1 %d " % status), (line, got)
        assert b"100 Continue" not in got and b"\r\nConnection: close\r\n" in got
    rows = json.dumps(events("job:body", 0, 1)[0]).encode()
    writer = guarded.issuer.grants([], ["*"])
    body["Content-Length"] = len(rows)
    got = raw(guarded, head_of("POST /api/v1/events", writer, **body), rows)
    assert b"HTTP/1.1 202 " in got


def test_a_bad_token_costs_the_connection(guarded):
    for token, answers_ in ((None, 2), (guarded.issuer.grants([]), 2), ("x.y.z", 1)):
        got = raw(guarded, head_of("GET /api/v1/status", token) * 2)
        assert got.count(b"HTTP/1.1 40") == answers_, got


# --- until when --------------------------------------------------------------------------


def test_a_stream_ends_with_its_token(guarded):
    end_with_token(guarded)


@pytest.mark.release_only
def test_a_stream_ends_within_a_second_of_its_token(guarded):
    assert end_with_token(guarded) <= 1


def end_with_token(guarded):
    """How long after its token a stream has ended."""
    expires = time.time() + deadline(6)
    token = guarded.issuer.grants(["job:*"], exp=expires)
    with guarded.stream(token, "job:expires", "job:quiet") as stream:
        stream.wait_open()
        wait_until(lambda: stream.pump() or stream.ended, 30, "the end", interval=0.01)
        late = time.time() - expires
        closing = stream.frames[-1]
        assert closing.event == "stream.closing" and closing.json["reason"] == "token_expired"
        # A clean end: the client comes back, and is told that its token is not good any more.
        assert stream.ended == "clean"
        assert late >= 0
        cursor = closing.id
    with guarded.stream(token, "job:expires", last_event_id=cursor) as stream:
        assert refusal(stream)[0] == 401
    fresh = guarded.issuer.grants(["job:*"])
    with guarded.stream(fresh, "job:expires", last_event_id=cursor) as stream:
        stream.wait_open()
        assert not stream.named("stream.gap")
    return late


# --- keys that change --------------------------------------------------------------------


def test_keys_are_read_again_and_a_broken_file_changes_nothing():
    with Guarded("ES256") as guarded:
        assert (answers(guarded, "ES256"), answers(guarded, "RS256")) == (200, 401)
        guarded.issuer.write(guarded.keys, "RS256")
        wait_until(lambda: answers(guarded, "RS256") == 200, 10, "the new key")
        assert answers(guarded, "ES256") == 401
        with open(guarded.keys, "w", encoding="utf-8") as file:
            file.write('{"keys": [')
        wait_until(
            lambda: "the 1 keys from before stay in force" in guarded.sluice.log(), 10, "a log line"
        )
        assert guarded.keys in guarded.sluice.log()
        assert answers(guarded, "RS256") == 200
        guarded.issuer.write(guarded.keys)
        guarded.sluice.ctl("reload")
        wait_until(lambda: answers(guarded, "HS256") == 200, 10, "all keys")


def test_a_stream_ends_with_the_key_that_its_token_was_signed_with():
    with Guarded() as guarded:
        stolen = guarded.issuer.token("ES256", sluice=ADMIN)
        other = guarded.issuer.token("RS256", sluice=ADMIN)
        ticket = ticket_of(guarded, stolen)
        with (
            guarded.stream(stolen, "job:key") as stream,
            guarded.stream(None, "job:key", headers={}, ticket=ticket) as by_ticket,
            guarded.stream(other, "job:key") as good,
        ):
            for each in (stream, by_ticket, good):
                each.wait_open()
            guarded.issuer.write(guarded.keys, "RS256", "HS256")
            for each in (stream, by_ticket):
                each.read_until(lambda s: s.named("stream.closing"), 10, "its end")
                assert each.named("stream.closing")[0].json["reason"] == "admin"
            assert guarded.post(other, events("job:key", 0, 3))[0] == 202
            good.wait_events(3)
            assert not good.named("stream.closing")


def test_a_set_without_keys_puts_all_out_of_force():
    def refused():
        try:
            return answers(guarded, "ES256") == 401
        except http.client.RemoteDisconnected:
            return False  # asked just before: it ended with its connection

    with Guarded("ES256") as guarded:
        assert answers(guarded, "ES256") == 200
        with open(guarded.keys, "w", encoding="utf-8") as file:
            file.write('{"keys": []}')
        wait_until(refused, 10, "the key is gone")
        assert "no key is in force any more" in guarded.sluice.log()
        guarded.issuer.write(guarded.keys)
        wait_until(lambda: answers(guarded, "ES256") == 200, 10, "the key is back")


def test_a_key_set_that_is_being_written_at_the_start_is_read_again():
    guarded = Guarded("ES256")
    with open(guarded.keys, "w", encoding="utf-8") as file:
        file.write('{"keys": [')
    try:
        guarded.sluice.start(ready=False)

        def tried():
            # Written just now, however long the start takes.
            os.utime(guarded.keys)
            return "is no JSON" in guarded.sluice.log()

        wait_until(tried, 20, "it was looked at", interval=0.02)
        guarded.issuer.write(guarded.keys)
        guarded.sluice.wait_ready()
        assert answers(guarded, "ES256") == 200
    finally:
        guarded.__exit__()


def test_a_secret_that_everybody_may_read_is_no_key():
    with Guarded("ES256") as guarded:
        # Whole at once: read with its secret and its old mode, it would be in force.
        fresh = f"{guarded.keys}.new"
        with open(fresh, "w", encoding="utf-8") as file:
            json.dump(guarded.issuer.jwks("HS256"), file)
        os.chmod(fresh, 0o644)
        os.replace(fresh, guarded.keys)
        wait_until(lambda: "every user may read it" in guarded.sluice.log(), 10, "a log line")
        assert (answers(guarded, "HS256"), answers(guarded, "ES256")) == (401, 200)


def test_a_gateway_without_good_keys_says_so_and_is_not_tried_over_and_over():
    guarded = Guarded("ES256")
    with open(guarded.keys, "w", encoding="utf-8") as file:
        file.write('{"keys": [{"kty": "oct", "k": "c2hvcnQ"}]}')
    sluice = guarded.sluice
    try:
        sluice.start(ready=False)
        row = wait_until(
            lambda: (r := sluice.status().get("gateway/0", {})).get("state") == "failed" and r,
            20,
            "the gateway is given up",
            ignore=(AssertionError,),
        )
        assert row
        assert f"jwt.jwks_file: {guarded.keys}: keys[0]: its secret has 5 bytes" in sluice.log()
        assert "c2hvcnQ" not in sluice.log()
        # Who mends it and reloads has it back.
        guarded.issuer.write(guarded.keys)
        sluice.ctl("reload")
        sluice.wait_ready()
        assert guarded.get("/api/v1/status", guarded.issuer.token(sluice=ADMIN))[0] == 200
    finally:
        guarded.__exit__()
