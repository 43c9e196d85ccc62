"""A client on a host of its own, and one that seems to have vanished."""

import os
import socket
import time

import pytest

from tests.bed.apart import Apart, links
from tests.bed.net import deadline, wait_until
from tests.bed.sockets import vanish


def unacknowledged(sock):
    """tcpi_unacked of tcp_info: segments that the other end has not acknowledged."""
    return int.from_bytes(
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[24:28], "little"
    )


def accept(server):
    """A client that has come to SERVER."""
    server.settimeout(deadline(10))
    found, _ = server.accept()
    found.settimeout(deadline(10))
    return found


def test_a_wire_carries_until_it_is_cut_and_then_nobody_says_so():
    with (
        Apart() as apart,
        socket.create_server((apart.address, 0)) as server,
        apart.connect(server.getsockname()[1]) as far,
        accept(server) as near,
    ):
        near.sendall(b"there")
        assert far.recv(10) == b"there"
        far.sendall(b"back")
        assert near.recv(10) == b"back"
        apart.cut()
        near.sendall(b"lost")
        time.sleep(0.5)
        assert unacknowledged(near) == 1
        far.setblocking(False)
        with pytest.raises(BlockingIOError):
            far.recv(10)
    link = f"sl{os.getpid()}"
    wait_until(lambda: link not in links(), 10, "the wire is gone")


def test_who_vanished_acknowledges_nothing():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as far,
        accept(server) as near,
    ):
        near.sendall(b"there")
        wait_until(lambda: unacknowledged(near) == 0, 10, "it is taken")
        vanish(far)
        near.sendall(b"lost")
        time.sleep(0.5)
        assert unacknowledged(near) == 1
        far.setblocking(False)
        assert far.recv(10) == b"there"
        with pytest.raises(BlockingIOError):
            far.recv(10)
