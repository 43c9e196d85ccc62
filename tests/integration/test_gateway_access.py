"""auth: jwt over a real gateway: who is let in, to what, and for how long."""

import contextlib
import json
import os
import random
import shutil
import socket
import time

import jwt
import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.sluice import Sluice
from tests.bed.sse import Stream
from tests.bed.tokens import (
    AUDIENCE,
    ISSUER,
    SECRET,
    Issuer,
    aged_ticket,
    bearer,
    handmade,
)

from .guarded import ADMIN, Guarded, refusal
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


# --- what a token may do -----------------------------------------------------------------


def test_a_stream_is_read_only_where_it_is_granted(guarded):
    token = guarded.issuer.grants(["job:mine", "resource:prod/*"])
    for keys in (["job:mine"], ["resource:prod/*"], ["resource:prod/pod/a/b", "job:mine"]):
        with guarded.stream(token, *keys) as stream:
            stream.wait_open()
    refused = (["job:other"], ["job:*"], ["job:mine", "job:mine2"], ["resource:prod2/*"])
    for keys in refused:
        # There or not, the answer is the same.
        for more in ({}, {"must_exist": 1}):
            with guarded.stream(token, *keys, **more) as stream:
                status, headers = refusal(stream)
                assert status == 403
                assert "insufficient_scope" in headers["www-authenticate"]
    status, _, body = guarded.get("/api/v1/orchestrator/stream/jobs/other", token)
    assert (status, body["code"]) == (403, "forbidden")


def test_an_event_is_taken_only_where_it_is_granted(guarded):
    token = guarded.issuer.grants([], ["job:a", "run:*"])
    assert guarded.post(token, events("job:a", 0, 1) + events("run:x", 0, 1))[0] == 202
    mixed = events("job:a", 0, 1) + events("job:b", 0, 1)
    for query in ("", "?atomic=0"):
        status, _, body = guarded.post(token, mixed, query)
        assert (status, body["code"]) == (403, "forbidden") and "job:b" in body["error"]
    reader = guarded.issuer.grants(["*"])
    assert guarded.post(reader, events("job:a", 0, 1))[0] == 403
    with guarded.stream(reader, "job:a", last_event_id="-1") as stream:
        stream.wait_events(1)
        assert len(stream.events()) == 1


def test_only_an_admin_of_the_installation_sees_and_changes_it(guarded):
    plain = guarded.issuer.grants(["*"], ["*"])
    foreign = guarded.issuer.grants(["*"], ["*"], tenant="acme", admin=True)
    for token in (plain, foreign):
        for path in ("status", "clusters", "workflows", "workflows/w1"):
            status, headers, body = guarded.get(f"/api/v1/{path}", token)
            assert (status, body["code"]) == (403, "forbidden")
            assert "insufficient_scope" in headers["WWW-Authenticate"]
        done = guarded.sluice.request("DELETE", "/api/v1/workflows/w1", headers=bearer(token))
        assert done[0] == 403
    admin = guarded.issuer.token(sluice=ADMIN)
    assert guarded.get("/api/v1/clusters", admin)[0] == 200
    assert guarded.get("/api/v1/workflows/w1", admin)[0] == 404


# --- until when --------------------------------------------------------------------------


def test_a_stream_ends_within_a_second_of_its_token(guarded):
    begin = time.time()
    expires = begin + deadline(4)
    token = guarded.issuer.grants(["job:*"], exp=expires)
    with guarded.stream(token, "job:expires", "job:quiet") as stream:
        stream.wait_open()
        wait_until(lambda: stream.pump() or stream.ended, 15, "the end")
        ended = time.time()
        closing = stream.frames[-1]
        assert closing.event == "stream.closing" and closing.json["reason"] == "token_expired"
        # A clean end: the client comes back, and is told that its token is not good any more.
        assert stream.ended == "clean"
        assert 0 <= ended - expires <= deadline(1)
        cursor = closing.id
    with guarded.stream(token, "job:expires", last_event_id=cursor) as stream:
        assert refusal(stream)[0] == 401
    fresh = guarded.issuer.grants(["job:*"])
    with guarded.stream(fresh, "job:expires", last_event_id=cursor) as stream:
        stream.wait_open()
        assert not stream.named("stream.gap")


