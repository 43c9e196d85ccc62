"""What the supervisor is started with and reloads: what it takes, and what it refuses and why."""

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.process import plain_environment
from tests.bed.sluice import binary


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


def test_no_more_gateways_than_open_files_and_the_remedy(rogues):
    """The address is right: another would not help."""
    sluice = rogues(gateways=40).limit_files(30, 30)
    sluice.start(ready=False)
    wait_until(lambda: not sluice.process.running(), 10, "sluiced ends")
    assert "Too many open files; allow more open files" in sluice.log()


def test_the_limit_of_open_files_is_raised_and_one_that_is_too_low_is_named(rogues):
    """A shell's soft limit of 1024 would be used up by 500 clusters."""
    sluice = rogues().limit_files(14, 4096).start()
    with open(f"/proc/{sluice.pid('watcher/prod')}/limits", encoding="ascii") as file:
        assert re.search(r"^Max open files +4096 +4096 ", file.read(), re.MULTILINE)
    low = rogues().limit_files(20, 20).start(ready=False)
    wait_until(lambda: "cannot be started: " in low.log(), 10, "too few descriptors")
    assert "Too many open files; allow more open files: LimitNOFILE= of the unit" in low.log()


def test_what_children_make_is_for_this_user_alone(rogues):
    """Also in a state directory that everybody may look into."""
    sluice = rogues().start()
    with open(f"/proc/{sluice.pid('store')}/status", encoding="ascii") as file:
        assert re.search(r"^Umask:\s+0077$", file.read(), re.MULTILINE)


def test_a_state_directory_without_rights_is_named_with_the_remedy(tmp_path):
    """As a user that may not write there (root may write anywhere)."""
    # pytest's own directories are root's alone.
    place = tempfile.mkdtemp(prefix="sl-", dir="/tmp")
    os.chmod(place, 0o755)
    program = shutil.copy(binary("sluiced"), place)
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    try:
        with open(f"{place}/c.yaml", "w", encoding="utf-8") as file:
            file.write(f"state_directory: {place}/state\n")
        refused = subprocess.run([*as_nobody, "mkdir", f"{place}/x"], capture_output=True)
        assert refused.returncode != 0, "the test needs a user without rights"
        done = subprocess.run(
            [*as_nobody, program, "-c", f"{place}/c.yaml"],
            capture_output=True, text=True, timeout=deadline(10), check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert f"{place}/state" in done.stderr and "install -d -m 700" in done.stderr
    finally:
        shutil.rmtree(place)


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
    # Far earlier than the circuit would be tried again.
    sluice.wait_ready(timeout=20)
    assert "supervise.circuit_deaths changes with a restart of the service only" in sluice.log()


def test_a_reload_names_what_waits_for_a_restart_and_takes_the_log_level_at_once(rogues):
    """Nobody believes that the new journal.retain is in force."""
    sluice = rogues({"log": {"level": "info"}}).start()
    sluice.ctl("stop", "watcher/dev")
    wait_until(lambda: sluice.status()["watcher/dev"]["state"] == "stopped", 10, "stopped")
    sluice.write_conf({
        "journal": {"retain": "48h"}, "streams": {"default": {"retry": "5s"}},
        "mongodb": "mongodb://127.0.0.1:1/x", "log": {"level": "debug"},
        "clusters": ["prod", {"id": "dev", "context": "other"}],
    })  # fmt: skip
    sluice.ctl("reload")
    log = sluice.log()
    assert "journal.retain: in force once broker is restarted: sluicectl restart broker" in log
    assert "streams: in force once gateway is restarted" in log
    assert "mongodb: in force once store is restarted" in log
    assert log.count("in force once") == 3
    sluice.ctl("stop", "health")
    wait_until(lambda: "debug health: stop: asked" in sluice.log(), 5, "health logs more")
    # Stopped by the operator: an entry that changed does not start it.
    assert sluice.status()["watcher/dev"]["state"] == "stopped"


def test_a_reload_that_cannot_reach_every_child_reaches_none(rogues):
    """Its descriptors end while it writes what each is told: all keep what they have."""
    sluice = rogues().start()
    pid = sluice.process.pid
    before = {name: row["pid"] for name, row in sluice.status().items()}
    sluice.write_conf({"clusters": ["prod"], "log": {"level": "warn"}})
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    free = [number for number in range(1 << 16) if number not in used]
    # Enough to read the file, not for seven children.
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[3], limits[1]))
    os.kill(pid, signal.SIGHUP)
    wait_until(lambda: "the old configuration stays" in sluice.log(), 10, "refused")
    assert re.search(r"configuration for \S+: memfd_create: Too many open files", sluice.log())
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    assert {name: row["pid"] for name, row in sluice.status().items()} == before
    sluice.ctl("reload")
    wait_until(lambda: "watcher/dev" not in sluice.status(), 10, "the watcher is gone")


