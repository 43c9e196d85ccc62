"""Contract section 7, row 7: typed payloads over HTTP: taken, or refused with all their places."""

import json

import pytest

from tests.bed import schema_values, schemas
from tests.bed.payloads import event_types, good, stream_types, table
from tests.bed.sluice import Sluice

BAD_MIN = 3


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    # Nothing but the tests appends.
    with Sluice({"gateway": {"processes": 2}}) as running:
        yield running


def post(sluice, body, content="application/json", query=""):
    """POSTs events; (status, answer)."""
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    head = {"Content-Type": content}
    status, _, answer = sluice.request("POST", f"/api/v1/events{query}", text, head)
    return status, answer


def position(event_id):
    """An id's place in the order of all events."""
    return int(event_id.rpartition("-")[2])


def mark(sluice):
    """Appends one event of no type; its position."""
    event = {"stream_key": "job:mark", "event_type": "x.mark", "data": {}}
    return position(sluice.publish([event])["last_id"])


def refused(sluice, event, want):
    """Asserts that the event is refused for exactly these places."""
    status, answer = post(sluice, event)
    assert (status, answer["code"]) == (422, "schema_violation"), (event, answer)
    assert sorted({d["path"] for d in answer["details"]}) == want, (event, answer)
    assert all(d["problem"] for d in answer["details"])


def bad_data(event_type, name):
    """{the places of what is wrong: data}: bad at different places, the first value of each."""
    key = f"{stream_types(event_type)[0]}:{name}"
    found = {}
    for data in schema_values.directed(event_type, name):
        wrong = schemas.data_problems(event_type, key, data)
        if wrong:
            found.setdefault(tuple(sorted({path for path, _ in wrong})), data)
    return found


@pytest.mark.parametrize("event_type", event_types())
def test_a_good_one_is_taken_and_each_bad_one_names_its_places(sluice, event_type):
    name = f"row7-{event_type}"
    bad = bad_data(event_type, name)
    assert len(bad) >= BAD_MIN
    for kind in stream_types(event_type):
        key = f"{kind}:{name}"
        event = {"stream_key": key, "event_type": event_type, "data": good(event_type, key)}
        # And all that its schema knows, of a stream that begins with it.
        other = {**event, "stream_key": f"{key}.whole"}
        other["data"] = schema_values.whole(event_type, f"{name}.whole")
        with sluice.stream(key, f"{key}.whole") as stream:
            stream.wait_joined()
            before = mark(sluice)
            for places, data in bad.items():
                refused(sluice, event | {"data": data}, list(places))
            # Beside a good one: of a batch nothing is taken, and each problem has its event.
            rows = [event, *(event | {"data": data} for data in bad.values())]
            status, answer = post(sluice, rows)
            assert status == 422
            assert answer["details"][0]["path"].startswith("[1].data")
            assert mark(sluice) == before + 1
            # What comes of them is judged by the reader of frames, too.
            sluice.publish([event, other])
            found = stream.wait_events(2)
            assert [(e["stream_key"], e["seq"]) for e in found] == [(key, 1), (f"{key}.whole", 1)]
            assert found[1]["data"] == other["data"]


def test_all_problems_of_an_event_are_listed_with_what_is_wrong(sluice):
    data = {
        "job_id": "other",
        "state": "done",
        "attempt": 0,
        "exit_code": "1",
        "queued_at": "yesterday",
        "error": {"retryable": "yes"},
        "artifacts": [{"id": "a", "name": "", "uri": "a b", "digest": "sha256:0"}],
    }
    event = {"stream_key": "job:all", "event_type": "job.state_changed", "version": 2, "data": data}
    status, answer = post(sluice, event)
    assert (status, answer["code"]) == (422, "schema_violation")
    told = {d["path"]: d["problem"] for d in answer["details"]}
    assert told == {
        "version": "only 1 is known of this event_type",
        "data.job_id": "must be the name in stream_key",
        "data.state": "must be pending, queued, throttled, leased, running, succeeded, failed, "
        "canceled or timed_out",
        "data.attempt": "must be at least 1",
        "data.exit_code": "must be an integer",
        "data.queued_at": "must be RFC 3339, as in 2026-11-21T21:33:06.123Z",
        "data.error.retryable": "must be a boolean",
        "data.artifacts[0].name": "must not be empty",
        "data.artifacts[0].uri": "must match ^[!-~]+$",
        "data.artifacts[0].digest": "must match ^sha256:[0-9a-f]{64}$",
        "data.previous_state": "is required",
    }
    # The same as a CloudEvent.
    cloud = {
        "specversion": "1.0", "id": "1", "source": "/w", "type": "job.state_changed",
        "streamkey": "job:all", "data": data,
    }  # fmt: skip
    status, answer = post(sluice, cloud, "application/cloudevents+json")
    paths = {d["path"] for d in answer["details"]}
    assert status == 422 and paths == told.keys() - {"version"}


def test_an_event_type_that_its_stream_does_not_have_is_refused(sluice):
    every = {name for names in table().values() for name in names}
    before = mark(sluice)
    for kind, names in table().items():
        for event_type in sorted(every - set(names)) + ["job.bogus", "stream.open", "snapshot"]:
            event = {"stream_key": f"{kind}:foreign", "event_type": event_type, "data": {}}
            refused(sluice, event, ["event_type"])
    assert mark(sluice) == before + 1


@pytest.mark.parametrize("kind", sorted(table()))
def test_of_an_own_type_only_the_envelope_is_checked(sluice, kind):
    key = f"{kind}:own"
    odd = {"job_id": 5, "state": None, "attempt": -1, "line": "a\r\nb", "": [{}]}
    event = {"stream_key": key, "event_type": "x.own", "version": 7, "data": odd}
    with sluice.stream(key) as stream:
        stream.wait_joined()
        sluice.publish([event])
        (told,) = stream.wait_events(1)
        assert (told["version"], told["data"]) == (7, odd)
    refused(sluice, event | {"data": [], "source": "a b"}, ["data", "source"])


def test_texts_come_back_as_they_were_sent(sluice):
    text = '\u2028 \u2029 \r\n \u0000 \x7f é 😀 \ufeff \\ "'
    key = "job:texts"
    event = {"stream_key": key, "event_type": "job.progress"}
    event["data"] = good("job.progress", key, message=text, unit=text)
    with (
        sluice.stream(key) as stream,
        sluice.stream(key, format="cloudevents") as cloud,
    ):
        stream.wait_joined()
        cloud.wait_joined()
        before = mark(sluice)
        raw = json.dumps(event, ensure_ascii=False).encode()
        for bad in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"):
            status, answer = post(sluice, raw.replace("é".encode(), bad))
            assert (status, answer["code"]) == (400, "invalid_json"), bad
        line = good("job.log", key, line=text)
        refused(sluice, {**event, "event_type": "job.log", "data": line}, ["data.line"])
        assert mark(sluice) == before + 1
        assert post(sluice, raw)[0] == post(sluice, event)[0] == 202
        assert [e["data"] for e in stream.wait_events(2)] == [event["data"]] * 2
        assert [e["data"] for e in cloud.wait_events(2)] == [event["data"]] * 2
