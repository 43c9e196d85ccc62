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


def library_bytes(pid, *names):
    """What of it are unchanged pages of the libraries whose files' names begin with NAMES."""
    total, mine = 0, False
    with open(f"/proc/{pid}/smaps", encoding="ascii") as file:
        for row in map(str.split, file):
            if not row[0].endswith(":"):
                mine = len(row) > 5 and os.path.basename(row[5]).startswith(names)
            elif mine and row[0] == "Rss:":
                total += int(row[1])
            elif mine and row[0] == "Anonymous:":
                total -= int(row[1])
    return total * 1024


def peak_rss_bytes(pid):
    """The most that it was."""
    return _kilobytes(f"/proc/{pid}/status")["VmHWM"]


def pss_bytes(pid):
    """The same with each page divided by how many processes share it."""
    return _kilobytes(f"/proc/{pid}/smaps_rollup")["Pss"]
