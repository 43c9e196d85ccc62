"""Cursors: what a client that comes back is given, by how much it missed."""

import os
import signal
import socket
import time

import pytest

from tests.bed.sluice import Sluice

from .numbered import numbers, publish, wait_kept

FAST = {"streams": {"default": {"heartbeat_interval": "500ms"}}}


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice(FAST) as running:
        yield running


def test_resume_after_1000_missed_events_gives_exactly_these_then_live(sluice):
    with sluice.stream("job:miss", "job:missed/*") as stream:
        stream.wait_joined()
        publish(sluice, "job:miss", 0, 10)
        stream.wait_events(10)
        cursor = stream.last_id()
    publish(sluice, "job:other", 0, 500)
    publish(sluice, "job:miss", 10, 510)
    publish(sluice, "job:missed/x", 510, 1010)
    with sluice.stream("job:miss", "job:missed/*", last_event_id=cursor) as stream:
        stream.wait_events(1000)
        publish(sluice, "job:miss", 1010, 1020)
        stream.wait_events(1010)
        assert numbers(stream) == list(range(10, 1020))
        assert not stream.named("snapshot", "stream.gap")
        ids = [int(f.id.split("-")[1]) for f in stream.frames if f.id]
        assert ids == sorted(ids)


@pytest.mark.parametrize(
    "cursor,reason", [("00000001-1", "epoch_changed"), ("tip+1000", "cursor_ahead")]
)
def test_a_cursor_that_means_nothing_here_is_told_by_a_gap(sluice, cursor, reason):
    publish(sluice, "job:gap", 0, 3, event_type="job.state_changed")
    wait_kept(sluice, "job:gap")
    with sluice.stream("job:gap") as stream:
        tip = stream.wait_open()["tip"]
    if cursor.startswith("tip"):
        epoch, _, number = tip.partition("-")
        cursor = f"{epoch}-{int(number) + 1000}"
    with sluice.stream("job:gap", last_event_id=cursor) as stream:
        gap = stream.read_until(lambda s: s.named("stream.gap"), 20, "gap")[0].json
        assert gap["from"] == cursor and gap["reason"] == reason
        sets = stream.read_until(lambda s: s.named("snapshot"), 20, "snapshot")
        assert sets[0].json["as_of"] == gap["to"] and sets[0].json["data"]["n"] == 2
    with sluice.stream("job:gap", last_event_id=cursor, strict=1) as stream:
        stream.read_until(lambda s: s.status, 20, "the answer")
        assert stream.status in (409, 410)


def test_minus_one_gives_everything_kept_and_now_gives_nothing_of_it(sluice):
    publish(sluice, "job:all", 0, 20)
    with (
        sluice.stream("job:all", last_event_id="-1") as old,
        sluice.stream("job:all", last_event_id="now") as new,
    ):
        new.wait_open()
        old.wait_events(20)
        publish(sluice, "job:all", 20, 21)
        old.wait_events(21)
        new.wait_events(1)
        assert numbers(old) == list(range(21)) and numbers(new) == [20]


def test_a_prefix_far_behind_in_the_ring_misses_nothing_while_events_flow(sluice):
    publish(sluice, "job:walk/0", 0, 1)
    with sluice.stream("job:walk/*", last_event_id="-1") as stream:
        stream.wait_events(1)
        cursor = stream.last_id()
    # More than a new subscription looks back at once.
    for at in range(1, 12_001, 1000):
        publish(sluice, f"job:walk/{at}", at, at + 1000)
    before = replayed(sluice)
    with (
        sluice.stream("job:walk/*", last_event_id=cursor) as one,
        sluice.stream("job:walk/*", "run:*", last_event_id=cursor, types="x.n") as other,
        sluice.stream("job:walk/*", last_event_id="now") as live,
    ):
        live.wait_open()
        publish(sluice, "job:walk/new", 12_001, 12_101)
        for stream in (one, other):
            stream.wait_events(12_100, 30)
            assert numbers(stream) == list(range(1, 12_101))
            assert not stream.named("stream.gap", "snapshot")
        live.wait_events(100)
        assert numbers(live) == list(range(12_001, 12_101))
    assert replayed(sluice) == before


def replayed(sluice):
    """Events that clients were given from the journal."""
    text = sluice.request("GET", "/metrics")[2]
    return int(text.split("\nsluice_gateway_events_replayed_total ")[1].split()[0])


# --- a small ring ----------------------------------------------------------------------


@pytest.fixture(name="small", scope="module")
def _small():
    conf = {"gateway": {"ring": "1MiB", "processes": 1}, "supervise": {"hang_timeout": "60s"}}
    with Sluice({**FAST, **conf}) as running:
        yield running


def test_a_cursor_older_than_the_ring_is_replayed_from_the_journal(small):
    publish(small, "job:old", 0, 5)
    with small.stream("job:old", last_event_id="-1") as stream:
        stream.wait_events(5)
        cursor = [f for f in stream.frames if f.event == "x.n"][1].id
    publish(small, "job:noise", 0, 4000, size=1000)
    publish(small, "job:old", 5, 3000, size=500)
    with small.stream("job:old", last_event_id=cursor) as stream:
        publish(small, "job:old", 3000, 3100)
        stream.wait_events(3098, 30)
        assert numbers(stream) == list(range(2, 3100))
        assert not stream.named("stream.gap", "snapshot")
        publish(small, "job:old", 3100, 3101)
        stream.wait_events(3099)


