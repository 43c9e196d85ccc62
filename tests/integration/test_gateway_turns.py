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
from .test_history import wait_stored

KEPT, NEWS, READERS = 2000, 100, 40


def test_forty_who_come_back_at_once_miss_nothing_and_neither_does_who_is_live():
    conf = {
        "gateway": {"ring": "512KiB", "processes": 1},
        # How much the kernel takes says where those stand who are not read from: one that just got
        # to the ring's begin may leave it again by the news.
        "streams": {"default": {"on_overflow": "journal"}},
    }
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
            wait_until(lambda s=stream: s.pump() or numbers(s)[-1] == KEPT + NEWS, 20, "the news")


# --- a long replay, and who is live ------------------------------------------------------

OLD, BACK = 200_000, 10
# Live events: this many where the replay lasts as long, and no fewer than that many within it.
LIVE, LEAST = 30, 10
EVERY_S = 0.02
# Half of what the first took with turns of 400 ms (REPLAY_TURN_MS is 2).
LATE_S = 0.8


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


def all_replay(clients):
    """Whether each has some of what is old, and has more to come."""
    return len(clients) == BACK and all(
        state == "replay" and 0 < sent < OLD for state, sent in clients
    )


@pytest.mark.slow
@pytest.mark.release_only
def test_a_long_replay_does_not_delay_who_is_live():
    conf = {
        "gateway": {"ring": "512KiB", "processes": 1},
        # Who is live waits for no disk here: that may be slow through no fault of the turns.
        "journal": {"size": "256MiB", "segment": "32MiB", "sync": "never"},
    }
    with Sluice(conf) as sluice, contextlib.ExitStack() as stack:
        first = sluice.publish(events("job:old", 0, 1))["first_id"]
        publish(sluice, "job:old", 1, OLD)
        last = sluice.publish(events("job:old", OLD, OLD + 1))["last_id"]
        wait_stored(sluice, "job:old", last, 100)
        live = stack.enter_context(sluice.stream("job:live", snapshot=0))
        live.wait_open()
        back = [
            stack.enter_context(sluice.stream("job:old", last_event_id=first)) for _ in range(BACK)
        ]
        stack.enter_context(Discarded(back))
        before = wait_until(
            lambda: all_replay(clients := who_came_back(sluice)) and clients,
            30,
            "all are in their replay",
            interval=0.005,
        )
        took, during = [], []
        begin = time.monotonic()
        for n in range(LIVE):
            time.sleep(max(0, begin + n * EVERY_S - time.monotonic()))
            at = time.monotonic()
            sluice.publish(events("job:live", n, n + 1))
            live.wait_events(n + 1)
            took.append(time.monotonic() - at)
            now = who_came_back(sluice)
            if not all_replay(now):
                break
            during.append(now)
        assert max(took) < deadline(LATE_S), took
        # Each was sent what is old meanwhile, and had more to come.
        assert len(during) >= LEAST, (before, now, took)
        assert all(a < b for (_, a), (_, b) in zip(before, during[-1], strict=True)), (before, now)
        assert numbers(live) == list(range(len(took)))
        wait_until(lambda: who_came_back(sluice) == [("live", OLD)] * BACK, 150, "all of it")
