"""One timeline against the simulator and against a real API server: where they differ, it is wrong.

Compared are raw answers: status, headers, Status objects, the shape of lists and events. What a
watcher tells of both is compared in test_differential_watcher.py.
"""

import concurrent.futures
import json
import os
import pathlib
import re

import pytest

from tests.bed.cluster import RealCluster
from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.integration.watching import deny

# One process plays both timelines for all of them.
pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.xdist_group("differential")]

RECORDING = pathlib.Path(__file__).with_name("recorded_answers.json")
NAMESPACE = "same"
MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
FUTURE = 99999999
HEADERS = (
    "cache-control",
    "connection",
    "content-encoding",
    "content-type",
    "retry-after",
    "vary",
    "x-content-type-options",
)
META = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
MERGE = {"Content-Type": "application/merge-patch+json"}
POD_SPEC = {"containers": [{"name": "app", "image": "registry.example/app:1"}]}


def get(target, accept=None, **headers):
    """A step: one GET."""
    return ("GET", target, {**({"Accept": accept} if accept else {}), **headers}, None)


def watch(query="", **headers):
    """A step: a watch of one second."""
    return get(f"{MAPS}?watch=1&timeoutSeconds=1{query}", **headers)


def send(method, target, body=None, **headers):
    """A step: a request with a body."""
    return (method, target, headers, body)


def meta(name, **members):
    """An object with a NAME."""
    return {"metadata": {"name": name, **members.pop("metadata", {})}, **members}


def labelled(number):
    """A config map with a label that every second one has."""
    return meta(f"m{number}", metadata={"labels": {"n": str(number % 2)}}, data={"k": "v"})