def test_a_hangup_before_the_loop_is_a_reload_not_the_end(rogues):
    """It is pending, and blocked, when sluiced is executed."""
    sluice = rogues().wrap(
        "#!/usr/bin/env python3\n"
        "import os, signal, sys\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})\n"
        "os.kill(os.getpid(), signal.SIGHUP)\n"
        'os.execv(sys.argv[0] + ".real", sys.argv)\n'
    )
    sluice.start()
    assert "reload: done" in sluice.log()


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
    file.write_text("listen: 0.0.0.0:80\nhaelth: {}\nauth: jtw\njournal:\n  sync: often\n")
    done = run_sluiced(tmp_path, "-t", "-c", str(file))
    assert done.returncode == 78 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 4
    assert lines[0] == f"{file}:2: haelth: unknown key; did you mean health?"
    assert lines[1] == f'{file}:3: auth: "jtw" must be one of none|jwt'
    assert lines[2].startswith(f"{file}:5: journal.sync:")
    assert lines[3].startswith(f'{file}:1: listen: "0.0.0.0" is not loopback, and with auth: none')
    missing = run_sluiced(tmp_path, "-t", "-c", str(tmp_path / "none.yaml"))
    assert missing.returncode == 78 and "cannot be opened" in missing.stderr


def test_t_says_what_tokens_need(tmp_path):
    """With auth: jwt: keys and an audience, and a file of keys that can be read."""
    file = tmp_path / "t.yaml"
    file.write_text("listen: 0.0.0.0:80\nauth: jwt\n")
    done = run_sluiced(tmp_path, "-t", "-c", str(file))
    lines = done.stderr.splitlines()
    assert done.returncode == 78 and len(lines) == 2
    assert lines[0].startswith(f"{file}:2: jwt.jwks_file: is needed with auth: jwt; write the path")
    assert lines[1].startswith(f"{file}:2: jwt.audience: is needed with auth: jwt, or a token")
    keys = tmp_path / "keys.json"
    file.write_text(f"auth: jwt\njwt:\n  jwks_file: {keys}\n  audience: a\n")
    done = run_sluiced(tmp_path, "-t", "-c", str(file))
    assert done.returncode == 78
    assert f"{file}: jwt.jwks_file: {keys}: No such file or directory;" in done.stderr
    keys.mkdir()
    assert "is no file" in run_sluiced(tmp_path, "-t", "-c", str(file)).stderr
    keys.rmdir()
    keys.write_text("{}")
    done = run_sluiced(tmp_path, "-t", "-c", str(file))
    assert done.returncode == 0 and "auth: jwt\n" in done.stdout


def test_dot_draws_the_life_of_a_child(tmp_path):
    """sluiced --dot is a digraph with every state."""
    text = run_sluiced(tmp_path, "--dot").stdout
    assert text.startswith("digraph child {")
    assert 'ready -> hung [label="hung / abort"]' in text
