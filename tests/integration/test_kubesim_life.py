"""The simulated cluster lives: controllers, a demo that fails and recovers, load."""

import threading
import time

import pytest

from tests.bed.kubesim import KubeSim
from tests.bed.net import deadline, wait_until

from .watch_reader import PODS, Watch, watch_target

CLOCK = ("--clock", 1_790_000_000_000)


def pods_of(sim, namespace, app):
    """The pods of an application, without terminating ones."""
    return [
        pod
        for key, pod in sim.state("pod").items()
        if key[1] == namespace
        and pod["metadata"]["labels"]["app"] == app
        and "deletionTimestamp" not in pod["metadata"]
    ]


@pytest.mark.slow
def test_a_watcher_that_stops_reading_is_dropped_and_others_are_not():
    """Its buffer is bounded; the other gets every event."""
    with KubeSim(tls=False, frozen=True, options=("--watch-buffer", "1")) as sim:
        rv = sim.stats()["resourceVersion"]
        with Watch(sim, watch_target(rv)) as good, Watch(sim, watch_target(rv)):

            def dropped():
                # The reader is waited for, so that only the other one can fall behind by a buffer.
                sim.change(count=50)
                assert None not in good.events(50)
                return sim.stats()["dropped_watches"]

            # How much the sockets take before the buffer does, the kernel decides.
            assert wait_until(dropped, 60, "the other is dropped", interval=0) == 1
            sim.change(count=50)
            assert None not in good.events(50)
            assert sim.stats()["dropped_watches"] == 1


