"""GET /api/v1/streams/{key}/events as batches of CloudEvents, and what such a batch is when it is
published again: the same events.
"""

import http.client
import json

import pytest

from tests.bed.bus import Lines, result
from tests.bed.net import deadline
from tests.bed.schemas import validator
from tests.bed.sluice import Sluice, binary

from .numbered import events, publish
from .test_gateway_cloudevents import FULL, as_cloud_event
from .test_history import follow, path_of, position, wait_stored

BATCH = "application/cloudevents-batch+json"
BESIDE = ("X-History-Next", "X-History-As-Of", "X-History-Complete", "X-History-Gaps")


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice(gateways=2) as running:
        yield running


def ask(sluice, key, accept=BATCH, **query):
    """The answer's status, headers and bytes, as they came."""
    connection = http.client.HTTPConnection("127.0.0.1", sluice.port, timeout=deadline(20))
    try:
        connection.request("GET", path_of(key, **query), headers={"Accept": accept})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def batch(sluice, key, **query):
    """A page's events, its headers and its bytes; each event is held against the schema."""
    status, headers, body = ask(sluice, key, **query)
    assert (status, headers["Content-Type"]) == (200, BATCH), body
    clouds = json.loads(body)
    for cloud in clouds:
        for error in validator("cloud-event").iter_errors(cloud):
            raise AssertionError(f"{error.json_path}: {error.message[:200]}")
    return clouds, headers, body


def post(sluice, body):
    status, _, answer = sluice.request("POST", "/api/v1/events", body, {"Content-Type": BATCH})
    assert status == 202, answer
    return answer["accepted"], answer["duplicates"]


def stored(sluice, key, last):
    """All events of the stream, once the store has LAST."""
    wait_stored(sluice, key, last)
    return follow(sluice, key)[0]


def some_life(job):
    """A job's events: with keys and without, every member, states, lines."""
    key = f"job:{job}"
    data = {"job_id": job, "attempt": 1}

    def state(word, before, n):
        change = {**data, "state": word, "previous_state": before}
        return {
            "stream_key": key,
            "event_type": "job.state_changed",
            "idempotency_key": f"{job}/{n}",
            "source": "/worker/w",
            "data": change,
        }

    line = {**data, "line": "a\u2028\U0001f600\u0000", "line_no": 1, "stream": "stdout"}
    return [
        state("queued", None, 0),
        state("leased", "queued", 1),
        state("running", "leased", 2),
        {**FULL, "stream_key": key, "idempotency_key": f"{job}/full"},
        {"stream_key": key, "event_type": "job.log", "data": line},
        {"stream_key": key, "event_type": "x.n", "data": {"n": 18446744073709551617}},
        state("succeeded", "running", 3),
    ]


def given(event):
    """EVENT without what a server gives anew."""
    return {name: value for name, value in event.items() if name not in ("id", "seq")}


def test_a_batch_has_what_the_native_page_has(sluice):
    key = "job:same/a"
    publish(sluice, key, 0, 250)
    last = sluice.publish([{**FULL, "stream_key": key}])["last_id"]
    wait_stored(sluice, key, last)
    after = None
    for _ in range(3):
        query = {"limit": 100, **({"after": after} if after else {})}
        status, _, page = sluice.request("GET", path_of(key, **query))
        clouds, headers, body = batch(sluice, key, **query)
        assert status == 200 and clouds == [as_cloud_event(e) for e in page["events"]]
        assert headers["X-History-Next"] == page["next"]
        assert position(headers["X-History-As-Of"]) >= position(last)
        assert headers["X-History-Complete"] == "true"
        assert json.loads(headers["X-History-Gaps"]) == page["gaps"] == []
        # Asked for by either way it is the same.
        assert ask(sluice, key, "*/*", format="cloudevents", **query)[2] == body
        after = page["next"]
    assert after is None and len(clouds) == 51
    assert [c["type"] for c in batch(sluice, key, types="x.all")[0]] == ["x.all"]


def test_gaps_are_told_beside_it(sluice):
    last = sluice.publish(events("import:gap", 0, 3))["last_id"]
    wait_stored(sluice, "import:gap", last)
    for after in (f"00000001-{position(last)}", f"{last.partition('-')[0]}-99999999"):
        page = sluice.request("GET", path_of("import:gap", after=after))[2]
        clouds, headers, _ = batch(sluice, "import:gap", after=after)
        assert clouds == [as_cloud_event(e) for e in page["events"]]
        assert headers["X-History-Complete"] == "false" and page["gaps"]
        assert json.loads(headers["X-History-Gaps"]) == page["gaps"]
    clouds, headers, body = batch(sluice, "job:nobody")
    assert (clouds, body, headers["X-History-Next"]) == ([], b"[]", None)


