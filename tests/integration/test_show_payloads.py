"""Contract section 7, row 7: typed payloads over HTTP: taken, or refused with all their places."""

import contextlib
import json

import pytest

from tests.bed import schema_values, schemas
from tests.bed.payloads import event_types, good, stream_types, table
from tests.bed.sluice import Sluice

from .crowd import one_on_each
from .lifecycle import publisher_each, quiet, to_the_end
from .repeating import dies_unanswered

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


def one_of_each():
    """({stream key: a good event}, {stream key: one with bad data}) for each type and stream."""
    taken, not_taken = {}, {}
    for event_type in event_types():
        name = f"both-{event_type}"
        # What is wrong at most places.
        bad = max(bad_data(event_type, name).items(), key=lambda item: len(item[0]))[1]
        for key in (f"{kind}:{name}" for kind in stream_types(event_type)):
            event = {"stream_key": key, "event_type": event_type, "idempotency_key": key}
            taken[key] = event | {"data": good(event_type, key)}
            not_taken[key] = event | {"data": bad}
    return taken, not_taken


def verdicts(publisher, bad):
    """[what one gateway says of each of them]: all are refused."""
    said = [publisher.post(event) for event in bad.values()]
    assert all((status, answer["code"]) == (422, "schema_violation") for status, answer in said)
    return [answer["details"] for _, answer in said]


def ids_again(publisher, events):
    """The ids by which one gateway knows the events: it has each already."""
    said = [publisher.post(event) for event in events]
    assert all((status, a.get("duplicates")) == (202, 1) for status, a in said), said
    return [answer["first_id"] for _, answer in said]


def test_two_gateways_judge_alike_also_when_one_was_killed():
    taken, not_taken = one_of_each()
    assert {event["event_type"] for event in taken.values()} == set(event_types())
    rows = list(taken.values())
    half = len(rows) // 2
    # Who stands still for the test is not taken for hung.
    conf = {
        "streams": {"default": {"heartbeat_interval": "500ms"}},
        "supervise": {"hang_timeout": "60s"},
    }
    with Sluice(conf, gateways=2) as sluice, contextlib.ExitStack() as stack:
        readers = one_on_each(stack, lambda: sluice.stream(*taken))
        for reader in readers.values():
            reader.wait_joined()
        victim, other = publisher_each(sluice).values()
        cut = readers.pop(victim.incarnation())
        (whole,) = readers.values()
        want = verdicts(victim, not_taken)
        assert verdicts(other, not_taken) == want and all(want)
        for i, row in enumerate(rows[:half]):
            assert (victim, other)[i % 2].post(row)[1]["accepted"] == 1
        assert ids_again(victim, rows[:half]) == ids_again(other, rows[:half])
        # What the other took may reach its reader later than its publisher hears of it.
        cut.wait_events(half)
        # Of the rest nobody is told that it was taken.
        gateway = victim.gateway(sluice)
        dies_unanswered(sluice, gateway, rows[-1]["stream_key"], lambda: victim.send(rows[half:]))
        with pytest.raises(OSError):
            victim.answer()
        again = other.post(rows[half:])[1]
        assert (again["accepted"], again["duplicates"]) == (0, len(rows) - half)
        ids = ids_again(other, rows)
        assert verdicts(other, not_taken) == want
        assert to_the_end(cut) == "cut" and cut.ids() == ids[:half]
        cursor = cut.last_id()
        rest = stack.enter_context(sluice.stream(*taken, last_event_id=cursor, snapshot=0))
        sluice.wait_restarted(*gateway)
        for publisher in publisher_each(sluice).values():
            assert ids_again(publisher, rows) == ids
            assert verdicts(publisher, not_taken) == want
            publisher.close()
        quiet(sluice, whole)
        quiet(sluice, rest)
        assert whole.ids() == cut.ids() + rest.ids() == ids
        for told in (whole.events(), cut.events() + rest.events()):
            assert [(e["stream_key"], e["seq"], e["data"]) for e in told] == [
                (row["stream_key"], 1, row["data"]) for row in rows
            ]
        victim.close()
        other.close()


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
