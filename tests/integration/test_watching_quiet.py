"""What happens while nothing comes: the sockets' own watch over the peer, and statuses that age."""

import contextlib
import socket
import time

from tests.bed.kubeapi import pod_spec
from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice
from tests.bed.sockets import inet_sockets, peer_of
from tests.integration.watching import QUICK, Watching, watching

# Younger than the 15 s after which a pod that fits nowhere is a trouble.
AGE_MS = 8000


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
        clock = ("--clock", str(int(time.time() * 1000) - AGE_MS))
        sim = stack.enter_context(KubeSim(frozen=True, options=clock))
        sluice = stack.enter_context(Sluice(QUICK, kubeconfig=sim.kubeconfig))
        bed = Watching(sim, sluice, stack)
        bed.wait_watching()
        reason = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        status = {"phase": "Pending", "conditions": [reason], "containerStatuses": []}
        # In one step, so that no other status lies between: a script runs as the clock moves.
        place = {"kind": "pod", "ns": "shop", "name": "homeless"}
        thing = {"metadata": {"name": "homeless", "namespace": "shop"}, "spec": pod_spec()}
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
