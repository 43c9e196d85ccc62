"""Sixteen requests that HTTP parsers have been caught with, against the running gateway.

libevent's evhttp 2.1.12 runs the request hidden in two of them, takes most of the others, and has
no bound on the size and the time of a head. Here each is refused, and what it hides is not read.
"""

import contextlib
import socket
import time

import pytest

from tests.bed.net import deadline
from tests.bed.sluice import Sluice

from .in_time import assert_in_time
from .test_gateway import IN_TIME

HOST = b"Host: localhost\r\n"
POST = b"POST /api/v1/events HTTP/1.1\r\n" + HOST
HIDDEN = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice() as running:
        yield running


def said(port, data, timeout=20):
    """All that comes back until the gateway ends the connection, and after how many seconds."""
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.settimeout(deadline(timeout))
        answer = b""
        with contextlib.suppress(ConnectionError):  # it may have heard enough
            sock.sendall(data)
        with contextlib.suppress(ConnectionResetError):
            while piece := sock.recv(65536):
                answer += piece
        return answer, time.monotonic() - begin


PROBES = {
    "both framings": (
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 43\r\n\r\nhello", 400),
    "space before colon": (
        POST + b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        400,
    ),
    "length with a sign": (POST + b"Content-Length: +5\r\n\r\nhello", 400),
    "xchunked": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "bare LF": (b"GET / HTTP/1.1\nHost: localhost\n\n", 400),
    "bare CR": (b"GET / HTTP/1.1\r\nX: a\rY: b\r\n" + HOST + b"\r\n", 400),
    "obs-fold": (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n", 400),
    "NUL": (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n", 400),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
    "a target of 1 MB": (b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "8 MB of headers": (
        b"GET / HTTP/1.1\r\n" + HOST + (b"X: " + b"a" * 1000 + b"\r\n") * 8000 + b"\r\n",
        431,
    ),
    "an endless chunk": (
        POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello",
        400,
    ),
    "another host's target": (b"GET http://other/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
}


@pytest.mark.parametrize("name", PROBES)
def test_the_probe_is_refused_and_what_it_hides_is_not_read(sluice, name):
    probe, status = PROBES[name]
    answer, _ = said(sluice.port, probe + HIDDEN)
    # Who sends megabytes on may be cut off before the answer is read.
    if answer or len(probe) < 100_000:
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
        assert answer.count(b"HTTP/1.1 ") == 1 and b"\r\nConnection: close\r\n" in answer


@pytest.mark.slow
@pytest.mark.parametrize("in_time", IN_TIME)
def test_the_sixteenth_probe_half_a_head_is_cut_off_by_time(sluice, in_time):
    def cut_off():
        answer, after = said(sluice.port, b"GET / HTTP/1.1\r\n" + HOST)
        assert answer == b"" and after >= 4
        return after

    assert_in_time(sluice.directory, cut_off, 6 if in_time else deadline(20))
    assert len(PROBES) == 15
