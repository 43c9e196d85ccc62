"""A broker alone, with publishers and readers on its bus: build/tools, talked to in lines."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading

from . import sanitizer
from .net import deadline, wait_until
from .power import is_alive
from .process import plain_environment
from .sluice import binary


class Lines:
    """A program that is talked to in lines; all it said is kept."""

    def __init__(self, directory, argv, preexec=None):
        self.said = []
        env = plain_environment(directory)
        env.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
        self.log = f"{directory}/{os.path.basename(argv[0])}-{len(os.listdir(directory))}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(a) for a in argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=env,
                preexec_fn=preexec,
                text=True,
            )
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))

    def tell(self, line):
        """Writes one line to its stdin."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def find(self, pattern, after=0):
        """The last match of PATTERN among the lines from AFTER on, or None."""
        for line in reversed(self.said[after:]):
            match = re.match(pattern, line)
            if match:
                return match
        return None

    def wait(self, pattern, seconds=10, after=0):
        """Waits for a line that matches and returns the match."""
        try:
            wait_until(lambda: self.find(pattern, after), deadline(seconds), pattern)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail()}") from error
        return self.find(pattern, after)

    def tail(self):
        """What it said last, and the end of its log."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "\n".join([*self.said[-20:], log.read()[-3000:]])

    def end(self):
        """Ends it and waits."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.thread.join()
        self.process.stdin.close()
        self.process.stdout.close()


class Bus:
    """A directory with one broker and whoever talks to it."""

    def __init__(self, **options):
        self.directory = tempfile.mkdtemp(prefix="sl-", dir="/tmp")
        self.journal = f"{self.directory}/s/journal"
        self.bus = f"{self.directory}/r/bus"
        for name in ("s", "s/journal", "r", "r/bus", "l"):
            os.mkdir(f"{self.directory}/{name}", 0o700)
        self.parts = []
        self.incarnation = 0
        options.setdefault("size", 256 << 20)
        options.setdefault("segment", 4 << 20)
        self.host = self.run(
            binary("tools/broker_host"),
            binary("sluice-broker"),
            f"{self.directory}/s",
            f"{self.directory}/r",
            *[f"{k}={v}" for k, v in options.items()],
        )
        self.pid = None

    def run(self, *argv):
        """Starts a program of ours."""
        part = Lines(f"{self.directory}/l", argv)
        self.parts.append(part)
        return part

    def start(self):
        """Starts the broker and waits until it is ready."""
        mark = len(self.host.said)
        self.host.tell("start")
        self.pid = int(self.host.wait(r"started (\d+)", after=mark)[1])
        self.host.wait("ready", 20, after=mark)
        return self

    def kill(self, number=signal.SIGKILL):
        """Kills the broker and waits for its end."""
        mark = len(self.host.said)
        os.kill(self.pid, number)
        return int(self.host.wait(r"exit (-?\d+)", after=mark)[1])

    def stop(self):
        """Stops the broker in order; its exit status."""
        mark = len(self.host.said)
        self.host.tell("stop")
        return int(self.host.wait(r"exit (-?\d+)", 20, after=mark)[1])

    def log(self):
        """What the broker wrote to stderr."""
        with open(self.host.log, encoding="utf-8") as log:
            return log.read()

    def reader(self, name, start="00000000-0"):
        """A reader, made known to the broker."""
        self.incarnation += 1
        sub = self.run(
            binary("tools/bus_sub"), "-s", start, self.bus, self.journal, name, self.incarnation
        )
        path = sub.wait(r"path (.*)")[1]
        self.host.tell(f"peer {name} {self.incarnation} {path}")
        return sub

    def publisher(self, name, *options, incarnation=1):
        """A publisher, running."""
        return self.run(binary("tools/bus_pub"), *options, self.bus, name, incarnation)

    def publish(self, name, *options, incarnation=1, seconds=30):
        """Publishes and waits for the end; the counts and ids of bus_pub as a dictionary."""
        pub = self.publisher(name, *options, incarnation=incarnation)
        return result(pub, seconds)

    def close(self):
        """Ends everything and removes the directory; no sanitizer may have reported anything."""
        for part in reversed(self.parts):
            part.end()
        # Its parent is gone: where nobody else reaps it, it stays a zombie.
        if self.pid is not None:
            wait_until(lambda: not is_alive(self.pid), 20, "broker gone")
        try:
            sanitizer.refuse(part.log for part in self.parts)
        finally:
            shutil.rmtree(self.directory)


def result(pub, seconds=30):
    """The last line of a publisher as a dictionary."""
    line = pub.wait(r"done (.*)", seconds)[1]
    values = dict(word.split("=") for word in line.split())
    return {k: v if k in ("first", "last") else int(v) for k, v in values.items()}


def caught_up(sub, tip, seconds=30):
    """Waits until the reader is at TIP; (items, errors, gaps)."""
    match = sub.wait(rf"at {tip} items=(\d+) errors=(\d+) gaps=(\d+)", seconds)
    return tuple(int(v) for v in match.groups())
