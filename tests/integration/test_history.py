"""GET /api/v1/streams/{key}/events: the stored events of a stream, page by page."""

import http.client
import json
import urllib.parse

import pytest

from tests.bed.net import wait_until
from tests.bed.schemas import validator
from tests.bed.sluice import Sluice
from tests.bed.store import StoreBed

from .guarded import Guarded
from .numbered import events, publish


def path_of(key, **query):
    """The path of a stream's events."""
    text = f"/api/v1/streams/{urllib.parse.quote(key, safe=':')}/events"
    return text + ("?" + urllib.parse.urlencode(query, safe=",") if query else "")


def page(sluice, key, **query):
    """One page; anything but 200 is an error."""
    status, _, body = sluice.request("GET", path_of(key, **query))
    assert status == 200, (status, body)
    for error in validator("history").iter_errors(body):
        raise AssertionError(f"history.json: {error.json_path}: {error.message[:200]}")
    return body


def patient_page(sluice, key, **query):
    """The same, asked again while the store is away."""

    def asked():
        try:
            status, headers, body = sluice.request("GET", path_of(key, **query))
        except (OSError, http.client.HTTPException):
            return None
        assert status in (200, 503), (status, body)
        if status == 503:
            assert int(headers["Retry-After"]) >= 1
            assert body["code"] == "store_unavailable"
        return body if status == 200 else None

    return wait_until(asked, 30, f"a page of {key}")


def follow(sluice, key, ask=page, **query):
    """All pages from the oldest on; (events, pages)."""
    pages = [ask(sluice, key, **query)]
    while pages[-1]["next"] is not None:
        pages.append(ask(sluice, key, **{**query, "after": pages[-1]["next"]}))
    return [event for one in pages for event in one["events"]], pages


def position(event_id):
    """The number in an id."""
    return int(event_id.rpartition("-")[2])


def wait_stored(sluice, key, last, timeout=20):
    """Waits until the store has the stream's event LAST (an id)."""

    def stored():
        status, _, body = sluice.request("GET", path_of(key, limit=1))
        return status == 200 and position(body["as_of"]) >= position(last)

    wait_until(stored, timeout, f"{last} is stored", ignore=(OSError,))


@pytest.fixture(scope="module")
def pair():
    """A service with two gateways."""
    with Sluice(gateways=2) as sluice:
        yield sluice


def told(sluice, key, count):
    """The first COUNT events of a stream, as it tells them."""
    with sluice.stream(key, last_event_id="-1", snapshot="0") as stream:
        stream.wait_events(count)
        return [frame.json for frame in stream.frames if frame.id and "seq" in (frame.json or {})]


def test_pages_hold_every_event_once_in_order_as_the_stream_told_it(pair):
    """2,500 events beside those of other streams, by pages of 100, from either gateway."""
    for begin in range(0, 2500, 500):
        rows = [
            row
            for n in range(begin, begin + 500)
            for row in events("job:paged/a-b", n, n + 1) + events("job:p", n, n + 1)
        ]
        pair.publish(rows[:1000])
    answer = pair.publish(events("job:other", 0, 1))
    wait_stored(pair, "job:other", answer["last_id"])
    stored, pages = follow(pair, "job:paged/a-b", limit=100)
    assert [event["data"]["n"] for event in stored] == list(range(2500))
    assert [event["seq"] for event in stored] == list(range(1, 2501))
    assert [len(one["events"]) for one in pages] == [100] * 25
    assert all(one["complete"] and one["gaps"] == [] for one in pages)
    assert stored == told(pair, "job:paged/a-b", 2500)
    # Behind any event, and behind an id that is another stream's.
    assert page(pair, "job:paged/a-b", after=stored[2400]["id"])["events"] == stored[2401:2501]
    theirs = page(pair, "job:p", limit=1)["events"][0]["id"]
    assert page(pair, "job:paged/a-b", after=theirs, limit=2)["events"] == stored[1:3]


