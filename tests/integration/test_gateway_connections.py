"""Who is connected, to whichever gateway; the end of one, and of all that a subject has."""

import collections
import contextlib
import json
import os
import signal
import socket
import time

import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.sluice import Sluice
from tests.bed.sse import Stream
from tests.bed.tokens import bearer

from .crowd import SHARE
from .errors import check
from .guarded import ADMIN, Guarded, refusal
from .numbered import events

PATH = "/api/v1/connections"
TWO = {"gateway": {"processes": 2}}


@pytest.fixture(name="two", scope="module")
def _two():
    with Sluice(gateways=2) as sluice:
        yield sluice


@pytest.fixture(name="guarded", scope="module")
def _guarded():
    with Guarded(**TWO) as running:
        yield running


def rows(sluice, query="", headers=None):
    """One page of the list, with what all gateways have: they answer unless the machine stalls."""
    body = {}

    def whole():
        status, _, page = sluice.request("GET", PATH + query, headers=headers)
        assert status == 200, page
        body.update(page)
        return page["unanswered"] == []

    wait_until(whole, 20, "every gateway answers the one that is asked")
    return body


def end(sluice, connection):
    """Ends a stream; the status and the answer of a gateway that the other one answered."""
    said = []

    def heard():
        said[:] = sluice.request("DELETE", f"{PATH}/{connection}")
        return said[0] != 503

    wait_until(heard, 20, "every gateway answers the one that is asked")
    return said[0], said[2]


def told(stream):
    """Why a stream was closed; it must have been told, and ended as it should."""
    stream.read_until(lambda s: s.ended, 10, "the end")
    closing = stream.named("stream.closing")
    assert len(closing) == 1 and stream.frames[-1] is closing[0]
    return closing[0].json["reason"], stream.ended


def on_both(stack, start):
    """Streams on two gateways: ten, or more until each has its share; and where each is."""
    streams = []
    for _ in range(100):
        streams.append(stack.enter_context(start()))
        opened = streams[-1].wait_open()
        streams[-1].connection = opened["connection_id"]
        # The upper half of an id is the process's incarnation.
        streams[-1].process = int(opened["connection_id"], 16) >> 32
        held = collections.Counter(s.process for s in streams)
        enough = len(held) == 2 and min(held.values()) >= SHARE * len(streams)
        if len(streams) >= 10 and enough:
            return streams
    raise AssertionError(f"of a hundred connections the gateways have {held}")


def test_every_gateway_lists_the_streams_of_all(two):
    with contextlib.ExitStack() as stack:
        streams = on_both(stack, lambda: two.stream("job:listed", "cluster:*"))
        for stream in streams:
            stream.wait_joined()
        two.publish(events("job:listed", 0, 3))
        for stream in streams:
            stream.wait_events(3)
        seen = set()
        for _ in range(20):
            page = rows(two)
            own = [r for r in page["connections"] if "job:listed" in r["streams"]]
            assert [r["id"] for r in own] == sorted((s.connection for s in streams), key=by_id)
            assert page["next"] is None
            seen.add(page["gateways"][0]["gateway"])
            assert {g["gateway"] for g in page["gateways"]} == {"0", "1"}
        assert sum(g["streams"] for g in page["gateways"]) == len(page["connections"])
        assert seen == {"0", "1"}, "only one gateway was asked"
        for row in own:
            assert row["client"] == "127.0.0.1" and row["tenant"] == "-" and row["subject"] == ""
            assert sorted(row["streams"]) == ["cluster:*", "job:listed"]
            assert row["state"] == "live" and row["lag"] == 0 and row["events"] >= 3
            assert row["bytes"] > 500 and row["since"].endswith("Z")
            assert row["cursor"] >= streams[0].ids()[-1].partition("-")[0]
        assert {r["gateway"] for r in own} == {"0", "1"}


def by_id(text):
    """Order of connection ids."""
    return int(text, 16)


