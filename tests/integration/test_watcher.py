"""The watcher on the simulator: bindings, kills, an API server away, bad kubeconfigs."""

import copy
import itertools
import json
import os
import pathlib

import pytest

from tests.bed.certs import Authority, make_key
from tests.bed.kubesim import KubeSim
from tests.bed.net import free_port, wait_until
from tests.bed.sluice import Sluice

QUICK = {
    "supervise": {"circuit_deaths": 1000, "base": "100ms", "max": "200ms"},
    "watch": {"kinds": ["deployment", "pod"], "backoff": {"base": "100ms", "max": "400ms"}},
}


def cluster_of(sluice):
    """The id of the only cluster."""
    return next(n for n in sluice.status() if n.startswith("watcher/")).partition("/")[2]


def names(sim, kind):
    """(namespace, name) of every object of KIND, in order."""
    return sorted((namespace, name) for _, namespace, name in sim.state(kind))


def newest(stream):
    """The newest event of each stream key."""
    stream.pump()
    return {e["stream_key"]: e for e in stream.events()}


@pytest.mark.slow
def test_a_killed_watcher_publishes_nothing_that_did_not_change():
    """20 SIGKILLs at rest: every object and every node is published once, ever."""
    with KubeSim(frozen=True) as sim, Sluice(QUICK, kubeconfig=sim.kubeconfig) as sluice:
        cluster = cluster_of(sluice)
        objects = len(sim.state("Deployment")) + len(sim.state("Pod"))
        with (
            sluice.stream(f"resource:{cluster}/*", last_event_id="-1") as stream,
            sluice.stream("workflow:w1", last_event_id="-1") as nodes,
        ):
            stream.wait_events(objects)
            put_workflow(sluice, "w1", {"n1": ("pod", *names(sim, "Pod")[0])})
            nodes.wait_events(1)
            for _ in range(20):
                old = sluice.kill(f"watcher/{cluster}")
                sluice.wait_restarted(f"watcher/{cluster}", old)
            with sluice.stream(f"watcher:{cluster}", last_event_id="-1") as states:

                def watching():
                    """Both kinds have said so after the last kill."""
                    states.pump()
                    said = [e for e in states.events() if e["data"]["state"] == "watching"]
                    last = {e["subject"] for e in said[-2:]}
                    return len(said) >= 4 and last == {"deployment", "pod"}

                wait_until(watching, 20, "both kinds watching")
            # Of the newest process alone; what it had to tell of objects went before that.
            wait_until(
                lambda: sluice.status()[f"watcher/{cluster}"]["status_state"] == "watching",
                20,
                "the last watcher watching",
            )
            sim.wait_watches(2, timeout=30)
            stream.pump()
            nodes.pump()
            assert (len(stream.events()), len(nodes.events())) == (objects, 1)


@pytest.mark.slow
def test_watchers_killed_while_pods_change_end_level_with_the_cluster():
    """10 SIGKILLs under change: each stream's seq is whole, the newest status is the cluster's."""
    with KubeSim(frozen=True) as sim, Sluice(QUICK, kubeconfig=sim.kubeconfig) as sluice:
        cluster = cluster_of(sluice)
        with sluice.stream(f"resource:{cluster}/*", last_event_id="-1") as stream:
            stream.wait_open()
            sim.change("pod", count=1000, rate=200, wait=False)
            for _ in range(10):
                old = sluice.kill(f"watcher/{cluster}")
                sluice.wait_restarted(f"watcher/{cluster}", old)
            sim.quiet()

            def level():
                """True when every pod's newest event tells its present phase."""
                told = newest(stream)
                live = {
                    f"resource:{cluster}/pod/{namespace}/{name}": pod
                    for (_, namespace, name), pod in sim.state("Pod").items()
                }
                shown = {
                    key: event
                    for key, event in told.items()
                    if "/pod/" in key and event["event_type"] == "status_update"
                }
                return live.keys() == shown.keys() and all(
                    shown[key]["data"]["status"]["phase"] == pod["status"].get("phase", "")
                    for key, pod in live.items()
                )

            wait_until(level, 30, "the streams level with the cluster")
            last = {}
            for event in stream.events():
                key = event["stream_key"]
                assert event["seq"] == last.get(key, 0) + 1, key
                last[key] = event["seq"]
            assert not stream.named("stream.gap")