@pytest.mark.slow
def test_two_thousand_changes_a_second_reach_four_watchers():
    """At the asked rate, with every event to each; the simulator's CPU is printed."""
    with KubeSim(tls=False, frozen=True, objects=2000) as sim:
        rv = sim.stats()["resourceVersion"]
        watches = [Watch(sim, watch_target(rv)) for _ in range(4)]
        counts = [0] * len(watches)

        def read(index):
            """Counts lines, which is all Python is fast enough for."""
            while counts[index] < 4000:
                counts[index] += watches[index].answer.read1(1 << 20).count(b"\n")

        readers = [
            threading.Thread(target=read, args=(i,), daemon=True) for i in range(len(watches))
        ]
        for reader in readers:
            reader.start()
        answer = sim.change(count=4000, rate=2000)
        for reader in readers:
            reader.join(deadline(60))
        assert answer["done"] == 4000
        assert counts == [4000] * len(watches)
        with open(f"/proc/{sim.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        ticks = int(fields[11]) + int(fields[12])
        print(f"CPU for 4,000 changes to {len(watches)} watches: {ticks * 10} ms")
        for watch in watches:
            watch.answer.close()
            watch.conn.close()


@pytest.mark.slow
def test_ten_thousand_objects_are_listed_quickly():
    """In pages and whole, through TLS."""
    with KubeSim(tls=True, frozen=True, objects=10000) as sim:
        assert len(sim.api.list("pods")) == sim.stats()["objects"]["pod"] > 5000
        page, count = {"metadata": {"continue": ""}}, 0
        while True:
            more = page["metadata"].get("continue", "")
            page = sim.api.call("GET", f"{PODS}?limit=500" + (f"&continue={more}" if more else ""))
            count += len(page["items"])
            if not page["metadata"].get("continue"):
                break
        assert count == sim.stats()["objects"]["pod"]


@pytest.mark.slow
def test_a_scaled_deployment_gets_its_pods_step_by_step():
    """The controllers follow a write: generation is observed later, pods go through their steps."""
    with KubeSim(tls=False, rate=0) as sim:
        sim.api.scale_deployment("shop", "checkout", 6)
        wait_until(lambda: sim.api.available("shop", "checkout") == 6, 20, "six are available")
        pods = pods_of(sim, "shop", "checkout")
        assert len(pods) == 6
        youngest = max(pods, key=lambda pod: int(pod["metadata"]["resourceVersion"]))
        states = sim.history("pod", "shop", youngest["metadata"]["name"])
        phases = [state["object"]["status"]["phase"] for state in states]
        assert phases == ["Pending", "Pending", "Running", "Running"]
        lag = [
            state["object"]["metadata"]["generation"]
            - state["object"]["status"]["observedGeneration"]
            for state in sim.history("deployment", "shop", "checkout")
        ]
        assert 1 in lag
        assert lag[-1] == 0
        sim.api.delete("deployments", "shop", "checkout")
        wait_until(lambda: not pods_of(sim, "shop", "checkout"), 20, "its pods are gone")
        wait_until(
            lambda: all(
                k[1:] != ("shop", "checkout") and "checkout" not in k[2] for k in sim.state()
            ),
            20,
            "nothing of it is left",
        )


@pytest.mark.slow
def test_a_rollout_never_has_fewer_ready_pods_than_asked_for():
    """A new image makes a new ReplicaSet; the old pods go one by one."""
    with KubeSim(tls=False, rate=0) as sim:
        before = sim.api.get("deployments", "shop", "payments")
        want = before["spec"]["replicas"]
        template = before["spec"]["template"]
        template["spec"]["containers"][0]["image"] = "registry.example/new:2"
        sim.api.patch("deployments", "shop", "payments", {"spec": {"template": template}})

        def done():
            """True when only pods of the new set are left and all are ready."""
            if sim.api.available("shop", "payments") != want:
                return False
            now = sim.api.get("deployments", "shop", "payments")["status"]
            return now.get("updatedReplicas") == now.get("replicas") == want

        wait_until(done, 30, "the rollout is complete")
        ready = [
            state["object"]["status"].get("readyReplicas", 0)
            for state in sim.history("deployment", "shop", "payments")
        ]
        assert min(ready) >= want
        assert max(ready) > want


def test_the_demo_moves_within_a_second_and_the_rate_is_kept():
    """And pods fail and recover as time goes, which here nobody but the test lets go."""
    with KubeSim(tls=False, rate=20, options=CLOCK) as sim:
        rv = sim.stats()["resourceVersion"]
        sim.advance(1000)
        assert sim.stats()["resourceVersion"] > rv
        before = sim.stats()["changes"]
        sim.advance(4000)
        assert 2 < (sim.stats()["changes"] - before) / 4 < 30


@pytest.mark.slow
def test_the_demo_moves_by_the_clock_of_the_machine():
    """By itself, and at no more than its rate, with what may have gathered in a second."""
    with KubeSim(tls=False, rate=20) as sim:
        begin, before = time.monotonic(), sim.stats()["changes"]
        wait_until(lambda: sim.stats()["changes"] - before >= 80, 40, "80 changes")
        changes = sim.stats()["changes"] - before
        assert changes / (time.monotonic() - begin) < 30


@pytest.mark.slow
def test_pods_of_the_demo_fail_in_every_way_and_recover():
    """Crash loop, lack of memory, missing image; a failed pod is ready again later."""
    with KubeSim(tls=False, rate=150, objects=200, options=CLOCK) as sim:
        seen, failed = set(), {}

        def story():
            """True when all has been seen, and some pod that had failed is ready again."""
            # Time goes by looks: the seed alone decides what is seen, and when.
            sim.advance(500)
            for key, pod in sim.state("pod").items():
                container = pod["status"].get("containerStatuses", [{"state": {}}])[0]
                reasons = {state.get("reason") for state in container["state"].values()}
                seen.update(reasons)
                if "CrashLoopBackOff" in reasons:
                    failed[key] = False
                elif key in failed and container.get("ready"):
                    failed[key] = True
            wanted = {"CrashLoopBackOff", "OOMKilled", "ImagePullBackOff", "ContainerCreating"}
            return wanted <= seen and any(failed.values())

        wait_until(story, 40, "failures and a recovery", interval=0)


def test_the_same_seed_makes_the_same_cluster():
    """Names, uids and images."""

    def cluster(seed):
        """What does not depend on the clock."""
        with KubeSim(tls=False, frozen=True, seed=seed) as sim:
            return {key: item["metadata"]["uid"] for key, item in sim.state().items()}

    assert cluster(5) == cluster(5)
    assert cluster(5) != cluster(6)
