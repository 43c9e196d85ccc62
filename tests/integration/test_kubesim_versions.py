"""The simulated API server answers for versions, selectors and watch lists as a real one."""

import gzip
import json
import time
import urllib.parse
import zlib

import pytest

from tests.bed.kubesim import KubeSim
from tests.bed.net import deadline
from tests.integration.watch_reader import PODS, Watch, rv_of, watch_target

INITIAL = {
    "sendInitialEvents": "true",
    "resourceVersionMatch": "NotOlderThan",
    "allowWatchBookmarks": "true",
}


@pytest.fixture(name="sim")
def frozen_sim():
    """A frozen plain simulator."""
    with KubeSim(tls=False, frozen=True) as sim:
        yield sim


def versions_of(page):
    """{name: version} of a list."""
    return {
        item["metadata"]["name"]: int(item["metadata"]["resourceVersion"]) for item in page["items"]
    }


def by_name(sim):
    """{name: version} of the pods there are."""
    return {name: rv for (_, name), rv in sim.versions("pod").items()}


# --- which state a list shows ---


@pytest.mark.parametrize(
    ("query", "code", "why"),
    [
        ("resourceVersionMatch=NotOlderThan", 422, "unless resourceVersion is provided"),
        ("resourceVersion=5&resourceVersionMatch=Newest", 422, "supported values"),
        ("resourceVersion=0&resourceVersionMatch=Exact", 422, 'resourceVersion "0"'),
        ("continue=abc&resourceVersionMatch=Exact", 422, "forbidden when continue is provided"),
        ("sendInitialEvents=true", 422, "sendInitialEvents is forbidden for list"),
        ("watch=1&resourceVersionMatch=Exact", 422, "unless sendInitialEvents is provided"),
        ("watch=1&sendInitialEvents=true", 422, "requires setting resourceVersionMatch"),
        ("fieldSelector=spec.nope%3D1", 400, "field label not supported: spec.nope"),
        ("labelSelector=%3D1", 400, "found '=1', expected: !"),
    ],
)
def test_wrong_combinations_are_refused_with_their_reason(sim, query, code, why):
    """422 for the match of versions, as seen on a real server, 400 for selectors."""
    status, answer = sim.api.request("GET", f"{PODS}?{query}")
    assert (status, answer["kind"], answer["code"]) == (code, "Status", code)
    assert why in answer["message"]


def test_an_exact_version_is_served_from_the_past(sim):
    """Also by a limit without a match; deleted objects are there again, later ones are not."""
    before, rv = by_name(sim), sim.stats()["resourceVersion"]
    sim.change(count=15)
    (gone_ns, gone) = min(sim.versions("pod"))
    sim.api.delete("pods", gone_ns, gone)
    sim.api.create_pod("shop", "later")
    target = f"{PODS}?resourceVersion={rv}"
    page = sim.api.call("GET", f"{target}&resourceVersionMatch=Exact")
    assert (versions_of(page), int(page["metadata"]["resourceVersion"])) == (before, rv)
    first = sim.api.call("GET", f"{target}&limit=5")
    rest = sim.api.call("GET", f"{PODS}?continue={first['metadata']['continue']}")
    assert int(first["metadata"]["resourceVersion"]) == rv
    assert versions_of(first) | versions_of(rest) == before
    newest = sim.api.call("GET", f"{target}&resourceVersionMatch=NotOlderThan")
    assert versions_of(newest) == by_name(sim)
    assert versions_of(sim.api.call("GET", target)) == by_name(sim)


def test_an_exact_version_that_was_compacted_is_410(sim):
    """HTTP 410 with the reason Expired, not an event."""
    rv = sim.stats()["resourceVersion"]
    sim.change(count=5)
    sim.faults(compact=True)
    status, answer = sim.api.request(
        "GET", f"{PODS}?resourceVersion={rv}&resourceVersionMatch=Exact"
    )
    assert (status, answer["reason"]) == (410, "Expired")


def test_a_list_waits_for_its_version_and_gets_it(sim):
    """When it comes in time; else it is too large."""
    sim.modes(too_large_ms=5000)
    rv = sim.stats()["resourceVersion"] + 20
    with Watch(sim, watch_target(rv)) as quiet:
        sim.change(count=30, rate=60, wait=False)
        page = sim.api.call("GET", f"{PODS}?resourceVersion={rv}")
        assert int(page["metadata"]["resourceVersion"]) >= rv
        assert rv_of(quiet.event()) > rv
    sim.modes(too_large_ms=200)
    begin = time.monotonic()
    status, answer = sim.api.request("GET", f"{PODS}?resourceVersion={rv + 10**6}")
    assert (status, answer["reason"]) == (504, "Timeout")
    assert answer["details"]["retryAfterSeconds"] == 1
    assert "Too large resource version" in answer["message"]
    assert 0.15 < time.monotonic() - begin < deadline(2)