INITIAL = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
# {VERSION}: of a list before the changes; {TOKEN}: of a first page then.
STEPS = {
    "create": send("POST", MAPS, meta("fresh")),
    "create again": send("POST", MAPS, meta("fresh")),
    "create with a bad name": send("POST", MAPS, meta("M_0")),
    "create without a name": send("POST", MAPS, {"metadata": {}}),
    "create elsewhere": send("POST", MAPS, meta("x", metadata={"namespace": "other"})),
    "create in no namespace": send("POST", "/api/v1/namespaces/none/configmaps", meta("x")),
    "get": get(f"{MAPS}/m0"),
    "get what is not there": get(f"{MAPS}/none"),
    "get a group's that is not there": get(f"{DEPLOYMENTS}/none"),
    "list of no namespace": get("/api/v1/namespaces/none/configmaps"),
    "list of no resource": get("/api/v1/widgets"),
    "list of no group": get("/apis/example.com/v1/widgets"),
    "no path": get("/nothing"),
    "a wrong token": get(MAPS, Authorization="Bearer wrong"),
    "list": get(MAPS),
    "page": get(f"{MAPS}?limit=2"),
    "page with a selector": get(f"{MAPS}?limit=2&labelSelector=n%3D0"),
    "page at zero": get(f"{MAPS}?limit=1&resourceVersion=0"),
    "page below zero": get(f"{MAPS}?limit=-1"),
    "page of no number": get(f"{MAPS}?limit=x"),
    "next page": get(f"{MAPS}?limit=2&continue={{TOKEN}}"),
    "next page at a version": get(f"{MAPS}?limit=2&resourceVersion=5&continue={{TOKEN}}"),
    "next page at zero": get(f"{MAPS}?limit=2&resourceVersion=0&continue={{TOKEN}}"),
    "next page with a match": get(
        f"{MAPS}?limit=2&resourceVersionMatch=NotOlderThan&continue={{TOKEN}}"
    ),
    "a token that is none": get(f"{MAPS}?continue=abc"),
    "a token of no alphabet": get(f"{MAPS}?continue=!!"),
    "list of no version": get(f"{MAPS}?resourceVersion=abc"),
    "list below zero": get(f"{MAPS}?resourceVersion=-1"),
    "list of the future": get(f"{MAPS}?resourceVersion={FUTURE}"),
    "list at a version": get(f"{MAPS}?resourceVersion={{VERSION}}&resourceVersionMatch=Exact"),
    "list after a version": get(
        f"{MAPS}?resourceVersion={{VERSION}}&resourceVersionMatch=NotOlderThan"
    ),
    "match without a version": get(f"{MAPS}?resourceVersionMatch=Exact"),
    "exactly zero": get(f"{MAPS}?resourceVersion=0&resourceVersionMatch=Exact"),
    "no such match": get(f"{MAPS}?resourceVersion=1&resourceVersionMatch=Other"),
    "list with initial events": get(f"{MAPS}?sendInitialEvents=true"),
    "list with no timeout": get(f"{MAPS}?timeoutSeconds=x"),
    "a label selector that is none": get(f"{MAPS}?labelSelector=%3D%3D"),
    "a field that is none": get(f"{MAPS}?fieldSelector=spec.other%3Dx"),
    "a pod's field that is none": get(f"{PODS}?fieldSelector=spec.other%3Dx"),
    "by field": get(f"{MAPS}?fieldSelector=metadata.name%3Dm1"),
    "by label": get(f"{MAPS}?labelSelector=n%3D1"),
    "an unknown parameter": get(f"{MAPS}?unknown=1"),
    "metadata of one": get(f"{MAPS}/m1", META.format("")),
    "metadata of all": get(f"{MAPS}?limit=2", META.format("List")),
    "one as a list's": get(f"{MAPS}/m1", META.format("List")),
    "all as one's": get(f"{MAPS}?limit=1", META.format("")),
    "as what there is not": get(f"{MAPS}/m1", META.format("Other")),
    "an unknown wish, or else": get(f"{MAPS}/m1", META.format("Other") + ",application/json"),
    "a table of one": get(f"{MAPS}/m1", TABLE),
    "a table of all": get(f"{MAPS}?limit=2", TABLE),
    "a table or else": get(f"{MAPS}?limit=1", TABLE + ",application/json"),
    "a table of no version": get(MAPS, TABLE.replace("v=v1", "v=v9")),
    "a page for people": get(f"{MAPS}/m1", "text/html"),
    "lists for people": get(f"{MAPS}?limit=1", "text/html"),
    "anything": get(f"{MAPS}/m1", "*/*"),
    "PUT to all": send("PUT", MAPS, meta("m0")),
    "PATCH to all": send("PATCH", MAPS, meta("m0"), **MERGE),
    "no such method": send("OTHER", MAPS),
    "POST to one": send("POST", f"{MAPS}/m0", meta("m0")),
    "PUT of an old version": send(
        "PUT", f"{MAPS}/m0", meta("m0", metadata={"resourceVersion": "1"})
    ),
    "PATCH of no type": send("PATCH", f"{MAPS}/m0", {}, **{"Content-Type": "text/plain"}),
    "PATCH": send("PATCH", f"{MAPS}/m0", {"data": {"more": "x"}}, **MERGE),
    "PATCH of nothing": send("PATCH", f"{MAPS}/none", {"data": {}}, **MERGE),
    "DELETE of another": send("DELETE", f"{MAPS}/m2", {"preconditions": {"uid": "other"}}),
    "DELETE": send("DELETE", f"{MAPS}/m3"),
    "DELETE again": send("DELETE", f"{MAPS}/m3"),
    "create a pod": send("POST", PODS, meta("one", spec=POD_SPEC)),
    "status of a pod": send(
        "PATCH", f"{PODS}/one/status", {"status": {"phase": "Running"}}, **MERGE
    ),
    "watch": watch(),
    "watch at zero": watch("&resourceVersion=0"),
    "watch from there": watch("&resourceVersion={VERSION}"),
    "watch from there, metadata": watch("&resourceVersion={VERSION}", Accept=META.format("")),
    "watch from there, by label": watch("&resourceVersion={VERSION}&labelSelector=n%3D1"),
    "watch with bookmarks": watch("&allowWatchBookmarks=true"),
    "watch at zero with bookmarks": watch("&resourceVersion=0&allowWatchBookmarks=true"),
    "watch from there with bookmarks": watch("&resourceVersion={VERSION}&allowWatchBookmarks=true"),
    "watch of no version": watch("&resourceVersion=abc"),
    "watch of the future": watch(f"&resourceVersion={FUTURE}"),
    "watch of the future with bookmarks": get(
        f"{MAPS}?watch=1&timeoutSeconds=3&resourceVersion={FUTURE}&allowWatchBookmarks=true"
    ),
    "watch with a limit": watch("&limit=1"),
    "watch with a token": watch("&continue=abc"),
    "watch with a match": watch("&resourceVersionMatch=NotOlderThan"),
    "watch with half a wish": watch("&sendInitialEvents=true"),
    "watch with a wrong wish": watch(INITIAL.replace("NotOlderThan", "Exact")),
    "list by watch": watch(INITIAL),
    "list by watch of the future": watch(f"{INITIAL}&resourceVersion={FUTURE}"),
    "watch of tables": watch("&resourceVersion={VERSION}", Accept=TABLE),
    "watch of tables from the start": watch("&allowWatchBookmarks=true", Accept=TABLE),
    "watch for people": watch(Accept="text/html"),
    "watch of no field": watch("&fieldSelector=spec.other%3Dx"),
    "watch of no timeout": get(f"{MAPS}?watch=1&timeoutSeconds=x"),
    "watch of one that is none": get(f"{MAPS}/m1?watch=1&timeoutSeconds=1"),
}
DENIED = {
    "denied list": get(MAPS),
    "denied list of all": get("/apis/apps/v1/deployments"),
    "denied watch": get("/apis/apps/v1/deployments?watch=1"),
    "denied get": get(f"{MAPS}/m0"),
}


