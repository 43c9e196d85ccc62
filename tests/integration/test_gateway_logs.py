"""POST /api/v1/streams/{key}/logs: lines become events, numbered once, over gateways and deaths."""

import base64
import concurrent.futures
import json
import threading
import urllib.parse

import pytest

from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

from .errors import check

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice({"streams": {"build": {"max_line": "1KiB"}}}, gateways=2) as running:
        yield running


def path(key, query=""):
    return f"/api/v1/streams/{urllib.parse.quote(key, safe='')}/logs{query}"


def post(sluice, key, body, query="", headers=TEXT, offset=None):
    if offset is not None:
        headers = {**headers, "X-Log-Offset": str(offset)}
    body = body if isinstance(body, bytes) else body.encode()
    return sluice.request("POST", path(key, query), body, headers)


def accepted(answer):
    assert answer[0] == 202, answer
    return answer[2]


def logged(sluice, key, count):
    """The first COUNT events of the stream, oldest first."""
    with sluice.stream(key, last_event_id="-1") as stream:
        return stream.wait_events(count)


def test_lines_become_events_in_their_order(sluice):
    key = "job:lines"
    answer = accepted(post(sluice, key, "one\n\nthree\r\nfour"))
    assert (answer["accepted"], answer["next_offset"]) == (4, 5)
    answer = accepted(
        post(sluice, key, "five\n", "?stream=stderr&level=warn&step_id=s%201&step_index=2")
    )
    assert answer["next_offset"] == 6
    events = logged(sluice, key, 5)
    assert [e["data"]["line"] for e in events] == ["one", "", "three", "four", "five"]
    assert [e["data"]["line_no"] for e in events] == [1, 2, 3, 4, 5]
    assert [e["seq"] for e in events] == [1, 2, 3, 4, 5]
    assert {e["event_type"] for e in events} == {"job.log"}
    assert events[0]["data"] == {"line": "one", "line_no": 1, "attempt": 1, "stream": "stdout"}
    assert events[4]["data"] == {
        "line": "five",
        "line_no": 5,
        "attempt": 1,
        "stream": "stderr",
        "level": "warn",
        "step_id": "s 1",
        "step_index": 2,
    }
    assert events[4]["subject"] == "s 1" and "subject" not in events[0]
    assert (answer["first_id"], answer["last_id"]) == (events[4]["id"], events[4]["id"])


@pytest.mark.parametrize(
    "key, event_type",
    [
        ("pack-run:l", "pack_run.log"),
        ("build:l", "log"),
        ("import:l", "log"),
        ("pod-logs:c/ns/pod/x", "log"),
    ],
)
def test_each_type_has_its_own_event(sluice, key, event_type):
    accepted(post(sluice, key, "a\n"))
    (event,) = logged(sluice, key, 1)
    assert (event["event_type"], event["stream_key"]) == (event_type, key)


def test_an_offset_that_is_not_the_next_takes_nothing(sluice):
    key = "job:offset"
    assert accepted(post(sluice, key, "a\nb\n", offset=1))["next_offset"] == 3
    for offset in (1, 2, 4, 2**53 - 1):
        answer = post(sluice, key, "x\n", offset=offset)
        check(answer, 409, "log_offset", ("/X-Log-Offset",), expected_offset=3)
        assert answer[1]["X-Log-Offset"] == "3"
    assert accepted(post(sluice, key, "c\n", offset=3))["next_offset"] == 4
    # Each attempt counts for itself, also one that began later.
    assert accepted(post(sluice, key, "d\n", "?attempt=3", offset=1))["next_offset"] == 2
    assert accepted(post(sluice, key, "e\n", "?attempt=2"))["next_offset"] == 2
    assert accepted(post(sluice, key, "f\n", "?attempt=1"))["next_offset"] == 5
    assert [
        (e["data"]["line"], e["data"]["attempt"], e["data"]["line_no"])
        for e in logged(sluice, key, 6)
    ] == [("a", 1, 1), ("b", 1, 2), ("c", 1, 3), ("d", 3, 1), ("e", 2, 1), ("f", 1, 4)]


def test_attempts_too_long_ago_are_not_counted_any_more(sluice):
    key = "job:attempts"
    for attempt in range(1, 18):
        accepted(post(sluice, key, "a\n", f"?attempt={attempt}", offset=1))
    for offset in (None, 2):
        answer = post(sluice, key, "b\n", "?attempt=1", offset=offset)
        check(answer, 409, "log_attempt", ("/attempt",))
    assert accepted(post(sluice, key, "b\n", "?attempt=2", offset=2))["next_offset"] == 3


def test_lines_published_as_events_count_too(sluice):
    key = "job:mixed"
    data = {"line": "by event", "line_no": 7, "stream": "stdout", "attempt": 1}
    sluice.publish([{"stream_key": key, "event_type": "job.log", "data": data}])
    assert post(sluice, key, "x\n", offset=1)[2]["expected_offset"] == 8
    assert accepted(post(sluice, key, "x\n"))["next_offset"] == 9


