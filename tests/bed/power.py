"""A machine that loses its power, and what it leaves of a journal."""

import contextlib
import glob
import os
import signal
import uuid

from .net import wait_until
from .process import wait_stopped


def is_alive(pid):
    """Whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def children_of(pid):
    """The processes that one started and has not reaped."""
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        # A thread may end between two looks.
        with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
            found += map(int, file.read().split())
    return found


def _stop(pids):
    """Stops processes; afterwards each stands still, or has ended."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    for pid in filter(is_alive, pids):
        wait_stopped(pid, f"process {pid}")


def lose_power(sluice):
    """Ends all its processes; none has the time to close anything in order."""
    # It first: whom it starts meanwhile would be in no list.
    supervisor = sluice.process.pid
    _stop([supervisor])
    pids = children_of(supervisor)
    # Who sees that the supervisor is gone, before the kernel kills it for that, stops in order.
    _stop(pids)
    sluice.process.kill()
    for pid in pids:
        wait_until(lambda pid=pid: not is_alive(pid), 20, "the children gone")


def cut_journal(directory, length):
    """Zeroes the last LENGTH bytes that were written to the newest segment, as a power cut may.

    False, and nothing, where so little was written that its header might be among them.
    """
    newest = max(glob.glob(f"{directory}/*.seg"))
    with open(newest, "r+b") as segment:
        size = len(segment.read().rstrip(b"\0"))
        if size <= 4 * length:
            return False
        segment.seek(size - length)
        segment.write(b"\0" * length)
    return True


def pretend_reboot(directory):
    """Gives the journal's history another boot_id, as if it was written before a reboot."""
    with open(f"{directory}/epochs", encoding="utf-8") as file:
        text = file.read()
    with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
        boot_id = file.read().strip()
    if boot_id not in text:
        raise AssertionError(f"no {boot_id} in the history of epochs: {text!r}")
    with open(f"{directory}/epochs", "w", encoding="utf-8") as file:
        file.write(text.replace(boot_id, str(uuid.uuid4())))