def test_a_stream_that_only_the_journal_has_exists(small):
    """The store keeps nothing of alerts; and what it is behind with, the broker has."""
    publish(small, "alerts:old", 0, 3, event_type="alert_fired")
    # It opens where the store does not answer in 1.5 s, as on a machine that stands still.
    for _ in range(5):
        store = small.kill("store", signal.SIGSTOP)
        publish(small, "job:noise", 0, 4000, size=1000)
        begin = time.monotonic()
        os.kill(store, signal.SIGCONT)
        with small.stream("alerts:never", must_exist=1) as stream:
            stream.read_until(lambda s: s.status, 10, "an answer")
        if time.monotonic() - begin < 1.4:
            break
    assert stream.status == 404
    with small.stream("alerts:old", "alerts:never", must_exist=1, last_event_id="-1") as stream:
        stream.wait_events(3)


@pytest.mark.slow
def test_a_slow_reader_gets_an_exact_gap_and_delays_nobody(small):
    with small.stream("job:slow", snapshot=0) as fast:
        fast.wait_open()
        slow = small.stream("job:slow")
        try:
            slow.wait_joined()
            slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            for at in range(0, 8000, 500):
                publish(small, "job:slow", at, at + 500, size=1000)
                fast.wait_events(at + 500, 20)
            assert numbers(fast) == list(range(8000))
            gap = slow.read_until(lambda s: s.named("stream.gap"), 20, "gap")[0].json
            before = [e for e in slow.events() if e["data"]["n"] < 7999]
            assert gap["reason"] == "slow_consumer" and before
            publish(small, "job:slow", 8000, 8010)
            slow.read_until(lambda s: 8009 in numbers(s), 20, "live again")
            # Exact: all up to `from`, nothing in (from, to], all after `to`.
            of = {e["data"]["n"]: int(e["id"].split("-")[1]) for e in fast.wait_events(8010)}
            low, high = (int(gap[k].split("-")[1]) for k in ("from", "to"))
            want = [n for n, p in of.items() if p <= low or p > high]
            assert numbers(slow) == want
        finally:
            slow.close()


# --- another epoch ----------------------------------------------------------------------


@pytest.mark.slow
def test_a_new_epoch_is_told_to_open_streams_which_then_go_on(tmp_path):
    with Sluice(FAST) as sluice:
        publish(sluice, "job:epoch", 0, 5, event_type="job.state_changed")
        wait_kept(sluice, "job:epoch")
        with sluice.stream("job:epoch") as stream:
            old = stream.wait_open()["epoch"]
            stream.read_until(lambda s: s.named("snapshot"), 20, "snapshot")
            journal = os.path.join(sluice.conf["state_directory"], "journal")
            for name in os.listdir(journal):
                if name.endswith((".seg", ".state")):
                    os.rename(os.path.join(journal, name), tmp_path / name)
            pid = sluice.kill("broker")
            sluice.wait_restarted("broker", pid)
            gap = stream.read_until(lambda s: s.named("stream.gap"), 15, "gap")[0].json
            assert gap["reason"] == "epoch_changed" and gap["from"].startswith(old)
            assert not gap["to"].startswith(old)
            publish(sluice, "job:epoch", 5, 8)
            stream.wait_events(3)
            assert numbers(stream) == [5, 6, 7] and stream.ended is None
            assert all(not e["id"].startswith(old) for e in stream.events())


def test_minus_one_gives_all_of_the_epoch_before_and_a_gap_that_names_both():
    with Sluice(FAST) as sluice:
        publish(sluice, "job:epoch", 0, 5, event_type="job.state_changed")
        assert sluice.stop() == 0
        # As after a power cut: another boot, and no clean close.
        history = os.path.join(sluice.conf["state_directory"], "journal", "epochs")
        with open(history, encoding="ascii") as file:
            epoch, first, _, reserved, _ = file.read().split()
        with open(history, "w", encoding="ascii") as file:
            file.write(f"{epoch} {first} {'0' * 36} {reserved} open\n")
        sluice.start()
        publish(sluice, "job:epoch", 5, 8, event_type="job.state_changed")
        wait_kept(sluice, "job:epoch")
        with sluice.stream("job:epoch", last_event_id="-1") as stream:
            gap = stream.read_until(lambda s: s.named("stream.gap"), 10, "gap")[0].json
            assert numbers(stream) == list(range(5))
            assert gap["reason"] == "epoch_changed"
            assert gap["from"] == stream.events()[-1]["id"]
            snapshot = stream.read_until(lambda s: s.named("snapshot"), 10, "snapshot")[0].json
            assert gap["to"] == snapshot["as_of"] and not gap["to"].startswith(epoch)
            assert snapshot["data"]["n"] == 7
