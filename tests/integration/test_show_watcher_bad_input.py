"""Bad input from a real API server and what stands before it, and from nowhere else.

A proxy of the test's own spoils answers of a real kube-apiserver; a second one spoils nothing, and
its watcher must not notice. Of each case: a clear line in the log and in watcher.state_changed, the
kind recovers by itself, the other kinds and the other cluster never notice.
"""

import contextlib
import http.server
import itertools
import json
import pathlib
import string
import threading

import pytest

from tests.bed.account import Account
from tests.bed.api_front import ApiFront, edited
from tests.bed.cluster import RealCluster
from tests.bed.kinds import KIND_OF, PLURAL_OF
from tests.bed.kubeapi import pod_spec, resource_path
from tests.bed.net import deadline, wait_until
from tests.bed.sluice import Sluice
from tests.integration.samples import SAMPLES
from tests.integration.test_watching_wrong_types import WRONG, key_name, spoiled
from tests.integration.watching import objects_now

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.xdist_group("bad_input")]

PAGE = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>\n"
HTML = {"Content-Type": "text/html"}
PODS_LIST, PODS_WATCH = "GET /api/v1/pods?limit", "GET /api/v1/pods?watch"
CONF = {
    "contexts": "all",
    "supervise": {"circuit_deaths": 1000, "base": "100ms", "max": "200ms"},
    "watch": {
        "kinds": ["configmap", "pod", "service"],
        "backoff": {"base": "100ms", "max": "400ms"},
    },
}
FEW = 6
COUNT = itertools.count()


@pytest.fixture(scope="module", name="real")
def fixture_real():
    """An API server alone."""
    with RealCluster(nodes=0, controllers=False) as cluster:
        yield cluster


class Side:
    """One of the two clusters a Sluice sees: its proxy and its streams."""

    def __init__(self, name, front, sluice, stack):
        """Opens the streams from their beginning."""
        self.name = name
        self.front = front
        self.states = stack.enter_context(sluice.stream(f"watcher:{name}", last_event_id="-1"))
        self.objects = stack.enter_context(sluice.stream(f"resource:{name}/*", last_event_id="-1"))

    def said(self, kind=None):
        """The data of the states so far, of one KIND or of all."""
        self.states.pump()
        return [e["data"] for e in self.states.events() if kind in (None, e["subject"])]

    def told(self):
        """{(kind, namespace, name): status} of the objects."""
        return objects_now(self.objects)

    def lists(self):
        """The lists of watched kinds; health asks for other kinds, a probe for one object."""
        words = ("watch=", "limit=1&", "/namespaces?", "/nodes?", "/storageclasses?")
        rows = self.front.asked("GET /api", "?")
        return [r["line"] for r in rows if not any(word in r["line"] for word in words)]

    def samples(self):
        """All events so far of the samples."""
        self.objects.pump()
        return [e for e in self.objects.events() if e["stream_key"].endswith("/sample")]

    def deleted(self):
        """Whether any object was told to be gone."""
        self.told()
        return any(e["event_type"] == "resource.deleted" for e in self.objects.events())

    def wait_watching(self, kinds, timeout=40):
        """Waits until the newest state of each of the KINDS is `watching`."""

        def watching():
            """True when it is."""
            newest = {kind: self.said(kind)[-1:] for kind in kinds}
            return all(said and said[0]["state"] == "watching" for said in newest.values())

        wait_until(watching, timeout, f"{kinds} of {self.name} watched")


