"""libsluice (lib/sluice.h): what is handed over arrives once and in order, whatever goes away."""

import contextlib
import glob
import itertools
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time

import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.process import BedError
from tests.bed.sluice import Sluice, binary
from tests.bed.sockets import inet_sockets, peer_of

from .handing_over import DAMAGED, FULL, LOST, TIMEOUT, Publisher, arrived, first_id, url_of
from .lifecycle import holder
from .repeating import broker_dies_asked, dies_unanswered
from .scripted import BUSY, TAKEN, Handler, Scripted


@pytest.fixture(name="sluice")
def _sluice():
    with Sluice() as running:
        yield running


@pytest.fixture(name="spool")
def _spool():
    directory = tempfile.mkdtemp(prefix="sl-", dir="/tmp")
    yield f"{directory}/spool"
    shutil.rmtree(directory)


def test_events_arrive_in_order_and_in_few_requests(sluice):
    with Publisher(url_of(sluice)) as pub:
        assert pub.hand("job:a", 0, 5000) == (5000, 0)
        assert pub.flush(20000) == 0
        stats = pub.stats()
        assert (stats["accepted"], stats["refused"], stats["queued"]) == (5000, 0, 0)
        assert stats["requests"] < 500 and stats["failures"] == 0
        assert pub.close()[0] == 0
        assert pub.states() == []
    assert arrived(sluice, "job:a", 5000) == list(range(5000))


@pytest.mark.threads
def test_many_threads_hand_over_and_each_finds_its_order(sluice):
    with Publisher(url_of(sluice)) as pub:
        assert pub.ask("crowd job:c 8 500", r"handed (\d+)", 60)[1] == "4000"
        assert pub.close()[0] == 0
    with sluice.stream("job:c", last_event_id=first_id(sluice), snapshot="0") as stream:
        stream.wait_events(4000, 60)
        for thread in range(8):
            mine = [e["data"]["n"] for e in stream.events() if e["data"]["p"] == thread]
            assert mine == list(range(500))


def outage(sluice, spool, seconds):
    """The service is stopped for so long while 10,000 events are handed over."""
    with Publisher(url_of(sluice), spool=spool) as pub:
        pub.hand("job:o", 0, 500)
        pub.flush(20000)
        assert sluice.stop() == 0
        begin = time.monotonic()
        for first in range(500, 10500, 500):
            assert pub.hand("job:o", first, 500) == (500, 0)
            time.sleep(seconds / 40)
        wait_until(lambda: pub.stats()["spooled"] == 10000, 20, "all on the disk")
        while time.monotonic() - begin < seconds:
            time.sleep(0.1)
        assert pub.flush(0) == TIMEOUT
        sluice.start()
        assert pub.flush(60000) == 0
        assert pub.states() == ["away", "back"]
        rc, stats = pub.close()
        assert rc == 0 and stats["accepted"] == 10500 and stats["spooled"] == 0
    assert arrived(sluice, "job:o", 10500) == list(range(10500))
    assert [f for f in os.listdir(spool) if f.endswith(".spool")] == []


@pytest.mark.slow
@pytest.mark.threads
def test_a_service_that_is_away_for_5_s_gets_everything_once(sluice, spool):
    outage(sluice, spool, 5)


@pytest.mark.slow
@pytest.mark.release_only
def test_a_service_that_is_away_for_30_s_gets_everything_once(sluice, spool):
    outage(sluice, spool, 30)


def connection(pub, sluice):
    """The gateway that the library has its connection to: (name, pid)."""
    ours = inet_sockets(pub.lines.process.pid)
    (client,) = [s.getsockname() for s in ours if peer_of(s) == ("127.0.0.1", sluice.port)]
    return holder(sluice, client)


@pytest.mark.slow
def test_processes_killed_with_a_request_under_way_get_everything_once():
    """The broker before it has read it; then a gateway between its append and its answer."""
    with Sluice(gateways=2) as sluice, Publisher(url_of(sluice)) as pub:
        handed = itertools.count(0, 500)

        def hand():
            assert pub.hand("job:u", next(handed), 500) == (500, 0)

        hand()
        assert pub.flush(20000) == 0
        broker = broker_dies_asked(sluice, hand)
        hand()
        sluice.wait_restarted("broker", broker)
        assert pub.flush(60000) == 0
        before = pub.stats()["duplicates"]
        gateway = connection(pub, sluice)
        dies_unanswered(sluice, gateway, "job:u", hand)
        hand()
        sluice.wait_restarted(*gateway)
        assert pub.flush(60000) == 0
        rc, stats = pub.close()
        # What it was not told of was asked again (by libcurl itself, maybe), and known.
        assert rc == 0 and stats["duplicates"] > before
        assert stats["accepted"] == stats["handed"] == 2500 and stats["refused"] == 0
        assert arrived(sluice, "job:u", 2500) == list(range(2500))


