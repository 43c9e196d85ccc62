"""/metrics of any gateway has every watcher's figures, kind by kind."""

import os
import re
import time

from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice
from tests.integration.watching import PODS, watching

LINE = re.compile(r'^sluice_watcher_(\w+)\{cluster="([^"]*)",kind="([^"]*)"\} (\d+)$')
QUICK = {"watch": {"backoff": {"base": "100ms", "max": "400ms"}}}


def figures(sluice):
    """{(figure, cluster, kind): value} of /metrics; each figure stands in one block."""
    status, _, text = sluice.request("GET", "/metrics")
    assert status == 200
    found, blocks = {}, []
    for line in text.splitlines():
        match = LINE.match(line)
        if match:
            figure, cluster, kind, value = match.groups()
            found[figure, cluster, kind] = int(value)
            if not blocks or blocks[-1] != figure:
                blocks.append(figure)
    assert len(blocks) == len(set(blocks))
    for figure in blocks:
        assert text.count(f"# TYPE sluice_watcher_{figure} ") == 1
    return found


def test_the_figures_of_every_kind_tell_what_happened():
    """Objects, events, lists, 410s, bytes and published events, of two clusters."""
    with (
        KubeSim(frozen=True, context="one") as one,
        KubeSim(frozen=True, context="two", objects=5) as two,
        Sluice(
            {**QUICK, "contexts": "all"}, kubeconfig=f"{one.kubeconfig}:{two.kubeconfig}"
        ) as sluice,
    ):
        pods = len(one.state("Pod"))

        def settled():
            """The figures once every list is whole and everything is published."""
            now = figures(sluice)
            return (
                now
                if now.get(("published_total", "one", "pod")) == pods
                and now.get(("objects", "two", "pod")) == len(two.state("Pod"))
                and all(v >= 1 for (figure, _, _), v in now.items() if figure == "lists_total")
                else None
            )

        before = wait_until(settled, 20, "the first lists")
        assert len({kind for _, _, kind in before}) == 14
        assert before["objects", "one", "pod"] == pods
        assert before["events_total", "one", "pod"] == pods
        assert before["lists_total", "one", "pod"] == 1
        assert before["expired_total", "one", "pod"] == 0
        assert before["received_bytes_total", "one", "pod"] > 1000 * pods
        assert before["lag_milliseconds", "one", "pod"] < 10000
        # A watch that ends within its first second is taken for a silent 410.
        one.wait_watches(14)
        time.sleep(1.2)
        one.change("pod", count=7)
        one.faults(compact=True, drop_watches=True)

        def expired():
            """The figures once the deployments, whose version is old, were listed anew."""
            now = figures(sluice)
            return now if now["lists_total", "one", "deployment"] == 2 else None

        after = wait_until(expired, 20, "a new list")
        assert after["expired_total", "one", "deployment"] == 1
        assert after["events_total", "one", "pod"] == pods + 7
        assert after["objects", "one", "pod"] == pods
        wait_until(
            lambda: figures(sluice)["waiting", "one", "pod"] == 0, 10, "nothing waits any more"
        )


def test_what_a_dead_watcher_left_is_not_told_for_long():
    """A file that nobody renews is left out; one that is no file of ours does no harm."""
    with KubeSim(frozen=True) as sim, Sluice(QUICK, kubeconfig=sim.kubeconfig) as sluice:
        cluster = next(n for n in sluice.status() if n.startswith("watcher/")).partition("/")[2]
        wait_until(lambda: ("objects", cluster, "pod") in figures(sluice), 10, "figures")
        directory = f"{sluice.conf['runtime_directory']}/figures"
        line = "pod " + " ".join(["7"] * 9) + "\n"
        for name, text in (("gone", line), ("odd", "<html>\n" + line), ("..x", line)):
            with open(f"{directory}/{name}", "w", encoding="ascii") as file:
                file.write(text)
        os.mkfifo(f"{directory}/pipe")
        assert ("objects", "gone", "pod") in figures(sluice)
        os.utime(f"{directory}/gone", (1, 1))
        now = figures(sluice)
        assert {c for _, c, _ in now} == {cluster}
        sluice.ctl("stop", f"watcher/{cluster}")
        wait_until(lambda: not figures(sluice), 10, "no figures of a stopped watcher")


def test_each_try_of_a_kind_that_is_not_served_is_one_list():
    """It is asked for again and again; the figure counts the requests, and its end counts once."""
    with watching() as bed:
        bed.sim.modes(unserved=["pods"])
        bed.sim.faults(drop_watches=True)
        bed.wait_told("pod", "stopped", "NotServed")
        wait_until(lambda: len(bed.lists(PODS)) >= 5, 30, "four tries")
        bed.sim.modes(unserved=[])
        bed.wait_watching()

        def told():
            """Lists by the figure, over those that were asked for."""
            return figures(bed.sluice)["lists_total", bed.cluster, "pod"] - len(bed.lists(PODS))

        wait_until(lambda: told() >= 0, 20, "the figure of the lists")
        assert told() <= 1
