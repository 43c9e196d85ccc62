"""What a watcher tells of the simulator and of a real API server: one timeline, the same events.

All kinds through their statuses, and disturbances: connections cut, a new start, versions that are
forgotten, rights that are taken and given back. Where the two differ, the simulator is wrong.
"""

import contextlib
import itertools
import json
import pathlib
import re

import pytest

from tests.bed.cluster import RealCluster
from tests.bed.kinds import KIND_OF
from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice
from tests.integration.balancer import Balancer
from tests.integration.samples import SAMPLES
from tests.integration.watching import deny

# One process plays the timelines for all of them.
pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.xdist_group("differential")]

NAMESPACE = "twin"
NOW = "2026-01-01T00:00:00Z"
NOBODY = "nobodies"


def conditions(**told):
    """Conditions: {type: (status, reason)}."""
    return [
        {
            "type": name,
            "status": status,
            "reason": reason,
            "message": f"{name} is {status}",
            "lastTransitionTime": NOW,
        }
        for name, (status, reason) in told.items()
    ]


READY = {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "availableReplicas": 1}
ADDRESS = {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}
FAILING = conditions(FailureTarget=("True", "BackoffLimitExceeded"))
FAILED = [*FAILING, *conditions(Failed=("True", "BackoffLimitExceeded"))]
# {plural: what is written one after the other: (subresource, merge patch)}; each is a change that a
# watcher tells.
LIVES = {
    "configmaps": [],
    "secrets": [],
    "networkpolicies": [],
    "pods": [
        ("status", {"status": {"phase": "Running", "conditions": conditions(Ready=("True", ""))}}),
        ("status", {"status": {"phase": "Failed", "reason": "Evicted", "message": "no room"}}),
    ],
    "services": [("status", {"status": ADDRESS}), (None, {"spec": {"type": "ClusterIP"}})],
    "persistentvolumeclaims": [
        ("status", {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}),
        ("status", {"status": {"phase": "Lost"}}),
    ],
    "ingresses": [("status", {"status": ADDRESS})],
    "horizontalpodautoscalers": [
        (
            "status",
            {
                "status": {
                    "currentReplicas": 1,
                    "desiredReplicas": 1,
                    "conditions": conditions(ScalingActive=("False", "FailedGetMetrics")),
                }
            },
        ),
        ("status", {"status": {"conditions": conditions(ScalingActive=("True", "ValidMetric"))}}),
    ],
    "deployments": [
        ("status", {"status": {**READY, "updatedReplicas": 1}}),
        (
            "status",
            {
                "status": {
                    "conditions": conditions(Progressing=("False", "ProgressDeadlineExceeded"))
                }
            },
        ),
        ("scale", {"spec": {"replicas": 0}}),
    ],
    "replicasets": [
        ("status", {"status": {**READY, "fullyLabeledReplicas": 1}}),
        ("scale", {"spec": {"replicas": 2}}),
    ],
    "statefulsets": [
        (
            "status",
            {"status": {**READY, "currentReplicas": 1, "updatedReplicas": 1}},
        ),
        ("scale", {"spec": {"replicas": 2}}),
    ],
    "daemonsets": [
        (
            "status",
            {
                "status": {
                    "observedGeneration": 1,
                    "desiredNumberScheduled": 1,
                    "currentNumberScheduled": 1,
                    "numberMisscheduled": 0,
                    "numberReady": 1,
                    "numberAvailable": 1,
                    "updatedNumberScheduled": 1,
                }
            },
        ),
    ],
    "jobs": [
        ("status", {"status": {"active": 1, "startTime": NOW}}),
        ("status", {"status": {"active": 0, "failed": 1, "conditions": FAILING}}),
        ("status", {"status": {"conditions": FAILED}}),
    ],
    "cronjobs": [
        ("status", {"status": {"lastScheduleTime": NOW}}),
        (None, {"spec": {"suspend": True}}),
    ],
}


def plain(value):
    """VALUE without what is each server's own: users, addresses, ports, uids, times of now."""
    text = json.dumps(value, sort_keys=True)
    text = re.sub(r'User \\"[^"]*\\"', "User", text)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID", text)
    text = re.sub(r"202[6-9]-\d\d-\d\dT[0-9:.]*Z", "TIME", text)
    text = re.sub(r"10\.[0-9.]+", "IP", text)
    text = re.sub(r'"nodePort": 3\d{4}', '"nodePort": 3', text)
    return json.loads(text)


