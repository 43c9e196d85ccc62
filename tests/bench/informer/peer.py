"""Runs the informer for a benchmark.

with Informer(kubeconfig, directory, kinds=("pod",)) as peer:
    first = peer.synced(600)
    ...
    used = peer.now()["cpu_seconds"] - first["cpu_seconds"]
"""

import json
import os
import signal
import subprocess
from pathlib import Path

from tests.bed.net import wait_until
from tests.bed.process import BedError, Process

_BUILD = Path(__file__).resolve().parent / "build_informer.sh"


def binary():
    """The path of the informer, which is built where it is absent (a minute, network)."""
    built = subprocess.run((_BUILD,), stdout=subprocess.PIPE, text=True, timeout=900)
    if built.returncode != 0:
        raise BedError("tests/bench/informer/build_informer.sh failed, see above")
    return built.stdout.strip()


class Informer:
    """One informer; a context manager. .process and .pid are those of the program."""

    def __init__(self, kubeconfig, directory, *, kinds=(), options=(), env=None):
        """Of the cluster in the file KUBECONFIG, with its log in DIRECTORY.

        KINDS: names, default all. OPTIONS: more of the program's. ENV: variables on top of the
        plain environment (GOMAXPROCS, GOGC ...).
        """
        argv = [binary(), "--kubeconfig", kubeconfig, "--resync", "0", *options]
        if kinds:
            argv += ["--kinds", ",".join(kinds)]
        self.process = Process("informer", argv, directory)
        self.process.env.update(env or {})
        self._skip = 0

    def __enter__(self):
        """Starts it."""
        # The log is appended to: what an earlier one wrote there is not ours.
        log = self.process.log
        self._skip = os.path.getsize(log) if os.path.exists(log) else 0
        self.process.start()
        return self

    def __exit__(self, *_):
        """Ends it."""
        self.process.stop()

    @property
    def pid(self):
        """The process id."""
        return self.process.pid

    def _lines(self, word):
        """The members of each whole line "WORD {...}" printed so far."""
        self.process.check()
        with open(self.process.log, "rb") as log:
            log.seek(self._skip)
            lines = log.read().split(b"\n")[:-1]
        head = word.encode() + b" "
        return [json.loads(line[len(head) :]) for line in lines if line.startswith(head)]

    def synced(self, timeout=600):
        """Waits TIMEOUT seconds for the end of the first sync; its figures."""
        return wait_until(lambda: self._lines("synced"), timeout, "the informer synced")[0]

    def now(self):
        """The present figures."""
        before = len(self._lines("now"))
        os.kill(self.pid, signal.SIGUSR1)
        return wait_until(
            lambda: self._lines("now")[before:], 30, "the informer answers", interval=0.01
        )[0]

    def wait_events(self, count, timeout):
        """Waits until the handler was called COUNT times since the start; the figures then."""

        def reached():
            """The figures when it is so."""
            figures = self.now()
            return figures if figures["events"] >= count else None

        # Each question costs it something too: not more than five a second.
        what = f"the informer saw {count} events"
        return wait_until(reached, timeout, what, interval=0.2)
