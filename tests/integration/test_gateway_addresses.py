"""How many connections the address of one client may have, itself or behind a trusted proxy."""

import contextlib
import json
import socket

import pytest

from tests.bed.haproxy import HAProxy
from tests.bed.net import deadline, elsewhere, wait_until
from tests.bed.retold import note_answer
from tests.bed.sluice import Sluice
from tests.bed.sse import Stream

PATH = "/api/v1/streams?stream=job:a"
BEHIND = {"gateway": {"trusted_proxies": ["127.0.0.1", "10.0.0.0/8"], "max_per_address": 3}}


def opened(port, **headers):
    """A stream of a client; its first control frame was read."""
    head = {name.replace("_", "-"): value for name, value in headers.items()}
    stream = Stream(port, PATH, headers=head)
    stream.read_until(lambda s: s.named("stream.open", "stream.closing"), 20, "the first frame")
    return stream


def told(stream):
    """How the stream began: "open", or the reason it was turned away for."""
    closing = stream.named("stream.closing")
    return closing[0].json["reason"] if closing else "open"


def close(streams):
    """Ends them all."""
    for stream in streams:
        stream.close()


def test_behind_a_trusted_proxy_streams_count_for_the_client_it_names():
    with Sluice(BEHIND) as sluice:
        one = [opened(sluice.port, X_Forwarded_For="192.0.2.1") for _ in range(3)]
        assert [told(s) for s in one] == ["open"] * 3
        more = opened(sluice.port, X_Forwarded_For="192.0.2.1")
        # 200 and a closing, or an EventSource would never come back.
        assert (more.status, told(more)) == (200, "overloaded")
        # What stands before the proxy's own word is the client's invention.
        lies = opened(sluice.port, X_Forwarded_For="203.0.113.9, 192.0.2.1")
        others = [opened(sluice.port, X_Forwarded_For=f"192.0.2.{n}") for n in range(2, 6)]
        # A chain of proxies that are all ours; a proxy that asks for itself.
        others += [opened(sluice.port, X_Forwarded_For="192.0.2.6, 10.1.2.3")]
        others += [opened(sluice.port) for _ in range(5)]
        assert told(lies) == "overloaded" and {told(s) for s in others} == {"open"}
        one.pop().close()

        def again():
            stream = opened(sluice.port, X_Forwarded_For="192.0.2.1")
            if told(stream) != "open":
                return stream.close()
            return one.append(stream) or True

        wait_until(again, 10, "the place of the stream that was closed is free")
        close([*one, more, lies, *others])
        text = sluice.request("GET", "/metrics")[2]
        count = int(text.split("\nsluice_gateway_over_address_total ")[1].split()[0])
        assert count >= 2


def test_a_stream_that_is_refused_takes_no_place():
    with Sluice(BEHIND) as sluice:
        head = {"X-Forwarded-For": "192.0.2.1"}
        for _ in range(5):
            path = f"{PATH}&strict=1&last_event_id=00000001-1"
            assert sluice.request("GET", path, headers=head)[0] == 410
            assert sluice.request("GET", f"{PATH}&bogus=1", headers=head)[0] == 400
        streams = [opened(sluice.port, X_Forwarded_For="192.0.2.1") for _ in range(3)]
        assert {told(s) for s in streams} == {"open"}
        close(streams)


def test_nobody_else_s_word_is_taken_for_who_the_client_is():
    with Sluice({"gateway": {"max_per_address": 1}}) as sluice:
        # This client is on loopback, which is not counted, whatever it says.
        streams = [opened(sluice.port, X_Forwarded_For="192.0.2.1") for _ in range(4)]
        assert {told(s) for s in streams} == {"open"}
        close(streams)


def test_haproxy_says_who_the_client_is():
    with Sluice(BEHIND) as sluice:
        # HAProxy's client is this test, on loopback: it is told to name another.
        name = ["http-request set-header X-Forwarded-For 198.51.100.1"]
        with HAProxy(sluice.port, name) as proxy:
            head = {"X-Forwarded-For": "192.0.2.7", "Host": "localhost"}
            streams = [Stream(proxy.port, PATH, headers=head) for _ in range(4)]
            for stream in streams:
                stream.read_until(
                    lambda s: s.named("stream.open", "stream.closing"), 20, "the first frame"
                )
            assert sorted(told(s) for s in streams) == ["open"] * 3 + ["overloaded"]
            close(streams)


# --- clients without a proxy ---------------------------------------------------------------


@pytest.fixture(name="source")
def _source():
    """What a client binds to so that it does not come from loopback."""
    with elsewhere() as address:
        yield (address, 0)


def ask(port, source, request=b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"):
    """What is answered to a client of that address before the connection ends; b"" is an end."""
    with socket.create_connection(("127.0.0.1", port), 10, source) as sock:
        sock.settimeout(deadline(20))
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            sock.sendall(request)
            while piece := sock.recv(65536):
                answer += piece
        note_answer(answer)
        return answer


def test_an_address_has_so_many_connections_and_others_do_not_notice(source):
    with Sluice({"gateway": {"max_per_address": 3}}) as sluice, contextlib.ExitStack() as stack:

        def connect():
            return stack.enter_context(
                socket.create_connection(("127.0.0.1", sluice.port), 10, source)
            )

        stream = b"GET " + PATH.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
        held = [connect() for _ in range(3)]
        for sock in held:
            sock.sendall(stream)
            assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        # One more is told why, and its connection ends: 200 for a stream, 429 else.
        answer = ask(sluice.port, source, stream)
        assert answer.startswith(b"HTTP/1.1 200 ") and b'"reason":"overloaded"' in answer
        answer = ask(sluice.port, source)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 429 ") and b"\r\nRetry-After: " in head
        assert json.loads(body)["code"] == "overloaded"
        # Those that say nothing keep sixteen places for five seconds; what is beyond, is closed.
        silent = [connect() for _ in range(16)]

        def full():
            silent.append(connect())
            return ask(sluice.port, source) == b""

        wait_until(full, 10, "no place is left for this address")
        for _ in range(5):
            assert sluice.request("GET", "/api/v1/status")[0] == 200
        for sock in silent + held[:1]:
            sock.close()
        wait_until(
            lambda: b'"reason"' not in first(sluice.port, source, stream),
            10,
            "the place of the stream that was closed is free",
        )


def first(port, source, request):
    """The first of a stream's bytes; of a connection that is closed at once, a reason for that."""
    with socket.create_connection(("127.0.0.1", port), 10, source) as sock:
        sock.settimeout(deadline(20))
        sock.sendall(request)
        answer = b""
        while b"stream.open" not in answer and b"stream.closing" not in answer:
            piece = b""
            # Accepted before the gateway has read that others are gone: closed, its request unread.
            with contextlib.suppress(ConnectionResetError):
                piece = sock.recv(65536)
            if not piece:
                return b'"reason"'
            answer += piece
        note_answer(answer)
        return answer
