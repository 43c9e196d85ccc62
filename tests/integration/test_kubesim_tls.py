"""The simulated API server's TLS: whom it trusts, and how it fails."""

import http.client
import os
import ssl

import pytest

from tests.bed.kubesim import KubeSim
from tests.bed.net import deadline

PODS = "/api/v1/pods"


def connect(sim, certificate=False):
    """A connection that trusts the simulator's CA, with the client's certificate or without."""
    context = ssl.create_default_context(cafile=sim.ca_file)
    if certificate:
        context.load_cert_chain(
            os.path.join(sim.directory, "client.crt"), os.path.join(sim.directory, "client.key")
        )
    return http.client.HTTPSConnection("127.0.0.1", sim.port, context=context, timeout=deadline(10))


def status_of(conn, path, **headers):
    """The status of an answer."""
    conn.request("GET", path, headers=headers)
    answer = conn.getresponse()
    answer.read()
    conn.close()
    return answer.status


def test_a_client_is_known_by_its_certificate():
    """Without a token; a wrong token is refused all the same."""
    with KubeSim(frozen=True) as sim:
        assert status_of(connect(sim), PODS) == 401
        assert status_of(connect(sim, certificate=True), PODS) == 200
        wrong = {"Authorization": "Bearer wrong"}
        assert status_of(connect(sim, certificate=True), PODS, **wrong) == 401


def test_a_handshake_can_end_by_an_alert():
    """So many times, then all is well again."""
    with KubeSim(frozen=True) as sim:
        sim.faults(tls_alert=2)
        for _ in range(2):
            with pytest.raises(ssl.SSLError):
                status_of(connect(sim), "/version")
        assert status_of(connect(sim), "/version") == 200


def test_a_certificate_can_have_expired():
    """A client that looks refuses it."""
    with (
        KubeSim(frozen=True, options=("--expired-cert",)) as sim,
        pytest.raises(ssl.SSLCertVerificationError, match="expired"),
    ):
        status_of(connect(sim), "/version")
