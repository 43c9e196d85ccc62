"""The simulated API server fails as it is told to, and as a real one fails."""

import http.client
import json
import socket

import pytest

from tests.bed.kubesim import KubeSim
from tests.bed.net import deadline

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


def body_of(sim, target, **headers):
    """(bytes of the body of GET TARGET as they came, whether it was whole)."""
    conn = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=deadline(20))
    try:
        conn.request("GET", target, headers={"Authorization": f"Bearer {sim.token}", **headers})
        return conn.getresponse().read(), True
    except http.client.IncompleteRead as cut:
        return cut.partial, False
    finally:
        conn.close()


def test_an_answer_is_cut_at_whichever_byte_is_asked_for(sim):
    """Each byte of a short list; the end of it is no cut, and nothing is behind it."""
    target = "/api/v1/namespaces/nowhere/pods"
    whole, _ = body_of(sim, target)
    for at in range(len(whole)):
        sim.faults(next=[{"match": target, "action": "truncate", "at": at}])
        assert body_of(sim, target) == (whole[:at], False)
    sim.faults(next=[{"match": target, "action": "halfline", "at": len(whole) + 9}])
    assert body_of(sim, target) == (whole, True)
    assert body_of(sim, target) == (whole, True)


@pytest.mark.parametrize("objects", [900, 3000], ids=["in_chunks", "while_it_is_made"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_long_list_is_cut_at_whichever_byte_is_asked_for(objects, encoding):
    """As it is sent, compressed or not; `cutgzip` frames what it leaves as if it were whole."""
    with KubeSim(tls=False, frozen=True, objects=objects) as sim:
        headers = {"Accept-Encoding": encoding}
        whole, _ = body_of(sim, PODS, **headers)
        size = len(whole)
        for at in (0, 1, 10, size // 3, size - 1):
            sim.faults(next=[{"match": PODS, "action": "truncate", "at": at}])
            assert body_of(sim, PODS, **headers) == (whole[:at], False)
            assert sim.requests()[-1]["bytes"] == at
            if encoding == "gzip":
                sim.faults(next=[{"match": PODS, "action": "cutgzip", "at": at}])
                assert body_of(sim, PODS, **headers) == (whole[:at], True)
        assert body_of(sim, PODS, **headers) == (whole, True)


def test_a_watch_is_cut_at_whichever_byte_of_its_lines_is_asked_for(sim):
    """Inside the first line, at its end, and in a later one."""
    rv = sim.stats()["resourceVersion"]
    sim.change(count=3)
    with Watch(sim, watch_target(rv)) as watch:
        lines = [watch.line() for _ in range(3)]
    first, whole = len(lines[0]), b"".join(lines)
    for at in (0, 1, first - 2, first - 1, first, first + 1, first + len(lines[1]), len(whole) - 1):
        sim.faults(next=[{"match": "watch=1", "action": "halfline", "at": at}])
        assert body_of(sim, watch_target(rv)) == (whole[:at], False)


def test_a_place_to_cut_is_for_what_is_cut(sim):
    """Refused with any other action, and below zero."""
    for rule in ({"action": "reset", "at": 3}, {"at": 3}, {"action": "truncate", "at": -2}):
        status, answer = sim.api.request("POST", "/_sim/faults", {"next": [rule]})
        assert status == 400 and "at is of what is cut" in answer["message"]


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