class Simulated:
    """The simulator, as the story needs it."""

    def __init__(self, stack):
        """Starts it."""
        self.sim = stack.enter_context(KubeSim(frozen=True, objects=0, kinds="all"))
        self.api = self.sim.api
        self.kubeconfig = self.sim.kubeconfig

    def restart(self):
        """A new process of a real one knows nothing older than its start."""
        self.sim.faults(restart=True, compact=True)

    def permit(self, allowed):
        """Whether pods may be read."""
        self.sim.access(*([] if allowed else [deny("pods")]))


class Real:
    """A real API server, as the story needs it: who watches may read by RBAC alone."""

    def __init__(self, stack):
        """Starts it."""
        self.api = stack.enter_context(RealCluster(nodes=0, controllers=False))
        self.kubeconfig = self.api.kubeconfig_nobody
        groups = ["", "apps", "batch", "autoscaling", "networking.k8s.io", "storage.k8s.io"]
        rest = {"apiGroups": groups, "verbs": ["get", "list", "watch"]}
        every = [{**rest, "resources": [plural]} for plural in (*SAMPLES, "nodes", "namespaces")]
        every.append({"nonResourceURLs": ["*"], "verbs": ["get"]})
        self._role("pods", [rule for rule in every if rule.get("resources") == ["pods"]])
        self._role("others", [rule for rule in every if rule.get("resources") != ["pods"]])
        self._bind("others")
        self.permit(True)

    def _role(self, name, rules):
        """A role of so many rules."""
        self.api.create("clusterroles", None, {"metadata": {"name": name}, "rules": rules})

    def _bind(self, name):
        """Gives it to nobody's group."""
        group = "rbac.authorization.k8s.io"
        subject = {"kind": "Group", "name": NOBODY, "apiGroup": group}
        role = {"kind": "ClusterRole", "name": name, "apiGroup": group}
        body = {"metadata": {"name": name}, "subjects": [subject], "roleRef": role}
        self.api.create("clusterrolebindings", None, body)

    def restart(self):
        """Ends it by SIGKILL and starts it again."""
        self.api.kill_apiserver()
        self.api.start_apiserver()
        self._wait(200)

    def permit(self, allowed):
        """Whether pods may be read."""
        if allowed:
            self._bind("pods")
        else:
            self.api.delete("clusterrolebindings", None, "pods")
        self._wait(200 if allowed else 403)

    def _wait(self, status):
        """Until the server itself decides so: rights are read with a delay."""
        wait_until(
            lambda: (
                self.api.request("GET", "/api/v1/pods", token=self.api.nobody_token)[0] == status
            ),
            30,
            f"{status} for a list of pods",
            ignore=(OSError,),
        )