def lists(sim):
    """The lists of watched kinds the simulator was asked for (health asks for others)."""
    rows = [json.dumps(row) for row in sim.requests()]
    return [r for r in rows if ("/pods?" in r or "/deployments?" in r) and "watch=" not in r]


def put_workflow(sluice, workflow, nodes):
    """PUTs a workflow: {node: (kind, namespace, name)}."""
    rows = [
        {"id": node, "type": kind, "namespace": namespace, "name": name}
        for node, (kind, namespace, name) in nodes.items()
    ]
    body = {"cluster": cluster_of(sluice), "nodes": rows}
    status, _, answer = sluice.request("PUT", f"/api/v1/workflows/{workflow}", body)
    assert status in (200, 201), answer


def test_bindings_follow_their_workflows():
    """Two workflows on one pod are both told; changed nodes are bound anew; DELETE ends it."""
    with KubeSim(frozen=True) as sim, Sluice(QUICK, kubeconfig=sim.kubeconfig) as sluice:
        sim.wait_watches(2)
        first, second = (("pod", *pod) for pod in names(sim, "Pod")[:2])

        def turn(pod, message):
            """Changes what a pod's status says."""
            sim.api.set_pod_status(*pod[1:], {"phase": "Failed", "message": message})

        def told(stream, node, name, message=None):
            """Waits until a stream says MESSAGE of the pod NAME as NODE."""

            def there(_):
                """True when the newest event of the node is that."""
                mine = [e["data"] for e in stream.events() if e["subject"] == node]
                return (
                    mine
                    and mine[-1]["resource"]["name"] == name
                    and message in (None, mine[-1]["status"]["message"])
                )

            stream.read_until(there, 20, f"{message} of {name} as {node}")

        with sluice.stream("workflow:w1") as one, sluice.stream("workflow:w2") as two:
            one.wait_joined()
            two.wait_joined()
            put_workflow(sluice, "w1", {"a": first, "b": first})
            put_workflow(sluice, "w2", {"a": first})
            for stream, node in ((one, "a"), (one, "b"), (two, "a")):
                told(stream, node, first[2])
            turn(first, "for both")
            for stream, node in ((one, "a"), (one, "b"), (two, "a")):
                told(stream, node, first[2], "for both")
            put_workflow(sluice, "w1", {"a": second})
            told(one, "a", second[2])
            count = len(one.events())
            turn(first, "for w2")
            told(two, "a", first[2], "for w2")
            turn(second, "for w1")
            told(one, "a", second[2], "for w1")
            assert len(one.events()) == count + 1, one.events()
            status, _, answer = sluice.request("DELETE", "/api/v1/workflows/w2")
            assert status in (200, 204), answer
            with sluice.stream(f"resource:{cluster_of(sluice)}/*", "workflow:w2") as both:
                both.wait_joined()
                turns = itertools.count()

                def told_on(key, message):
                    """True when a stream of that key's beginning has told the message."""
                    return any(
                        e["stream_key"].startswith(key)
                        and e["data"].get("status", {}).get("message") == message
                        for e in both.events()
                    )

                def untold():
                    """True when a change came on resource: and not on the deleted workflow.

                    One connection tells both in their order: behind the next change's event there
                    is none of this one.
                    """
                    message = f"turn {next(turns)}"
                    for text in (message, f"{message} is over"):
                        turn(first, text)
                        both.read_until(lambda _, text=text: told_on("resource:", text), 20, text)
                    return not told_on("workflow:", message)

                wait_until(untold, 20, "the binding to go")
                assert untold()
                assert untold()