class Scene:
    """A Sluice on two ways to one real API server: .bad, whose answers are spoiled, and .good."""

    def __init__(self, real, stack, conf, user):
        """Starts it; waits until all is watched and level. USER: the bad way's, of a kubeconfig."""
        self.real = real
        self.space = f"bad-{next(COUNT)}"
        real.create_namespace(self.space)
        for i in range(2):
            self.make_pod(i)
        real.create("configmaps", self.space, {"metadata": {"name": "map"}})
        fronts = {n: stack.enter_context(ApiFront(real, n)) for n in ("bad", "good")}
        users = {"bad": user or {"token": real.token}, "good": {"token": real.token}}
        self.path = pathlib.Path(real.directory, f"{self.space}.conf")
        paths = ":".join(self.write(n, fronts[n], users[n]) for n in fronts)
        self.conf = {**CONF, "watch": {**CONF["watch"], **(conf or {})}}
        self.kinds = self.conf["watch"]["kinds"]
        self.sluice = stack.enter_context(Sluice(self.conf, kubeconfig=paths))
        self.bad, self.good = (Side(n, fronts[n], self.sluice, stack) for n in fronts)
        for side in (self.bad, self.good):
            side.wait_watching(self.kinds)
        self.prove()

    def prove(self):
        """Lets each watch bring something: one that ends at once without any means something."""
        for plural, sample in SAMPLES.items():
            if KIND_OF[plural] in self.kinds:
                body = {"metadata": {"name": "sample"}, **sample}
                self.real.create(plural, self.space, body)
        wanted = {(kind, self.space, "sample") for kind in self.kinds}
        wait_until(
            lambda: all(wanted <= side.told().keys() for side in (self.bad, self.good)),
            40,
            "a sample of each kind",
        )
        self.wait_level()

    def write(self, name, front, user):
        """A kubeconfig with one context NAME; its path."""
        cluster = {"server": front.url, "certificate-authority": self.real.ca_file}
        text = {
            "current-context": name,
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": user}],
        }
        path = f"{self.path}.{name}"
        pathlib.Path(path).write_text(json.dumps(text), encoding="utf-8")
        return path

    def make_pod(self, number):
        """A pod that nobody runs."""
        body = {"metadata": {"name": f"pod-{number}"}, "spec": pod_spec()}
        self.real.create("pods", self.space, body)

    def set_pods(self, phase, message):
        """Changes both pods' status."""
        for i in range(2):
            self.real.set_pod_status(self.space, f"pod-{i}", {"phase": phase, "message": message})

    def wait_level(self, timeout=40):
        """Waits until both ways tell the same of every object, and what the cluster has."""

        def level():
            """True when they do."""
            live = {
                ("pod", item["metadata"]["namespace"], item["metadata"]["name"]): item
                for item in self.real.list("pods")
            }
            told = self.bad.told()
            mine = {key: status for key, status in told.items() if key[0] == "pod"}
            phases = {key: status["phase"] for key, status in mine.items()}
            wanted = {key: item["status"]["phase"] for key, item in live.items()}
            return phases == wanted and told == self.good.told()

        wait_until(level, timeout, "both ways level with the cluster", interval=0.2)

    def wait_said(self, kind, reason, state="backoff", since=0):
        """Waits until the KIND has said STATE for REASON; the data."""

        def said():
            """The data, once it is there."""
            return next(
                (
                    data
                    for data in self.bad.said(kind)[since:]
                    if (data["state"], data.get("reason")) == (state, reason)
                ),
                None,
            )

        return wait_until(said, 40, f"{kind} {state}: {reason}")

    def logged(self, *words):
        """The lines of the log with all of the WORDS."""
        text = pathlib.Path(self.sluice.process.log).read_text(encoding="utf-8", errors="replace")
        return [line for line in text.splitlines() if all(word in line for word in words)]

    def wait_logged(self, *words):
        """Waits for such a line."""
        wait_until(lambda: self.logged(*words), 20, f"{words} in the log")


@contextlib.contextmanager
def scene(real, conf=None, user=None, blind=()):
    """A Scene; afterwards the good way's watcher has noticed nothing, nor had the other kinds.

    BLIND: kinds of the bad way that may notice ("" stands for all).
    """
    with contextlib.ExitStack() as stack:
        made = Scene(real, stack, conf, user)
        before = len(made.good.said())
        asked = len(made.good.lists())
        states = {kind: len(made.bad.said(kind)) for kind in made.kinds}
        yield made
        assert len(made.good.said()) == before, made.good.said()[before:]
        assert len(made.good.lists()) == asked, made.good.lists()[asked:]
        for kind in made.kinds:
            if kind not in blind and "" not in blind:
                assert len(made.bad.said(kind)) == states[kind], made.bad.said(kind)
        for name in ("bad", "good"):
            assert made.sluice.status()[f"watcher/{name}"]["deaths"] == 0
        assert not made.bad.deleted() and not made.good.deleted()


def test_a_line_that_is_no_json(real):
    """Between two good ones: nothing is lost, and nothing but the watch is asked for again."""
    with scene(real, blind=("pod",)) as it:
        lists = len(it.bad.front.asked(PODS_LIST))
        noise = b'{"type":"MODIFIED","object":{"kind":Pod,,}\n'
        it.bad.front.spoil(PODS_WATCH, line=lambda line: [noise, line], count=1)
        it.bad.front.drop("/pods?")
        wait_until(lambda: len(it.bad.front.asked(PODS_WATCH)) >= 2, 20, "a spoiled watch")
        it.set_pods("Failed", "after the noise")
        it.wait_said("pod", "InvalidAnswer")
        it.wait_logged("watcher/bad", "pod", "InvalidAnswer")
        it.bad.wait_watching(["pod"])
        it.wait_level()
        assert len(it.bad.front.asked(PODS_LIST)) == lists


