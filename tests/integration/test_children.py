"""What each child of the supervisor holds: descriptors, configuration, secrets; no more."""

import os
import re

from tests.bed.kubeconfigs import SLEEPING_PLUGIN
from tests.bed.memory import holds
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

OLD, NEW = "kept-for-the-store-alone", "changed-for-the-store-alone"
# What every child has: nothing of it leads out of the process but to the supervisor and the log.
COMMON = {
    "/dev/null",
    "log",
    "supervisor",
    "anon_inode:[eventfd]",
    "anon_inode:[eventpoll]",
    "pipe",
}
JOURNAL, SEGMENT = "state/journal", "state/journal/SEGMENT"
DATABASES = {"state/projection.db", "state/sluice.db"}
# Of each role: what it has besides, and what it may have at times.
EXPECTED = {
    "broker": ({"bus", "bus, listening", JOURNAL, SEGMENT}, set()),
    "store": (
        {"bus", "bus, listening", JOURNAL} | DATABASES,
        {SEGMENT} | {f"{name}{suffix}" for name in DATABASES for suffix in ("-wal", "-shm")},
    ),
    "health": ({"bus"}, {"API server"}),
    "gateway": ({"bus", "bus, listening", JOURNAL, "HTTP port"}, {SEGMENT}),
    "watcher": ({"bus", "API server"}, set()),
}


def socket_table(pid, name):
    """The rows of /proc/PID/net/NAME, split."""
    with open(f"/proc/{pid}/net/{name}", encoding="ascii") as table:
        return [line.split() for line in table][1:]


def sockets(sluice, pid, server):
    """{inode: what the socket is} of all sockets of this machine that a child may have."""
    found = {}
    for row in socket_table(pid, "unix"):
        # Num RefCount Protocol Flags Type St Inode [Path]
        path = row[7] if len(row) > 7 else ""
        listening = row[3] == "00010000"
        if row[4] == "0005" and not path:
            found[row[6]] = "supervisor"
        elif path.startswith(sluice.conf["runtime_directory"] + "/bus/") or not path:
            found[row[6]] = "bus, listening" if listening else "bus"
        else:
            found[row[6]] = f"unix {path}"
    names = {(sluice.port, 0): "HTTP port", (0, server): "API server"}
    for row in socket_table(pid, "tcp"):
        # sl local remote st tx:rx tr:when retrnsmt uid timeout inode
        local, remote = (int(row[i].split(":")[1], 16) for i in (1, 2))
        ends = (local, 0) if row[3] == "0A" else (0, remote)
        found[row[9]] = names.get(ends, f"TCP, {local} to {remote}")
    return found


def labels(sluice, pid, server):
    """{descriptor: what it is, the same in every run} of one process; SERVER: a port."""
    places = [
        (sluice.process.log, "log"),
        (sluice.conf["state_directory"] + "/", "state/"),
        (sluice.conf["runtime_directory"] + "/", "run/"),
    ]
    known, found = sockets(sluice, pid, server), {}
    for number in sorted(int(name) for name in os.listdir(f"/proc/{pid}/fd")):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{number}")
        except FileNotFoundError:
            continue  # closed meanwhile
        for place, name in places:
            if target.startswith(place):
                target = name + target[len(place) :]
        target = re.sub(r"/[0-9a-f]{16}\.seg$", "/SEGMENT", target)
        target = re.sub(r"^pipe:.*", "pipe", target)
        inode = re.match(r"socket:\[(\d+)\]$", target)
        found[number] = known.get(inode[1], target) if inode else target
    return found


def assert_expected(sluice, name, server):
    """Waits until a child has just the descriptors of its role; what they are."""
    must, may = EXPECTED[name.partition("/")[0]]

    def just_these():
        """True when nothing is missing and nothing is there besides."""
        held = labels(sluice, sluice.pid(name), server)
        kinds = set(held.values())
        if COMMON | must <= kinds <= COMMON | must | may:
            return held
        raise AssertionError(f"has {kinds - COMMON - must - may}, lacks {(COMMON | must) - kinds}")

    held = wait_until(just_these, 10, f"descriptors of {name}", ignore=(AssertionError,))
    assert held[0] == "/dev/null" and held[1] == held[2] == "log", held
    assert [number for number, what in held.items() if what == "supervisor"] == [3]
    return held


def listeners(sluice, pid, held):
    """The sockets on the HTTP port that a process holds."""
    return {os.readlink(f"/proc/{pid}/fd/{n}") for n, what in held.items() if what == "HTTP port"}


