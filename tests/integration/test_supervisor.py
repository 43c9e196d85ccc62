"""The supervisor with rogue children: restarts, circuit, hangs, order, and what it refuses."""

import datetime
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.process import plain_environment
from tests.bed.sluice import Sluice, binary

ROLES = ("broker", "store", "health", "gateway", "watcher")


class Rogues(Sluice):
    """An installation whose every child is tests/tools/rogue."""

    def __init__(self, conf=None, *, gateways=2, roles=ROLES, clusters=("prod", "dev")):
        super().__init__({"clusters": list(clusters), **(conf or {})}, gateways=gateways)
        self.bin = f"{self.directory}/bin"
        self.scripts = f"{self.directory}/rogue"
        os.mkdir(self.bin)
        os.mkdir(self.scripts)
        for name in ("sluiced", "sluicectl"):
            shutil.copy(binary(name), self.bin)
        for role in roles:
            shutil.copy(binary("tools/rogue"), f"{self.bin}/sluice-{role}")
        self.env["ROGUE"] = self.scripts

    def script(self, who, *lines):
        """What the child WHO ("store", "watcher-dev") does at its next start."""
        with open(f"{self.scripts}/{who}", "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
        return self

    def notes(self, name):
        """The lines the children wrote into a file of theirs."""
        try:
            with open(f"{self.scripts}/{name}", encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def log(self):
        """The supervisor's log."""
        with open(self.process.log, encoding="utf-8") as file:
            return file.read()

    def changes(self, title):
        """[(seconds, old, new, cause)] of one child, by the supervisor's own timestamps."""
        form = re.compile(
            rf"^(\S+) \w+ sluiced: state: {re.escape(title)}: (\w+) -> (\w+) after \d+ ms: (.*)$",
            re.MULTILINE,
        )
        return [
            (datetime.datetime.fromisoformat(at).timestamp(), old, new, cause)
            for at, old, new, cause in form.findall(self.log())
        ]

    def family(self):
        """Pids of all living processes that belong to this installation."""
        mark = f"ROGUE={self.scripts}".encode()
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if mark in file.read().split(b"\0"):
                        found.append(int(pid))
            except OSError:
                continue
        return found


@pytest.fixture(name="rogues")
def fixture_rogues():
    """Makes installations; closes them all."""
    made = []

    def make(*args, **kwargs):
        made.append(Rogues(*args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.close()


def run_sluiced(directory, *args):
    """sluiced with ARGS to its end."""
    return subprocess.run(
        [binary("sluiced"), *args],
        capture_output=True,
        text=True,
        timeout=deadline(20),
        env=plain_environment(directory),
        check=False,
    )


def test_all_children_become_ready_the_broker_first(rogues):
    """Every role runs under its name, and the broker's start is the first."""
    sluice = rogues().start()
    rows = sluice.status()
    assert set(rows) == {
        "broker", "store", "health", "gateway/0", "gateway/1", "watcher/prod", "watcher/dev",
    }  # fmt: skip
    assert sluice.notes("starts")[0].startswith("broker/- ")
    assert all(line.split(" ", 1)[1] == "0 1 2 3" for line in sluice.notes("descriptors"))
    table = sluice.ctl("status")
    assert "watcher/prod" in table and "as a store should be" in table


def test_the_others_wait_until_the_broker_is_ready(rogues):
    """While the broker is silent nobody else starts, and nobody is ended for it."""
    sluice = rogues({"supervise": {"ready_timeout": "1s"}}).script("broker", "silent")
    sluice.start(ready=False)
    wait_until(lambda: len(sluice.changes("broker")) >= 2, 10, "the broker's deadline")
    assert {line.split("/")[0] for line in sluice.notes("starts")} == {"broker"}
    assert "not ready within 1000 ms" in sluice.log()
    assert sluice.status()["store"]["state"] == "waiting"
    sluice.script("broker")
    sluice.wait_ready()


def test_a_child_that_dies_at_start_gets_backoff_then_the_circuit_and_others_go_on(rogues):
    """First 100 ms, then at least `base`; more than circuit_deaths deaths: failed, status why."""
    conf = {"supervise": {"base": "200ms", "max": "400ms", "circuit_deaths": 4}}
    sluice = rogues(conf).script("watcher-dev", "die 3").start(ready=False)
    failed = wait_until(
        lambda: sluice.status()["watcher/dev"]["state"] == "failed" and sluice.status(),
        15, "circuit", ignore=(AssertionError,),
    )  # fmt: skip
    row = failed["watcher/dev"]
    assert row["circuit"] == "open" and row["deaths"] == 5
    assert row["cause"] == "exit status 3"
    assert "exit status 3" in sluice.ctl("status")
    steps = sluice.changes("watcher/dev")
    waits = [steps[i + 1][0] - step[0] for i, step in enumerate(steps[:-1]) if step[2] == "backoff"]
    assert 0.09 <= waits[0] < 0.5 and all(wait >= 0.19 for wait in waits[1:])
    others = {name: r for name, r in sluice.status().items() if name != "watcher/dev"}
    assert all(r["state"] == "ready" and r["restarts"] == 0 for r in others.values())
    sluice.script("watcher-dev")
    sluice.ctl("start", "watcher/dev")
    sluice.wait_ready()


@pytest.mark.slow
def test_an_open_circuit_is_tried_again_by_itself(rogues):
    """After circuit_retry one start; one more death opens it again at once."""
    conf = {"supervise": {"circuit_retry": "1s"}}
    sluice = rogues(conf).script("health", "die 78").start(ready=False)

    def state(want):
        return lambda: sluice.status()["health"]["state"] == want

    wait_until(state("failed"), 10, "exit 78 opens at once", ignore=(AssertionError,))
    assert sluice.status()["health"]["deaths"] == 1
    wait_until(lambda: sluice.status()["health"]["deaths"] == 2, 10, "tried again")
    sluice.script("health")
    wait_until(state("ready"), 10, "retry succeeds")


def test_a_refused_start_says_why(rogues):
    """The error of a role's start is in `status` and in the log."""
    sluice = rogues().script("store", "refuse no room on the moon").start(ready=False)
    wait_until(
        lambda: "no room on the moon" in sluice.status()["store"]["cause"],
        10, "cause", ignore=(AssertionError,),
    )  # fmt: skip


def test_what_a_child_says_cannot_move_the_operators_terminal(rogues):
    """Escape sequences in the text of a role, which may come from a server."""
    sluice = rogues().script("store", "refuse a\x1b[2J b\u009b2J c\x7f \u00fc").start(ready=False)
    wait_until(
        lambda: "a?[2J b?2J c? \u00fc" in sluice.status()["store"]["cause"],
        10, "cause", ignore=(AssertionError,),
    )  # fmt: skip
    assert "\x1b" not in sluice.ctl("status")


def test_many_refused_starts_at_once_all_say_why(rogues):
    """Deaths that are reaped together lose no last words."""
    names = [f"c{i}" for i in range(60)]
    conf = {"supervise": {"circuit_deaths": 1, "first": "10ms", "base": "10ms", "max": "20ms"}}
    sluice = rogues(conf, clusters=names)
    sluice.script("watcher", "refuse no room on the moon").start(ready=False)
    wait_until(
        lambda: all(sluice.status()[f"watcher/{name}"]["state"] == "failed" for name in names),
        20, "all circuits", ignore=(AssertionError,),
    )  # fmt: skip
    deaths = re.findall(r"state: watcher/\S+ \w+ -> (?:backoff|failed) .*", sluice.log())
    assert len(deaths) == 120
    assert all("no room on the moon" in line for line in deaths)


@pytest.mark.slow
@pytest.mark.parametrize("title", ["broker", "gateway/0", "watcher/prod"])
def test_a_stopped_child_is_found_within_4_5_s_and_ready_within_7_s(rogues, title):
    """SIGSTOP, measured by the supervisor's own timestamps; the others are not touched."""
    sluice = rogues().start()
    begin = time.time()
    sluice.kill(title, signal.SIGSTOP)
    wait_until(lambda: sluice.status()[title]["restarts"] == 1, 15, "restart")
    sluice.wait_ready()
    steps = {new: at for at, _, new, _ in sluice.changes(title) if at > begin}
    assert steps["hung"] - begin <= deadline(4.5)
    assert steps["ready"] - begin <= deadline(7)
    assert "hung: no answer for" in sluice.status()[title]["last_death"]
    others = {name: r for name, r in sluice.status().items() if name != title}
    assert all(r["restarts"] == 0 for r in others.values())


@pytest.mark.slow
def test_a_deaf_child_is_found_too(rogues):
    """A loop that is stuck, not stopped."""
    sluice = rogues().script("store", "deaf").start(ready=False)
    wait_until(lambda: len([c for c in sluice.changes("store") if c[2] == "hung"]) >= 1, 15, "hung")
    sluice.script("store")
    sluice.wait_ready()


@pytest.mark.slow
def test_a_long_start_is_not_a_hang(rogues):
    """A child that is busy before READY for longer than hang_timeout, within its deadline."""
    sluice = rogues({"supervise": {"hang_timeout": "1s"}}).script("store", "blocked 2500").start()
    assert sluice.status()["store"]["deaths"] == 0


@pytest.mark.slow
def test_killed_children_come_back_with_a_new_incarnation(rogues):
    """Ten SIGKILLs, incarnations never repeat."""
    sluice = rogues({"supervise": {"circuit_deaths": 100, "max": "600ms"}}).start()
    for _ in range(5):
        pid = sluice.kill("gateway/1")
        sluice.wait_restarted("gateway/1", pid)
    numbers = [int(line.split()[1]) for line in sluice.notes("starts")]
    assert len(numbers) == len(set(numbers))
    last = max(numbers)
    assert sluice.stop() == 0
    sluice.start()
    assert min(int(x.split()[1]) for x in sluice.notes("starts")[len(numbers) :]) > last


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
def test_children_that_do_not_stop_are_killed_within_5_s(rogues):
    """Every child ignores STOP."""
    sluice = rogues()
    for role in ROLES:
        sluice.script(role, "stubborn")
    sluice.start()
    begin = time.monotonic()
    assert sluice.stop() == 0
    assert time.monotonic() - begin < deadline(5)
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


@pytest.mark.slow
def test_double_forked_orphans_are_reaped(rogues):
    """A role's daemonised grandchildren end, and no zombie stays."""
    sluice = rogues({"supervise": {"circuit_deaths": 100}}).script("health", "orphans 5").start()
    wait_until(lambda: len(sluice.family()) == 8, 20, "only sluiced and its seven children")
    sluice.kill("health")
    sluice.script("health")
    sluice.wait_ready()
    wait_until(lambda: len(sluice.family()) == 8, 20, "again")
    with open(f"/proc/{sluice.process.pid}/task/{sluice.process.pid}/children",
              encoding="ascii") as file:  # fmt: skip
        assert len(file.read().split()) == 7


def test_children_leave_when_the_supervisor_is_killed(rogues):
    """SIGKILL of sluiced: no process is left, and a new one starts at once."""
    sluice = rogues().start()
    sluice.process.kill()
    wait_until(lambda: sluice.family() == [], 5, "all children gone")
    sluice.start()


def test_a_second_supervisor_is_refused_with_the_pid_of_the_first(rogues):
    """The same state directory."""
    sluice = rogues().start()
    second = subprocess.run(
        [sluice.program("sluiced"), "-c", sluice.conf_file],
        capture_output=True, text=True, timeout=deadline(10), env=sluice.env, check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert f"another sluiced (pid {sluice.process.pid})" in second.stderr
    assert len(sluice.status()) == 7


def test_a_runtime_directory_in_use_is_refused_and_its_sockets_stay(rogues):
    """Another state directory, the same runtime directory."""
    first = rogues().start()
    runtime = first.conf["runtime_directory"]
    with socket.socket(socket.AF_UNIX) as bus:
        bus.bind(f"{runtime}/bus/store.1.sub")
        second = rogues({"runtime_directory": runtime}).start(ready=False)
        wait_until(lambda: not second.process.running(), 10, "the second one ends")
        assert f"another sluiced (pid {first.process.pid}) runs on {runtime}" in second.log()
        assert "another runtime_directory" in second.log()
        assert os.path.exists(f"{runtime}/bus/store.1.sub")
    assert len(first.status()) == 7


def test_a_port_in_use_is_named_with_the_remedy(rogues):
    """Somebody listens on the configured port; with SO_REUSEPORT too."""
    sluice = rogues()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", sluice.port))
        other.listen()
        sluice.start(ready=False)
        wait_until(lambda: not sluice.process.running(), 10, "exit")
    assert sluice.process.exit_status == 1
    assert f"listen 127.0.0.1 port {sluice.port}: Address already in use" in sluice.log()
    assert "write another port" in sluice.log()


def test_a_state_directory_without_rights_is_named_with_the_remedy(tmp_path):
    """As a user that may not write there (root may write anywhere)."""
    shutil.copy(binary("sluiced"), "/tmp/sl-sluiced-copy")
    os.chmod("/tmp/sl-sluiced-copy", 0o755)
    os.makedirs("/tmp/sl-noright", 0o755, exist_ok=True)
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    try:
        with open("/tmp/sl-noright/c.yaml", "w", encoding="utf-8") as file:
            file.write("state_directory: /tmp/sl-noright/state\n")
        refused = subprocess.run([*as_nobody, "mkdir", "/tmp/sl-noright/x"], capture_output=True)
        assert refused.returncode != 0, "the test needs a user without rights"
        done = subprocess.run(
            [*as_nobody, "/tmp/sl-sluiced-copy", "-c", "/tmp/sl-noright/c.yaml"],
            capture_output=True, text=True, timeout=deadline(10), check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert "/tmp/sl-noright/state" in done.stderr and "install -d -m 700" in done.stderr
    finally:
        shutil.rmtree("/tmp/sl-noright")
        os.unlink("/tmp/sl-sluiced-copy")


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
    holder = granted()[0]
    sluice.kill(holder)
    wait_until(lambda: len(granted()) == 11, 5, "the next one")
    for name in names:
        sluice.script(f"watcher-{name}", "slot", "return")
    sluice.ctl("restart", granted()[1])
    wait_until(lambda: len(set(granted())) == 12, 10, "everyone in the end")


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


def test_a_bad_message_is_counted_and_the_child_goes_on(rogues):
    """Garbage on the channel: logged once, counted."""
    sluice = rogues().script("health", "garbage").start()
    row = wait_until(
        lambda: sluice.status()["health"]["bad_messages"] == 1 and sluice.status()["health"],
        5, "counted",
    )  # fmt: skip
    assert row["state"] == "ready"


def test_reload_starts_and_stops_watchers_and_refuses_a_bad_file(rogues):
    """SIGHUP and `sluicectl reload`; the others keep their pids."""
    sluice = rogues().start()
    before = sluice.status()
    sluice.write_conf({"clusters": ["prod", "west"]})
    sluice.ctl("reload")
    wait_until(lambda: "watcher/dev" not in sluice.status(), 10, "watcher/dev gone")
    rows = sluice.wait_ready()
    assert rows["watcher/west"]["state"] == "ready"
    assert rows["watcher/prod"]["pid"] == before["watcher/prod"]["pid"]
    with open(sluice.conf_file, "a", encoding="utf-8") as file:
        file.write("lisen: 127.0.0.1:1\n")
    answer = sluice.ctl("reload", check=False)
    assert answer.returncode == 1 and "did you mean listen?" in answer.stderr
    os.kill(sluice.process.pid, signal.SIGHUP)
    wait_until(lambda: sluice.log().count("the old configuration stays") == 2, 5, "logged")
    assert set(sluice.status()) == set(rows)


def test_reload_with_an_unreadable_kubeconfig_stops_no_watcher(rogues):
    """Half an edit of the kubeconfig: refused with the place; a whole one is taken."""
    contexts = "contexts: [{name: %s, context: {cluster: c, user: u}}]\ncurrent-context: %s\n"
    sluice = rogues(clusters=())
    kubeconfig = f"{sluice.directory}/kubeconfig"

    def write(text):
        with open(kubeconfig, "w", encoding="utf-8") as file:
            file.write(text)

    write(contexts % ("prod", "prod"))
    sluice.write_conf({"kubeconfig": kubeconfig, "contexts": "all"})
    sluice.start()
    pid = sluice.pid("watcher/prod")
    write("contexts: [{name: pr")
    answer = sluice.ctl("reload", check=False)
    assert answer.returncode == 1
    assert "the old configuration stays" in answer.stderr and f"{kubeconfig}:" in answer.stderr
    assert sluice.status()["watcher/prod"]["pid"] == pid
    write(contexts % ("west", "west"))
    sluice.ctl("reload")
    wait_until(lambda: "watcher/prod" not in sluice.status(), 10, "watcher/prod gone")
    assert "watcher/west" in sluice.wait_ready()


def test_a_reload_tries_what_had_failed_and_says_what_it_cannot_change(rogues):
    """Exit 78 opens the circuit for minutes; whoever reloads has mended something."""
    sluice = rogues().script("watcher-dev", "die 78").start(ready=False)
    wait_until(
        lambda: sluice.status()["watcher/dev"]["state"] == "failed",
        10, "failed", ignore=(AssertionError, KeyError),
    )  # fmt: skip
    sluice.script("watcher-dev").write_conf({"supervise": {"circuit_deaths": 9}})
    sluice.ctl("reload")
    sluice.wait_ready(timeout=5)
    assert "supervise.circuit_deaths changes with a restart of the service only" in sluice.log()


@pytest.mark.slow
def test_a_reload_while_the_service_stops_starts_nothing(rogues):
    """SIGHUP between SIGTERM and the end."""
    sluice = rogues().script("store", "stubborn").start()
    os.kill(sluice.process.pid, signal.SIGTERM)
    wait_until(lambda: sluice.status()["gateway/0"]["state"] == "stopped", 5, "first phases")
    sluice.write_conf({"clusters": ["prod", "dev", "west"]})
    os.kill(sluice.process.pid, signal.SIGHUP)
    wait_until(lambda: not sluice.process.running(), 10, "the service ends")
    assert "reload: the service is stopping" in sluice.log()
    assert not any(line.startswith("watcher/west") for line in sluice.notes("starts"))


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
        while not any("READY=1" in m for m in got) or got.count("WATCHDOG=1") < 2:
            got.append(notify.recv(4096).decode())
        wait_until(lambda: os.path.exists(f"{sluice.directory}/run/control"), 5, "control")
        assert sluice.stop() == 0
        while not any("STOPPING=1" in m for m in got):
            got.append(notify.recv(4096).decode())
    assert any("failed: watcher/dev" in m for m in got)
    assert "NOTIFY_SOCKET" not in "".join(sluice.notes("starts"))


def test_two_contexts_with_one_slug_are_both_named_and_the_others_go_on(rogues):
    """contexts: all over "Prod X" and "prod x"; and an unreadable kubeconfig."""
    sluice = rogues({"contexts": "all"}, clusters=())
    contexts = "".join(
        f"- name: {name}\n  context: {{cluster: c, user: u}}\n"
        for name in ('"Prod X"', '"prod x"', "other")
    )
    with open(f"{sluice.directory}/kubeconfig", "w", encoding="utf-8") as file:
        file.write(
            "apiVersion: v1\nkind: Config\ncurrent-context: other\n"
            "clusters:\n- name: c\n  cluster: {server: 'https://127.0.0.1:1'}\n"
            f"users:\n- name: u\n  user: {{token: t}}\ncontexts:\n{contexts}"
        )
    sluice.write_conf({"kubeconfig": f"{sluice.directory}/kubeconfig"})
    rows = sluice.start().status()
    assert [name for name in rows if name.startswith("watcher/")] == ["watcher/other"]
    assert '"Prod X" and "prod x" both get the cluster id "prod-x"' in sluice.log()
    sluice.write_conf({"kubeconfig": f"{sluice.directory}/missing", "clusters": ["kept"],
                       "contexts": "all"})  # fmt: skip
    sluice.stop()
    sluice.start()
    assert "watcher/kept" in sluice.status()
    assert re.search(r"error sluiced: clusters: .*missing", sluice.log())


def test_t_prints_a_configuration_that_reads_back_the_same(tmp_path):
    """Exit 0; the print of the print is the print."""
    file = tmp_path / "a.yaml"
    file.write_text("journal: {size: 2GiB, sync: always}\nstreams: {job: {idle_timeout: off}}\n")
    once = run_sluiced(tmp_path, "-t", "-c", str(file))
    assert once.returncode == 0 and "sync: always" in once.stdout
    file.write_text(once.stdout)
    assert run_sluiced(tmp_path, "-t", "-c", str(file)).stdout == once.stdout


def test_t_prints_no_password(tmp_path):
    """That of MongoDB; and a URI that cannot be read is refused without showing it."""
    file = tmp_path / "c.yaml"
    file.write_text("mongodb: mongodb://bob:s3cr%40t@h:27017/db?w=1\n")
    done = run_sluiced(tmp_path, "-t", "-c", str(file))
    assert done.returncode == 0 and 'mongodb: "mongodb://bob:***@h:27017/db?w=1"' in done.stdout
    file.write_text("mongodb: mongodb://bob:s3:cr@h:27017/db\n")
    done = run_sluiced(tmp_path, "-t", "-c", str(file))
    assert done.returncode == 78 and f"{file}:1: mongodb: has a : / ?" in done.stderr
    assert "s3" not in done.stdout + done.stderr


def test_the_unit_keeps_secrets_out_of_the_journal_and_obeys_sluicectl_stop():
    """Its reload runs `sluiced -t`, which prints the configuration; status 0 is no failure."""
    path = os.path.join(os.path.dirname(__file__), "../../systemd/sluice.service")
    with open(path, encoding="utf-8") as file:
        unit = file.read().splitlines()
    assert "ExecReload=@SBINDIR@/sluiced -t" in unit
    assert "StandardOutput=null" in unit and "StandardError=journal" in unit
    assert [line for line in unit if line.startswith("Restart=")] == ["Restart=on-failure"]


def test_t_lists_every_problem_and_exits_78(tmp_path):
    """file:line: key: what, and what would be right."""
    file = tmp_path / "b.yaml"
    file.write_text("listen: 0.0.0.0:80\nhaelth: {}\nauth: jwt\njournal:\n  sync: often\n")
    done = run_sluiced(tmp_path, "-t", "-c", str(file))
    assert done.returncode == 78 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith(f'{file}:1: listen: "0.0.0.0:80" is not loopback')
    assert lines[1] == f"{file}:2: haelth: unknown key; did you mean health?"
    assert lines[2].startswith(f"{file}:3: auth: this version admits only")
    assert lines[3].startswith(f"{file}:5: journal.sync:")
    missing = run_sluiced(tmp_path, "-t", "-c", str(tmp_path / "none.yaml"))
    assert missing.returncode == 78 and "cannot be opened" in missing.stderr


def test_dot_draws_the_life_of_a_child(tmp_path):
    """sluiced --dot is a digraph with every state."""
    text = run_sluiced(tmp_path, "--dot").stdout
    assert text.startswith("digraph child {")
    assert 'ready -> hung [label="hung / abort"]' in text


def test_status_as_json_has_a_row_for_each_process(rogues):
    """The form the other tests and scripts read."""
    sluice = rogues().start()
    answer = json.loads(sluice.ctl("--json", "status"))
    row = answer["processes"][0]
    assert {"process", "state", "pid", "since", "restarts", "deaths"} <= set(row)
    assert {"circuit", "cause", "last_death", "status"} <= set(row)
