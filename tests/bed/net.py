"""Free loopback ports, an address that is not loopback, deadlines, waiting for a condition."""

import contextlib
import fcntl
import os
import random
import socket
import struct
import time

# Below Linux's default range for outgoing connections (32768-60999), so that no client socket of
# any process takes a port between free_port() and the server that is to listen on it.
FIRST_PORT = 10000
LAST_PORT = 32767

# linux/sockios.h, linux/if.h
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
SIOCSIFADDR, SIOCSIFNETMASK = 0x8916, 0x891C
IFF_UP = 1

_handed_out = set()
_lock_file = None


class DeadlineError(AssertionError):
    """A condition did not come true in time."""


def factor():
    """By what every deadline is stretched: 2 when the programs under test carry a sanitizer."""
    return 2 if os.environ.get("SLUICE_SANITIZED") == "1" else 1


def deadline(seconds):
    """The seconds a test may wait here, stretched where the programs are slower."""
    return seconds * factor()


def _claim(port):
    """True when no other process of this user holds PORT; it is held until this process ends.

    The claim is a record lock on the byte number PORT of one common file: the kernel drops it
    with the process, however that ends.
    """
    global _lock_file
    if _lock_file is None or _lock_file[0] != os.getpid():
        path = f"/tmp/.sluice-test-ports-{os.getuid()}"
        _lock_file = (os.getpid(), os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _handed_out.clear()
    if port in _handed_out:
        return False
    try:
        fcntl.lockf(_lock_file[1], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):
        return False
    _handed_out.add(port)
    return True


def can_listen(port, host="127.0.0.1"):
    """True when nothing listens on PORT of HOST; ended connections don't matter."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port():
    """A loopback port that no one listens on and no other test process is given meanwhile."""
    for _ in range(1000):
        port = random.SystemRandom().randint(FIRST_PORT, LAST_PORT)
        if can_listen(port, "0.0.0.0") and _claim(port):
            return port
    raise DeadlineError(f"no free port among 1000 tried between {FIRST_PORT} and {LAST_PORT}")


def wait_until(cond, timeout, what, *, interval=0.05, ignore=()):
    """Calls COND until it returns something true, and returns that.

    TIMEOUT is in seconds and is stretched by factor(). Exceptions of the classes in IGNORE mean
    "not yet"; all others go through. DeadlineError says WHAT was waited for and what came last.
    """
    begin = time.monotonic()
    limit = begin + deadline(timeout)
    while True:
        try:
            last = cond()
            if last:
                return last
        except ignore as error:
            last = error
        now = time.monotonic()
        if now >= limit:
            raise DeadlineError(f"{what}: not within {now - begin:.1f} s; last: {last!r}")
        time.sleep(min(interval, limit - now))


def _outward():
    """The address from which this machine would speak to others; None if it has no way to any."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # nothing is sent
        except OSError:
            return None
        return probe.getsockname()[0]


def _set_inet(sock, label, what, address):
    """Gives the interface LABEL an ADDRESS or a mask."""
    inet = struct.pack("=16sH2x4s16x", label, socket.AF_INET, socket.inet_aton(address))
    fcntl.ioctl(sock, what, inet)


@contextlib.contextmanager
def elsewhere():
    """An address of this machine that is not loopback: a client may use it on loopback, too.

    A machine without one, such as a container without a network, is lent one (only by root).
    """
    address = _outward()
    if address is not None:
        yield address
        return
    address = f"192.0.2.{1 + os.getpid() % 254}"
    label = f"lo:{os.getpid()}".encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            _set_inet(sock, label, SIOCSIFADDR, address)
            _set_inet(sock, label, SIOCSIFNETMASK, "255.255.255.255")
        except PermissionError as error:
            raise PermissionError(
                "this machine has no address but loopback, and only root may lend it one"
            ) from error
        try:
            yield address
        finally:
            asked = fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack("=16sH22x", label, 0))
            (flags,) = struct.unpack_from("=H", asked, 16)
            fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("=16sH22x", label, flags & ~IFF_UP))
