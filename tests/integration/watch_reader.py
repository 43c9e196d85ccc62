"""A watch on a server, read line by line: what the tests of the simulator see it with."""

import http.client
import json
import ssl

from tests.bed.net import deadline

PODS = "/api/v1/pods"


class Watch:
    """One watch, read line by line as bytes arrive."""

    def __init__(self, sim, target, accept="application/json", port=None, **headers):
        """Opens it; .status and .headers are the answer's. PORT: the replica's, say."""
        port = port or sim.port
        if sim.tls:
            context = ssl.create_default_context(cafile=sim.ca_file)
            self.conn = http.client.HTTPSConnection("127.0.0.1", port, context=context)
        else:
            self.conn = http.client.HTTPConnection("127.0.0.1", port)
        self.conn.timeout = deadline(20)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers |= {"Authorization": f"Bearer {sim.token}", "Accept": accept}
        self.conn.request("GET", target, headers=headers)
        self.answer = self.conn.getresponse()
        self.status = self.answer.status

    def __enter__(self):
        """Itself."""
        return self

    def __exit__(self, *_):
        """Closes the connection."""
        self.answer.close()
        self.conn.close()

    def line(self):
        """The next line as bytes; b"" at a clean end."""
        return self.answer.readline()

    def event(self):
        """The next event, or None at a clean end."""
        line = self.line()
        return json.loads(line) if line else None

    def events(self, count):
        """The next COUNT events."""
        return [self.event() for _ in range(count)]


def rv_of(event):
    """The version of an event's object."""
    return int(event["object"]["metadata"]["resourceVersion"])


def watch_target(rv=None, path=PODS, **query):
    """The target of a watch."""
    query = {"watch": 1, **query}
    if rv is not None:
        query["resourceVersion"] = rv
    return path + "?" + "&".join(f"{name}={value}" for name, value in query.items())
