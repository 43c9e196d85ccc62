"""sluice-health against simulated clusters: schedule, verdicts, what is published."""

import datetime
import itertools
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time

import pytest

from tests.bed import sanitizer
from tests.bed.kubesim import KubeSim
from tests.bed.net import deadline, free_port, wait_until
from tests.bed.process import plain_environment
from tests.bed.sluice import binary, yaml_lines
from tests.bed.stillness import Stillness

CHECK_BUDGET = 5.0


class Health:
    """One sluice-health; build/tools/health_driver plays its supervisor and its broker."""

    def __init__(self, clusters, **health):
        """CLUSTERS: {id: (context, kubeconfig file)}; HEALTH: keys of `health:`."""
        self.directory = tempfile.mkdtemp(prefix="sl-", dir="/tmp")
        self.health = health
        self.conf = self.write_conf("sluice.yaml", clusters)
        self.lines = queue.Queue()
        self.events = []
        self.said = []
        self.process = None

    def write_conf(self, name, clusters):
        """Writes a configuration with these clusters; its path."""
        rows = [
            {"id": i, "context": context, "kubeconfig": path}
            for i, (context, path) in clusters.items()
        ]
        conf = {
            "state_directory": f"{self.directory}/state",
            "runtime_directory": f"{self.directory}/run",
            "kubeconfig": "none",
            "clusters": rows,
            "health": self.health,
            "log": {"level": "debug"},
        }
        path = f"{self.directory}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(yaml_lines({k: v for k, v in conf.items() if v})) + "\n")
        return path

    def __enter__(self):
        env = plain_environment(self.directory)
        env.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
        with open(f"{self.directory}/log", "wb") as log:
            self.process = subprocess.Popen(
                [binary("tools/health_driver"), binary("sluice-health"), self.conf],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=env,
                text=True,
            )
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.wait(lambda: "ready" in self.said, 15, "health is ready")
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def _read(self):
        """Takes the driver's lines as they come, with the time."""
        for line in self.process.stdout:
            self.lines.put((time.monotonic(), line.rstrip("\n")))
        self.lines.put(None)

    def __exit__(self, failure, *_):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(deadline(12))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if failure is not None:
            with open(f"{self.directory}/log", encoding="utf-8", errors="replace") as log:
                print("--- health\n" + log.read()[-8000:])
            print("\n".join(map(str, self.events[-40:])))
        try:
            sanitizer.refuse([f"{self.directory}/log"])
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def send(self, command):
        """One command to the driver."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def take(self):
        """Takes in what has come."""
        while not self.lines.empty():
            entry = self.lines.get()
            if entry is None:
                return
            at, line = entry
            if line.startswith("event "):
                event = json.loads(line[6:])
                event["at"] = at
                self.events.append(event)
            else:
                self.said.append(line)

    def wait(self, cond, timeout, what):
        """Waits for COND while lines come in."""

        def now():
            self.take()
            return cond()

        return wait_until(now, timeout, what)

    def of(self, cluster, event_type="cluster.health"):
        """The events of one cluster and type, in order."""
        self.take()
        key = f"cluster:{cluster}"
        return [e for e in self.events if e["stream_key"] == key and e["event_type"] == event_type]

    def wait_status(self, cluster, status, timeout=20):
        """Waits until the newest health event of CLUSTER has this status; its data."""

        def is_so():
            found = self.of(cluster)
            return found and found[-1]["data"]["status"] == status and found[-1]["data"]

        return self.wait(is_so, timeout, f"{cluster} is {status}")

    def stop(self):
        """STOP; the exit status of sluice-health."""
        self.send("stop")
        line = self.wait(
            lambda: [s for s in self.said if s.startswith("exit ")], 12, "health has left"
        )
        return int(line[0].split()[1])


def of_sim(sim):
    """A cluster's (context, kubeconfig)."""
    return sim.context, sim.kubeconfig


