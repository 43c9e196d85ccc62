"""A Server-Sent Events reader over a plain socket that sees how a stream ends."""

import json
import select
import socket
import time
from urllib.parse import urlencode

from .net import DeadlineError, deadline


class Frame:
    """One SSE frame: `event`, `id` (None without one), `data` as text, `retry`."""

    __slots__ = ("event", "id", "data", "retry", "at")

    def __init__(self, block):
        """Parses the lines of one block."""
        self.event = self.id = self.retry = None
        self.at = time.monotonic()
        data = []
        for line in block.split("\n"):
            name, _, value = line.partition(": ")
            if name == "data":
                data.append(value)
            elif name in ("event", "id", "retry"):
                setattr(self, name, value)
        self.data = "\n".join(data)

    @property
    def json(self):
        """The data, parsed."""
        return json.loads(self.data)

    def __repr__(self):
        return f"<{self.event} id={self.id} {self.data[:120]}>"


CONTROL = {
    "stream.open",
    "snapshot",
    "heartbeat",
    "stream.gap",
    "stream.end",
    "stream.error",
    "stream.closing",
}


# Where readers note the frames they get (frames.Collector), while tests run.
collector = None


def note(blocks, cloud=False, or_else=None):
    """Whole frames, as bytes, to be held against the contract when the test has ended."""
    if collector is not None:
        collector.note(blocks, cloud, or_else)


class Stream:
    """One open stream. `ended` is None while it is open, then "clean" (last chunk) or "cut"."""

    def __init__(self, port, path, pairs=(), *, last_event_id=None, headers=None, address=None):
        """Connects and sends the request; the answer is read by the methods below."""
        self.sock = socket.create_connection(("127.0.0.1", port), 10, address)
        target = path + ("?" + urlencode(list(pairs), safe=":/*,") if pairs else "")
        self.cloud = "format=cloudevents" in target
        head = {"Host": f"127.0.0.1:{port}", "Accept": "text/event-stream", **(headers or {})}
        if last_event_id is not None:
            head["Last-Event-ID"] = last_event_id
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        self.sock.sendall(f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode())
        self.sock.setblocking(False)
        self.status = None
        self.headers = {}
        self.frames = []
        self.ended = None
        self._raw = b""
        self._text = b""

    def close(self):
        """Closes the connection."""
        self.sock.close()

    def hold_little(self):
        """The kernel takes 128 KiB for a reader that does not read, not up to 32 MiB.

        (It doubles what it is told.) Call it before much was sent: no room is taken back that the
        other side was promised already.
        """
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def fileno(self):
        """For select()."""
        return self.sock.fileno()

    def pump(self):
        """Takes in what the socket has; never blocks."""
        while self.ended is None and self.sip(1 << 18):
            pass

    def sip(self, most):
        """Takes in at most so many bytes; False when there are none now, or none any more."""
        try:
            piece = self.sock.recv(most)
        except BlockingIOError:
            return False
        except ConnectionError:
            self.ended = "cut"
            return False
        if not piece:
            self.ended = "cut"
        self._raw += piece
        if self.status is not None or self._head():
            self._body()
        return True

    @property
    def torn(self):
        """Whether a frame has begun that is not whole yet."""
        return bool(self._text or self._raw)

    def _head(self):
        """Parses the response head once it is whole."""
        end = self._raw.find(b"\r\n\r\n")
        if end < 0:
            return False
        lines = self._raw[:end].decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {k.lower(): v.strip() for k, _, v in (x.partition(":") for x in lines[1:])}
        self._raw = self._raw[end + 4 :]
        return True

    def _body(self):
        """Undoes the chunks, and cuts the text into frames."""
        if self.headers.get("transfer-encoding") != "chunked":
            self._text += self._raw
            self._raw = b""
            if len(self._text) >= int(self.headers.get("content-length", "0")):
                self.ended = self.ended or "clean"
            return
        position = 0
        while True:
            line = self._raw.find(b"\r\n", position)
            if line < 0:
                break
            size = int(self._raw[position:line], 16)
            if len(self._raw) < line + 2 + size + 2:
                break
            self._text += self._raw[line + 2 : line + 2 + size]
            position = line + 2 + size + 2
            if size == 0:
                self.ended = "clean"
                break
        self._raw = self._raw[position:]
        *blocks, self._text = self._text.split(b"\n\n")
        self.take([block for block in blocks if block])

    def take(self, blocks):
        """Takes in whole frames, as bytes; a reader that keeps less has another one."""
        self.note(blocks)
        self.frames += [Frame(block.decode("utf-8")) for block in blocks]

    def note(self, blocks):
        """Frames of this stream that are to be judged."""
        note(blocks, self.cloud)

    def read_until(self, cond, timeout, what):
        """Reads until COND(self) is true; returns its value."""
        limit = time.monotonic() + deadline(timeout)
        while True:
            self.pump()
            value = cond(self)
            if value:
                return value
            left = limit - time.monotonic()
            if left <= 0 or self.ended is not None:
                tail = [repr(f) for f in self.frames[-5:]]
                raise DeadlineError(f"{what}: ended={self.ended}, {len(self.frames)} frames {tail}")
            readable([self], min(left, 0.5))

    def wait_open(self, timeout=10):
        """Waits for stream.open; its data."""
        found = self.read_until(lambda s: s.named("stream.open"), timeout, "stream.open")
        return found[0].json

    def wait_joined(self, timeout=10):
        """Waits for stream.open and the whole first snapshot; the data of stream.open.

        What is published now is told as events: before, it may have been part of the snapshot.
        """
        opened = self.wait_open(timeout)
        self.read_until(lambda s: s.last_id(), timeout, "the end of the snapshot")
        return opened

    def named(self, *events):
        """The frames with one of these event names."""
        return [f for f in self.frames if f.event in events]

    def events(self):
        """The stored events so far, parsed, in the order of arrival."""
        return [f.json for f in self.frames if f.event and f.event not in CONTROL]

    def ids(self):
        """The ids of the stored events so far, in the order of arrival."""
        return [f.id for f in self.frames if f.event and f.event not in CONTROL]

    def wait_events(self, count, timeout=20):
        """Waits for COUNT stored events; all so far."""
        return self.read_until(
            lambda s: len(s.ids()) >= count and s.events(), timeout, f"{count} events"
        )

    def last_id(self):
        """The cursor a browser would resume with."""
        ids = [f.id for f in self.frames if f.id]
        return ids[-1] if ids else None


def readable(streams, seconds):
    """Waits until one of the STREAMS can be read; those that can. Of select, 1,024 is the end."""
    poll = select.poll()
    of = {stream.fileno(): stream for stream in streams}
    for number in of:
        poll.register(number, select.POLLIN)
    return [of[number] for number, _ in poll.poll(seconds * 1000)]


def pump_all(streams, seconds):
    """Reads all STREAMS for SECONDS."""
    limit = time.monotonic() + seconds
    for stream in streams:
        stream.pump()
    while (left := limit - time.monotonic()) > 0:
        open_ones = [s for s in streams if s.ended is None]
        if not open_ones:
            return
        for stream in readable(open_ones, min(left, 0.1)):
            stream.pump()
