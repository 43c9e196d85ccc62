"""The supervisor with children that do as they are told: start, messages, commands, stop."""

import contextlib
import json
import os
import resource
import signal
import socket
import time

import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.stillness import Stillness

from .rogues import ROLES
from .test_gateway import IN_TIME


def test_all_children_become_ready_the_broker_first(rogues):
    """Every role runs under its name, and the broker's start is the first."""
    sluice = rogues().start()
    rows = sluice.status()
    assert set(rows) == {
        "broker", "store", "health", "gateway/0", "gateway/1", "watcher/prod", "watcher/dev",
    }  # fmt: skip
    assert sluice.notes("starts")[0].startswith("broker/- ")
    assert all(line.split(" ", 1)[1] == "0 1 2 3" for line in sluice.notes("descriptors"))

    def table():
        """What operators read, once the store's words are among it: they follow its READY."""
        text = sluice.ctl("status")
        return text if "as a store should be" in text else None

    assert "watcher/prod" in wait_until(table, 10, "the store's status")


def test_sigterm_stops_in_order_within_5_s_and_leaves_no_process(rogues):
    """Watchers and health, gateways, store, broker; exit 0."""
    sluice = rogues().start()
    begin = time.monotonic()
    assert sluice.stop() == 0
    assert time.monotonic() - begin < deadline(5)
    order = [line.split()[0].split("/")[0] for line in sluice.notes("messages") if "STOP" in line]
    rank = {"watcher": 0, "health": 0, "gateway": 1, "store": 2, "broker": 3}
    assert [rank[name] for name in order] == sorted(rank[name] for name in order)
    assert len(order) == 7
    assert sluice.family() == []
    assert not os.path.exists(f"{sluice.directory}/run/control")


@pytest.mark.slow
@pytest.mark.parametrize("in_time", IN_TIME)
def test_children_that_do_not_stop_are_killed_within_5_s(rogues, in_time):
    """Every child ignores STOP."""
    sluice = rogues()
    for role in ROLES:
        sluice.script(role, "stubborn")
    sluice.start()
    with Stillness(sluice.directory) as still:
        begin = time.monotonic()
        assert sluice.stop() == 0
        assert not in_time or still.ran(begin, time.monotonic()) < 5
    assert sluice.family() == []


@pytest.mark.slow
@pytest.mark.parametrize("in_time", IN_TIME)
def test_a_child_found_hung_during_the_stop_does_not_prolong_it(rogues, in_time):
    """The broker hangs while the store's time runs out, and SIGABRT does not end it."""
    sluice = rogues().script("store", "stubborn").script("broker", "numb").start()
    broker = sluice.pid("broker")
    # Found after 3 to 3.5 s: behind the third second, and before the store's time is out (4 s).
    os.kill(broker, signal.SIGSTOP)
    with Stillness(sluice.directory) as still:
        begin = time.monotonic()
        os.kill(sluice.process.pid, signal.SIGTERM)
        wait_until(lambda: not sluice.process.running(), 15, "the service ends")
        assert not in_time or still.ran(begin, time.monotonic()) < 5
    # A supervisor that was late itself forgives its silence.
    late = "service: own loop was late" in sluice.log()
    assert "state: broker: ready -> hung" in sluice.log() or late
    assert sluice.family() == []


def test_sigterm_while_children_hang_and_die(rogues):
    """A stopped one, one in back-off and one that never was ready: still exit 0 in 5 s."""
    sluice = rogues().script("health", "silent").script("watcher-dev", "die 1")
    sluice.start(ready=False)
    sluice.wait_ready(only=["broker", "store", "gateway/0", "gateway/1", "watcher/prod"])
    sluice.kill("store", signal.SIGSTOP)
    begin = time.monotonic()
    assert sluice.stop() == 0
    assert time.monotonic() - begin < deadline(5)
    assert sluice.family() == []


