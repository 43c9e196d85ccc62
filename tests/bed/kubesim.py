"""The simulated Kubernetes API server (build/kubesim) for tests.

    with KubeSim(objects=40, frozen=True) as sim:
        sim.api.scale_deployment("shop", "checkout", 5)

Environment: SLUICE_BUILD names the build directory (default "build").
"""

import itertools
import json
import os
import re
import shutil
import tempfile
import time
import urllib.parse

from .kubeapi import KubeApi
from .net import free_port, wait_until
from .process import BedError, Process

_REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_LISTENING = re.compile(
    rb"^replica on port (\d+)\nlistening on (https?)://127\.0\.0\.1:(\d+)$", re.MULTILINE
)


def binary():
    """The path of the simulator's binary; BedError when it was not built."""
    path = os.path.abspath(os.environ.get("SLUICE_BUILD", f"{_REPO}/build")) + "/kubesim"
    if not os.access(path, os.X_OK):
        raise BedError(f"{path} is missing: run `make all` first")
    return path


class KubeSim:
    """One simulator on a port of its own; also a context manager.

    .url, .port, .token, .context, .kubeconfig (a file), .ca_file (TLS only), .process, and .api, a
    KubeApi for the requests a client makes (.replica: to a second API server on the same store,
    which lags while faults(replica_hold=True)). After stop() or kill(), start() brings up a new one
    at the same port with the same token; its objects begin anew.
    """

    def __init__(
        self,
        *,
        objects=40,
        frozen=False,
        rate=5,
        seed=1,
        kinds=None,
        tls=True,
        context="demo",
        options=(),
        directory=None,
    ):
        """FROZEN: nothing changes by itself. RATE: changes per second of the simulated life.

        KINDS: "all", or names with commas; None: deployments with their replicasets and pods.
        OPTIONS are more arguments of the binary, for example ("--window", "100").
        """
        self._own_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="sl-kubesim-", dir="/tmp")
        self.context = context
        self.token = "token-of-" + context
        self.tls = tls
        # One that no client's socket takes while it is down; many clusters find theirs themselves.
        self.port = 0 if "--clusters" in options else free_port()
        self.ports = []
        self.url = None
        self.api = None
        self.replica = None
        self.kubeconfig = os.path.join(self.directory, f"{context}.kubeconfig")
        self.ca_file = os.path.join(self.directory, "ca.crt") if tls else None
        self._options = ["--objects", objects, "--rate", rate, "--seed", seed, *options]
        if kinds is not None:
            self._options += ["--kinds", kinds]
        if frozen:
            self._options.append("--frozen")
        if tls:
            self._options.append("--tls")
        self.process = Process(f"kubesim-{context}", [], self.directory)

    def __enter__(self):
        """Starts it."""
        return self.start()

    def __exit__(self, *_):
        """Stops it and removes its directory."""
        self.close()

    @property
    def pid(self):
        """The process id."""
        return self.process.pid

    def start(self):
        """Starts the simulator and waits until it listens."""
        self.process.argv = [
            binary(),
            "--die-with-parent",
            *("--port", str(self.port)),
            *("--dir", self.directory),
            *("--token", self.token),
            *("--context", self.context),
            *("--print-kubeconfig", self.kubeconfig),
            *(str(option) for option in self._options),
        ]
        offset = os.path.getsize(self.process.log) if os.path.exists(self.process.log) else 0
        self.process.start()
        found = wait_until(lambda: self._listening(offset), 10, "kubesim listens")
        self.url = f"{found[2].decode()}://127.0.0.1:{found[3].decode()}"
        # The line of the first is there; those of many others may still be under way.
        wanted = dict(itertools.pairwise(map(str, self._options))).get("--clusters", "1")
        wait_until(lambda: len(self._ports(offset)) == int(wanted), 10, f"{wanted} clusters")
        self.ports = [int(port) for port in self._ports(offset)]
        self.port = int(found[3])
        self.api = KubeApi(self.port, self.ca_file, self.token)
        self.replica = KubeApi(int(found[1]), self.ca_file, self.token)
        return self

    def _listening(self, offset):
        """The line the simulator prints when it listens, as a match, or None."""
        self.process.check()
        with open(self.process.log, "rb") as log:
            log.seek(offset)
            return _LISTENING.search(log.read())

    def _ports(self, offset):
        """The ports of all its clusters (--clusters), the first one's first."""
        with open(self.process.log, "rb") as log:
            log.seek(offset)
            return [match[3] for match in _LISTENING.finditer(log.read())]

    def stop(self):
        """Ends it by SIGTERM; returns its exit status."""
        self.process.stop()
        return self.process.exit_status

    def kill(self):
        """Ends it by SIGKILL."""
        self.process.kill()

    def suspend(self):
        """SIGSTOP: its connections stay open and silent, as behind a lost network."""
        self.process.suspend()

    def resume(self):
        """Lets a suspended one go on."""
        self.process.resume()

    def close(self):
        """Ends it and removes its directory."""
        self.process.stop()
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    # --- control endpoints ---

    def control(self, method, path, body=None, **query):
        """One request to /_sim/PATH; returns the parsed answer."""
        target = f"/_sim/{path}"
        if query:
            target += "?" + urllib.parse.urlencode(query)
        return self.api.call(method, target, body)

    def state(self, kind=None):
        """What the simulator holds now: {(kind, namespace, name): object}, kinds as "Pod"."""
        query = {} if kind is None else {"kind": kind}
        found = {}
        for item in self.control("GET", "state", **query)["objects"]:
            meta = item["metadata"]
            found[(item["kind"], meta.get("namespace", ""), meta["name"])] = item
        return found

    def stats(self):
        """Counters: resourceVersion, oldest, changes, watches, dropped_watches, objects."""
        return self.control("GET", "stats")

    def history(self, kind, namespace, name):
        """Every state the object had, oldest first: [{"rv", "type", "uid", "object"}]."""
        answer = self.control("GET", "history", kind=kind, ns=namespace, name=name)
        if not answer["complete"]:
            raise BedError("the simulator's truth log is full: give it a larger --truth")
        return answer["states"]

    def requests(self, after=0):
        """The log of requests that were not for /_sim/, oldest first."""
        return self.control("GET", "requests", after=after)["requests"]

    def clear_requests(self):
        """Empties the log of requests."""
        self.control("DELETE", "requests")

    def faults(self, **members):
        """Injects faults; see tests/kubesim/README.md. For example

        faults(next=[{"match": "/pods?", "status": 429, "retry_after": 1}], compact=True)
        """
        return self.control("POST", "faults", members)

    def clear_faults(self):
        """Takes back every rule and switch."""
        self.control("DELETE", "faults")

    def modes(self, **members):
        """Makes it another server, see tests/kubesim/sim_modes.h: modes(transform="refused")."""
        return self.control("POST", "modes", members)

    def access(self, *rules, default="allow"):
        """Who may do what: RULES as in tests/kubesim/sim_access.h, the first that fits decides."""
        return self.control("POST", "access", {"default": default, "rules": list(rules)})

    def script(self, *steps):
        """Loads a timeline of STEPS as in tests/kubesim/sim_script.h; returns how far it is."""
        return self.control("POST", "script", {"steps": list(steps)})

    def advance(self, milliseconds):
        """Moves the clock of a simulator that was started with --clock; returns its time."""
        return self.control("POST", "clock", {"advance_ms": milliseconds})["time_ms"]

    def change(self, kind="pod", count=1, rate=0, namespace="", name="", wait=True, size=None):
        """Changes the status of COUNT objects in turn, RATE per second (0: full speed).

        SIZE: makes them larger by so many bytes (0: no longer).
        With WAIT returns when all are made: {"done", "first_rv", "last_rv"}.
        """
        body = {"kind": kind, "count": count, "rate": float(rate), "ns": namespace, "name": name}
        if size is not None:
            body["size"] = size
        answer = self.control("POST", "change", body)
        if not wait:
            return answer
        limit = 30 + (count / rate if rate else count / 500)

        def finished():
            """The job's figures when nothing is left of it."""
            now = self.control("GET", "change")
            return now if now["left"] == 0 else None

        return wait_until(finished, limit, "bulk change is made", interval=0.02)

    # --- for assertions ---

    def versions(self, kind):
        """{(namespace, name): resourceVersion as int} of all objects of the KIND."""
        return {
            key[1:]: int(item["metadata"]["resourceVersion"])
            for key, item in self.state(kind).items()
        }

    def wait_watches(self, count, timeout=15):
        """Waits until exactly COUNT watches are open."""
        wait_until(lambda: self.stats()["watches"] == count, timeout, f"{count} watches open")

    def quiet(self, seconds=0.3, timeout=15):
        """Waits until nothing has changed for SECONDS; returns the version then."""
        last = {"rv": -1, "since": time.monotonic()}

        def unchanged():
            """True when the version stands long enough."""
            rv = self.stats()["resourceVersion"]
            if rv != last["rv"]:
                last.update(rv=rv, since=time.monotonic())
            return time.monotonic() - last["since"] >= seconds

        wait_until(unchanged, timeout, "the simulated cluster is quiet")
        return last["rv"]


def dump(value):
    """JSON of VALUE with sorted keys, to compare objects by."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
