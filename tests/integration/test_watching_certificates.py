"""An API server whose certificate is over, or another server's: said clearly, until it is right."""

import pytest

from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

from .credentials_bed import QUICK, Bed

HERE = ("IP:127.0.0.1",)


@pytest.fixture(name="bed")
def fixture_bed():
    """A simulator behind TLS."""
    bed = Bed()
    yield bed
    bed.close()


def expired(authority):
    """The right name, but over since 2020."""
    return authority.issue_expired("old", "/CN=front", HERE)


def of_another_host(authority):
    """Valid, of the same authority, and for another name and address."""
    return authority.issue("other", "/CN=front", ("DNS:other.example", "IP:127.0.0.9"))


def states(stream):
    """{kind: newest data} of a stream of watcher.state_changed."""
    stream.pump()
    return {e["subject"]: e["data"] for e in stream.events()}


def phases(stream):
    """{(namespace, name): phase} of the pods as a stream tells them."""
    stream.pump()
    return {
        tuple(e["stream_key"].split("/")[2:]): e["data"]["status"]["phase"]
        for e in stream.events()
        if "/pod/" in e["stream_key"] and e["event_type"] == "status_update"
    }


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (expired, "certificate has expired"),
        (of_another_host, "no alternative certificate subject name"),
    ],
)
def test_a_servers_bad_certificate_is_named_and_mends(bed, spoil, words):
    """State, status and log say what is wrong; right again, it is watched; others never notice."""
    good = bed.authority.issue("again", "/CN=front", HERE)
    bad = spoil(bed.authority)
    bed.front.tokens = {"one"}
    with KubeSim(frozen=True, context="other") as other:
        paths = f"{bed.kubeconfig({'token': 'one'})}:{other.kubeconfig}"
        bed.sluice = Sluice({**QUICK, "contexts": "all"}, kubeconfig=paths).start()
        for sim in (bed.sim, other):
            sim.wait_watches(2)
        with (
            bed.sluice.stream("watcher:only", last_event_id="-1") as mine,
            bed.sluice.stream("watcher:other", last_event_id="-1") as others,
            bed.sluice.stream("resource:only/*", last_event_id="-1") as objects,
        ):
            wait_until(
                lambda: [s["state"] for s in states(others).values()] == ["watching"] * 2,
                20,
                "the other cluster watched",
            )
            before = len(others.events())
            other.clear_requests()
            bed.front.show(bad)
            bed.sim.faults(drop_watches=True)

            def told():
                """True when both kinds are in back-off for that."""
                now = states(mine).values()
                return len(now) == 2 and all(
                    (s["state"], s.get("reason")) == ("backoff", "TlsFailed") for s in now
                )

            wait_until(told, 20, "back-off for TLS")
            text = bed.wait_words(words)
            assert bed.directory.name in text, text
            lines = [line for line in bed.log().splitlines() if words in line]
            assert any("watcher/only" in line and "TlsFailed" in line for line in lines), lines
            bed.sim.change("pod", count=20)
            bed.front.show(good)
            bed.sim.wait_watches(2, timeout=30)
            live = {key[1:]: pod["status"]["phase"] for key, pod in bed.sim.state("Pod").items()}
            wait_until(lambda: phases(objects) == live, 20, "the pods level with the cluster")
            wait_until(
                lambda: {s["state"] for s in states(mine).values()} == {"watching"}, 20, "watching"
            )
            asked = [r for r in other.requests() if "watch=1" in r["target"]]
            assert not asked and len(states(others)) == 2 and len(others.events()) == before