@pytest.mark.slow
def test_a_publisher_killed_during_an_outage_is_recovered_from_its_spool(sluice, spool):
    """Also killed while it sends what the first one left: nothing twice, nothing lost."""
    sluice.stop()
    with Publisher(url_of(sluice), spool=spool) as pub:
        assert pub.hand("job:k", 0, 10000) == (10000, 0)
        wait_until(lambda: pub.stats()["spooled"] == 10000, 20, "all on the disk")
        pub.kill()
    sluice.start()
    with Publisher(url_of(sluice), spool=spool) as pub:
        assert pub.stats()["recovered"] == 10000
        pub.lines.tell("hand job:k 10000 500 20")
        wait_until(lambda: pub.stats()["accepted"] > 0, 20, "it sends")
        pub.kill()
    with Publisher(url_of(sluice), spool=spool) as pub:
        assert pub.flush(60000) == 0
        rc, stats = pub.close()
        assert rc == 0 and stats["recovered"] == stats["accepted"]
    got = arrived(sluice, "job:k", 10000)
    assert got == list(range(len(got))) and len(got) >= 10000


def test_a_record_that_was_half_written_is_cut_off(sluice, spool):
    sluice.stop()
    with Publisher(url_of(sluice), spool=spool) as pub:
        pub.hand("job:h", 0, 100)
        wait_until(lambda: pub.stats()["spooled"] == 100, 20, "all on the disk")
        pub.kill()
    (segment,) = (f"{spool}/{f}" for f in os.listdir(spool) if f.endswith(".spool"))
    os.truncate(segment, os.path.getsize(segment) - 7)
    sluice.start()
    with Publisher(url_of(sluice), spool=spool) as pub:
        assert pub.stats()["recovered"] == 99
        pub.hand("job:h", 99, 1)
        assert pub.close()[0] == 0
        assert pub.states() == []
    assert arrived(sluice, "job:h", 100) == list(range(100))


def test_what_is_damaged_is_told_and_kept_aside(sluice, spool):
    sluice.stop()
    with Publisher(url_of(sluice), spool=spool) as pub:
        pub.hand("job:d", 0, 100)
        wait_until(lambda: pub.stats()["spooled"] == 100, 20, "all on the disk")
        pub.kill()
    (segment,) = (f"{spool}/{f}" for f in os.listdir(spool) if f.endswith(".spool"))
    with open(segment, "r+b") as file:
        file.seek(os.path.getsize(segment) // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    sluice.start()
    with Publisher(url_of(sluice), spool=spool) as pub:
        pub.lines.wait(r"state spool_damaged .*is damaged at byte \d+")
        kept = pub.stats()["recovered"]
        assert 45 < kept < 55
        rc, stats = pub.close()
        assert (rc, stats["damaged"]) == (DAMAGED, 1)
    assert arrived(sluice, "job:d", kept) == list(range(kept))
    assert [f.rpartition(".")[2] for f in os.listdir(spool) if f.startswith("0")] == ["damaged"]


@pytest.mark.slow
def test_a_file_that_changed_holds_up_nothing_behind_it(sluice, spool):
    """While it waits to be sent; before the next start, that is."""
    sluice.stop()
    with Publisher(url_of(sluice), spool=spool) as pub:
        pub.hand("job:d", 0, 150, 40000)
        wait_until(lambda: pub.stats()["spooled"] == 150, 20, "all on the disk")
        first = min(f for f in os.listdir(spool) if f.endswith(".spool"))
        with open(f"{spool}/{first}", "r+b") as file:
            file.seek(50 * 40100)
            file.write(b"!")
        sluice.start()
        pub.lines.wait(r"state spool_damaged .* events are not sent", 30)
        assert pub.flush(30000) == 0
        rc, stats = pub.close()
        assert rc == DAMAGED and stats["damaged"] > 0
        assert stats["accepted"] + stats["damaged"] == stats["handed"] == 150
        assert pub.states().count("spool_failed") == pub.states().count("spool_works") == 1
    got = arrived(sluice, "job:d", stats["accepted"])
    assert len(got) == stats["accepted"] and got == sorted(set(got))
    assert got[:45] == list(range(45)) and got[-40:] == list(range(110, 150))
    assert [f.rpartition(".")[2] for f in os.listdir(spool) if f.startswith("0")] == ["damaged"]


def test_a_spool_belongs_to_one_process(sluice, spool):
    with Publisher(url_of(sluice), spool=spool):
        second = Publisher(url_of(sluice), spool=spool)
        second.lines.wait("problem .* is in use")
        assert second.lines.process.wait(20) == 2
        second.__exit__()


# --- what does not fit -------------------------------------------------------------------------


def overfill(pub):
    """Hands over until the queue is full; how many were taken."""
    taken = 0

    def full():
        nonlocal taken
        n, result = pub.hand("job:f", taken, 2000, 500)
        taken += n
        return result == FULL

    wait_until(full, 40, "the queue is full")
    return taken


def all_arrive(sluice, pub, taken):
    """The service comes back: what was taken arrives, once and in order."""
    sluice.start()
    assert pub.flush(60000) == 0
    assert pub.hand("job:f", taken, 1, 500) == (1, 0)
    rc, stats = pub.close()
    assert rc == 0 and stats["accepted"] == taken + 1
    assert arrived(sluice, "job:f", taken + 1) == list(range(taken + 1))


def test_without_a_spool_the_queue_fills_and_the_caller_is_told(sluice):
    sluice.stop()
    with Publisher(url_of(sluice), queue=3000) as pub:
        assert overfill(pub) == 3000
        all_arrive(sluice, pub, 3000)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [{"max": 1 << 20}, {"fsize": 1 << 20}])
