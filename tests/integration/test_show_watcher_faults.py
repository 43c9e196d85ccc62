"""What really happens to API servers: afterwards the watcher's view is a fresh list's.

On real ones, each case with its own: they are killed, frozen, robbed of their data, or started with
what makes them forget, refuse or send clients away. Every request they got is counted.
"""

import contextlib
import itertools
import sqlite3
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

import pytest

from tests.bed.cluster import RealCluster
from tests.bed.kinds import PLURAL_OF
from tests.bed.kubeapi import ApiError, pod_spec, resource_path
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice
from tests.bed.sockets import inet_sockets, peer_of

from .kind_fields import own_fields, told_fields
from .watching import objects_now

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

NAMESPACE = "faults"
PODS = 12
NODES = 500  # of one workflow
WORKFLOWS = 4  # with which all objects of a test find room
PAGE = 500
CONF = {
    "health": {"interval": "5m"},
    "watch": {"backoff": {"base": "250ms", "max": "1s"}, "stale": "4s"},
}
# What a fault may cost each kind: pauses of 250 ms, 500 ms, then 1 s, while a server starts.
FEW = 15


def objects_of(api):
    """What the API server has, by a list it can't answer from a cache.

    {(kind, namespace, name): object}
    """
    found = {}
    for kind, plural in PLURAL_OF.items():
        for item in api.list(plural):
            meta = item["metadata"]
            found[(kind, meta["namespace"], meta["name"])] = item
    return found


