"""Peers that take nothing, and peers that are gone: how long each is waited for, what is told."""

import http.client
import os
import re
import socket
import time

import pytest

from tests.bed.apart import Apart
from tests.bed.net import deadline, wait_until
from tests.bed.sluice import Sluice
from tests.bed.sockets import accepted_by, vanish
from tests.bed.tokens import bearer

from .guarded import Guarded
from .numbered import publish

MS = 1000


def metric(sluice, name):
    """One figure of /metrics."""
    text = sluice.request("GET", "/metrics")[2]
    return int(text.split(f"\nsluice_gateway_{name} ")[1].split()[0])


def stalled(sluice):
    """How many connections were closed because their peers took nothing."""
    return metric(sluice, 'closes_total{reason="write_stalled"}')


def reasons(sluice):
    """Why streams ended, by the lines of the log."""
    lines = [line for line in sluice.log().splitlines() if "stream ended" in line]
    return [re.search(r" reason=(\S+)", line)[1] for line in lines]


def test_the_kernel_waits_for_a_peer_as_long_as_the_gateway_does():
    streams = {
        "default": {"heartbeat_interval": "500ms"},
        "run": {"write_stall_timeout": "1s"},
        "build": {"write_stall_timeout": "40s"},
        "import": {"write_stall_timeout": "1h"},
    }

    def options(sock):
        with accepted_by(pid, sock) as accepted:
            probes = [
                accepted.getsockopt(level, name)
                for level, name in (
                    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
                )
            ]
            return accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT), probes

    with Sluice({"streams": streams}) as sluice:
        pid = sluice.pid("gateway/0")
        kinds = {"job": 30 * MS, "run": 30 * MS, "build": 40 * MS, "import": 3600 * MS}
        for kind, right in kinds.items():
            with sluice.stream(f"{kind}:a", snapshot=0) as stream:
                stream.wait_open()
                # Who is idle is asked three times before the 30 s are over.
                assert options(stream.sock) == (right, [1, 20, 5]), kind
        api = http.client.HTTPConnection("127.0.0.1", sluice.port, timeout=deadline(10))
        api.request("GET", "/healthz")
        assert api.getresponse().read()
        # So long an answer of the API may take to be taken.
        assert options(api.sock)[0] == 60 * MS
        # Nor is it less behind a stream that did not open.
        api.request("GET", "/api/v1/streams?stream=job:a&strict=1&last_event_id=0000dead-5")
        answer = api.getresponse()
        assert (answer.status, answer.will_close) == (410, False), answer.read()
        assert answer.read() and options(api.sock)[0] == 60 * MS
        api.close()


@pytest.mark.slow
@pytest.mark.release_only
def test_who_takes_nothing_is_cut_after_the_time_of_its_type_and_told_as_stalled():
    streams = {"default": {"heartbeat_interval": "500ms"}, "run": {"write_stall_timeout": "40s"}}
    with Sluice({"streams": streams}) as sluice:
        readers = [sluice.stream("job:s", snapshot=0) for _ in range(6)]
        readers.append(sluice.stream("run:s", snapshot=0))
        for reader in readers:
            reader.hold_little()
            reader.wait_open()
        begin = time.monotonic()
        # More than the kernel takes for who does not read. That of 40 s comes last: else, where it
        # takes long, it were gone as soon as the others.
        publish(sluice, "job:s", 0, 12000, size=1000)
        others = time.monotonic()
        publish(sluice, "run:s", 0, 12000, size=1000)
        published = time.monotonic()
        wait_until(lambda: len(reasons(sluice)) == 6, 35, "those of 30 s are gone")
        assert time.monotonic() - begin >= 30 and time.monotonic() - others <= 31
        time.sleep(max(0, others + 35 - time.monotonic()))
        assert stalled(sluice) == 6
        wait_until(lambda: stalled(sluice) == 7, published + 45 - time.monotonic(), "that of 40 s")
        assert time.monotonic() - others >= 40 and time.monotonic() - published <= 41
        assert reasons(sluice) == ["write_stalled"] * 7
        for reader in readers:
            reader.close()


@pytest.mark.slow
@pytest.mark.release_only
def test_a_client_that_vanished_is_found_whatever_the_heartbeat_and_its_place_is_free():
    streams = {
        "default": {"heartbeat_interval": "1h"},
        "run": {"heartbeat_interval": "500ms", "write_stall_timeout": "1s"},
        "build": {"heartbeat_interval": "500ms", "write_stall_timeout": "35s"},
    }
    # Between two heartbeats, and then without a byte acknowledged. Who is silent is asked after
    # 20 s, a time that the kernel keeps in steps of 2 s at most.
    within = {"job:v": 30 + 2, "run:v": 0.5 + 30, "build:v": 0.5 + 35}
    with Sluice({"streams": streams}) as sluice:
        pid = sluice.pid("gateway/0")

        def held():
            return len(os.listdir(f"/proc/{pid}/fd"))

        base = held()
        gone, clients, found = {}, [], {}
        for key in within:
            client = sluice.stream(key, snapshot=0)
            client.wait_open()
            clients.append(client)
        for client, key in zip(clients, within, strict=True):
            vanish(client.sock)
            gone[key] = time.monotonic()
        while len(found) < len(within) and time.monotonic() < gone["job:v"] + 45:
            rows = sluice.request("GET", "/api/v1/connections")[2]["connections"]
            left = {key for row in rows for key in row["streams"]}
            for key in set(within) - left - set(found):
                found[key] = time.monotonic() - gone[key]
            time.sleep(0.1)
        assert set(found) == set(within), found
        for key, most in within.items():
            assert most - 2.5 <= found[key] <= most + 2, found
        assert reasons(sluice) == ["write_stalled"] * 3 and stalled(sluice) == 3
        assert metric(sluice, 'connections{state="streaming"}') == 0
        wait_until(lambda: held() <= base, 10, "the descriptors are free")
        for client in clients:
            client.close()


@pytest.mark.slow
@pytest.mark.release_only
def test_a_client_whose_link_goes_down_is_told_as_stalled_and_not_as_one_that_left():
    guarded = Guarded()
    # Off loopback, which only those may who ask for tokens.
    guarded.sluice.write_conf({"listen": f"0.0.0.0:{guarded.sluice.port}"})
    with guarded, Apart() as apart:
        sluice, token = guarded.sluice, guarded.issuer.grants(["job:*"])
        pid = sluice.pid("gateway/0")
        base = len(os.listdir(f"/proc/{pid}/fd"))
        with apart.connect(sluice.port) as sock:
            head = f"Host: {apart.address}\r\nAuthorization: {bearer(token)['Authorization']}\r\n"
            sock.sendall(f"GET /api/v1/streams?stream=job:a HTTP/1.1\r\n{head}\r\n".encode())
            text = b""
            while b"event: heartbeat\n" not in text:
                text += sock.recv(65536)
            # The link is down somewhere between the two.
            begin = time.monotonic()
            apart.cut()
            cut = time.monotonic()
            wait_until(lambda: reasons(sluice), 40, "the end")
            # A heartbeat of 500 ms, and 30 s without an acknowledgement.
            assert time.monotonic() - begin >= 30 and time.monotonic() - cut <= 0.5 + 30 + 2
            assert reasons(sluice) == ["write_stalled"]
            wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= base, 10, "its descriptor")
