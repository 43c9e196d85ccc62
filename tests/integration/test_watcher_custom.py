"""Kinds of the operator's: the generic rule, keys of cluster-wide objects, restarts."""

import itertools

from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice
from tests.integration.watching import deny

CONF = {
    "supervise": {"circuit_deaths": 1000, "base": "100ms", "max": "200ms"},
    "watch": {
        "custom": [
            {"group": "", "version": "v1", "resource": "nodes", "kind": "Node"},
            {
                "group": "storage.k8s.io",
                "version": "v1",
                "resource": "storageclasses",
                "kind": "StorageClass",
            },
        ],
        "backoff": {"base": "100ms", "max": "400ms"},
    },
}


def test_a_killed_watcher_knows_cluster_wide_objects_again():
    """They are published once, ever; the snapshot has the newest state of every kind."""
    with KubeSim(frozen=True) as sim, Sluice(CONF, kubeconfig=sim.kubeconfig) as sluice:
        watcher = next(n for n in sluice.status() if n.startswith("watcher/"))
        cluster = watcher.partition("/")[2]
        nodes = {f"resource:{cluster}/nodes/{name}" for _, _, name in sim.state("Node")}
        classes = {
            f"resource:{cluster}/storageclasses.storage.k8s.io/{name}"
            for _, _, name in sim.state("StorageClass")
        }
        assert nodes and classes
        own = sum(len(sim.state(kind)) for kind in ("Deployment", "ReplicaSet", "Pod"))
        count = len(nodes) + len(classes) + own
        with sluice.stream(f"resource:{cluster}/*", last_event_id="-1") as stream:
            stream.wait_events(count)
            told = {e["stream_key"] for e in stream.events()}
            assert nodes | classes <= told
            for _ in range(3):
                old = sluice.kill(watcher)
                sluice.wait_restarted(watcher, old)
            wait_until(
                lambda: sluice.status()[watcher]["status_state"] == "watching", 20, "watching"
            )
            # Published some time after it was said: then a snapshot has it.
            with sluice.stream(f"watcher:{cluster}", last_event_id="-1") as states:
                newest = {}

                def watching(states):
                    """True when that is the newest state of each kind."""
                    newest.update({e["subject"]: e["data"]["state"] for e in states.events()})
                    return len(newest) == 16 and set(newest.values()) == {"watching"}

                states.read_until(watching, 20, "a state per kind")
            with sluice.stream(f"watcher:{cluster}") as states:
                states.wait_joined()
                told = [s.json["data"]["kind"] for s in states.named("snapshot")]
                assert len(told) == len(set(told)) == 16
                assert {"pod", "secret", "nodes", "storageclasses.storage.k8s.io"} <= set(told)
            stream.pump()
            assert len(stream.events()) == count


def test_a_custom_kind_that_is_not_served_says_so():
    """The other kinds never notice."""
    gone = [{"group": "example.com", "version": "v1", "resource": "widgets", "kind": "Widget"}]
    conf = {"watch": {"kinds": ["pod"], "custom": gone}}
    with KubeSim(frozen=True) as sim, Sluice(conf, kubeconfig=sim.kubeconfig) as sluice:
        watcher = next(n for n in sluice.status() if n.startswith("watcher/"))

        def told():
            """The status in words, once it names the kind."""
            text = sluice.status()[watcher]["status"]
            return text if "widgets.example.com" in text else None

        assert "1 of 2 kinds" in wait_until(told, 15, "the kind is named")


def test_a_forbidden_kind_of_the_cluster_is_not_asked_for_in_namespaces_for_ever():
    """Its 404 there is explained, with the remedy, and waits as long as a refusal."""
    conf = {"watch": {**CONF["watch"], "kinds": ["pod"], "namespaces": ["default"]}}
    with KubeSim(frozen=True) as sim:
        sim.access(deny("nodes"))
        with Sluice(conf, kubeconfig=sim.kubeconfig) as sluice:
            watcher = next(n for n in sluice.status() if n.startswith("watcher/"))

            def told():
                """True once the status names the remedy."""
                return "belongs to no namespace" in sluice.status()[watcher]["status"]

            wait_until(told, 15, "the remedy")

            def asked():
                """When it was asked for there, in ms."""
                rows = [r for r in sim.requests() if "/namespaces/default/nodes" in r["target"]]
                return [row["time_ms"] for row in rows]

            # 100 ms, doubled each time, up to five minutes; a tired machine may delay each.
            times = wait_until(lambda: len(asked()) >= 5 and asked(), 30, "five requests")
            gaps = [after - before for before, after in itertools.pairwise(times)]
            assert all(gap >= 50 * 2**i for i, gap in enumerate(gaps)), gaps