def test_each_child_has_the_descriptors_of_its_role_and_no_other(sim):
    """At the start, and again of those that were started while others ran."""
    with Sluice(kubeconfig=sim.kubeconfig, gateways=2) as sluice:
        rows = sluice.status()
        assert {name.partition("/")[0] for name in rows} == set(EXPECTED)
        for name in rows:
            assert_expected(sluice, name, sim.port)
        for name in ("gateway/0", "store"):
            sluice.wait_restarted(name, sluice.kill(name))
        own = labels(sluice, sluice.process.pid, sim.port)
        kept = listeners(sluice, sluice.process.pid, own)
        assert len(kept) == 2
        handed = []
        for name in sluice.status():
            held = assert_expected(sluice, name, sim.port)
            handed += listeners(sluice, sluice.pid(name), held)
        # One each: a connection goes to one gateway.
        assert sorted(handed) == sorted(kept)


def child_called(pid, name):
    """The pid of PID's child that runs NAME, or None."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        for child in file.read().split():
            with open(f"/proc/{child}/comm", encoding="utf-8") as comm:
                if comm.read().strip() == name:
                    return int(child)
    return None


def test_a_credential_plugin_has_no_descriptor_of_the_supervisor(tmp_path):
    """Nor has sluice-exec, which runs it, any but the memfd for the answer."""
    (tmp_path / "config").write_text(SLEEPING_PLUGIN, encoding="utf-8")
    with Sluice(kubeconfig=tmp_path / "config") as sluice:
        pid = sluice.process.pid
        helper = wait_until(
            lambda: child_called(pid, "sluice-exec"), 10, "sluice-exec", ignore=(OSError,)
        )
        plugin = wait_until(
            lambda: child_called(helper, "sleep"), 10, "the plugin", ignore=(OSError,)
        )
        held = labels(sluice, helper, 0)
        assert held.pop(0) == "/dev/null"
        assert [held.pop(number) for number in (1, 2)] == ["log", "log"]
        assert held.pop(3) == "/memfd:sluice-credential (deleted)"
        assert set(held.values()) == {"pipe"}, held
        assert sorted(labels(sluice, plugin, 0)) == [0, 1, 2]


def holders(sluice, word):
    """The children that have WORD in their memory."""
    return {name for name in sluice.status() if holds(sluice.pid(name), word.encode())}


def uri(password):
    """A MongoDB that is not there."""
    return f"mongodb://operator:{password}@127.0.0.1:1/kubeorch"


def wait_heard(sluice):
    """Waits until each child has read all that was sent to it before this call."""
    for _ in range(2):  # the first answer may be to a question from before
        before = {name: row["turns"] for name, row in sluice.status().items()}
        wait_until(
            lambda known=before: all(
                row["turns"] != known[name] for name, row in sluice.status().items()
            ),
            20,
            "every child has answered",
        )


def test_the_password_of_mongodb_is_known_to_the_store_alone(sim):
    """Neither from the start nor from a reload does any other role have it in its memory."""
    with Sluice({"mongodb": uri(OLD)}, kubeconfig=sim.kubeconfig) as sluice:
        assert holders(sluice, OLD) == {"store"}
        sluice.write_conf({"mongodb": uri(NEW)})
        sluice.ctl("reload")
        wait_heard(sluice)
        assert holders(sluice, NEW) <= {"store"}
        for name in list(sluice.status()):
            before = sluice.pid(name)
            sluice.ctl("restart", name)
            sluice.wait_restarted(name, before)
        assert holders(sluice, NEW) == {"store"}
        assert holders(sluice, OLD) == set()


def test_what_an_ended_gateway_left_on_the_bus_is_removed():
    with Sluice() as sluice:
        bus = os.path.join(sluice.conf["runtime_directory"], "bus")

        def left():
            return sorted(name for name in os.listdir(bus) if name.startswith("gateway-0."))

        pid = sluice.pid("gateway/0")
        before = left()
        sluice.kill("gateway/0")
        sluice.wait_restarted("gateway/0", pid)
        after = left()
        assert len(before) == len(after) == 2 and "gateway-0.desk" in after
        assert set(before) & set(after) == {"gateway-0.desk"}, "its own sockets, of this life"
        sluice.ctl("stop", "gateway/0")
        wait_until(lambda: left() == [], 10, "nothing of it")
        others = os.listdir(bus)
        assert "broker.rep" in others and any(name.startswith("store.") for name in others)
