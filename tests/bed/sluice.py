"""One Sluice installation of a test's own: directories, configuration, processes, HTTP."""

import contextlib
import datetime
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from . import sanitizer
from .net import free_port, wait_until
from .process import Process, plain_environment, wait_stopped
from .sse import Stream

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def binary(name):
    """The path of a program under test, from SLUICE_BUILD (default: build)."""
    return os.path.join(os.path.abspath(os.environ.get("SLUICE_BUILD", f"{REPO}/build")), name)


def yaml_lines(value, indent=0):
    """VALUE (dicts, lists, scalars) as lines of YAML."""
    pad = "  " * indent
    lines = []
    for key, item in value.items():
        if isinstance(item, dict) and item:
            lines += [f"{pad}{key}:", *yaml_lines(item, indent + 1)]
        else:
            text = item if isinstance(item, str) else json.dumps(item)
            lines.append(f"{pad}{key}: {text}")
    return lines


def merged(base, over):
    """BASE with OVER laid upon it, dict by dict."""
    result = dict(base)
    for key, item in over.items():
        both = isinstance(item, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], item) if both else item
    return result


class Sluice:
    """A running sluiced with its children.

    Configuration keys are given as nested dicts. Use as a context manager; `stop()` returns the
    exit status. `bin_directory` may hold other binaries (a rogue role beside a copied sluiced).
    """

    def __init__(self, conf=None, *, gateways=1, kubeconfig="none", bin_directory=None):
        """Makes the directories and the file; nothing is started yet."""
        self.directory = tempfile.mkdtemp(prefix="sl-", dir="/tmp")
        self.port = free_port()
        self.bin = bin_directory
        base = {
            "listen": f"127.0.0.1:{self.port}",
            "state_directory": f"{self.directory}/state",
            "runtime_directory": f"{self.directory}/run",
            "kubeconfig": str(kubeconfig),
            "gateway": {"processes": gateways},
            "journal": {"size": "64MiB", "segment": "8MiB"},
            "log": {"level": "debug"},
        }
        self.conf = merged(base, conf or {})
        self.conf_file = f"{self.directory}/sluice.yaml"
        self.write_conf()
        self.env = plain_environment(self.directory)
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        self.process = None

    def write_conf(self, conf=None):
        """Writes the configuration file (again), CONF laid over what it was."""
        self.conf = merged(self.conf, conf or {})
        with open(self.conf_file, "w", encoding="utf-8") as file:
            file.write("\n".join(yaml_lines(self.conf)) + "\n")

    def program(self, name):
        """A program of this installation."""
        return os.path.join(self.bin, name) if self.bin else binary(name)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.close()

    def start(self, ready=True):
        """Starts sluiced; with READY, waits until every process said so."""
        self.process = Process(
            "sluiced", [self.program("sluiced"), "-c", self.conf_file], self.directory, self.env
        ).start()
        if ready:
            try:
                self.wait_ready()
            except BaseException:
                print(self.process.tail(), file=sys.stderr)
                self.close()
                raise
        return self

    def close(self):
        """Stops what runs and removes the directory; no sanitizer may have reported anything."""
        if self.process is not None and self.process.running():
            self.process.stop()
        try:
            if self.process is not None:
                sanitizer.refuse([self.process.log])
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def log(self):
        """The log: the supervisor's lines and its children's."""
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

    def stop(self, grace=15):
        """SIGTERM; the exit status (None when it had to be killed)."""
        return self.process.exit_status if self.process.stop(grace) else None

    def ctl(self, *args, check=True):
        """Runs sluicectl on this installation; its standard output.

        Without CHECK what subprocess.run() returns, whatever its exit status.
        """
        try:
            done = subprocess.run(
                [self.program("sluicectl"), "--runtime", self.conf["runtime_directory"], *args],
                capture_output=True,
                text=True,
                timeout=20,
                env=self.env,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"sluicectl {args}: not ended after 20 s") from error
        if check and done.returncode != 0:
            raise AssertionError(f"sluicectl {args}: {done.returncode}: {done.stderr}")
        return done.stdout if check else done

    def status(self):
        """{process name: its row} as `sluicectl --json status` tells."""
        answer = json.loads(self.ctl("--json", "status"))
        return {row["process"]: row for row in answer["processes"]}

    def wait_ready(self, timeout=20, only=None):
        """Waits until all processes (or those of ONLY) are ready; their rows."""

        def ready():
            self.process.check()
            rows = self.status()
            names = only or rows
            good = rows and all(n in rows and rows[n]["state"] == "ready" for n in names)
            return rows if good else None

        return wait_until(ready, timeout, "all processes ready", ignore=(AssertionError,))

    def pid(self, name):
        """The pid of one process, by its name in `status`; waits while it is between two lives."""
        # Its pid is 0 then: a signal there would end the tests' own process group.
        return wait_until(
            lambda: self.status()[name]["pid"], 10, f"{name} has a pid", ignore=(AssertionError,)
        )

    def kill(self, name, number=signal.SIGKILL):
        """Sends a signal to one process; its pid. After SIGSTOP it stands still."""
        pid = self.pid(name)
        os.kill(pid, number)
        if number == signal.SIGSTOP:
            wait_stopped(pid, name)
        return pid

    def wait_restarted(self, name, old_pid, timeout=20):
        """Waits until process NAME is ready under another pid; that pid."""

        def again():
            row = self.status().get(name, {})
            return row.get("state") == "ready" and row["pid"] != old_pid and row["pid"]

        return wait_until(again, timeout, f"{name} ready again", ignore=(AssertionError,))

    def request(self, method, path, body=None, headers=None, timeout=20):
        """One HTTP request; (status, headers, body as JSON where it is JSON, else text)."""
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            head = dict(headers or {})
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
                head.setdefault("Content-Type", "application/json")
            conn.request(method, path, body=body, headers=head)
            answer = conn.getresponse()
            text = answer.read().decode("utf-8")
            is_json = "json" in answer.headers.get("Content-Type", "")
            return answer.status, dict(answer.headers), json.loads(text) if is_json else text
        finally:
            conn.close()

    def publish(self, events, timeout=20):
        """POSTs events as ndjson; the answer's body; anything but 202 is an error."""
        body = "".join(json.dumps(event) + "\n" for event in events)
        head = {"Content-Type": "application/x-ndjson"}
        status, _, answer = self.request("POST", "/api/v1/events", body, head, timeout)
        if status != 202:
            raise AssertionError(f"publish: {status} {answer}")
        return answer

    def stream(self, *keys, last_event_id=None, **query):
        """Opens GET /api/v1/streams on KEYS; a Stream."""
        pairs = [("stream", key) for key in keys] + list(query.items())
        return Stream(self.port, "/api/v1/streams", pairs, last_event_id=last_event_id)


@contextlib.contextmanager
def running(sluice, ready):
    """SLUICE started, the processes READY waited for; closed at the end."""
    try:
        sluice.start(ready=False).wait_ready(only=ready)
        yield sluice
    finally:
        sluice.close()
