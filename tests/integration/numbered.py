"""Events that carry a number and padding, so that a test can count what arrived."""


def events(key, begin, end, size=10, event_type="x.n"):
    """Events n = begin .. end-1 of one stream."""
    pad = "p" * size
    return [
        {"stream_key": key, "event_type": event_type, "data": {"n": n, "pad": pad}}
        for n in range(begin, end)
    ]


def publish(sluice, key, begin, end, size=10, **more):
    """Publishes them in batches a request may have."""
    step = max(1, min(1000, 900_000 // (size + 200)))
    for at in range(begin, end, step):
        sluice.publish(events(key, at, min(end, at + step), size, **more))


def numbers(stream):
    """The n of all events so far."""
    return [e["data"]["n"] for e in stream.events()]