class Watched:
    """A Sluice on a server, by way of a balancer."""

    def __init__(self, server, stack, kinds):
        """Starts it, and opens the streams from their beginning."""
        self.server = server
        self.api = server.api
        self.balancer = stack.enter_context(contextlib.closing(Balancer(self.api.port)))
        text = pathlib.Path(server.kubeconfig).read_text(encoding="utf-8")
        path = pathlib.Path(f"{server.kubeconfig}.balanced")
        path.write_text(
            text.replace(f":{self.api.port}", f":{self.balancer.port}"), encoding="utf-8"
        )
        self.kinds = kinds
        watch = {
            "kinds": kinds,
            "backoff": {"base": "100ms", "max": "400ms"},
            "denied_retry": "300ms",
        }
        sluice = stack.enter_context(Sluice({"watch": watch}, kubeconfig=path))
        self.cluster = next(n for n in sluice.status() if n.startswith("watcher/"))[8:]
        self.objects, self.states = (
            stack.enter_context(sluice.stream(f"{key}:{self.cluster}{rest}", last_event_id="-1"))
            for key, rest in (("resource", "/*"), ("watcher", ""))
        )
        self.wait_watching()

    def told(self):
        """{(kind, name): [what of each event is the same everywhere]} of our namespace."""
        self.objects.pump()
        found = {}
        for event in self.objects.events():
            kind, space, name = (event["stream_key"].split("/") + [""] * 3)[1:4]
            data = event["data"]
            if space == NAMESPACE:
                row = (
                    event["event_type"],
                    data["change"],
                    data.get("final_state_unknown", False),
                    plain(data.get("status", {})),
                )
                found.setdefault((kind, name), []).append(row)
        return found

    def raw_states(self, kind):
        """The data of all states of a KIND."""
        self.states.pump()
        return [e["data"] for e in self.states.events() if e["subject"] == kind]

    def states_of(self, kind, since=0):
        """[(state, reason, code)] of a KIND; how often it was tried is chance."""
        rows = []
        for data in self.raw_states(kind)[since:]:
            # Whether it was tried while nobody answered is chance, too.
            if data["state"] == "backoff" and not data.get("code"):
                continue
            # So is a right that comes back between a refusal and the question why.
            if data.get("reason") == "ForbiddenElsewhere":
                continue
            reason = None if data["state"] == "watching" else plain(data.get("reason"))
            rows.append((data["state"], reason, data.get("code")))
        return [row for row, _ in itertools.groupby(rows)]

    def wait_watching(self):
        """Waits until every kind is watched."""
        wait_until(
            lambda: all((self.states_of(k) or [("",)])[-1][0] == "watching" for k in self.kinds),
            40,
            "every kind watched",
        )

    def wait_more(self, kind, name, deleted=False):
        """A function that waits for another event of an object (that it is gone)."""
        before = len(self.told().get((kind, name), []))

        def more():
            """True when it is there."""
            rows = self.told().get((kind, name), [])[before:]
            return any(row[0] == "resource.deleted" for row in rows) if deleted else bool(rows)

        return lambda: wait_until(more, 20, f"another event of {kind} {name}")

    def do(self, plural, name, act, deleted=False):
        """ACTs, and waits for the event."""
        wait = self.wait_more(KIND_OF[plural], name, deleted)
        act()
        wait()


def life(watched, plural):
    """From its creation to its deletion, each step told."""
    api = watched.api
    name = plural[:-1]
    body = {"metadata": {"name": name}, **SAMPLES[plural]}
    watched.do(plural, name, lambda: api.create(plural, NAMESPACE, body))
    for sub, patch in LIVES[plural]:
        watched.do(plural, name, lambda s=sub, p=patch: api.patch(plural, NAMESPACE, name, p, s))

    def end():
        """Deletes it, and takes away what holds it back."""
        api.delete(plural, NAMESPACE, name, force=True)
        if api.exists(plural, NAMESPACE, name):
            api.patch(plural, NAMESPACE, name, {"metadata": {"finalizers": None}})

    watched.do(plural, name, end, deleted=True)
    return steady(watched.told()[(KIND_OF[plural], name)])


def steady(rows):
    """ROWS of an object without its being terminating: what follows at once takes its place."""
    kept = [row for row in rows[:-1] if row[3].get("health") != "terminating"]
    return [*kept, rows[-1]]


def lives(server):
    """What is told of one object of each kind."""
    with contextlib.ExitStack() as stack:
        made = server(stack)
        made.api.create_namespace(NAMESPACE)
        watched = Watched(made, stack, list(KIND_OF.values()))
        return {plural: life(watched, plural) for plural in LIVES}


@pytest.fixture(scope="module", name="both_lives")
def fixture_both_lives():
    """Of the real server, and of the simulator."""
    return lives(Real), lives(Simulated)


@pytest.mark.parametrize("plural", LIVES)
def test_an_objects_life_is_told_the_same(both_lives, plural):
    """Event by event, status by status."""
    real, simulated = both_lives
    assert simulated[plural] == real[plural]


def test_all_fourteen_kinds_have_a_life():
    """None is left out."""
    assert LIVES.keys() == KIND_OF.keys() and len(LIVES) == 14


# --- disturbances ---

DISTURBED = ["pods", "services", "deployments", "configmaps"]


def make(api, plural, name):
    """A new object."""
    api.create(plural, NAMESPACE, {"metadata": {"name": name}, **SAMPLES[plural]})


