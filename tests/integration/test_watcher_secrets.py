"""Secrets and configmaps: only their metadata is asked for, kept, published or stored."""

import base64
import contextlib
import os
import time

from tests.bed.kubesim import KubeSim
from tests.bed.memory import writable_memory
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

PLAIN = b"kubesim-secret-"
# What every secret's data begins with, in base64.
MARK = base64.b64encode(PLAIN)
AS = "application/json;as={};g=meta.k8s.io;v=v1;drop=metadata.managedFields"
LIST = AS.format("PartialObjectMetadataList")
WATCH = AS.format("PartialObjectMetadata")
SEALED = ("/api/v1/secrets", "/api/v1/configmaps")
QUICK = {"watch": {"backoff": {"base": "100ms", "max": "400ms"}}}


def simulator():
    """A cluster with secrets and configmaps, and pods beside them."""
    return KubeSim(frozen=True, kinds="secret,configmap,pod", objects=60)


def watcher_of(sluice):
    """The name of the only watcher."""
    return next(n for n in sluice.status() if n.startswith("watcher/"))


def newest_states(stream):
    """{kind: the newest data of watcher.state_changed}."""
    stream.pump()
    return {e["subject"]: e["data"] for e in stream.events()}


def marks_in_memory(pid):
    """Where a process's memory holds the data of a secret."""
    return [
        (name, region.count(MARK), region.count(PLAIN))
        for name, region in writable_memory(pid)
        if MARK in region or PLAIN in region
    ]


def marked_files(directory):
    """The files below a directory that hold the data of a secret."""
    found = []
    for place, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(place, name)
            if not os.path.isfile(path):
                continue
            # What is written anew bears its own name only when it is whole.
            with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
                content = file.read()
                if MARK in content or PLAIN in content:
                    found.append(path)
    return found


def leaked_nowhere(sluice):
    """Asserts that no file of the installation, log included, holds a secret's data."""
    assert marked_files(sluice.directory) == []


def memory_is_clean(sluice):
    """Asserts that the watcher holds nothing of a secret, a while after it answered last."""
    pid = sluice.pid(watcher_of(sluice))
    wait_until(lambda: not marks_in_memory(pid), 2, "clean memory", interval=0.1)


def no_more_refused(sim, stream):
    """No whole secret is sent any more: 503 instead, until both kinds were told so."""
    rules = [{"match": f"GET {path}", "status": 503, "count": 10_000} for path in SEALED]
    # Who only watches may have nothing refused.
    sim.faults(next=rules, drop_watches=True)

    def told():
        states = newest_states(stream)
        return {states[kind].get("code") for kind in ("secret", "configmap")} == {503}

    wait_until(told, 20, "503 of both kinds", ignore=(KeyError,))


def wait_words(sluice, words):
    """Waits until the watcher's status has the WORDS; it tells of one kind at a time."""
    wait_until(lambda: words in sluice.status()[watcher_of(sluice)]["status"], 20, words)


def asked_for_sealed(sim):
    """(target, Accept) of every request for the kinds that are sealed."""
    return [
        (row["target"], row["accept"]) for row in sim.requests() if row["target"].startswith(SEALED)
    ]


def test_no_byte_of_a_secret_is_asked_for():
    """Every list and watch says metadata only; nothing of the data is kept anywhere."""
    with simulator() as sim, Sluice(QUICK, kubeconfig=sim.kubeconfig) as sluice:
        cluster = watcher_of(sluice).partition("/")[2]
        count = len(sim.state("Secret")) + len(sim.state("ConfigMap"))
        assert count > 10
        with sluice.stream(
            f"resource:{cluster}/secret/*", f"resource:{cluster}/configmap/*", last_event_id="-1"
        ) as stream:
            stream.wait_events(count)
            sim.wait_watches(14)
            # A list again, too, however long they have been watched.
            rules = [{"match": f"GET {path}?watch", "watch_error": 410} for path in SEALED]
            sim.faults(next=rules, drop_watches=True)
            wait_until(lambda: len(asked_for_sealed(sim)) >= 10, 20, "lists and watches again")
            sim.change("secret", count=20)
            sim.wait_watches(14)
            stream.pump()
            states = {e["data"]["status"]["state"] for e in stream.events()}
            assert states == {"created"}
        asked = asked_for_sealed(sim)
        assert len(asked) >= 8
        for target, accept in asked:
            assert accept == (WATCH if "watch=" in target else LIST), target
        leaked_nowhere(sluice)
        memory_is_clean(sluice)