def test_a_spool_that_is_full_is_told_and_what_was_taken_arrives(sluice, spool, limit):
    """Its own limit, or the system's (EFBIG; the signal for it is not delivered)."""
    sluice.stop()
    with Publisher(url_of(sluice), spool=spool, queue=3000, **limit) as pub:
        taken = overfill(pub)
        pub.lines.wait(r"state spool_failed .*(limit of 1048576|File too large)")
        assert taken > 3000
        all_arrive(sluice, pub, taken)


def wakes(pub):
    """How often its threads have slept so far."""
    total = 0
    for path in glob.glob(f"/proc/{pub.lines.process.pid}/task/*/status"):
        with open(path, encoding="ascii") as file:
            total += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", file.read(), re.M)[1])
    return total


def test_a_spool_that_has_failed_wakes_nobody_when_nothing_waits(spool):
    with Scripted(BUSY) as service, Publisher(url_of(service), spool=spool, fsize=1000) as pub:
        pub.hand("job:a", 0, 100)
        pub.lines.wait("state spool_failed .*File too large")
        service.answers = [TAKEN]
        assert pub.flush(20000) == 0
        before = wakes(pub)
        time.sleep(2)
        assert wakes(pub) - before < 200, "a turn each millisecond would be 2000"
        assert pub.close()[0] == 0