# --- keys that change --------------------------------------------------------------------


def answers(guarded, algorithm):
    """The status that a token of this algorithm gets."""
    return guarded.get("/api/v1/status", guarded.issuer.token(algorithm, sluice=ADMIN))[0]


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
    with Guarded("ES256") as guarded:
        assert answers(guarded, "ES256") == 200
        with open(guarded.keys, "w", encoding="utf-8") as file:
            file.write('{"keys": []}')
        wait_until(lambda: answers(guarded, "ES256") == 401, 10, "the key is gone")
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
        with open(guarded.keys, "w", encoding="utf-8") as file:
            json.dump(guarded.issuer.jwks("HS256"), file)
            file.flush()
            with contextlib.suppress(OSError):
                shutil.os.chmod(guarded.keys, 0o644)
        wait_until(lambda: "every user may read it" in guarded.sluice.log(), 10, "a log line")
        assert (answers(guarded, "HS256"), answers(guarded, "ES256")) == (401, 200)


# --- tenants -----------------------------------------------------------------------------


TYPES = ["job", "run", "resource", "alerts"]
NAMES = ["a", "b", "a/x", "a/y", "b/x"]


def random_patterns(rng):
    """A few patterns over the keys of this test."""
    choices = ["*"] + [f"{t}:*" for t in TYPES] + [f"{t}:{n}" for t in TYPES for n in NAMES]
    choices += [f"{t}:{n}/*" for t in TYPES for n in ("a", "b")]
    return rng.sample(choices[1:], rng.randint(1, 4)) if rng.random() < 0.9 else ["*"]


def oracle(patterns, key):
    """Whether a pattern covers a key or a prefix, by the contract's words."""
    for pattern in patterns:
        if pattern in ("*", key):
            return True
        if pattern.endswith("*") and key.startswith(pattern[:-1]) and key != pattern[:-1]:
            return True
    return False


@pytest.mark.parametrize("seed", [1, 2])
def test_no_tenant_ever_sees_another_ones_events(guarded, seed):
    """Equal keys and idempotency keys in three tenants; live, by replay and by snapshot."""
    rng = random.Random(seed)
    tenants = [f"t{seed}-a", f"t{seed}-b", "-"]
    keys = [f"{t}:{n}" for t in TYPES for n in NAMES]
    selectors = keys + [f"{t}:*" for t in TYPES] + [f"{t}:a/*" for t in TYPES]
    writers = {t: guarded.issuer.grants([], ["*"], tenant=t) for t in tenants}
    readers = []
    with contextlib.ExitStack() as stack:
        for number in range(24):
            tenant, patterns = rng.choice(tenants), random_patterns(rng)
            token = guarded.issuer.grants(patterns, tenant=tenant)
            wanted = rng.sample(selectors, rng.randint(1, 3))
            mode = {"last_event_id": "-1"} if number % 2 else {}
            stream = stack.enter_context(guarded.stream(token, *wanted, **mode))
            if not all(oracle(patterns, key) for key in wanted):
                assert refusal(stream)[0] == 403, (patterns, wanted)
                continue
            stream.wait_joined()
            readers.append((tenant, wanted, stream))
        for round_ in range(3):
            for tenant in tenants:
                rows = [
                    {
                        "stream_key": key,
                        "event_type": "status_update" if key.startswith("resource") else "x.n",
                        "idempotency_key": f"{seed}-{round_}-{key}",
                        "source": "/same",
                        "data": {"of": tenant, "round": round_, "key": key},
                    }
                    for key in keys
                ]
                status, _, body = guarded.post(writers[tenant], rows)
                # The others' equal idempotency keys are not this one's.
                assert status == 202 and (body["accepted"], body["duplicates"]) == (len(keys), 0)
        for tenant, wanted, stream in readers:
            mine = {(tenant, r, k) for r in range(3) for k in keys if oracle(wanted, k)}

            def seen(stream=stream):
                rows = [
                    f.json["data"]
                    for f in stream.frames
                    if f.event in ("x.n", "status_update", "snapshot")
                ]
                return {(row["of"], row["round"], row["key"]) for row in rows if "of" in row}

            stream.read_until(lambda _, m=mine, s=seen: m <= s(), 20, f"{tenant} {wanted}")
            assert all(row[0] == tenant for row in seen())
            for frame in stream.frames:
                if frame.event in ("x.n", "status_update"):
                    assert frame.json["tenant"] == tenant and oracle(
                        wanted, frame.json["stream_key"]
                    )
        late_joiners(guarded, rng, tenants, selectors)