@pytest.mark.parametrize(
    "accept, wanted",
    [
        (BATCH, BATCH),
        (f"{BATCH.upper()}; charset=utf-8", BATCH),
        (f"{BATCH}, */*", BATCH),
        (f"application/json;q=0.5, {BATCH};q=0.9", BATCH),
        (f"application/json, {BATCH};q=0.9", "application/json"),
        (f"application/json, {BATCH}", "application/json"),
        (f"{BATCH};q=0", "application/json"),
        ("application/cloudevents+json", "application/json"),
        ("*/*", "application/json"),
    ],
)
def test_accept_says_which_form(sluice, accept, wanted):
    status, headers, body = ask(sluice, "job:accept", accept)
    assert (status, headers["Content-Type"]) == (200, wanted)
    assert isinstance(json.loads(body), list) == (wanted == BATCH)
    for name in BESIDE[1:]:
        assert (name in headers) == (wanted == BATCH)


def test_another_format_is_refused(sluice):
    for value in ("", "json", "CloudEvents"):
        status, _, answer = sluice.request("GET", path_of("job:a", format=value))
        assert (status, answer["code"]) == (400, "bad_request") and "format" in answer["error"]


def test_what_was_published_as_a_batch_and_is_posted_back_as_it_came_is_known(sluice):
    """With ids of their own: whatever the batch's bytes were, its history is not appended again."""
    first = sluice.publish(events("job:back", 0, 200))["last_id"]
    wait_stored(sluice, "job:back", first)
    _, headers, body = batch(sluice, "job:back", limit=1000)
    # The first time each is an event under a new key, its id; from then on it is known.
    assert post(sluice, body) == (200, 0)
    assert post(sluice, body) == (0, 200)
    mark = sluice.publish(events("job:back-mark", 0, 1))["last_id"]
    wait_stored(sluice, "job:back-mark", mark)
    last = headers["X-History-As-Of"]
    twice = batch(sluice, "job:back", after=last, limit=1000)[0]
    assert [c["idempotencykey"] for c in twice] == [c["id"] for c in json.loads(body)]
    assert [c["data"] for c in twice] == [c["data"] for c in json.loads(body)]


def stray(sluice, key, count):
    """COUNT events that somebody put on the bus, of a member that no rule knows; the first's id."""
    argv = [binary("tools/bus_pub"), "-k", key, "-n", count, "-m", "lost"]
    pub = Lines(sluice.directory, [*argv, f"{sluice.directory}/run/bus", f"stray/{key}", 1])
    try:
        return result(pub)["first"]
    finally:
        pub.end()


def test_what_is_no_cloud_event_is_left_out_and_the_rest_of_the_page_is_told(sluice):
    key = "job:stray"
    first = stray(sluice, key, 2)
    last = sluice.publish(events(key, 0, 2))["last_id"]
    wait_stored(sluice, key, last)
    page = sluice.request("GET", path_of(key))[2]["events"]
    assert page[0]["id"] == first and page[0]["lost"] == 1 and len(page) == 4
    clouds, headers, _ = batch(sluice, key)
    assert clouds == [as_cloud_event(e) for e in page[2:]]
    assert headers["X-History-Complete"] == "true"
    said = [line for line in sluice.log().splitlines() if "told as a CloudEvent" in line]
    assert len(said) == 1 and f"{key}: 2 of" in said[0] and f" {first}, " in said[0]
    # Nothing is left of a page of such alone, and the next one is found.
    clouds, headers, body = batch(sluice, key, limit=1)
    assert (clouds, body) == ([], b"[]") and headers["X-History-Next"] == first


def test_a_stream_names_what_it_leaves_out(sluice):
    key = "job:stray/live"
    with sluice.stream(key, snapshot=0, format="cloudevents") as stream:
        stream.wait_open()
        first = stray(sluice, key, 1)
        sluice.publish(events(key, 0, 1))
        assert [e["data"]["n"] for e in stream.wait_events(1)] == [0]
    assert f"event {first} cannot be told to a client" in sluice.log()


def test_a_stream_goes_to_another_installation_whole(sluice):
    """Every page as it came is published there: equal events, once, whatever is repeated."""
    rows = some_life("moved")
    here = stored(sluice, "job:moved", sluice.publish(rows)["last_id"])
    assert [e["data"]["n"] for e in here if e["event_type"] == "x.n"] == [18446744073709551617]
    with Sluice() as other:
        after, pages = None, 0
        while pages == 0 or after:
            query = {"limit": 2, **({"after": after} if after else {})}
            clouds, headers, body = batch(sluice, "job:moved", **query)
            assert post(other, body) == (len(clouds), 0)
            # Nobody saw the answer.
            assert post(other, body) == (0, len(clouds))
            after, pages = headers["X-History-Next"], pages + 1
        assert pages == 4
        mark = other.publish(events("job:mark", 0, 1))["last_id"]
        there = stored(other, "job:moved", mark)
        assert [e["seq"] for e in there] == [e["seq"] for e in here]
        # What had no key has its id as one.
        keyed = [{**e, "idempotency_key": e.get("idempotency_key", e["id"])} for e in here]
        assert [given(e) for e in there] == [given(e) for e in keyed]
        assert there[-1]["terminal"] is True
        # And as that installation tells it, it is known there.
        assert post(other, ask(other, "job:moved")[2]) == (0, len(here))
        texts = [ask(s, "job:moved")[2].decode() for s in (sluice, other)]
        assert texts[0].count("18446744073709551617") == texts[1].count("18446744073709551617") == 1
