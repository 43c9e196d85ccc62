"""A real systemd in a throw-away root, with Sluice installed in it by `make install`.

    with SystemdRoot() as root:
        root.install("sluice.yaml's text")
        root.systemctl("enable", "--now", "sluice")

The root is a directory of its own with /etc and /var of its own, over the machine's own /usr,
read-only; systemd-root.sh makes it and becomes its systemd, in mount, pid, ipc, uts, network
(loopback only) and cgroup namespaces. The machine itself is not touched. Needs root, and the
packages systemd, util-linux and curl; what is missing is said, never passed over.
"""

import json
import os
import secrets
import shutil
import subprocess

from .net import deadline, wait_until
from .process import BedError, Group
from .sluice import REPO, binary

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "systemd-root.sh")
_SYSTEMD = "/lib/systemd/systemd"
_UNITS = "/usr/lib/systemd/system"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"

_DROP_IN = "/etc/systemd/system/sluice.service.d/bed.conf"

# Of all that the units of the machine's packages would start at a boot, only these.
_STARTED = {
    "systemd-journald.service",
    "systemd-journald.socket",
    "systemd-journald-dev-log.socket",
}
_ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\n",
    "group": "root:x:0:\nadm:x:4:\nsystemd-journal:x:101:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n",
    "hostname": "sluice-bed\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}