@pytest.mark.parametrize("status", [200, 502, 503], ids=["as200", "as502", "as503"])
@pytest.mark.parametrize("place", [PODS_LIST, PODS_WATCH], ids=["list", "watch"])
def test_html_of_a_load_balancer(real, place, status):
    """In place of a list, or of a watch."""
    reason = "InvalidAnswer" if status == 200 else f"Http{status}"
    with scene(real, blind=("pod",)) as it:
        if place == PODS_LIST:
            gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
            event = json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n"
            it.bad.front.spoil(PODS_WATCH, line=lambda _: [event], count=1)
            it.bad.front.spoil("GET /api/v1/pods?resource", answer=(status, HTML, PAGE), count=1)
        it.bad.front.spoil(place, answer=(status, HTML, PAGE), count=2)
        it.bad.front.drop("/pods?")
        it.set_pods("Running", "before")
        it.set_pods("Failed", "meanwhile")
        it.wait_said("pod", reason)
        it.wait_logged("watcher/bad", "pod", reason)
        it.bad.wait_watching(["pod"])
        it.wait_level()


class Trap(http.server.BaseHTTPRequestHandler):
    """Where a redirect leads; nobody may come."""

    came = []

    def do_GET(self):
        """Notes who did."""
        self.came.append((self.path, self.headers.get("Authorization")))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Says nothing."""


def test_a_redirect_is_not_followed(real):
    """The token would go with it: said, and nobody came to where it leads."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Trap)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = f"http://127.0.0.1:{server.server_port}/login"
    try:
        with scene(real, blind=("pod",)) as it:
            answer = (302, {"Location": where, **HTML}, PAGE)
            it.bad.front.spoil(PODS_WATCH, answer=answer, count=3)
            it.bad.front.drop("/pods?")
            it.set_pods("Failed", "meanwhile")
            it.wait_said("pod", "Http302")
            it.wait_logged("watcher/bad", "pod", "Http302")
            it.bad.wait_watching(["pod"])
            it.wait_level()
            assert not Trap.came
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("sort", ["expired", "another"])
def test_a_certificate_that_is_not_the_servers(real, sort):
    """Over, or for another name: every kind of that cluster waits, and comes back."""
    bad = (
        real.authority.issue_expired("old", "/CN=old", ("IP:127.0.0.1",))
        if sort == "expired"
        else real.authority.issue("other", "/CN=other", ("DNS:other.example", "IP:127.0.0.9"))
    )
    with scene(real, blind=("",)) as it:
        it.bad.front.show(bad)
        it.bad.front.drop()
        it.set_pods("Failed", "meanwhile")
        for kind in it.kinds:
            it.wait_said(kind, "TlsFailed")
        it.wait_logged("watcher/bad", "TlsFailed", "certificate")
        it.bad.front.show(it.bad.front.good)
        it.bad.wait_watching(it.kinds)
        it.wait_level()


def take_token(it, file, token):
    """Gives the bad way a TOKEN by its FILE; returns when each of its watches stands by it."""
    fresh = file.with_suffix(".new")
    fresh.write_text(token)
    fresh.rename(file)
    # Otherwise the file would be read only after 50 s.
    it.bad.front.spoil("watch=", answer=(401, {}, b""), count=1)

    def taken():
        """True when each kind's newest does; else all are asked for anew."""
        watches = [it.bad.front.asked(f"/{PLURAL_OF[kind]}?", "watch=")[-1] for kind in it.kinds]
        if all((w["token"], w["status"]) == (token, 200) for w in watches):
            return True
        it.bad.front.drop()
        return False

    wait_until(taken, 60, "watches by the new token", interval=2)


def test_a_token_that_expires(real, tmp_path):
    """Open watches outlive it; new ones are refused by the server until there is a fresh one."""
    account = Account(real, "kube-system", "reader")
    file = tmp_path / "token"
    file.write_text(account.token(3600))
    with scene(real, user={"tokenFile": str(file)}, blind=("",)) as it:
        # Only now: a loaded machine may need long for all before.
        old = account.token(deadline(40))
        take_token(it, file, old)
        it.bad.wait_watching(it.kinds)
        pods = resource_path("pods")
        wait_until(lambda: real.request("GET", pods, token=old)[0] == 401, 120, "the token's end")
        it.set_pods("Running", "by the open watch")
        it.wait_level()
        requests, said = len(it.bad.front.requests), len(it.bad.said("pod"))
        lines = len(it.logged("watcher/bad", "Unauthorized"))
        it.bad.front.drop()
        it.set_pods("Failed", "meanwhile")
        it.wait_said("pod", "Unauthorized", since=said)
        wait_until(lambda: len(it.logged("watcher/bad", "Unauthorized")) > lines, 20, "it logged")
        watches = [r for r in it.bad.front.requests[requests:] if "watch=" in r["line"]]
        assert {r["token"] for r in watches if r["status"] == 401} == {old}
        fresh = file.with_suffix(".new")
        fresh.write_text(account.token(3600))
        fresh.rename(file)
        it.bad.wait_watching(it.kinds)
        it.wait_level()
        assert it.bad.front.asked(PODS_WATCH)[-1]["token"] == file.read_text()


