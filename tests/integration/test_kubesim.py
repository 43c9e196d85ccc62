"""The simulated API server behaves as the real one where a watcher can tell."""

import base64
import http.client
import json
import os
import socket
import ssl
import threading
import time

import pytest

from tests.bed.kubeapi import ApiError
from tests.bed.kubesim import KubeSim
from tests.bed.net import deadline, wait_until

PODS = "/api/v1/pods"


class Watch:
    """One watch, read line by line as bytes arrive."""

    def __init__(self, sim, target, accept="application/json"):
        """Opens it; .status and .headers are the answer's."""
        if sim.tls:
            context = ssl.create_default_context(cafile=sim.ca_file)
            self.conn = http.client.HTTPSConnection("127.0.0.1", sim.port, context=context)
        else:
            self.conn = http.client.HTTPConnection("127.0.0.1", sim.port)
        self.conn.timeout = deadline(20)
        headers = {"Authorization": f"Bearer {sim.token}", "Accept": accept}
        self.conn.request("GET", target, headers=headers)
        self.answer = self.conn.getresponse()
        self.status = self.answer.status

    def __enter__(self):
        """Itself."""
        return self

    def __exit__(self, *_):
        """Closes the connection."""
        self.answer.close()
        self.conn.close()

    def line(self):
        """The next line as bytes; b"" at a clean end."""
        return self.answer.readline()

    def event(self):
        """The next event, or None at a clean end."""
        line = self.line()
        return json.loads(line) if line else None

    def events(self, count):
        """The next COUNT events."""
        return [self.event() for _ in range(count)]


def rv_of(event):
    """The version of an event's object."""
    return int(event["object"]["metadata"]["resourceVersion"])


def watch_target(rv=None, path=PODS, **query):
    """The target of a watch."""
    query = {"watch": 1, **query}
    if rv is not None:
        query["resourceVersion"] = rv
    return path + "?" + "&".join(f"{name}={value}" for name, value in query.items())


@pytest.fixture(name="sim")
def frozen_sim():
    """A frozen plain simulator."""
    with KubeSim(tls=False, frozen=True) as sim:
        yield sim


@pytest.fixture(name="first_pod")
def name_of_first_pod(sim):
    """(namespace, name) of some pod."""
    return min(sim.versions("pod"))


def test_pages_of_a_list_come_from_one_snapshot(sim):
    """Changes between pages do not show, and every page has the version of the first."""
    before = sim.versions("pod")
    page = sim.api.call("GET", f"{PODS}?limit=10&resourceVersion=0")
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


def test_a_list_of_one_namespace_holds_only_it(sim):
    """Namespaced and cluster-wide paths agree."""
    every = sim.api.list("deployments")
    shop = sim.api.list("deployments", "shop")
    assert shop == [item for item in every if item["metadata"]["namespace"] == "shop"]
    assert shop
    assert sim.api.list("deployments", "nowhere") == []


def test_an_expired_continue_token_is_410_with_one_for_the_rest(sim):
    """The Status carries a token that goes on inconsistently."""
    page = sim.api.call("GET", f"{PODS}?limit=10")
    sim.faults(expire_continue=True)
    status, answer = sim.api.request(
        "GET", f"{PODS}?limit=10&continue={page['metadata']['continue']}"
    )
    assert (status, answer["reason"], answer["code"]) == (410, "Expired", 410)
    rest = sim.api.call("GET", f"{PODS}?continue={answer['metadata']['continue']}")
    assert len(rest["items"]) == len(sim.versions("pod")) - 10


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


