"""CloudEvents 1.0 as publishers send them: structured, batched, binary; and lossless out again."""

import base64
import json

import pytest

from tests.bed.sluice import Sluice

from .test_gateway_cloudevents import FULL, as_cloud_event

EVENTS = "/api/v1/events"
ONE = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json; charset=utf-8"}


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice() as running:
        yield running


def cloud(key="job:c", n=0, **more):
    return {
        "specversion": "1.0",
        "id": f"{key}-{n}",
        "source": "/cloud",
        "type": "x.n",
        "streamkey": key,
        "data": {"n": n},
        **more,
    }


def post(sluice, events, headers=ONE, query=""):
    body = events if isinstance(events, bytes) else json.dumps(events).encode()
    return sluice.request("POST", EVENTS + query, body, headers)


def accepted(answer):
    assert answer[0] == 202, answer
    return answer[2]


def test_what_goes_out_comes_in_again_with_every_member(sluice):
    key = "job:round"
    with (
        sluice.stream(key, snapshot=0) as plain,
        sluice.stream(key, snapshot=0, format="cloudevents") as clouds,
    ):
        sluice.publish([{**FULL, "stream_key": key, "data": {**FULL["data"], "job_id": "round"}}])
        (first,) = plain.wait_events(1)
        (out,) = clouds.wait_events(1)
        assert out == as_cloud_event(first)
        # As it came it is the same event again: nothing is appended. As another one it is.
        again = accepted(post(sluice, {**out, "idempotencykey": "another"}))
        assert (again["accepted"], again["duplicates"]) == (1, 0)
        back = plain.wait_events(2)[1]
        given = {"id": again["first_id"], "seq": 2, "idempotency_key": "another"}
        assert back == {**first, **given}
        texts = [f.data.partition('"data":')[2] for f in plain.frames if f.event == "x.all"]
        assert texts[0] == texts[1]
        assert clouds.wait_events(2)[1] == as_cloud_event(back)


def test_id_and_source_make_a_repeat_harmless(sluice):
    key = "job:once"
    first = accepted(post(sluice, cloud(key)))
    again = accepted(post(sluice, cloud(key)))
    assert (again["accepted"], again["duplicates"]) == (0, 1)
    assert again["first_id"] == first["first_id"]
    status, _, answer = post(sluice, cloud(key, subject="other"))
    assert (status, answer["code"]) == (409, "idempotency_conflict")
    assert [d["path"] for d in answer["details"]] == ["id"]
    # Whichever of the two was the key is named, of each in its place.
    key_of = {"id": "2", "idempotencykey": f"{key}-0"}
    rows = [cloud(key, id="3"), cloud(key, **key_of, subject="another"), cloud(key, subject="more")]
    status, _, answer = post(sluice, rows, BATCH, "?atomic=0")
    assert (status, answer["refused"]) == (202, 2)
    assert [d["path"] for d in answer["details"]] == ["[1].idempotencykey", "[2].id"]
    # Another source's id is another event's.
    assert accepted(post(sluice, cloud(key, source="/other")))["accepted"] == 1
    # The native form has the key in the same scope.
    row = {"stream_key": key, "event_type": "x.n", "source": "/cloud", "data": {"n": 1}}
    status, _, answer = sluice.request(
        "POST",
        EVENTS,
        json.dumps({**row, "idempotency_key": f"{key}-0"}),
        {"Content-Type": "application/json"},
    )
    assert (status, answer["code"]) == (409, "idempotency_conflict")


def test_a_batch_is_all_or_nothing_unless_it_is_not_atomic(sluice):
    key = "job:batch"
    rows = [cloud(key, n) for n in range(3)]
    assert accepted(post(sluice, rows, BATCH))["accepted"] == 3
    rows = [cloud(key, n) for n in range(3, 6)]
    rows[1] = {**rows[1], "time": "soon", "partitionkey": "p"}
    status, _, answer = post(sluice, rows, BATCH)
    assert (status, answer["code"]) == (422, "schema_violation")
    assert [d["path"] for d in answer["details"]] == ["[1].partitionkey"]
    answer = accepted(post(sluice, rows, BATCH, "?atomic=0"))
    assert (answer["accepted"], answer["refused"]) == (2, 1)
    with sluice.stream(key, last_event_id="-1") as stream:
        assert [e["data"]["n"] for e in stream.wait_events(5)] == [0, 1, 2, 3, 5]


