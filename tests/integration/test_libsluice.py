"""libsluice (lib/sluice.h): what is handed over arrives once and in order, whatever goes away."""

import contextlib
import glob
import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import threading
import time

import pytest

from tests.bed import sanitizer
from tests.bed.bus import Lines
from tests.bed.certs import Authority
from tests.bed.net import deadline, free_port, wait_until
from tests.bed.process import BedError
from tests.bed.sluice import Sluice, binary

from .guarded import Guarded
from .numbered import numbers

FULL = -1
TIMEOUT = -4
LOST = -5


class Publisher:
    """build/tools/lib_publisher; a context manager."""

    def __init__(self, url, before=(), **options):
        """Starts it; BEFORE is put in front of the command."""
        self.directory = tempfile.mkdtemp(prefix="sl-", dir="/tmp")
        argv = [binary("tools/lib_publisher"), url, *(f"{k}={v}" for k, v in options.items())]
        self.lines = Lines(self.directory, [*before, *argv])

    def __enter__(self):
        self.lines.wait("ready")
        return self

    def __exit__(self, *exc):
        self.lines.end()
        try:
            sanitizer.refuse([self.lines.log])
        finally:
            shutil.rmtree(self.directory)

    def ask(self, line, answer, seconds=20):
        """The match of the ANSWER to one command."""
        before = len(self.lines.said)
        self.lines.tell(line)
        return self.lines.wait(answer, seconds, before)

    def hand(self, key, first, count, pad=20):
        """(how many were taken, the last result)"""
        found = self.ask(f"hand {key} {first} {count} {pad}", r"handed (\d+) (-?\d+)", 60)
        return int(found[1]), int(found[2])

    def flush(self, ms):
        """What sluice_flush returned."""
        return int(self.ask(f"flush {ms}", r"flushed (-?\d+)", ms / 1000 + 10)[1])

    def stats(self):
        """The figures as a dict."""
        return json.loads(self.ask("stats", r"stats (\{.*)")[1])

    def close(self, ms=20000):
        """(what sluice_close returned, the last figures); the program ends."""
        found = self.ask(f"close {ms}", r"closed (-?\d+)\s+(\{.*)", ms / 1000 + 20)
        assert self.lines.process.wait(deadline(20)) == 0, self.lines.tail()
        return int(found[1]), json.loads(found[2])

    def kill(self):
        """SIGKILL."""
        self.lines.process.kill()
        self.lines.process.wait()

    def states(self):
        """The states it was told, in order."""
        found = (re.match(r"state (\w+)", line) for line in self.lines.said)
        return [match[1] for match in found if match]

    def refusals(self):
        """[(status, code, event, details)]"""
        rows = []
        for line in self.lines.said:
            if match := re.match(r"refused (\d+) (\S+) (\{.*)", line):
                body = json.loads(match[3])
                rows.append((int(match[1]), match[2], body["event"], body["details"]))
        return rows


def url_of(sluice):
    """Where it is published to."""
    return f"http://127.0.0.1:{sluice.port}"


@pytest.fixture(name="sluice")
def _sluice():
    with Sluice() as running:
        yield running


@pytest.fixture(name="spool")
def _spool():
    directory = tempfile.mkdtemp(prefix="sl-", dir="/tmp")
    yield f"{directory}/spool"
    shutil.rmtree(directory)


def arrived(sluice, key, count):
    """The numbers of a stream's first COUNT events, in order; no more come."""
    with sluice.stream(key, last_event_id=first_id(sluice), snapshot="0") as stream:
        stream.wait_events(count, 60)
        # What stands behind all the others proves that none is twice.
        sluice.publish([{"stream_key": key, "event_type": "x.end", "data": {"n": -1}}])
        stream.read_until(lambda s: s.named("x.end"), 20, "the last event")
        return [n for n in numbers(stream) if n >= 0]


def first_id(sluice):
    """A cursor before everything."""
    with sluice.stream("job:none") as stream:
        return stream.wait_open()["epoch"] + "-0"


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
        assert pub.close()[0] == 0
    assert arrived(sluice, "job:d", kept) == list(range(kept))
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


# --- refusals ----------------------------------------------------------------------------------


def row(key, n, **more):
    """An event as text."""
    return json.dumps({"stream_key": key, "event_type": "x.n", "data": {"n": n}, **more})