def test_a_node_is_bound_at_run_time_without_a_new_list():
    """PUT of a workflow: node_update of an existing and of a missing object; DELETE unbinds."""
    with KubeSim(frozen=True) as sim, Sluice(QUICK, kubeconfig=sim.kubeconfig) as sluice:
        cluster = cluster_of(sluice)
        sim.wait_watches(2)
        sim.clear_requests()
        namespace, name = names(sim, "Deployment")[0]
        nodes = [
            {"id": "there", "type": "deployment", "name": name, "namespace": namespace},
            {"id": "absent", "type": "deployment", "name": "nobody", "namespace": namespace},
        ]
        body = {"cluster": cluster, "nodes": nodes}
        with sluice.stream("workflow:w1") as stream:
            stream.wait_joined()
            status, _, answer = sluice.request("PUT", "/api/v1/workflows/w1", body)
            assert status in (200, 201), answer
            stream.wait_events(2)
            told = {e["subject"]: e["data"] for e in stream.events()}
            assert told["there"]["status"]["state"] == "healthy"
            assert told["there"]["resource"]["name"] == name
            assert told["absent"]["status"]["state"] == "pending"
            assert told["absent"]["status"]["reason"] == "NotFound"
        assert not lists(sim), "a new list"


@pytest.mark.slow
def test_an_api_server_that_goes_and_comes_back():
    """RSTs for a while: back-off, the process stays ready, then both kinds watch again."""
    with KubeSim(frozen=True) as sim, Sluice(QUICK, kubeconfig=sim.kubeconfig) as sluice:
        cluster = cluster_of(sluice)
        with sluice.stream(f"watcher:{cluster}", last_event_id="-1") as stream:
            sim.wait_watches(2)
            rules = [{"match": path, "action": "reset"} for path in ("/pods", "/deployments")]
            sim.faults(next=rules * 4, drop_watches="reset")

            def recovered():
                """True when both kinds backed off and both then said watching."""
                stream.pump()
                said = {}
                for event in stream.events():
                    said.setdefault(event["subject"], []).append(event["data"]["state"])
                return len(said) == 2 and all(
                    states.count("backoff") >= 4 and states[-1] == "watching"
                    for states in said.values()
                )

            wait_until(recovered, 20, "back-off, then watching")
            assert sluice.status()[f"watcher/{cluster}"]["state"] == "ready"
            sim.wait_watches(2)


def test_a_watch_that_brings_nothing_but_errors_is_listed_anew():
    """ERROR 500 at the same version four times: a list leads past it, then it is watched again."""
    with KubeSim(frozen=True) as sim, Sluice(QUICK, kubeconfig=sim.kubeconfig):
        sim.wait_watches(2)
        sim.clear_requests()
        rule = {"match": "GET /api/v1/pods?watch", "watch_error": 500, "count": 4}
        sim.faults(next=[rule], drop_watches="reset")
        wait_until(lambda: any("/pods?" in r for r in lists(sim)), 20, "a list of pods")
        sim.wait_watches(2)


def kubeconfig_text(server, user):
    """A kubeconfig with one context named `only`."""
    return json.dumps(
        {
            "current-context": "only",
            "contexts": [{"name": "only", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": user}],
        }
    )


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"exec": {"command": "aws"}}, "exec"),
        ({"client-certificate-data": "!!"}, "base64"),
        ({"tokenFile": "nowhere"}, "nowhere"),
        ({"client-certificate": "no.pem"}, "no.pem"),
    ],
)
def test_a_bad_kubeconfig_is_named_with_its_place(tmp_path, user, words):
    """The log names file, line and what is wrong; the rest of the service runs."""
    path = tmp_path / "config"
    path.write_text(kubeconfig_text(f"https://127.0.0.1:{free_port()}", user))
    sluice = Sluice(QUICK, kubeconfig=path)
    try:
        sluice.start(ready=False)
        sluice.wait_ready(only=["gateway/0"])

        def told():
            """The watcher's complaint in the log."""
            return [
                line
                for line in sluice.process.tail(1000).splitlines()
                if "cannot start" in line and words in line and os.fspath(path) in line
            ]

        wait_until(told, 10, "the complaint")
        assert sluice.request("GET", "/healthz")[0] == 200
    finally:
        sluice.close()


