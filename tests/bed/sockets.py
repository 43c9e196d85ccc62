"""Sockets of another process, duplicated and looked into (as root); peers that are not there."""

import ctypes
import errno
import fcntl
import os
import socket
import stat
import struct
import sys
import termios

_PIDFD_GETFD = 438
_SO_ATTACH_FILTER, _BPF_RET = 26, 0x06


def sockets(pid, family):
    """Duplicates of the sockets of process PID, one after the other, each closed in turn."""
    call = ctypes.CDLL(None, use_errno=True).syscall
    process = os.pidfd_open(pid)
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            fd = call(_PIDFD_GETFD, process, int(name), 0)
            if fd < 0 and ctypes.get_errno() == errno.EBADF:
                continue  # closed since the list was read
            assert fd >= 0, f"pidfd_getfd: {os.strerror(ctypes.get_errno())}"
            if not stat.S_ISSOCK(os.fstat(fd).st_mode):
                os.close(fd)
                continue
            found = socket.socket(fileno=fd)
            with found:
                if found.family == family:
                    yield found
    finally:
        os.close(process)


def inet_sockets(pid):
    """Those of IPv4."""
    return sockets(pid, socket.AF_INET)


def unread(sock):
    """How many bytes lie in its receive buffer."""
    return int.from_bytes(fcntl.ioctl(sock, termios.FIONREAD, bytes(4)), sys.byteorder)


def unread_of_bus(pid, sender=None):
    """How many bytes of SENDER's requests (a pid; None: of anybody's) PID has not read yet."""
    streams = (s for s in sockets(pid, socket.AF_UNIX) if s.type == socket.SOCK_STREAM)
    # A socket that listens has no buffer.
    return sum(
        unread(s)
        for s in streams
        if not s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        and sender in (None, _connected_by(s))
    )


def _connected_by(sock):
    """The pid of the process at the other end of a socket that was accepted."""
    return struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


def peer_of(sock):
    """The address at the other end, None where there is none."""
    try:
        return sock.getpeername()
    except OSError:
        return None


def vanish(sock):
    """From now on the host of SOCK seems to be gone: nothing that comes is taken or acknowledged.

    A filter of the socket drops it all, before TCP sees it. Closed, it sends a reset.
    """
    refuse_all = ctypes.create_string_buffer(struct.pack("=HBBI", _BPF_RET, 0, 0, 0))
    program = struct.pack("HP", 1, ctypes.addressof(refuse_all))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def accepted_by(pid, client):
    """A duplicate of the socket by which process PID talks with CLIENT; None when there is none."""
    assert os.geteuid() == 0, "only root may look into a gateway: run this test as root"
    for found in inet_sockets(pid):
        if peer_of(found) == client.getsockname():
            # Not found.dup(): that makes the socket block, for the gateway too.
            return socket.socket(fileno=os.dup(found.fileno()))
    return None