def test_a_lagging_replica_shows_the_past_and_catches_up(sim):
    """From its cache it is behind, a quorum read is not; its watches go on later."""
    start = sim.stats()["resourceVersion"]
    sim.faults(replica_hold=True)
    with Watch(sim, watch_target(start), port=sim.replica.port) as watch:
        last = sim.change(count=10)["last_rv"]
        cached = sim.replica.call("GET", f"{PODS}?resourceVersion=0")
        assert int(cached["metadata"]["resourceVersion"]) == start
        assert max(versions_of(cached).values()) <= start
        fresh = sim.replica.call("GET", PODS)
        assert int(fresh["metadata"]["resourceVersion"]) == last
        sim.modes(too_large_ms=100)
        status, _ = sim.replica.request("GET", f"{PODS}?resourceVersion={last}")
        assert status == 504
        assert sim.api.request("GET", f"{PODS}?resourceVersion={last}")[0] == 200
        sim.faults(replica_hold=False)
        assert [rv_of(event) for event in watch.events(10)][-1] == last
        sim.change(count=1)
        assert rv_of(watch.event()) > last


def test_a_limit_at_zero_is_ignored_or_honoured(sim):
    """A real server sends everything in one body."""
    page = sim.api.call("GET", f"{PODS}?resourceVersion=0&limit=5")
    assert len(page["items"]) == len(sim.versions("pod"))
    assert "continue" not in page["metadata"]
    sim.faults(ignore_limit=False)
    page = sim.api.call("GET", f"{PODS}?resourceVersion=0&limit=5")
    assert len(page["items"]) == 5
    assert len(sim.api.call("GET", f"{PODS}?limit=5")["items"]) == 5


# --- watches that are not to be had ---


def test_a_silent_kind_ends_at_once_where_others_say_410(sim):
    """HTTP 200 and a clean end: as kinds without a cache, and some front-ends."""
    old = sim.stats()["resourceVersion"] - 5
    sim.faults(compact=True)
    with Watch(sim, watch_target(old)) as watch:
        event = watch.event()
        assert event["object"]["reason"] == "Expired"
        assert event["object"]["message"].startswith(f"too old resource version: {old} (")
    sim.modes(silent=["pods"])
    with Watch(sim, watch_target(old)) as watch:
        assert (watch.status, watch.event()) == (200, None)


def test_young_events_are_kept_beyond_the_count():
    """The window grows for them."""
    options = ("--window", "10", "--window-ms", "60000")
    with KubeSim(tls=False, frozen=True, options=options) as sim:
        rv = sim.stats()["resourceVersion"]
        sim.change(count=100)
        with Watch(sim, watch_target(rv)) as watch:
            assert len(watch.events(100)) == 100


def test_a_server_that_ends_says_so_in_order(sim):
    """/readyz first, watches end cleanly, new requests get 429 and the connection's end."""
    rv = sim.stats()["resourceVersion"]
    with Watch(sim, watch_target(rv)) as watch:
        sim.wait_watches(1)
        sim.faults(shutdown=True)
        assert watch.event() is None
    assert sim.api.request("GET", "/readyz")[0] == 500
    with Watch(sim, PODS) as answer:
        assert answer.status == 429
        assert answer.answer.getheader("Retry-After") == "5"
        assert answer.answer.getheader("Connection") == "close"
    sim.faults(shutdown=False)
    assert sim.api.request("GET", "/readyz")[0] == 200
    with Watch(sim, watch_target(rv)) as watch:
        sim.wait_watches(1)
        sim.faults(restart=True, rv_rollback=3)
        with pytest.raises(ConnectionError):
            watch.event()


# --- watch lists ---


def test_a_watch_list_begins_with_everything_and_marks_the_end(sim):
    """Also without the annotation's kind when metadata alone is asked for."""
    count = len(sim.versions("pod"))
    with Watch(sim, watch_target(**INITIAL)) as watch:
        assert {event["type"] for event in watch.events(count)} == {"ADDED"}
        mark = watch.event()
        assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        sim.change(count=1)
        assert watch.event()["type"] == "MODIFIED"