def upset(api, turn):
    """Changes while nobody watches: a status, a new object, one that goes, a name used again."""
    api.set_pod_status(NAMESPACE, "pods-0", {"phase": "Failed", "message": f"turn {turn}"})
    api.scale_deployment(NAMESPACE, "deployments-0", turn + 2)
    for plural in DISTURBED:
        make(api, plural, f"{plural}-new-{turn}")
        api.delete(plural, NAMESPACE, f"{plural}-{turn + 1}", force=True)
        api.delete(plural, NAMESPACE, f"{plural}-again", force=True)
        make(api, plural, f"{plural}-again")


def there(api):
    """{(kind, name)} of what the cluster has in our namespace."""
    return {
        (KIND_OF[plural], item["metadata"]["name"])
        for plural in DISTURBED
        for item in api.list(plural, NAMESPACE)
        if item["metadata"]["name"] != "kube-root-ca.crt"
    }


class Disturbed(Watched):
    """A story of disturbances: after each, what was said since and what is told of all."""

    def __init__(self, server, stack):
        """Makes the objects."""
        server.api.create_namespace(NAMESPACE)
        super().__init__(server, stack, [KIND_OF[plural] for plural in DISTURBED])
        for plural in DISTURBED:
            for name in ("0", "1", "2", "3", "4", "again"):
                self.do(plural, f"{plural}-{name}", lambda p=plural, n=name: self.make(p, n))
        self.marks = {}
        self.mark()

    def make(self, plural, name):
        """An object PLURAL-NAME."""
        make(self.api, plural, f"{plural}-{name}")

    def mark(self):
        """From here on is what since() tells."""
        self.states.pump()
        self.marks = {
            "states": {k: len(self.raw_states(k)) for k in self.kinds},
            "rows": {key: len(rows) for key, rows in self.told().items()},
        }

    def wait_level(self):
        """Waits until what is told is there, is what there is, and every kind is watched."""

        def level():
            """True when it is so."""
            alive = {k for k, rows in self.told().items() if rows[-1][0] != "resource.deleted"}
            return alive == there(self.api)

        wait_until(level, 40, "the objects of the cluster", interval=0.2)
        self.wait_watching()
        # What is told last is told to both: every kind's watch brings one more event.
        for plural in DISTURBED:
            name = f"{plural}-last"
            self.do(plural, name, lambda p=plural: self.make(p, "last"))
            self.do(plural, name, lambda p=plural, n=name: self.gone(p, n), deleted=True)

    def gone(self, plural, name):
        """Deletes it."""
        self.api.delete(plural, NAMESPACE, name, force=True)

    def since(self):
        """(states by kind, rows by object) since the mark, which moves here."""
        states = {k: self.states_of(k, self.marks["states"][k]) for k in self.kinds}
        rows = {
            f"{kind} {name}": rows[self.marks["rows"].get((kind, name), 0) :]
            for (kind, name), rows in self.told().items()
        }
        self.mark()
        return states, {key: steady(rows) for key, rows in rows.items() if rows}


def disturbances(kind):
    """{disturbance: (states, rows)} of a sort of server."""
    told = {}
    with contextlib.ExitStack() as stack:
        server = kind(stack)
        it = Disturbed(server, stack)
        it.balancer.move(None)
        upset(it.api, 0)
        it.balancer.move(it.api.port)
        it.wait_level()
        told["cut"] = it.since()
        it.balancer.move(None)
        upset(it.api, 1)
        server.restart()
        upset(it.api, 2)
        it.balancer.move(it.api.port)
        it.wait_level()
        told["restart"] = it.since()
        server.permit(False)
        it.balancer.move(it.api.port)
        wait_until(lambda: it.states_of("pod")[-1][0] == "forbidden", 30, "the pods forbidden")
        upset(it.api, 3)
        server.permit(True)
        it.wait_level()
        told["rights"] = it.since()
    return told


@pytest.fixture(scope="module", name="both_disturbed")
def fixture_both_disturbed():
    """Of the real server, and of the simulator."""
    return disturbances(Real), disturbances(Simulated)


@pytest.mark.parametrize("what", ["cut", "restart", "rights"])
def test_a_disturbance_is_told_the_same(both_disturbed, what):
    """Connections cut; a new start that forgets; rights taken and given back."""
    (states, rows), (simulated_states, simulated_rows) = (told[what] for told in both_disturbed)
    assert simulated_states == states
    assert simulated_rows == rows
