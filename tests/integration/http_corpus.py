"""HTTP requests for tests that hold parsers against each other: good ones, and bad ones."""

import random

HOST = b"Host: localhost\r\n"

# What each parser has to take: alone, several on one connection, every kind of body.
GOOD = [
    b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /a/b%20c?x=1&y=%C3%A9 HTTP/1.1\r\n" + HOST + b"Accept: */*\r\n\r\n",
    b"HEAD /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    b"OPTIONS /a HTTP/1.1\r\n" + HOST + b"Origin: https://ui.example.org\r\n\r\n",
    b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello",
    b"PUT /a HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n",
    b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n",
    b"DELETE /a HTTP/1.1\r\n" + HOST + b"Connection: keep-alive\r\n\r\n",
    b"PATCH /a HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nX:\r\nY: \t z\t \r\n\r\nabc",
    b"GET http://localhost/a HTTP/1.1\r\n" + HOST + b"\r\n",
]
LAST = [
    b"GET /last HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
    b"GET /old HTTP/1.0\r\n" + HOST + b"\r\n",
    b"POST /old HTTP/1.0\r\n" + HOST + b"Content-Length: 2\r\n\r\nok",
]

# Lines that ought to make no difference, or all of it.
LINES = [
    b"Content-Length: 5",
    b"Content-Length: 6",
    b"Content-Length: 0",
    b"Content-Length: +5",
    b"Content-Length: -5",
    b"Content-Length: 05",
    b"Content-Length: 0x5",
    b"Content-Length: 5,5",
    b"Content-Length: 5 5",
    b"Content-Length: 18446744073709551621",
    b"Content-Length:",
    b"Content-Length : 5",
    b"Content_Length: 5",
    b"content-length: 5",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding:\tchunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked;q=1",
    b'Transfer-Encoding: "chunked"',
    b"Transfer-Encoding: CHUNKED",
    b"Transfer-Encoding:",
    b"Transfer-Encoding\r\n : chunked",
    b"Host: localhost",
    b"Host: other",
    b"Host:",
    b"Host : localhost",
    b"Connection: close",
    b"Connection: Keep-Alive, Close",
    b"Connection: content-length",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk",
    b"Expect: 100-continue",
    b"Expect: 200-ok",
    b"Trailer: X",
    b"X: a\r\n folded",
    b"X: a\r\n\tfolded",
    b" X: a",
    b": a",
    b"X",
    b"X a: b",
    b"X: a\0b",
    b"X: a\x01b",
    b"X: a\x7fb",
    b"X: \xff\xfe",
    b"X\xe9: a",
    b"X: a\rContent-Length: 5",
    b"X: a\nContent-Length: 5",
    b"Proxy-Connection: close",
    b"TE: trailers",
]
CHUNKED_BODIES = [
    b"0\r\n\r\n",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"5;a=b\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n",
    b"+5\r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"05\r\nhello\r\n00\r\n\r\n",
    b"5\nhello\n0\n\n",
    b"5\r\nhelloX\r\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
    b"\r\nhello\r\n0\r\n\r\n",
    b"-1\r\nhello\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0\r\n\r\nGET /behind HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"0\r\n\rGET /behind HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"5\r\nhello\r\n0\r\n\n",
]
FIRST_LINES = [
    b"GET / HTTP/1.1",
    b"GET  / HTTP/1.1",
    b"GET / HTTP/1.1 ",
    b" GET / HTTP/1.1",
    b"GET /\tHTTP/1.1",
    b"GET / HTTP/1.2",
    b"GET / HTTP/1.10",
    b"GET / HTTP/0.9",
    b"GET / HTTP/2.0",
    b"GET / http/1.1",
    b"GET / HTTP/1,1",
    b"GET /",
    b"GET / /a HTTP/1.1",
    b"GET /a#b HTTP/1.1",
    b'GET /"a" HTTP/1.1',
    b"GET /\xc3\xa9 HTTP/1.1",
    b"GET /a\x7f HTTP/1.1",
    b"GET //a HTTP/1.1",
    b"GET /a/../b HTTP/1.1",
    b"GET /%2e%2e/b HTTP/1.1",
    b"GET /%00 HTTP/1.1",
    b"GET /%zz HTTP/1.1",
    b"GET * HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"GET http://localhost HTTP/1.1",
    b"GET http://localhost/a?b HTTP/1.1",
    b"GET http://other/a HTTP/1.1",
    b"GET http://a@localhost/ HTTP/1.1",
    b"GET https://localhost/ HTTP/1.1",
    b"GET localhost:80 HTTP/1.1",
    b"CONNECT localhost:80 HTTP/1.1",
    b"G\x00T / HTTP/1.1",
    b"G(T / HTTP/1.1",
    b"get / HTTP/1.1",
    b"BREW / HTTP/1.1",
    b"\r\nGET / HTTP/1.1",
    b"\nGET / HTTP/1.1",
    b"PRI * HTTP/2.0",
]
BYTES = [b"\r", b"\n", b"\0", b" ", b"\t", b":", b",", b";", b"\x0b", b"\x7f", b"\x85", b"\xff"]


def _line_ends(data):
    """Where the lines of DATA end: just behind each LF."""
    return [i + 1 for i, byte in enumerate(data) if byte == 10]


def _mutate(rng, data):
    """DATA with one thing about it changed."""
    kind = rng.randrange(7)
    at = rng.randrange(len(data))
    ends = _line_ends(data) or [len(data)]
    line = rng.choice(ends)
    if kind == 0:
        return data[:at] + rng.choice(BYTES) + data[at:]
    if kind == 1:
        return data[:at] + data[at + 1 :]
    if kind == 2:
        return data[:at] + rng.choice(BYTES) + data[at + 1 :]
    if kind in (3, 4):
        return data[:line] + rng.choice(LINES) + b"\r\n" + data[line:]
    if kind == 5:
        return data[: line - 2] + rng.choice([b"\n", b"\r", b"\n\r", b"\r\r\n"]) + data[line:]
    head, _, body = data.partition(b"\r\n")
    return rng.choice(FIRST_LINES) + b"\r\n" + (body or head)


def _chunked(rng):
    """A request in chunks, as they may not all be."""
    head = b"POST /chunks HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    return head + rng.choice(CHUNKED_BODIES)


def _with_line(rng):
    """A request with a body of five bytes and one or two of the lines above."""
    lines = b"".join(rng.choice(LINES) + b"\r\n" for _ in range(rng.randrange(1, 3)))
    method = rng.choice([b"POST", b"GET", b"DELETE"])
    return method + b" /line HTTP/1.1\r\n" + HOST + lines + b"\r\nhello"


def corpus(seed, count):
    """COUNT byte strings, always the same ones for the same SEED; the good ones come first."""
    rng = random.Random(seed)
    result = [*GOOD, *LAST, b"".join(GOOD), b"".join(GOOD) + LAST[0]]
    result += [first + b"\r\n" + HOST + b"\r\n" for first in FIRST_LINES]
    while len(result) < count:
        parts = rng.choices(GOOD, k=rng.randrange(3)) + [
            rng.choice([_chunked, _with_line, lambda r: r.choice(GOOD + LAST)])(rng)
        ]
        rng.shuffle(parts)
        data = b"".join(parts)
        for _ in range(rng.randrange(4)):
            data = _mutate(rng, data)
        if data:
            result.append(data)
    return result[:count]
