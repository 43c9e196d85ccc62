"""A full disk under the running service: journal and databases on one small file system."""

import os

import pytest

from tests.bed.full_disk import SmallDisk
from tests.bed.net import wait_until
from tests.bed.store import job, resource

MIB = 1 << 20
PAD = "x" * 16000  # some 120 of them fill a segment
JOURNAL = {"journal": {"size": "64MiB", "segment": "2MiB"}}


def status_update(number):
    """A change of one of seven objects, for POST /api/v1/events."""
    key, event_type, _, _, data = resource("c", f"p{number % 7}", f"{number}-{PAD}")
    return {"stream_key": key, "event_type": event_type, "data": data}


class Watched:
    """Numbered events into a Sluice, a few at a time, and a client that reads them as they come."""

    def __init__(self, sluice):
        """Opens the stream."""
        self.sluice = sluice
        self.count = 0
        self.recycling = []  # what /metrics said after each request
        self.stream = sluice.stream("resource:c/*", snapshot=0)
        self.stream.wait_open()

    def publish(self, count):
        """COUNT more; returns when the client has the last. Its position."""
        for _ in range(0, count, 20):
            numbers = range(self.count, self.count + 20)
            answer = self.sluice.publish([status_update(i) for i in numbers])
            self.count += 20
            last = f'"message":"{self.count - 1}-'
            self.stream.read_until(
                lambda s, last=last: s.frames and last in (s.frames[-1].data or ""), 20, "the last"
            )
            self.recycling.append(figure(self.sluice, "journal_recycling"))
        return int(answer["last_id"].partition("-")[2])

    def numbers(self):
        """Of the events that came, in the order they came."""
        texts = (e["data"]["status"]["message"] for e in self.stream.events())
        return [int(text.partition("-")[0]) for text in texts]

    def check(self):
        """Nothing twice, nothing out of order, nothing missing without a word; still open."""
        numbers = self.numbers()
        assert self.stream.ended is None
        assert all(a < b for a, b in zip(numbers, numbers[1:], strict=False))
        assert len(numbers) == self.count or self.stream.named("stream.gap")


def figure(sluice, name):
    """One figure of /metrics."""
    text = sluice.request("GET", "/metrics")[2]
    line = next(line for line in text.splitlines() if line.startswith(f"sluice_{name} "))
    return int(line.split()[1])


def trouble(sluice):
    """What troubles the store, "" when nothing does."""
    return sluice.ask("status")[1]["trouble"]


def fill_until_trouble(sluice, watched):
    """Fills the disk until the store cannot write; what it says."""
    for _ in range(60):
        sluice.fill()
        watched.publish(60)
        said = trouble(sluice)
        if said:
            return said
    raise AssertionError("the store never had trouble")


def recovers(sluice, watched):
    """With room again the store has everything, and answers at the tip."""
    sluice.free()
    position = watched.publish(20)
    wait_until(lambda: not trouble(sluice), 20, "the end of the trouble")
    head, items = sluice.snapshot("resource:c/*", wait=position)
    assert head["complete"] is True
    latest = {int(item["data"]["status"]["message"].partition("-")[0]) for item in items}
    assert latest == set(range(watched.count - 7, watched.count))
    assert "the projection is written again" in sluice.process.tail(400)


@pytest.mark.slow
def test_a_full_disk_makes_history_shorter_and_the_store_wait():
    """Segments are there to be used again: positions go on, the epoch stays."""
    with SmallDisk(48 * MIB, JOURNAL) as sluice:
        first = sluice.publish_raw([job("a", 0)])[0]
        watched = Watched(sluice)
        sluice.snapshot("job:a", wait=watched.publish(800))
        sluice.fill()
        assert set(watched.recycling) == {0}
        position = watched.publish(600)
        assert position == first + watched.count
        # Gateways are told by the broker's heartbeats, which may come after all of the events.
        wait_until(
            lambda: 1 in watched.recycling or figure(sluice, "journal_recycling") == 1,
            10,
            "the figure",
        )
        assert figure(sluice, "journal_memory") == 0
        row = wait_until(
            lambda: "recycled 0," not in (row := sluice.status()["broker"])["status"] and row,
            10,
            "the broker's status",
        )
        assert row["state"] == "ready"
        assert "disk full: the oldest segment was used again" in sluice.process.tail(400)
        # The store may wait for room meanwhile; what it has it answers.
        assert sluice.snapshot("job:a")[1][0]["position"] == first
        assert sluice.ask("workflow.list") == (0, {"workflows": []})
        watched.check()
        assert not watched.stream.named("stream.gap")
        sluice.free()
        head, items = sluice.snapshot("resource:c/*", wait=position)
        assert (head["complete"], len(items)) == (True, 7)
        status, _, answer = sluice.request("GET", "/readyz")
        assert (status, answer) == (200, "ok\n")
        watched.publish(400)
        wait_until(lambda: figure(sluice, "journal_recycling") == 0, 10, "the figure")
        watched.check()