@contextlib.contextmanager
def small_disk(size):
    """A directory of SIZE bytes, for processes started with what is yielded in front."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        raise BedError("a file system of a test's own needs root and unshare (util-linux)")
    directory = tempfile.mkdtemp(prefix="sl-", dir="/tmp")
    script = 'mount -t tmpfs -o "size=$1,mode=0700" sluice-test "$2" && shift 2 && exec "$@"'
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
    try:
        yield directory, [*argv, str(size), directory]
    finally:
        shutil.rmtree(directory)


@pytest.mark.slow
def test_a_full_disk_is_told_and_what_was_taken_arrives(sluice):
    sluice.stop()
    with (
        small_disk(1 << 20) as (directory, before),
        Publisher(url_of(sluice), before, spool=f"{directory}/spool", queue=3000) as pub,
    ):
        taken = overfill(pub)
        pub.lines.wait("state spool_failed .*No space left")
        assert taken > 3000
        all_arrive(sluice, pub, taken)


def test_close_says_what_is_lost_without_a_spool(sluice):
    sluice.stop()
    with Publisher(url_of(sluice)) as pub:
        pub.hand("job:l", 0, 10)
        rc, stats = pub.close(100)
        assert rc == LOST and stats["queued"] == 10


@contextlib.contextmanager
def silent():
    """A service that takes requests and says nothing until the event is set: (it, the event)."""
    held = threading.Event()

    class Silent(Handler):
        def do_POST(self):
            held.wait(deadline(30))
            super().do_POST()

    with Scripted(TAKEN) as service:
        service.RequestHandlerClass = Silent
        yield service, held


def test_what_waits_longer_than_a_second_is_written_to_the_spool(spool):
    """The queue need not wait for the answer."""
    with silent() as (service, held), Publisher(url_of(service), spool=spool) as pub:
        pub.hand("job:a", 0, 10)
        wait_until(lambda: pub.stats()["spooled"] == 10, 20, "all on the disk")
        assert pub.states() == []
        held.set()
        assert pub.flush(20000) == 0
        assert pub.stats()["spooled"] == 0
        assert pub.close()[0] == 0


# lib/sluice.h: a caller waits for nobody, so for less than the shortest of the library's own waits.
BATCH_MS = 20


@pytest.mark.slow
@pytest.mark.release_only
@pytest.mark.parametrize(
    ("stuck", "options"),
    [("write", {}), ("write", {"first": 1}), ("sync", {"first": 1, "sync": "each"})],
)
def test_who_hands_over_waits_for_neither_the_service_nor_the_disk(spool, stuck, options):
    """10,000 calls while a request is not answered and what is spooled is not written."""
    with silent() as (service, held), Publisher(url_of(service), spool=spool, **options) as pub:
        assert pub.ask(f"stuck {stuck}", r"stuck (\w+)")[1] == stuck
        assert pub.hand("job:w", 0, 100) == (100, 0)
        wait_until(lambda: pub.stats()["held"] > 0, 20, "the disk keeps a call")
        assert pub.hand("job:w", 100, 9_900) == (9_900, 0)
        stats = pub.stats()
        assert (stats["handed"], stats["queued"], stats["spooled"]) == (10_000, 10_000, 0)
        # Of calls that waited: from others a loaded machine may take their processor for longer.
        assert stats["longest_ns"] > 0 and stats["waited_ns"] < BATCH_MS * 1_000_000
        pub.ask("stuck none", "stuck none")
        wait_until(lambda: pub.stats()["spooled"] > 0, 20, "the disk takes it")
        held.set()
        assert pub.flush(60000) == 0
        assert pub.close()[0] == 0


def test_spool_first_writes_each_event_before_it_is_sent(spool):
    options = {"spool": spool, "first": 1, "sync": "each"}
    with Scripted(TAKEN) as service, Publisher(url_of(service), **options) as pub:
        for n in range(20):
            pub.hand("job:a", n, 1)
        assert pub.flush(20000) == 0
        assert pub.close()[1]["accepted"] == 20
    assert os.path.getsize(f"{spool}/sent") == 72


# --- who may use a handle ----------------------------------------------------------------------


def test_a_child_gets_nothing_from_its_parents_handle(sluice):
    with Publisher(url_of(sluice)) as pub:
        pub.hand("job:a", 0, 10)
        assert pub.ask("fork", r"forked (-?\d+)")[1] == "0"
        assert pub.close()[1]["accepted"] == 10


@pytest.mark.parametrize(
    ("url", "options", "says"),
    [
        ("ftp://x", {}, "url must begin with"),
        ("http://x", {"token_file": "/nonexistent/t"}, "token file /nonexistent/t: No such"),
        ("http://x", {"token": "two words"}, "not one line of visible"),
        ("http://x", {"spool": "/nonexistent/a/b"}, "/nonexistent/a/b: No such"),
        ("http://x", {"first": 1}, "spool_first needs"),
    ],
)
def test_a_bad_option_is_said_at_once(url, options, says):
    pub = Publisher(url, **options)
    pub.lines.wait(f"problem .*{re.escape(says)}")
    assert pub.lines.process.wait(20) == 2
    pub.__exit__()


def test_the_library_shows_its_own_functions_only():
    """The archive, too: what it shares with the programs must not meet another's names."""
    api = {"close", "flush", "open", "publish", "publish_json", "stats", "strerror"}
    for name, flag in (("libsluice.so", "-D"), ("libsluice.a", "-g")):
        out = subprocess.run(
            ["nm", flag, "--defined-only", binary(name)], capture_output=True, text=True, check=True
        ).stdout
        shown = {line.split()[2] for line in out.splitlines() if len(line.split()) == 3}
        mine = {s for s in shown if not s.startswith("__")}
        assert mine == {f"sluice_{word}" for word in api}, name
