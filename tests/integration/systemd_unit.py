"""The installed unit in its throw-away root, as the tests of it drive it: its configuration and
clusters, what it says in the journal, streams and events, and a probe of its sandbox.
"""

import contextlib
import itertools
import json
import os
import re

from tests.bed.net import wait_until
from tests.bed.retold import note_text

CONF = """\
gateway: {processes: 2}
journal: {size: 64MiB, segment: 8MiB}
clusters:
  - {id: prod, kubeconfig: /etc/sluice/prod.kubeconfig}
  - {id: dev, kubeconfig: /etc/sluice/dev.kubeconfig}
"""
CONF_FILE = "/etc/sluice/sluice.yaml"
PROCESSES = {
    "broker", "store", "health", "gateway/0", "gateway/1", "watcher/prod", "watcher/dev",
}  # fmt: skip
NUMBERS = itertools.count()

# Told by the unit's own user in the unit's own sandbox (ExecStartPre).
PROBE = r"""
import ctypes, json, mmap, os, socket
libc = ctypes.CDLL(None, use_errno=True)

def refused(call):
    try:
        call()
    except OSError as error:
        return os.strerror(error.errno)
    return "allowed"

def syscall(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), "")

writable = []
for top, names, _ in os.walk("/"):
    names[:] = [n for n in names if (top, n) not in (("/", "proc"), ("/", "sys"))
                and not os.path.islink(os.path.join(top, n))]
    if os.access(top, os.W_OK):
        writable.append(top)
        names.clear()
print(json.dumps({
    "writable": sorted(writable),
    "pids": [n for n in os.listdir("/proc") if n.isdigit() and int(n) != os.getpid()],
    "devices": sorted(os.listdir("/dev")),
    "root's home": refused(lambda: os.listdir("/root")),
    "usr": refused(lambda: open("/usr/sluice", "w")),
    "etc": refused(lambda: open("/etc/sluice/sluice", "w")),
    "a user namespace": refused(lambda: syscall(libc.unshare(0x10000000))),
    "ptrace": refused(lambda: syscall(libc.ptrace(0, 0, 0, 0))),
    "mount": refused(lambda: syscall(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))),
    "chroot": refused(lambda: os.chroot("/tmp")),
    "chown": refused(lambda: os.chown("/tmp", 0, 0)),
    "netlink": refused(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
    "packets": refused(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
    "written and executed": refused(
        lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)),
    "a setuid file": refused(lambda: (open("/tmp/x", "w"), os.chmod("/tmp/x", 0o4755))),
}), file=open("/run/sluice/probe", "w"))
"""


def begin_cluster(root, name):
    """Runs a simulator, and gives the user sluice, nobody else, its kubeconfig."""
    file = f"/etc/sluice/{name}.kubeconfig"
    os.mkdir(f"{root.root}/opt/{name}")
    root.run(
        "systemd-run", f"--unit=cluster-{name}", "/opt/kubesim", "--tls", "--objects", "20",
        "--context", name, "--dir", f"/opt/{name}", "--print-kubeconfig", f"/opt/{name}.kubeconfig",
    )  # fmt: skip
    wait_until(
        lambda: os.path.exists(f"{root.root}/opt/{name}.kubeconfig"), 20, f"kubeconfig of {name}"
    )
    root.run("install", "-m", "640", "-o", "root", "-g", "sluice", f"/opt/{name}.kubeconfig", file)


def mark_of(root):
    """When the newest line of the journal was written, for since()."""
    root.run("journalctl", "--sync")
    return int(root.messages("--lines=1")[-1]["__MONOTONIC_TIMESTAMP"])


def since(root, mark, worst=7):
    """What the unit, and systemd about it, said after MARK, of a priority up to WORST."""
    root.run("journalctl", "--sync")
    return [
        message
        for message in root.messages("--unit=sluice", f"--priority={worst}")
        if int(message["__MONOTONIC_TIMESTAMP"]) > mark
    ]


def texts(messages):
    """Their texts."""
    return [message["MESSAGE"] for message in messages]


def publish(root, n):
    """Publishes one event; its id."""
    body = {
        "type": "job", "stream_key": "job:unit", "event_type": "job.progress",
        "data": {"job_id": "unit", "attempt": 1, "percent": n},
    }  # fmt: skip
    return json.loads(root.http("POST", "/api/v1/events", body))["last_id"]


def open_stream(root, query, event):
    """A stream that stays open and has brought this EVENT: a process whose log is what came."""
    url = f"http://127.0.0.1:8085/api/v1/streams?{query}"
    stream = root.enter(f"stream-{next(NUMBERS)}", "curl", "-sN", url)
    wait_until(
        lambda: re.search(rf"event: {event}\ndata: .*\n", stream.tail(10000)), 20,
        f"{event} on the stream",
    )  # fmt: skip
    note_log(stream)
    return stream


def note_log(stream):
    """The frames that have come so far are judged (bed/frames.py)."""
    with open(stream.log, encoding="utf-8", newline="\n") as file:
        note_text(file.read())


def first_frame(root, query, event):
    """The data of the first frame of this EVENT on a stream."""
    stream = open_stream(root, query, event)
    found = re.search(rf"event: {event}\ndata: (.*)\n", stream.tail(10000))
    stream.stop()
    return json.loads(found[1])


@contextlib.contextmanager
def port_taken(root):
    """Another program listens on Sluice's port for the length of a with block."""
    words = ("/usr/bin/python3", "-m", "http.server", "8085", "--bind", "127.0.0.1")
    root.run("systemd-run", "--unit=squatter", *words)
    try:
        wait_until(lambda: root.http("GET", "/"), 20, "the port is taken", ignore=(AssertionError,))
        yield
    finally:
        root.systemctl("stop", "squatter")