def test_every_byte_comes_through_or_says_so(sluice):
    key = "job:bytes"
    text = 'tab\t nul\0 esc\x1b quote" ls\u2028 ps\u2029 nel\u0085 \U0001f600 e\u0301'
    accepted(post(sluice, key, text.encode() + b"\n\xff\xc3(\xe2\x80\n"))
    accepted(post(sluice, key, b"ok\n\xff\xc3(\n", "?encoding=base64"))
    lines = [e["data"] for e in logged(sluice, key, 4)]
    assert lines[0]["line"] == text and "lossy" not in lines[0]
    assert lines[1]["line"] == "\ufffd\ufffd(\ufffd\ufffd" and lines[1]["lossy"] is True
    assert lines[2]["line"] == "ok" and "encoding" not in lines[2]
    assert lines[3]["encoding"] == "base64"
    assert base64.b64decode(lines[3]["line"]) == b"\xff\xc3("


def test_a_long_line_is_split(sluice):
    accepted(post(sluice, "job:long", "x" * 40_000 + "\nshort\n"))
    lines = [e["data"] for e in logged(sluice, "job:long", 4)]
    assert [len(d["line"]) for d in lines] == [16384, 16384, 7232, 5]
    assert [d["line_no"] for d in lines] == [1, 1, 1, 2]
    assert [d.get("partial", False) for d in lines] == [True, True, False, False]
    # By the option of its stream's type; whole characters.
    accepted(post(sluice, "build:long", "\U0001f600" * 300))
    lines = [e["data"] for e in logged(sluice, "build:long", 2)]
    assert [len(d["line"]) for d in lines] == [256, 44]
    # What grows as JSON is cut where its event would be too large.
    answer = accepted(post(sluice, "job:nul", b"\0" * 16384))
    lines = [e["data"] for e in logged(sluice, "job:nul", answer["accepted"])]
    assert "".join(d["line"] for d in lines) == "\0" * 16384


def test_objects_have_their_own_members(sluice):
    key = "pack-run:objects"
    rows = [
        {"line": "a", "stream": "system", "level": "info", "ts": "2026-01-02T03:04:05Z"},
        {"line": "b", "step_id": "s2", "step_index": 1, "truncated": True},
        {"line": base64.b64encode(b"\0\xff").decode(), "encoding": "base64"},
    ]
    body = "\n".join(json.dumps(r) for r in rows)
    accepted(post(sluice, key, body, "?step_id=s1&step_index=0", NDJSON, offset=1))
    events = logged(sluice, key, 3)
    assert events[0]["data"] == {
        **rows[0],
        "line_no": 1,
        "attempt": 1,
        "step_id": "s1",
        "step_index": 0,
    }
    assert events[0]["timestamp"] == "2026-01-02T03:04:05.000Z"
    assert [e["subject"] for e in events] == ["s1", "s2", "s1"]
    assert events[1]["data"]["truncated"] is True and events[1]["data"]["stream"] == "stdout"
    assert events[2]["data"]["line"] == rows[2]["line"]
    bad = [{"line": "a"}, {"line": "b\nc", "line_no": 2}, {"ts": "soon", "line": 1}]
    status, _, answer = post(sluice, key, "\n".join(json.dumps(r) for r in bad), "", NDJSON)
    assert (status, answer["code"]) == (422, "schema_violation")
    assert [d["path"] for d in answer["details"]] == ["[1].line_no", "[1].line", "[2].line"]
    # What ends the reading is told behind all that was found before it.
    bad = "\n".join(json.dumps(r) for r in [{"line": "a", "level": 7}, {"line": 1}, {"line": ""}])
    for end, want in (
        (b"{", (400, "invalid_json", 3)),
        (b'{"line":"\xff"}', (400, "invalid_json", 3)),
        (b'{"line":""}\n' * 998, (413, "too_large", 1000)),
    ):
        status, _, answer = post(sluice, key, bad.encode() + b"\n" + end, "", NDJSON)
        assert (status, answer["code"]) == want[:2]
        assert [(d["path"], d["code"]) for d in answer["details"]] == [
            ("[1].line", "schema_violation"),
            ("[0].level", "schema_violation"),
            (f"[{want[2]}]", answer["code"]),
        ]
    assert post(sluice, key, "x\n", offset=1)[2]["expected_offset"] == 4


def test_the_last_line_ends_the_log(sluice):
    key = "pod-logs:c/ns/pod/last"
    with sluice.stream(key) as stream:
        stream.wait_joined()
        accepted(post(sluice, key, "a\nb\n"))
        accepted(post(sluice, key, "", "?last=1"))
        events = stream.wait_events(3)
        assert [e["data"].get("last", False) for e in events] == [False, False, True]
        assert events[2]["terminal"] is True
        stream.read_until(lambda s: s.named("stream.end"), 20, "stream.end")


