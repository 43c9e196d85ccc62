"""Who is behind gets all of it in turns, and who is not is served meanwhile."""

import contextlib
import select
import socket
import threading
import time

import pytest

from tests.bed.net import deadline, wait_until
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


# --- a long replay, and who is live ------------------------------------------------------

OLD, BACK, LIVE = 200_000, 10, 30
EVERY_S = 0.02
# A hundred turns (REPLAY_TURN_MS), which nobody who looks at a page sees.
LATE_S = 0.25


class Discarded(threading.Thread):
    """Takes what STREAMS are sent as fast as the kernel throws it away: who is to be late is the
    gateway, not its clients."""

    def __init__(self, streams):
        """Nothing is taken yet."""
        super().__init__(daemon=True)
        self.socks = {stream.fileno(): stream.sock for stream in streams}
        self.ended = threading.Event()

    def run(self):
        """Takes it."""
        with contextlib.closing(select.epoll()) as poll:
            for fd in self.socks:
                poll.register(fd, select.EPOLLIN)
            while not self.ended.is_set():
                for fd, _ in poll.poll(0.2):
                    # Of a TCP socket it copies nothing (tcp(7)).
                    if not self.socks[fd].recv(1 << 24, socket.MSG_TRUNC):
                        poll.unregister(fd)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.ended.set()
        self.join()


def who_came_back(sluice):
    """(state, events it was sent) of each client of the old stream."""
    rows = sluice.request("GET", "/api/v1/connections")[2]["connections"]
    return [(row["state"], row["events"]) for row in rows if row["streams"] == ["job:old"]]


@pytest.mark.slow
@pytest.mark.release_only
def test_a_long_replay_does_not_delay_who_is_live():
    conf = {
        "gateway": {"ring": "512KiB", "processes": 1},
        "journal": {"size": "256MiB", "segment": "32MiB"},
    }
    with Sluice(conf) as sluice, contextlib.ExitStack() as stack:
        first = sluice.publish(events("job:old", 0, 1))["first_id"]
        publish(sluice, "job:old", 1, OLD + 1)
        live = stack.enter_context(sluice.stream("job:live", snapshot=0))
        live.wait_open()
        back = [
            stack.enter_context(sluice.stream("job:old", last_event_id=first)) for _ in range(BACK)
        ]
        stack.enter_context(Discarded(back))
        took = []
        before = who_came_back(sluice)
        begin = time.monotonic()
        for n in range(LIVE):
            time.sleep(max(0, begin + n * EVERY_S - time.monotonic()))
            at = time.monotonic()
            sluice.publish(events("job:live", n, n + 1))
            live.wait_events(n + 1)
            took.append(time.monotonic() - at)
        now = who_came_back(sluice)
        assert max(took) < deadline(LATE_S), took
        # Each was sent what is old meanwhile, and had more to come.
        assert [state for state, _ in now] == ["replay"] * BACK, now
        assert all(a < b < OLD for (_, a), (_, b) in zip(before, now, strict=True)), (before, now)
        assert numbers(live) == list(range(LIVE))
        wait_until(lambda: who_came_back(sluice) == [("live", OLD)] * BACK, 150, "all of it")
