"""The contract's own list (section 7), row 6, with a gateway killed under full speed.

Publishers repeat blindly what they saw no answer to, readers resume by their last id. Load: these
run alone.
"""

import contextlib
import functools
import os
import signal
import threading
import time

import pytest

from tests.bed.net import DeadlineError, deadline
from tests.bed.sluice import Sluice
from tests.bed.sse import Stream, readable

from .crowd import Counted, connect, gateway_of, spread
from .lifecycle import publisher_each
from .numbered import events
from .repeating import Repeater, dies_unanswered

pytestmark = [pytest.mark.slow, pytest.mark.release_only]

FAST = {
    "streams": {"default": {"heartbeat_interval": "500ms"}},
    # A broker that is to stand still is not replaced for that, however slow this test is then.
    "supervise": {"hang_timeout": "60s"},
}
BATCH = 250


def keyed(key, begin, source):
    """A batch of numbered events, each known again by its key."""
    return [
        row | {"source": source, "idempotency_key": str(n)}
        for n, row in enumerate(events(key, begin, begin + BATCH), begin)
    ]


class Reader:
    """Comes back by the last id it has when its gateway dies; `parts` are its streams."""

    def __init__(self, stream, again):
        """AGAIN(the stream that was cut, the last id) opens it again."""
        self.gateway = gateway_of(stream)
        self.parts = [stream]
        self._again = again
        self._cursor = None

    def pump(self):
        """Takes in what there is."""
        part = self.parts[-1]
        part.pump()
        self._cursor = part.last_id() or self._cursor
        if part.ended is not None:
            assert part.ended == "cut", part.frames[-3:]
            self.parts.append(self._again(part, self._cursor))

    def fileno(self):
        """For poll()."""
        return self.parts[-1].fileno()

    def named(self, *names):
        """The frames of these names, of all parts."""
        return [frame for part in self.parts for frame in part.named(*names)]

    def events(self):
        """The stored events, of all parts."""
        return [event for part in self.parts for event in part.events()]


def readers_of(stack, sluice, key, count, kind):
    """COUNT of them, spread over both gateways."""

    def again(part, cursor):
        more = {"count": part.count} if kind is Counted else {}
        made = functools.partial(kind, **more)
        return stack.enter_context(connect(sluice, made, key, last_event_id=cursor, snapshot=0))

    streams = spread(stack, count, lambda: connect(sluice, kind, key, snapshot=0))
    # Whoever is cut before it has an id would come back without one, and miss what was meanwhile.
    for stream in streams:
        stream.wait_joined()
    return [Reader(stream, again) for stream in streams]


def read_on(readers, done, what):
    """Reads all until DONE(reader) is true of each."""
    limit = time.monotonic() + deadline(120)
    left = list(readers)
    while left:
        if time.monotonic() > limit:
            raise DeadlineError(f"{what}: {len(left)} of {len(readers)} have not")
        for reader in readable(readers, 0.2):
            reader.pump()
        left = [reader for reader in left if not done(reader)]


def nothing_more(readers):
    """A heartbeat comes behind all there was, and no part was told of a gap."""
    seen = {reader: len(reader.named("heartbeat")) for reader in readers}
    read_on(readers, lambda r: len(r.named("heartbeat")) > seen[r], "a heartbeat")
    assert not any(reader.named("stream.gap", "snapshot", "stream.error") for reader in readers)


class Work(threading.Thread):
    """Does something beside the readers; join() raises what it raised."""

    def __init__(self, what):
        """Begins."""
        super().__init__(daemon=True)
        self.what, self.error = what, None
        self.start()

    def run(self):
        try:
            self.what()
        except BaseException as error:  # noqa: BLE001  (raised again where the test sees it)
            self.error = error

    def join(self, timeout=None):
        super().join(timeout)
        if self.error is not None:
            raise self.error


def dies_under(sluice, repeater, rows):
    """The gateway is killed that ROWS were just sent to: whether they were taken, nobody knows."""
    pid = repeater.publisher.gateway(sluice)[1]
    repeater.publisher.send(rows)
    os.kill(pid, signal.SIGKILL)
    repeater.publish(rows)


def dies_behind(sluice, repeater, rows):
    """The gateway is killed when ROWS are appended and not answered: they are known again."""
    rows[-1]["subject"] = "the-last-of-them"
    send = functools.partial(repeater.publisher.send, rows)
    dies_unanswered(sluice, repeater.publisher.gateway(sluice), rows[-1]["subject"], send)
    assert repeater.publish(rows)["duplicates"] == len(rows)


def test_ten_readers_get_100000_events_once_though_gateways_are_killed():
    """One at half, under full speed; then one between the append of a batch and its answer."""
    key, total = "job:fast", 100_000
    with Sluice(FAST, gateways=2) as sluice, contextlib.ExitStack() as stack:
        readers = readers_of(stack, sluice, key, 10, Counted)
        publishers = publisher_each(sluice)
        first = publishers["gateway/0"].incarnation()
        publishers["gateway/1"].close()
        repeater = stack.enter_context(Repeater(sluice, publishers["gateway/0"]))

        def publish():
            for at in range(0, total, BATCH):
                rows = keyed(key, at, "/one")
                if at == total // 2:
                    dies_under(sluice, repeater, rows)
                elif at == total * 3 // 4:
                    dies_behind(sluice, repeater, rows)
                else:
                    repeater.publish(rows)

        work = Work(publish)
        # Each event is held against the one before it as it comes.
        read_on(readers, lambda r: work.error or r.parts[-1].count >= total, "all of it")
        work.join()
        nothing_more(readers)
        assert {reader.parts[-1].count for reader in readers} == {total}
        assert repeater.repeats >= 2 and repeater.duplicates in (BATCH, 2 * BATCH)
        assert repeater.accepted + repeater.duplicates == total
        cut = [reader for reader in readers if reader.gateway == first]
        assert len(cut) >= 3 and all(len(reader.parts) > 1 for reader in cut)


def test_eight_publishers_leave_no_hole_in_seq_though_a_gateway_is_killed():
    key, each = "job:eight", 16 * BATCH
    with Sluice(FAST, gateways=2) as sluice, contextlib.ExitStack() as stack:
        readers = readers_of(stack, sluice, key, 4, Stream)
        # Four at each.
        publishers = [p for _ in range(4) for _, p in sorted(publisher_each(sluice).items())]
        first = publishers[0].incarnation()
        repeaters = [stack.enter_context(Repeater(sluice, p)) for p in publishers]

        def publish(number):
            for at in range(0, each, BATCH):
                rows = keyed(key, at, f"/publisher/{number}")
                if (number, at) == (0, each // 2):
                    dies_under(sluice, repeaters[number], rows)
                else:
                    repeaters[number].publish(rows)

        total = 8 * each
        works = [Work(functools.partial(publish, number)) for number in range(8)]
        read_on(
            readers,
            lambda r: any(w.error for w in works) or sum(len(p.ids()) for p in r.parts) >= total,
            "all of it",
        )
        for work in works:
            work.join()
        nothing_more(readers)
        assert repeaters[0].repeats >= 1
        assert sum(r.accepted + r.duplicates for r in repeaters) == total
        assert any(reader.gateway == first for reader in readers)
        for reader in readers:
            assert len(reader.parts) == 1 + (reader.gateway == first)
            rows = reader.events()
            assert [row["seq"] for row in rows] == list(range(1, total + 1))
            for number in range(8):
                own = [r["data"]["n"] for r in rows if r["source"] == f"/publisher/{number}"]
                assert own == list(range(each))
        assert len({tuple(e["id"] for e in reader.events()) for reader in readers}) == 1