def test_the_list_comes_in_pages_and_says_where_it_goes_on(two):
    with contextlib.ExitStack() as stack:
        streams = on_both(stack, lambda: two.stream("job:paged"))
        found, after = [], "0"
        for _ in range(100):
            page = rows(two, f"?limit=3&after={after}")
            assert 1 <= len(page["connections"]) <= 3
            found += [r["id"] for r in page["connections"]]
            after = page["next"]
            if after is None:
                break
        assert found == sorted(found, key=by_id) and len(set(found)) == len(found)
        assert {s.connection for s in streams} <= set(found)


def test_one_stream_is_ended_through_any_gateway(two):
    with contextlib.ExitStack() as stack:
        streams = on_both(stack, lambda: two.stream("job:ended"))
        for stream in streams:
            stream.wait_joined()
            was = {"connection_id": stream.connection}
            status, body = end(two, stream.connection)
            # Where the other gateway stood still for long it has ended before its answer came.
            assert (status, body) == (200, was) or status == 404
            # The end is clean: a client may come back.
            assert told(stream) == ("admin", "clean")
            assert stream.named("stream.closing")[0].json["last_id"] == stream.last_id()
            status, body = end(two, stream.connection)
            assert (status, body["code"]) == (404, "not_found")


def problem(sluice, method, path, headers=None):
    """Status and code of a request that fails."""
    status, _, body = sluice.request(method, path, headers=headers)
    return status, body["code"]


@pytest.mark.parametrize(
    ("method", "path", "want"),
    [
        ("DELETE", PATH + "/xyz", (400, "invalid_id")),
        ("DELETE", PATH + "/0123456789abcdef0", (400, "invalid_id")),
        ("DELETE", PATH + "/-1", (400, "invalid_id")),
        ("DELETE", PATH + "/1", (404, "not_found")),
        ("GET", PATH + "/1", (405, "method_not_allowed")),
        ("GET", PATH + "?limit=0", (400, "bad_request")),
        ("GET", PATH + "?limit=501", (400, "bad_request")),
        ("GET", PATH + "?limit=99999999999", (400, "bad_request")),
        ("GET", PATH + "?after=G", (400, "invalid_id")),
        ("GET", PATH + "?subject=a", (400, "bad_request")),
        ("DELETE", PATH + "?id=1", (400, "bad_request")),
        ("DELETE", PATH + "?subject=a&subject=b", (400, "bad_request")),
        ("DELETE", PATH + "?subject=a&tenant=b&tenant=c", (400, "bad_request")),
        ("GET", PATH + "?limit=1&limit=2", (400, "bad_request")),
        # Nobody has a subject with auth: none.
        ("DELETE", PATH + "?subject=a", (404, "not_found")),
    ],
)
def test_what_is_wrong_is_named(two, method, path, want):
    def answer():
        got = problem(two, method, path)
        # What both gateways are asked may find one of them standing still.
        return got if got[0] != 503 or want[0] == 503 else None

    assert wait_until(answer, 20, "every gateway answers the one that is asked") == want


def test_a_gateway_that_hangs_is_named_and_the_rest_is_told():
    patient = {"supervise": {"hang_timeout": "10m"}}
    with Sluice(patient, gateways=2) as two, contextlib.ExitStack() as stack:
        streams = on_both(stack, lambda: two.stream("job:hung"))
        pid = two.kill("gateway/1", signal.SIGSTOP)
        try:
            # The kernel gives some connections to the one that hangs: asked is the other.
            page = ask_other(two, "GET", PATH)[2]
            assert page["unanswered"] == ["1"]
            assert {r["gateway"] for r in page["connections"]} == {"0"}
            theirs = {r["id"] for r in page["connections"]}
            lost = next(s for s in streams if s.connection not in theirs)
            answer = ask_other(two, "DELETE", f"{PATH}/{lost.connection}")
            check(answer, 503, "gateway_unavailable", ("Retry-After",))
        finally:
            os.kill(pid, signal.SIGCONT)


def ask_other(sluice, method, path):
    """The answer of a gateway that does answer; each try is another connection."""
    for _ in range(40):
        with contextlib.suppress(TimeoutError):
            return sluice.request(method, path, timeout=2)
    raise AssertionError("no gateway answers")