def moves(health, count):
    """(status before, status) of the COUNT times that cluster demo moved, and no more so far.

    Of one check the one event is told behind the other: it may be under way.
    """
    name = "cluster.status_changed"
    health.wait(lambda: len(health.of("demo", name)) >= count, 20, f"{count} moves")
    rows = [e["data"] for e in health.of("demo", name)]
    return [(row["previous_status"], row["status"]) for row in rows]


def kubeconfig(directory, name, server, extra=""):
    """Writes a kubeconfig for a plain server; (context, path)."""
    path = f"{directory}/{name}.kubeconfig"
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            f"""apiVersion: v1
kind: Config
current-context: {name}
clusters: [{{name: {name}, cluster: {{server: "{server}"{extra}}}}}]
users: [{{name: {name}, user: {{token: secret}}}}]
contexts: [{{name: {name}, context: {{cluster: {name}, user: {name}}}}}]
"""
        )
    return name, path


@pytest.mark.slow
@pytest.mark.threads
def test_a_cluster_that_answers_is_connected_with_its_version_and_metadata():
    """The first check: status_changed with it, in one group; then the metadata; STOP is clean."""
    with KubeSim(frozen=True) as sim, Health({"demo": of_sim(sim)}) as health:
        data = health.wait_status("demo", "connected")
        assert data["cluster_id"] == "demo"
        assert data["reachable"] is True
        assert data["consecutive_failures"] == 0
        assert data["version"].startswith("v1.")
        assert 0 <= data["latency_ms"] < 5000
        assert "error" not in data
        health.wait(lambda: health.of("demo", "cluster.status_changed"), 10, "status_changed")
        (moved,) = health.of("demo", "cluster.status_changed")
        first = health.of("demo")[0]
        assert moved["data"]["previous_status"] == "unknown"
        assert (moved["batch"], moved["group"]) == (first["batch"], first["group"])
        health.wait(lambda: health.of("demo", "cluster.metadata_updated"), 20, "metadata")
        facts = health.of("demo", "cluster.metadata_updated")[0]["data"]
        assert facts["cluster_id"] == "demo"
        assert facts["version"] == data["version"]
        assert facts["last_updated"]
        assert health.stop() == 0


@pytest.mark.slow
def test_metadata_that_is_too_old_is_read_again_and_no_sooner():
    """Ten checks fit into its age: they do not read it; the first one after it does."""
    age = 2
    with (
        KubeSim(frozen=True) as sim,
        Health({"demo": of_sim(sim)}, interval="200ms", metadata_max_age=f"{age}s") as health,
    ):
        updated = "cluster.metadata_updated"
        health.wait(lambda: len(health.of("demo", updated)) >= 3, 30, "metadata three times")
        read = [
            datetime.datetime.fromisoformat(e["data"]["last_updated"])
            for e in health.of("demo", updated)
        ]
        apart = [(b - a).total_seconds() for a, b in itertools.pairwise(read)]
        # Both ends are rounded to a millisecond.
        assert all(seconds >= age - 0.01 for seconds in apart)
        assert len(health.of("demo", "cluster.health")) > len(read)


@pytest.mark.slow
@pytest.mark.threads
def test_hanging_clusters_never_delay_a_healthy_one():
    """Eight clusters are suspended, two answer: these are checked on time, every second."""
    with (
        KubeSim(frozen=True, objects=1, context="good-0") as a,
        KubeSim(frozen=True, objects=1, context="good-1") as b,
    ):
        hung = [KubeSim(frozen=True, objects=1, context=f"hung-{i}", tls=False) for i in range(8)]
        try:
            for sim in hung:
                sim.start()
                sim.suspend()
            clusters = {sim.context: of_sim(sim) for sim in (*hung, a, b)}
            with Health(clusters, interval="1s") as health:
                for sim in (a, b):
                    health.wait_status(sim.context, "connected", 30)
                # Once more where this machine stood still.
                with Stillness(health.directory) as still:
                    for _ in range(3):
                        begin = time.monotonic()
                        health.wait(lambda at=begin: time.monotonic() - at > 12, 15, "12 seconds")
                        paces = [pace(health, sim.context, begin) for sim in (a, b)]
                        stood = still.stood(begin, time.monotonic())
                        if all(in_time(gaps) for gaps in paces) or not stood:
                            break
                assert all(in_time(gaps) for gaps in paces), (paces, stood)
                for sim in hung:
                    health.wait(lambda key=sim.context: health.of(key), 30, "it was waited for")
                    (first, *_) = health.of(sim.context)
                    assert first["data"]["error"]["code"] == "timeout"
                    assert first["data"]["status"] == "disconnected"
                    assert first["data"]["reachable"] is False
                    assert "latency_ms" not in first["data"]
                assert health.stop() == 0
        finally:
            for sim in hung:
                sim.close()


