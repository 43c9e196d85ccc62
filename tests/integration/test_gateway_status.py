"""How the whole installation is, whichever gateway is asked; and who does not say it."""

import contextlib
import os
import signal

import pytest

from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

from .guarded import Guarded
from .test_gateway_connections import TWO, ask_other, on_both

PATH = "/api/v1/status"
PATIENT = {"supervise": {"hang_timeout": "10m"}}
SHOWN = ("process", "state", "desired", "pid", "incarnation", "since", "restarts", "circuit")


@pytest.fixture(name="two", scope="module")
def _two():
    with Sluice(PATIENT, gateways=2) as sluice:
        yield sluice


def told(sluice, good):
    """A status that is GOOD: who is asked waits a second for others, and the machine may stall."""

    def ask():
        status, _, body = sluice.request("GET", PATH)
        assert status == 200, body
        return body if good(body) else None

    return wait_until(ask, 20, "a status as it should be")


def heard(body):
    """A status for which the supervisor answered in time; else None."""
    return body if body["processes"] is not None else None


def whole(body):
    """Everybody has said it."""
    return body["unanswered"] == [] and body["processes"] is not None and "store" in body


def test_each_gateway_tells_of_all_processes_as_sluicectl_does(two):
    asked = set()
    for _ in range(100):
        body = told(two, whole)
        asked.add(body["gateway"]["instance"])
        rows = two.status()
        shown = {row["process"]: row for row in body["processes"]}
        for name, row in rows.items():
            assert {k: shown[name][k] for k in SHOWN} == {k: row[k] for k in SHOWN}
        assert set(shown) == set(rows) == {"broker", "store", "health", "gateway/0", "gateway/1"}
        if asked == {"0", "1"}:
            return
    raise AssertionError("a hundred connections are all with one gateway")


def test_each_gateway_tells_the_figures_of_all_and_their_sum(two):
    with contextlib.ExitStack() as stack:
        streams = on_both(stack, lambda: two.stream("job:figures"))
        asked = set()
        for _ in range(100):
            body = told(two, lambda b: whole(b) and b["total"]["connections"]["streams"] >= 10)
            assert [g["instance"] for g in body["gateways"]] == ["0", "1"]
            total, each = body["total"], [g["connections"] for g in body["gateways"]]
            assert total["gateways"] == 2
            for name in ("open", "max", "streams"):
                assert total["connections"][name] == sum(c[name] for c in each)
            for name in ("events_delivered", "bytes_sent", "published"):
                assert total[name] == sum(g[name] for g in body["gateways"])
            assert total["connections"]["streams"] >= len(streams)
            assert all(c["streams"] > 0 for c in each)
            own = body["gateway"]["instance"]
            asked.add(own)
            assert body["gateways"][int(own)]["incarnation"] == body["gateway"]["incarnation"]
            if asked == {"0", "1"}:
                return
        raise AssertionError("a hundred connections are all with one gateway")


def test_a_gateway_that_hangs_is_named_and_not_waited_for(two):
    pid = two.kill("gateway/1", signal.SIGSTOP)
    try:
        # The kernel gives some connections to the one that hangs: asked is the other, in 2 s.
        body = wait_until(
            lambda: heard(ask_other(two, "GET", PATH)[2]), 20, "the supervisor's word"
        )
    finally:
        os.kill(pid, signal.SIGCONT)
    assert body["unanswered"] == ["1"]
    assert [g["instance"] for g in body["gateways"]] == ["0"]
    assert body["total"]["gateways"] == 1
    row = next(r for r in body["processes"] if r["process"] == "gateway/1")
    assert row["pid"] == pid and row["desired"] == "up"
    told(two, whole)


def test_a_gateway_that_is_kept_down_is_named_and_its_row_says_so(two):
    two.ctl("stop", "gateway/1")
    try:
        # Before that, a request that it has accepted already may be told that it is leaving.
        wait_until(lambda: two.status()["gateway/1"]["state"] == "stopped", 20, "it is gone")
        body = told(two, lambda b: b["unanswered"] == ["1"] and b["processes"] is not None)
        row = next(r for r in body["processes"] if r["process"] == "gateway/1")
        assert (row["desired"], row["state"]) == ("down", "stopped")
    finally:
        two.ctl("start", "gateway/1")
    two.wait_ready()
    told(two, whole)


def test_a_supervisor_that_hangs_is_not_waited_for_and_answers_later():
    with Sluice(PATIENT) as sluice:
        pid = sluice.process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(3):
                status, _, body = sluice.request("GET", PATH)
                assert status == 200 and body["processes"] is None
                assert body["gateway"]["instance"] == "0" and body["total"]["gateways"] == 1
        finally:
            os.kill(pid, signal.SIGCONT)
        assert len(told(sluice, whole)["processes"]) == 4


def test_clients_that_leave_before_the_answer_leave_nothing_behind():
    with Sluice(PATIENT) as sluice:
        pid = sluice.process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(40):
                with contextlib.suppress(TimeoutError):
                    sluice.request("GET", PATH, timeout=0.05)
        finally:
            os.kill(pid, signal.SIGCONT)
        # The one who asks.
        told(sluice, lambda b: whole(b) and b["gateway"]["connections"]["open"] == 1)
        assert sluice.status()["gateway/0"]["restarts"] == 0


def test_only_an_admin_is_told():
    with Guarded(**TWO) as guarded:
        issuer = guarded.issuer
        assert guarded.get(PATH)[0] == 401
        assert guarded.get(PATH, issuer.grants(["*"], publish=["*"]))[0] == 403
        admin = issuer.grants(admin=True)
        assert guarded.get(PATH, admin)[0] == 200
        wait_until(lambda: heard(guarded.get(PATH, admin)[2]), 20, "the supervisor's word")
