"""The simulated API server behaves as the real one where a watcher can tell."""

import base64
import http.client
import json
import os
import ssl
import time

import pytest

from tests.bed.kubeapi import ApiError, resource_path
from tests.bed.kubesim import KubeSim
from tests.bed.net import deadline

from .watch_reader import PODS, Watch, rv_of, watch_target


@pytest.fixture(name="first_pod")
def name_of_first_pod(sim):
    """(namespace, name) of some pod."""
    return min(sim.versions("pod"))


def test_pages_of_a_list_come_from_one_snapshot(sim):
    """Changes between pages do not show, and every page has the version of the first."""
    before = sim.versions("pod")
    page = sim.api.call("GET", f"{PODS}?limit=10")
    rv, seen = page["metadata"]["resourceVersion"], page["items"]
    assert page["metadata"]["remainingItemCount"] == len(before) - 10
    sim.change(count=50)
    last_ns, last_name = max(before)
    sim.api.delete("pods", last_ns, last_name)
    while page["metadata"].get("continue"):
        page = sim.api.call("GET", f"{PODS}?limit=10&continue={page['metadata']['continue']}")
        assert page["metadata"]["resourceVersion"] == rv
        seen += page["items"]
    assert "remainingItemCount" not in page["metadata"]
    found = {
        (item["metadata"]["namespace"], item["metadata"]["name"]): int(
            item["metadata"]["resourceVersion"]
        )
        for item in seen
    }
    assert found == before
    assert list(found) == sorted(found)
    assert page["kind"] == "PodList"
    assert all("kind" not in item and "apiVersion" not in item for item in seen)


def test_a_page_of_one_object_counts_them_all(sim):
    """The rest is said, unless a selector is at work: nobody has counted what that leaves."""
    for plural in ("pods", "deployments", "replicasets"):
        path = resource_path(plural)
        count = len(sim.api.list(plural))
        page = sim.api.call("GET", f"{path}?limit=1")
        assert page["metadata"]["remainingItemCount"] == count - 1
        assert len(page["items"]) == 1
        chosen = sim.api.call("GET", f"{path}?limit=1&labelSelector=app%21%3Dnothing")
        assert chosen["metadata"]["continue"]
        assert "remainingItemCount" not in chosen["metadata"]


def test_pages_can_be_smaller_than_they_were_asked_for(sim):
    """The token tells whether there is more, not how many objects came."""
    sim.modes(page_max=7)
    pods = sorted(sim.versions("pod"))
    page = sim.api.call("GET", f"{PODS}?limit=500")
    seen = page["items"]
    assert len(seen) == 7
    while page["metadata"].get("continue"):
        page = sim.api.call("GET", f"{PODS}?limit=500&continue={page['metadata']['continue']}")
        assert len(page["items"]) <= 7
        seen += page["items"]
    assert [(i["metadata"]["namespace"], i["metadata"]["name"]) for i in seen] == pods
    assert len(sim.api.list("pods")) == len(pods)


def test_a_list_of_one_namespace_holds_only_it(sim):
    """Namespaced and cluster-wide paths agree."""
    every = sim.api.list("deployments")
    shop = sim.api.list("deployments", "shop")
    assert shop == [item for item in every if item["metadata"]["namespace"] == "shop"]
    assert shop
    assert sim.api.list("deployments", "nowhere") == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("resourceVersion=x", 400),
        ("limit=x", 400),
        ("continue=%21%21", 400),
        ("resourceVersionMatch=Exact", 422),
        ("resourceVersion=0&resourceVersionMatch=Exact", 422),
        ("sendInitialEvents=true", 422),
        ("fieldSelector=spec.nope%3D1", 400),
    ],
)
def test_bad_list_parameters_are_refused(sim, query, code):
    """With a Status of the right code."""
    status, answer = sim.api.request("GET", f"{PODS}?{query}")
    assert (status, answer["kind"], answer["code"]) == (code, "Status", code)


def test_continue_with_a_version_is_400(sim):
    """As a real server says it."""
    page = sim.api.call("GET", f"{PODS}?limit=3")
    target = f"{PODS}?resourceVersion=5&continue={page['metadata']['continue']}"
    assert sim.api.request("GET", target)[0] == 400


