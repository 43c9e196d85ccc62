"""What the gateway's benchmarks share: the two servers, their load (build/bench/sse_load), figures.

A server is Ours or Peer, used alike: `pids`, `pid` (which has the clients' sockets), `cpu()`,
`memory()`, `read()`, `publish()`. Ours has one gateway process, and all its processes are counted:
supervisor, broker, store, gateway.
"""

import json
import resource
import shutil
import sys
import tempfile
import time

from tests.bed.bus import Lines
from tests.bed.net import wait_until
from tests.bed.process import BedError
from tests.bed.sluice import Sluice, binary
from tests.bench import usage
from tests.bench.nchan import Nchan

PATIENCE = 120  # seconds
FILES_SPARE = 300
# Seconds after which readers have what they will get; where only losses count, a machine may stand
# still for long.
QUIET = 15 if "--short" in sys.argv[1:] else 3
REPORT = r'\{"open":\d+,"events".*'
DONE = r'\{"events":.*'


def many_files():
    """Lets this process and its children open as many files as the system allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Readers(Lines):
    """Clients of streams in one process, as load_readers.h says; all are open when it is made."""

    def __init__(
        self, server, connections, *, streams=1, stalled=0, target=None, options=(), before=()
    ):
        """CONNECTIONS clients, the last STALLED of which never read, spread over STREAMS.

        OPTIONS are more of sse_load's, BEFORE what stands before it in the command.
        """
        argv = [
            *before,
            *(binary("bench/sse_load"), "read", "-p", server.port, "-n", connections),
            *("-s", streams, "-S", stalled, "-t", target or server.stream_target, *options),
        ]
        super().__init__(server.directory, argv)
        self.connections, self.streams = connections - stalled, streams
        self.opened = self.answer(r'\{"open":\d+,"ms".*', 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def answer(self, pattern, after, seconds=PATIENCE):
        """The line that matches PATTERN among those said from AFTER on, as a dict."""

        def found():
            """The line, once it is there."""
            if self.process.poll() is not None:
                raise AssertionError(f"sse_load ended: {self.tail()}")
            return self.find(pattern, after)

        return json.loads(wait_until(found, seconds, f"{pattern}\n{self.tail()}", interval=0.01)[0])

    def ask(self, command, pattern, seconds=PATIENCE):
        """The answer to a COMMAND."""
        after = len(self.said)
        self.tell(command)
        return self.answer(pattern, after, seconds)

    def mark(self):
        """Latencies and `fresh` are counted from here."""
        return self.ask("mark", r'\{"marked".*')

    def report(self):
        """What was read so far."""
        return self.ask("report", REPORT)

    def fresh(self, wanted, key="fresh"):
        """The report once WANTED events (of KEY) were read since mark(), or no more come."""
        last, since = -1, time.monotonic()
        while True:
            now = self.report()
            if now[key] >= wanted:
                return now
            if now[key] != last:
                last, since = now[key], time.monotonic()
            if time.monotonic() - since > QUIET:
                return now
            time.sleep(0.02)


class Publishing(Lines):
    """A publisher at work, as load_publisher.h says."""

    def __init__(self, server, options):
        """Starts it."""
        argv = [binary("bench/sse_load"), server.publisher, "-p", server.port]
        argv += server.publish_options
        super().__init__(server.directory, [*argv, *options])

    def stop(self):
        """Ends it once what is under way was answered; its figures."""
        self.process.terminate()
        return self.result()

    def result(self, seconds=PATIENCE):
        """Waits for its end; its figures."""
        try:
            status = self.process.wait(seconds)
            self.thread.join()
            done = self.find(DONE)
            assert status == 0 and done, f"sse_load publish: {status}\n{self.tail()}"
            return json.loads(done[0])
        finally:
            self.end()


class Server:
    """What both have in common; `directory` is for the logs of the load."""

    name = ""
    stream_target = whole_target = ""
    publisher = "publish"
    publish_options = ()

    def __init__(self):
        """Nothing is started yet."""
        many_files()
        self.directory = tempfile.mkdtemp(prefix="sl-load-", dir="/tmp")
        self.shared = f"{self.directory}/shared"
        self.port = self.pid = 0
        self.pids = []

    def close(self):
        """Removes the logs."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def cpu(self):
        """Seconds on a processor of all its processes."""
        return sum(map(usage.cpu_exact, self.pids))

    def memory(self):
        """Bytes of user-space memory of all its processes; what they share counts once."""
        return sum(map(usage.pss_bytes, self.pids))

    def read(self, connections, **options):
        """Readers, all of them open."""
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if files != resource.RLIM_INFINITY and connections + FILES_SPARE > files:
            raise BedError(f"{connections} readers need more than {files} open files (ulimit -Hn)")
        return Readers(self, connections, **options)

    def publish(self, *options):
        """A Publishing."""
        return Publishing(self, options)


