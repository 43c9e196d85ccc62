"""Subscribers that connect, read well or badly, break off in every way, and come back."""

import socket
import struct
import time

from tests.bed.sse import CONTROL, Stream

from .history import payload_sum, split_id
from .publishers import DEPLOYMENTS, JOBS, NOISE, PODS

# Streams that end, by their keys; others on each connection.
ENDING = (None, [], True, False)
# What they ask for: (selectors, types, snapshot, slow).
ASKED = [
    (["resource:*"], [], True, True),
    (["resource:noise/*", JOBS[0]], [], False, True),
    (["resource:*", "job:*", "cluster:*", "notifications:*"], [], True, False),
    (["resource:*", "job:*", "cluster:*", "notifications:*"], [], False, False),
    (["resource:chaos/*"], [], True, False),
    (["resource:chaos/*"], [], False, False),
    (["job:*"], [], True, False),
    (["job:deep/*", *PODS[:4]], [], True, False),
    ([PODS[0]], [], True, False),
    ([JOBS[1]], [], False, False),
    ([*PODS, *DEPLOYMENTS], [], True, False),
    ([*PODS, *JOBS, NOISE[0]], [], False, False),
    (["job:*"], ["job.log", "job.state_changed"], True, False),
    (["notifications:*"], [], True, False),
    ENDING,
    ENDING,
    ENDING,
]
# How a connection ends when the client ends it.
ENDS = ("fin", "rst", "torn")
SLOW_BYTES = 1500
MEAN_LIFE_S = 1.3


