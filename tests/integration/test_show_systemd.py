"""The unit under a real systemd, installed by `make install`, in a throw-away root."""

import json
import re
import shutil
import signal

import pytest

from tests.bed.kernel import landlock
from tests.bed.net import wait_until
from tests.bed.sluice import binary
from tests.bed.systemd import SystemdRoot

from .systemd_unit import (
    CONF,
    CONF_FILE,
    PROBE,
    PROCESSES,
    begin_cluster,
    first_frame,
    mark_of,
    note_log,
    open_stream,
    port_taken,
    publish,
    since,
    texts,
)

# One root for all, so one process runs them. The unit is for the release build: a sanitizer does
# not run under its system call filter.
pytestmark = [pytest.mark.slow, pytest.mark.systemd, pytest.mark.xdist_group("systemd")]

# The unit's own promise is TimeoutStopSec=15, sluiced's that it needs 5.
STOP_SECONDS = 15
ERROR, WARNING = 3, 4


@pytest.fixture(scope="module")
def root():
    """A booted root with Sluice installed, enabled, and watching two simulated clusters."""
    with SystemdRoot() as booted:
        shutil.copy(binary("kubesim"), f"{booted.root}/opt/kubesim")
        booted.install(CONF)
        for name in ("prod", "dev"):
            begin_cluster(booted, name)
        booted.systemctl("enable", "--now", "sluice")
        yield booted


@pytest.fixture(name="unit")
def running_unit(root):
    """The root with the unit as installed, running, and all its starts forgotten."""
    root.write(CONF_FILE, CONF)
    root.drop_in()
    root.systemctl("reset-failed", "sluice")
    if root.properties("ActiveState")["ActiveState"] != "active":
        root.systemctl("start", "sluice")
    root.wait_ready()
    yield root
    root.drop_in()


# --- start ---


def test_the_unit_is_correct_and_its_file_says_so(root):
    """systemd-analyze verify has nothing to say."""
    unit = root.properties("FragmentPath")["FragmentPath"]
    done = root.run("systemd-analyze", "verify", "--man=no", unit)
    assert done.stdout + done.stderr == ""


def test_it_starts_by_enable_is_ready_when_all_processes_are_and_warns_of_nothing(root):
    """READY=1 ends the start; STATUS= stands in `systemctl status`; no warning in the journal."""
    assert root.systemctl("is-active", "sluice").strip() == "active"
    assert root.systemctl("is-enabled", "sluice").strip() == "enabled"
    assert root.properties("Type", "SubState") == {"Type": "notify", "SubState": "running"}
    assert set(root.wait_ready()) == PROCESSES
    wait_until(
        lambda: 'Status: "7 of 7 processes ready"' in root.systemctl("status", "sluice"), 10,
        "the number of ready processes in systemctl status",
    )  # fmt: skip
    # `systemctl restart` returns when READY=1 has come; systemctl start as well.
    root.systemctl("restart", "sluice")
    assert {row["state"] for row in root.rows().values()} == {"ready"}
    # A busy machine's delay of a loop is told as what it is; it is nothing of the unit's.
    warnings = texts(since(root, 0, worst=WARNING))
    assert [text for text in warnings if "loop was late" not in text] == []


