"""Lines of a log as three parsers of event streams read them, live and from the journal, and as the
history tells them: whatever bytes the publisher sent.

The parsers: Chromium's EventSource, httpx-sse, and the one of the test bed.
"""

import json
import re
import urllib.parse

import pytest

from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

from .parsers import by_chromium, by_httpx
from .test_gateway_frames import TEXTS

KEY = "job:log/frames"
PATH = f"/api/v1/streams/{urllib.parse.quote(KEY, safe='')}"

NO_TEXT = [
    b"latin1 \xe9 and \xff\xfe",
    b"overlong \xc0\x80 \xe0\x80\x8a",
    b"surrogate \xed\xa0\x80\xed\xb0\x80",
    b"above \xf4\x90\x80\x80",
    b"cut \xf0\x9f\x98",
    bytes(b for b in range(256) if b not in b"\r\n"),
]


def replaced(raw):
    """RAW as text, a U+FFFD for each byte that is of none."""
    out, at = "", 0
    while at < len(raw):
        for size in (1, 2, 3, 4):
            try:
                out += raw[at : at + size].decode()
            except UnicodeDecodeError:
                continue
            at += size
            break
        else:
            out += "\ufffd"
            at += 1
    return out


def expected():
    """[(line_no, line, lossy)] of all that is published here."""
    lines = [line for text in TEXTS for line in re.split("\r\n|\r|\n", text + "\n")[:-1]]
    rows = [(line, False) for line in lines]
    rows += [(replaced(raw), True) for raw in NO_TEXT]
    return [(n, *row) for n, row in enumerate(rows, 1)]


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice() as running:
        yield running


@pytest.fixture(name="published", scope="module")
def _published(sluice):
    """[(id, line_no, line, lossy)], in their order; read live by the test bed's parser."""
    rows = expected()
    head = {"Content-Type": "text/plain"}
    offset = 1
    with sluice.stream(KEY, snapshot=0) as stream:
        stream.wait_open()
        for body in [text.encode() + b"\n" for text in TEXTS] + NO_TEXT:
            status, _, answer = sluice.request(
                "POST", f"{PATH}/logs", body, {**head, "X-Log-Offset": str(offset)}
            )
            assert status == 202, answer
            offset = answer["next_offset"]
        stream.wait_events(len(rows))
        seen = [told(f.event, f.id, f.data) for f in stream.frames if f.event == "job.log"]
    assert [row[1:] for row in seen] == rows
    return seen


def told(kind, frame_id, data):
    """One frame of a parser: (id, line_no, line, lossy)."""
    body = json.loads(data)
    assert kind == body["event_type"] == "job.log" and frame_id == body["id"]
    line = body["data"]
    return frame_id, line["line_no"], line["line"], line.get("lossy", False)


@pytest.mark.parametrize("read", [by_httpx, by_chromium])
def test_other_parsers_read_what_was_sent(sluice, published, read):
    frames = read(sluice, KEY, "job.log", len(published))
    assert [told(*frame) for frame in frames] == published


def test_the_history_and_a_snapshot_tell_the_same(sluice, published):
    def history():
        status, _, answer = sluice.request("GET", f"{PATH}/events?limit=500")
        assert status == 200, answer
        rows = [told(e["event_type"], e["id"], json.dumps(e)) for e in answer["events"]]
        return rows if len(rows) == len(published) else None

    assert wait_until(history, 10, "the history of all lines") == published
    with sluice.stream(KEY) as stream:
        stream.read_until(lambda s: s.last_id(), 10, "the snapshot")
        kept = [f.json["data"] for f in stream.named("snapshot")]
    assert [(d["line_no"], d["line"]) for d in kept] == [row[1:3] for row in published]
