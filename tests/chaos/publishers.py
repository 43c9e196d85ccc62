"""Publishers that repeat blindly, by idempotency keys, until they are answered."""

import http.client
import json
import threading
import time

from .history import payload_sum

PODS = [f"resource:chaos/pod/{ns}/p{i}" for ns in ("a", "b") for i in range(8)]
DEPLOYMENTS = [f"resource:chaos/deployment/a/d{i}" for i in range(4)]
JOBS = [f"job:j{i}" for i in range(6)] + [f"job:deep/j{i}" for i in range(3)]
OTHERS = ["cluster:chaos", "notifications:team"]
KEYS = [*PODS, *DEPLOYMENTS, *JOBS, *OTHERS]
# Large and often: they push slow readers out of the ring, and old events out of the journal.
NOISE = ["resource:noise/pod/x/n0", "resource:noise/pod/x/n1"]
NOISE_BYTES = 24_000
STATES = ("queued", "throttled")
ILLEGAL = "illegal_transition"
# A line came when its log was over, as it may.
OVER = "stream_ended"
LOG_GRACE_S = 1.5
# Of these subscribers are told.
ENDS_OF_LATE = 4
ENDS_TO_COME = 2
# Batches whose states a machine refuses: some for each power cut.
REFUSED_MAX = 20


class Volume:
    """Lets no more be published between two readings of the journal than it surely keeps.

    What a reading has surely seen is what had been answered when it began.
    """

    def __init__(self, limit):
        """LIMIT in bytes."""
        self.limit = limit
        self._used = 0  # and not seen by a reading
        self._answered = 0  # of these
        self._changed = threading.Condition()

    def take(self, size):
        """Waits until SIZE bytes more may be published."""
        with self._changed:
            self._changed.wait_for(lambda: self._used + size <= self.limit, 60)
            self._used += size

    def answered(self, size):
        """SIZE bytes stand in the journal, or never will."""
        with self._changed:
            self._answered += size

    def mark(self):
        """The journal is about to be read; what seen() is to be told then."""
        with self._changed:
            return self._answered

    def seen(self, size):
        """It was read."""
        with self._changed:
            self._used -= size
            self._answered -= size
            self._changed.notify_all()


def key_that_ends(publisher, number):
    """Of the stream that a publisher ends as its NUMBERth."""
    return f"job:end/{publisher}-{number}"