def test_messages_go_to_whom_they_concern(rogues):
    """BUS_PATH, PEER_DOWN, BINDINGS_CHANGED, RESYNC, CHECK_NOW, CLUSTER_STATE, LISTENER."""
    sluice = rogues({"supervise": {"circuit_deaths": 100}})
    sluice.script("gateway", "bus ipc:///x/gateway.sub")
    sluice.script("store", "bus ipc:///x/store.sub", "bindings prod")
    sluice.script("watcher-prod", "check").start()
    sluice.ctl("restart", "store")
    sluice.wait_ready()

    def got(*lines):
        wait_until(lambda: set(lines) <= set(sluice.notes("messages")), 5, lines)

    got(
        "broker PEER_UP gateway/0 ipc:///x/gateway.sub", "broker PEER_UP store/- ipc:///x/store.sub"
    )
    got("broker PEER_DOWN store/- ipc:///x/store.sub", "watcher/prod BINDINGS_CHANGED")
    got("gateway/0 LISTENER", "gateway/1 LISTENER", "health CLUSTER_STATE")
    assert "watcher/dev BINDINGS_CHANGED" not in sluice.notes("messages")
    sluice.script("store", "resync")
    sluice.ctl("restart", "store")
    got("watcher/prod RESYNC", "watcher/dev RESYNC")
    sluice.ctl("restart", "watcher/prod")
    got("health CHECK_NOW")
    before = sluice.notes("messages").count("broker PEER_UP gateway/0 ipc:///x/gateway.sub")
    sluice.wait_restarted("broker", sluice.kill("broker"))
    wait_until(
        lambda: sluice.notes("messages").count("broker PEER_UP gateway/0 ipc:///x/gateway.sub")
        > before, 5, "a new broker hears of all readers",
    )  # fmt: skip


def test_ten_lists_at_once_and_no_more(rogues):
    """12 watchers ask, 10 are granted; a dead one's grant goes to the next."""
    names = [f"c{i}" for i in range(12)]
    sluice = rogues({"supervise": {"circuit_deaths": 100}}, clusters=names)
    sluice.script("watcher", "slot").start()

    def granted():
        return [n.split()[0] for n in sluice.notes("messages") if n.endswith("LIST_SLOT")]

    wait_until(lambda: len(granted()) == 10, 5, "ten grants")
    # What starts from now on gives its grant back, so also the next process of one that is killed.
    for name in names:
        sluice.script(f"watcher-{name}", "slot", "return")
    sluice.kill(granted()[0])
    wait_until(lambda: len(granted()) == 11, 10, "the next one")
    sluice.ctl("restart", granted()[1])
    wait_until(lambda: len(set(granted())) == 12, 10, "everyone in the end")


@pytest.mark.parametrize(
    ("who", "what"), [("gateway-0", "bus"), ("watcher-prod", "check"), ("watcher-prod", "slot")]
)
def test_a_child_that_floods_its_channel_takes_no_other_down(rogues, who, what):
    """What it makes the supervisor tell others never fills their channels."""
    sluice = rogues().script(who, f"flood {what}").start()
    if what == "bus":
        wait_until(lambda: sluice.status()[who.replace("-", "/")]["bad_messages"], 10, "refusals")
        wait_until(lambda: any("broker PEER_" in n for n in sluice.notes("messages")), 10, "a path")
    time.sleep(2)
    rows = sluice.status()
    assert {row["state"] for row in rows.values()} == {"ready"}
    assert {row["deaths"] for row in rows.values()} == {0}
    if what == "bus":
        assert rows["gateway/0"]["bad_messages"] > 0
        assert len([n for n in sluice.notes("messages") if n.startswith("broker PEER_")]) == 1


@pytest.mark.release_only
def test_health_hears_of_600_watchers_that_start_at_once(rogues):
    """More than its channel takes in one go: said when there is room."""
    sluice = rogues(clusters=[f"c{i}" for i in range(600)]).start(ready=False)
    rows = sluice.wait_ready(60)
    assert rows["health"]["deaths"] == 0
    before = sluice.notes("messages").count("health CLUSTER_STATE")
    sluice.ctl("restart", "health")
    sluice.wait_ready(60)
    wait_until(
        lambda: sluice.notes("messages").count("health CLUSTER_STATE") >= before + 600,
        30, "health was told of each",
    )  # fmt: skip
    assert sluice.status()["health"]["deaths"] == 0


def test_the_listener_of_a_failed_gateway_goes_to_a_sibling(rogues):
    """Exit 78 of gateway/1: gateway/0 gets a second LISTENER."""
    sluice = rogues().script("gateway-1", "die 78").start(ready=False)
    wait_until(
        lambda: sluice.notes("messages").count("gateway/0 LISTENER") == 2, 10, "second listener"
    )


def test_the_listener_of_a_stopped_gateway_goes_to_a_sibling(rogues):
    """`sluicectl stop gateway/1`: no client waits in a queue that nobody serves."""
    sluice = rogues().start()
    sluice.ctl("stop", "gateway/1")
    wait_until(
        lambda: sluice.notes("messages").count("gateway/0 LISTENER") == 2, 10, "second listener"
    )
    sluice.stop()
    assert "gateway/0: its listener" not in sluice.log()


