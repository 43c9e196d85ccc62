"""The sockets of another process, duplicated: their options are read from outside (as root)."""

import ctypes
import errno
import fcntl
import os
import socket
import stat
import sys
import termios

_PIDFD_GETFD = 438


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


def unread_of_bus(pid):
    """How many bytes of other processes' requests PID has not read yet."""
    streams = (s for s in sockets(pid, socket.AF_UNIX) if s.type == socket.SOCK_STREAM)
    # A socket that listens has no buffer.
    return sum(
        unread(s) for s in streams if not s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    )


def peer_of(sock):
    """The address at the other end, None where there is none."""
    try:
        return sock.getpeername()
    except OSError:
        return None
