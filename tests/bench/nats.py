"""A JetStream of NATS, the peer of publishing: Debian's nats-server with a file store.

Settings, each so that it does its best at what is measured:
- one stream "B" of the subjects b.*, in files, one replica; no limits, and nobody asks for
  deduplication (nor have the events for Sluice an idempotency key);
- how often it syncs its files cannot be set in Debian's version (2.9; `sync_interval` came with
  2.10): every minute or so, where Sluice does every 100 ms. A power cut costs it that much more;
- its answer says that its store has the message, as Sluice's 202 that the journal has it.
"""

import json
import socket

from tests.bed.net import can_listen, deadline, free_port, wait_until
from tests.bed.process import BedError, Group

PROGRAM = "/usr/sbin/nats-server"
CONF = """\
listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{directory}/store", max_file_store: 4GB, max_memory_store: 64MB }}
"""
STREAM = {"name": "B", "subjects": ["b.*"], "storage": "file", "retention": "limits"}
STREAM |= {"num_replicas": 1, "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0}


class NatsServer(Group):
    """One nats-server that listens on `port` of 127.0.0.1, with the stream B."""

    def __init__(self):
        """Nothing is started yet."""
        super().__init__()
        self.port = free_port()

    def _start(self):
        """Starts it, and makes the stream."""
        self.make_directory()
        path = f"{self.directory}/nats.conf"
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONF.format(port=self.port, directory=self.directory))
        try:
            process = self.add("nats-server", [PROGRAM, "-c", path])
        except FileNotFoundError as error:
            raise BedError("nats-server is missing: setup/setup.sh check installs it") from error

        def listens():
            process.check()
            return not can_listen(self.port)

        wait_until(listens, 20, "nats-server listens")
        self.ask("$JS.API.STREAM.CREATE.B", STREAM)

    def ask(self, subject, question=None):
        """The answer of JetStream's API as a dict; an error is one."""
        body = json.dumps(question).encode() if question else b""
        with socket.create_connection(("127.0.0.1", self.port), deadline(20)) as link:
            words = f"SUB _INBOX.ask 1\r\nPUB {subject} _INBOX.ask {len(body)}\r\n"
            link.sendall(b'CONNECT {"verbose":false}\r\n' + words.encode() + body + b"\r\n")
            with link.makefile("rb") as said:
                for line in said:
                    if line.startswith(b"-ERR"):
                        raise BedError(f"nats-server: {line.decode()}")
                    if line.startswith(b"MSG "):
                        answer = json.loads(said.read(int(line.split()[-1])))
                        break
                else:
                    raise BedError(f"nats-server said nothing to {subject}")
        if "error" in answer:
            raise BedError(f"nats-server: {subject}: {answer['error']}")
        return answer

    def messages(self):
        """How many it has stored."""
        return self.ask("$JS.API.STREAM.INFO.B")["state"]["messages"]

    @property
    def pids(self):
        """Its process ids."""
        return [process.pid for process in self.processes]
