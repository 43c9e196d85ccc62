"""The gateway's HTTP parser against h11 and HAProxy: where it takes what they do not, it is wrong.

The other way round is meant: it refuses much that others take (http_request.h).
"""

import asyncio
import collections
import json
import os
import struct
import subprocess

import h11
import pytest

from tests.bed.haproxy import HAProxy
from tests.bed.net import deadline, free_port
from tests.bed.sluice import binary

from .http_corpus import GOOD, LAST, corpus

SEED = int(os.environ.get("SLUICE_HTTP_SEED", "1"))
COUNT = int(os.environ.get("SLUICE_HTTP_COUNT", "4000"))
MARK = b"x-sluice-mark"
AGAIN = 5  # inputs that are sent through the proxy again, alone, when it was late with them

Request = collections.namedtuple("Request", "method target body headers")


def ours(inputs):
    """Per input what our parser reads of it: ([Request...], how it ends)."""
    framed = b"".join(struct.pack(">I", len(data)) + data for data in inputs)
    done = subprocess.run(
        [binary("tools/http_parse")], input=framed, capture_output=True, check=True
    )
    result = []
    for line in done.stdout.splitlines():
        told = json.loads(line)
        requests = [
            Request(
                *(bytes.fromhex(text) for text in texts[:3]),
                [(bytes.fromhex(k).lower(), bytes.fromhex(v)) for k, v in texts[3:]],
            )
            for texts in told["requests"]
        ]
        result.append((requests, told["end"]))
    assert len(result) == len(inputs)
    return result


class H11Server:
    """One connection as h11 reads it."""

    def __init__(self):
        """Nothing was received yet."""
        self.conn = h11.Connection(h11.SERVER)
        self.requests = []
        self.open = None

    def receive(self, data):
        """Takes bytes (b"": the end) in; (answers to send, False when no more is to come)."""
        answers = b""
        try:
            self.conn.receive_data(data)
            while True:
                event = self.conn.next_event()
                if isinstance(event, h11.Request):
                    self.open = Request(event.method, event.target, b"", list(event.headers))
                elif isinstance(event, h11.Data):
                    self.open = self.open._replace(body=self.open.body + bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    self.requests.append(self.open)
                    head = h11.Response(status_code=404, headers=[("content-length", "0")])
                    answers += self.conn.send(head) + self.conn.send(h11.EndOfMessage())
                    if self.conn.their_state is not h11.DONE:
                        return answers, False
                    self.conn.start_next_cycle()
                elif event is h11.NEED_DATA:
                    return answers, True
                else:
                    return answers, False
        except h11.RemoteProtocolError:
            return answers, False


def theirs(data):
    """The requests that h11 reads of DATA."""
    server = H11Server()
    if server.receive(data)[1]:
        server.receive(b"")
    return server.requests


def plain(requests):
    """REQUESTS with the one value in small letters that h11 gives so."""

    def value(name, text):
        return text.lower() if name == b"transfer-encoding" else text

    return [r._replace(headers=[(k, value(k, v)) for k, v in r.headers]) for r in requests]


def test_what_everybody_takes_is_taken():
    # Else the comparisons below compare nothing.
    for data, (requests, end) in zip(GOOD + LAST, ours(GOOD + LAST), strict=True):
        assert len(requests) == 1 and end in ("more", "close"), data
        assert plain(requests) == theirs(data), data


@pytest.mark.slow
def test_h11_reads_every_request_that_we_take_and_reads_the_same():
    inputs = corpus(SEED, COUNT * 5)
    taken = 0
    for data, (requests, end) in zip(inputs, ours(inputs), strict=True):
        assert plain(requests) == theirs(data)[: len(requests)], (data, end)
        taken += len(requests)
    assert taken > COUNT


# --- a proxy in front --------------------------------------------------------------------


class Recorder:
    """The server behind the proxy: all bytes and requests of each connection it gets.

    The proxy marks what it forwards with its client's port; so one knows whose it was.
    """

    def __init__(self):
        """Nothing was recorded yet."""
        self.requests = collections.defaultdict(list)
        self.bytes = []

    async def serve(self, reader, writer):
        """One connection of the proxy."""
        server, everything, known = H11Server(), b"", 0
        more = True
        try:
            while more and (piece := await reader.read(65536)):
                everything += piece
                answers, more = server.receive(piece)
                for request in server.requests[known:]:
                    self.requests[int(dict(request.headers)[MARK])].append(request)
                known = len(server.requests)
                writer.write(answers)
        except ConnectionError:
            pass
        finally:
            self.bytes.append(everything)
            writer.close()


async def send(port, data, recorder, limit):
    """The requests that came out of the proxy's other side after DATA went in; None: no end.

    The client's end would keep the proxy from the requests that still wait: it is the proxy that
    ends, by what the last request says or by its time limit.
    """
    async with limit:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        own = writer.get_extra_info("sockname")[1]
        recorder.requests.pop(own, None)
        writer.write(data)
        ended = True
        try:
            await asyncio.wait_for(reader.read(), deadline(30))
        except TimeoutError:
            ended = False
        except ConnectionError:
            pass
        writer.close()
        came = recorder.requests.pop(own, [])
        return came if ended else None


async def through(inputs):
    """Sends INPUTS through HAProxy; per input what came out, and all bytes of each connection.

    Of an input that the proxy did not come to an end with, also not alone, None came out.
    """
    recorder, port = Recorder(), free_port()
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", port)
    mark = f"http-request set-header {MARK.decode()} %[src_port]"
    async with server:
        with HAProxy(port, [mark]) as proxy:
            limit = asyncio.Semaphore(100)
            tasks = [send(proxy.port, data, recorder, limit) for data in inputs]
            came = await asyncio.gather(*tasks)
            late = [at for at, requests in enumerate(came) if requests is None]
            for at in late[:AGAIN]:
                came[at] = await send(proxy.port, inputs[at], recorder, limit)
            return came, recorder.bytes


@pytest.fixture(name="passed", scope="module")
def _passed():
    inputs = [data + LAST[0] for data in corpus(SEED, COUNT)]
    forwarded, raw = asyncio.run(through(inputs))
    return inputs, forwarded, raw


@pytest.mark.slow
def test_haproxy_forwards_every_request_that_we_take_and_reads_the_same(passed):
    inputs, forwarded, _ = passed
    late = [data for data, others in zip(inputs, forwarded, strict=True) if others is None]
    assert not late, f"HAProxy did not come to an end with {len(late)} inputs: {late[:3]}"
    taken = 0
    for data, (requests, end), others in zip(inputs, ours(inputs), forwarded, strict=True):
        assert [r[:3] for r in requests] == [r[:3] for r in others[: len(requests)]], (data, end)
        taken += len(requests)
    assert taken > COUNT // 4


@pytest.mark.slow
def test_nothing_is_smuggled_past_haproxy(passed):
    """Every request that we read of what it forwards is one that it knows of: it has its mark."""
    raw = passed[2]
    seen = 0
    for data, (requests, _) in zip(raw, ours(raw), strict=True):
        for request in requests:
            assert [name for name, _ in request.headers].count(MARK) == 1, data
        seen += len(requests)
    assert seen > COUNT // 4
