"""Lifecycle events, and publishers that hold their connection to one gateway."""

import http.client
import json

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


def job_path(key, *words):
    """The events of a job that goes through these states, "+" before one of a new attempt."""
    events, previous, attempt = [], None, 1
    for word in words:
        attempt += word.startswith("+")
        state = word.lstrip("+")
        events.append(job(key, state, previous, attempt))
        previous = state
    return events


def post(sluice, events, **query):
    """POSTs one event or a list; (status, answer)."""
    path = "/api/v1/events" + "".join(f"?{k}={v}" for k, v in query.items())
    status, _, answer = sluice.request("POST", path, events)
    return status, answer


class Publisher:
    """A keep-alive connection: all its requests are of one gateway."""

    def __init__(self, sluice):
        self.conn = http.client.HTTPConnection("127.0.0.1", sluice.port, timeout=30)
        self.conn.connect()

    def close(self):
        """Ends the connection."""
        self.conn.close()

    def send(self, events, query=""):
        """Sends a request and does not wait."""
        head = {"Content-Type": "application/json"}
        self.conn.request("POST", "/api/v1/events" + query, json.dumps(events), head)

    def answer(self):
        """Of the request that was sent: (status, body)."""
        answer = self.conn.getresponse()
        return answer.status, json.loads(answer.read())

    def post(self, events, query=""):
        """Both."""
        self.send(events, query)
        return self.answer()

    def gateway(self, sluice):
        """The process that holds the connection: (name, pid)."""
        mine = self.conn.sock.getsockname()
        for name in (n for n in sluice.status() if n.startswith("gateway/")):
            pid = sluice.pid(name)
            if any(peer_of(sock) == mine for sock in inet_sockets(pid)):
                return name, pid
        raise AssertionError(f"no gateway has the connection of {mine}")


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