def test_an_object_of_17_mib(real):
    """Its events are skipped, and in a list it is counted; small again, it is told."""
    size = 17 << 20
    with scene(real, {"stale": "8s"}, blind=("pod",)) as it:

        def grow(item):
            """Makes one pod as large as that."""
            if item["metadata"]["name"] == "pod-1":
                item["metadata"].setdefault("annotations", {})["example.com/note"] = "x" * size

        it.bad.front.spoil("GET /api/v1/pods?", **edited(grow))
        it.bad.front.drop("/pods?")
        wait_until(lambda: len(it.bad.front.asked(PODS_WATCH)) >= 2, 20, "a spoiled watch")
        lists = len(it.bad.front.asked("GET /api/v1/pods?"))
        it.set_pods("Running", "too large to be read")
        wait_until(
            lambda: it.bad.told()[("pod", it.space, "pod-0")]["phase"] == "Running",
            20,
            "the pod beside it",
        )
        it.wait_said("pod", "ObjectsSkipped", state="watching")
        it.wait_logged("watcher/bad", "pod", "16 MiB")
        assert it.bad.told()[("pod", it.space, "pod-1")]["phase"] != "Running"
        assert len(it.bad.front.asked("GET /api/v1/pods?")) - lists <= FEW
        it.bad.front.clear()
        it.bad.front.drop("/pods?")
        it.set_pods("Failed", "small again")
        it.wait_level()


# What the rules read of metadata; uid, name and version are what an object is known by.
READ = ("generation", "creationTimestamp", "deletionTimestamp", "ownerReferences", "labels")


def spoil_object(item, wrong, part):
    """Makes WRONG of what the rules read: of leaves, of members, of all of a part; of metadata."""
    if part == "metadata":
        item["metadata"] |= dict.fromkeys(READ, wrong)
        return
    for name in ("spec", "status"):
        inside = item.get(name) or {"conditions": [{"type": "Ready", "status": "True"}]}
        if part == "leaves":
            item[name] = spoiled(inside, wrong)
        else:
            item[name] = dict.fromkeys(inside, wrong) if part == "members" else wrong


def test_wrong_types_in_every_field_that_is_read(real):
    """Of every kind with a status, on its way from the server: told, and told right afterwards."""
    with scene(real, {"kinds": list(KIND_OF.values())}) as it:
        now = [WRONG[0], "whole"]
        spoiling = edited(lambda item: spoil_object(item, *now))
        it.bad.front.spoil("watch=", line=spoiling["line"])
        it.bad.front.drop()
        for kind in SAMPLES:
            wait_until(
                lambda kind=kind: len(it.bad.front.asked(f"/{kind}?", "watch=")) >= 2,
                20,
                f"a spoiled watch of {kind}",
            )
        turns = itertools.product(WRONG, ("leaves", "members", "whole", "metadata"))
        for number, now[:] in enumerate(turns):
            for plural in SAMPLES:
                labels = {"metadata": {"labels": {"turn": str(number)}}}
                it.real.patch(plural, it.space, "sample", labels)
        wait_until(lambda: len(it.bad.samples()) > 4 * len(SAMPLES), 20, "what was spoiled")
        it.bad.front.clear()
        it.bad.front.drop()
        for plural in SAMPLES:
            it.real.patch(plural, it.space, "sample", {"metadata": {"labels": {"turn": "last"}}})
        it.set_pods("Failed", "the last one")
        it.wait_level()


def test_names_with_every_legal_character(real):
    """As the server takes them: subdomains, labels, and RBAC's path segments."""
    legal = string.ascii_lowercase + string.digits
    subdomains = [f"{c}-{c}.{c}{c}" for c in legal] + ["0", "a" * 253, ".".join("x" * 9)]
    segments = [f"a{c}b" for c in string.printable[:94] if c not in "/%"]
    segments += ["*", "~", "a b", "\N{SNOWMAN}", "system:node:x"]
    group = "rbac.authorization.k8s.io"
    custom = {"group": group, "version": "v1", "resource": "clusterroles", "kind": "ClusterRole"}
    with scene(real, {"custom": [custom]}) as it:
        for name in subdomains:
            it.real.create("configmaps", it.space, {"metadata": {"name": name}})
        for name in segments:
            it.real.create("clusterroles", None, {"metadata": {"name": name}, "rules": []})
        wanted = {("configmap", it.space, name) for name in subdomains}
        wanted |= {(f"clusterroles.{group}", key_name(name)) for name in segments}
        wait_until(lambda: wanted <= it.bad.told().keys(), 40, "every name")
        it.wait_level()