class Ours(Server):
    """Sluice with one gateway; a context manager."""

    name = "Sluice"
    # Without a snapshot: else the first events might come in it, not as events.
    stream_target = "/api/v1/streams?snapshot=0&stream=job:b{}"
    whole_target = "/api/v1/streams?stream=job:b{}"

    def __init__(self, conf=None, gateways=1):
        """Nothing is started yet."""
        super().__init__()
        base = {"log": {"level": "info"}, "journal": {"size": "4GiB", "segment": "64MiB"}}
        self.sluice = Sluice({**base, **(conf or {})}, gateways=gateways)
        self.port = self.sluice.port

    def __enter__(self):
        """Starts it."""
        self.sluice.start(ready=False)
        rows = self.sluice.wait_ready(timeout=60)
        self.pids = [self.sluice.process.pid, *(row["pid"] for row in rows.values())]
        self.pid = rows["gateway/0"]["pid"]
        return self

    def __exit__(self, *_):
        """Ends it."""
        self.sluice.close()
        self.close()

    def metrics(self):
        """{name, with labels: value} of /metrics."""
        status, _, text = self.sluice.request("GET", "/metrics")
        assert status == 200, text
        rows = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in rows}


class Peer(Server):
    """Nchan; a context manager."""

    name = "Nchan"
    stream_target = whole_target = "/sub/b{}"
    publish_options = ("-b", "-t", "/pub/b{}")

    def __init__(self):
        """Nothing is started yet."""
        super().__init__()
        self.nchan = Nchan()
        self.port = self.nchan.port

    def __enter__(self):
        """Starts it."""
        self.nchan.start()
        self.pids = self.nchan.pids
        self.pid = self.pids[0]
        return self

    def __exit__(self, *_):
        """Ends it."""
        self.nchan.stop()
        self.close()


def wrong(report):
    """What must not be: events lost, repeated or out of order, gaps, streams that ended."""
    return sum(report[key] for key in ("lost", "repeated", "out_of_seq", "gaps", "ended"))


class Run:
    """What one load did: `events`, `deliveries`, `seconds`, `cpu`, `read` and `published`.

    `lost` is what of the deliveries did not come, or came twice, or after a gap.
    """

    def __init__(self, server, readers, options, before=None):
        """Publishes with OPTIONS to READERS and waits until they have it all."""
        fanout = readers.connections // readers.streams
        readers.mark()
        cpu, begin = server.cpu(), time.monotonic()
        if before:
            before()
        self.published = server.publish(*options).result()
        self.events = self.published["events"]
        self.deliveries = self.events * fanout
        self.read = readers.fresh(self.deliveries)
        self.seconds = time.monotonic() - begin
        self.cpu = server.cpu() - cpu
        self.lost = abs(self.deliveries - self.read["fresh"]) + wrong(self.read)

    @property
    def per_cpu_second(self):
        """Deliveries per second of the server's processor time."""
        return self.read["fresh"] / self.cpu

    @property
    def cpu_us(self):
        """Microseconds of the server's processor time per delivery."""
        return self.cpu * 1e6 / self.read["fresh"]


def warm_up(server, readers, events=20):
    """A few events to each reader, so that what is made at the first one is there."""
    Run(server, readers, ("-n", events * readers.streams, "-s", readers.streams, "-r", 200))
