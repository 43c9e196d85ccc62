"""HAProxy in front of a server of the test's own."""

from .net import can_listen, free_port, wait_until
from .process import BedError, Group

CONF = """\
global
    maxconn 1000
    log stderr format raw daemon
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 20s
    timeout http-request 5s
    timeout http-keep-alive 5s
frontend in
    bind 127.0.0.1:{port}
{frontend}
    default_backend out
backend out
    http-reuse never
    server one 127.0.0.1:{server}
"""


class HAProxy(Group):
    """One HAProxy on a port of its own, before a server on SERVER; a context manager.

    FRONTEND: more lines of its frontend, such as "http-request set-header X y".
    """

    def __init__(self, server, frontend=()):
        """Nothing is started yet."""
        super().__init__()
        self.server = server
        self.frontend = frontend
        self.port = free_port()

    def _start(self):
        """Starts it and waits until it listens."""
        self.make_directory()
        path = f"{self.directory}/haproxy.cfg"
        with open(path, "w", encoding="utf-8") as file:
            lines = "\n".join(f"    {line}" for line in self.frontend)
            file.write(CONF.format(port=self.port, server=self.server, frontend=lines))
        try:
            process = self.add("haproxy", ["/usr/sbin/haproxy", "-db", "-f", path])
        except FileNotFoundError as error:
            raise BedError("HAProxy is missing: apt-get install haproxy") from error

        def listens():
            process.check()
            return not can_listen(self.port)

        wait_until(listens, 10, "HAProxy listens")