@pytest.mark.parametrize("mode", ["ignored", "endless"])
def test_some_watch_lists_never_end(sim, mode):
    """An old server streams ADDED only; a proxy drops every bookmark."""
    sim.modes(watchlist=mode, bookmark_ms=50)
    count = len(sim.versions("pod"))
    with Watch(sim, watch_target(**INITIAL)) as watch:
        watch.events(count)
        if mode == "ignored":
            # It has bookmarks, but none is the mark of the end.
            bookmark = watch.event()
            assert bookmark["type"] == "BOOKMARK"
            assert "annotations" not in bookmark["object"]["metadata"]
        else:
            time.sleep(0.2)
        sim.change(count=1)
        kinds = [watch.event()["type"]]
        while mode == "ignored" and kinds[-1] == "BOOKMARK":
            kinds.append(watch.event()["type"])
        assert kinds[-1] == "MODIFIED"


def test_a_watch_list_is_refused_or_fails_inside(sim):
    """422 without the feature; an ERROR event when etcd is too old, or the version too large."""
    sim.modes(watchlist="off")
    status, answer = sim.api.request("GET", watch_target(**INITIAL))
    assert (status, answer["reason"]) == (422, "Invalid")
    assert "WatchList feature gate" in answer["message"]
    sim.modes(watchlist="error")
    with Watch(sim, watch_target(**INITIAL)) as watch:
        assert (watch.status, watch.event()["type"]) == (200, "ERROR")
    sim.modes(watchlist="on", too_large_ms=100)
    with Watch(sim, watch_target(10**9, **INITIAL)) as watch:
        event = watch.event()
        causes = event["object"]["details"]["causes"]
        assert (watch.status, event["object"]["code"]) == (200, 504)
        assert causes[0]["reason"] == "ResourceVersionTooLarge"
        assert watch.event() is None


def test_a_compressed_watch_list_closes_a_gzip_member_per_line(sim):
    """As 1.37 does it: one decompressor sees only the first."""
    sim.modes(watchlist="gzip")
    count = len(sim.versions("pod"))
    target = watch_target(**INITIAL, timeoutSeconds=1)
    with Watch(sim, target, Accept_Encoding="gzip") as watch:
        assert watch.answer.getheader("Content-Encoding") == "gzip"
        raw = watch.answer.read()
    first = zlib.decompressobj(wbits=31)
    assert first.decompress(raw).count(b"\n") == 1
    assert first.unused_data
    assert gzip.decompress(raw).count(b"\n") == count + 1
    with Watch(sim, watch_target(**INITIAL)) as watch:
        assert watch.event()["type"] == "ADDED"


# --- selectors ---


@pytest.mark.parametrize(
    ("selector", "wanted"),
    [
        ("app=checkout", lambda app: app == "checkout"),
        ("app==checkout", lambda app: app == "checkout"),
        ("app!=checkout", lambda app: app != "checkout"),
        ("app in (checkout, payments)", lambda app: app in {"checkout", "payments"}),
        ("app notin (checkout)", lambda app: app != "checkout"),
        ("app,!nothing", bool),
        ("nothing", lambda app: not app),
    ],
)
def test_labels_select(sim, selector, wanted):
    """Every operator; and nobody counts what will be left."""
    query = urllib.parse.urlencode({"labelSelector": selector})
    page = sim.api.call("GET", f"{PODS}?{query}")
    apps = [pod["metadata"]["labels"]["app"] for pod in sim.api.list("pods")]
    found = [item["metadata"]["labels"]["app"] for item in page["items"]]
    assert sorted(found) == sorted(app for app in apps if wanted(app))
    page = sim.api.call("GET", f"{PODS}?{query}&limit=1")
    assert "remainingItemCount" not in page["metadata"]
    if len(found) > 1:
        more = page["metadata"]["continue"]
        rest = sim.api.call("GET", f"{PODS}?{query}&continue={more}")
        assert len(rest["items"]) == len(found) - 1


def test_fields_select_where_the_server_allows_it(sim):
    """Phase, node, name; a secret's type."""
    ns, name = min(sim.versions("pod"))
    page = sim.api.call("GET", f"{PODS}?fieldSelector=metadata.name%3D{name}")
    assert [item["metadata"]["name"] for item in page["items"]] == [name]
    assert sim.api.call("GET", f"{PODS}?fieldSelector=status.phase%3DRunning")["items"]
    assert not sim.api.call("GET", f"{PODS}?fieldSelector=status.phase%21%3DRunning")["items"]
    assert sim.api.call("GET", f"/api/v1/namespaces/{ns}/secrets?fieldSelector=type%3DOpaque")