def raw(api, method, target, headers, body, token=None):
    """One request; (status, headers that matter, body)."""
    connection = api._connection(30)  # noqa: SLF001
    try:
        head = {"Authorization": f"Bearer {token or api.token}", "Accept": "application/json"}
        if body is not None:
            head["Content-Type"] = "application/json"
        text = None if body is None else json.dumps(body)
        connection.request(method, target, text, {**head, **headers})
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, {n: found[n] for n in HEADERS if n in found}, answer.read().decode()
    finally:
        connection.close()


def plain(text):
    """TEXT without what differs from server to server."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID", text)
    text = re.sub(r"(continue key is not valid: ).*", r"\1...", text)
    text = re.sub(r'User "[^"]*"', "User", text)
    return re.sub(r"\b\d+\b", "N", text)


def status_shape(status):
    """A Status, whole but for numbers; details that say nothing are none."""
    shape = {**status, "message": plain(status.get("message", ""))}
    details = {k: plain(v) if k == "uid" else v for k, v in status.get("details", {}).items()}
    shape.pop("details", None)
    if details:
        shape["details"] = json.loads(plain(json.dumps(details)).replace(": N", ": 0"))
    if status["metadata"].get("continue"):
        shape["metadata"] = {"continue": "..."}
    return shape


def table_shape(item):
    """Columns and rows, but for descriptions and ages."""
    told = ("name", "type", "format", "priority")
    columns = item["columnDefinitions"]
    return {
        "metadata": {k: bool(v) for k, v in item["metadata"].items()},
        "columns": columns and [{k: column[k] for k in told} for column in columns],
        "rows": [(row["cells"][:-1], shape_of(row["object"])) for row in item["rows"]],
        "ages": {re.sub(r"\d+", "N", row["cells"][-1]) for row in item["rows"]},
    }


def shape_of(item):
    """What of an object is the same on any server: kinds, names, which metadata."""
    kind = item.get("kind")
    if kind == "Status":
        return status_shape(item)
    info = item["metadata"]
    if kind == "Table":
        return table_shape(item)
    if "items" in item:
        return {
            "kind": kind,
            "apiVersion": item["apiVersion"],
            "metadata": {k: v if k == "remainingItemCount" else bool(v) for k, v in info.items()},
            "items": [
                (entry["metadata"]["name"], entry.get("kind"), entry.get("apiVersion"))
                for entry in item["items"]
            ],
        }
    told = ("name", "namespace", "generation")
    # A table's bookmark is a row whose object has a version alone.
    known = {"uid", "resourceVersion", "creationTimestamp", "deletionTimestamp"} & info.keys()
    return {
        "kind": kind,
        "apiVersion": item["apiVersion"],
        **{k: info[k] for k in told if k in info},
        "metadata": sorted(known),
        "end": info.get("annotations", {}).get("k8s.io/initial-events-end"),
        "parts": sorted(item.keys() & {"spec", "status"}) if "uid" in info else [],
    }


def shape(body):
    """A body: an object's, events', or text."""
    try:
        parsed = body if isinstance(body, dict) else json.loads(body)
    except ValueError:
        lines = body.splitlines()
        try:
            return [(e["type"], shape_of(e["object"])) for e in map(json.loads, lines)]
        except ValueError:
            return body
    if "object" in parsed and "type" in parsed:
        return [(parsed["type"], shape_of(parsed["object"]))]
    return shape_of(parsed)


def played(api, denied):
    """Plays the timeline; {step: (status, headers, shape)}. DENIED: (what denies, its token)."""
    for number in range(5):
        api.create("configmaps", NAMESPACE, labelled(number))
    first = api.call("GET", f"{MAPS}?limit=2")["metadata"]
    known = {"{VERSION}": first["resourceVersion"], "{TOKEN}": first["continue"]}
    told = {}

    def play(steps, token=None):
        """Some steps."""
        for label, (method, target, headers, body) in steps.items():
            for name, value in known.items():
                target = target.replace(name, value)  # noqa: PLW2901
            if steps is STEPS and "watch=1" in target:
                # A watch is served from a cache, which may lag the last write; a list waits for it.
                api.call("GET", MAPS)
            status, head, text = raw(api, method, target, headers, body, token)
            told[label] = (status, head, shape(text))

    play(STEPS)
    deny_all, token = denied
    deny_all()
    play(DENIED, token)
    return told


def denied_by(sim):
    """What denies, at a simulator, and by which token that is seen."""
    rules = deny("configmaps", "deployments", verbs=("get", "list", "watch"))
    return (lambda: sim.access(rules)), None


@pytest.fixture(scope="module", name="real")
def fixture_real():
    """An API server alone."""
    with RealCluster(nodes=0, controllers=False) as cluster:
        yield cluster


@pytest.fixture(scope="module", name="namespace")
def fixture_namespace():
    """Makes the timeline's namespace where it is not there yet."""

    def make(api):
        """The namespace of API's cluster."""
        if not api.exists("namespaces", None, NAMESPACE):
            api.create_namespace(NAMESPACE)

    return make


