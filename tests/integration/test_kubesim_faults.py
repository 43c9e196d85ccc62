"""The simulated API server fails as it is told to, and as a real one fails."""

import http.client
import json
import socket

import pytest

from tests.bed.kubesim import KubeSim

from .watch_reader import PODS, Watch, watch_target


@pytest.mark.parametrize("code", [401, 403, 410, 429, 500, 503])
def test_an_injected_status_is_used_count_times(sim, code):
    """With Retry-After where asked for."""
    sim.faults(next=[{"match": "/pods", "status": code, "retry_after": 7, "count": 2}])
    for _ in range(2):
        status, answer = sim.api.request("GET", PODS)
        assert (status, answer["code"]) == (code, code)
        assert answer["details"]["retryAfterSeconds"] == 7
    assert sim.api.request("GET", PODS)[0] == 200


def test_an_answer_can_be_cut_reset_closed_or_hang(sim):
    """Each as a client sees it on the socket."""
    sim.faults(next=[{"match": "/pods", "action": "reset"}])
    with pytest.raises(ConnectionResetError):
        sim.api.call("GET", PODS)
    sim.faults(next=[{"match": "/pods", "action": "close"}])
    with pytest.raises(ConnectionError):
        sim.api.call("GET", PODS)
    sim.faults(next=[{"match": "/pods", "action": "truncate"}])
    with pytest.raises(ConnectionError):
        sim.api.call("GET", PODS)
    sim.faults(next=[{"match": "/pods", "action": "hang"}])
    with pytest.raises(socket.timeout):
        sim.api.call("GET", PODS, timeout=0.5)
    sim.faults(next=[{"match": "/pods", "action": "garbage"}])
    assert "502 Bad Gateway" in sim.api.call("GET", PODS)
    sim.faults(next=[{"match": "/pods", "status": 502, "html": True}])
    assert sim.api.request("GET", PODS)[0] == 502
    assert sim.api.request("GET", PODS)[0] == 200


def test_a_watch_can_be_cut_inside_a_line_or_carry_garbage(sim):
    """The half line has no newline; after garbage the watch goes on."""
    rv = sim.stats()["resourceVersion"]
    sim.faults(next=[{"match": "watch=1", "action": "halfline"}])
    with Watch(sim, watch_target(rv)) as watch:
        sim.change(count=2)
        with pytest.raises(http.client.IncompleteRead) as cut:
            watch.answer.read()
        assert cut.value.partial == b"" or not cut.value.partial.endswith(b"\n")
    sim.faults(next=[{"match": "watch=1", "action": "garbage"}])
    with Watch(sim, watch_target(rv)) as watch:
        with pytest.raises(ValueError):
            json.loads(watch.line())
        assert watch.event()["type"] == "MODIFIED"
    sim.faults(next=[{"match": "watch=1", "watch_error": 500}])
    with Watch(sim, watch_target(rv)) as watch:
        assert watch.event()["object"]["code"] == 500
        assert watch.event() is None


def test_watches_can_be_dropped_and_versions_go_back(sim):
    """Cleanly or by reset; after a rollback the list's version is lower."""
    rv = sim.change(count=40)["last_rv"]
    with Watch(sim, watch_target(rv)) as watch:
        sim.wait_watches(1)
        sim.faults(drop_watches=True)
        assert watch.event() is None
    with Watch(sim, watch_target(rv)) as watch:
        sim.wait_watches(1)
        sim.faults(drop_watches="reset")
        with pytest.raises(ConnectionResetError):
            watch.event()
    sim.faults(rv_rollback=30)
    page = sim.api.call("GET", f"{PODS}?limit=1")
    assert int(page["metadata"]["resourceVersion"]) == rv - 30
    assert max(sim.versions("pod").values()) <= rv - 30


def test_a_kind_can_be_forbidden_and_allowed_again(sim):
    """Cluster-wide alone, so that a fallback to namespaces can be shown."""
    sim.faults(forbid=["pods"])
    status, answer = sim.api.request("GET", PODS)
    assert (status, answer["reason"]) == (403, "Forbidden")
    assert sim.api.list("pods", "shop")
    sim.faults(forbid=["pods/all"])
    assert sim.api.request("GET", "/api/v1/namespaces/shop/pods")[0] == 403
    sim.faults(forbid=[])
    assert sim.api.list("pods")


def test_an_expired_continue_token_is_410_with_one_for_the_rest(sim):
    """The Status carries a token that goes on inconsistently."""
    page = sim.api.call("GET", f"{PODS}?limit=10")
    sim.faults(expire_continue=True)
    status, answer = sim.api.request(
        "GET", f"{PODS}?limit=10&continue={page['metadata']['continue']}"
    )
    assert (status, answer["reason"], answer["code"]) == (410, "Expired", 410)
    rest = sim.api.call("GET", f"{PODS}?continue={answer['metadata']['continue']}")
    assert len(rest["items"]) == len(sim.versions("pod")) - 10


def test_a_version_that_left_the_window_is_410_inside_200():
    """By count of events, and by compaction; then the body ends cleanly."""
    with KubeSim(tls=False, frozen=True, options=("--window", "20")) as sim:
        old = sim.stats()["resourceVersion"]
        sim.change(count=10)
        with Watch(sim, watch_target(old)) as watch:
            assert watch.event()["type"] == "MODIFIED"
        sim.change(count=30)
        recent = sim.stats()["resourceVersion"] - 1
        with Watch(sim, watch_target(old)) as watch:
            event = watch.event()
            assert watch.status == 200
            assert event["type"] == "ERROR"
            assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
            assert watch.event() is None
        sim.faults(compact=True)
        with Watch(sim, watch_target(recent - 5)) as watch:
            assert watch.event()["object"]["code"] == 410


def test_readyz_names_the_failing_check(sim):
    """And answers ok, or the list when asked for."""
    assert sim.api.request("GET", "/readyz") == (200, "ok")
    assert "[+]etcd ok" in sim.api.call("GET", "/readyz?verbose")
    sim.faults(ready=False)
    status, text = sim.api.request("GET", "/readyz")
    assert status == 500
    assert "[-]etcd failed" in text
    assert sim.api.request("GET", "/livez")[0] == 200


def test_the_log_has_every_request_but_those_of_tests(sim):
    """Method, target, headers of interest, status."""
    sim.clear_requests()
    sim.api.request("GET", f"{PODS}?limit=1")
    sim.api.request("GET", PODS, token="wrong")
    log = sim.requests()
    assert [entry["target"] for entry in log] == [f"{PODS}?limit=1", PODS]
    assert [entry["status"] for entry in log] == [200, 401]
    assert log[0]["accept"] == "application/json"
    assert sim.requests(after=log[0]["id"]) == log[1:]