def test_a_version_that_left_the_window_is_410_inside_200():
    """By count of events, and by compaction; then the body ends cleanly."""
    with KubeSim(tls=False, frozen=True, options=("--window", "20")) as sim:
        old = sim.stats()["resourceVersion"]
        sim.change(count=10)
        with Watch(sim, watch_target(old)) as watch:
            assert watch.event()["type"] == "MODIFIED"
        sim.change(count=30)
        recent = sim.stats()["resourceVersion"] - 1
        with Watch(sim, watch_target(old)) as watch:
            event = watch.event()
            assert watch.status == 200
            assert event["type"] == "ERROR"
            assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
            assert watch.event() is None
        sim.faults(compact=True)
        with Watch(sim, watch_target(recent - 5)) as watch:
            assert watch.event()["object"]["code"] == 410


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
    with Watch(sim, watch_target(start, allowWatchBookmarks="true", timeoutSeconds=3)) as watch:
        events = []
        while (event := watch.event()) is not None:
            events.append(event)
    assert 2.9 < time.monotonic() - begin < deadline(4)
    assert len(events) >= 10
    for event in events:
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


def test_readyz_names_the_failing_check(sim):
    """And answers ok, or the list when asked for."""
    assert sim.api.request("GET", "/readyz") == (200, "ok")
    assert "[+]etcd ok" in sim.api.call("GET", "/readyz?verbose")
    sim.faults(ready=False)
    status, text = sim.api.request("GET", "/readyz")
    assert status == 500
    assert "[-]etcd failed" in text
    assert sim.api.request("GET", "/livez")[0] == 200


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
    assert all(list(item) == ["metadata"] for item in page["items"])


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


@pytest.mark.parametrize("code", [401, 403, 410, 429, 500, 503])
def test_an_injected_status_is_used_count_times(sim, code):
    """With Retry-After where asked for."""
    sim.faults(next=[{"match": "/pods", "status": code, "retry_after": 7, "count": 2}])
    for _ in range(2):
        status, answer = sim.api.request("GET", PODS)
        assert (status, answer["code"]) == (code, code)
        assert answer["details"]["retryAfterSeconds"] == 7
    assert sim.api.request("GET", PODS)[0] == 200


def test_an_answer_can_be_cut_reset_closed_or_hang(sim):
    """Each as a client sees it on the socket."""
    sim.faults(next=[{"match": "/pods", "action": "reset"}])
    with pytest.raises(ConnectionResetError):
        sim.api.call("GET", PODS)
    sim.faults(next=[{"match": "/pods", "action": "close"}])
    with pytest.raises(ConnectionError):
        sim.api.call("GET", PODS)
    sim.faults(next=[{"match": "/pods", "action": "truncate"}])
    with pytest.raises(ConnectionError):
        sim.api.call("GET", PODS)
    sim.faults(next=[{"match": "/pods", "action": "hang"}])
    with pytest.raises(socket.timeout):
        sim.api.call("GET", PODS, timeout=0.5)
    sim.faults(next=[{"match": "/pods", "action": "garbage"}])
    assert "502 Bad Gateway" in sim.api.call("GET", PODS)
    sim.faults(next=[{"match": "/pods", "status": 502, "html": True}])
    assert sim.api.request("GET", PODS)[0] == 502
    assert sim.api.request("GET", PODS)[0] == 200


def test_a_watch_can_be_cut_inside_a_line_or_carry_garbage(sim):
    """The half line has no newline; after garbage the watch goes on."""
    rv = sim.stats()["resourceVersion"]
    sim.faults(next=[{"match": "watch=1", "action": "halfline"}])
    with Watch(sim, watch_target(rv)) as watch:
        sim.change(count=2)
        with pytest.raises(http.client.IncompleteRead) as cut:
            watch.answer.read()
        assert cut.value.partial == b"" or not cut.value.partial.endswith(b"\n")
    sim.faults(next=[{"match": "watch=1", "action": "garbage"}])
    with Watch(sim, watch_target(rv)) as watch:
        with pytest.raises(ValueError):
            json.loads(watch.line())
        assert watch.event()["type"] == "MODIFIED"
    sim.faults(next=[{"match": "watch=1", "watch_error": 500}])
    with Watch(sim, watch_target(rv)) as watch:
        assert watch.event()["object"]["code"] == 500
        assert watch.event() is None


