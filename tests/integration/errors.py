"""The form that every error has (contract 5), and what is published where one is to be refused."""

import contextlib
import json
import re

EVENTS = "/api/v1/events"
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}
TEXT = {"Content-Type": "text/plain"}


def event(key="job:a", **more):
    """A good event as a body, MORE laid upon it."""
    body = {"stream_key": key, "event_type": "x.n", "data": {}, **more}
    return json.dumps(body, ensure_ascii=False)


def rows(*events):
    """Events as an array."""
    return "[" + ",".join(events) + "]"


def check(answer, status, code, wanted=(), **more):
    """ANSWER (status, headers, body) is that error, in the form that every error has.

    WANTED: what must be there: headers; behind a "/" the paths that details have, all of them, in
    this order. MORE: members that only this error's body has.
    """
    got, headers, body = answer
    assert (got, body["code"]) == (status, code), body
    assert headers["Content-Type"] == "application/json"
    assert body["error"] and isinstance(body["error"], str)
    assert re.fullmatch("[0-9a-f]{16}", body["trace_id"])
    assert set(body) - {"details"} == {"error", "code", "trace_id", *more}
    assert {name: body[name] for name in more} == more
    details = body.get("details", [])
    for problem in details:
        assert set(problem) - {"code"} == {"path", "problem"} and problem["problem"]
    assert [problem["path"] for problem in details] == [w[1:] for w in wanted if w[0] == "/"]
    # Of several events that are wrong in their own ways the answer has the code of one.
    codes = {problem["code"] for problem in details if "code" in problem}
    assert not codes or code in codes
    for name in wanted:
        assert name[0] == "/" or headers[name], name
    # In seconds, and where it is worth another try alone.
    assert ("Retry-After" in headers) == (status in (429, 503))
    assert re.fullmatch("[1-9][0-9]*", headers.get("Retry-After", "1"))


@contextlib.contextmanager
def nothing_appended(sluice, head=None):
    """What is done within leaves no event, of no stream."""

    def mark():
        mark = {"stream_key": "workflow:mark", "event_type": "x.mark", "data": {}}
        status, _, answer = sluice.request("POST", EVENTS, mark, head)
        assert status == 202, answer
        epoch, _, position = answer["last_id"].partition("-")
        return epoch, int(position)

    epoch, before = mark()
    yield
    assert mark() == (epoch, before + 1)
