"""A publisher that keeps a steady rate and repeats what was not acknowledged."""

import http.client
import json
import math
import threading
import time


def progress(stream, n, total=1_000_000):
    """One job.progress event of stream `job:STREAM`, the N-th, with its idempotency key."""
    return {
        "type": "job",
        "stream_key": f"job:{stream}",
        "event_type": "job.progress",
        "source": "/test/load",
        "idempotency_key": f"{stream}-{n}",
        "data": {"job_id": stream, "attempt": 1, "done": n, "total": total},
    }


class Load(threading.Thread):
    """Publishes RATE events/s round robin over STREAMS in ndjson batches, until stop().

    A batch is repeated, byte for byte, until it was answered with 202: with idempotency keys
    nothing may be lost or doubled. `sent` counts the acknowledged events of each stream; `taken`
    has [(monotonic time, events)] of every acknowledged batch.
    """

    def __init__(self, port, streams, rate, batch=100):
        """Nothing is sent before start()."""
        super().__init__(daemon=True)
        self.port = port
        self.streams = streams
        self.rate = rate
        self.batch = batch
        self.sent = dict.fromkeys(streams, 0)
        self.taken = []
        self.repeats = 0
        self.problem = None
        self._ending = threading.Event()

    def stop(self):
        """Ends after the batch under way was acknowledged; the number acknowledged."""
        self._ending.set()
        self.join(120)
        if self.is_alive():
            raise AssertionError(f"the publisher hangs: {self.problem}")
        if self.problem:
            raise AssertionError(self.problem)
        return sum(self.sent.values())

    def per_second(self, begin, end):
        """The events acknowledged per second between two times of time.monotonic()."""
        return sum(n for at, n in list(self.taken) if begin <= at < end) / (end - begin)

    def first(self, begin):
        """When the first events after that time of time.monotonic() were acknowledged."""
        return next((at for at, _ in list(self.taken) if at >= begin), math.inf)

    def run(self):
        """The publishing loop."""
        begin, total, turn = time.monotonic(), 0, 0
        conn = None
        while not self._ending.is_set():
            events = []
            for _ in range(self.batch):
                name = self.streams[turn % len(self.streams)]
                events.append(progress(name, self.sent[name] + 1))
                self.sent[name] += 1
                turn += 1
            body = "".join(json.dumps(event) + "\n" for event in events)
            conn = self._deliver(conn, body)
            total += len(events)
            self.taken.append((time.monotonic(), len(events)))
            late = begin + total / self.rate - time.monotonic()
            if late > 0:
                time.sleep(late)

    def _deliver(self, conn, body):
        """Sends BODY until it is acknowledged; the connection to go on with."""
        limit = time.monotonic() + 100
        while True:
            try:
                if conn is None:
                    conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
                head = {"Content-Type": "application/x-ndjson"}
                conn.request("POST", "/api/v1/events", body, head)
                answer = conn.getresponse()
                text = answer.read().decode()
                if answer.status == 202:
                    return conn
                what = f"{answer.status} {text}"
                if answer.status != 503:
                    self.problem = f"publish refused: {what}"
                    self._ending.set()
                    return conn
            except (OSError, http.client.HTTPException) as error:
                what = repr(error)
                conn.close()
                conn = None
            self.repeats += 1
            if time.monotonic() > limit:
                self.problem = f"no answer for 100 s: {what}"
                self._ending.set()
                return conn
            time.sleep(0.05)


def check_counted(stream, name, count):
    """Asserts that STREAM got events 1..COUNT of `job:NAME`, in order, once, seq without a hole."""
    mine = [e for e in stream.events() if e["stream_key"] == f"job:{name}"]
    assert [e["data"]["done"] for e in mine] == list(range(1, count + 1)), name
    assert [e["seq"] for e in mine] == list(range(1, count + 1)), name
    assert not stream.named("stream.gap"), name
