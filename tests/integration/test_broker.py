"""sluice-broker alone: publishers and readers on its bus, killed, stopped, cut and starved.

build/tools/broker_host plays the supervisor, bus_pub a publisher, bus_sub a reader that checks
positions, seqs and the publishers' own numbers by itself.
"""

import glob
import os
import re
import signal
import subprocess
import time

import pytest

from tests.bed.bus import Bus, caught_up, result
from tests.bed.net import deadline, wait_until
from tests.bed.process import plain_environment
from tests.bed.sluice import binary


def epoch_of(position):
    """The epoch of an id."""
    return position.split("-")[0]


def number_of(position):
    """The number of an id."""
    return int(position.split("-")[1])


@pytest.fixture(name="bus")
def bus_fixture():
    """A broker with default options, started."""
    bus = Bus()
    yield bus.start()
    bus.close()


@pytest.fixture(name="make_bus")
def make_bus_fixture():
    """Brokers with options of the test's own, not yet started."""
    made = []

    def make(**options):
        made.append(Bus(**options))
        return made[-1]

    yield make
    for bus in made:
        bus.close()


@pytest.mark.slow
@pytest.mark.threads
def test_a_killed_broker_loses_nothing_and_repeats_nothing(bus):
    subs = [bus.reader(f"g{i}") for i in range(2)]
    count, publishers = 4000, 4
    pubs = [
        bus.publisher(f"watcher/p{i}", "-n", count, "-k", f"job:p{i}", "-r", 1000, "-s", 500)
        for i in range(publishers)
    ]
    for pub in pubs:
        pub.wait("ready")
    epochs = set()
    for _ in range(6):
        time.sleep(0.4)
        assert bus.kill() == -signal.SIGKILL
        bus.start()
        epochs.add(bus.host.find(r"status ready tip ([0-9a-f]+)-")[1])
    results = [result(pub, 60) for pub in pubs]
    assert [r["appended"] for r in results] == [count] * publishers
    assert epochs == {epoch_of(results[0]["last"])}
    tip = f"{results[0]['last'].split('-')[0]}-{count * publishers}"
    for sub in subs:
        assert caught_up(sub, tip) == (count * publishers, 0, 0)


@pytest.mark.slow
def test_a_reader_stopped_for_three_seconds_reads_the_rest_from_the_file(bus):
    stopped, other = bus.reader("g0"), bus.reader("g1")
    pub = bus.publisher("watcher/a", "-n", 40000, "-s", 1024, "-r", 8000)
    pub.wait("ready")
    wait_until(lambda: stopped.find(r"at \S+-[1-9]"), deadline(5), "first events")
    os.kill(stopped.process.pid, signal.SIGSTOP)
    time.sleep(3)
    os.kill(stopped.process.pid, signal.SIGCONT)
    tip = result(pub, 30)["last"]
    assert caught_up(other, tip) == (40000, 0, 0)
    assert caught_up(stopped, tip) == (40000, 0, 0)


def test_an_older_incarnation_is_fenced(bus):
    old = bus.publisher("watcher/a", "-n", 100000, "-r", 100, incarnation=1)
    old.wait("ready")
    bus.publish("watcher/a", "-n", 1, "-k", "job:other", incarnation=2)
    old.wait("fenced")
    assert old.process.wait(deadline(20)) == 3


@pytest.mark.slow
def test_an_older_incarnation_stays_fenced_after_a_kill(bus):
    old = bus.publisher("watcher/a", "-n", 100000, "-r", 100, incarnation=1)
    old.wait("ready")
    wait_until(lambda: bus.host.find(r"status ready tip \S+-[1-9]"), deadline(10), "events")
    os.kill(old.process.pid, signal.SIGSTOP)
    # It registers and publishes nothing: no record tells of it.
    bus.publisher("watcher/a", "-n", 0, "-k", "job:other", incarnation=2).wait("ready")
    bus.kill()
    bus.start()
    os.kill(old.process.pid, signal.SIGCONT)
    old.wait("fenced")
    assert old.process.wait(deadline(20)) == 3


