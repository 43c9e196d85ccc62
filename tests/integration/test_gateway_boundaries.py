"""Every size and count that doc/contract.md names: the last that passes, the first that does not.

What is refused has the error of the contract's table, and nothing of it was taken.
"""

import datetime
import json
import re

import pytest

from tests.bed.sluice import Sluice
from tests.bed.sse import Stream

EVENTS = "/api/v1/events"
KIB = 1024
# Of a data line, and how much of it is kept for id and seq, which may become longer.
LINE, GIVEN = 60_000, 128


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice({"streams": {"default": {"heartbeat_interval": "500ms"}}}) as running:
        yield running


def event(**more):
    """A good event, MORE laid upon it."""
    return {"stream_key": "job:limits", "event_type": "x.n", "data": {}, **more}


def padded(size, **more):
    """An event as text of exactly SIZE bytes."""
    empty = len(json.dumps(event(data={"p": ""}, **more)))
    return json.dumps(event(data={"p": "p" * (size - empty)}, **more))


def lines(total):
    """Events as ndjson of exactly TOTAL bytes: 26 of them, each of less than 48 KiB."""
    each = total // 26
    rows = [padded(each - 1) for _ in range(25)]
    return "".join(row + "\n" for row in [*rows, padded(total - 25 * each - 1)])


def ahead(seconds):
    """A time so far in the future."""
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


# what: (content type, the last body that passes, the first that does not, its error)
BODIES = {
    "event of 48 KiB": ("json", padded(48 * KIB), padded(48 * KIB + 1), (413, "too_large")),
    "event of 48 KiB in a list": (
        "json",
        f"[{padded(48 * KIB)}]",
        f"[{padded(48 * KIB + 1)}]",
        (413, "too_large"),
    ),
    "1000 events": (
        "x-ndjson",
        (json.dumps(event()) + "\n") * 1000,
        (json.dumps(event()) + "\n") * 1001,
        (413, "too_large"),
    ),
    "1000 events in a list": (
        "json",
        json.dumps([event()] * 1000),
        json.dumps([event()] * 1001),
        (413, "too_large"),
    ),
    "1 MiB": ("x-ndjson", lines(KIB * KIB), lines(KIB * KIB + 1), (413, "too_large")),
}

# member: the last value that passes, the first that does not; called, what is so only now
MEMBERS = {
    "event_type": ("x." + "a" * 62, "x." + "a" * 63),
    "stream_key": ("job:" + "n" * 512, "job:" + "n" * 513),
    "idempotency_key": ("k" * 256, "k" * 257),
    "source": ("/" + "s" * 255, "/" + "s" * 256),
    "correlation_id": ("c" * 256, "c" * 257),
    "subject": ("s" * 512, "s" * 513),
    "version": (1, 0),
    "timestamp": (lambda: ahead(270), lambda: ahead(330)),
}

# query: the last that passes, the first that does not, its error
QUERIES = [
    ("timeout=1s", "timeout=999ms", "bad_request"),
    ("timeout=24h", "timeout=86401s", "bad_request"),
    (
        "&".join(f"stream=job:{n}" for n in range(63)),
        "&".join(["stream=job:b"] * 64),
        "bad_request",
    ),
    (
        "last_event_id=00000001-18446744073709551615",
        "last_event_id=00000001-18446744073709551616",
        "invalid_cursor",
    ),
    ("last_event_id=-1", "last_event_id=-2", "invalid_cursor"),
    ("last_event_id=now", "last_event_id=NOW", "invalid_cursor"),
    ("lastEventId=00000001-1", "lastEventId=0000001-1", "invalid_cursor"),
]


def count(sluice):
    """How many events the gateway took so far."""
    text = sluice.request("GET", "/metrics")[2]
    return int(text.split("\nsluice_gateway_published_total ")[1].split()[0])


def post(sluice, body, kind="json"):
    """Publishes; (status, code)."""
    head = {"Content-Type": f"application/{kind}"}
    status, _, answer = sluice.request("POST", EVENTS, body, head)
    return status, answer.get("code")