def pace(health, cluster, begin):
    """The seconds between the checks of a cluster since BEGIN."""
    times = [e["at"] for e in health.of(cluster) if e["at"] >= begin]
    return [y - x for x, y in itertools.pairwise(times)]


def in_time(gaps):
    """Of a check per second (10 % jitter) none came a second late."""
    return len(gaps) >= 8 and max(gaps) < deadline(2.0)


@pytest.mark.slow
def test_down_is_told_at_once_and_judged_after_thirty_seconds():
    """A killed server: reachable false with the first check, disconnected after 30 s, then back.

    It comes back with another certificate authority, written to the same kubeconfig.
    """
    with KubeSim(frozen=True) as sim, Health({"demo": of_sim(sim)}, interval="2s") as health:
        health.wait_status("demo", "connected")
        sim.kill()
        dead = time.monotonic()
        health.wait(lambda: not health.of("demo")[-1]["data"]["reachable"], 10, "unreachable")
        first = health.of("demo")[-1]["data"]
        assert first["status"] == "connected"
        assert first["error"]["code"] == "tcp"
        data = health.wait_status("demo", "disconnected", 60)
        assert time.monotonic() - dead >= 29
        assert data["consecutive_failures"] >= 3
        assert data["previous_status"] == "connected"
        sim.start()
        health.send("check demo")
        health.wait_status("demo", "connected", 30)
        assert moves(health, 3) == [
            ("unknown", "connected"),
            ("connected", "disconnected"),
            ("disconnected", "connected"),
        ]


@pytest.mark.slow
def test_a_check_on_demand_is_made_at_once_and_not_too_often():
    """CHECK_NOW long before the minute is over; a burst of them makes two checks at most."""
    with KubeSim(frozen=True) as sim, Health({"demo": of_sim(sim)}) as health:
        health.wait_status("demo", "connected")
        health.wait(lambda: health.of("demo", "cluster.metadata_updated"), 20, "metadata")
        before = len(health.of("demo"))
        for _ in range(50):
            health.send("check demo")
        health.send("check nobody")
        health.wait(lambda: len(health.of("demo")) > before, 15, "the check asked for")
        assert len(health.of("demo")) <= before + 2


@pytest.mark.slow
def test_what_the_supervisor_sees_of_a_watcher_is_published():
    """A watcher that failed: degraded at once, and connected when it is ready, not before."""
    with KubeSim(frozen=True) as sim, Health({"demo": of_sim(sim)}) as health:
        health.wait_status("demo", "connected")
        health.send("watcher demo failed")
        data = health.wait_status("demo", "degraded")
        assert "watcher" in data["error"]["message"]
        assert data["reachable"] is True
        for state in ("starting", "backoff", "starting", "ready"):
            health.send(f"watcher demo {state}")
        health.wait_status("demo", "connected")
        assert [status for _, status in moves(health, 3)] == ["connected", "degraded", "connected"]