def test_idempotency_keys_survive_a_kill(bus):
    first = bus.publish("watcher/a", "-n", 500, "-i", incarnation=1)
    bus.kill()
    bus.start()
    again = bus.publish("watcher/a", "-n", 500, "-i", incarnation=2)
    assert (again["appended"], again["duplicate"]) == (0, 500)
    assert (again["first"], again["last"]) == (first["first"], first["last"])
    other = bus.publish("watcher/a", "-n", 500, "-i", "-s", 300, incarnation=3)
    assert (other["appended"], other["conflict"]) == (0, 500)


def resident(pid):
    """Bytes of memory that a process has."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.release_only
def test_a_million_idempotency_keys_are_kept_over_a_kill_in_100_mib(make_bus):
    bus = make_bus(keys=1_000_000, size=1 << 30, segment=64 << 20)
    bus.start()
    # What so many events cost without keys: each one's place in the trail, the journal's pages.
    bus.publish("watcher/plain", "-n", 1_000_000, "-g", 100, "-s", 100, seconds=60)
    before = resident(bus.pid)
    keyed = ("watcher/a", "-n", 1_000_000, "-g", 100, "-s", 100, "-i")
    first = bus.publish(*keyed, seconds=60)
    assert first["appended"] == 1_000_000
    # 56 bytes of a key and 8 of its place in the index, both for a power of two of them.
    taken = resident(bus.pid) - before
    assert taken < 100 << 20, taken
    print(f"a million idempotency keys: {taken / (1 << 20):.0f} MiB")
    bus.kill()
    bus.start()
    again = bus.publish(*keyed, incarnation=2, seconds=60)
    assert (again["appended"], again["duplicate"]) == (0, 1_000_000)
    assert again["first"] == first["first"]
    # One more, and the oldest is nobody's.
    bus.publish("watcher/b", "-n", 1, "-i")
    oldest = ("watcher/a", "-n", 1, "-s", 100, "-i")
    assert bus.publish(*oldest, incarnation=3)["appended"] == 1


@pytest.mark.slow
def test_of_publishers_that_judge_on_the_same_state_one_wins(bus):
    guard = "0"
    for turn in range(10):
        pubs = [
            bus.publisher(
                f"gateway/{turn}-{i}", "-l", "-G", guard, "-k", "job:x", "-a", turn * 10 + i + 1
            )
            for i in range(4)
        ]
        results = [result(pub) for pub in pubs]
        winners = [r for r in results if r["appended"] == 1]
        losers = [r for r in results if r["guard_lost"] == 1]
        assert (len(winners), len(losers)) == (1, 3)
        assert {r["first"] for r in losers} == {winners[0]["first"]}
        guard = winners[0]["first"]
        if turn % 3 == 2:
            bus.kill()
            bus.start()


def test_a_clean_stop_keeps_the_epoch_and_a_cut_with_another_boot_does_not(bus):
    first = bus.publish("watcher/a", "-n", 3000, "-s", 1000)
    sub = bus.reader("g0", start=first["last"])
    caught_up(sub, first["last"])
    assert bus.stop() == 0
    bus.start()
    second = bus.publish("watcher/a", "-n", 3000, "-s", 1000, incarnation=2)
    assert epoch_of(second["last"]) == epoch_of(first["last"])
    assert number_of(second["first"]) == number_of(first["last"]) + 1
    caught_up(sub, second["last"])
    bus.kill()
    # The last 64 KiB are lost, and the machine was restarted.
    path = sorted(glob.glob(f"{bus.journal}/*.seg"))[-1]
    with open(path, "r+b") as segment:
        end = len(segment.read().rstrip(b"\0"))
        segment.truncate(end - 65536)
    with open(f"{bus.journal}/epochs", "r+", encoding="ascii") as epochs:
        line = epochs.read().split()
        line[2] = "00000000-1111-2222-3333-444444444444"
        epochs.seek(0)
        epochs.truncate()
        epochs.write(" ".join(line) + "\n")
    bus.start()
    assert "new epoch" in bus.log()
    third = bus.publish("watcher/a", "-n", 10, incarnation=3)
    assert epoch_of(third["first"]) != epoch_of(first["first"])
    assert number_of(third["first"]) > number_of(second["last"])
    # The reader had everything; it is told that an epoch ended, once.
    items, errors, gaps = caught_up(sub, third["last"])
    assert (items, errors, gaps) == (3010, 0, 1)
    assert sub.find(rf"gap {second['last']} {third['first']}")


def test_a_lost_journal_begins_above_all_that_was(bus):
    first = bus.publish("watcher/a", "-n", 500)
    sub = bus.reader("g0")
    caught_up(sub, first["last"])
    bus.kill()
    for name in os.listdir(bus.journal):
        os.unlink(f"{bus.journal}/{name}")
    bus.start()
    assert "the journal is lost" in bus.log()
    second = bus.publish("watcher/b", "-n", 10, "-k", "job:b")
    assert epoch_of(second["first"]) != epoch_of(first["first"])
    assert number_of(second["first"]) > number_of(first["last"])
    assert caught_up(sub, second["last"]) == (510, 0, 1)


@pytest.mark.slow
@pytest.mark.threads
def test_history_is_bounded_and_a_late_reader_begins_with_the_oldest(make_bus):
    bus = make_bus(size=8 << 20, segment=1 << 20).start()
    done = bus.publish("watcher/a", "-n", 30000, "-s", 1024)
    # The last state file is written, and what it covers leaves, after the last answer: a reader
    # that stands in a segment by then misses what left behind it.
    wait_until(lambda: len(glob.glob(f"{bus.journal}/*.seg")) <= 8, 20, "segments to leave")
    sub = bus.reader("g0")
    items, errors, gaps = caught_up(sub, done["last"])
    assert 2000 < items < 15000
    assert (errors, gaps) == (0, 0)
    late = bus.reader("g1", start=done["first"])
    assert caught_up(late, done["last"])[1:] == (0, 1)
    for _ in range(2):
        bus.kill()
        bus.start()
    assert "new epoch" not in bus.log()
    assert number_of(bus.publish("watcher/a", incarnation=2)["last"]) == 30001


@pytest.mark.slow
@pytest.mark.threads
def test_a_disk_that_fails_is_replaced_by_memory(make_bus):
    bus = make_bus(segment=8 << 20, fsize=8 << 20).start()
    sub = bus.reader("g0")
    first = bus.host.find(r"status ready tip ([0-9a-f]+)-")[1]
    # The write that passes 3 MiB fails with EFBIG; a memory segment has this limit as well. Not
    # while events come: they may all be written before prlimit has begun.
    limit = f"--fsize={3 << 20}:{8 << 20}"
    subprocess.run(["prlimit", f"--pid={bus.pid}", limit], check=True)
    pub = bus.publisher("watcher/a", "-n", 6000, "-s", 1000, "-r", 3000)
    segment = bus.host.wait(r"segment (\d+) (\S+)", 20)
    sub.tell(f"segment {segment[1]} {segment[2]}")
    known = {segment[1]}
    while not pub.find(r"done "):
        for line in list(bus.host.said):
            match = re.match(r"segment (\d+) (\S+)", line)
            if match and match[1] not in known:
                known.add(match[1])
                sub.tell(f"segment {match[1]} {match[2]}")
        time.sleep(0.05)
    done = result(pub)
    assert done["appended"] == 6000
    assert epoch_of(done["last"]) != first
    items, errors, gaps = caught_up(sub, done["last"])
    assert (items, errors, gaps) == (6000, 0, 1)
    bus.host.wait(r"status memory .*[Ff]ile", 5)
    bus.kill()
    bus.start()
    assert "in memory only" in bus.log()
    again = bus.publish("watcher/b", "-n", 1)
    assert number_of(again["first"]) > number_of(done["last"])


def test_sync_always_answers_the_same(make_bus):
    bus = make_bus(sync="always").start()
    sub = bus.reader("g0")
    done = bus.publish("watcher/a", "-n", 2000)
    assert caught_up(sub, done["last"]) == (2000, 0, 0)
    bus.host.tell("ping")
    bus.host.wait("pong")


def segments_after(bus, mark):
    """The memory segments the broker named since: first position -> path."""
    found = (re.match(r"segment (\d+) (\S+)", line) for line in list(bus.host.said)[mark:])
    return {int(match[1]): match[2] for match in found if match}


@pytest.mark.slow
def test_memory_keeps_no_more_segments_than_a_late_reader_is_told_of(make_bus):
    bus = make_bus(segment=1 << 20, fsize=8 << 20).start()
    first = bus.publish("watcher/first", "-n", 10, "-k", "job:first")
    # No memory segment is larger than this either.
    subprocess.run(["prlimit", f"--pid={bus.pid}", f"--fsize={256 << 10}:{8 << 20}"], check=True)
    # Small events: a thousand of them, the most that go into one record, fit into a segment.
    pub = bus.publisher("watcher/a", "-n", 80000, "-s", 1, "-r", 20000)
    done = result(pub, 60)
    assert done["appended"] == 80000
    status = bus.host.wait(rf"status memory .*tip {done['last']}.* oldest (\d+)", 10)
    kept = number_of(done["last"]) - int(status[1]) + 1
    # What comes by the same channel is in order: these are all.
    made = segments_after(bus, 0)
    assert len(made) > 40
    # One that goes on from a place, and one that begins with the oldest.
    for start in (first["first"], "00000000-0"):
        mark = len(bus.host.said)
        late = bus.reader("g0", start=start)
        # They are told from the oldest to the newest.
        wait_until(
            lambda mark=mark: max(made) in segments_after(bus, mark), deadline(10), "all segments"
        )
        told = segments_after(bus, mark)
        assert int(status[1]) in told
        assert 16 < len(told) <= 32
        for position, path in sorted(told.items()):
            late.tell(f"segment {position} {path}")
        items, errors, gaps = caught_up(late, done["last"])
        # What the disk still has, one hole that is told, and all that is kept in memory.
        assert kept < items < 80000
        assert (errors, gaps) == (0, 1)


def syncs(bus):
    """How often the broker asked the kernel for something to reach the disk."""
    mark = len(bus.host.said)
    bus.host.tell("syncs")
    return int(bus.host.wait(r"syncs (\d+)", after=mark)[1])


def settled_syncs(bus):
    """The same when none is under way: twice, 0.3 s apart."""

    def same():
        count = syncs(bus)
        time.sleep(0.3)
        return syncs(bus) == count

    wait_until(same, 20, "no more syncs")
    return syncs(bus)


@pytest.mark.slow
@pytest.mark.parametrize("sync", ["never", "always", "20"])
def test_the_disk_is_asked_for_as_journal_sync_says(make_bus, sync):
    bus = make_bus(syncs=1, sync=sync).start()
    # Ten seconds, of which the machine may stand still for most.
    many = 500 if sync == "never" else 5000
    pub = bus.publisher("watcher/a", "-n", many, "-r", 500)
    # Its registration is kept whatever sync says: it must not be forgotten.
    pub.wait("ready")
    before = syncs(bus)
    assert before > 0
    looks, most, end = [], 0, time.monotonic() + deadline(30)
    while most < 5 and not pub.find("done ") and time.monotonic() < end:
        at = time.monotonic()
        looks.append((at, syncs(bus)))
        now = time.monotonic()
        most = max(most, *(looks[-1][1] - was for at, was in looks if now - at <= 1), 0)
        time.sleep(0.02)
    done = result(pub, 60)
    assert done["appended"] == many
    tip = rf"status ready tip {done['last']}"
    wait_until(lambda: bus.host.find(tip), 20, "status")
    if sync == "never":
        assert syncs(bus) == before
    else:
        # Several batches, several intervals within one second; at some time, for of a publisher
        # that was held up all may come as one batch.
        assert most >= 5, (most, looks[-50:])
    before = settled_syncs(bus)
    assert bus.stop() == 0
    # The end is clean whatever it says.
    assert syncs(bus) > before


@pytest.mark.slow
def test_the_number_of_streams_is_limited(make_bus):
    bus = make_bus(max_streams=3).start()
    for i in range(3):
        assert bus.publish(f"watcher/{i}", "-k", f"job:{i}")["appended"] == 1
    assert bus.publish("watcher/9", "-k", "job:9")["limit"] == 1
    assert bus.publish("watcher/0", "-k", "job:0", incarnation=2)["appended"] == 1


@pytest.mark.slow
def test_a_second_broker_on_the_same_journal_refuses(bus):
    second = bus.run(
        binary("tools/broker_host"),
        binary("sluice-broker"),
        f"{bus.directory}/s",
        f"{bus.directory}/r2",
    )
    second.tell("start")
    assert second.wait(r"exit (-?\d+)")[1] == "1"
    with open(second.log, encoding="utf-8") as log:
        assert "another broker" in log.read()


def damaged(path, offset):
    """Turns one byte of a file over."""
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def test_verify_checks_state_files_and_epochs(bus):
    # A start after a lost journal saves its state at once.
    bus.publish("watcher/a", "-n", 100, "-k", "job:a")
    bus.kill()
    os.unlink(f"{bus.journal}/epochs")
    bus.start()
    wait_until(lambda: glob.glob(f"{bus.journal}/*.state"), deadline(10), "a state file")
    bus.stop()
    state = max(glob.glob(f"{bus.journal}/*.state"))
    epochs = f"{bus.journal}/epochs"
    argv = [binary("sluicectl"), "journal", "verify", bus.journal]
    env = plain_environment(bus.directory)

    def verify():
        return subprocess.run(argv, capture_output=True, text=True, check=False, env=env)

    good = verify()
    assert (good.returncode, good.stderr) == (0, "")
    for path, offset, told in [
        (state, 14, rf"{state}: .* at offset 0\n"),
        (state, 26, rf"{state}: .* at offset 24\n"),
        (state, os.path.getsize(state) - 1, rf"{state}: .* at offset \d+\n"),
        (epochs, 8, rf"{epochs}:1: not "),
    ]:
        damaged(path, offset)
        bad = verify()
        assert bad.returncode == 1
        assert re.search(told, bad.stderr), bad.stderr
        damaged(path, offset)
    os.rename(state, f"{bus.journal}/{'f' * 16}.state")
    assert f"not {0xFFFFFFFFFFFFFFFF}, at offset 0" in verify().stderr


def test_the_journal_can_be_looked_at_without_a_service(bus):
    bus.publish("watcher/a", "-n", 100, "-k", "job:a")
    bus.publish("watcher/b", "-n", 50, "-k", "job:b")
    bus.stop()

    def journal(*args):
        return subprocess.run(
            [binary("sluicectl"), "journal", *args, bus.journal],
            capture_output=True,
            text=True,
            check=False,
            env=plain_environment(bus.directory),
        )

    info = journal("info")
    assert info.returncode == 0
    assert "150 events" in info.stdout
    assert "clean" in info.stdout
    dump = journal("dump")
    assert dump.returncode == 0
    assert len(dump.stdout.splitlines()) == 150
    assert re.match(r"[0-9a-f]{8}-1 - job:a 1 job.progress \d{4}-", dump.stdout)
    assert journal("verify").returncode == 0
    path = glob.glob(f"{bus.journal}/*.seg")[0]
    with open(path, "r+b") as segment:
        segment.seek(8000)
        segment.write(b"damage")
    verify = journal("verify")
    assert verify.returncode == 1
    assert re.search(rf"{path}: at offset \d+: record crc is wrong", verify.stderr)
