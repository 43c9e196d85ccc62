"""The store of a running Sluice: publishing to it and asking it over the bus, and its files."""

import json
import os
import sqlite3
import subprocess

from .net import deadline, wait_until
from .sluice import Sluice, binary

STATE, LIFECYCLE, TERMINAL, DELETED = 0, 1, 2, 4


class StoreBed(Sluice):
    """A Sluice whose store is asked over the bus, by the tool store_drive, and published to."""

    def __init__(self, conf=None):
        """Makes the directories; the circuit is wide open for tests that kill often."""
        base = {"supervise": {"circuit_deaths": 1000, "base": "100ms", "max": "200ms"}}
        base.update(conf or {})
        super().__init__(base)

    @property
    def bus(self):
        """The directory of the bus sockets."""
        return os.path.join(self.conf["runtime_directory"], "bus")

    def drive(self, *args, **more):
        """Starts the tool; a Popen."""
        words = [binary("tools/store_drive"), self.bus, *map(str, args)]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            words, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=self.env, **more
        )

    def _run(self, *args, given=None, timeout=60):
        """Runs the tool to its end; its standard output."""
        tool = self.drive(*args)
        try:
            out, errors = tool.communicate(given, timeout=deadline(timeout))
        except subprocess.TimeoutExpired:
            tool.kill()
            raise
        if tool.returncode != 0:
            raise AssertionError(f"store_drive {args}: {tool.returncode}: {errors}")
        return out

    def publish_raw(self, events, rate=0, timeout=60):
        """Publishes [(key, event_type, subject, flags, data)]; their positions."""
        out = self._run("publish", rate, given=lines_of(events), timeout=timeout)
        return [int(line) for line in out.split()]

    def ask(self, op, **members):
        """A JSON question; (status, answer)."""
        status, text = self._run("json", json.dumps({"op": op, **members})).split(" ", 1)
        return int(status), json.loads(text)

    def snapshot(self, *selectors, wait=0):
        """(head, [event]) of a snapshot at or after position WAIT."""
        lines = self._run("snapshot", wait, *selectors).splitlines()
        return json.loads(lines[0]), [json.loads(line) for line in lines[1:]]

    def path(self, leaf):
        """A file of the state directory."""
        return os.path.join(self.conf["state_directory"], leaf)

    def rows(self, sql, *values, leaf="projection.db"):
        """The rows of a query on one of the store's files."""
        connection = sqlite3.connect(f"file:{self.path(leaf)}?mode=ro", uri=True, timeout=20)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def stop_store(self):
        """Stops the store by command and waits until it is gone."""
        self.ctl("stop", "store")
        wait_until(lambda: self.status()["store"]["state"] == "stopped", 20, "the store stopped")

    def wait_applied(self, position, timeout=20):
        """Waits until the projection stands at POSITION."""

        def there():
            return self.rows("SELECT position FROM checkpoint")[0][0] >= position

        return wait_until(there, timeout, f"position {position}", ignore=(sqlite3.Error,))


def lines_of(events):
    """Events as store_drive reads them."""
    return "".join(
        "\t".join((key, event_type, subject, str(flags), json.dumps(data))) + "\n"
        for key, event_type, subject, flags, data in events
    )


def node(workflow, name, number, state="healthy"):
    """A node_update whose status carries NUMBER."""
    status = {"state": state, "health": "healthy", "message": str(number)}
    data = {"node_id": name, "type": "pod", "status": status}
    return (f"workflow:{workflow}", "node_update", name, 0, data)


def job(name, number, state="running"):
    """A job.state_changed that carries NUMBER."""
    data = {"job_id": name, "state": state, "previous_state": None, "attempt": 1, "n": number}
    return (f"job:{name}", "job.state_changed", name, LIFECYCLE, data)


def resource(cluster, name, number, kind="pod"):
    """A status_update that carries NUMBER."""
    key = f"resource:{cluster}/{kind}/default/{name}"
    status = {"state": "healthy", "health": "healthy", "message": str(number)}
    data = {
        "resource_id": key,
        "type": kind,
        "status": status,
        "resource_version": str(number)[:200],
    }
    return (key, "status_update", "", 0, data)