def test_a_stream_goes_on_where_its_history_ends(pair):
    """as_of is a cursor: history, then the stream from there, has every event once."""
    publish(pair, "run:hand", 0, 30)
    stored, pages = follow(pair, "run:hand", limit=7)
    publish(pair, "run:hand", 30, 60)
    with pair.stream("run:hand", last_event_id=pages[-1]["as_of"]) as stream:
        stream.wait_events(60 - len(stored))
        live = stream.events()
    assert [event["data"]["n"] for event in stored + live] == list(range(60))


def test_what_a_client_has_seen_is_waited_for(pair):
    """Behind the last id of a 202 there is nothing, and the store stands there."""
    for n in range(20):
        last = pair.publish(events("build:w", n, n + 1))["last_id"]
        body = page(pair, "build:w", after=last)
        assert body["events"] == [] and body["complete"]
        assert position(body["as_of"]) >= position(last)


def test_types_are_picked(pair):
    """Only some event types; what is left out is no gap."""
    for n in range(10):
        pair.publish(events("alerts:t", n, n + 1, event_type="x.odd" if n % 2 else "x.even"))
    last = pair.publish(events("alerts:t", 10, 11, event_type="x.end"))["last_id"]
    wait_stored(pair, "alerts:t", last)
    stored, pages = follow(pair, "alerts:t", types="x.odd,x.end", limit=2)
    assert [event["data"]["n"] for event in stored] == [1, 3, 5, 7, 9, 10]
    assert all(one["complete"] for one in pages)


def test_a_stream_nobody_knows_has_no_events(pair):
    """A page may open before the first of them."""
    body = page(pair, "job:nobody")
    assert (body["events"], body["next"], body["complete"]) == ([], None, True)


@pytest.mark.parametrize(
    ("key", "query", "status", "code"),
    [
        ("job:", {}, 400, "invalid_id"),
        ("job:*", {}, 400, "invalid_id"),
        ("nothing:x", {}, 400, "invalid_id"),
        ("job:a", {"after": "-1"}, 400, "invalid_cursor"),
        ("job:a", {"after": "now"}, 400, "invalid_cursor"),
        ("job:a", {"after": ""}, 400, "invalid_cursor"),
        ("job:a", {"limit": "0"}, 400, "bad_request"),
        ("job:a", {"limit": "1001"}, 400, "bad_request"),
        ("job:a", {"limit": "99999999999999999999"}, 400, "bad_request"),
        ("job:a", {"limit": "-1"}, 400, "bad_request"),
        ("job:a", {"types": "Job"}, 400, "bad_request"),
        ("job:a", {"types": ",".join("abcdefghijklmnopqrstuvwxyzabcdefg")}, 400, "bad_request"),
        ("job:a", {"before": "x"}, 400, "bad_request"),
        ("resource:c/pod/n/a", {}, 404, "no_history"),
        ("watcher:c", {}, 404, "no_history"),
    ],
)
def test_what_is_asked_wrongly_is_refused(pair, key, query, status, code):
    """Each with its own code."""
    got, _, body = pair.request("GET", path_of(key, **query))
    assert (got, body["code"]) == (status, code)


def test_a_parameter_twice_and_other_methods_are_refused(pair):
    """Neither is guessed at."""
    assert pair.request("GET", path_of("job:a") + "?limit=1&limit=2")[0] == 400
    status, headers, _ = pair.request("POST", path_of("job:a"), {})
    assert status == 405 and "GET" in headers["Allow"]


def test_cursors_that_cannot_be_placed_are_told(pair):
    """Of another epoch: from the oldest on; ahead of all: nothing."""
    last = pair.publish(events("import:c", 0, 5))["last_id"]
    wait_stored(pair, "import:c", last)
    body = page(pair, "import:c", after=f"00000001-{position(last)}")
    assert [event["seq"] for event in body["events"]] == [1, 2, 3, 4, 5]
    assert [gap["reason"] for gap in body["gaps"]] == ["epoch_changed"]
    body = page(pair, "import:c", after=f"{last.partition('-')[0]}-99999999")
    assert body["events"] == []
    assert [gap["reason"] for gap in body["gaps"]] == ["cursor_ahead"]
    assert body["complete"] is False


