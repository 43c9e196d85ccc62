"""What tests of libsluice share: a program that publishes by it, and what arrived."""

import json
import re
import shutil
import tempfile

from tests.bed import sanitizer
from tests.bed.bus import Lines
from tests.bed.net import deadline
from tests.bed.sluice import binary

from .numbered import numbers

FULL = -1
TIMEOUT = -4
LOST = -5
DAMAGED = -9


class Publisher:
    """build/tools/lib_publisher; a context manager."""

    def __init__(self, url, before=(), **options):
        """Starts it; BEFORE is put in front of the command."""
        self.directory = tempfile.mkdtemp(prefix="sl-", dir="/tmp")
        argv = [binary("tools/lib_publisher"), url, *(f"{k}={v}" for k, v in options.items())]
        self.lines = Lines(self.directory, [*before, *argv])

    def __enter__(self):
        self.lines.wait("ready")
        return self

    def __exit__(self, *exc):
        self.lines.end()
        try:
            sanitizer.refuse([self.lines.log])
        finally:
            shutil.rmtree(self.directory)

    def ask(self, line, answer, seconds=20):
        """The match of the ANSWER to one command."""
        before = len(self.lines.said)
        self.lines.tell(line)
        return self.lines.wait(answer, seconds, before)

    def hand(self, key, first, count, pad=20):
        """(how many were taken, the last result)"""
        found = self.ask(f"hand {key} {first} {count} {pad}", r"handed (\d+) (-?\d+)", 60)
        return int(found[1]), int(found[2])

    def flush(self, ms):
        """What sluice_flush returned."""
        return int(self.ask(f"flush {ms}", r"flushed (-?\d+)", ms / 1000 + 10)[1])

    def stats(self):
        """The figures as a dict."""
        return json.loads(self.ask("stats", r"stats (\{.*)")[1])

    def close(self, ms=20000):
        """(what sluice_close returned, the last figures); the program ends."""
        found = self.ask(f"close {ms}", r"closed (-?\d+)\s+(\{.*)", ms / 1000 + 20)
        assert self.lines.process.wait(deadline(20)) == 0, self.lines.tail()
        return int(found[1]), json.loads(found[2])

    def kill(self):
        """SIGKILL."""
        self.lines.process.kill()
        self.lines.process.wait()

    def states(self):
        """The states it was told, in order."""
        found = (re.match(r"state (\w+)", line) for line in self.lines.said)
        return [match[1] for match in found if match]

    def refusals(self):
        """[(status, code, event, details)]"""
        rows = []
        for line in self.lines.said:
            if match := re.match(r"refused (\d+) (\S+) (\{.*)", line):
                body = json.loads(match[3])
                rows.append((int(match[1]), match[2], body["event"], body["details"]))
        return rows


def url_of(sluice):
    """Where it is published to."""
    return f"http://127.0.0.1:{sluice.port}"


def arrived(sluice, key, count):
    """The numbers of a stream's first COUNT events, in order; no more come."""
    with sluice.stream(key, last_event_id=first_id(sluice), snapshot="0") as stream:
        stream.wait_events(count, 60)
        # What stands behind all the others proves that none is twice.
        sluice.publish([{"stream_key": key, "event_type": "x.end", "data": {"n": -1}}])
        stream.read_until(lambda s: s.named("x.end"), 20, "the last event")
        return [n for n in numbers(stream) if n >= 0]


def first_id(sluice):
    """A cursor before everything."""
    with sluice.stream("job:none") as stream:
        return stream.wait_open()["epoch"] + "-0"


def row(key, n, **more):
    """An event as text."""
    return json.dumps({"stream_key": key, "event_type": "x.n", "data": {"n": n}} | more)