def late_joiners(guarded, rng, tenants, selectors):
    """Who comes later: by snapshot, and from the oldest kept."""
    for tenant in tenants:
        token = guarded.issuer.grants(["*"], tenant=tenant)
        for query in ({}, {"last_event_id": "-1"}):
            wanted = rng.sample(selectors, 8)
            with guarded.stream(token, *wanted, **query) as stream:
                stream.wait_joined()
                kept = stream.named("x.n", "status_update", "snapshot")
                # Other tests publish to the tenant - too.
                of = [frame.json["data"].get("of", "-") for frame in kept]
                assert of and set(of) == {tenant}


# --- tickets -----------------------------------------------------------------------------


def ticket_of(guarded, token):
    """A ticket for the bearer of TOKEN."""
    status, _, body = guarded.sluice.request("POST", "/api/v1/tickets", headers=bearer(token))
    assert status == 201 and body["first_use_ms"] == 30000
    return body["ticket"]


def aged(guarded, ticket, seconds):
    """The same ticket as if it had been issued SECONDS ago."""
    with open(f"{guarded.sluice.directory}/state/key", "rb") as file:
        return aged_ticket(ticket, file.read(), seconds)


def test_a_ticket_opens_what_its_token_may_read_and_nothing_else(guarded):
    token = guarded.issuer.grants(["job:*"], ["job:*"], tenant="tix")
    ticket = ticket_of(guarded, token)
    with guarded.stream(None, "job:ticket", headers={}, ticket=ticket) as stream:
        stream.wait_joined()
        assert guarded.post(token, events("job:ticket", 0, 1))[0] == 202
        assert stream.wait_events(1)[0]["tenant"] == "tix"
    for key in ("run:x", "*", "resource:*"):
        with guarded.stream(None, key, headers={}, ticket=ticket) as stream:
            assert refusal(stream)[0] in (400, 403)
    head = {"Content-Type": "application/json"}
    for method, path in (("POST", "/api/v1/events"), ("POST", "/api/v1/tickets")):
        target = f"{path}?ticket={ticket}"
        assert guarded.sluice.request(method, target, "{}", head)[0] == 401
    assert guarded.get(f"/api/v1/status?ticket={ticket}")[0] == 401
    # Nor is a ticket a token, or a token a ticket.
    assert guarded.get("/api/v1/status", ticket)[0] == 401
    for bad in (token, ticket[:-2], "A" + ticket, ticket.swapcase(), ""):
        with guarded.stream(None, "job:ticket", headers={}, ticket=bad) as stream:
            assert refusal(stream)[0] == 401
    assert ticket not in guarded.sluice.log()


def test_a_ticket_needs_a_token_that_may_read(guarded):
    writer = guarded.issuer.grants([], ["job:*"])
    done = guarded.sluice.request("POST", "/api/v1/tickets", headers=bearer(writer))
    assert (done[0], done[2]["code"]) == (403, "forbidden")
    cookie = {"Cookie": f"sluice_token={guarded.issuer.grants(['job:*'])}"}
    assert guarded.sluice.request("POST", "/api/v1/tickets", headers=cookie)[0] == 401
    patterns = [f"job:{'x' * 500}{n}" for n in range(9)]
    many = guarded.issuer.token("HS256", sluice={"subscribe": patterns})
    done = guarded.sluice.request("POST", "/api/v1/tickets", headers=bearer(many))
    assert (done[0], done[2]["code"]) == (413, "too_large")


def test_a_stream_by_ticket_goes_on_over_two_restarts_of_two_gateways():
    with Guarded(gateway={"processes": 2}) as guarded:
        token = guarded.issuer.grants(["job:*"], ["job:*"])
        ticket = ticket_of(guarded, token)
        got, cursor = [], None
        for round_ in range(3):
            stream = guarded.stream(
                None, "job:long", headers={}, last_event_id=cursor, ticket=ticket
            )
            with stream:
                stream.wait_open() if cursor else stream.wait_joined()
                assert guarded.post(token, events("job:long", round_, round_ + 1))[0] == 202
                stream.wait_events(1)
                got += [row["data"]["n"] for row in stream.events()]
                cursor = stream.last_id()
            for name in ("gateway/0", "gateway/1"):
                pid = guarded.sluice.kill(name)
                guarded.sluice.wait_restarted(name, pid)
        assert got == [0, 1, 2]