@pytest.fixture(scope="module", name="both")
def fixture_both(real, namespace):
    """What both said: (of the real one, of the simulator)."""
    with KubeSim(frozen=True, objects=0, kinds="all") as sim:
        namespace(real)
        namespace(sim.api)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            simulated = pool.submit(played, sim.api, denied_by(sim))
            return played(real, (lambda: None, real.nobody_token)), simulated.result()


@pytest.mark.parametrize("step", [*STEPS, *DENIED])
def test_an_answer_is_a_real_servers(both, step):
    """Status, headers and shape are the same."""
    real, simulated = both
    assert simulated[step] == real[step]


def as_recorded(told):
    """TOLD as it comes back from a file."""
    return json.loads(json.dumps(told, default=sorted))


def recorded():
    """{step: [status, headers, shape]} of a real server, once."""
    return json.loads(RECORDING.read_text(encoding="utf-8"))


def test_the_recording_is_what_a_real_server_says(both):
    """So what is compared with it where there is no such server is the truth.

    SLUICE_RECORD=1 makes it anew.
    """
    real = as_recorded(both[0])
    if os.environ.get("SLUICE_RECORD") == "1":
        lines = [f"{json.dumps(step)}: {json.dumps(told)}" for step, told in real.items()]
        RECORDING.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    assert recorded() == real


def too_late(api):
    """The 410 to a page that came too late, and what its token still gives."""
    maps = MAPS.replace(NAMESPACE, "late")
    api.create_namespace("late")
    for number in range(4):
        api.create("configmaps", "late", labelled(number))
    token = api.call("GET", f"{maps}?limit=2")["metadata"]["continue"]

    def late():
        """The answer, once it is 410."""
        # Without changes no version is ever compacted.
        api.create("configmaps", NAMESPACE, {"metadata": {"generateName": "turn-"}})
        answer = raw(api, "GET", f"{maps}?limit=2&continue={token}", {}, None)
        return answer if answer[0] == 410 else None

    status, head, text = wait_until(late, 60, "a page that is too late", interval=0.5)
    rest = json.loads(text)["metadata"]["continue"]
    return status, head, shape(text), shape(api.call("GET", f"{maps}?limit=1&continue={rest}"))


def test_a_late_page_is_refused_like_a_real_servers(namespace):
    """410 with a token for an inconsistent rest, and that rest; of servers that forget soon."""
    forgets = ["--etcd-compaction-interval=1s"]
    with (
        KubeSim(frozen=True, objects=0, kinds="all", options=["--continue-ms", 1500]) as sim,
        RealCluster(nodes=0, controllers=False, apiserver_args=forgets) as real,
    ):
        for api in (sim.api, real):
            namespace(api)
        assert too_late(sim.api) == too_late(real)


def test_a_late_watch_is_ended_like_a_real_servers(real, namespace):
    """410 inside 200, by the same words; the real one forgot by a new start."""
    told = []
    namespace(real)
    old = real.call("GET", MAPS)["metadata"]["resourceVersion"]
    for number in range(3):
        real.create("secrets", NAMESPACE, meta(f"late-{number}"))
    real.kill_apiserver()
    real.start_apiserver()
    real.create("secrets", NAMESPACE, meta("later"))
    told.append(raw(real, *watch(f"&resourceVersion={int(old) - 1}")))
    with KubeSim(frozen=True, kinds="all") as sim:
        old = sim.api.call("GET", "/api/v1/configmaps")["metadata"]["resourceVersion"]
        sim.change("pod", count=5)
        sim.faults(compact=True)
        told.append(raw(sim.api, *watch(f"&resourceVersion={old}")))
    (status, head, text), (sim_status, sim_head, sim_text) = told
    assert (sim_status, sim_head) == (status, head)
    assert shape(sim_text) == shape(text), (text, sim_text)