@pytest.mark.parametrize(
    "change, path",
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": None}, "specversion"),
        ({"id": ""}, "id"),
        ({"id": 7}, "id"),
        ({"id": "i" * 257}, "id"),
        ({"source": None}, "source"),
        ({"source": "a b"}, "source"),
        ({"type": "X"}, "type"),
        ({"streamkey": "nothing:a"}, "streamkey"),
        ({"time": "yesterday"}, "time"),
        ({"tenant": "other"}, "tenant"),
        ({"version": "1"}, "version"),
        ({"stream_key": "job:b"}, "stream_key"),
        ({"comexampleextension": "v"}, "comexampleextension"),
        ({"dataschema": "https://example.com/s"}, "dataschema"),
        ({"datacontenttype": "text/xml"}, "datacontenttype"),
        ({"data": "text"}, "data"),
        ({"data_base64": "e30="}, "data_base64"),
        ({"correlationid": "c" * 257}, "correlationid"),
    ],
)
def test_what_is_wrong_is_told_by_the_attribute(sluice, change, path):
    status, _, answer = post(sluice, cloud("job:wrong", **change))
    assert (status, answer["code"]) == (422, "schema_violation")
    assert [d["path"] for d in answer["details"]] == [path]


def test_one_and_a_batch_are_not_taken_for_each_other(sluice):
    assert post(sluice, [cloud()])[0] == 400
    assert post(sluice, cloud(), BATCH)[0] == 400
    assert post(sluice, [], BATCH)[0] == 400
    assert post(sluice, b"{")[2]["code"] == "invalid_json"
    assert post(sluice, cloud(), {"Content-Type": "application/cloudevents"})[0] == 415
    status, _, answer = post(sluice, [cloud("job:many", n) for n in range(1001)], BATCH)
    assert (status, answer["code"]) == (413, "too_large")
    # As many as there may be, each with roots of its own.
    rows = [cloud("job:many", n) for n in range(1000)]
    assert accepted(post(sluice, rows, BATCH))["accepted"] == 1000


def test_data_may_come_as_base64(sluice):
    key = "job:bytes"
    data = '{"n": 18446744073709551617, "text": "a\u2028\U0001f600"}'
    row = cloud(key, data_base64=base64.b64encode(data.encode()).decode())
    del row["data"]
    accepted(post(sluice, {**row, "datacontenttype": "application/vnd.x+json"}))
    with sluice.stream(key, last_event_id="-1") as stream:
        assert stream.wait_events(1)[0]["data"] == json.loads(data)


def test_binary_mode_carries_the_same(sluice):
    key = "job:binary"
    headers = {
        "Content-Type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": "b-1",
        "ce-source": "/binary",
        "ce-type": "x.n",
        "Ce-StreamKey": key,
        "ce-version": "3",
        "ce-time": "2026-01-02T03:04:05.678Z",
        "ce-subject": "Euro%20%E2%82%AC%20%F0%9F%98%80",
        "ce-correlationid": "c",
    }
    accepted(post(sluice, b' {"n": 1.50}\n', headers))
    assert accepted(post(sluice, b' {"n": 1.50}\n', headers))["duplicates"] == 1
    with sluice.stream(key, last_event_id="-1") as stream:
        (event,) = stream.wait_events(1)
    del event["id"]
    assert event == {
        "seq": 1,
        "type": "job",
        "stream_key": key,
        "event_type": "x.n",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "source": "/binary",
        "subject": "Euro \u20ac \U0001f600",
        "version": 3,
        "tenant": "-",
        "correlation_id": "c",
        "idempotency_key": "b-1",
        "data": {"n": 1.5},
    }
    status, _, answer = post(sluice, b"{}", {**headers, "ce-traceparent": "none"})
    assert (status, answer["details"][0]["path"]) == (422, "traceparent")
    assert post(sluice, b'{},"tenant":"x"', headers)[0] == 400
    assert post(sluice, b"{}", {**headers, "ce-subject": "%ff"})[0] == 400