def test_the_listener_of_a_gateway_that_drains_is_lent_and_comes_back(rogues):
    """To one that serves; while there is none the one that drains has all of them."""
    sluice = rogues({"supervise": {"circuit_deaths": 100}}, gateways=3).start()

    def said(name):
        return [n.split()[1] for n in sluice.notes("messages") if n.split()[0] == name]

    def hears(name, *words):
        wait_until(lambda: said(name)[-len(words) :] == list(words), 10, f"{name}: {words}")

    sluice.ctl("drain", "gateway/1")
    hears("gateway/1", "LISTENER", "UNLISTEN", "DRAIN")
    hears("gateway/0", "LISTENER", "LISTENER")
    # Twice is once.
    sluice.ctl("drain", "gateway/0")
    hears("gateway/0", "LISTENER", "LISTENER", "UNLISTEN", "UNLISTEN", "DRAIN")
    hears("gateway/2", "LISTENER", "LISTENER", "LISTENER")
    # Who has them dies: they wait for its next process, and nobody else is bothered.
    before = len(said("gateway/2"))
    sluice.wait_restarted("gateway/2", sluice.kill("gateway/2"))
    wait_until(lambda: said("gateway/2")[before:] == ["LISTENER"] * 3, 10, "its next process")
    assert said("gateway/1")[-1] == "DRAIN" and said("gateway/0")[-1] == "DRAIN"
    # It does not serve for long: better one that drains than nobody.
    sluice.ctl("stop", "gateway/2")
    hears("gateway/0", "DRAIN", "LISTENER", "LISTENER")
    hears("gateway/1", "DRAIN", "LISTENER")
    # One that died while it drained still does.
    sluice.kill("gateway/1")
    wait_until(lambda: said("gateway/1").count("DRAIN") == 2, 10, "its next process drains")
    sluice.ctl("start", "gateway/1")
    wait_until(lambda: said("gateway/1")[-3:] == ["LISTENER"] * 3, 10, "it serves for all")
    wait_until(
        lambda: (told := said("gateway/0")).count("LISTENER") == told.count("UNLISTEN"),
        10, "the one that drains has none",
    )  # fmt: skip
    for name in ("gateway/0", "gateway/2"):
        sluice.ctl("start", name)
    sluice.wait_ready()
    hears("gateway/1", "UNLISTEN", "UNLISTEN")


def test_a_watcher_that_leaves_for_good_cannot_be_restarted(rogues):
    """Its cluster left the configuration; the answer says what would bring it back."""
    sluice = rogues().script("watcher-dev", "stubborn").start()
    sluice.write_conf({"clusters": ["prod"]})
    sluice.ctl("reload")
    for verb in ("restart", "start"):
        answer = sluice.ctl(verb, "watcher/dev", check=False)
        assert answer.returncode == 1
        assert "watcher/dev is stopping for good: its cluster left" in answer.stderr
        assert "sluicectl reload" in answer.stderr
    assert sluice.status()["watcher/dev"]["desired"] == "down"
    sluice.ctl("stop", "watcher/dev")
    sluice.write_conf({"clusters": ["prod", "dev"]})
    sluice.ctl("reload")
    sluice.script("watcher-dev").wait_ready()


def test_without_descriptors_the_control_socket_waits_and_does_not_spin(rogues):
    """accept(2) fails with EMFILE: said once, little time is used, and it recovers."""
    sluice = rogues().start()
    pid = sluice.process.pid

    def used():
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    numbers = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    free = next(n for n in range(1 << 16) if n not in numbers)
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, limits[1]))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{sluice.conf['runtime_directory']}/control")
        client.sendall(b"status\n")
        wait_until(lambda: "control: accept: Too many open files" in sluice.log(), 5, "said")
        before = used()
        time.sleep(2)
        assert used() - before < 0.5
        assert sluice.log().count("control: accept:") == 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        client.settimeout(deadline(5))
        assert client.recv(1) == b"{"
    sluice.wait_ready()


