"""What a subject has under way when it is revoked: 401, and no stream opens any more."""

import contextlib
import http.client
import json
import os
import signal
import time

import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.tokens import bearer

from .guarded import ADMIN, Guarded
from .half_sent import wait_half_read
from .numbered import events, numbers
from .test_gateway_connections import revoke, rows

PATIENT = {"gateway": {"processes": 1}, "supervise": {"hang_timeout": "10m"}}
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture(name="guarded")
def _guarded():
    with Guarded(**PATIENT) as running:
        yield running


class Asked:
    """A request whose answer is not awaited yet."""

    def __init__(self, guarded, token, method, path, body=None, length=None):
        """LENGTH: what it says of its body, of which BODY is the begin."""
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", guarded.sluice.port, timeout=deadline(20)
        )
        self.connection.putrequest(method, path)
        head = {**bearer(token), **(NDJSON if body is not None else {})}
        if body is not None:
            head["Content-Length"] = str(length or len(body))
        for name, value in head.items():
            self.connection.putheader(name, value)
        self.connection.endheaders(body)

    def answer(self):
        """(status, code, the whole); of a stream that opened no more than (200, None, None)."""
        with contextlib.closing(self.connection):
            got = self.connection.getresponse()
            if got.headers.get_content_type() != "application/json":
                return got.status, None, None
            body = json.loads(got.read())
            if got.status == 401:
                assert got.headers["WWW-Authenticate"].endswith('error="invalid_token"')
                assert got.headers["Connection"] == "close" and self.connection.sock is None
            return got.status, body["code"], body


@contextlib.contextmanager
def stopped(sluice, *names):
    pids = [sluice.kill(name, signal.SIGSTOP) for name in names]
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def figure(guarded, name):
    text = guarded.get("/metrics")[2]
    return next(int(row.split()[-1]) for row in text.splitlines() if row.startswith(name + " "))


def ask_everything(guarded, token, tip):
    """A request of each kind that waits: for the store, the broker, and its own body."""
    epoch, number = tip.split("-")
    ahead = f"{epoch}-{int(number) + 100000}"
    row = json.dumps(events("job:late", 0, 1)[0]).encode() + b"\n"
    stream = "/api/v1/streams?stream="
    return {
        "publish": Asked(guarded, token, "POST", "/api/v1/events", row),
        "body": Asked(guarded, token, "POST", "/api/v1/events", row, len(row) + 1),
        "history": Asked(guarded, token, "GET", "/api/v1/streams/job:late/events"),
        "must_exist": Asked(guarded, token, "GET", stream + "job:nobody&must_exist=1"),
        "strict": Asked(guarded, token, "GET", f"{stream}job:late&strict=1&last_event_id={ahead}"),
    }


def test_what_waits_is_answered_and_no_stream_opens(guarded):
    issuer, sluice = guarded.issuer, guarded.sluice
    tip = guarded.post(issuer.grants([], ["*"]), events("job:late", 0, 3))[2]["last_id"]
    boss = issuer.token(sluice=ADMIN, sub="the admin", iat=time.time() - 5)
    fresh = issuer.grants(["*"], ["*"], sub="fresh", iat=time.time() - 5)
    for n in range(5):
        token = issuer.grants(["*"], ["*"], sub=f"late-{n}", iat=time.time() - 5)
        before = figure(guarded, 'sluice_gateway_auth_failures_total{reason="revoked"}')
        began = time.monotonic()
        with stopped(sluice, "store", "broker"):
            asked = ask_everything(guarded, token, tip)
            revoke(guarded, f"subject=late-{n}", boss)
            answers = {name: one.answer() for name, one in asked.items()}
            took = time.monotonic() - began
        # What is asked while the broker is still believed stuck is refused at once.
        wait_until(
            lambda: guarded.post(fresh, events("job:after", 0, 1))[0] == 202, 20, "it is back"
        )
        wanted = dict.fromkeys(asked, (401, "token_revoked"))
        given = {name: answer[:2] for name, answer in answers.items()}
        # Once more where this machine stood still: some of them wait for 1.5 s, and nothing but
        # that excuses another answer.
        if given == wanted or took < 1:
            break
    assert given == wanted, took
    for _, _, body in answers.values():
        assert "under way" in body["error"] and "may have been done" in body["error"]
        assert len(body["trace_id"]) == 16
    after = figure(guarded, 'sluice_gateway_auth_failures_total{reason="revoked"}')
    assert after == before + len(asked)
    # Nothing of them is left, also when store and broker answer at last.
    assert rows(sluice, headers=bearer(boss))["connections"] == []
    with guarded.stream(fresh, "job:late", last_event_id=tip) as stream:
        stream.wait_open()
        guarded.post(fresh, events("job:late", 3, 4))
        stream.read_until(lambda s: 3 in numbers(s), 10, "the event")


def test_a_request_whose_key_went_out_of_force_is_answered(guarded):
    issuer = guarded.issuer
    token = issuer.grants([], ["*"], sub="eve", iat=time.time() - 5)
    asked = Asked(guarded, token, "POST", "/api/v1/events", b"{", 2)
    # A token that comes when its key is gone is refused for another reason.
    wait_half_read(guarded.sluice)
    issuer.write(guarded.keys, "HS256")
    status, code, body = asked.answer()
    assert (status, code) == (401, "invalid_token") and "out of force" in body["error"]