def test_large_events_make_short_pages(pair):
    """A page has about 512 KiB at most, whatever limit says."""
    publish(pair, "job:large", 0, 40, size=40_000)
    last = pair.publish(events("job:large", 40, 41))["last_id"]
    wait_stored(pair, "job:large", last)
    stored, pages = follow(pair, "job:large", limit=1000)
    assert [event["data"]["n"] for event in stored] == list(range(41))
    assert len(pages) >= 3
    assert all(len(json.dumps(one)) < 700_000 for one in pages)


def test_tenants_and_grants_hold_as_for_a_stream():
    """Equal keys of two tenants; a prefix grant; none at all; nobody learns what exists."""
    with Guarded("ES256") as guarded:
        grants = guarded.issuer.grants
        ours = grants(["job:a/*"], ["job:*"], tenant="ours")
        theirs = grants(["*"], ["*"], tenant="theirs")
        guarded.post(ours, events("job:a/x", 0, 3))
        guarded.post(theirs, events("job:a/x", 100, 102))
        guarded.post(ours, events("job:b", 0, 3))

        def numbers(token, key):
            status, _, body = guarded.get(path_of(key), token)
            assert status == 200, body
            return [event["data"]["n"] for event in body["events"]]

        wait_until(lambda: numbers(ours, "job:a/x") == [0, 1, 2], 20, "ours")
        wait_until(lambda: numbers(theirs, "job:a/x") == [100, 101], 20, "theirs")
        assert numbers(theirs, "job:b") == numbers(theirs, "job:never") == []
        for key in ("job:b", "job:never", "resource:c/pod/n/a"):
            status, _, body = guarded.get(path_of(key), ours)
            assert (status, body["code"]) == (403, "forbidden")
        assert guarded.get(path_of("job:a/x"))[0] == 401
        # As of a cookie: it is for streams alone.
        cookie = {"Cookie": f"sluice_token={ours}"}
        assert guarded.get(path_of("job:a/x"), headers=cookie)[0] == 401


def test_without_the_store_it_is_503_and_comes_back():
    """Retry-After; published meanwhile, read afterwards."""
    with StoreBed() as bed:
        bed.publish(events("job:away", 0, 5))
        bed.stop_store()
        status, headers, body = bed.request("GET", path_of("job:away"))
        assert (status, body["code"]) == (503, "store_unavailable")
        assert int(headers["Retry-After"]) >= 1
        last = bed.publish(events("job:away", 5, 10))["last_id"]
        bed.ctl("start", "store")
        body = patient_page(bed, "job:away")
        wait_stored(bed, "job:away", last)
        stored, pages = follow(bed, "job:away", patient_page)
        assert [event["data"]["n"] for event in stored] == list(range(10))
        assert pages[0]["complete"]


@pytest.mark.slow
@pytest.mark.threads
def test_pages_go_on_over_a_store_that_is_killed():
    """SIGKILL between pages and between batches: each event once, in order, none missing."""
    with StoreBed({"gateway": {"processes": 2}}) as bed:
        stored, after, killed = [], None, 0
        for begin in range(0, 2500, 250):
            publish(bed, "job:k", begin, begin + 250)
            publish(bed, "pack-run:k", begin, begin + 20)
            if begin % 500 == 0:
                pid = bed.kill("store")
                killed += 1
            query = {"after": after} if after else {}
            body = patient_page(bed, "job:k", limit=90, **query)
            assert body["gaps"] == []
            stored += body["events"]
            after = stored[-1]["id"] if stored else after
        bed.wait_restarted("store", pid)
        last = bed.publish(events("job:k", 2500, 2501))["last_id"]
        wait_stored(bed, "job:k", last)
        while True:
            body = patient_page(bed, "job:k", limit=90, after=after)
            assert body["complete"]
            stored += body["events"]
            if body["next"] is None:
                break
            after = body["next"]
        assert [event["data"]["n"] for event in stored] == list(range(2501))
        assert [event["seq"] for event in stored] == list(range(1, 2502))
        assert stored == follow(bed, "job:k", limit=1000)[0]
        assert killed == 5