@pytest.mark.slow
def test_a_list_at_a_future_version_is_504_too_large(sim):
    """After three seconds, with the cause that clients look for."""
    begin = time.monotonic()
    status, answer = sim.api.request("GET", f"{PODS}?resourceVersion=999999999")
    assert status == 504
    assert answer["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert 2.5 < time.monotonic() - begin < deadline(6)


def test_a_watch_gets_exactly_the_events_above_its_version(sim):
    """Past ones from the window and live ones, of this kind only, in order, none twice."""
    sim.change(count=7)
    start = sim.stats()["resourceVersion"]
    sim.change(count=30)
    sim.change(kind="deployment", count=5)
    with Watch(sim, watch_target(start)) as watch:
        past = watch.events(30)
        last = sim.change(count=20)["last_rv"]
        live = watch.events(20)
        versions = [rv_of(event) for event in past + live]
    assert versions == sorted(set(versions))
    assert versions[0] > start
    assert versions[-1] == last
    truth = [
        state["rv"]
        for ns, name in sim.versions("pod")
        for state in sim.history("pod", ns, name)
        if state["rv"] > start
    ]
    assert versions == sorted(truth)
    assert {event["type"] for event in past + live} == {"MODIFIED"}


def test_a_namespaced_watch_sees_only_its_namespace(sim):
    """And deletions there, with the deletion's version."""
    start = sim.stats()["resourceVersion"]
    with Watch(sim, watch_target(start, "/api/v1/namespaces/shop/pods")) as watch:
        sim.change(namespace="data", count=5)
        sim.change(namespace="shop", count=3)
        events = watch.events(3)
        ns, name = next(key for key in sim.versions("pod") if key[0] == "shop")
        before = sim.versions("pod")[(ns, name)]
        sim.api.delete("pods", ns, name)
        marked, gone = watch.events(2)
    assert {event["object"]["metadata"]["namespace"] for event in events} == {"shop"}
    assert marked["type"] == "MODIFIED"
    assert "deletionTimestamp" in marked["object"]["metadata"]
    assert gone["type"] == "DELETED"
    assert before < rv_of(marked) < rv_of(gone)


def test_a_watch_without_version_begins_with_what_there_is(sim):
    """Synthetic ADDEDs in the order of keys, then the mark of their end, then live."""
    count = len(sim.versions("pod"))
    with Watch(sim, watch_target(allowWatchBookmarks="true")) as watch:
        first = watch.events(count)
        mark = watch.event()
        sim.change(count=1)
        live = watch.event()
    keys = [
        (event["object"]["metadata"]["namespace"], event["object"]["metadata"]["name"])
        for event in first
    ]
    assert keys == sorted(sim.versions("pod"))
    assert {event["type"] for event in first} == {"ADDED"}
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert live["type"] == "MODIFIED"
    with Watch(sim, watch_target(0)) as watch:
        assert len(watch.events(count)) == count


def test_a_watch_at_a_future_version_stays_silent(sim):
    """Until that version has passed."""
    ahead = sim.stats()["resourceVersion"] + 40
    with Watch(sim, watch_target(ahead)) as watch:
        sim.change(count=60)
        assert rv_of(watch.event()) > ahead


@pytest.mark.slow
def test_bookmarks_come_only_when_asked_and_before_the_end(sim):
    """At the interval, with nothing but a version, and the body ends cleanly in time."""
    sim.faults(bookmark_interval_ms=200)
    start = sim.stats()["resourceVersion"]
    begin = time.monotonic()
    with Watch(sim, watch_target(start, allowWatchBookmarks="true", timeoutSeconds=60)) as watch:
        events = watch.events(10)
    assert time.monotonic() - begin > 1.9
    # However late the machine is: nothing but the one before the end comes here.
    sim.faults(bookmark_interval_ms=3_600_000)
    sim.modes(before_end_ms=2990)
    begin = time.monotonic()
    with Watch(sim, watch_target(start, allowWatchBookmarks="true", timeoutSeconds=3)) as watch:
        last = watch.event()
        assert watch.event() is None
    assert time.monotonic() - begin > 2.9
    for event in (*events, last):
        assert event["type"] == "BOOKMARK"
        assert event["object"]["kind"] == "Pod"
        assert list(event["object"]["metadata"]) == ["resourceVersion"]
    with Watch(sim, watch_target(start, timeoutSeconds=1)) as watch:
        assert watch.event() is None


def test_a_wrong_token_is_401_everywhere(sim):
    """Without a token only health and version answer."""
    for path in (PODS, "/version", "/readyz"):
        status, answer = sim.api.request("GET", path, token="wrong")
        assert (status, answer["reason"]) == (401, "Unauthorized")
    conn = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=10)
    answers = {}
    for path in (PODS, "/version", "/readyz", "/livez", "/healthz"):
        conn.request("GET", path)
        answer = conn.getresponse()
        answer.read()
        answers[path] = answer.status
    conn.close()
    assert answers.pop(PODS) == 401
    assert set(answers.values()) == {200}