def test_stop_and_start_by_command(rogues):
    """A stopped role stays down; stop without a role ends the service."""
    sluice = rogues().start()
    sluice.ctl("stop", "health")
    wait_until(lambda: sluice.status()["health"]["state"] == "stopped", 5, "stopped")
    assert sluice.status()["health"]["deaths"] == 0
    sluice.ctl("start", "health")
    sluice.wait_ready()
    missing = sluice.ctl("restart", "nobody", check=False)
    assert missing.returncode == 1 and 'no process "nobody"' in missing.stderr
    sluice.ctl("stop")
    wait_until(lambda: not sluice.process.running(), 10, "the service ends")
    assert sluice.process.exit_status == 0
    gone = sluice.ctl("status", check=False)
    assert gone.returncode == 1 and "no sluiced runs here" in gone.stderr


def test_systemd_is_told_ready_status_watchdog_and_stopping(rogues):
    """An abstract NOTIFY_SOCKET; children do not inherit it."""
    sluice = rogues().script("watcher-dev", "die 78")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        name = f"sluice-test-{os.getpid()}"
        notify.bind(f"\0{name}")
        notify.settimeout(deadline(10))
        sluice.env |= {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": "1500000"}
        sluice.start(ready=False)
        got = []

        def hear(done):
            """Until it is DONE(); WATCHDOG=1 keeps coming where that never is."""
            limit = time.monotonic() + deadline(20)
            while not done():
                assert time.monotonic() < limit, got
                got.append(notify.recv(4096).decode())

        hear(lambda: any("READY=1" in m for m in got) and got.count("WATCHDOG=1") >= 2)
        wait_until(lambda: os.path.exists(f"{sluice.directory}/run/control"), 5, "control")
        sluice.script("watcher-dev").script("store", "die 78")
        sluice.ctl("start", "watcher/dev")
        hear(lambda: "STATUS=7 of 7 processes ready" in got)
        sluice.kill("store")
        hear(lambda: "STATUS=6 of 7 processes ready, failed: store" in got)
        assert sluice.stop() == 0
        hear(lambda: any("STOPPING=1" in m for m in got))
    assert any("failed: watcher/dev" in m for m in got)
    assert "NOTIFY_SOCKET" not in "".join(sluice.notes("starts"))


def fill(path):
    """Other services' messages, until the queue of that socket takes none; how many."""
    sent = 0
    for _ in range(1000):
        before = sent
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as other:
            other.connect(path)
            # One alone may have filled its own send buffer only, and not a long queue.
            with contextlib.suppress(BlockingIOError):
                while True:
                    other.send(b"STATUS=of another service")
                    sent += 1
        if sent == before:
            return sent
    raise AssertionError(f"the queue is not full with {sent} messages")


def test_systemd_that_reads_late_is_told_all_the_same(rogues):
    """The queue of its socket is full until the service is ready: what did not fit is said again.

    Without its READY=1 systemd would end the start.
    """
    sluice = rogues()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        path = f"{sluice.directory}/notify"
        notify.bind(path)
        notify.settimeout(deadline(20))
        sent = fill(path)
        sluice.env |= {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1500000"}
        sluice.start(ready=False)
        wait_until(lambda: "service: ready: " in sluice.log(), 20, "the service is ready")
        got = [notify.recv(4096).decode() for _ in range(sent)]
        assert set(got) == {"STATUS=of another service"}
        said = {"READY=1", "STATUS=7 of 7 processes ready"}
        # It goes on with WATCHDOG=1, so that what never comes is known by those.
        while not said <= set(got) and got.count("WATCHDOG=1") < 20:
            got.append(notify.recv(4096).decode())
        assert said | {"WATCHDOG=1"} >= set(got[sent:]) and said <= set(got)
        assert got.count("READY=1") == 1


def test_status_as_json_has_a_row_for_each_process(rogues):
    """The form the other tests and scripts read."""
    sluice = rogues().start()
    answer = json.loads(sluice.ctl("--json", "status"))
    row = answer["processes"][0]
    assert {"process", "state", "pid", "since", "restarts", "deaths"} <= set(row)
    assert {"circuit", "cause", "last_death", "status"} <= set(row)


def test_a_service_without_any_of_its_programs_is_never_ready(rogues):
    """systemd's own limit for a start is to tell, not "0 of 0 processes ready"."""
    sluice = rogues(roles=())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        path = f"{sluice.directory}/notify"
        notify.bind(path)
        notify.settimeout(deadline(20))
        sluice.env |= {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1500000"}
        sluice.start(ready=False)
        got = []
        while got.count("WATCHDOG=1") < 4:
            got.append(notify.recv(4096).decode())
        assert not any("READY=1" in m for m in got)
    assert "no binary sluice-broker" in sluice.log()
    assert "service: ready" not in sluice.log()