def test_only_admins_see_and_end_connections(guarded):
    issuer = guarded.issuer
    user = issuer.grants(["*"], sub="user")
    other = issuer.grants(admin=True, tenant="acme", sub="boss")
    for method, path in (
        ("GET", PATH),
        ("DELETE", PATH + "/1"),
        ("DELETE", PATH + "?subject=user"),
    ):
        for token in (user, other):
            answer = problem(guarded.sluice, method, path, bearer(token))
            assert answer == (403, "forbidden")
        assert problem(guarded.sluice, method, path) == (401, "unauthorized")


def revoke(guarded, query, token=None):
    """Revokes; the answer's body."""
    head = bearer(token or guarded.issuer.token(sluice=ADMIN, sub="the admin", iat=time.time()))
    status, _, body = guarded.sluice.request("DELETE", f"{PATH}?{query}", headers=head)
    assert status == 200, body
    return body


def refused(guarded, token, want=(401, "token_revoked")):
    """Whether both gateways refuse the token, whatever it is used for."""
    for _ in range(12):
        for method, path in (("GET", "/api/v1/streams?stream=job:x"), ("POST", "/api/v1/tickets")):
            assert problem(guarded.sluice, method, path, bearer(token)) == want
    return True


def test_a_revoked_subject_is_out_everywhere_and_stays_out(guarded):
    issuer, sluice = guarded.issuer, guarded.sluice
    now = time.time()
    eve = issuer.grants(["*"], ["*"], sub="eve", iat=now - 5)
    undated = issuer.grants(["*"], sub="eve")
    bob = issuer.grants(["*"], sub="bob", iat=now - 5)
    ticket = sluice.request("POST", "/api/v1/tickets", "", bearer(eve))[2]["ticket"]
    with contextlib.ExitStack() as stack:
        streams = on_both(stack, lambda: guarded.stream(eve, "job:revoked"))
        streams += on_both(stack, lambda: guarded.stream(undated, "job:revoked"))
        by_ticket = guarded.stream(None, "job:revoked", headers={}, ticket=ticket)
        streams.append(stack.enter_context(by_ticket))
        by_ticket.wait_open()
        # The clock of who issued it is ahead.
        ahead = issuer.grants(["*"], sub="eve", iat=now + 20)
        streams += on_both(stack, lambda: guarded.stream(ahead, "job:revoked"))
        others = on_both(stack, lambda: guarded.stream(bob, "job:revoked"))
        for stream in streams + others:
            stream.wait_joined()
        answer = revoke(guarded, "subject=eve")
        assert answer["revoked_at"].endswith("Z")
        for stream in streams:
            assert told(stream) == ("admin", "clean")
        assert refused(guarded, eve) and refused(guarded, undated)
        again = stack.enter_context(
            Stream(
                sluice.port,
                "/api/v1/streams",
                [("stream", "job:revoked"), ("ticket", ticket)],
                last_event_id=by_ticket.last_id(),
            )
        )
        assert refusal(again)[0] == 401
        # Who is not meant goes on, and so does the subject with a newer token.
        assert (
            guarded.post(issuer.grants([], ["*"], sub="p"), events("job:revoked", 0, 2))[0] == 202
        )
        for stream in others:
            assert len(stream.wait_events(2)) == 2
        fresh = issuer.grants(["*"], sub="eve", iat=time.time() + 2)
        with guarded.stream(fresh, "job:revoked") as stream:
            stream.wait_open()
    # A gateway that is new knows it too.
    for name in ("gateway/0", "gateway/1"):
        old = sluice.pid(name)
        sluice.kill(name)
        sluice.wait_restarted(name, old)
    assert refused(guarded, eve)
    text = guarded.get("/metrics")[2]
    assert 'sluice_gateway_auth_failures_total{reason="revoked"}' in text


def test_a_token_of_a_time_far_ahead_is_refused(guarded):
    """A revocation would not reach it until then."""
    token = guarded.issuer.grants(["*"], sub="ahead", iat=time.time() + 90)
    assert refused(guarded, token, (401, "invalid_token"))