def test_tls_with_its_own_ca_and_a_kubeconfig_that_fits():
    """The certificate names 127.0.0.1; a client without the CA refuses it."""
    with KubeSim(tls=True, frozen=True, context="blue") as sim:
        assert len(sim.api.list("pods")) == 24
        with open(sim.kubeconfig, encoding="utf-8") as file:
            text = file.read()
        assert oct(os.stat(sim.kubeconfig).st_mode & 0o777) == "0o600"
        fields = dict(line.strip().split(": ", 1) for line in text.splitlines() if ": " in line)
        assert fields["current-context"] == "blue"
        assert fields["server"] == sim.url
        assert fields["token"] == sim.token
        with open(sim.ca_file, "rb") as file:
            assert base64.b64decode(fields["certificate-authority-data"]) == file.read()
        stranger = http.client.HTTPSConnection("127.0.0.1", sim.port, timeout=10)
        with pytest.raises(ssl.SSLCertVerificationError):
            stranger.request("GET", "/version")
        with Watch(sim, watch_target(sim.stats()["resourceVersion"])) as watch:
            sim.change(count=300)
            assert len(watch.events(300)) == 300


def test_objects_are_realistic_and_managed_fields_can_be_dropped(sim, first_pod):
    """Owner references, unicode annotations, and two ways to leave bytes out."""
    deployment = sim.api.list("deployments")[0]
    assert "Jörg Müller" in deployment["metadata"]["annotations"]["example.com/owner"]
    pod = sim.api.get("pods", *first_pod)
    assert pod["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
    assert pod["metadata"]["managedFields"]
    slim = "application/json;drop=metadata.managedFields"
    with Watch(sim, f"{PODS}?limit=1", slim) as answer:
        item = json.load(answer.answer)["items"][0]
    expected = sim.api.get("pods", item["metadata"]["namespace"], item["metadata"]["name"])
    expected["metadata"].pop("managedFields")
    del expected["kind"], expected["apiVersion"]
    assert item == expected
    partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    with Watch(sim, PODS, partial) as answer:
        page = json.load(answer.answer)
    assert page["kind"] == "PartialObjectMetadataList"
    assert all(list(item) == ["kind", "apiVersion", "metadata"] for item in page["items"])


def test_writes_follow_the_rules_of_subresources(sim):
    """Spec and status are written apart, generation counts spec, nothing changed is no event."""
    before = sim.api.get("deployments", "shop", "checkout")
    same = sim.api.patch("deployments", "shop", "checkout", {"status": {"replicas": 77}})
    assert same["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    scaled = sim.api.scale_deployment("shop", "checkout", 9)
    assert scaled["spec"]["replicas"] == 9
    after = sim.api.get("deployments", "shop", "checkout")
    assert after["spec"]["replicas"] == 9
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert after["status"]["observedGeneration"] == before["metadata"]["generation"]
    body = {"status": {"readyReplicas": 1}, "spec": {"replicas": 1}}
    status = sim.api.patch("deployments", "shop", "checkout", body, "status")
    assert status["status"]["readyReplicas"] == 1
    assert status["spec"]["replicas"] == 9
    with pytest.raises(ApiError) as conflict:
        sim.api.call("PUT", "/apis/apps/v1/namespaces/shop/deployments/checkout", before)
    assert conflict.value.status == 409


def test_objects_can_be_created_and_deleted(sim):
    """A created object has what the server adds; its name can be used again with another uid."""
    made = sim.api.create_pod("shop", "mine", labels={"app": "x", "ünï": "no"})
    assert made["status"]["phase"] == "Pending"
    assert made["metadata"]["uid"]
    with pytest.raises(ApiError) as twice:
        sim.api.create_pod("shop", "mine")
    assert twice.value.status == 409
    status = {"phase": "Failed", "reason": "Evicted", "message": "zu voll — 満杯"}
    changed = sim.api.set_pod_status("shop", "mine", status)
    assert changed["status"]["message"] == "zu voll — 満杯"
    sim.api.delete("pods", "shop", "mine")
    assert not sim.api.exists("pods", "shop", "mine")
    again = sim.api.create_pod("shop", "mine")
    assert again["metadata"]["uid"] != made["metadata"]["uid"]
    types = [state["type"] for state in sim.history("pod", "shop", "mine")]
    assert types == ["ADDED", "MODIFIED", "MODIFIED", "DELETED", "ADDED"]


def test_sigterm_ends_watches_cleanly_and_exits_0(sim):
    """Also while a watch is open."""
    with Watch(sim, watch_target(sim.stats()["resourceVersion"])) as watch:
        sim.wait_watches(1)
        assert sim.stop() == 0
        assert watch.line() == b""