@pytest.mark.slow
def test_a_disk_without_room_for_the_next_segment_is_replaced_by_memory():
    """Nothing may leave yet: a new epoch in memory, until the broker is restarted."""
    with SmallDisk(16 * MIB, JOURNAL) as sluice:
        first = sluice.publish_raw([job("a", 0)])[0]
        watched = Watched(sluice)
        sluice.snapshot("job:a", wait=watched.publish(60))
        sluice.fill()
        watched.publish(400)
        wait_until(lambda: figure(sluice, "journal_memory") == 1, 10, "the figure")
        assert "in memory after a disk error" in sluice.request("GET", "/readyz")[2]
        # The supervisor is told by another way than the gateway.
        said = wait_until(
            lambda: "/journal/" in (said := sluice.status()["broker"]["status"]) and said,
            10,
            "the broker's status",
        )
        assert ": No space left on device: free or repair the disk" in said
        assert "then restart the broker" in said
        said = fill_until_trouble(sluice, watched)
        assert "projection.db" in said and "make room on its file system" in said
        wait_until(
            lambda: "projection.db" in sluice.status()["store"]["status"], 10, "the store's status"
        )
        # What the store has it answers all the same.
        assert sluice.snapshot("job:a")[1][0]["position"] == first
        assert sluice.ask("workflow.list")[0] == 0
        watched.check()
        recovers(sluice, watched)
        # Memory it is until somebody says that the disk is good.
        assert figure(sluice, "journal_memory") == 1
        pid = sluice.pid("broker")
        sluice.ctl("restart", "broker")
        sluice.wait_restarted("broker", pid)
        wait_until(lambda: figure(sluice, "journal_memory") == 0, 10, "the figure")
        watched.publish(40)
        watched.check()
        assert sluice.snapshot("job:a")[1][0]["data"]["n"] == 0


@pytest.mark.slow
def test_files_count_again_after_memory_that_no_history_could_be_told_of():
    """The broker stops while the disk is full, and starts in the epoch before when it is not."""
    small_ring = {"gateway": {"ring": "512KiB", "processes": 1}}
    with SmallDisk(16 * MIB, {**JOURNAL, **small_ring}) as sluice:
        watched = Watched(sluice)
        watched.publish(60)
        first = watched.stream.events()[0]["id"]
        # What is given back of the segment would be room for the history: it is in its way, too.
        os.mkdir(sluice.path("journal/epochs.tmp"))
        sluice.fill()
        watched.publish(400)
        wait_until(lambda: figure(sluice, "journal_memory") == 1, 10, "the figure")
        pid = sluice.pid("broker")
        sluice.ctl("stop", "broker")
        wait_until(lambda: sluice.status()["broker"]["state"] == "stopped", 20, "it is stopped")
        os.rmdir(sluice.path("journal/epochs.tmp"))
        sluice.free()
        sluice.ctl("start", "broker")
        sluice.wait_restarted("broker", pid)
        # Only when the gateway believes that the tip is behind what it has.
        watched.stream.read_until(
            lambda s: len(s.named("stream.gap")) == 2, 20, "the end of the life in memory"
        )
        assert figure(sluice, "journal_memory") == 0
        position = watched.publish(200)
        watched.check()
        last = watched.stream.events()[-1]["id"]
        assert last.partition("-")[0] == first.partition("-")[0]
        # Of this the ring has the newest alone.
        with sluice.stream("resource:c/*", last_event_id=first) as again:
            again.read_until(lambda s: s.frames and s.frames[-1].id == last, 20, "the newest")
            told = [int(e["id"].partition("-")[2]) for e in again.events()]
            assert told == list(range(int(first.partition("-")[2]) + 1, position + 1))
            assert not again.named("stream.gap", "snapshot")
        head, items = sluice.snapshot("resource:c/*", wait=position)
        assert (head["complete"], len(items)) == (True, 7)
