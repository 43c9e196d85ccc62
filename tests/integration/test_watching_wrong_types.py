"""Objects that no API server would send: wrong types everywhere, and every legal name."""

import copy
import re
import string
import urllib.parse

import pytest

from tests.bed.kinds import PLURAL_OF_KIND
from tests.bed.kubeapi import resource_path
from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

# Of configmaps and secrets only metadata is read.
KINDS = {k: p for k, p in PLURAL_OF_KIND.items() if k not in ("ConfigMap", "Secret")}
WRONG = [7, -1, 1e300, "word", "", True, [], [[]], [7], {}, {"x": []}]
CONF = {"watch": {"backoff": {"base": "100ms", "max": "400ms"}}}
LONGEST = 253


def spoiled(value, wrong):
    """VALUE with WRONG for each leaf; lists and dicts keep their form."""
    if isinstance(value, dict) and value:
        return {name: spoiled(member, wrong) for name, member in value.items()}
    if isinstance(value, list) and value:
        return [spoiled(member, wrong) for member in value]
    return copy.deepcopy(wrong)


def variants(part):
    """PART spoiled as a whole, in each leaf, and in each of its members."""
    for wrong in WRONG:
        yield spoiled(part, wrong)
        yield dict.fromkeys(part, wrong)
        for name in part:
            yield {**part, name: wrong}


@pytest.mark.slow
def test_wrong_types_in_every_field_leave_the_watcher_alone():
    """Every part of every status, of every wrong type: told, repaired, and nobody died."""
    with (
        KubeSim(frozen=True, kinds="all", objects=80) as sim,
        Sluice(CONF, kubeconfig=sim.kubeconfig) as sluice,
    ):
        watcher = next(n for n in sluice.status() if n.startswith("watcher/"))
        cluster = watcher.partition("/")[2]
        with sluice.stream(f"resource:{cluster}/*", last_event_id="-1") as stream:
            stream.wait_open()
            sent = 0
            for kind, resource in KINDS.items():
                key = sorted(sim.state(kind))[0]
                good = sim.state(kind)[key]
                path = resource_path(resource, key[1], key[2], "status")
                for status in variants(good.get("status") or {}):
                    sim.api.call("PUT", path, {**good, "metadata": {}, "status": status})
                    sent += 1
                sim.api.call(
                    "PUT", path, {**good, "metadata": {}, "status": good.get("status", {})}
                )
            assert sent > 500, sent
            pod = sorted(sim.state("Pod"))[0]
            sim.api.set_pod_status(*pod[1:], {"phase": "Failed", "message": "the last one"})

            def last():
                """True once the last change has come."""
                stream.pump()
                told = [e["data"]["status"].get("message") for e in stream.events()]
                return "the last one" in told

            wait_until(last, 30, "the last change")
            assert stream.ended is None
        row = sluice.status()[watcher]
        assert row["deaths"] == 0 and "14 kinds" in row["status"], row


def test_names_with_every_legal_character_are_told():
    """Letters, digits, dots and dashes, and the longest there is."""
    legal = string.ascii_lowercase + string.digits
    names = [f"{c}-{c}.{c}{c}" for c in legal] + ["0", "a" * LONGEST, ".".join("x" * 9)]
    with (
        KubeSim(frozen=True, objects=0, kinds="all") as sim,
        Sluice(CONF, kubeconfig=sim.kubeconfig) as sluice,
    ):
        watcher = next(n for n in sluice.status() if n.startswith("watcher/"))
        cluster = watcher.partition("/")[2]
        sim.api.create_namespace("n-0")
        for name in names:
            sim.api.create("configmaps", "n-0", {"metadata": {"name": name}})
        with sluice.stream(f"resource:{cluster}/*", last_event_id="-1") as stream:
            wanted = {f"resource:{cluster}/configmap/n-0/{name}" for name in names}

            def told():
                """True when each has its stream."""
                stream.pump()
                return wanted <= {e["stream_key"] for e in stream.events()}

            wait_until(told, 20, "every name")
            for name in names:
                sim.api.delete("configmaps", "n-0", name)

            def gone():
                """True when each is told to be gone."""
                stream.pump()
                return wanted <= {
                    e["stream_key"]
                    for e in stream.events()
                    if e["event_type"] == "resource.deleted"
                }

            wait_until(gone, 20, "every name gone")


def key_name(name):
    """NAME as it stands in a key (watcher/key_name.h)."""
    plain = (string.ascii_letters + string.digits + "-._:").encode()
    return "".join(chr(b) if b in plain else f"~{b:02X}" for b in name.encode())


def test_names_of_path_segments_are_told_and_none_stops_the_kind():
    """As RBAC's names: any character but / and %; one too long for a key is counted."""
    shown = [f"a{c}b" for c in string.printable[:94] if c not in "/%"]
    shown += ["*", "~", "a b", "\N{SNOWMAN}", "system:node:x"]
    long = "@" * 100
    classes = "/apis/storage.k8s.io/v1/storageclasses"
    short = "storageclasses.storage.k8s.io"
    custom = {
        "group": "storage.k8s.io",
        "version": "v1",
        "resource": "storageclasses",
        "kind": "StorageClass",
    }
    conf = {**CONF, "watch": {**CONF["watch"], "custom": [custom]}}
    conf["supervise"] = {"circuit_deaths": 1000, "base": "100ms", "max": "200ms"}
    with KubeSim(frozen=True, objects=0) as sim:
        sim.modes(path_names=["storageclass"])
        for name in [*shown[::2], long]:
            sim.api.call("POST", classes, {"metadata": {"name": name}})
        with Sluice(conf, kubeconfig=sim.kubeconfig) as sluice:
            watcher = next(n for n in sluice.status() if n.startswith("watcher/"))
            prefix = f"resource:{watcher.partition('/')[2]}/{short}/"
            wanted = {prefix + key_name(name) for name in shown}
            assert len(wanted) == len(shown)
            with sluice.stream(f"{prefix}*", last_event_id="-1") as stream:

                def told(event_type, count):
                    """True when each name has that many of these events."""
                    stream.pump()
                    keys = [e["stream_key"] for e in stream.events()]
                    kinds = [e["event_type"] for e in stream.events()]
                    pairs = list(zip(keys, kinds, strict=True))
                    return all(pairs.count((key, event_type)) == count for key in wanted)

                # Half of them by the list, the others by the watch.
                sim.wait_watches(15)
                for name in shown[1::2]:
                    sim.api.call("POST", classes, {"metadata": {"name": name}})
                wait_until(lambda: told("status_update", 1), 20, "every name")
                status = sluice.status()[watcher]["status"]
                assert f"; {short}: ObjectsSkipped" in status, status
                count = re.compile(rf'skipped_total{{[^}}]*kind="{short}"}} [1-9]')
                wait_until(
                    lambda: count.search(sluice.request("GET", "/metrics")[2]), 20, "the count"
                )
                # What the store shows is not taken for gone, nor told again.
                old = sluice.kill(watcher)
                sluice.wait_restarted(watcher, old)
                sim.wait_watches(15)
                for name in shown:
                    sim.api.call("DELETE", f"{classes}/{urllib.parse.quote(name, safe='')}")
                wait_until(lambda: told("resource.deleted", 1), 20, "every name gone")
                assert told("status_update", 1)
