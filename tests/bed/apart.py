"""A client on a host of its own: a network namespace at the end of a wire that can be cut."""

import ctypes
import os
import shutil
import socket
import subprocess
import threading

from .net import deadline
from .process import BedError

_CLONE_NEWNET = 0x40000000


def links():
    """The names of this host's network links."""
    return [name for _, name in socket.if_nameindex()]


class Apart:
    """A network namespace and a wire to it. `address` is this side's; needs root and iproute2.

    Both end with the process that holds the namespace, and that with this one.
    """

    def __init__(self):
        """Nothing is made yet."""
        if os.geteuid() != 0 or shutil.which("ip") is None:
            raise BedError("a network of a test's own needs root and ip (iproute2)")
        # 198.18.0.0/15 is for tests of networks (RFC 2544); four addresses for each process.
        at = os.getpid() % 16384 * 4
        prefix = f"198.18.{at // 256}."
        self.address, self._far = f"{prefix}{at % 256 + 1}", f"{prefix}{at % 256 + 2}"
        self._link = f"sl{os.getpid()}"
        self._holder = None

    def __enter__(self):
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo made; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert self._holder.stdout.readline() == b"made\n", "unshare --net failed"
            pid = str(self._holder.pid)
            self._ip("link", "add", self._link, "type", "veth", "peer", "name", "far", "netns", pid)
            self._ip("address", "add", f"{self.address}/30", "dev", self._link)
            self._ip("link", "set", self._link, "up")
            self._there("address", "add", f"{self._far}/30", "dev", "far")
            self._there("link", "set", "far", "up")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        """The wire goes, and the namespace."""
        # By itself the kernel takes it away, with the namespace, only some time later.
        gone = subprocess.run(["ip", "link", "delete", self._link], check=False, timeout=10)
        self._holder.communicate(timeout=10)
        assert gone.returncode == 0 or self._link not in links()

    def _ip(self, *argv, before=()):
        subprocess.run([*before, "ip", *argv], check=True, timeout=10)

    def _there(self, *argv):
        self._ip(*argv, before=("nsenter", "--target", str(self._holder.pid), "--net"))

    def connect(self, port):
        """A socket of that host, connected with PORT of this one."""
        made = []

        # A thread has a network of its own; its sockets stay there when it has ended.
        def there():
            libc = ctypes.CDLL(None, use_errno=True)
            space = os.open(f"/proc/{self._holder.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if libc.setns(space, _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
                made.append(socket.create_connection((self.address, port), deadline(10)))
            finally:
                os.close(space)

        thread = threading.Thread(target=there)
        thread.start()
        thread.join()
        if not made:
            raise BedError(f"no connection with {self.address}:{port} from the other host")
        return made[0]

    def cut(self):
        """Nothing comes from there, or gets there, any more; nobody says so."""
        self._there("link", "set", "far", "down")
