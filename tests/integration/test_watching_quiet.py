"""What happens while nothing comes: the sockets' own watch over the peer, and statuses that age."""

import contextlib
import datetime
import socket
import time

from tests.bed.kubeapi import pod_spec
from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice
from tests.bed.sockets import inet_sockets, peer_of
from tests.integration.watching import QUICK, Watching, watching

NO_ADDRESS_S = 10
# Younger than the 15 s after which a pod that fits nowhere is a trouble.
AGE_MS = 8000
LONG_AGO_MS = 3_600_000


def test_a_dead_server_is_found_by_the_kernel():
    """Keep-alive after 30 s, every 10 s, three times; what is sent is acknowledged in 30 s."""
    with watching() as bed:
        found = []
        for sock in inet_sockets(bed.sluice.pid(bed.process)):
            if peer_of(sock) == ("127.0.0.1", bed.sim.port):
                names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
                options = [sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, n)) for n in names]
                found.append((sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), *options))
        assert found and set(found) == {(1, 30, 10, 3, 30_000)}, found


def test_a_pod_that_fits_nowhere_for_15_s_is_told_without_an_event():
    """First progressing, then, of the same version, degraded."""
    with contextlib.ExitStack() as stack:
        # It creates what is that old already: its clock stands in the past.
        clock = int(time.time() * 1000) - LONG_AGO_MS
        sim = stack.enter_context(KubeSim(frozen=True, options=("--clock", str(clock))))
        sluice = stack.enter_context(Sluice(QUICK, kubeconfig=sim.kubeconfig))
        bed = Watching(sim, sluice, stack)
        bed.wait_watching()
        reason = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        status = {"phase": "Pending", "conditions": [reason], "containerStatuses": []}
        # In one step, so that no other status lies between: a script runs as the clock moves.
        place = {"kind": "pod", "ns": "shop", "name": "homeless"}
        thing = {"metadata": {"name": "homeless", "namespace": "shop"}, "spec": pod_spec()}
        # Only now, however long the start took.
        sim.advance(int(time.time() * 1000) - AGE_MS - clock)
        sim.script(
            {"at_ms": 0, "create": {**place, "object": thing}},
            {"at_ms": 0, "patch": {**place, "patch": {"status": status}, "status": True}},
        )
        sim.advance(1)
        key = f"resource:{bed.cluster}/pod/shop/homeless"

        def told():
            """[(health, resource_version)] of what was told of it with that reason."""
            bed.objects.pump()
            return [
                (e["data"]["status"]["health"], e["data"]["resource_version"])
                for e in bed.objects.events()
                if e["stream_key"] == key and e["data"]["status"].get("reason") == "Unschedulable"
            ]

        wait_until(lambda: len(told()) == 2, 40, "two states", interval=0.2)
        version = sim.api.get("pods", "shop", "homeless")["metadata"]["resourceVersion"]
        assert told() == [("progressing", version), ("degraded", version)]


def seconds(text):
    """A time as the API and frames write it, in seconds since 1970."""
    return datetime.datetime.fromisoformat(text).timestamp()


def test_an_ingress_without_an_address_is_told_again_without_an_event():
    """Of one version: first progressing; after `watch.no_address` nobody waits for one any more."""
    conf = {"kinds": ["ingress"], "no_address": f"{NO_ADDRESS_S}s"}
    with watching(conf, ready=False) as bed:
        bed.wait_watching(["ingress"])
        made = bed.sim.api.create(
            "ingresses", "shop", {"metadata": {"name": "door"}, "spec": {"rules": []}}
        )
        key = f"resource:{bed.cluster}/ingress/shop/door"

        def told():
            """What was told of it."""
            bed.objects.pump()
            return [e for e in bed.objects.events() if e["stream_key"] == key]

        wait_until(lambda: len(told()) == 2, 40, "two states", interval=0.2)
        version = made["metadata"]["resourceVersion"]
        said = [(e["data"]["status"], e["data"]["resource_version"]) for e in told()]
        assert [(s["state"], s["health"], s["reason"], v) for s, v in said] == [
            ("pending", "progressing", "NoAddressAssigned", version),
            ("healthy", "healthy", "NoAddressPublished", version),
        ]
        due = seconds(made["metadata"]["creationTimestamp"]) + NO_ADDRESS_S
        before, after = (seconds(e["timestamp"]) for e in told())
        assert before <= due < after
        live = bed.sim.api.get("ingresses", "shop", "door")
        assert live["metadata"]["resourceVersion"] == version
        # One list, one watch: nobody asked again either.
        assert len(bed.lists("ingresses")) == 1
