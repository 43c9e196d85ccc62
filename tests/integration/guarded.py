"""A service with `auth: jwt`, and who issues the tokens for it."""

import json
import shutil
import tempfile

from tests.bed.sluice import Sluice
from tests.bed.sse import Stream
from tests.bed.tokens import Issuer, bearer, conf

ADMIN = {"admin": True, "subscribe": ["*"], "publish": ["*"]}


class Guarded:
    """A service with auth: jwt, and who issues its tokens."""

    def __init__(self, *algorithms, **more):
        """Writes the keys; nothing is started yet."""
        self.directory = tempfile.mkdtemp(prefix="sl-", dir="/tmp")
        self.keys = f"{self.directory}/jwks.json"
        self.issuer = Issuer()
        self.issuer.write(self.keys, *algorithms)
        settings = {"streams": {"default": {"heartbeat_interval": "500ms"}}}
        self.sluice = Sluice({**conf(self.keys, cookie="sluice_token"), **settings, **more})

    def __enter__(self):
        self.sluice.start()
        return self

    def __exit__(self, *exc):
        try:
            self.sluice.close()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def get(self, path, token=None, headers=None):
        """GET with a token; (status, headers, body)."""
        head = {**(headers or {}), **(bearer(token) if token is not None else {})}
        return self.sluice.request("GET", path, headers=head)

    def post(self, token, rows, query=""):
        """Publishes events; (status, headers, body)."""
        body = "".join(json.dumps(row) + "\n" for row in rows)
        head = {**bearer(token), "Content-Type": "application/x-ndjson"}
        return self.sluice.request("POST", "/api/v1/events" + query, body, head)

    def stream(self, token, *keys, last_event_id=None, headers=None, **query):
        """Opens streams with a token."""
        pairs = [("stream", key) for key in keys] + list(query.items())
        head = bearer(token) if headers is None else headers
        return Stream(
            self.sluice.port, "/api/v1/streams", pairs, last_event_id=last_event_id, headers=head
        )


def refusal(stream, timeout=10):
    """The status of a stream that was not let in, and its head."""
    stream.read_until(lambda s: s.status, timeout, "an answer")
    return stream.status, stream.headers


def answers(guarded, algorithm):
    """The status that a token of this algorithm gets."""
    return guarded.get("/api/v1/status", guarded.issuer.token(algorithm, sluice=ADMIN))[0]


def ticket_of(guarded, token):
    """A ticket for the bearer of TOKEN."""
    status, _, body = guarded.sluice.request("POST", "/api/v1/tickets", headers=bearer(token))
    assert status == 201 and body["first_use_ms"] == 30000
    return body["ticket"]