def test_a_server_that_sends_whole_secrets_is_refused():
    """An error of these kinds with its remedy; no trace of the data; others never notice."""
    with simulator() as sim:
        sim.modes(transform="ignored")
        with Sluice(QUICK, kubeconfig=sim.kubeconfig) as sluice:
            cluster = watcher_of(sluice).partition("/")[2]
            with sluice.stream(f"watcher:{cluster}", last_event_id="-1") as stream:

                def refused():
                    """True when both kinds were refused several times, and pods are watched."""
                    states = newest_states(stream)
                    backs = [e["data"] for e in stream.events() if e["data"]["state"] == "backoff"]
                    return (
                        {d["kind"] for d in backs if d["attempt"] >= 3} == {"secret", "configmap"}
                        and {d["reason"] for d in backs} == {"InvalidAnswer"}
                        and states["pod"]["state"] == "watching"
                    )

                wait_until(refused, 20, "both kinds refused")
                leaked_nowhere(sluice)
                wait_words(sluice, "leave this kind out of watch.kinds")
                assert "metadata" in sluice.process.tail(1000)
                with sluice.stream(f"resource:{cluster}/secret/*", last_event_id="-1") as none:
                    none.wait_open()
                    time.sleep(0.5)
                    none.pump()
                    assert not none.events()
                no_more_refused(sim, stream)
                memory_is_clean(sluice)
                leaked_nowhere(sluice)
                sim.modes(transform="on")
                sim.clear_faults()
                wait_until(
                    lambda: newest_states(stream)["secret"]["state"] == "watching", 20, "recovered"
                )


def test_a_watch_that_begins_to_send_whole_secrets_is_refused():
    """The lists were metadata; a proxy that comes between sends the rest whole."""
    with simulator() as sim, Sluice(QUICK, kubeconfig=sim.kubeconfig) as sluice:
        cluster = watcher_of(sluice).partition("/")[2]
        sim.wait_watches(14)
        with sluice.stream(f"watcher:{cluster}") as stream:
            stream.wait_joined()
            sim.modes(transform="ignored")
            sim.faults(drop_watches=True)
            sim.change("secret", count=5)
            wait_until(
                lambda: newest_states(stream).get("secret", {}).get("reason") == "InvalidAnswer",
                20,
                "the watch refused",
            )
            no_more_refused(sim, stream)
            memory_is_clean(sluice)
            leaked_nowhere(sluice)


def test_a_secret_under_another_status_is_wiped():
    """500 with a whole Secret as its body, several times: nothing of it stays in memory."""
    with simulator() as sim:
        sim.faults(
            next=[{"match": f"GET {SEALED[0]}", "status": 500, "secret": True, "count": 6}],
        )
        with Sluice(QUICK, kubeconfig=sim.kubeconfig) as sluice:
            wait_until(lambda: len(asked_for_sealed(sim)) >= 7, 20, "seven requests")
            sim.wait_watches(14)
            memory_is_clean(sluice)
            leaked_nowhere(sluice)


def test_a_server_without_the_transform_is_told_of():
    """406: a state and a line with the remedy; the whole is not asked for instead."""
    with simulator() as sim:
        sim.modes(transform="refused")
        with Sluice(QUICK, kubeconfig=sim.kubeconfig) as sluice:
            cluster = watcher_of(sluice).partition("/")[2]
            with sluice.stream(f"watcher:{cluster}", last_event_id="-1") as stream:

                def refused():
                    """True when the secrets' newest state says 406."""
                    state = newest_states(stream).get("secret", {})
                    return state.get("code") == 406 and state["reason"] == "NotAcceptable"

                wait_until(refused, 20, "406")
            wait_words(sluice, "leave this kind out")
            assert all(accept == LIST for _, accept in asked_for_sealed(sim))
            leaked_nowhere(sluice)