def test_what_cannot_be_a_log_s_line_is_refused(sluice):
    key = "job:refused"
    for query in (
        "?stream=out",
        "?level=",
        "?level=" + "l" * 33,
        "?step_id=a%C2%85b",
        "?step_index=-1",
        "?step_index=01",
        "?attempt=0",
        "?attempt=x",
        "?last=yes",
        "?encoding=latin1",
    ):
        status, _, answer = post(sluice, key, "a\n", query)
        assert (status, answer["code"]) == (400, "bad_request"), query
        assert query[1:].partition("=")[0] in answer["error"]
    for offset in ("", "0", "-1", "1.0", "01", str(2**53)):
        assert post(sluice, key, "a\n", offset=offset)[0] == 400, offset
    assert post(sluice, "job:a b", "a\n")[2]["code"] == "invalid_id"
    assert post(sluice, "nothing:a", "a\n")[2]["code"] == "invalid_id"
    assert post(sluice, "run:a", "a\n")[0] == 404
    assert post(sluice, key, "")[0] == 400
    assert post(sluice, key, "a\n", headers={"Content-Type": "text/html"})[0] == 415
    assert post(sluice, key, "{}\n{", "", NDJSON)[2]["code"] == "invalid_json"
    assert post(sluice, key, "\n" * 1001)[2]["code"] == "too_large"
    assert post(sluice, key, b"\0" * 900_000)[2]["code"] == "too_large"
    assert post(sluice, key, b"a" * (1024 * 1024 + 1))[0] == 413
    assert sluice.request("GET", path(key))[0] == 405
    # Nothing of all that was taken.
    assert accepted(post(sluice, key, "a\n", offset=1))["next_offset"] == 2


def test_an_attempt_without_a_number_left_is_said_to_be_full(sluice):
    """One line that somebody numbered with the last number there is."""
    key, last = "job:full", (1 << 53) - 1
    data = {"job_id": "full", "line": "x", "line_no": last, "stream": "stdout"}
    sluice.publish([{"stream_key": key, "event_type": "job.log", "data": data}])
    for offset in (None, 1, last, None):
        answer = post(sluice, key, "a\nb\n", offset=offset)
        check(answer, 409, "log_attempt", ("/attempt",))
        assert "begin another attempt" in answer[2]["error"]
    assert accepted(post(sluice, key, "a\n", "?attempt=2"))["next_offset"] == 2


def test_of_those_that_write_at_once_each_line_gets_its_number_once(sluice):
    """Eight publishers over two gateways, half of them with an offset."""
    key = "job:crowd"
    taken, lock = [], threading.Lock()

    def write(name):
        offset = 1 if name % 2 else None
        for n in range(20):
            while True:
                status, _, answer = post(sluice, key, f"{name}.{n}\n{name}.{n}+\n", offset=offset)
                if status == 202:
                    break
                # Those that lost the place for 10 s, without an offset, try again.
                if (status, answer["code"]) == (503, "log_busy"):
                    continue
                assert (status, answer["code"]) == (409, "log_offset"), answer
                offset = answer["expected_offset"]
            offset = offset and answer["next_offset"]
            with lock:
                taken.append((answer["next_offset"] - 2, f"{name}.{n}"))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        # What one of them met is raised here.
        list(pool.map(write, range(8)))
    lines = [e["data"] for e in logged(sluice, key, 320)]
    assert [d["line_no"] for d in lines] == list(range(1, 321))
    assert sorted(taken) == [(d["line_no"], d["line"]) for d in lines[::2]]
    assert [d["line"] for d in lines[1::2]] == [d["line"] + "+" for d in lines[::2]]


def both_ready(sluice):
    """The kernel chooses who is asked: 20 times the same one is one in a million."""
    try:
        return all(sluice.request("GET", "/readyz")[0] == 200 for _ in range(20))
    except OSError:
        return False


def test_the_count_outlives_gateways_and_the_broker():
    key = "job:deaths"
    with Sluice({"supervise": {"first": "100ms"}}, gateways=2) as sluice:
        offset = 1
        for n, name in enumerate(["gateway/0", "gateway/1", "broker", "gateway/0", "broker"]):
            answer = accepted(post(sluice, key, f"{n}\n{n}+\n", offset=offset))
            pid = sluice.kill(name)
            sluice.wait_restarted(name, pid)
            wait_until(lambda: both_ready(sluice), 20, "both gateways with a broker")
            offset = answer["next_offset"]

            def repeated(n=n, at=offset - 2):
                try:
                    status, _, said = post(sluice, key, f"{n}\n{n}+\n", offset=at)
                except OSError:
                    return None
                return said if status == 409 else None

            # Whoever saw no answer repeats blindly, and is told where the log is.
            said = wait_until(repeated, 20, "an answer after the death")
            assert said["expected_offset"] == offset
        lines = [e["data"] for e in logged(sluice, key, 10)]
        assert [d["line_no"] for d in lines] == list(range(1, 11))
