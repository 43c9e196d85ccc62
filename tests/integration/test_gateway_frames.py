"""Frames: what a publisher sends is what three parsers of event streams read, whatever is in it.

The parsers: Chromium's EventSource, httpx-sse, and the one of the test bed.
"""

import json

import pytest

from tests.bed.sluice import Sluice

from .parsers import by_chromium, by_httpx

EVENTS = "/api/v1/events"
KEY = "job:frames"

# What could end a line, a frame or a string somewhere on its way.
TEXTS = [
    "plain",
    "",
    " leading and trailing ",
    "\u2028 and \u2029",
    "a\r\nb\rc\nd\n\n",
    "\n\nid: 00000000-1\nevent: stream.end\ndata: {}\n\n",
    "\r\rdata: injected\r\r",
    "NUL \0 and its neighbours \x01\x07\x1b\x1f\x7f\x80\x85\x9f",
    "emoji 😀 👩\u200d👩\u200d👧 🏳️\u200d🌈",
    "é e\u0301 \ufeff \ufffd \U0010ffff \ue000",
    '"quotes" \\ / </script>',
    ":",
    "data: data: data:",
]


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice() as running:
        yield running


def event(data, **more):
    """An event with this data."""
    return {"stream_key": KEY, "event_type": "x.any", "data": data, **more}


def escaped(text):
    """TEXT as JSON, every character of it escaped."""
    units = text.encode("utf-16-be", "surrogatepass")
    pairs = (units[i : i + 2].hex() for i in range(0, len(units), 2))
    return '"' + "".join(f"\\u{pair}" for pair in pairs) + '"'


def bodies(text):
    """Three ways to write an event with TEXT in JSON: as it is, in ASCII, all of it escaped."""
    for_data = event({"text": "@"}, subject="s")
    raw = json.dumps(event({"text": text}, subject="s"), ensure_ascii=False)
    return [
        raw.encode(),
        json.dumps(json.loads(raw)).encode(),
        json.dumps(for_data, indent=1).replace('"@"', escaped(text)).encode(),
    ]


def largest():
    """Events of the most bytes that are taken: of the event, and of the data line."""

    def filled(character, size):
        empty = len(json.dumps(event({"t": ""}), ensure_ascii=False).encode())
        return event({"t": character * ((size - empty) // len(character.encode()))})

    # A line has what the gateway adds beside the data, and six bytes for each U+2028.
    return [filled("a", 48 * 1024), filled("😀", 48 * 1024), filled("\u2028", 29000)]


def post(sluice, body):
    """Publishes a body; its event's id."""
    head = {"Content-Type": "application/json"}
    status, _, answer = sluice.request("POST", EVENTS, body, head)
    assert status == 202, answer
    return answer["first_id"]


@pytest.fixture(name="published", scope="module")
def _published(sluice):
    """The tip before them, and [(id, data)] of all events of this test, in their order."""
    sent = []
    for text in TEXTS:
        sent += [(post(sluice, body), {"text": text}) for body in bodies(text)]
    for whole in largest():
        body = json.dumps(whole, ensure_ascii=False).encode()
        assert len(body) <= 48 * 1024
        sent.append((post(sluice, body), whole["data"]))
    return sent


def told(kind, frame_id, data):
    """One frame of a parser: (id, data of the event); its event and its id agree."""
    body = json.loads(data)
    assert kind == body["event_type"] == "x.any" and frame_id == body["id"]
    assert body["stream_key"] == KEY
    return frame_id, body["data"]


def test_the_test_bed_reads_what_was_published(sluice, published):
    with sluice.stream(KEY, last_event_id="-1") as stream:
        stream.wait_events(len(published))
        frames = [f for f in stream.frames if f.event == "x.any"]
        assert [told(f.event, f.id, f.data) for f in frames] == published


@pytest.mark.parametrize("read", [by_httpx, by_chromium])
def test_other_parsers_read_what_was_published(sluice, published, read):
    frames = read(sluice, KEY, "x.any", len(published))
    assert [told(*frame) for frame in frames] == published


@pytest.mark.parametrize(
    "body",
    [
        b'{"stream_key":"job:frames","event_type":"x.any","data":{"t":"\xff"}}',
        b'{"stream_key":"job:frames","event_type":"x.any","data":{"t":"\xc0\x80"}}',
        b'{"stream_key":"job:frames","event_type":"x.any","data":{"t":"\xed\xa0\x80"}}',
        b'{"stream_key":"job:frames","event_type":"x.any","data":{"t":"\xf4\x90\x80\x80"}}',
        b'{"stream_key":"job:frames","event_type":"x.any","data":{"t":"\\ud800"}}',
        b'{"stream_key":"job:frames","event_type":"x.any","data":{"t":"a\nb"}}',
        b'{"stream_key":"job:frames","event_type":"x.any","data":{"t":"a\0b"}}',
    ],
)
def test_what_is_no_text_is_refused(sluice, body):
    head = {"Content-Type": "application/json"}
    status, _, answer = sluice.request("POST", EVENTS, body, head)
    assert (status, answer["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    "member,value",
    [
        ("event_type", "x.any\nid: 1"),
        ("event_type", "x.any\r\rdata: x"),
        ("stream_key", "job:frames\n\ndata: x"),
        ("stream_key", "job:\u2028"),
        ("event_type", "x.\0"),
    ],
)
def test_a_name_cannot_carry_a_line_end(sluice, member, value):
    head = {"Content-Type": "application/json"}
    body = json.dumps(event({}, **{member: value}))
    status, _, answer = sluice.request("POST", EVENTS, body, head)
    assert status == 422 and member in {d["path"] for d in answer["details"]}