@pytest.mark.slow
def test_each_kind_of_trouble_has_its_code():
    """Unknown name, refused, unknown authority, 401, no such context, no file."""
    with (
        tempfile.TemporaryDirectory(prefix="sl-", dir="/tmp") as directory,
        KubeSim(frozen=True) as sim,
    ):
        port = sim.port
        insecure = ", insecure-skip-tls-verify: true"
        clusters = {
            "dns": kubeconfig(directory, "dns", "https://sluice-test.invalid:6443"),
            "tcp": kubeconfig(directory, "tcp", f"https://127.0.0.1:{free_port()}"),
            "ca": kubeconfig(directory, "ca", f"https://127.0.0.1:{port}"),
            "auth": kubeconfig(directory, "auth", f"https://127.0.0.1:{port}", insecure),
            "context": ("nobody", sim.kubeconfig),
            "file": ("demo", f"{directory}/absent"),
            "good": of_sim(sim),
        }
        expected = {
            "dns": ("dns", "disconnected"),
            "tcp": ("tcp", "disconnected"),
            "ca": ("tls", "error"),
            "auth": ("auth", "error"),
            "context": ("auth", "error"),
            "file": ("auth", "error"),
        }
        with Health(clusters) as health:
            health.wait_status("good", "connected", 30)
            for name, (code, status) in expected.items():
                health.wait(lambda name=name: health.of(name), 20, f"{name} is checked")
                data = health.of(name)[0]["data"]
                assert (data["error"]["code"], data["status"]) == (code, status), data
                assert data["error"]["message"]
            assert health.stop() == 0


@pytest.mark.slow
def test_a_reload_adds_removes_and_keeps_clusters():
    """One cluster more, then another only: each is checked, what went is silent."""
    with (
        KubeSim(frozen=True, context="one") as one,
        KubeSim(frozen=True, context="two") as two,
        Health({"one": of_sim(one)}, interval="1s") as health,
    ):
        health.wait_status("one", "connected")
        both = {"one": of_sim(one), "two": of_sim(two)}
        health.send("reload " + health.write_conf("both.yaml", both))
        health.wait_status("two", "connected")
        assert len(health.of("one", "cluster.status_changed")) == 1
        health.wait(lambda: "2 clusters, 2 connected" in str(health.said), 20, "both")
        # Before them it said once already that there is one.
        before = len(health.said)
        health.send("reload " + health.write_conf("two.yaml", {"two": of_sim(two)}))
        health.wait(
            lambda: any("1 cluster, 1 connected" in line for line in health.said[before:]),
            20,
            "one cluster is left",
        )
        count, seen = len(health.of("one")), len(health.of("two"))
        health.wait(lambda: len(health.of("two")) >= seen + 3, 15, "two goes on")
        assert len(health.of("one")) <= count + 1


@pytest.mark.slow
def test_a_server_that_is_not_ready_is_degraded_with_the_names():
    """/readyz fails in part: degraded after the second time, and the message names it."""
    with KubeSim(frozen=True) as sim, Health({"demo": of_sim(sim)}, interval="1s") as health:
        health.wait_status("demo", "connected")
        sim.faults(ready=False)
        data = health.wait_status("demo", "degraded", 30)
        assert data["error"]["code"] == "not_ready"
        assert "etcd" in data["error"]["message"]
        assert data["reachable"] is True
        sim.faults(ready=True)
        health.wait_status("demo", "connected", 30)


@pytest.mark.slow
@pytest.mark.threads
def test_stop_ends_checks_that_hang():
    """STOP while a check waits for a suspended server: exit 0 within two seconds or so."""
    sim = KubeSim(frozen=True, objects=1, tls=False, context="hung")
    sim.start()
    try:
        sim.suspend()
        # In this order, so that the one is under way when the other is done.
        with (
            KubeSim(frozen=True, context="good") as good,
            Health({"hung": of_sim(sim), "good": of_sim(good)}) as health,
        ):
            health.wait_status("good", "connected")
            assert not health.of("hung")
            begin = time.monotonic()
            assert health.stop() == 0
            assert time.monotonic() - begin < deadline(4)
            assert not health.of("hung"), "a check that was cancelled says nothing"
    finally:
        sim.close()
