"""Events that carry a number and padding, so that a test can count what arrived."""

import collections
import itertools

from tests.bed.net import wait_until
from tests.bed.payloads import good

# How many state changes each stream had.
_turns = collections.defaultdict(itertools.count)


def events(key, begin, end, size=10, event_type="x.n"):
    """Events n = begin .. end-1 of one stream."""
    pad = "p" * size
    more = _turn if event_type == "job.state_changed" else lambda _key: {}
    return [
        {
            "stream_key": key,
            "event_type": event_type,
            "data": good(event_type, key, n=n, pad=pad, **more(key)),
        }
        for n in range(begin, end)
    ]


def _turn(key):
    """Follows each other of its kind on a legal path, whatever came between."""
    return {"state": ("queued", "throttled")[next(_turns[key]) % 2]}


def publish(sluice, key, begin, end, size=10, **more):
    """Publishes them in batches a request may have."""
    step = max(1, min(1000, 900_000 // (size + 200)))
    for at in range(begin, end, step):
        sluice.publish(events(key, at, min(end, at + step), size, **more))


def numbers(stream):
    """The n of all events so far."""
    return [e["data"]["n"] for e in stream.events()]


def wait_kept(sluice, *keys, **query):
    """Waits until a snapshot of the streams stands for all that was published so far.

    The store may be an event behind the gateway: that one would come live, after the snapshot.
    """

    def kept():
        with sluice.stream(*keys, **query) as stream:
            tip = stream.wait_open()["tip"]
            stream.read_until(lambda s: s.last_id(), 20, "the end of the snapshot")
            sets = stream.named("snapshot")
            return sets and _position(sets[-1].json["as_of"]) >= _position(tip)

    wait_until(kept, 20, f"a snapshot of all of {keys}")


def _position(event_id):
    return int(event_id.rpartition("-")[2])