def test_each_refused_event_is_told_with_details_and_the_others_arrive(sluice):
    with Publisher(url_of(sluice)) as pub:
        for n in range(300):
            text = row("job:r", n) if n % 3 else row("job:r", n, version=0, bogus=1)
            assert pub.ask("json " + text, r"json (-?\d+)")[1] == "0"
        assert pub.flush(20000) == 0
        rc, stats = pub.close()
        assert rc == 0 and (stats["accepted"], stats["refused"]) == (200, 100)
        refusals = pub.refusals()
    assert [event["data"]["n"] for _, _, event, _ in refusals] == list(range(0, 300, 3))
    assert {(status, code) for status, code, _, _ in refusals} == {(422, "schema_violation")}
    assert {d["path"] for _, _, _, details in refusals for d in details} == {"version", "bogus"}
    assert arrived(sluice, "job:r", 200) == [n for n in range(300) if n % 3]


def test_a_key_used_for_another_event_is_refused_and_a_repeat_is_not(sluice):
    with Publisher(url_of(sluice), source="/worker/w1") as pub:
        for n in (1, 1, 2):
            text = row("job:i", n, idempotency_key="k", timestamp="2026-01-01T00:00:00Z")
            pub.ask("json " + text, r"json 0")
            assert pub.flush(20000) == 0
        stats = pub.close()[1]
        assert (stats["accepted"], stats["duplicates"], stats["refused"]) == (2, 1, 1)
        assert [r[:2] for r in pub.refusals()] == [(409, "idempotency_conflict")]


@pytest.mark.parametrize(
    ("text", "result"),
    [("[]", -2), ("{}", -2), ("{", -2), ('{"a":1} x', -2), ('{"a":"%s"}' % ("x" * 49152), -3)],
)
def test_what_is_no_event_is_not_taken(sluice, text, result):
    with Publisher(url_of(sluice)) as pub:
        assert int(pub.ask("json " + text, r"json (-?\d+)")[1]) == result
        assert pub.stats()["handed"] == 0


def test_a_stream_that_is_not_granted_is_refused_and_the_others_arrive():
    with Guarded() as guarded:
        token = guarded.issuer.grants(publish=["job:yes"], sub="w")
        with Publisher(url_of(guarded.sluice), token=token) as pub:
            for n in range(100):
                pub.ask("json " + row("job:no" if n % 10 == 5 else "job:yes", n), "json 0")
            stats = pub.close()[1]
            assert (stats["accepted"], stats["refused"]) == (90, 10)
            assert {r[:2] for r in pub.refusals()} == {(403, "forbidden")}
            assert [r[2]["data"]["n"] for r in pub.refusals()] == list(range(5, 100, 10))


def test_a_token_file_is_read_again_and_nothing_is_lost_meanwhile(tmp_path):
    path = tmp_path / "token"
    with Guarded() as guarded:
        path.write_text(guarded.issuer.grants(publish=["*"], sub="w", lasts=-60) + "\n")
        with Publisher(url_of(guarded.sluice), token_file=path, source="/w") as pub:
            pub.hand("job:t", 0, 50)
            pub.lines.wait("state unauthorized")
            assert pub.flush(0) == TIMEOUT
            path.write_text(guarded.issuer.grants(publish=["*"], sub="w") + "\n")
            assert pub.flush(20000) == 0
            assert pub.close()[1]["accepted"] == 50
            assert pub.states() == ["unauthorized", "back"]


def test_a_fixed_token_that_is_refused_refuses_its_events():
    with Guarded() as guarded:
        token = guarded.issuer.grants(publish=["*"], sub="w", lasts=-60)
        with Publisher(url_of(guarded.sluice), token=token) as pub:
            pub.hand("job:t", 0, 5)
            assert pub.close()[1]["refused"] == 5
            assert {r[:2] for r in pub.refusals()} == {(401, "invalid_token")}


# --- a service that misbehaves -----------------------------------------------------------------