def test_a_watch_with_a_selector_rewrites_events(sim):
    """An object that leaves arrives as DELETED though it lives, in its last state inside."""
    start = sim.stats()["resourceVersion"]
    sim.api.create_pod("shop", "flip", labels={"team": "red"})
    with Watch(sim, watch_target(start, labelSelector="team%3Dred")) as watch:
        for labels in ({"team": "blue"}, {"team": "red"}, {"team": "red", "more": "1"}):
            sim.api.patch("pods", "shop", "flip", {"metadata": {"labels": labels}})
        sim.change(count=5)
        sim.api.delete("pods", "shop", "flip")
        events = [watch.event() for _ in range(6)]
    kinds = [event["type"] for event in events]
    assert kinds == ["ADDED", "DELETED", "ADDED", "MODIFIED", "MODIFIED", "DELETED"]
    assert events[1]["object"]["metadata"]["labels"]["team"] == "red"
    assert rv_of(events[1]) > rv_of(events[0])


# --- compression ---


def test_long_lists_are_compressed_when_that_is_accepted():
    """Above 128 KiB, also those that are written while they are sent."""
    for objects in (200, 3000):
        with KubeSim(tls=False, frozen=True, objects=objects) as sim:
            with Watch(sim, PODS, Accept_Encoding="gzip") as answer:
                assert answer.answer.getheader("Content-Encoding") == "gzip"
                assert answer.answer.getheader("Vary") == "Accept-Encoding"
                page = json.loads(gzip.decompress(answer.answer.read()))
            assert page == sim.api.call("GET", PODS)
            assert len(page["items"]) == sim.stats()["objects"]["pod"]
            with Watch(sim, f"{PODS}?limit=2", Accept_Encoding="gzip") as answer:
                assert answer.answer.getheader("Content-Encoding") is None
            sim.modes(gzip="off")
            with Watch(sim, PODS, Accept_Encoding="gzip") as answer:
                assert answer.answer.getheader("Content-Encoding") is None


def test_a_gzip_body_can_be_cut_under_good_framing(sim):
    """The length is right, the stream inside has no end."""
    sim.change(count=1)
    with KubeSim(tls=False, frozen=True, objects=200) as big:
        big.faults(next=[{"match": "/pods", "action": "cutgzip"}])
        with Watch(big, PODS, Accept_Encoding="gzip") as answer:
            raw = answer.answer.read()
        with pytest.raises(EOFError):
            gzip.decompress(raw)


# --- what happens to lines ---


def test_events_can_come_twice_or_in_the_wrong_order(sim):
    """Which must not happen, and clients must survive."""
    rv = sim.stats()["resourceVersion"]
    sim.faults(next=[{"match": "watch=1", "action": "duplicate"}])
    with Watch(sim, watch_target(rv)) as watch:
        sim.change(count=2)
        versions = [rv_of(event) for event in watch.events(3)]
        assert versions[0] == versions[1] < versions[2]
    rv = sim.stats()["resourceVersion"]
    sim.faults(next=[{"match": "watch=1", "action": "reorder"}])
    with Watch(sim, watch_target(rv)) as watch:
        sim.change(count=3)
        versions = [rv_of(event) for event in watch.events(3)]
        assert versions[1] < versions[0] < versions[2]


def test_a_line_can_come_in_pieces_or_be_strange(sim):
    """Split at every place; an ERROR whose object is no Status."""
    rv = sim.stats()["resourceVersion"]
    sim.faults(next=[{"match": "watch=1", "action": "split"}])
    with Watch(sim, watch_target(rv)) as watch:
        sim.change(count=3)
        assert [event["type"] for event in watch.events(3)] == ["MODIFIED"] * 3
    rv = sim.stats()["resourceVersion"]
    sim.faults(next=[{"match": "watch=1", "action": "merge"}])
    with Watch(sim, watch_target(rv)) as watch:
        sim.change(count=4)
        chunk = watch.answer.fp.read(int(watch.answer.fp.readline(), 16))
        assert (chunk.count(b"\n"), chunk[-1:]) == (2, b"\n")
    sim.faults(next=[{"match": "watch=1", "action": "strange"}])
    with Watch(sim, watch_target(rv)) as watch:
        event = watch.event()
        assert (event["type"], event["object"]["kind"]) == ("ERROR", "Surprise")
        assert watch.event()["type"] == "MODIFIED"


@pytest.mark.slow
def test_a_connection_can_freeze_or_trickle(sim):
    """No byte and no end; one byte a second."""
    rv = sim.stats()["resourceVersion"]
    sim.faults(next=[{"match": "watch=1", "action": "freeze"}])
    with Watch(sim, watch_target(rv)) as watch:
        sim.change(count=2)
        watch.conn.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            watch.line()
    sim.faults(next=[{"match": "watch=1", "action": "trickle"}])
    # The first byte comes with the answer's head.
    begin = time.monotonic()
    with Watch(sim, watch_target(rv)) as watch:
        assert watch.answer.read(3) == b'{"t'
        assert 1.5 < time.monotonic() - begin < deadline(4)
