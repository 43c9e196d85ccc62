"""A MongoDB-wire server for tests: SecantusDB's Python server, or one that is there already."""

import os
import secrets
import sys
from pathlib import Path

import pymongo
import pymongo.errors

from .net import free_port, wait_until
from .process import BedError, Group

_PROGRAM = "secantusd-py"


def _program():
    """The path of the server in the venv that runs this, or in that of the project."""
    root = Path(__file__).resolve().parents[2]
    venv = Path(os.environ.get("SLUICE_VENV", root / "build" / "venv"))
    for folder in (Path(sys.executable).parent, venv / "bin"):
        if (folder / _PROGRAM).exists():
            return folder / _PROGRAM
    raise BedError(
        f"{_PROGRAM} is absent; remedy: {venv}/bin/pip install -r tests/requirements.txt"
    )


class MongoServer(Group):
    """A server with storage of its own; a context manager.

    Attributes: uri, database (a name of this instance's own), external (True for the server of
    SLUICE_TEST_MONGODB_URI, which can be used but neither stopped nor killed).
    """

    def __init__(self, *, local=False, args=(), sync_on_commit=True, test_commands=True):
        """LOCAL True: a server of our own even when SLUICE_TEST_MONGODB_URI names another.

        SYNC_ON_COMMIT: what was acknowledged survives kill -9. TEST_COMMANDS: failpoints.
        ARGS are appended to the command line (--auth, --tls-cert-file=...).
        """
        super().__init__()
        given = os.environ.get("SLUICE_TEST_MONGODB_URI", "")
        self.external = bool(given) and not local
        self.uri = given if self.external else None
        self.database = f"sluice_test_{secrets.token_hex(4)}"
        self.process = None
        self.port = None
        self._args = list(args)
        if sync_on_commit:
            self._args.insert(0, "--sync-on-commit")
        if test_commands:
            self._args.insert(0, "--enable-test-commands")
        self._ready = False
        self._clients = []

    def _start(self):
        """Starts the server (the first time with new storage) and waits until it answers."""
        if self.external:
            pass
        elif self.directory is None:
            self.make_directory()
            storage = os.path.join(self.directory, "storage")
            os.mkdir(storage)
            self.port = free_port()
            self.uri = f"mongodb://127.0.0.1:{self.port}/"
            place = ("--host", "127.0.0.1", "--port", self.port, "--storage-path", storage)
            self.process = self.add("mongo", (_program(), *place, *self._args))
        else:
            self.process.start()
        self.wait_ready()

    def _ping(self):
        """True when the server answers a ping within a second."""
        client = pymongo.MongoClient(
            self.uri, serverSelectionTimeoutMS=1000, connectTimeoutMS=1000, socketTimeoutMS=1000
        )
        with client:
            if self.process is not None:
                self.process.check()
            return client.admin.command("ping")["ok"] == 1

    def wait_ready(self, timeout=30):
        """Waits until the server answers a ping."""
        wait_until(
            self._ping,
            timeout,
            f"a ping of {self.describe()}",
            ignore=(pymongo.errors.ConnectionFailure,),
        )
        self._ready = True

    def describe(self):
        """Which server this is, for messages; no password."""
        if self.external:
            return "the server of SLUICE_TEST_MONGODB_URI"
        return f"{_PROGRAM} {self.uri}"

    def client(self, **options):
        """A new pymongo client for this server; it is closed by stop()."""
        client = pymongo.MongoClient(self.uri, **options)
        self._clients.append(client)
        return client

    def db(self, **options):
        """This instance's database, by a new client."""
        return self.client(**options)[self.database]

    def _own(self):
        """The process; BedError for a server that is not ours to control."""
        if self.external:
            raise BedError("this server is not ours to control: make MongoServer(local=True)")
        return self.process

    def kill(self):
        """Ends the server at once, by SIGKILL; restart() starts it on the same storage."""
        self._own().kill()

    def suspend(self):
        """Freezes the server (SIGSTOP)."""
        self._own().suspend()

    def resume(self):
        """Lets a frozen server go on (SIGCONT)."""
        self._own().resume()
        self.wait_ready()

    def restart(self):
        """Ends the server by SIGTERM when it runs; starts it on the same port and storage."""
        self._own().stop()
        return self.start()

    def stop(self):
        """Closes the clients, drops the database of an external server, ends one of our own."""
        for client in self._clients:
            client.close()
        self._clients = []
        if self.external and self._ready:
            with pymongo.MongoClient(self.uri, serverSelectionTimeoutMS=5000) as client:
                client.drop_database(self.database)
        super().stop()
        self._ready = False