def test_watches_can_be_dropped_and_versions_go_back(sim):
    """Cleanly or by reset; after a rollback the list's version is lower."""
    rv = sim.change(count=40)["last_rv"]
    with Watch(sim, watch_target(rv)) as watch:
        sim.wait_watches(1)
        sim.faults(drop_watches=True)
        assert watch.event() is None
    with Watch(sim, watch_target(rv)) as watch:
        sim.wait_watches(1)
        sim.faults(drop_watches="reset")
        with pytest.raises(ConnectionResetError):
            watch.event()
    sim.faults(rv_rollback=30)
    page = sim.api.call("GET", f"{PODS}?limit=1")
    assert int(page["metadata"]["resourceVersion"]) == rv - 30
    assert max(sim.versions("pod").values()) <= rv - 30


def test_a_kind_can_be_forbidden_and_allowed_again(sim):
    """Cluster-wide alone, so that a fallback to namespaces can be shown."""
    sim.faults(forbid=["pods"])
    status, answer = sim.api.request("GET", PODS)
    assert (status, answer["reason"]) == (403, "Forbidden")
    assert sim.api.list("pods", "shop")
    sim.faults(forbid=["pods/all"])
    assert sim.api.request("GET", "/api/v1/namespaces/shop/pods")[0] == 403
    sim.faults(forbid=[])
    assert sim.api.list("pods")


def test_the_log_has_every_request_but_those_of_tests(sim):
    """Method, target, headers of interest, status."""
    sim.clear_requests()
    sim.api.request("GET", f"{PODS}?limit=1")
    sim.api.request("GET", PODS, token="wrong")
    log = sim.requests()
    assert [entry["target"] for entry in log] == [f"{PODS}?limit=1", PODS]
    assert [entry["status"] for entry in log] == [200, 401]
    assert log[0]["accept"] == "application/json"
    assert sim.requests(after=log[0]["id"]) == log[1:]


@pytest.mark.slow
def test_a_watcher_that_stops_reading_is_dropped_and_others_are_not():
    """Its buffer is bounded; the other gets every event."""
    with KubeSim(tls=False, frozen=True, options=("--watch-buffer", "1")) as sim:
        rv = sim.stats()["resourceVersion"]
        got = []
        with Watch(sim, watch_target(rv)) as good, Watch(sim, watch_target(rv)):

            def read():
                """Reads all."""
                got.extend(good.events(6000))

            reader = threading.Thread(target=read, daemon=True)
            reader.start()
            sim.change(count=6000)
            reader.join(deadline(60))
            assert len(got) == 6000
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


@pytest.mark.slow
def test_the_demo_moves_within_a_second_and_the_rate_is_kept():
    """And pods fail and recover as time goes."""
    with KubeSim(tls=False, rate=20) as sim:
        rv = sim.stats()["resourceVersion"]
        wait_until(lambda: sim.stats()["resourceVersion"] > rv, 1, "something moved")
        before, begin = sim.stats()["changes"], time.monotonic()
        time.sleep(4)
        rate = (sim.stats()["changes"] - before) / (time.monotonic() - begin)
        assert 2 < rate < 30


@pytest.mark.slow
def test_pods_of_the_demo_fail_in_every_way_and_recover():
    """Crash loop, lack of memory, missing image; a failed pod is ready again later."""
    with KubeSim(tls=False, rate=150, objects=200) as sim:
        seen, failed = set(), {}

        def story():
            """True when all has been seen, and some pod that had failed is ready again."""
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

        wait_until(story, 40, "failures and a recovery", interval=0.2)


def test_the_same_seed_makes_the_same_cluster():
    """Names, uids and images."""

    def cluster(seed):
        """What does not depend on the clock."""
        with KubeSim(tls=False, frozen=True, seed=seed) as sim:
            return {key: item["metadata"]["uid"] for key, item in sim.state().items()}

    assert cluster(5) == cluster(5)
    assert cluster(5) != cluster(6)


def test_sigterm_ends_watches_cleanly_and_exits_0(sim):
    """Also while a watch is open."""
    with Watch(sim, watch_target(sim.stats()["resourceVersion"])) as watch:
        sim.wait_watches(1)
        assert sim.stop() == 0
        assert watch.line() == b""
