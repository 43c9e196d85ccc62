"""Who is behind gets all of it in turns, and who is not is served meanwhile."""

import contextlib

from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

from .numbered import events, numbers, publish

KEPT, NEWS, READERS = 2000, 100, 40


def test_forty_who_come_back_at_once_miss_nothing_and_neither_does_who_is_live():
    conf = {"gateway": {"ring": "512KiB", "processes": 1}}
    with Sluice(conf) as sluice, contextlib.ExitStack() as stack:
        first = sluice.publish(events("job:turns", 0, 1))["first_id"]
        # More than the ring has: who comes back begins with the journal.
        publish(sluice, "job:turns", 1, KEPT, size=300)
        live = stack.enter_context(sluice.stream("job:turns", snapshot=0))
        live.wait_open()
        behind = [
            stack.enter_context(sluice.stream(key, last_event_id=first))
            for key in ("job:turns", "job:*") * (READERS // 2)
        ]
        for n in range(NEWS):
            publish(sluice, "job:turns", KEPT + n, KEPT + n + 1)
            live.pump()
            behind[n % READERS].pump()
        live.wait_events(NEWS, timeout=20)
        assert numbers(live) == list(range(KEPT, KEPT + NEWS))
        want = list(range(1, KEPT + NEWS))
        for stream in behind:
            stream.wait_events(len(want), timeout=60)
            assert numbers(stream) == want
            assert [e["seq"] for e in stream.events()] == [n + 1 for n in want]
            assert not stream.named("stream.gap") and stream.ended is None
        # Nobody waits for a turn that does not come: the news reach all.
        publish(sluice, "job:turns", KEPT + NEWS, KEPT + NEWS + 1)
        for stream in [live, *behind]:
            wait_until(lambda s=stream: s.pump() or numbers(s)[-1] == KEPT + NEWS, 10, "the news")