class View:
    """What the watcher has told of a cluster: streams of objects and of nodes, and the database."""

    def __init__(self, api, sluice, stack):
        """Opens the streams from their beginning; binds a node to each object, for its uid."""
        self.api = api
        self.sluice = sluice
        self.process = next(n for n in sluice.status() if n.startswith("watcher/"))
        self.cluster = self.process.partition("/")[2]
        self.bound = {}  # by its place each object's node, a number
        self.sent = {}
        self.bind(objects_of(api))
        workflows = [f"workflow:w{i}" for i in range(WORKFLOWS)]
        self.objects = self._open(stack, f"resource:{self.cluster}/*")
        self.nodes = self._open(stack, *workflows)
        self.states = self._open(stack, f"watcher:{self.cluster}")

    def bind(self, places):
        """Binds a node to each of the objects (kind, namespace, name) that has none yet."""
        first = len(self.bound) // NODES
        for place in places:
            self.bound.setdefault(place, len(self.bound))
        nodes = [
            {"id": str(n), "type": kind, "namespace": namespace, "name": name}
            for (kind, namespace, name), n in self.bound.items()
        ]
        for i in range(first, -(-len(nodes) // NODES)):
            body = {"cluster": self.cluster, "nodes": nodes[i * NODES : (i + 1) * NODES]}
            if len(body["nodes"]) > self.sent.get(i, 0):
                status, _, answer = self.sluice.request("PUT", f"/api/v1/workflows/w{i}", body)
                assert status in (200, 201), answer
            self.sent[i] = len(body["nodes"])

    def _open(self, stack, *keys):
        """A stream on KEYS."""
        return stack.enter_context(self.sluice.stream(*keys, last_event_id="-1"))

    def told(self):
        """{(kind, namespace, name): status} as the stream tells them."""
        return objects_now(self.objects)

    def stored(self):
        """The same of the database: {(kind, namespace, name): (state, health, reason)}."""
        path = f"{self.sluice.conf['state_directory']}/projection.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            rows = db.execute(
                "select kind, namespace, name, state, health, reason from resources"
                " where cluster=?",
                (self.cluster,),
            )
            return {row[:3]: row[3:] for row in rows}

    def uids(self):
        """{(kind, namespace, name): uid, or None where the node says that there is none}."""
        self.nodes.pump()
        newest = {e["data"]["node_id"]: e["data"] for e in self.nodes.events()}
        said = {int(node): data["resource"].get("uid") for node, data in newest.items()}
        return {place: said[n] for place, n in self.bound.items() if n in said}

    def differs(self):
        """Where the view is not what a fresh list says; "" where it is."""
        live, told, stored = objects_of(self.api), self.told(), self.stored()
        self.bind(live)
        if live.keys() != told.keys():
            return f"objects: {live.keys() ^ told.keys()}"
        for key, item in live.items():
            want = own_fields(key[0], item)
            if told_fields(told[key]) != want:
                return f"{key}: {told[key]}, not {want}"
        rows = {key: (s["state"], s["health"], s["reason"]) for key, s in told.items()}
        if rows != stored:
            return f"rows: {set(rows.items()) ^ set(stored.items())}"
        uids = {key: live[key]["metadata"]["uid"] if key in live else None for key in self.bound}
        said = self.uids()
        return "" if uids == said else f"uids: {uids.items() ^ said.items()}"

    def wait_level(self, timeout=40):
        """Waits until the view is a fresh list's, for every object and uid."""
        last = ["nothing was compared"]

        def level():
            """True when nothing differs."""
            last[0] = self.differs()
            return not last[0]

        refused = (ApiError, OSError, sqlite3.Error)
        try:
            wait_until(level, timeout, "the view of a fresh list", interval=0.3, ignore=refused)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{last[0]}") from error

    def wait_watching(self, timeout=30):
        """Waits until every kind's newest state is `watching`."""

        def all_watch():
            """True when they do."""
            self.states.pump()
            newest = {e["subject"]: e["data"]["state"] for e in self.states.events()}
            return len(newest) == len(PLURAL_OF) and set(newest.values()) == {"watching"}

        wait_until(all_watch, timeout, "every kind watched")

    def whole(self):
        """Asserts that no stream ended, broke or has a hole."""
        for stream in (self.objects, self.nodes, self.states):
            stream.pump()
            assert stream.ended is None and not stream.named("stream.gap")
            last = {}
            for event in stream.events():
                key = event["stream_key"]
                assert event["seq"] == last.get(key, 0) + 1, (key, event)
                last[key] = event["seq"]


def pod_name(number):
    """The name of a pod: dots and digits are legal in it."""
    return f"pod.{number}"


def make_pod(api, number):
    """Creates a pod that nobody runs."""
    api.create("pods", NAMESPACE, {"metadata": {"name": pod_name(number)}, "spec": pod_spec()})


def fill(api):
    """What there is at the start; every second pod."""
    api.create_namespace(NAMESPACE)
    for i in range(0, PODS, 2):
        make_pod(api, i)
    for i in range(3):
        api.create_deployment(NAMESPACE, f"app-{i}", i)
        api.create("configmaps", NAMESPACE, {"metadata": {"name": f"map-{i}"}})
    api.create("secrets", NAMESPACE, {"metadata": {"name": "quiet"}})


def churn(api, turn):
    """Changes something of every sort: status, scale, deletion, creation, a name used again.

    TURN is 0 the first time, then 1, and so on.
    """
    for i in range(PODS):
        name = pod_name(i)
        if not api.exists("pods", NAMESPACE, name):
            make_pod(api, i)
        elif (i + turn) % 3 == 0:
            api.delete("pods", NAMESPACE, name, force=True)
            if (i + turn) % 2:
                make_pod(api, i)
        else:
            phase = ("Running", "Failed", "Succeeded", "Unknown")[(turn + i) % 4]
            api.set_pod_status(NAMESPACE, name, {"phase": phase})
    for i in range(3):
        replicas = (turn + i) % 4
        api.scale_deployment(NAMESPACE, f"app-{i}", replicas)
        status = {"replicas": replicas, "readyReplicas": replicas}
        api.patch("deployments", NAMESPACE, f"app-{i}", {"status": status}, "status")
    api.delete("configmaps", NAMESPACE, f"map-{turn}")
    api.create("configmaps", NAMESPACE, {"metadata": {"name": f"map-{turn + 3}"}})


@contextlib.contextmanager
def scene(*apiserver_args, conf=None, prepare=None, kubeconfig="kubeconfig"):
    """A cluster of the test's own (the API server alone) and a Sluice level with it: its View."""
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(
            RealCluster(nodes=0, controllers=False, audit=True, apiserver_args=apiserver_args)
        )
        fill(cluster)
        if prepare is not None:
            prepare(cluster)
        watch = {**CONF["watch"], **(conf or {})}
        sluice = stack.enter_context(
            Sluice({**CONF, "watch": watch}, kubeconfig=getattr(cluster, kubeconfig))
        )
        view = View(cluster, sluice, stack)
        view.wait_watching()
        view.wait_level()
        yield view
        view.whole()
        assert sluice.status()[view.process]["deaths"] == 0


def parts_of(row):
    """The parts of a request's query, and of its names."""
    query = urlsplit(row["uri"]).query.split("&")
    return {*query, *(part.partition("=")[0] for part in query)}


def asked(view, since=0):
    """Counters by resource of the lists and watches from SINCE on, without probes.

    Of a list in pages the first one counts.
    """
    lists, watches = Counter(), Counter()
    for row in view.api.requests("sluice")[since:]:
        if row["verb"] == "watch":
            watches[row["resource"]] += 1
        elif row["verb"] == "list" and not {"limit=1", "continue"} & parts_of(row):
            lists[row["resource"]] += 1
    return lists, watches


def mark(view):
    """How many requests there were so far."""
    return len(view.api.requests("sluice"))


def few(view, since, lists=FEW, watches=FEW):
    """Asserts that since then no kind was listed or watched more often than that."""
    listed, watched = asked(view, since)
    assert max(listed.values(), default=0) <= lists, listed
    assert max(watched.values(), default=0) <= watches, watched


def expired(view):
    """How often a kind has said that its version was too old."""
    view.states.pump()
    return sum(e["data"].get("reason") == "Expired" for e in view.states.events())


def restart(api):
    """kill -9, and a start of which the cache begins behind every version that anyone knows."""
    api.kill_apiserver()
    time.sleep(1)
    api.compact()
    api.start_apiserver()


def test_a_killed_api_server():
    """kill -9, twice, with changes before its cache knows the watcher's versions."""
    with scene() as view:
        for turn in (0, 2):
            since, before = mark(view), expired(view)
            churn(view.api, turn)
            restart(view.api)
            churn(view.api, turn + 1)
            view.wait_watching()
            view.wait_level()
            few(view, since)
            assert expired(view) > before, "no version was too old: this test shows little"


def test_a_frozen_api_server():
    """SIGSTOP for longer than a silence is taken for life; then SIGCONT."""
    with scene() as view:
        churn(view.api, 0)
        since = mark(view)
        view.api.suspend_apiserver()
        try:
            wait_until(
                lambda: view.sluice.status()[view.process]["status_state"] == "backoff",
                40,
                "back-off",
            )
        finally:
            view.api.resume_apiserver()
        churn(view.api, 1)
        view.wait_watching()
        view.wait_level()
        few(view, since)


def test_an_api_server_that_lost_its_data():
    """etcd begins anew, at lower versions: what is gone is told, what bears its name is new.

    Kinds of which it has passed the version before they ask again hear nothing by their watch: of
    those a comparison tells, soon after the outage.
    """
    # A kind that probes when its comparison's moment comes is compared only much later: no silence
    # is to be taken for an end within the 3 to 6 s.
    with scene(conf={"compare": "3m", "stale": "20s"}) as view:
        for turn in range(3):
            churn(view.api, turn)
        view.wait_level()
        before = view.uids()
        since = mark(view)
        view.api.wipe()
        view.api.create_namespace(NAMESPACE)
        for i in range(0, PODS, 3):
            make_pod(view.api, i)
        view.api.create_deployment(NAMESPACE, "app-1", 3)
        view.wait_level(60)
        view.wait_watching()
        after = view.uids()
        assert not {uid for uid in after.values() if uid} & set(before.values())
        few(view, since)


def more_than_a_page(api):
    """More objects of a kind than a list's page has room for."""
    names = (f"many-{i}" for i in range(PAGE + 100))
    api.create_many("configmaps", NAMESPACE, [{"metadata": {"name": name}} for name in names])


def pages_behind_the_first(view):
    """The rows of the further pages of lists, each followed by the next list of that kind."""
    lists = [row for row in view.api.requests("sluice") if row["resource"] == "configmaps"]
    lists = [row for row in lists if row["verb"] == "list" and "limit=1" not in parts_of(row)]
    pairs = zip(lists, [*lists[1:], None], strict=True)
    return [pair for pair in pairs if "continue" in parts_of(pair[0])]


def forget_between_pages(view):
    """Has etcd forget again and again, until a list's next page has come too late for it."""

    def too_late():
        """True once a token has expired, and what was asked instead is answered."""
        for _ in range(50):
            view.api.compact()
        late = [after for row, after in pages_behind_the_first(view) if row["code"] == 410]
        return late and late[0] and late[0]["code"] and late[0]

    return wait_until(too_late, 40, "an expired continue token", interval=0)


def test_a_server_without_a_cache_that_forgets_each_second():
    """Watches that end each second, at versions compacted meanwhile: 410 again and again.

    Lists come in pages; one whose token has expired is asked for again as one whole.
    """
    conf = {"timeout": "1s"}
    arguments = ("--watch-cache=false", "--etcd-compaction-interval=1s")
    with scene(*arguments, conf=conf, prepare=more_than_a_page) as view:
        pages = [row for row, _ in pages_behind_the_first(view)]
        assert pages and all(f"limit={PAGE}" in parts_of(row) for row in pages), pages
        assert {row["code"] for row in pages} == {200}
        since, begin = mark(view), time.monotonic()
        for turn in range(6):
            churn(view.api, turn)
            time.sleep(1)
        instead = forget_between_pages(view)
        assert not {"limit", "continue"} & parts_of(instead) and instead["code"] == 200
        churn(view.api, 6)
        view.wait_level()
        view.wait_watching()
        seconds = time.monotonic() - begin
        # A watch lasts one second at least, and a list is followed by a watch; of what expired
        # between its pages there are two.
        lists, watches = asked(view, since)
        lists["configmaps"] /= 2
        assert max(lists.values()) <= seconds + FEW, lists
        assert max(watches.values()) <= seconds + FEW, watches
        assert expired(view), "no version was compacted: this test shows nothing"


def connections(view):
    """The local ports of the watcher's connections to the API server."""
    return {
        sock.getsockname()[1]
        for sock in inet_sockets(view.sluice.pid(view.process))
        if peer_of(sock) == ("127.0.0.1", view.api.port)
    }


def test_a_server_that_sends_clients_away():
    """GOAWAY for one request in fifty: it goes elsewhere, and nothing is listed again."""
    with scene("--goaway-chance=0.02", conf={"timeout": "1s"}) as view:
        since, begin, at_first = mark(view), time.monotonic(), connections(view)
        turns = itertools.count()

        def sent_away():
            """True when there is a connection that was not there after some more changes."""
            churn(view.api, next(turns))
            time.sleep(1)
            return connections(view) - at_first

        wait_until(sent_away, 60, "another connection")
        churn(view.api, next(turns))
        view.wait_level()
        view.wait_watching()
        few(view, since, lists=0, watches=time.monotonic() - begin + FEW)


def may_read_everything(api):
    """Lets those whom the limit of requests binds (an administrator is not) read everything."""
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]
    api.create("clusterroles", None, {"metadata": {"name": "reader"}, "rules": rules})
    group = {"kind": "Group", "name": "nobodies", "apiGroup": "rbac.authorization.k8s.io"}
    role = {"kind": "ClusterRole", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}
    body = {"metadata": {"name": "reader"}, "subjects": [group], "roleRef": role}
    api.create("clusterrolebindings", None, body)
    path = resource_path("pods")
    wait_until(
        lambda: api.request("GET", path, token=api.nobody_token)[0] == 200, 20, "the reader's right"
    )


@contextlib.contextmanager
def crowd(api, count):
    """COUNT others that ask as fast as they can."""
    ending = threading.Event()

    def ask():
        """One of them."""
        while not ending.is_set():
            try:
                api.request("GET", "/openapi/v2", token=api.nobody_token)
            except OSError:
                time.sleep(0.1)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ending.set()
        for thread in threads:
            thread.join()


def refused(view, since):
    """The watcher's requests that were answered 429."""
    return [row for row in view.api.requests("sluice")[since:] if row["code"] == 429]


def test_a_server_that_takes_one_request_at_a_time():
    """429 to most: the watcher waits as it is told, and its watches stand."""
    limits = ("--max-requests-inflight=1", "--enable-priority-and-fairness=false")
    with scene(*limits, prepare=may_read_everything, kubeconfig="kubeconfig_nobody") as view:
        since, begin = mark(view), time.monotonic()
        with crowd(view.api, 4):
            restart(view.api)
            wait_until(lambda: refused(view, since), 30, "a refused request of the watcher")
        churn(view.api, 0)
        view.wait_watching()
        view.wait_level()
        # A refused request may ask again after a second, as the server says.
        seconds = time.monotonic() - begin
        few(view, since, lists=seconds + FEW, watches=seconds + FEW)
