"""`sluicectl status` tells why, when something is wrong; what isn't wrong goes on."""

import os
import shutil
import tempfile

import pytest

from tests.bed.cluster import kubeconfig_text
from tests.bed.kubesim import KubeSim
from tests.bed.net import free_port, wait_until
from tests.bed.sluice import Sluice, binary, running

ROLES = ("broker", "store", "health", "gateway", "watcher")
# The circuit opens within a second or so, and is tried again within two.
HASTY = {
    "supervise": {
        "first": "10ms",
        "base": "50ms",
        "max": "200ms",
        "circuit_deaths": 3,
        "circuit_window": "60s",
        "circuit_retry": "2s",
    },
}


@pytest.fixture(name="directory")
def own_directory():
    """A directory of the test's own."""
    path = tempfile.mkdtemp(prefix="sl-status-", dir="/tmp")
    yield path
    shutil.rmtree(path)


def bin_with(directory, role, text):
    """A directory with all programs, in which sluice-ROLE is the script TEXT."""
    path = os.path.join(directory, "bin")
    os.mkdir(path)
    for name in ("sluiced", "sluicectl", *(f"sluice-{r}" for r in ROLES)):
        shutil.copy2(binary(name), path)
    put_script(path, role, text)
    return path


def put_script(path, role, text):
    """Replaces sluice-ROLE by a script, at once."""
    fresh = os.path.join(path, "fresh")
    with open(fresh, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\n{text}\n")
    os.chmod(fresh, 0o755)
    os.rename(fresh, os.path.join(path, f"sluice-{role}"))


def row_when(sluice, name, cond, what, timeout=20):
    """Waits until the status row of NAME satisfies COND; the row."""

    def good():
        row = sluice.status().get(name)
        return row if row and cond(row) else None

    return wait_until(good, timeout, f"{name}: {what}", ignore=(AssertionError,))


def line_of(sluice, name):
    """The line of the plain status about NAME."""
    return next(x for x in sluice.ctl("status").splitlines() if x.startswith(f"{name} "))


def test_status_tells_why_a_cluster_is_not_watched(directory):
    """Two contexts of one kubeconfig, one of a server that isn't there."""
    port = free_port()
    with KubeSim(context="good", rate=10) as sim:
        gone = os.path.join(directory, "gone.conf")
        text = kubeconfig_text(f"https://127.0.0.1:{port}", {}, {"token": "t"})
        with open(gone, "w", encoding="utf-8") as file:
            file.write(text.replace("testbed", "gone"))
        watch = {"kinds": ["deployment", "pod"], "backoff": {"base": "200ms", "max": "1s"}}
        conf = {"contexts": "all", "watch": watch}
        with Sluice(conf, kubeconfig=f"{sim.kubeconfig}:{gone}") as sluice:
            # What it said last stands there during the next try as well.
            bad = row_when(
                sluice,
                "watcher/gone",
                lambda r: r["status_state"] == "backoff" and str(port) in r["status"],
                "waits, and says where",
            )
            assert "connect" in bad["status"].lower(), bad
            assert bad["deaths"] == 0, "a cluster that is away is no reason to die"
            good = row_when(
                sluice, "watcher/good", lambda r: r["status_state"] == "watching", "watches"
            )
            assert "2 kinds" in good["status"], good
            row_when(sluice, "health", lambda r: "1 disconnected" in r["status"], "counts it")
            wait_until(
                lambda: all(p in line_of(sluice, "watcher/gone") for p in ("backoff", str(port))),
                20,
                "the same in its line",
            )
            with sluice.stream("resource:good/*", last_event_id="-1") as stream:
                stream.wait_events(len(sim.state("Deployment")) + 10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 1", "exit status 1"),
        ("kill -SEGV $$", "killed by signal 11"),
    ],
    ids=["exits", "crashes"],
)
def test_a_role_that_dies_at_start_is_told_and_harms_nobody(directory, script, why):
    """sluice-health dies: back-off, circuit, others untouched; put right, it comes by itself."""
    path = bin_with(directory, "health", script)
    with KubeSim(context="good", rate=10) as sim:
        sluice = Sluice(HASTY, kubeconfig=sim.kubeconfig, bin_directory=path)
        others = ("broker", "store", "gateway/0", "watcher/good")
        with running(sluice, others):
            dead = row_when(sluice, "health", lambda r: r["state"] == "failed", "circuit open")
            assert dead["circuit"] == "open" and dead["deaths"] > 3, dead
            assert dead["pid"] == 0, dead
            assert why in dead["cause"], dead
            # Every two seconds it is tried again, and for a moment it is starting.
            words = ("failed", why, "sluicectl start health")
            wait_until(
                lambda: all(word in line_of(sluice, "health") for word in words), 20, "a line of it"
            )
            rows = sluice.status()
            assert all(rows[n]["state"] == "ready" and rows[n]["deaths"] == 0 for n in others)
            with sluice.stream("resource:good/*", last_event_id="-1") as stream:
                stream.wait_events(len(sim.state("Deployment")) + len(sim.state("Pod")) + 5)
            shutil.copy2(binary("sluice-health"), f"{path}/again")
            os.rename(f"{path}/again", f"{path}/sluice-health")
            well = row_when(sluice, "health", lambda r: r["state"] == "ready", "back by itself")
            assert well["pid"] > 0 and why in well["last_death"], well
            assert all(sluice.status()[n]["pid"] == rows[n]["pid"] for n in others)


def test_a_cluster_that_went_away_is_not_called_watched_before_it_answers():
    """Each try to reach it is no recovery: backoff until the server has answered, then watching."""
    watch = {"kinds": ["deployment", "pod"], "backoff": {"base": "200ms", "max": "400ms"}}
    conf = {"watch": watch}
    with KubeSim(context="good", frozen=True) as sim, Sluice(conf, kubeconfig=sim.kubeconfig) as s:
        with s.stream("watcher:good", last_event_id="-1") as stream:

            def states():
                """The states told so far."""
                return [e["data"]["state"] for e in stream.events()]

            def newest():
                """Those that were told of a kind last."""
                return {e["subject"]: e["data"]["state"] for e in stream.events()}.values()

            stream.read_until(lambda _: states().count("watching") == 2, 20, "both kinds watched")
            away = {"match": "GET /api", "action": "reset", "count": 0}
            sim.faults(next=[away], drop_watches="reset")
            stream.read_until(lambda _: states().count("backoff") >= 8, 20, "several tries")
            assert states().count("watching") == 2, states()
            assert "is the API server up" in s.status()["watcher/good"]["status"]
            sim.clear_faults()
            # A last try of one kind may fail when the other is watched already.
            stream.read_until(lambda _: set(newest()) == {"watching"}, 20, "watched again")
        row_when(s, "watcher/good", lambda r: r["status_state"] == "watching", "is well")
