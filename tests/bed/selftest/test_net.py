"""Ports, waiting, and the stretching of deadlines."""

import os
import socket
import subprocess
import sys

import pytest

from .. import net
from ..net import DeadlineError, can_listen, deadline, free_port, wait_until

_TAKE_PORTS = """import sys
from {module} import free_port
print(*[free_port() for _ in range(200)], flush=True)
sys.stdin.read()
"""

# A namespace of its own has nothing but loopback, and that is down.
_BORROW = """import errno, fcntl, socket, struct
from {module} import IFF_UP, SIOCSIFFLAGS, elsewhere
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("=16sH22x", b"lo", IFF_UP))
with elsewhere() as address, socket.create_server(("127.0.0.1", 0)) as server:
    with socket.create_connection(server.getsockname(), 10, (address, 0)):
        print(server.accept()[1][0], address)
try:
    socket.create_server((address, 0))
except OSError as error:
    print(error.errno == errno.EADDRNOTAVAIL)
"""


def test_an_address_that_is_not_loopback_is_lent_where_there_is_none():
    """A client comes from it; afterwards the machine has it no more."""
    path = ":".join(folder for folder in sys.path if folder)
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", _BORROW.format(module=net.__name__)],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    came, lent, gone = done.stdout.split()
    assert came == lent and not lent.startswith("127.") and gone == "True"


def test_ports_are_given_once_even_across_processes(monkeypatch):
    """200 ports each in this and two other processes: all different, all below client ports."""
    path = [folder for folder in sys.path if folder]
    argv = (sys.executable, "-c", _TAKE_PORTS.format(module=net.__name__))
    monkeypatch.setenv("PYTHONPATH", ":".join(path))
    others = [
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ports = [free_port() for _ in range(200)]
    for other in others:
        ports += [int(port) for port in other.stdout.readline().split()]
    for other in others:
        other.communicate(timeout=10)
        assert other.returncode == 0
    assert len(ports) == len(set(ports)) == 600
    assert all(net.FIRST_PORT <= port <= net.LAST_PORT for port in ports)


def test_a_taken_port_is_seen():
    """can_listen() tells a port with a listener from one without."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert not can_listen(port)
    assert can_listen(port)


def test_wait_until_returns_what_came():
    """The first true value is the result, ignored exceptions mean "not yet"."""
    answers = iter((None, OSError("not yet"), 0, "there"))

    def next_answer():
        """The next of the answers, raised when it is an exception."""
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert wait_until(next_answer, 5, "an answer", interval=0.001, ignore=(OSError,)) == "there"


def test_wait_until_tells_what_was_missing():
    """At the deadline the error names the condition and the last value; others go through."""
    with pytest.raises(DeadlineError, match=r"five beans: not within \d+\.\d s; last: 0"):
        wait_until(lambda: 0, 0.05, "five beans")
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 / 0, 5, "nothing", ignore=(OSError,))


@pytest.mark.parametrize(("value", "seconds"), [("1", 20), ("0", 10), ("", 10)])
def test_deadlines_double_under_a_sanitizer(monkeypatch, value, seconds):
    """SLUICE_SANITIZED=1, and only that, doubles a deadline."""
    monkeypatch.setenv("SLUICE_SANITIZED", value)
    assert deadline(10) == seconds
