"""HTTP/2: how many connections a watcher holds to a real API server."""

import os

import pytest

from tests.bed.cluster import RealCluster
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

ESTABLISHED = "01"
QUICK = {"backoff": {"base": "100ms", "max": "400ms"}}


@pytest.fixture(scope="module", name="server")
def _server():
    """An API server without anything behind it, which a test may end."""
    with RealCluster(nodes=0, controllers=False) as cluster:
        yield cluster


def inodes_of(pid):
    """The inodes of a process's sockets."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def connections(pid, port):
    """How many established connections the process has to the PORT."""
    mine = inodes_of(pid)
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    remote = f":{port:04X}"
    return sum(row[2].endswith(remote) and row[3] == ESTABLISHED and row[9] in mine for row in rows)


def watching(sluice, name):
    """True when both kinds watch."""
    return sluice.status()[name]["status_state"] == "watching"


@pytest.mark.cluster
@pytest.mark.parametrize(("http2", "least", "most"), [(True, 2, 2), (False, 3, 4)])
def test_watches_share_one_connection_and_lists_have_another(server, http2, least, most):
    """HTTP/2: one for both watches, one for the lists, also after the server was away."""
    conf = {"watch": {"http2": http2, "kinds": ["deployment", "pod"], **QUICK}}
    with Sluice(conf, kubeconfig=server.kubeconfig) as sluice:
        name = next(n for n in sluice.status() if n.startswith("watcher/"))
        pid = sluice.pid(name)
        wait_until(lambda: watching(sluice, name), 20, "both kinds watching")

        def count_is_right():
            """True when as many connections are open as should be."""
            return least <= connections(pid, server.port) <= most

        wait_until(count_is_right, 10, f"{least} to {most} connections")
        server.kill_apiserver()
        wait_until(lambda: not watching(sluice, name), 20, "back-off")
        server.start_apiserver()
        server.wait_ready()
        wait_until(lambda: watching(sluice, name), 60, "both kinds watching again")
        count = connections(pid, server.port)
        # The lists' connection comes with the next list.
        assert (1 if http2 else 2) <= count <= most, count
