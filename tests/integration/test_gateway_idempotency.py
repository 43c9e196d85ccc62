"""Idempotency keys (contract 1): a repeat is answered with the first id, another body is refused,
in the scope of tenant and source, for a window of time and of keys, and a death of the broker
changes nothing of it.
"""

import json
import time

import pytest

from tests.bed import tokens
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

EVENTS = "/api/v1/events"
JSON = {"Content-Type": "application/json"}


def row(key, n=0, source="/s", **more):
    return {
        "stream_key": "job:i",
        "event_type": "x.n",
        "source": source,
        "idempotency_key": key,
        "data": {"n": n},
        **more,
    }


def post(sluice, rows, headers=JSON):
    status, _, answer = sluice.request("POST", EVENTS, json.dumps(rows), headers)
    return status, answer


def first(answer):
    """The id of an event that was appended now."""
    assert answer[0] == 202 and answer[1]["accepted"] == 1, answer
    return answer[1]["first_id"]


def expect_known(answer, event_id):
    assert answer[0] == 202, answer
    assert (answer[1]["accepted"], answer[1]["duplicates"]) == (0, 1)
    assert answer[1]["first_id"] == event_id


def expect_conflict(answer, path="idempotency_key"):
    code = "idempotency_conflict"
    assert (answer[0], answer[1].get("code")) == (409, code), answer
    assert [(row["path"], row["code"]) for row in answer[1]["details"]] == [(path, code)]


def kill_broker(sluice):
    pid = sluice.kill("broker")
    sluice.wait_restarted("broker", pid)
    wait_until(lambda: sluice.request("GET", "/readyz")[0] == 200, 20, "readiness")


def test_a_repeat_has_the_first_id_also_after_a_kill_of_the_broker():
    with Sluice({"supervise": {"first": "100ms"}}, gateways=2) as sluice:
        ids = {}
        for n in range(20):
            ids[n] = first(post(sluice, row(f"k{n}", n)))
        batch = [row(f"b{n}", n) for n in range(100)]
        status, whole = post(sluice, batch)
        assert (status, whole["accepted"]) == (202, 100)
        for _ in range(2):
            for n, event_id in ids.items():
                expect_known(post(sluice, row(f"k{n}", n)), event_id)
                expect_conflict(post(sluice, row(f"k{n}", n + 1)))
            status, again = post(sluice, batch)
            assert (status, again["accepted"], again["duplicates"]) == (202, 0, 100)
            assert (again["first_id"], again["last_id"]) == (whole["first_id"], whole["last_id"])
            # Only some of an atomic request are known: nothing of it is appended.
            answer = post(sluice, [row("new", 0), row("k0", 0), row("k1", 1)])
            expect_conflict(answer, "[1].idempotency_key")
            # And of a whole request the one that another event has, whatever stands before it.
            rows = [row(f"fresh{n}", n) for n in range(700)] + [row("k2", 3)]
            expect_conflict(post(sluice, rows), "[700].idempotency_key")
            kill_broker(sluice)
        # Its keys are also in the state file of an orderly end.
        sluice.ctl("restart", "broker")
        wait_until(lambda: sluice.request("GET", "/readyz")[0] == 200, 20, "readiness")
        expect_known(post(sluice, row("k7", 7)), ids[7])
        with sluice.stream("job:i", last_event_id="-1") as stream:
            events = stream.wait_events(120)
            assert [e["id"] for e in events[:20]] == list(ids.values())
        assert first(post(sluice, row("new", 0)))


def test_the_scope_is_tenant_and_source(tmp_path):
    issuer = tokens.Issuer()
    issuer.write(f"{tmp_path}/keys.json")
    with Sluice(tokens.conf(f"{tmp_path}/keys.json")) as sluice:
        ids = {}
        for tenant in ("-", "acme"):
            token = issuer.grants([], ["job:*"], tenant=tenant)
            head = {**JSON, **tokens.bearer(token)}
            for source in ("/s", "/t", "/s/"):
                ids[tenant, source] = first(post(sluice, row("k", 0, source), head)), head
        kill_broker(sluice)
        for (_, source), (event_id, head) in ids.items():
            expect_known(post(sluice, row("k", 0, source), head), event_id)
            expect_conflict(post(sluice, row("k", 1, source), head))
        assert len({event_id for event_id, _ in ids.values()}) == 6


def test_a_key_is_forgotten_after_the_window():
    with Sluice({"journal": {"idempotency": {"window": "1s"}}}) as sluice:
        event_id = first(post(sluice, row("k")))

        def anew():
            status, answer = post(sluice, row("k"))
            assert status == 202
            return answer["accepted"] == 1 and answer["first_id"]

        assert wait_until(anew, 20, "the end of the window") != event_id


@pytest.mark.parametrize("kill", [False, True])
def test_beyond_the_window_s_keys_the_oldest_is_forgotten(kill):
    with Sluice({"journal": {"idempotency": {"keys": 1000}}}) as sluice:
        ids = [first(post(sluice, row("old"))), first(post(sluice, row("next")))]
        assert post(sluice, [row(f"k{n}") for n in range(998)])[1]["accepted"] == 998
        for key, event_id in zip(("old", "next"), ids, strict=True):
            expect_known(post(sluice, row(key)), event_id)
        first(post(sluice, row("one more")))
        if kill:
            kill_broker(sluice)
        expect_known(post(sluice, row("next")), ids[1])
        assert first(post(sluice, row("old", 1))) != ids[0]


WINDOW_KEYS = 1_000_000  # the default, as doc/contract.md promises it
AT_A_TIME = 1000


@pytest.mark.slow
@pytest.mark.release_only
def test_a_million_keys_are_known_and_after_a_kill_of_the_broker():
    """All that the window holds by default: the oldest of them as well as the newest."""
    with Sluice() as sluice:
        ids = {}
        for n in range(0, WINDOW_KEYS, AT_A_TIME):
            status, answer = post(sluice, [row(f"k{m}") for m in range(n, n + AT_A_TIME)])
            assert (status, answer["accepted"]) == (202, AT_A_TIME), answer
            ids[n], ids[n + AT_A_TIME - 1] = answer["first_id"], answer["last_id"]
        begin = time.monotonic()
        kill_broker(sluice)
        print(f"{WINDOW_KEYS} keys: ready {time.monotonic() - begin:.2f} s after SIGKILL")
        oldest = [row(f"k{n}") for n in range(AT_A_TIME)]
        for n in (0, AT_A_TIME - 1, WINDOW_KEYS // 2, WINDOW_KEYS - 1):
            expect_known(post(sluice, row(f"k{n}")), ids[n])
        status, answer = post(sluice, oldest)
        assert (status, answer["duplicates"], answer["first_id"]) == (202, AT_A_TIME, ids[0])
        first(post(sluice, row("one more")))
        expect_known(post(sluice, row(f"k{AT_A_TIME - 1}")), ids[AT_A_TIME - 1])
        status, answer = post(sluice, oldest[1:])
        assert (status, answer["duplicates"]) == (202, AT_A_TIME - 1), answer
        assert first(post(sluice, row("k0", 1))) != ids[0]
