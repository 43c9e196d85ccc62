"""Tickets: what opens a stream for an EventSource, which has no header to send a token in."""

import time

import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.sluice import Sluice
from tests.bed.sse import Stream
from tests.bed.stillness import Stillness
from tests.bed.tokens import (
    aged_ticket,
    bearer,
)

from .guarded import ADMIN, Guarded, answers, refusal, ticket_of
from .numbered import events


@pytest.fixture(name="guarded", scope="module")
def _guarded():
    with Guarded() as running:
        yield running


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
    with Stillness(guarded.directory) as still:
        for _ in range(3):
            begin, ends = time.monotonic(), time.time() + deadline(4)
            ticket = ticket_of(guarded, guarded.issuer.grants(["job:*"], exp=ends))
            with guarded.stream(None, "job:ends", headers={}, ticket=ticket) as stream:
                wait_until(lambda s=stream: s.pump() or s.ended, 20, "the end")
                *before, closing = stream.frames
                assert closing.json["reason"] == "token_expired"
            # Once more where this machine stood still: no snapshot before the token was over.
            if any(frame.id for frame in before) or not still.stood(begin, time.monotonic()):
                break
    assert closing.id is not None and any(frame.id for frame in before)
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