class Publisher(threading.Thread):
    """Publishes batches at random until stop(), each until it is acknowledged.

    `record` is called with each batch's record, which is completed when the answer comes. A job
    has one publisher that changes its state and writes its log: `own`.
    """

    def __init__(self, name, port, random, own, record, volume, pause_s):
        """Nothing is sent before start()."""
        super().__init__(daemon=True)
        self.name = name
        self.port = port
        self.random = random
        self.own = own
        self.record = record
        self.volume = volume
        self.pause_s = pause_s
        self.problem = None
        self.last_id = None
        self._n = 0
        self._states = {}
        self._refused = 0
        self._lines = {}
        self._conn = None
        self._ended = 0
        self._late = []  # (when, key) of lines that come about when their log is over
        self._ending = threading.Event()

    def stop(self):
        """No batch more but one that tells the state of all own jobs."""
        self._ending.set()

    def run(self):
        """The publishing loop."""
        # So that the journal is full, and the oldest leaves it, soon after the begin.
        for _ in range(2):
            self._make_noise()
        while not self._ending.wait(self.random.expovariate(1 / self.pause_s)):
            if self.problem:
                return
            if self.random.random() < 0.03:
                self._make_noise()
                continue
            if self.random.random() < 0.06:
                self._end_one()
            self._come_late()
            count = self.random.choice((1, 1, 2, 5, 15))
            self._publish([self._any() for _ in range(count)])
        self._publish([self._state(key) for key in self.own])

    def ends(self):
        """Keys of streams it ended of late, and of those it will end."""
        numbers = range(max(self._ended - ENDS_OF_LATE, 0) + 1, self._ended + ENDS_TO_COME + 1)
        return [key_that_ends(self.name, number) for number in numbers]

    # --- events ----------------------------------------------------------------------------------

    def _any(self):
        """An event of any stream."""
        key = self.random.choice(KEYS)
        size = self.random.choice((20, 100, 300, 300, 1000, 4000))
        if key in self.own and self.random.random() < 0.5:
            return self._state(key) if self.random.random() < 0.3 else self._log(key, size)
        if key.startswith("job:"):
            return self._progress(key, size)
        if key.startswith("cluster:"):
            return self._health(key)
        if key.startswith("notifications:"):
            data = {"id": "1", "type": "system", "title": "t", "message": self._pad(size)}
            return (key, "new_notification", None, data)
        return self._pod(key, size)

    def _make_noise(self):
        keys = [self.random.choice(NOISE) for _ in range(30)]
        self._publish([self._pod(key, NOISE_BYTES) for key in keys])

    def _end_one(self):
        """A job that begins and ends for good; lines of its log may follow."""
        self._ended += 1
        key = key_that_ends(self.name, self._ended)
        final = self.random.choice(("succeeded", "failed", "canceled"))
        is_open = self.random.random() < 0.7
        self.record({"what": "ended", "key": key, "state": final})
        data = {"job_id": key.removeprefix("job:"), "attempt": 1}
        begin = data | {"state": "running", "previous_state": None}
        end = data | {"state": final, "previous_state": "running", "logs_open": is_open}
        self._publish(
            [
                (key, "job.state_changed", None, begin),
                self._log(key, 100),
                (key, "job.state_changed", None, end),
            ]
        )
        if not is_open:
            return
        for _ in range(self.random.randrange(3)):
            self._publish([self._log(key, 300)])
        if self.random.random() < 0.5:
            *rest, line = self._log(key, 50)
            self._publish([(*rest, line | {"last": True})])
        else:
            when = time.monotonic() + LOG_GRACE_S * self.random.uniform(0.6, 1.2)
            self._late.append((when, key))

    def _come_late(self):
        now = time.monotonic()
        for _, key in [late for late in self._late if late[0] <= now]:
            self._publish([self._log(key, 50)])
        self._late = [late for late in self._late if late[0] > now]

    def _pad(self, size):
        """Text that is not like any other."""
        return f"{self.random.getrandbits(64):016x}" + "p" * size

    def _pod(self, key, size):
        status = {"state": "running", "health": "healthy", "reason": "", "message": self._pad(size)}
        kind = key.split("/")[1]
        return (key, "status_update", None, {"resource_id": key, "type": kind, "status": status})

    def _state(self, key):
        before = self._states.get(key)
        state = STATES[STATES.index(before) - 1] if before else STATES[0]
        self._states[key] = state
        job = key.removeprefix("job:")
        data = {"job_id": job, "state": state, "previous_state": before, "attempt": 1}
        return (key, "job.state_changed", None, data)

    def _log(self, key, size):
        self._lines[key] = number = self._lines.get(key, 0) + 1
        data = {"line": self._pad(size), "line_no": number, "stream": "stdout"}
        return (key, "job.log", None, data)

    def _progress(self, key, size):
        job = key.removeprefix("job:")
        if self.random.random() < 0.2:
            name = self.random.choice(("a1", "a2"))
            data = {"id": name, "name": self._pad(20), "uri": f"file:///{name}"}
            return (key, "job.artifact", name, data)
        done = self.random.randrange(1000)
        data = {"job_id": job, "attempt": 1, "done": done, "total": 1000}
        data["message"] = self._pad(size)
        return (key, "job.progress", self.random.choice((None, "s1", "s2")), data)

    def _health(self, key):
        data = {
            "cluster_id": key.removeprefix("cluster:"),
            "name": "chaos",
            "status": "connected",
            "reachable": True,
            "latency_ms": self.random.randrange(100),
            "checked_at": "2026-01-01T00:00:00Z",
            "consecutive_failures": 0,
        }
        return (key, "cluster.health", None, data)

    # --- delivery --------------------------------------------------------------------------------

    def _publish(self, events):
        """One batch, until it is acknowledged."""
        if not events:
            return
        record = {
            "what": "published",
            "publisher": self.name,
            "first": self._n + 1,
            "events": [[key, kind, sub, payload_sum(data)] for key, kind, sub, data in events],
            "at": time.time(),
        }
        self.record(record)
        lines = []
        for key, event_type, subject, data in events:
            self._n += 1
            event = {
                "type": key.partition(":")[0],
                "stream_key": key,
                "event_type": event_type,
                "source": f"/chaos/{self.name}",
                "idempotency_key": f"{self.name}-{self._n}",
                "data": data,
            }
            if subject is not None:
                event["subject"] = subject
            lines.append(json.dumps(event) + "\n")
        body = "".join(lines)
        self.volume.take(len(body))
        answer = self._deliver(body)
        self.volume.answered(len(body))
        if answer == ILLEGAL:
            self._publish_again(events)
        elif answer not in (None, OVER):
            record["first_id"], record["last_id"] = answer["first_id"], answer["last_id"]
            record["acked"] = time.time()
            self.last_id = answer["last_id"]

    def _publish_again(self, events):
        """One by one: a power cut took a state, and what was to follow it is refused."""
        self._refused += 1
        if self._refused > REFUSED_MAX:
            self.problem = f"publisher {self.name}: {self._refused} states were refused"
            return
        for key, kind, subject, data in events:
            state = kind == "job.state_changed"
            self._publish([self._state(key) if state else (key, kind, subject, data)])

    def _deliver(self, body):
        """Sends BODY, and again, until it is acknowledged; the answer."""
        head = {"Content-Type": "application/x-ndjson"}
        limit = time.monotonic() + 60
        what = None
        while time.monotonic() < limit:
            try:
                if self._conn is None:
                    self._conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=4)
                self._conn.request("POST", "/api/v1/events", body, head)
                answer = self._conn.getresponse()
                text = answer.read().decode()
                if answer.status == 202:
                    return json.loads(text)
                what = f"{answer.status} {text}"
                code = json.loads(text)["code"] if answer.status == 409 else None
                if code == ILLEGAL or (code == OVER and '"job:end/' in body):
                    return code
                if answer.status != 503:
                    self.problem = f"publisher {self.name}: refused: {what}"
                    return None
            except (OSError, http.client.HTTPException, ValueError) as error:
                what = repr(error)
                self._conn.close()
                self._conn = None
            time.sleep(0.05)
        self.problem = f"publisher {self.name}: not acknowledged in 60 s: {what}"
        return None