class Subscriber:
    """One client over all its connections."""

    def __init__(self, number, port, random, record, ends):
        """It connects at the next step(). ENDS(): keys that ended, or will; it follows some."""
        self.name = number
        self.port = port
        self.random = random
        self.record = record
        self.selectors, self.types, self.snapshot, self.slow = ASKED[number % len(ASKED)]
        self._ends = ends if self.selectors is None else None
        self._owed = set()  # keys whose end it must be told of yet
        self.ids = []  # every id it ever saw
        self.stream = None
        self.session = None
        self._connect_at = random.random()
        self._end_at = 0
        self._read_at = 0
        self._raw_frames = 0

    # --- connecting ------------------------------------------------------------------------------

    def _cursor(self):
        """Mostly where it was; sometimes any id it has seen, or something else."""
        if not self.ids:
            return None
        epoch, number = split_id(self.ids[-1])
        choices = {
            None: 20,
            "-1": 4,
            "now": 3,
            f"{epoch}-{number + 10_000_000}": 3,
            f"{self.random.getrandbits(32):08x}-{number}": 2,
            self.random.choice(self.ids): 18,
            # The journal may have let go of it.
            next(i for i in self.ids if split_id(i)[0] == epoch): 5,
            self.ids[-1]: 45,
        }
        return self.random.choices(list(choices), list(choices.values()))[0]

    def _choose(self):
        """Some of the streams that end, and sometimes one that goes on."""
        keys = self._ends()
        self.selectors = self.random.sample(keys, min(len(keys), self.random.randrange(1, 5)))
        if not keys or self.random.random() < 0.5:
            self.selectors.append(self.random.choice(JOBS))
        self.snapshot = self.random.random() < 0.7

    def connect(self, cursor, reach=False):
        """Opens a connection; False when nobody listens."""
        if self._ends:
            self._choose()
        pairs = [("stream", selector) for selector in self.selectors]
        if self.types:
            pairs.append(("types", ",".join(self.types)))
        if not self.snapshot:
            pairs.append(("snapshot", "0"))
        by_header = self.random.random() < 0.5
        if cursor is not None and not by_header:
            pairs.append(("last_event_id", cursor))
        at = time.time()
        try:
            self.stream = Stream(
                self.port,
                "/api/v1/streams",
                pairs,
                last_event_id=cursor if by_header else None,
            )
        except OSError:
            return False
        if self.slow:
            self.stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.session = {
            "what": "session",
            "client": self.name,
            "at": at,
            "selectors": self.selectors,
            "types": self.types,
            "snapshot": self.snapshot,
            "slow": self.slow,
            "cursor": cursor,
            "reach": reach,
            "status": None,
            "frames": [],
            "ended": None,
            "until": None,
        }
        self.record(self.session)
        self._end_at = time.monotonic() + self.random.expovariate(1 / MEAN_LIFE_S)
        return True

    # --- reading ---------------------------------------------------------------------------------

    def _take(self):
        """Puts on record what came."""
        stream, session = self.stream, self.session
        now = round(time.time(), 4)
        for frame in stream.frames:
            session["frames"].append([now, *_reduced(frame)])
            if frame.id:
                self.ids.append(frame.id)
        stream.frames = []
        session["status"] = stream.status
        session["until"] = now
        session["ended"] = stream.ended

    def read(self, most=None):
        """Reads what there is."""
        if most is None:
            self.stream.pump()
        elif self.stream.ended is None:
            self.stream.sip(most)
        self._take()

    def _gone(self, pause_s):
        """The connection is closed; the next one comes after a pause."""
        self.stream.close()
        self.stream = None
        self._connect_at = time.monotonic() + pause_s

    def leave(self):
        """Breaks off, in one of the ways."""
        how = self.random.choice(ENDS)
        if how == "torn":
            for _ in range(20):
                self.read(self.random.randrange(1, 400))
                if self.stream.torn or self.stream.ended:
                    break
        elif how == "rst":
            linger = struct.pack("ii", 1, 0)
            self.stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._gone(self.random.expovariate(1 / 0.15))

    def step(self):
        """A moment of its life."""
        now = time.monotonic()
        if self.stream is None:
            if now >= self._connect_at and not self.connect(self._cursor()):
                self._connect_at = now + 0.1
            return
        if self.slow:
            if now < self._read_at:
                return
            # Sometimes it reads nothing for long enough to be left behind.
            if self.random.random() < 0.01:
                self._read_at = now + self.random.uniform(1, 4)
            self.read(SLOW_BYTES)
        else:
            self.read()
        if self.stream.ended is not None:
            self._gone(self.random.expovariate(1 / 0.1))
        elif now >= self._end_at:
            self.leave()

    # --- the end ---------------------------------------------------------------------------------

    def last_words(self, fresh, ended):
        """The last connection, which must come to the end of the history, and of all that ENDED."""
        if self.stream is not None:
            self._gone(0)
        if self._ends:
            self._ends = lambda: ended
        self.slow = False
        cursor = self.ids[-1] if self.ids and not fresh else None
        if not self.connect(cursor, reach=True):
            return False
        self._owed = set(self.selectors).intersection(ended)
        return True

    def reached(self, number):
        """Whether it has come so far, and was told of the ends."""
        if self.stream.ended is None:
            self.read()
        owed = set(self._owed)
        for frame in reversed(self.session["frames"]):
            if frame[1] == "stream.end":
                owed.discard(frame[3]["stream_key"])
            elif frame[1] == "stream.gap":
                break  # it is told of them again
        if owed:
            return False
        frames = reversed(self.session["frames"])
        return any(frame[2] is not None and split_id(frame[2])[1] >= number for frame in frames)


def _reduced(frame):
    """[event, id, info] of a frame, without what the checker does not need."""
    try:
        if frame.event is None:
            return [None, frame.id, None]
        data = frame.json
        if frame.event in CONTROL and frame.event != "snapshot":
            return [frame.event, frame.id, data]
        names = ("as_of", "i", "n", "seq") if frame.event == "snapshot" else ("id", "seq")
        info = {name: data[name] for name in names}
        info["key"] = data["stream_key"]
        info["type"] = data["event_type"]
        info["subject"] = data.get("subject")
        info["sum"] = payload_sum(data["data"])
        if frame.event not in ("snapshot", data["event_type"]):
            raise ValueError(f"event: {frame.event}, but {data['event_type']} in its data")
        return [frame.event, frame.id, info]
    except (ValueError, KeyError, TypeError) as error:
        return ["unreadable", frame.id, {"text": f"{error!r} in {frame!r}"}]