@pytest.mark.slow
def test_what_is_too_old_leaves_and_the_answer_says_so():
    """history.retain: told by seq, and a job that ended leaves no snapshot either."""
    conf = {
        "history": {"retain": "1s"},
        "streams": {"job": {"snapshot_retention": "1s"}},
    }
    with StoreBed(conf) as bed:
        publish(bed, "job:old", 0, 1500)
        end = {"stream_key": "job:old", "event_type": "job.state_changed", "data": ENDED}
        # Before the store has it, a page is as empty as after it has left.
        wait_stored(bed, "job:old", bed.publish([end])["last_id"])
        wait_until(lambda: patient_page(bed, "job:old")["events"] == [], 60, "all of it is gone")
        body = page(bed, "job:old")
        assert body["complete"] is False
        assert body["gaps"] == [{"from_seq": 1, "to_seq": None, "reason": "evicted"}]
        assert bed.rows("SELECT count(*) FROM history") == [(0,)]
        wait_until(lambda: bed.snapshot("job:*")[1] == [], 60, "it is not shown by a prefix")
        pid = bed.kill("store")
        bed.wait_restarted("store", pid)
        assert bed.snapshot("job:*")[1] == []
        assert [e["data"]["state"] for e in bed.snapshot("job:old")[1]] == ["succeeded"]


# Its log may go on, so that there is something to be taken after it.
ENDED = {
    "job_id": "old",
    "state": "succeeded",
    "previous_state": "running",
    "attempt": 1,
    "logs_open": True,
}


@pytest.mark.slow
def test_a_flood_keeps_to_its_size_on_the_disk():
    """history.size: 1 MiB of 6 MB; the newest are there, without a hole; the store stays small."""
    with StoreBed({"history": {"size": "1MiB"}}) as bed:
        publish(bed, "job:flood", 0, 6000, size=1000)
        last = bed.publish(events("job:flood", 6000, 6001))["last_id"]
        wait_stored(bed, "job:flood", last)
        stored, pages = follow(bed, "job:flood", limit=1000)
        assert [e["data"]["n"] for e in stored] == list(range(stored[0]["data"]["n"], 6001))
        assert 100 < len(stored) < 1200
        first = pages[0]["gaps"]
        assert first == [{"from_seq": 1, "to_seq": stored[0]["seq"] - 1, "reason": "evicted"}]
        (kept,) = bed.rows("SELECT sum(length(item) + 64) FROM history")[0]
        assert kept <= 1 << 20
        assert all(one["complete"] for one in pages[1:])


def test_history_can_be_off():
    """Then nothing is stored, and who asks is told."""
    with StoreBed({"history": {"retain": "off"}}) as bed:
        last = bed.publish(events("job:off", 0, 10))["last_id"]
        status, _, body = bed.request("GET", path_of("job:off"))
        assert (status, body["code"]) == (404, "no_history")
        bed.wait_applied(position(last))
        assert bed.rows("SELECT count(*) FROM history") == [(0,)]


@pytest.mark.release_only
@pytest.mark.slow
def test_the_stores_memory_does_not_grow_with_what_it_stores_and_tells():
    """60 MB stored and read page by page: less than 40 MB more than before."""
    with StoreBed() as bed:
        publish(bed, "job:m", 0, 500, size=1000)
        before = resident(bed.pid("store"))
        publish(bed, "job:m", 500, 60_000, size=1000)
        last = bed.publish(events("job:m", 60_000, 60_001))["last_id"]
        wait_stored(bed, "job:m", last, 60)
        stored, _ = follow(bed, "job:m", limit=1000)
        assert len(stored) == 60_001
        wait_until(
            lambda: resident(bed.pid("store")) < before + (40 << 20), 30, "memory is given back"
        )


def resident(pid):
    """Anonymous memory of a process, in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0