def test_an_unreachable_cluster_leaves_the_others_alone(tmp_path):
    """Its watcher is READY and in back-off; the other cluster's objects stream."""
    path = tmp_path / "dead"
    path.write_text(kubeconfig_text(f"https://127.0.0.1:{free_port()}", {"token": "t"}))
    with KubeSim(frozen=True) as sim:
        conf = {**QUICK, "contexts": "all"}
        with Sluice(conf, kubeconfig=f"{sim.kubeconfig}:{path}") as sluice:
            watchers = sorted(n for n in sluice.status() if n.startswith("watcher/"))
            assert len(watchers) == 2 and "watcher/only" in watchers
            alive = next(n for n in watchers if n != "watcher/only").partition("/")[2]
            with sluice.stream(f"resource:{alive}/*", last_event_id="-1") as stream:
                stream.wait_events(len(sim.state("Deployment")) + len(sim.state("Pod")))
            with sluice.stream("watcher:only", last_event_id="-1") as stream:
                stream.read_until(
                    lambda s: any(e["data"]["state"] == "backoff" for e in s.events()),
                    15,
                    "back-off",
                )


# Made with openssl: not after 2020-01-02.
EXPIRED = """-----BEGIN CERTIFICATE-----
MIIBADCBpgIBATAKBggqhkjOPQQDAjAMMQowCAYDVQQDDAF4MB4XDTIwMDEwMTAw
MDAwMFoXDTIwMDEwMjAwMDAwMFowDDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEG
CCqGSM49AwEHA0IABJHHQMqFb7aDexBVR7X7kSiwhckNYIzBfoIg2AlQu7iroCNc
QrkC+JunT5ThrJFjr1gCfKQWbiCH4j+HxerDN/IwCgYIKoZIzj0EAwIDSQAwRgIh
AKgcYPaLC627qWpwwfgUXZVce5/u97/RsdthDJVJFVJqAiEAgLaRp6mZZEnEUwFO
wyLlLqUIIiu+PKBaVYIwDDHBNzk=
-----END CERTIFICATE-----
"""


def expired(config, tmp_path):
    """A client certificate that is over."""
    certificate, key = tmp_path / "old.crt", make_key(os.fspath(tmp_path / "old.key"))
    certificate.write_text(EXPIRED)
    config["users"][0]["user"].update(
        {"client-certificate": os.fspath(certificate), "client-key": key}
    )


def wrong_token(config, _):
    """A token that the API server does not know."""
    config["users"][0]["user"] = {"token": "of-yesterday"}


def wrong_authority(config, tmp_path):
    """The CA of another cluster."""
    config["clusters"][0]["cluster"]["certificate-authority"] = Authority(tmp_path).cert


def wrong_port(config, _):
    """An address where nobody listens."""
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{free_port()}"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (expired, "expired on 2020-01-02"),
        (wrong_token, "Unauthorized"),
        (wrong_authority, "do the certificates of "),
        (wrong_port, "is the API server up, and `server` of "),
    ],
)
def test_a_kubeconfig_put_right_is_used_without_a_restart(tmp_path, spoil, words):
    """The status names what is wrong and where; the repaired file is read in the back-off."""
    with KubeSim(frozen=True) as sim:
        path = pathlib.Path(sim.directory, "config")
        good = json.loads(kubeconfig_text(sim.url, {"token": sim.token}))
        good["clusters"][0]["cluster"]["certificate-authority"] = sim.ca_file
        bad = copy.deepcopy(good)
        spoil(bad, tmp_path)
        path.write_text(json.dumps(bad))
        with Sluice(QUICK, kubeconfig=path) as sluice:
            name = f"watcher/{cluster_of(sluice)}"

            def told():
                """The status in words, once it tells of the trouble."""
                text = sluice.status()[name]["status"]
                return text if words in text else None

            text = wait_until(told, 15, "the trouble in the status")
            if spoil is not wrong_token:
                assert f"context only in {path}" in text, text
            pid = sluice.pid(name)
            path.write_text(json.dumps(good))
            # The pause before the next try is as long as what went before.
            sim.wait_watches(2, timeout=60)
            assert sluice.pid(name) == pid