def test_an_old_ticket_is_no_more_use_to_who_was_not_here(guarded):
    token = guarded.issuer.grants(["job:*"], ["job:*"])
    assert guarded.post(token, events("job:old", 0, 1))[0] == 202
    with guarded.stream(token, "job:old", last_event_id="-1") as stream:
        stream.wait_events(1)
        known = stream.last_id()
    epoch = known.split("-")[0]
    wrong = [f"{int(epoch, 16) ^ 1:08x}-1", "00000000-0", "00000000-1", "ffffffff-5", "-1", None]
    fresh = ticket_of(guarded, token)
    old = aged(guarded, fresh, 31)
    ahead = aged(guarded, fresh, -60)
    for cursor in wrong:
        for query in ({}, {"must_exist": 1}):
            with guarded.stream(
                None, "job:old", headers={}, last_event_id=cursor, ticket=old, **query
            ) as stream:
                assert refusal(stream)[0] == 401, cursor
    for cursor in (known, f"{epoch}-0"):
        with guarded.stream(
            None, "job:old", headers={}, last_event_id=cursor, ticket=old
        ) as stream:
            stream.wait_open()
    for cursor in (known, None):
        with guarded.stream(
            None, "job:old", headers={}, last_event_id=cursor, ticket=ahead
        ) as stream:
            assert refusal(stream)[0] == 401, cursor


def test_a_ticket_ends_with_the_key_that_its_token_was_signed_with():
    with Guarded() as guarded:
        ticket = ticket_of(guarded, guarded.issuer.token("ES256", sluice=ADMIN))
        guarded.issuer.write(guarded.keys, "RS256", "HS256")
        wait_until(lambda: answers(guarded, "ES256") == 401, 10, "the key is gone")
        with guarded.stream(None, "job:key", headers={}, ticket=ticket) as stream:
            assert refusal(stream)[0] == 401
        guarded.issuer.write(guarded.keys)
        wait_until(lambda: answers(guarded, "ES256") == 200, 10, "the key is back")
        with guarded.stream(None, "job:key", headers={}, ticket=ticket) as stream:
            stream.wait_open()


def test_a_ticket_is_not_used_by_a_stream_that_does_not_open(guarded):
    token = guarded.issuer.grants(["job:*"])
    ticket = aged(guarded, ticket_of(guarded, token), 15)
    with guarded.stream(None, "run:x", headers={}, ticket=ticket) as stream:
        assert refusal(stream)[0] == 403
    later = aged(guarded, ticket, 31)
    with guarded.stream(None, "job:x", headers={}, ticket=later) as stream:
        assert refusal(stream)[0] == 401
    with guarded.stream(None, "job:x", headers={}, ticket=ticket) as stream:
        stream.wait_open()
    with guarded.stream(None, "job:x", headers={}, ticket=later) as stream:
        stream.wait_open()


def test_a_stream_by_ticket_ends_with_its_token(guarded):
    ticket = ticket_of(guarded, guarded.issuer.grants(["job:*"], exp=time.time() + deadline(4)))
    with guarded.stream(None, "job:ends", headers={}, ticket=ticket) as stream:
        stream.wait_joined()
        wait_until(lambda: stream.pump() or stream.ended, 20, "the end")
        closing = stream.frames[-1]
        assert closing.json["reason"] == "token_expired"
    with guarded.stream(
        None, "job:ends", headers={}, last_event_id=closing.id, ticket=ticket
    ) as stream:
        assert refusal(stream)[0] == 401


def test_with_auth_none_there_are_no_tickets():
    with Sluice() as sluice:
        status, _, body = sluice.request("POST", "/api/v1/tickets")
        assert (status, body["code"]) == (404, "not_found")
        with Stream(sluice.port, "/api/v1/streams?stream=job:a&ticket=x") as stream:
            assert refusal(stream)[0] == 400


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