def test_what_a_revoked_subject_has_open_ends_within_a_second(guarded):
    took = []
    for n in range(5):
        token = guarded.issuer.grants(["*"], sub=f"quick-{n}", iat=time.time() - 5)
        with contextlib.ExitStack() as stack:
            streams = on_both(stack, lambda t=token: guarded.stream(t, "job:quick"))
            began = time.monotonic()
            revoke(guarded, f"subject=quick-{n}")
            for stream in streams:
                assert told(stream) == ("admin", "clean")
            took.append(time.monotonic() - began)
        # Once more where this machine stood still.
        if took[-1] < 1:
            break
    assert min(took) < deadline(1), took


def test_a_revocation_outlives_the_service():
    with Guarded(**TWO) as guarded:
        token = guarded.issuer.grants(["*"], sub="eve", iat=time.time() - 5)
        revoke(guarded, "subject=eve")
        guarded.sluice.stop()
        guarded.sluice.start()
        assert refused(guarded, token)


def test_a_subject_of_one_tenant_is_not_that_of_another(guarded):
    issuer = guarded.issuer
    made = {
        t: issuer.grants(["*"], tenant=t, sub="dora", iat=time.time() - 5) for t in ("acme", "-")
    }
    with contextlib.ExitStack() as stack:
        streams = {
            t: on_both(stack, lambda k=k: guarded.stream(k, "job:d")) for t, k in made.items()
        }
        revoke(guarded, "subject=dora&tenant=acme")
        for stream in streams["acme"]:
            assert told(stream) == ("admin", "clean")
        assert refused(guarded, made["acme"])
        for stream in streams["-"]:
            beats = len(stream.named("heartbeat"))
            stream.read_until(lambda s, n=beats: len(s.named("heartbeat")) > n, 10, "life")
    head = bearer(issuer.token(sluice=ADMIN, iat=time.time()))
    for query in ("subject=", "tenant=acme", "subject=a&tenant=a%20b", "subject=" + "x" * 256):
        assert problem(guarded.sluice, "DELETE", f"{PATH}?{query}", head) == (400, "bad_request")


def test_a_subject_has_as_many_streams_as_it_may_on_each_gateway():
    settings = {"gateway": {"processes": 1, "max_per_token": 3}}
    with Guarded(**settings) as guarded, contextlib.ExitStack() as stack:
        issuer = guarded.issuer

        def first(token):
            stream = stack.enter_context(guarded.stream(token, "job:many"))
            stream.read_until(
                lambda s: s.named("stream.open", "stream.closing"), 10, "the first frame"
            )
            return stream

        # Several tokens, one person.
        held = [first(issuer.grants(["*"], sub="eve", iat=n)) for n in range(3)]
        assert all(s.named("stream.open") for s in held)
        more = first(issuer.grants(["*"], sub="eve"))
        more.read_until(lambda s: s.ended, 10, "the end")
        # 200 and a pause, or an EventSource would never come back; not a clean end.
        assert (more.status, more.ended) == (200, "cut") and not more.named("stream.open")
        assert more.named("stream.closing")[0].json["reason"] == "overloaded"
        assert more.named("stream.closing")[0].json["retry_ms"] >= 2400
        for other in (
            issuer.grants(["*"], sub="bob"),
            issuer.grants(["*"], sub="eve", tenant="acme"),
            issuer.grants(["*"], sub=None),
        ):
            assert first(other).named("stream.open")
        held.pop().close()

        def again():
            with guarded.stream(issuer.grants(["*"], sub="eve"), "job:many") as stream:
                stream.read_until(
                    lambda s: s.named("stream.open", "stream.closing"), 10, "the first frame"
                )
                return stream.named("stream.open")

        wait_until(again, 10, "the place of the stream that was closed is free")
        text = guarded.get("/metrics")[2]
        assert int(text.split("\nsluice_gateway_over_token_total ")[1].split()[0]) >= 1
        # Whoever has no sub shares one allowance with all of its kind, which is said.
        said = "a stream is refused to a token without sub"
        assert said not in guarded.sluice.log()
        crowd = [first(issuer.grants(["*"], sub=None, iat=7)) for _ in range(5)]
        assert [bool(s.named("stream.open")) for s in crowd] == [True] * 3 + [False] * 2
        wait_until(lambda: guarded.sluice.log().count(said) == 1, 10, "a line of the log")
        # Requests that are no streams are not counted.
        assert guarded.get("/api/v1/status", issuer.token(sluice=ADMIN, sub="eve"))[0] == 200


