"""What the tests of watching share: a Sluice on a simulator, and what it asked and said."""

import contextlib
import itertools
import re

from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice
from tests.integration.truth import is_subsequence

PODS, DEPLOYMENTS = "pods", "deployments"
QUICK = {
    "watch": {
        "kinds": ["deployment", "pod"],
        "backoff": {"base": "100ms", "max": "400ms"},
        "denied_retry": "300ms",
    },
}


def phase_of(kind, status, spec=None):
    """What of a status is the same word in the cluster and in an event."""
    if kind == "pod":
        return status.get("phase", "")
    return status["replicas"] if spec is None else spec["replicas"]


def objects_now(stream, kind=None):
    """{(kind, namespace, name): status} of the objects of one cluster, or those of a KIND, as the
    stream of them tells them from its beginning.
    """
    stream.pump()
    found = {}
    for event in stream.events():
        place = tuple(event["stream_key"].split("/")[1:])
        if kind not in (None, place[0]):
            continue
        if event["event_type"] == "resource.deleted":
            found.pop(place, None)
        else:
            found[place] = event["data"]["status"]
    return found


class Watching:
    """One watched simulator: .sim, .sluice, .cluster, .objects and .states (streams)."""

    def __init__(self, sim, sluice, stack):
        """Opens the streams of objects and states from their beginning."""
        self.sim = sim
        self.sluice = sluice
        self.cluster = next(n for n in sluice.status() if n.startswith("watcher/")).partition("/")[
            2
        ]
        self.objects = stack.enter_context(
            sluice.stream(f"resource:{self.cluster}/*", last_event_id="-1")
        )
        self.states = stack.enter_context(
            sluice.stream(f"watcher:{self.cluster}", last_event_id="-1")
        )
        self._waited = {}  # how many of a kind's states were there when a wait for it ended

    @property
    def process(self):
        """The watcher's name in `status`."""
        return f"watcher/{self.cluster}"

    def prove(self):
        """Lets every watch bring an event: one that ends at once without any means something."""
        name = sorted(self.sim.state("Deployment"))[0][1:]
        wanted = 8 if self.shown("deployment")[name]["replicas"] == 7 else 7
        self.sim.api.scale_deployment(*name, wanted)
        self.sim.change("pod")
        self.wait_level("pod")
        wait_until(
            lambda: self.shown("deployment")[name]["replicas"] == wanted, 20, f"{wanted} replicas"
        )

    def words(self):
        """What an operator reads of the watcher."""
        return self.sluice.status()[self.process]["status"]

    def told(self, kind):
        """Every watcher.state_changed of a KIND, as data."""
        self.states.pump()
        return [e["data"] for e in self.states.events() if e["subject"] == kind]

    def state(self, kind):
        """The newest of them; {} before the first."""
        mine = self.told(kind)
        return mine[-1] if mine else {}

    def wait_state(self, kind, state, reason=None, timeout=20):
        """Waits until the KIND's newest state is STATE (for REASON); its data."""

        def there():
            """The data once it says so."""
            told = self.told(kind)
            self._waited[kind] = len(told)
            now = told[-1] if told else {}
            fits = now.get("state") == state and reason in (None, now.get("reason"))
            return now if fits else None

        return wait_until(there, timeout, f"{kind} {state} {reason or ''}")

    def wait_told(self, kind, state, reason=None, timeout=20):
        """The same for a state that may be short: told since the last wait for the KIND."""
        before = self._waited.get(kind, 0)

        def there():
            """The data of the first that fits."""
            told = self.told(kind)[before:]
            fits = (
                d for d in told if d.get("state") == state and reason in (None, d.get("reason"))
            )
            return next(fits, None)

        return wait_until(there, timeout, f"{kind} {state} {reason or ''}, if only for a moment")

    def wait_watching(self, kinds=("deployment", "pod"), timeout=20):
        """Waits until the KINDS are watched."""
        for kind in kinds:
            self.wait_state(kind, "watching", timeout=timeout)

    def freeze_until_noticed(self):
        """Stops the server by SIGSTOP until the watcher says that it waits; then lets it go on."""
        self.sim.suspend()
        try:
            wait_until(
                lambda: self.sluice.status()[self.process]["status_state"] == "backoff",
                40,
                "back-off",
            )
        finally:
            self.sim.resume()

    def shown(self, kind):
        """{(namespace, name): status} of the KIND's objects as the stream tells them."""
        return {place[1:]: status for place, status in objects_now(self.objects, kind).items()}

    def deleted(self, kind):
        """{(namespace, name)} of the KIND that were told to be gone, ever."""
        self.objects.pump()
        return {
            tuple(e["stream_key"].split("/")[2:])
            for e in self.objects.events()
            if e["event_type"] == "resource.deleted" and f"/{kind}/" in e["stream_key"]
        }

    def wait_level(self, kind="pod", namespaces=None, timeout=20):
        """Waits until the stream shows the simulator's objects of the KIND, and no other."""

        def level():
            """True when names and phases are the same."""
            live = {
                key[1:]: item
                for key, item in self.sim.state(kind.capitalize()).items()
                if namespaces is None or key[1] in namespaces
            }
            shown = {
                key: status
                for key, status in self.shown(kind).items()
                if namespaces is None or key[0] in namespaces
            }
            return live.keys() == shown.keys() and all(
                kind != "pod" or shown[key]["phase"] == item["status"].get("phase", "")
                for key, item in live.items()
            )

        wait_until(level, timeout, f"the {kind}s level with the cluster")

    def asked(self, resource, *words):
        """The rows of the requests for a RESOURCE (all places) with all of the WORDS."""
        place = re.compile(rf"/(namespaces/[^/?]+/)?{resource}(\?|$)")
        return [
            row
            for row in self.sim.requests()
            if row["user_agent"].startswith("sluice")
            and place.search(row["target"])
            and all(word in row["target"] for word in words)
        ]

    def lists(self, resource):
        """The rows of its lists (no watch, no probe)."""
        return [
            row
            for row in self.asked(resource)
            if "watch=1" not in row["target"] and "limit=1&" not in row["target"]
        ]

    def check_published(self, by_version=True):
        """Each object's published states are a subsequence of the simulator's truth.

        BY_VERSION: told by resourceVersion; else (a roll back gives versions anew) by phase. The
        deletion of what is there again has no version: the new one is told with it.
        """
        self.objects.pump()
        by_key = {}
        for event in self.objects.events():
            by_key.setdefault(event["stream_key"], []).append(event)
        for key, mine in by_key.items():
            kind, namespace, name = key.partition("/")[2].split("/")
            if kind == "job" and not by_version:
                continue  # its status has no word of the cluster's
            truth = self.sim.history(kind.capitalize(), namespace, name)
            told = [e for e in mine if not e["data"].get("final_state_unknown")]
            if by_version:
                shown = [
                    e["data"]["resource_version"] for e in told if "resource_version" in e["data"]
                ]
                real = [str(state["rv"]) for state in truth]
            else:
                shown = [phase_of(kind, e["data"]["status"]) for e in told if "status" in e["data"]]
                real = [
                    phase_of(kind, state["object"].get("status", {}), state["object"].get("spec"))
                    for state in truth
                ]
                shown = [phase for phase, _ in itertools.groupby(shown)]
            assert is_subsequence(shown, real), (key, shown, real, mine)
            assert [e["seq"] for e in mine] == list(range(1, len(mine) + 1)), key


@contextlib.contextmanager
def watching(conf=None, *, ready=True, **options):
    """A simulator (OPTIONS) and a Sluice that watches it; with READY, level with it."""
    with contextlib.ExitStack() as stack:
        sim = stack.enter_context(KubeSim(frozen=True, **options))
        watch = {**QUICK["watch"], **(conf or {})}
        sluice = stack.enter_context(Sluice({"watch": watch}, kubeconfig=sim.kubeconfig))
        bed = Watching(sim, sluice, stack)
        if ready:
            bed.wait_watching()
            bed.wait_level("pod")
            bed.prove()
        yield bed


def deny(*resources, namespaces=None, verbs=("list", "watch")):
    """A rule for KubeSim.access that denies the RESOURCES."""
    rule = {"effect": "deny", "verbs": list(verbs), "resources": list(resources)}
    if namespaces is not None:
        rule["namespaces"] = list(namespaces)
    return rule
