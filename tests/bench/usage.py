"""What processes cost, as the kernel counts it: time on a processor, and memory."""

import os

_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of process PID, to a hundredth; threads that ended count."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def cpu_exact(pid):
    """The time on a processor of the threads that process PID has now, to the nanosecond."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def _kilobytes(path):
    """{name: bytes} of the lines "Name:   123 kB" of a file under /proc."""
    with open(path, encoding="ascii") as file:
        rows = [line.split() for line in file]
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if row[-1] == "kB"}


def rss_bytes(pid):
    """The resident memory of process PID."""
    return _kilobytes(f"/proc/{pid}/status")["VmRSS"]


def file_bytes(pid):
    """What of it are pages of files: program and libraries."""
    return _kilobytes(f"/proc/{pid}/status")["RssFile"]


def peak_rss_bytes(pid):
    """The most that it was."""
    return _kilobytes(f"/proc/{pid}/status")["VmHWM"]


def pss_bytes(pid):
    """The same with each page divided by how many processes share it."""
    return _kilobytes(f"/proc/{pid}/smaps_rollup")["Pss"]
