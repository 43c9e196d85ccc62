"""The simulated API server around its objects: negotiation, discovery, access, reviews."""

import http.client
import json
import time

import pytest

from tests.bed.kubesim import KubeSim

PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
SECRETS = "/api/v1/secrets"
# What every secret's data begins with, in base64.
MARK = b"a3ViZXNpbS1zZWNyZXQt"


@pytest.fixture(name="sim")
def frozen_sim_of_all_kinds():
    """A frozen plain cluster with all kinds."""
    with KubeSim(tls=False, frozen=True, kinds="all") as sim:
        yield sim


def get(sim, target, accept="application/json", method="GET", body=None, **headers):
    """One request; returns (status, headers, raw body)."""
    conn = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=20)
    all_headers = {"Authorization": f"Bearer {sim.token}", "Accept": accept}
    all_headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    conn.request(method, target, json.dumps(body) if body else None, all_headers)
    answer = conn.getresponse()
    raw = answer.read()
    conn.close()
    return answer.status, dict(answer.getheaders()), raw


def test_metadata_alone_is_sent_under_its_own_kind(sim):
    """List, object and watch, and nothing of a secret but what annotations hold."""
    status, _, raw = get(sim, SECRETS, PARTIAL_LIST)
    page = json.loads(raw)
    assert status == 200
    assert (page["kind"], page["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    assert all(list(item) == ["kind", "apiVersion", "metadata"] for item in page["items"])
    meta = page["items"][0]["metadata"]
    _, _, raw = get(sim, f"/api/v1/namespaces/{meta['namespace']}/secrets/{meta['name']}", PARTIAL)
    one = json.loads(raw)
    assert one["kind"] == "PartialObjectMetadata"
    assert set(one) == {"kind", "apiVersion", "metadata"}
    _, _, raw = get(sim, f"{SECRETS}?watch=1&resourceVersion=0&timeoutSeconds=1", PARTIAL)
    kinds = {json.loads(line)["object"]["kind"] for line in raw.splitlines()}
    assert kinds == {"PartialObjectMetadata"}


@pytest.mark.parametrize(
    ("target", "accept", "code"),
    [
        (SECRETS, PARTIAL, 406),
        (f"{SECRETS}?watch=1", PARTIAL_LIST, 406),
        (SECRETS, "application/vnd.kubernetes.protobuf", 406),
        (SECRETS, TABLE, 200),
        (SECRETS, TABLE.replace("v=v1", "v=v1beta1"), 406),
        (SECRETS, PARTIAL_LIST.replace("v=v1", "v=v1beta1"), 406),
        (SECRETS, "application/vnd.kubernetes.protobuf, */*", 200),
        (SECRETS, f"{TABLE},application/json", 200),
        (SECRETS, "application/json;charset=utf-8;surprise=1", 200),
    ],
)
def test_what_cannot_be_served_is_406(sim, target, accept, code):
    """The kinds are exact; a clause that can be served wins over those before it."""
    status, _, raw = get(sim, target, accept)
    assert status == code
    if code == 406:
        assert json.loads(raw)["reason"] == "NotAcceptable"


def test_a_table_has_rows_for_people(sim):
    """Pages of it, and a watch, whose first table alone has columns."""
    _, _, raw = get(sim, f"{SECRETS}?limit=2", TABLE)
    page = json.loads(raw)
    assert (page["kind"], len(page["rows"])) == ("Table", 2)
    assert page["metadata"]["continue"]
    assert [column["name"] for column in page["columnDefinitions"]] == ["Name", "Data", "Age"]
    row = page["rows"][0]
    assert row["cells"][0] == row["object"]["metadata"]["name"]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    rv = sim.stats()["resourceVersion"]
    sim.change("pod", count=3)
    _, _, raw = get(sim, f"/api/v1/pods?watch=1&resourceVersion={rv}&timeoutSeconds=1", TABLE)
    tables = [json.loads(line)["object"] for line in raw.split(b"\n") if line]
    assert [bool(table["columnDefinitions"]) for table in tables] == [True, False, False]
    sim.modes(transform="refused")
    assert get(sim, SECRETS, TABLE)[0] == 406


def test_a_server_without_the_transform_refuses_or_sends_all(sim):
    """Refused it is 406; the buggy proxy sends the secret itself to who asked for metadata."""
    sim.modes(transform="refused")
    assert get(sim, SECRETS, PARTIAL_LIST)[0] == 406
    assert get(sim, SECRETS, PARTIAL_LIST + ",application/json")[0] == 200
    sim.modes(transform="ignored")
    status, _, raw = get(sim, SECRETS, PARTIAL_LIST)
    assert (status, json.loads(raw)["kind"]) == (200, "SecretList")
    assert MARK in raw
    sim.control("DELETE", "modes")
    _, _, raw = get(sim, SECRETS, PARTIAL_LIST + ";drop=metadata.managedFields")
    assert b"managedFields" not in raw
    sim.modes(drop="off")
    assert b"managedFields" in get(sim, SECRETS, PARTIAL_LIST + ";drop=metadata.managedFields")[2]


def test_people_get_lines_and_indentation(sim):
    """By their program's name, and by ?pretty."""
    _, _, plain = get(sim, SECRETS)
    _, _, pretty = get(sim, SECRETS, User_Agent="curl/7.88.1")
    assert plain.count(b"\n") == 1
    assert pretty.count(b"\n") > 50
    assert json.loads(plain) == json.loads(pretty)
    assert get(sim, SECRETS + "?pretty=true")[2] == pretty
    assert get(sim, SECRETS + "?pretty=false", User_Agent="curl/7.88.1")[2] == plain


def test_aggregated_discovery_names_every_kind(sim):
    """Two requests, with a content type of their own."""
    found = {}
    for path in ("/api", "/apis"):
        status, headers, raw = get(sim, path, DISCOVERY)
        assert (status, headers["Content-Type"]) == (200, DISCOVERY)
        for group in json.loads(raw)["items"]:
            for version in group["versions"]:
                name = group["metadata"].get("name", "")
                for entry in version["resources"]:
                    found[(name, version["version"], entry["resource"])] = entry
    assert ("autoscaling", "v2", "horizontalpodautoscalers") in found
    assert found[("", "v1", "pods")]["responseKind"]["kind"] == "Pod"
    assert len(found) == 17
    assert {"list", "watch"} <= set(found[("apps", "v1", "deployments")]["verbs"])


def test_legacy_discovery_is_one_document_per_group(sim):
    """For who does not accept the other, and on old servers for all."""
    sim.modes(discovery="legacy")
    groups = json.loads(get(sim, "/apis", DISCOVERY)[2])
    assert groups["kind"] == "APIGroupList"
    assert {"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}]}.items() <= (
        next(group for group in groups["groups"] if group["name"] == "apps").items()
    )
    assert json.loads(get(sim, "/api")[2])["versions"] == ["v1"]
    assert json.loads(get(sim, "/apis/batch")[2])["preferredVersion"]["version"] == "v1"
    names = {entry["name"] for entry in json.loads(get(sim, "/apis/batch/v1")[2])["resources"]}
    assert names == {"jobs", "cronjobs"}


def test_a_kind_that_is_not_served_is_a_plain_404(sim):
    """As an unknown group: text, not a Status; and discovery does not name it."""
    path = "/apis/autoscaling/v2/horizontalpodautoscalers"
    assert get(sim, path)[0] == 200
    sim.modes(unserved=["hpa"], minor=22)
    for target in (path, "/apis/nobody.example/v1/things", "/apis/autoscaling/v2"):
        status, headers, raw = get(sim, target)
        assert (status, raw) == (404, b"404 page not found\n")
        assert headers["Content-Type"].startswith("text/plain")
    assert b"autoscaling" not in get(sim, "/apis", DISCOVERY)[2]
    assert json.loads(get(sim, "/version")[2])["gitVersion"] == "v1.22.1+kubesim"


def test_a_missing_object_is_a_status_with_details(sim):
    """The name of the resource has its group."""
    status, _, raw = get(sim, "/apis/apps/v1/namespaces/shop/deployments/nobody")
    answer = json.loads(raw)
    assert (status, answer["reason"]) == (404, "NotFound")
    assert answer["message"] == 'deployments.apps "nobody" not found'
    assert answer["details"] == {"name": "nobody", "group": "apps", "kind": "deployments"}


def test_access_is_decided_per_verb_kind_and_namespace(sim):
    """And can be changed while watches are open: those stay."""
    sim.access(
        {"effect": "deny", "verbs": ["list", "watch"], "resources": ["pods"], "namespaces": [""]},
        {"effect": "deny", "resources": ["secrets"]},
    )
    status, _, raw = get(sim, "/api/v1/pods")
    answer = json.loads(raw)
    assert (status, answer["reason"], answer["details"]) == (403, "Forbidden", {"kind": "pods"})
    assert answer["message"] == (
        'pods is forbidden: User "kubesim" cannot list resource "pods" in API group "" at the '
        "cluster scope"
    )
    assert json.loads(get(sim, "/api/v1/pods?watch=1")[2])["message"].count("cannot watch") == 1
    assert get(sim, "/api/v1/namespaces/shop/pods")[0] == 200
    status, _, raw = get(sim, "/api/v1/namespaces/shop/secrets/x")
    assert status == 403
    assert 'secrets "x" is forbidden' in json.loads(raw)["message"]
    sim.access({"effect": "allow", "resources": ["pods"]}, default="deny")
    assert get(sim, "/api/v1/pods")[0] == 200
    status, _, raw = get(sim, "/apis/apps/v1/deployments")
    assert json.loads(raw)["details"] == {"group": "apps", "kind": "deployments"}
    assert get(sim, "/readyz")[0] == 403
    sim.control("DELETE", "access")
    assert get(sim, "/apis/apps/v1/deployments")[0] == 200


def test_reviews_say_who_one_is_and_what_one_may(sim):
    """By the table that decides requests."""

    def may(verb, resource, namespace=""):
        """The review's answer."""
        attributes = {"verb": verb, "resource": resource, "namespace": namespace}
        status, _, raw = get(
            sim,
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            method="POST",
            body={"spec": {"resourceAttributes": attributes}},
        )
        assert status == 201
        return json.loads(raw)["status"]["allowed"]

    sim.access({"effect": "deny", "verbs": ["list"], "resources": ["pods"], "namespaces": [""]})
    sim.faults(forbid=["jobs/all"])
    assert not may("list", "pods")
    assert may("list", "pods", "shop")
    assert may("watch", "pods")
    assert not may("list", "jobs", "shop")
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    status, _, raw = get(sim, path, method="POST", body={"kind": "SelfSubjectReview"})
    assert (status, json.loads(raw)["status"]["userInfo"]["username"]) == (201, "kubesim")
    assert get(sim, path)[0] == 405


def test_the_log_tells_headers_times_and_open_watches(sim):
    """So that tests can say that nobody asked for a secret's bytes."""
    sim.clear_requests()
    begin = time.monotonic()
    get(sim, SECRETS, PARTIAL_LIST, Accept_Encoding="gzip")
    # Behind the end of the one before: what the log says of it lies between.
    sim.stats()
    took_ms = (time.monotonic() - begin) * 1000
    get(sim, f"{SECRETS}?watch=1&resourceVersion=0&timeoutSeconds=1", PARTIAL)
    listed, watched = sim.requests()
    assert listed["accept_encoding"] == "gzip"
    assert "as=PartialObjectMetadataList" in listed["accept"]
    assert 0 <= listed["answered_after_ms"] <= listed["ended_after_ms"] <= took_ms
    assert watched["ended_after_ms"] >= 900
    assert watched["bytes"] > 100
    assert (watched["watches"], watched["protocol"]) == (0, "HTTP/1.1")
