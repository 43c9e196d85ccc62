"""What stands before API servers and leads connections to one of them, or to none."""

import contextlib
import socket

from tests.integration.credentials_bed import Server, both_ways


class Balancer(Server):
    """A load balancer that leads every connection to one of several API servers."""

    def __init__(self, port):
        """PORT: where connections go at first."""
        self.to = port
        self.open = set()
        super().__init__()

    def serve(self, conn):
        """One connection; while it leads nowhere, its end."""
        if self.to is None:
            return
        with socket.create_connection(("127.0.0.1", self.to)) as up:
            self.open.add(up)
            both_ways(conn, up)
            self.open.discard(up)

    def move(self, port):
        """Ends what is open; from now on connections go to PORT (None: are ended at once)."""
        self.to = port
        for up in list(self.open):
            with contextlib.suppress(OSError):
                up.shutdown(socket.SHUT_RDWR)
