"""What the benchmarks of watching share: one Sluice on a simulator, and what its watcher counts."""

import contextlib
import os
import re
import time

from tests.bed.net import wait_until
from tests.bed.sluice import Sluice
from tests.bench import usage

_LINE = re.compile(r'^sluice_watcher_(\w+)\{cluster="([^"]*)",kind="([^"]*)"\} (\d+)$')

QUIET = 7  # seconds: a watcher gives memory back 5 s after news

# Of the simulator's kinds.
UNWATCHED = ("node", "namespace", "storageclass")


class Watched:
    """A Sluice that watches; .sluice, and .pids: {watcher: its process}."""

    def __init__(self, sluice):
        """Finds the watchers."""
        self.sluice = sluice
        rows = sluice.wait_ready(timeout=120)
        self.pids = {name: row["pid"] for name, row in rows.items() if name.startswith("watcher/")}

    @property
    def pid(self):
        """The watcher's, where there is one."""
        (pid,) = self.pids.values()
        return pid

    def others(self):
        """The processes of this Sluice that are no watchers."""
        rows = self.sluice.status().values()
        found = [row["pid"] for row in rows if row["pid"] not in self.pids.values()]
        return [self.sluice.process.pid, *found]

    def figures(self):
        """{figure: the sum over clusters and kinds} of /metrics."""
        status, _, text = self.sluice.request("GET", "/metrics")
        assert status == 200, text
        found = {}
        for line in text.splitlines():
            match = _LINE.match(line)
            if match:
                found[match[1]] = found.get(match[1], 0) + int(match[4])
        return found

    def wait_level(self, objects, events, timeout):
        """Waits for so many OBJECTS, EVENTS from the API server, and nothing unpublished."""

        def level():
            """The figures once it is so."""
            self.check()
            now = self.figures()
            there = now.get("objects") == objects and now["events_total"] >= events
            return now if there and now["waiting"] == 0 else None

        return wait_until(level, timeout, f"{objects} objects, {events} events", interval=0.5)

    def settled_rss(self, timeout=120):
        """The watcher's memory in bytes, once it has stayed the same for QUIET seconds."""
        last = {"rss": 0, "since": 0.0}

        def unchanged():
            """The memory when it is so."""
            rss = usage.rss_bytes(self.pid)
            if rss != last["rss"]:
                last.update(rss=rss, since=time.monotonic())
            return rss if time.monotonic() - last["since"] >= QUIET else None

        return wait_until(unchanged, timeout, "the watcher's memory stays the same", interval=0.5)

    def check(self):
        """No watcher may have died: its figures would begin anew."""
        for name, pid in self.pids.items():
            assert os.path.exists(f"/proc/{pid}"), f"{name} died, see the log"


@contextlib.contextmanager
def watched(kubeconfig, conf=None):
    """A Sluice on the clusters of a KUBECONFIG, with a journal that holds the whole run."""
    base = {
        "log": {"level": "info"},
        "journal": {"size": "4GiB", "segment": "64MiB"},
        **(conf or {}),
    }
    with Sluice(base, kubeconfig=kubeconfig) as sluice:
        yield Watched(sluice)
