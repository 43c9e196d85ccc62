"""Many streams of one installation, spread over its gateways, and readers that keep little."""

import contextlib
import hashlib
import http.client
import json
import math
import re
import select
import time

from tests.bed.net import DeadlineError, deadline, wait_until
from tests.bed.sse import CONTROL, Frame, Stream

# Of all streams of a test, on each of its two gateways.
SHARE = 0.3
_TRIES = 60


def gateway_of(stream):
    """The incarnation of the gateway that serves an open STREAM: its id begins with it."""
    return int(stream.wait_open(20)["connection_id"], 16) >> 32


def shares(streams):
    """{incarnation: how many of STREAMS it serves}."""
    served = [gateway_of(stream) for stream in streams]
    return {gateway: served.count(gateway) for gateway in set(served)}


def spread(stack, count, connect):
    """COUNT streams that CONNECT opens, at least SHARE of them on each of two gateways.

    The kernel chooses by the client's port: one too many for its gateway is closed, and another
    one opened. They are closed with STACK.
    """
    most = count - math.ceil(count * SHARE)
    streams, held = [], {}
    for _ in range(count * _TRIES):
        if len(streams) == count:
            break
        stream = stack.enter_context(connect())
        gateway = gateway_of(stream)
        if held.get(gateway, 0) < most:
            held[gateway] = held.get(gateway, 0) + 1
            streams.append(stream)
        else:
            stream.close()
    counts = shares(streams)
    assert len(streams) == count and len(counts) == 2, counts
    assert min(counts.values()) >= SHARE * count, counts
    return streams


def one_on_each(stack, connect):
    """{incarnation: a stream there} for two gateways."""
    return {gateway_of(stream): stream for stream in spread(stack, 2, connect)}


def figures(sluice, count=2):
    """{incarnation: what the status of each of the COUNT gateways says of itself}, now."""
    found = {}

    def all_of_them():
        said = sluice.request("GET", "/api/v1/status")[2]["gateway"]
        found[said["incarnation"]] = said
        return len(found) == count

    wait_until(all_of_them, 20, f"a word of {count} gateways", interval=0)
    return found


def subscribers(sluice, count=2):
    """How many streams the gateways serve."""
    return sum(said["connections"]["streams"] for said in figures(sluice, count).values())


class Hashed(Stream):
    """Keeps of its stored events only how many there were, and a hash over (id, event, data)."""

    def __init__(self, *args, **kwargs):
        """As a Stream."""
        self.count = 0
        self.hash = hashlib.sha256()
        super().__init__(*args, **kwargs)

    def take(self, blocks):
        """Frames that arrived."""
        self.note(blocks)
        for block in blocks:
            frame = Frame(block.decode("utf-8"))
            if frame.event is None or frame.event in CONTROL:
                super().take([block])
                continue
            self.count += 1
            for part in (frame.id, frame.event, frame.data):
                self.hash.update(part.encode() + b"\0")


_COUNTED = re.compile(
    rb'event: x\.n\ndata: \{"id":"([0-9a-f-]+)","seq":(\d+),.*"n":(\d+),.*\nid: ([0-9a-f-]+)'
)


class Counted(Stream):
    """Of numbered events of one stream: asserts as they come that each follows the last one."""

    def __init__(self, *args, count=0, **kwargs):
        """As a Stream; the first event is number COUNT."""
        self.count = count
        self._last = None
        super().__init__(*args, **kwargs)

    def take(self, blocks):
        """Frames that arrived."""
        self.note(blocks)
        for block in blocks:
            found = _COUNTED.fullmatch(block)
            if found is None:
                super().take([block])
                if self.frames[-1].id is not None:
                    self._last = self.frames[-1].id.encode()
                continue
            assert found[1] == found[4], block
            assert int(found[2]) == self.count + 1, (self.count, block)
            assert int(found[3]) == self.count, (self.count, block)
            self.count += 1
            self._last = found[4]

    def last_id(self):
        """The cursor a browser would resume with, of the frames that are not kept, too."""
        return self._last and self._last.decode()


def connect(sluice, kind, *keys, last_event_id=None, **query):
    """A stream of a KIND of reader."""
    pairs = [("stream", key) for key in keys] + list(query.items())
    return kind(sluice.port, "/api/v1/streams", pairs, last_event_id=last_event_id)


def read_all(streams, done, timeout, what):
    """Reads STREAMS as bytes come until DONE(stream) is true of each; none may end before."""
    limit = time.monotonic() + deadline(timeout)
    with contextlib.closing(select.epoll()) as poll:
        left = {}
        for stream in streams:
            if not done(stream):
                left[stream.fileno()] = stream
                poll.register(stream.fileno(), select.EPOLLIN)
        for stream in list(left.values()):
            _read(poll, left, stream, done, what)
        while left:
            if time.monotonic() > limit:
                raise DeadlineError(f"{what}: {len(left)} of {len(streams)} have not")
            for fd, _ in poll.poll(0.2):
                _read(poll, left, left[fd], done, what)


def _read(poll, left, stream, done, what):
    """One of them, and whether it is done."""
    stream.pump()
    if done(stream):
        poll.unregister(stream.fileno())
        del left[stream.fileno()]
    elif stream.ended is not None:
        raise AssertionError(f"{what}: one ended, {stream.ended}: {stream.frames[-3:]}")


class Publisher:
    """A connection that is kept, over which events are published as fast as they are taken."""

    def __init__(self, sluice):
        """Not connected yet."""
        self.conn = http.client.HTTPConnection("127.0.0.1", sluice.port, timeout=deadline(30))

    def publish(self, rows):
        """A batch, taken whole; the answer."""
        body = "".join(json.dumps(row) + "\n" for row in rows)
        self.conn.request("POST", "/api/v1/events", body, {"Content-Type": "application/x-ndjson"})
        answer = self.conn.getresponse()
        said = json.loads(answer.read())
        assert (answer.status, said.get("accepted")) == (202, len(rows)), said
        return said

    def close(self):
        """Ends the connection."""
        self.conn.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
