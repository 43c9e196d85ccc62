"""Lifecycle events, what readers see of them, and publishers that hold to one gateway."""

import http.client
import json
import re
import time

from tests.bed.net import deadline, wait_until
from tests.bed.sockets import inet_sockets, peer_of


def name_of(key):
    """The stream's name, as its payloads repeat it."""
    return key.partition(":")[2]


def job(key, state, previous=None, attempt=1, **more):
    """job.state_changed."""
    data = {"job_id": name_of(key), "state": state, "previous_state": previous, "attempt": attempt}
    return {"stream_key": key, "event_type": "job.state_changed", "data": data | more}


def pack(key, state, previous=None, **more):
    """pack_run.state_changed."""
    data = {"pack_run_id": name_of(key), "state": state, "previous_state": previous}
    data |= {"attempt": 1, "step_count": 3}
    return {"stream_key": key, "event_type": "pack_run.state_changed", "data": data | more}


def step(key, index, state, previous=None, attempt=1, **more):
    """pack_run.step."""
    data = {"pack_run_id": name_of(key), "step_index": index, "step_count": 3}
    data |= {"step_id": f"s{index}", "state": state, "previous_state": previous}
    data |= {"attempt": attempt}
    return {"stream_key": key, "event_type": "pack_run.step", "data": data | more}


def run(key, state, previous=None, **more):
    """run.state_changed."""
    data = {"run_id": name_of(key), "state": state, "previous_state": previous}
    return {"stream_key": key, "event_type": "run.state_changed", "data": data | more}


PATHS = {
    "succeeded": ["pending", "queued", "leased", "running", "succeeded"],
    "failed": ["pending", "queued", "leased", "running", "failed"],
    "canceled": ["pending", "queued", "canceled"],
    "timed-out": ["pending", "queued", "leased", "timed_out"],
    "throttled": ["pending", "queued", "throttled", "queued", "leased", "failed"],
    "retry": ["pending", "queued", "leased", "running", "+queued", "leased", "running", "failed"],
    "lease": ["pending", "queued", "leased", "queued", "leased", "running", "succeeded"],
    "late": ["running", "succeeded"],
    "late-end": ["failed"],
}


def job_path(key, *words):
    """The events of a job that goes through these states, "+" before one of a new attempt."""
    events, previous, attempt = [], None, 1
    for word in words:
        attempt += word.startswith("+")
        state = word.lstrip("+")
        events.append(job(key, state, previous, attempt))
        previous = state
    return events


def states(stream):
    """(event type, seq, previous_state, state, attempt, terminal) of all events so far."""
    return [
        (
            e["event_type"].rpartition(".")[2],
            e["seq"],
            e["data"].get("previous_state"),
            e["data"].get("state"),
            e["data"].get("attempt"),
            e.get("terminal"),
        )
        for e in stream.events()
    ]


def to_the_end(stream, timeout=10):
    """Reads until the stream ended; how it did."""
    wait_until(lambda: stream.pump() or stream.ended, timeout, "the end")
    return stream.ended


def columns(words, events):
    """What states() must say of a job that goes by these words (as in job_path) to its end."""
    plain = [None, *(word.lstrip("+") for word in words)]
    return [
        ("state_changed", i, plain[i - 1], plain[i], event["data"]["attempt"], i == len(events))
        for i, event in enumerate(events, 1)
    ]


# For who has processes stand still or die: what is published meanwhile waits for no disk, which
# may be slow through nobody's fault, and who stands still is not replaced for that.
STEADY = {"journal": {"sync": "never"}, "supervise": {"hang_timeout": "60s"}}


def ends_in_time(stream, begin, still, in_time=True):
    """Its end comes within 1 s of BEGIN, in which the machine ran; or only comes."""
    assert to_the_end(stream) == "clean"
    assert not in_time or still.ran(begin, time.monotonic()) < deadline(1)


def quiet(sluice, stream):
    """Waits until nothing more can come: what was published before is delivered."""
    key = f"workflow:mark-{time.monotonic_ns()}"
    with sluice.stream(key) as mark:
        mark.wait_joined()
        tip = sluice.publish([{"stream_key": key, "event_type": "x.mark", "data": {}}])["last_id"]
    at = int(tip.rpartition("-")[2])
    stream.read_until(
        lambda s: any(int(f.id.rpartition("-")[2]) >= at for f in s.named("heartbeat") if f.id),
        10,
        "a heartbeat behind all of it",
    )


def post(sluice, events, **query):
    """POSTs one event or a list; (status, answer)."""
    path = "/api/v1/events" + "".join(f"?{k}={v}" for k, v in query.items())
    status, _, answer = sluice.request("POST", path, events)
    return status, answer


class Publisher:
    """A keep-alive connection: all its requests are of one gateway."""

    def __init__(self, sluice):
        self.conn = http.client.HTTPConnection("127.0.0.1", sluice.port, timeout=deadline(30))
        self.conn.connect()

    def close(self):
        """Ends the connection."""
        self.conn.close()

    def send(self, events, query=""):
        """Sends a request and does not wait."""
        head = {"Content-Type": "application/json"}
        self.conn.request("POST", "/api/v1/events" + query, json.dumps(events), head)

    def whole_answer(self):
        """Of the request that was sent: (status, headers, body)."""
        answer = self.conn.getresponse()
        return answer.status, dict(answer.headers), json.loads(answer.read())

    def answer(self):
        """Of the request that was sent: (status, body)."""
        status, _, body = self.whole_answer()
        return status, body

    def post(self, events, query=""):
        """Both."""
        self.send(events, query)
        return self.answer()

    def get(self, path):
        """The body of what its gateway answers, as text."""
        self.conn.request("GET", path)
        return self.conn.getresponse().read().decode()

    def figure(self, name):
        """One of its gateway's figures."""
        found = re.search(rf"^sluice_gateway_{name} (\d+)$", self.get("/metrics"), re.M)
        return int(found[1])

    def incarnation(self):
        """Of its gateway: the ids of streams there begin with it."""
        return json.loads(self.get("/api/v1/status"))["gateway"]["incarnation"]

    def instance(self):
        """Its gateway's name."""
        return "gateway/" + json.loads(self.get("/api/v1/status"))["gateway"]["instance"]

    def gateway(self, sluice):
        """The process that holds the connection: (name, pid)."""
        return holder(sluice, self.conn.sock.getsockname())


def holder(sluice, client):
    """The gateway that has the connection of a CLIENT's address: (name, pid)."""
    for name in (n for n in sluice.status() if n.startswith("gateway/")):
        pid = sluice.pid(name)
        if any(peer_of(sock) == client for sock in inet_sockets(pid)):
            return name, pid
    raise AssertionError(f"no gateway has the connection of {client}")


def publisher_at(sluice, name):
    """A Publisher at the gateway NAME, as soon as that serves."""

    def found():
        publisher = Publisher(sluice)
        if publisher.instance() == name:
            return publisher
        publisher.close()
        return None

    return wait_until(found, 60, name, ignore=(ConnectionError, http.client.HTTPException))


def publisher_each(sluice):
    """A Publisher at each gateway, by name."""
    found = {}
    names = {n for n in sluice.status() if n.startswith("gateway/")}
    for _ in range(200):
        publisher = Publisher(sluice)
        assert publisher.post([])[0] == 400
        name = publisher.gateway(sluice)[0]
        if name in found:
            publisher.close()
        found.setdefault(name, publisher)
        if set(found) == names:
            return found
    raise AssertionError(f"200 connections came to {sorted(found)} only")
