"""What schemathesis has to know of this service; it is started with SCHEMATHESIS_HOOKS=this."""

import json

import requests
import schemathesis

_CURSORS = ("last_event_id", "lastEventId")
_send = requests.Session.send


def _begin_only(session, request, **more):
    """Sends REQUEST; of a stream, which has no end, no more than its first bytes are read."""
    if request.method in ("GET", "HEAD") and request.body:
        # It tries methods that a path does not have with the body of one that it has: to us that
        # is two errors, and the body is the first.
        request.body = None
        for name in ("Content-Length", "Content-Type", "Transfer-Encoding"):
            request.headers.pop(name, None)
    answer = _send(session, request, **{**more, "stream": True})
    if answer.headers.get("Content-Type", "").startswith("text/event-stream"):
        answer._content = next(answer.iter_content(None), b"")
        answer._content_consumed = True
        answer.close()
    else:
        answer.content  # noqa: B018  (reads it)
    return answer


requests.Session.send = _begin_only


@schemathesis.serializer("application/x-ndjson")
def ndjson(_context, value):
    """A line for each of a list."""
    rows = value if isinstance(value, list) else [value]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@schemathesis.serializer("application/cloudevents+json", "application/cloudevents-batch+json")
def cloud_events(_context, value):
    """JSON, by another name."""
    return json.dumps(value).encode()


@schemathesis.hook
def before_call(_context, case, _options):
    """Of a request that is good: what the document says of it in words only."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    query = case.query or {}
    # No schema says what a ticket is.
    query.pop("ticket", None)
    # Cursors agree.
    places = [(case.headers or {}, "Last-Event-ID"), *((query, name) for name in _CURSORS)]
    cursors = [(place, name) for place, name in places if name in place]
    for place, name in cursors[1:]:
        place[name] = cursors[0][0][cursors[0][1]]
