"""Pages of other origins: which may read what, over the real gateway."""

import pytest

from tests.bed.sluice import Sluice
from tests.bed.sse import Stream

UI = "https://ui.example.org"
CONF = {"gateway": {"cors_origins": [UI, "http://localhost:3000"]}}


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice(CONF) as running:
        yield running


def cors(headers):
    """The headers of an answer that browsers judge it by."""
    names = ("vary", "access-control-")
    return {k.lower(): v for k, v in headers.items() if k.lower().startswith(names)}


READABLE = {
    "vary": "Origin",
    "access-control-allow-origin": UI,
    "access-control-allow-credentials": "true",
    "access-control-expose-headers": "Retry-After, X-Log-Offset, X-History-Next, X-History-As-Of, "
    "X-History-Complete, X-History-Gaps",
}


@pytest.mark.parametrize("path", ["/api/v1/status", "/nothing", "/api/v1/streams", "/healthz"])
def test_an_allowed_origin_may_read_answers_and_errors(sluice, path):
    assert cors(sluice.request("GET", path, headers={"Origin": UI})[1]) == READABLE
    assert cors(sluice.request("GET", path, headers={"Origin": "https://evil.example"})[1]) == {
        "vary": "Origin"
    }


def test_an_allowed_origin_may_read_a_stream(sluice):
    with Stream(sluice.port, "/api/v1/streams?stream=job:a", headers={"Origin": UI}) as stream:
        stream.wait_open()
        assert cors(stream.headers) == READABLE


def test_a_preflight_is_answered_and_allows_last_event_id(sluice):
    ask = {
        "Origin": UI,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "last-event-id",
    }
    status, headers, body = sluice.request("OPTIONS", "/api/v1/streams?stream=job:a", headers=ask)
    assert (status, body) == (204, "")
    allowed = cors(headers)
    assert allowed["access-control-allow-origin"] == UI
    assert "Last-Event-ID" in allowed["access-control-allow-headers"]
    assert "GET" in allowed["access-control-allow-methods"].split(", ")
    ask["Origin"] = "https://evil.example"
    status, headers, _ = sluice.request("OPTIONS", "/api/v1/streams", headers=ask)
    assert status == 204 and cors(headers) == {"vary": "Origin"}


def test_reading_is_not_writing_a_page_elsewhere_publishes_nothing(sluice):
    status, headers, body = sluice.request(
        "POST", "/api/v1/events", {"stream_key": "job:a"}, {"Origin": UI}
    )
    assert (status, body["code"]) == (403, "forbidden_origin")
    # The page may read why.
    assert cors(headers) == READABLE


def test_a_method_that_is_not_there_names_those_that_are(sluice):
    status, headers, body = sluice.request("DELETE", "/api/v1/status")
    assert (status, body["code"]) == (405, "method_not_allowed")
    assert body["trace_id"] and headers["Allow"] == "OPTIONS, GET, HEAD"
