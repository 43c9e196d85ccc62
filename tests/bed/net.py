"""Free loopback ports, deadlines and waiting for a condition."""

import fcntl
import os
import random
import socket
import time

# Below Linux's default range for outgoing connections (32768-60999), so that no client socket of
# any process takes a port between free_port() and the server that is to listen on it.
FIRST_PORT = 10000
LAST_PORT = 32767

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