class Scripted(http.server.ThreadingHTTPServer):
    """Answers with (status, headers, body) in turn, the last for ever; keeps what came.

    ALL in a body is the number of events in the request.
    """

    daemon_threads = True

    def __init__(self, *answers, pair=None):
        """Serves at once; by TLS with a certificate and key."""
        self.answers = list(answers)
        self.requests = []
        super().__init__(("127.0.0.1", free_port()), _Handler)
        self.port = self.server_address[1]
        if pair is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(*pair)
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *exc):
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        """Any request."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        server.requests.append((time.monotonic(), self.path, self.headers, body))
        answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        status, headers, text = answer
        text = text.replace("ALL", str(body.count(b"\n")))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        """Nothing."""


TAKEN = (202, {}, '{"accepted":ALL,"duplicates":0}')


BUSY = (503, {"Retry-After": "2"}, '{"error":"draining","code":"draining"}')


@pytest.mark.parametrize("word", ["flush", "close"])
def test_to_wait_for_ever_is_to_wait(word):
    with Scripted(BUSY, TAKEN) as service, Publisher(url_of(service)) as pub:
        pub.hand("job:a", 0, 1)
        assert pub.ask(f"{word} {(1 << 63) - 1}", r"(flushed|closed) (-?\d+)")[2] == "0"


def test_retry_after_is_kept_to():
    with Scripted(BUSY, TAKEN) as service, Publisher(url_of(service)) as pub:
        pub.hand("job:a", 0, 1)
        assert pub.flush(20000) == 0
        first, second = (at for at, *_ in service.requests)
        assert second - first >= 2
        assert pub.close()[0] == 0


@pytest.mark.parametrize(
    "answer",
    [
        (404, {"Content-Type": "text/html"}, "<html>no such site</html>"),
        (403, {}, "a proxy's page"),
        (401, {}, "a captive portal's page"),
        (200, {}, "{}"),
        (202, {}, '{"message":"queued"}'),
        (202, {}, '{"accepted":2,"duplicates":0}'),
        (302, {"Location": "http://127.0.0.1:1/"}, ""),
        (500, {}, ""),
    ],
)
def test_an_answer_that_is_not_sluices_gives_nothing_up(answer):
    with Scripted(answer, TAKEN) as service, Publisher(url_of(service)) as pub:
        pub.hand("job:a", 0, 1)
        assert pub.flush(20000) == 0
        stats = pub.close()[1]
        assert (stats["accepted"], stats["refused"], stats["failures"]) == (1, 0, 1)
        assert pub.states() == ["away", "back"]
        bodies = [body for _, _, _, body in service.requests]
        assert bodies[0] == bodies[1], "the repeat is the same, byte for byte"
        assert {path for _, path, *_ in service.requests} == {"/api/v1/events?atomic=0"}


def test_by_tls_the_service_must_show_a_certificate_of_the_ca_file(tmp_path):
    """One that another signed: nothing is sent to it, the token neither, and nothing is lost."""
    trusted, other = (Authority(tmp_path, name) for name in ("trusted", "other"))
    pairs = [
        ca.issue(f"by-{i}", "/CN=x", ["IP:127.0.0.1"]) for i, ca in enumerate((trusted, other))
    ]
    for pair, good in zip(pairs, (True, False), strict=True):
        with Scripted(TAKEN, pair=pair) as service:
            url = f"https://127.0.0.1:{service.port}/"
            with Publisher(url, ca=trusted.cert, token="t") as pub:
                pub.hand("job:a", 0, 1)
                if good:
                    assert pub.flush(20000) == 0
                    assert service.requests[0][2]["Authorization"] == "Bearer t"
                else:
                    pub.lines.wait("state away .*certificate")
                    assert pub.close(0)[0] == LOST
                    assert service.requests == []


def test_what_waits_longer_than_a_second_is_written_to_the_spool(spool):
    """A service that takes connections and says nothing, for which the queue need not wait."""
    held = threading.Event()

    class Silent(_Handler):
        def do_POST(self):
            held.wait(deadline(30))
            super().do_POST()

    with Scripted(TAKEN) as service, Publisher(url_of(service), spool=spool) as pub:
        service.RequestHandlerClass = Silent
        pub.hand("job:a", 0, 10)
        wait_until(lambda: pub.stats()["spooled"] == 10, 20, "all on the disk")
        assert pub.states() == []
        held.set()
        assert pub.flush(20000) == 0
        assert pub.stats()["spooled"] == 0
        assert pub.close()[0] == 0


def test_spool_first_writes_each_event_before_it_is_sent(spool):
    options = {"spool": spool, "first": 1, "sync": "each"}
    with Scripted(TAKEN) as service, Publisher(url_of(service), **options) as pub:
        for n in range(20):
            pub.hand("job:a", n, 1)
        assert pub.flush(20000) == 0
        assert pub.close()[1]["accepted"] == 20
    assert os.path.getsize(f"{spool}/sent") == 72


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