@pytest.mark.parametrize("what", BODIES)
def test_a_body_may_be_so_large_and_no_larger(sluice, what):
    kind, last, first, error = BODIES[what]
    before = count(sluice)
    assert post(sluice, first, kind) == error and count(sluice) == before
    assert post(sluice, last, kind) == (202, None) and count(sluice) > before


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_may_be_so_long_and_no_longer(sluice, member):
    last, first = [value() if callable(value) else value for value in MEMBERS[member]]
    before = count(sluice)
    status, _, answer = sluice.request("POST", EVENTS, event(**{member: first}))
    assert (status, answer["code"]) == (422, "schema_violation")
    assert {row["path"] for row in answer["details"]} == {member}
    assert count(sluice) == before
    assert post(sluice, json.dumps(event(**{member: last}))) == (202, None)


def test_a_data_line_may_be_so_long_and_no_longer(sluice):
    def wide(size):
        # Three bytes as sent, six in the frame: it passes 48 KiB only there.
        fill, rest = divmod(size, 6)
        return event(stream_key="job:line", data={"p": "\u2028" * fill + "p" * rest})

    def send(size):
        text = json.dumps(wide(size), ensure_ascii=False)
        assert len(text.encode()) <= 40 * KIB
        return post(sluice, text.encode())

    with sluice.stream("job:line", snapshot=0) as stream:
        stream.wait_open()
        assert send(6) == (202, None)
        stream.wait_events(1)

        def line(number):
            """The data line of an event, and it without what the broker gave it: id and seq."""
            frame = stream.named("x.n")[number]
            given = f'"id":"{frame.id}","seq":{frame.json["seq"]},'
            assert frame.data.count(given) == 1
            return len(frame.data.encode()), len(frame.data.encode()) - 1 - len(given)

        # All the rest is as long whatever the padding is.
        last = LINE - GIVEN - line(0)[1] + 6
        before = count(sluice)
        assert send(last + 1) == (413, "too_large") and count(sluice) == before
        # The figures are those that apply: so much shorter it is taken.
        text = json.dumps(wide(last + 7), ensure_ascii=False).encode()
        head = {"Content-Type": "application/json"}
        answer = sluice.request("POST", EVENTS, text, head)[2]
        (row,) = answer["details"]
        assert row["problem"] == answer["error"] and row["path"] == ""
        figures = [int(n) for n in re.findall(r"\d+", answer["error"])]
        assert figures == [0, LINE - GIVEN + 7, LINE - GIVEN]
        assert send(last) == (202, None)
        stream.wait_events(2)
        long, own = line(1)
        assert own == LINE - GIVEN and long <= LINE
        assert stream.events()[1]["data"] == wide(last)["data"]


@pytest.mark.parametrize("last,first,code", QUERIES)
def test_a_query_may_ask_for_so_much_and_no_more(sluice, last, first, code):
    status, _, answer = sluice.request("GET", f"/api/v1/streams?stream=job:a&{first}")
    assert (status, answer["code"]) == (400, code)
    with Stream(sluice.port, f"/api/v1/streams?stream=job:a&{last}") as stream:
        stream.wait_open()


def test_a_target_and_a_head_may_be_so_long_and_no_longer(sluice):
    path = "/nothing/"
    for size, error in ((8 * KIB, (404, "not_found")), (8 * KIB + 1, (414, "target_too_long"))):
        status, _, answer = sluice.request("GET", path + "a" * (size - len(path)))
        assert (status, answer["code"]) == error
    # The whole head, from its first byte to the empty line.
    for size, status in ((16 * KIB, 200), (16 * KIB + 1, 431)):
        head = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{sluice.port}\r\n"
        head += "Accept-Encoding: identity\r\nX: "
        fill = "a" * (size - len(head) - 4)
        assert sluice.request("GET", "/healthz", headers={"X": fill})[0] == status


def test_a_workflow_may_have_500_nodes_and_no_more(sluice):
    def put(nodes):
        rows = [
            {"id": f"n{i}", "type": "pod", "name": f"p{i}", "namespace": "d"} for i in range(nodes)
        ]
        return sluice.request("PUT", "/api/v1/workflows/large", {"cluster": "c", "nodes": rows})

    status, _, answer = put(501)
    assert (status, answer["code"]) == (422, "schema_violation")
    assert [row["path"] for row in answer["details"]] == ["nodes"]
    assert put(500)[0] == 200