def test_the_operator_lists_and_ends_streams_without_a_token(guarded):
    issuer, sluice = guarded.issuer, guarded.sluice
    token = issuer.grants(["*"], sub="operated", iat=time.time() - 5)
    with contextlib.ExitStack() as stack:
        streams = on_both(stack, lambda: guarded.stream(token, "job:op"))
        listed = json.loads(sluice.ctl("--json", "connections"))
        own = [r for r in listed["connections"] if r["subject"] == "operated"]
        assert {r["id"] for r in own} == {s.connection for s in streams}
        assert {r["gateway"] for r in own} == {"0", "1"} and listed["unanswered"] == []
        lines = sluice.ctl("connections").splitlines()
        row = next(line.split() for line in lines if line.startswith(streams[0].connection + " "))
        assert row[2:5] == ["127.0.0.1", "operated", "-"] and row[-1] == "job:op"
        for stream in (streams.pop(0), streams.pop()):
            sluice.ctl("disconnect", stream.connection)
            assert told(stream) == ("admin", "clean")
            again = sluice.ctl("disconnect", stream.connection, check=False)
            assert again.returncode == 1 and "no stream has the id" in again.stderr
        sluice.ctl("disconnect", "--subject", "operated")
        for stream in streams:
            assert told(stream) == ("admin", "clean")
        assert refused(guarded, token)


def test_the_operator_is_told_of_a_gateway_that_could_not_end_what_it_has():
    patient = {"gateway": {"processes": 2}, "supervise": {"hang_timeout": "10m"}}
    with Guarded(**patient) as guarded, contextlib.ExitStack() as stack:
        token = guarded.issuer.grants(["*"], sub="held", iat=time.time() - 5)
        streams = on_both(stack, lambda: guarded.stream(token, "job:held"))
        pid = guarded.sluice.kill("gateway/1", signal.SIGSTOP)
        try:
            done = guarded.sluice.ctl("disconnect", "--subject", "held", check=False)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert done.returncode == 1, done
        assert "gateway/1 does not answer: it is revoked there too" in done.stderr
        for stream in streams:
            assert told(stream) == ("admin", "clean")


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["connections", "x"], 64, "usage"),
        (["disconnect"], 64, "usage"),
        (["disconnect", "1", "--subject", "a"], 64, "usage"),
        (["disconnect", "--tenant", "a"], 64, "usage"),
        (["disconnect", "--subject"], 1, "up to 16 hex digits"),
        (["disconnect", "xyz"], 1, "up to 16 hex digits"),
        (["disconnect", "--subject", "a", "--tenant", "a b"], 1, "no tenant of this name"),
        (["--runtime", "/nonexistent", "connections"], 1, "no gateway runs here"),
    ],
)
def test_the_operator_is_told_what_is_wrong(guarded, words, status, text):
    done = guarded.sluice.ctl(*words, check=False)
    assert done.returncode == status and text in done.stderr


def test_the_desk_bears_whatever_stands_before_it(two):
    path = f"{two.conf['runtime_directory']}/bus/gateway-0.desk"
    assert os.stat(path).st_mode & 0o777 == 0o600

    def say(data):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(deadline(10))
            sock.connect(path)
            with contextlib.suppress(BrokenPipeError):
                sock.sendall(data)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := sock.recv(65536):
                    answer += piece
            return answer

    for data in (b"", b"[]", b"\xff", b'{"op":"connections"}', b'{"op":7}', b"{" * 9):
        assert json.loads(say(data + b"\n"))["code"] == "bad_request"
    assert say(b"x" * 10_000) == b""
    # More than have room wait, and none is in the way of the streams.
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(path)
        with two.stream("job:desk") as stream:
            stream.wait_open()
    # Those that are closed may all wait to be accepted still: then nobody else can connect.
    wait_until(lambda: say(b"[]\n"), 20, "the desk has room again", ignore=(BlockingIOError,))