class SystemdRoot(Group):
    """One booted systemd; a context manager.

    Attributes: root (its directory, seen from outside), process (whose log is systemd's own last
    words), journal (whose log is the whole journal, so that a failed test shows it).
    """

    def __init__(self):
        """Nothing is made yet; BedError when the machine lacks what is needed."""
        super().__init__()
        if os.geteuid() != 0:
            raise BedError("a systemd of its own needs root: run the tests as root")
        for program in (_SYSTEMD, "unshare", "nsenter", "curl"):
            if shutil.which(program) is None:
                raise BedError(f"{program} is missing: setup/setup.sh check installs it")
        self.root = None
        self.process = None
        self.journal = None
        self._init = 0
        self._cgroup = f"sluice-bed-{secrets.token_hex(4)}"

    def _start(self):
        """Makes the root, boots it, and waits until its systemd answers."""
        self.make_directory()
        self._stack.callback(self._remove_cgroup)
        self.root = f"{self.directory}/root"
        self._fill()
        namespaces = ("--mount", "--pid", "--ipc", "--uts", "--net", "--propagation", "private")
        self.process = self.add(
            "systemd",
            ("unshare", *namespaces, "--fork", "--kill-child", _SCRIPT, self.directory,
             self._cgroup),
        )  # fmt: skip
        self._stack.callback(self._end)
        self._init = wait_until(self._find_init, 20, "systemd runs")
        wait_until(self._is_up, 30, "systemd has booted")
        words = ("--follow", "--lines=all", "--output=short-precise")
        self.journal = self.enter("journal", "journalctl", *words)
        self.journal.quiet = False

    def _fill(self):
        """Writes /etc, and makes /var and what is bound over /usr/local."""
        for name in ("etc/systemd/system", "etc/systemd/system-generators", "var/lib", "var/tmp",
                     "var/log", "opt", "root"):  # fmt: skip
            os.makedirs(f"{self.root}/{name}")
        os.chmod(f"{self.root}/var/tmp", 0o1777)
        os.mkdir(f"{self.directory}/local")
        # They are what the machine has; only its owner may write them in there.
        os.chmod(self.directory, 0o755)
        for name, text in {**_ETC, "machine-id": secrets.token_hex(16) + "\n"}.items():
            self.write(f"/etc/{name}", text)
        for directory in os.listdir(_UNITS):
            if directory.endswith(".wants"):
                for unit in set(os.listdir(f"{_UNITS}/{directory}")) - _STARTED:
                    self._mask(f"system/{unit}")
        for generator in os.listdir("/usr/lib/systemd/system-generators"):
            self._mask(f"system-generators/{generator}")

    def _mask(self, name):
        """Nothing of the machine's own is started in there."""
        path = f"{self.root}/etc/systemd/{name}"
        if not os.path.lexists(path):
            os.symlink("/dev/null", path)

    def write(self, path, text, mode=0o644):
        """Writes a file of the root, from outside; PATH is as seen inside."""
        place = f"{self.root}{path}"
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(place, mode)

    # --- from outside ---

    def _find_init(self):
        """The pid, outside, of the systemd inside; None while there is only the script."""
        self.process.check()
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children",
                  encoding="ascii") as file:  # fmt: skip
            children = file.read().split()
        if not children:
            return None
        with open(f"/proc/{children[0]}/comm", encoding="utf-8") as file:
            return int(children[0]) if file.read().strip() == "systemd" else None

    def _is_up(self):
        """True once all units of the boot are started; what failed of them is an error."""
        self.process.check()
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        if state == "degraded":
            raise BedError("the boot failed: " + self.run("systemctl", "--failed").stdout)
        return state == "running"

    def _end(self):
        """Kills the first process in there, and with it the kernel kills all others."""
        self.process.ended_on_purpose = True
        self.process.kill()

    def _remove_cgroup(self):
        """Removes the cgroups, which outlive the processes that were in them."""
        if not os.path.isdir(f"{self.directory}/cgroup"):
            return
        script = (
            'mount -t cgroup2 cgroup2 "$1" && cd "$1/$2" && '
            "if [ -e cgroup.kill ]; then echo 1 >cgroup.kill; fi; "
            'find "$1/$2" -depth -type d -exec rmdir {} +'
        )

        def removed():
            """True when nothing is left; a dying process holds its cgroup for a moment."""
            done = subprocess.run(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh",
                 f"{self.directory}/cgroup", self._cgroup],
                capture_output=True, text=True, timeout=deadline(20),
            )  # fmt: skip
            return done.returncode == 0 or "can't cd" in done.stderr

        wait_until(removed, 10, f"cgroup {self._cgroup} removed", interval=0.2)

    # --- inside ---

    def _entered(self, *argv):
        """The command line that runs ARGV in there, as root."""
        return ("nsenter", "--target", self._init, "--all", "--",
                "env", "-i", f"PATH={_PATH}", "LC_ALL=C.UTF-8", "HOME=/root", *argv)  # fmt: skip

    def run(self, *argv, check=True, timeout=30, stdin=None):
        """Runs a command in there; the finished process, with its output as text."""
        done = subprocess.run(
            [str(word) for word in self._entered(*argv)],
            input=stdin, capture_output=True, text=True, timeout=deadline(timeout), check=False,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise AssertionError(f"{argv}: {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def enter(self, name, *argv):
        """Starts a command in there that runs on, with its output as the log; its Process."""
        return self.add(name, self._entered(*argv))

    def systemctl(self, *args, check=True, timeout=60):
        """systemctl ARGS; its output."""
        return self.run("systemctl", "--no-pager", *args, check=check, timeout=timeout).stdout

    def properties(self, *names, unit="sluice"):
        """{name: value} of a unit, as text."""
        lines = self.systemctl("show", unit, f"--property={','.join(names)}").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def messages(self, *args):
        """What journalctl ARGS finds, oldest first, as dicts."""
        out = self.run("journalctl", "--quiet", "--output=json", "--all", *args).stdout
        return [json.loads(line) for line in out.splitlines()]

    def http(self, method, path, body=None, *, seconds=10, port=8085):
        """One request to Sluice in there: its body as text; AssertionError unless it is a 2xx.

        A stream's body is what comes within SECONDS.
        """
        words = ["--silent", "--show-error", "--fail", "--no-buffer", "--request", method]
        if body is not None:
            words += ["--header", "Content-Type: application/json", "--data-binary", "@-"]
        done = self.run(
            "curl", *words, "--max-time", seconds, f"http://127.0.0.1:{port}{path}",
            check=False, timeout=seconds + 30, stdin=None if body is None else json.dumps(body),
        )  # fmt: skip
        # 28: the time is over, as it must be for a stream.
        if done.returncode not in (0, 28):
            raise AssertionError(f"{method} {path}: {done.stderr}")
        return done.stdout

    # --- Sluice ---

    def install(self, conf):
        """`make install`, then what sluiced(8) says that makes the user and the directories."""
        stage = f"{self.directory}/stage"
        build = os.path.dirname(binary("sluiced"))
        done = subprocess.run(
            ["make", "-C", REPO, f"BUILD={build}", "install", f"DESTDIR={stage}"],
            capture_output=True, text=True, timeout=deadline(120), check=False,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        if done.returncode != 0:
            raise BedError(f"make install: {done.stdout}{done.stderr}")
        # Into the directories that are mounted in there, not in their places.
        shutil.copytree(f"{stage}/usr/local", f"{self.directory}/local", dirs_exist_ok=True)
        shutil.copytree(f"{stage}/etc", f"{self.root}/etc", dirs_exist_ok=True)
        self.run("systemd-sysusers", "sluice.conf")
        self.run("systemd-tmpfiles", "--create", "sluice.conf")
        self.write("/etc/sluice/sluice.yaml", conf)
        self.systemctl("daemon-reload")

    def drop_in(self, *lines):
        """Lays a drop-in over the unit's [Service]; without LINES it is taken away.

        It counts from the next start of the unit.
        """
        self.write(_DROP_IN, "\n".join(["[Service]", *lines]) + "\n")
        self.systemctl("daemon-reload")

    def ctl(self, *args):
        """sluicectl ARGS; its output."""
        return self.run("sluicectl", *args).stdout

    def rows(self):
        """{process: its row} as `sluicectl --json status` tells."""
        answer = json.loads(self.ctl("--json", "status"))
        return {row["process"]: row for row in answer["processes"]}

    def wait_ready(self, timeout=30):
        """Waits until the unit is active and every process is ready; their rows."""

        def ready():
            rows = self.rows()
            return rows if all(row["state"] == "ready" for row in rows.values()) else None

        self.wait_state("active", timeout)
        return wait_until(ready, timeout, "all processes ready", ignore=(AssertionError,))

    def wait_state(self, state, timeout=30):
        """Waits until the unit's ActiveState is STATE."""
        wait_until(
            lambda: self.properties("ActiveState")["ActiveState"] == state, timeout,
            f"sluice.service {state}",
        )  # fmt: skip

    def main_pid(self):
        """The pid of sluiced, as seen inside."""
        return int(self.properties("MainPID")["MainPID"])

    def pids(self):
        """The pids in the unit's cgroup, as seen inside."""
        out = self.run("sh", "-c", "cat /sys/fs/cgroup/system.slice/sluice.service/cgroup.procs",
                       check=False).stdout  # fmt: skip
        return {int(word) for word in out.split()}

    def process_status(self, pid):
        """/proc/PID/status as a dict."""
        lines = self.run("cat", f"/proc/{pid}/status").stdout.splitlines()
        return {name: value.strip() for name, _, value in (x.partition(":") for x in lines)}

    def kill(self, pid, number):
        """Sends the signal of this NUMBER to a process in there."""
        if pid <= 1:
            raise BedError(f"no process {pid} may be ended")
        self.run("kill", f"-{int(number)}", pid)