def test_everything_runs_as_the_user_sluice_in_directories_of_its_own(unit):
    """Made by sysusers, tmpfiles and the unit; root's sluicectl finds the socket."""
    user = unit.run("getent", "passwd", "sluice").stdout.strip().split(":")
    assert user[5:] == ["/var/lib/sluice", "/usr/sbin/nologin"] and int(user[2]) > 0
    pids = unit.pids()
    assert len(pids) == 1 + len(PROCESSES) and unit.main_pid() in pids
    for pid in pids:
        status = unit.process_status(pid)
        assert status["Uid"].split() == [user[2]] * 4 and status["Gid"].split() == [user[3]] * 4
        assert status["Groups"] in ("", user[3])
        assert {status[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    rights = unit.run(
        "stat", "-c", "%n %a %U %G", "/etc/sluice", "/var/lib/sluice", "/run/sluice",
        "/var/lib/sluice/journal", "/var/lib/sluice/sluice.db", "/run/sluice/control",
    ).stdout.splitlines()  # fmt: skip
    assert rights == [
        "/etc/sluice 750 root sluice",
        "/var/lib/sluice 700 sluice sluice",
        "/run/sluice 700 sluice sluice",
        "/var/lib/sluice/journal 700 sluice sluice",
        "/var/lib/sluice/sluice.db 600 sluice sluice",
        "/run/sluice/control 600 sluice sluice",
    ]


def test_a_change_in_a_cluster_reaches_a_stream_from_within_the_sandbox(unit):
    """The watchers read kubeconfigs that only root and the user sluice can."""
    for name in ("prod", "dev"):
        frame = first_frame(unit, f"stream=resource:{name}/*&snapshot=0", "status_update")
        assert frame["stream_key"].startswith(f"resource:{name}/")


def test_the_limits_of_the_unit_are_those_of_its_processes(unit):
    """Files, no core, out of memory: for one process only; a child's umask."""
    shown = unit.properties(
        "LimitNOFILE", "LimitCORE", "OOMPolicy", "KillMode", "WatchdogUSec", "TimeoutStopUSec",
        "TimeoutStartUSec", "Restart", "NotifyAccess",
    )  # fmt: skip
    assert shown == {
        "LimitNOFILE": "65536", "LimitCORE": "0", "OOMPolicy": "continue", "KillMode": "mixed",
        "WatchdogUSec": "15s", "TimeoutStopUSec": "15s", "TimeoutStartUSec": "1min",
        "Restart": "on-failure", "NotifyAccess": "main",
    }  # fmt: skip
    # Without CAP_SYS_RESOURCE systemd itself cannot lift its own limit.
    most = re.search(r"Max open files +\d+ +(\d+)", unit.run("cat", "/proc/1/limits").stdout)[1]
    can_lift = int(unit.process_status(1)["CapEff"], 16) >> 24 & 1
    files = str(65536 if can_lift else min(65536, int(most)))
    for pid in unit.pids():
        limits = unit.run("cat", f"/proc/{pid}/limits").stdout
        assert re.search(r"Max open files +(\d+) +(\d+)", limits).groups() == (files, files)
        assert re.search(r"Max core file size +0 +0 ", limits)
        assert unit.process_status(pid)["Umask"] == "0077"


# --- the sandbox ---


def test_the_sandbox_is_on(unit):
    """Told from inside, by a process of the unit; and what systemd-analyze makes of it."""
    unit.write("/opt/probe.py", PROBE)
    unit.drop_in("ExecStartPre=/usr/bin/python3 -I -B /opt/probe.py")
    unit.systemctl("restart", "sluice")
    found = json.loads(unit.run("cat", "/run/sluice/probe").stdout)
    print(json.dumps(found, indent=1))
    assert found.pop("writable") == [
        "/dev/shm", "/run/sluice", "/tmp", "/var/lib/sluice", "/var/tmp",
    ]  # fmt: skip
    assert found.pop("pids") == []
    assert not {"mem", "kmsg", "sda", "vda", "fuse", "kvm"} & set(found.pop("devices"))
    assert found.pop("root's home") in ("Permission denied", "No such file or directory")
    assert found.pop("usr") == found.pop("etc") == "Read-only file system"
    assert set(found.pop(name) for name in ("netlink", "packets")) == {
        "Address family not supported by protocol"
    }
    # What is left is refused by the system call filter.
    assert len(found) == 7 and set(found.values()) == {"Operation not permitted"}
    said = unit.run("systemd-analyze", "security", "--no-pager", "sluice").stdout.splitlines()[-1]
    print(said)
    # 1.2 with systemd 252; 0 is best, 10 is worst, and each option that gets lost adds to it.
    assert float(re.search(r"sluice.service: ([\d.]+)", said)[1]) <= 1.3


def test_the_gateways_close_their_own_sandbox_in_that_of_the_unit(unit):
    """The unit's filter of system calls leaves them those by which they give up more."""
    said = [text for text in texts(since(unit, 0)) if "sandbox: " in text]
    version = landlock()
    assert said and all((f"files by landlock {version}," in t) == (version > 0) for t in said)
    for name in [name for name in unit.rows() if name.startswith("gateway/")]:
        filters = unit.process_status(unit.rows()[name]["pid"])["Seccomp_filters"]
        above = unit.process_status(unit.main_pid())["Seccomp_filters"]
        assert int(filters) == int(above) + 1


def test_its_temporary_files_are_not_the_machines(unit):
    """Other programs see nothing of them; /dev/shm is one process's own."""
    files = [f"{place}/sluice-was-here" for place in ("/tmp", "/var/tmp", "/dev/shm")]
    unit.drop_in(f"ExecStartPre=/usr/bin/touch {' '.join(files)}")
    unit.systemctl("restart", "sluice")
    assert all(unit.run("ls", file, check=False).returncode != 0 for file in files)
    unit.run("ls", *(f"/proc/{unit.main_pid()}/root{file}" for file in files[:2]))


# --- deaths ---


@pytest.mark.parametrize("name", ["watcher/dev", "broker"])
def test_a_killed_child_does_not_restart_the_unit(unit, name):
    """SIGKILL of one: the others and an open stream stay, systemd has nothing to do."""
    stream = open_stream(unit, "stream=resource:*&snapshot=0", "status_update")
    names = ("MainPID", "NRestarts", "ActiveEnterTimestampMonotonic", "InvocationID")
    before, rows = unit.properties(*names), unit.rows()
    unit.kill(rows[name]["pid"], signal.SIGKILL)

    def again():
        row = unit.rows()[name]
        return row["state"] == "ready" and row["pid"] not in (0, rows[name]["pid"])

    wait_until(again, 20, f"{name} ready again")
    assert unit.properties(*names) == before
    now = unit.rows()
    assert {n: now[n]["pid"] for n in PROCESSES - {name}} == {
        n: rows[n]["pid"] for n in PROCESSES - {name}
    }
    assert stream.running()
    stream.stop()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_a_killed_supervisor_is_started_again_and_leaves_no_process(unit, number):
    """Restart=on-failure; the children leave with it; what was published is there."""
    position = publish(unit, 1)
    last = publish(unit, 2)
    before, restarts = unit.pids(), int(unit.properties("NRestarts")["NRestarts"])
    unit.kill(unit.main_pid(), number)
    wait_until(
        lambda: int(unit.properties("NRestarts")["NRestarts"]) == restarts + 1, 20, "a restart"
    )
    unit.wait_ready()
    assert not before & unit.pids() and len(unit.pids()) == 1 + len(PROCESSES)
    query = f"stream=job:unit&last_event_id={position}"
    assert first_frame(unit, query, "job.progress")["id"] == last


def test_a_hung_supervisor_is_found_by_the_watchdog_and_started_again(unit):
    """WatchdogSec, shortened; SIGSTOP stands for a loop that hangs."""
    unit.drop_in("WatchdogSec=4")
    unit.systemctl("restart", "sluice")
    unit.wait_ready()
    first = int(unit.properties("WatchdogTimestampMonotonic")["WatchdogTimestampMonotonic"])

    def pinged():
        now = unit.properties("WatchdogTimestampMonotonic")["WatchdogTimestampMonotonic"]
        return int(now) > first + 4_000_000

    # More often than it must: the unit outlives its watchdog's time.
    wait_until(pinged, 20, "watchdog pings over more than WatchdogSec")
    assert unit.properties("NRestarts")["NRestarts"] == "0"
    before, mark = unit.pids(), mark_of(unit)
    unit.kill(unit.main_pid(), signal.SIGSTOP)
    wait_until(lambda: unit.properties("NRestarts")["NRestarts"] == "1", 40, "a restart")
    unit.wait_ready()
    assert not before & unit.pids()
    said = "\n".join(texts(since(unit, mark)))
    assert "Watchdog timeout (limit 4s)!" in said
    assert "Failed with result 'watchdog'" in said
    # It ends by SIGABRT although it was stopped; then systemd kills at once whom it left.
    assert "timed out" not in said


# --- stop, restart, reload ---


def test_a_restart_keeps_what_was_published_and_stops_in_order_without_a_sigkill(unit):
    """The journal has the order; systemd has nothing to kill; ids go on."""
    position = publish(unit, 1)
    last = publish(unit, 2)
    mark, pids = mark_of(unit), unit.pids()
    unit.systemctl("restart", "sluice")
    unit.wait_ready()
    assert not pids & unit.pids()
    said = texts(since(unit, mark))
    stopping = [re.search(r"state: (\w+)[^ ]*: ready -> stopping", text) for text in said]
    order = [found[1] for found in stopping if found]
    rank = {"watcher": 0, "health": 0, "gateway": 1, "store": 2, "broker": 3}
    assert [rank[role] for role in order] == sorted(rank[role] for role in order)
    assert len(order) == len(PROCESSES)
    assert "sluice.service: Deactivated successfully." in said
    assert not [text for text in said if re.search("SIGKILL|[Kk]illing|timed out", text)]
    query = f"stream=job:unit&last_event_id={position}"
    assert first_frame(unit, query, "job.progress")["id"] == last
    assert int(publish(unit, 3).rpartition("-")[2]) > int(last.rpartition("-")[2])


def test_a_stop_closes_streams_and_ends_within_its_limit(unit):
    """stream.closing to who reads; nothing is left of the unit, its runtime directory neither."""
    stream = open_stream(unit, "stream=resource:*&snapshot=0", "status_update")
    unit.systemctl("stop", "sluice", timeout=STOP_SECONDS)
    assert unit.properties("ActiveState", "Result", "ExecMainStatus") == {
        "ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0",
    }  # fmt: skip
    wait_until(lambda: not stream.running(), 10, "the stream ends")
    assert "event: stream.closing" in stream.tail(20)
    note_log(stream)
    assert unit.pids() == set()
    assert unit.run("ls", "/run/sluice", check=False).returncode != 0


def test_sluicectl_stop_is_not_taken_for_a_failure(unit):
    """It stays stopped: Restart= is on-failure; and sluicectl names the way back."""
    unit.ctl("stop")
    unit.wait_state("inactive")
    assert unit.properties("Result", "NRestarts") == {"Result": "success", "NRestarts": "0"}
    done = unit.run("sluicectl", "status", check=False)
    assert done.returncode != 0 and "systemctl start sluice" in done.stderr


def test_a_reload_takes_effect_without_a_restart(unit):
    """log.level; systemctl reload."""
    before, mark = unit.pids(), mark_of(unit)
    unit.write(CONF_FILE, CONF + "log: {level: debug}\n")
    unit.systemctl("reload", "sluice")
    wait_until(
        lambda: any(message["PRIORITY"] == "7" for message in since(unit, mark)), 20,
        "a line of the level debug",
    )  # fmt: skip
    assert unit.pids() == before
    assert not since(unit, mark, worst=ERROR)
    unit.write(CONF_FILE, CONF)
    unit.systemctl("reload", "sluice")


def test_a_reload_of_a_bad_file_fails_and_the_service_runs_on(unit):
    """sluiced -t refuses it before the running one hears of it; the journal says what is wrong."""
    before, mark = unit.pids(), mark_of(unit)
    unit.write(CONF_FILE, CONF + "lissten: 127.0.0.1:1\n")
    done = unit.run("systemctl", "reload", "sluice", check=False)
    assert done.returncode != 0
    assert unit.systemctl("is-active", "sluice").strip() == "active" and unit.pids() == before
    errors = texts(since(unit, mark, worst=ERROR))
    assert any(re.match(rf"sluiced: {CONF_FILE}:6: lissten: .*listen", text) for text in errors)
    unit.write(CONF_FILE, CONF)
    unit.systemctl("reload", "sluice")


# --- failures ---


def test_a_bad_configuration_fails_the_unit_at_once_and_says_where(unit):
    """Exit status 78 is not tried again; `systemctl status` and the journal name line and key."""
    mark = mark_of(unit)
    unit.write(CONF_FILE, CONF + "gateway.processes: many\nlissten: 127.0.0.1:1\n")
    done = unit.run("systemctl", "restart", "sluice", check=False)
    assert done.returncode != 0
    assert unit.properties("ActiveState", "Result", "ExecMainStatus", "NRestarts") == {
        "ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "78", "NRestarts": "0",
    }  # fmt: skip
    # It shows of the journal what that has: the lines may still be on their way there.
    unit.run("journalctl", "--sync")
    shown = unit.systemctl("status", "sluice", check=False)
    assert re.search(rf'Status: "{CONF_FILE}:6: .*"', shown), shown
    assert re.search(rf"sluiced: {CONF_FILE}:7: lissten: .*listen", shown), shown
    errors = since(unit, mark, worst=ERROR)
    errors = [message for message in errors if message["SYSLOG_IDENTIFIER"] == "sluiced"]
    assert len(errors) == 2 and {message["PRIORITY"] for message in errors} == {"3"}
    unit.write(CONF_FILE, CONF)
    unit.systemctl("start", "sluice")
    unit.wait_ready()


def test_a_start_that_fails_again_and_again_is_given_up_with_its_reason(unit):
    """The port is taken: StartLimitBurst (shortened), then failed; and the way back."""
    assert unit.properties("StartLimitBurst", "StartLimitIntervalUSec", "RestartUSec") == {
        "StartLimitBurst": "10", "StartLimitIntervalUSec": "5min", "RestartUSec": "1s",
    }  # fmt: skip
    unit.systemctl("stop", "sluice")
    unit.drop_in("RestartSec=100ms", "[Unit]", "StartLimitBurst=3")
    unit.systemctl("reset-failed", "sluice")
    with port_taken(unit):
        mark = mark_of(unit)
        done = unit.run("systemctl", "start", "sluice", check=False)
        assert done.returncode != 0
        wait_until(
            lambda: "Start request repeated too quickly" in "".join(texts(since(unit, mark))), 30,
            "the start limit",
        )  # fmt: skip
        unit.wait_state("failed")
        errors = [m for m in since(unit, mark, worst=ERROR) if m["SYSLOG_IDENTIFIER"] == "sluiced"]
        shown = unit.systemctl("status", "sluice", check=False)
    assert len(errors) == 3 and all("127.0.0.1 port 8085" in text for text in texts(errors))
    assert re.search('Status: ".*port 8085: Address already in use.*"', shown), shown
    unit.drop_in()
    # What sluiced(8) names as the way back.
    unit.systemctl("reset-failed", "sluice")
    unit.systemctl("start", "sluice")
    unit.wait_ready()


def test_every_line_of_the_journal_has_the_priority_of_its_level(unit):
    """A death is a warning or worse, a state change is not; in JSON too; no prefix is left over."""
    unit.write(CONF_FILE, CONF + "log: {format: json}\n")
    mark = mark_of(unit)
    unit.systemctl("restart", "sluice")
    rows = unit.wait_ready()
    unit.kill(rows["watcher/dev"]["pid"], signal.SIGKILL)
    wait_until(
        lambda: unit.rows()["watcher/dev"]["pid"] not in (0, rows["watcher/dev"]["pid"]), 20,
        "another watcher",
    )  # fmt: skip
    number = {"error": "3", "warning": "4", "info": "6", "debug": "7"}
    lines = [m for m in since(unit, mark) if m["MESSAGE"].startswith("{")]
    levels = [json.loads(m["MESSAGE"])["level"] for m in lines]
    assert [m["PRIORITY"] for m in lines] == [number[level] for level in levels]
    assert "info" in levels and {"warning", "error"} & set(levels)
    assert not [text for text in texts(unit.messages("--unit=sluice")) if re.match(r"<\d>", text)]
