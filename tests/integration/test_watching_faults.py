"""Watching through faults of servers and of what stands before them: on the simulator."""

import json

import pytest

from tests.bed.net import wait_until
from tests.integration.watching import DEPLOYMENTS, PODS, watching

PODS_LIST = "GET /api/v1/pods?limit"
PODS_WATCH = "GET /api/v1/pods?watch"


def times_of(rows):
    """When the requests came, in ms."""
    return [row["time_ms"] for row in rows]


def test_429_waits_as_long_as_the_server_asks_also_at_the_first_list():
    """Retry-After: 1 twice at the first list, once at a watch; no list follows the latter."""
    with watching() as bed:
        rule = {"match": PODS_WATCH, "status": 429, "retry_after": 1, "count": 1}
        bed.sim.clear_requests()
        bed.sim.faults(next=[rule], drop_watches=True)
        wait_until(lambda: len(bed.asked(PODS, "watch=1")) >= 2, 20, "two watches")
        first, second = times_of(bed.asked(PODS, "watch=1"))[:2]
        assert 900 <= second - first <= 6000, second - first
        assert not bed.lists(PODS)
        bed.sim.clear_requests()
        bed.sim.faults(
            next=[{"match": PODS_LIST, "status": 429, "retry_after": 1, "count": 2}],
        )
        old = bed.sluice.kill(bed.process)
        bed.sluice.wait_restarted(bed.process, old)
        wait_until(lambda: len(bed.lists(PODS)) >= 3, 20, "three lists")
        gaps = [
            b - a for a, b in zip(*(times_of(bed.lists(PODS))[i:] for i in (0, 1)), strict=False)
        ]
        assert min(gaps) >= 900, gaps
        bed.wait_level("pod")
        assert not bed.deleted("pod")


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"status": 503, "html": True}, "Http503"),
        ({"status": 302, "html": True}, "Http302"),
        ({"status": 500}, None),
        ({"action": "garbage"}, "InvalidAnswer"),
        ({"action": "truncate"}, None),
    ],
    ids=["html503", "redirect", "500", "html200", "cut"],
)
def test_a_bad_answer_to_a_list_is_named_and_mends(rule, reason):
    """The kind backs off with its reason, nothing is swept, the other kind never notices."""
    with watching() as bed:
        others = len(bed.asked(DEPLOYMENTS))
        for place in ("resourceVersion", "limit"):
            bed.sim.faults(next=[{"match": f"GET /api/v1/pods?{place}", "count": 2, **rule}])
        bed.sim.faults(next=[{"match": PODS_WATCH, "watch_error": 410}], drop_watches=True)
        bed.wait_told("pod", "backoff", reason)
        bed.wait_state("pod", "watching")
        bed.sim.change("pod", count=3)
        bed.wait_level("pod")
        assert not bed.deleted("pod")
        assert len(bed.asked(DEPLOYMENTS)) <= others + 1
        assert bed.state("deployment")["state"] == "watching"


@pytest.mark.parametrize("action", ["garbage", "halfline", "strange"])
def test_a_bad_line_in_a_watch_loses_nothing(action):
    """No JSON, half a line, an ERROR without Status: the watch is renewed at its version."""
    with watching() as bed:
        bed.sim.clear_requests()
        bed.sim.faults(next=[{"match": PODS_WATCH, "action": action}], drop_watches=True)
        bed.sim.wait_watches(2)
        bed.sim.change("pod", count=5)
        bed.wait_level("pod")
        wait_until(lambda: len(bed.asked(PODS, "watch=1")) >= 2, 20, "the watch again")
        bed.wait_watching()
        assert not bed.lists(PODS)
        assert not bed.deleted("pod")


def test_an_object_too_large_to_be_read_is_not_taken_for_deleted():
    """17 MiB: the watch skips it, a list too, and sweeps nothing; one without it sweeps."""
    with watching(objects=12) as bed:
        big = sorted(bed.shown("pod"))[0]
        note = {"metadata": {"annotations": {"example.com/note": "x" * (17 << 20)}}}
        bed.sim.api.patch("pods", *big, note)
        bed.sim.faults(next=[{"match": PODS_WATCH, "watch_error": 410}], drop_watches=True)
        wait_until(lambda: len(bed.lists(PODS)) >= 2, 30, "a list after 410")
        bed.sim.change("pod", count=3)
        bed.wait_watching()
        bed.wait_level("pod")
        assert not bed.deleted("pod")
        bed.sim.api.delete("pods", *big, force=True)
        bed.sim.faults(next=[{"match": PODS_WATCH, "watch_error": 410}], drop_watches=True)
        wait_until(lambda: bed.deleted("pod") == {big}, 30, "the deletion")
        bed.wait_level("pod")


@pytest.mark.parametrize("action", ["duplicate", "reorder", "split"])
def test_odd_deliveries_converge(action):
    """An event twice, two in the wrong order, lines in pieces: the view is the cluster's."""
    with watching() as bed:
        bed.sim.faults(next=[{"match": PODS_WATCH, "action": action}], drop_watches=True)
        bed.sim.wait_watches(2)
        bed.sim.change("pod", count=30)
        bed.sim.api.delete("pods", *sorted(bed.shown("pod"))[0], force=True)
        bed.wait_level("pod")
        if action == "split":
            assert len(bed.lists(PODS)) == 1


def test_a_watch_that_freezes_is_left_alone_by_the_others():
    """No byte either way on one: after `stale` it is asked for again; nothing is lost."""
    with watching({"stale": "1s"}) as bed:
        bed.sim.faults(next=[{"match": PODS_WATCH, "action": "freeze"}], drop_watches=True)
        bed.sim.wait_watches(2)
        bed.sim.change("pod", count=5)
        bed.wait_level("pod", timeout=30)
        assert not bed.deleted("pod")
        assert len(bed.lists(PODS)) == 1


def test_a_server_that_shuts_down_and_comes_back():
    """429 with Retry-After and a closed connection to everything; then the same watches."""
    with watching() as bed:
        bed.sim.faults(shutdown=True)
        bed.wait_told("pod", "backoff")
        bed.sim.faults(shutdown=False)
        bed.wait_watching(timeout=30)
        bed.sim.change("pod", count=5)
        bed.wait_level("pod")
        assert len(bed.lists(PODS)) == 1
        bed.sim.faults(restart=True)
        bed.sim.change("pod", count=5)
        bed.wait_level("pod", timeout=30)
        assert not bed.deleted("pod")


def test_a_compressed_list_that_is_cut_is_asked_for_again():
    """Half a gzip body under a right length: not a list, so nothing is swept."""
    with watching(objects=400) as bed:
        rule = {"match": PODS_LIST, "action": "cutgzip", "count": 2}
        bed.sim.faults(next=[rule])
        old = bed.sluice.kill(bed.process)
        bed.sluice.wait_restarted(bed.process, old)
        wait_until(lambda: len(bed.lists(PODS)) >= 4, 20, "three lists after the restart")
        bed.wait_watching()
        bed.wait_level("pod")
        assert not bed.deleted("pod")


def test_a_list_whose_token_expires_is_asked_for_once_as_a_whole():
    """410 at page two: at once the same list without a limit; nothing is swept."""
    with watching(objects=1600) as bed:
        bed.sim.clear_requests()
        rule = {"match": "GET /api/v1/pods?limit=500&continue", "status": 410}
        bed.sim.faults(ignore_limit=False, next=[rule])
        old = bed.sluice.kill(bed.process)
        bed.sluice.wait_restarted(bed.process, old)
        wait_until(lambda: len(bed.lists(PODS)) >= 3, 20, "three requests")
        bed.sim.change("pod", count=3)
        bed.wait_level("pod")
        targets = [row["target"] for row in bed.lists(PODS)]
        assert len(targets) == 3 and "continue=" in targets[1], targets
        assert "limit" not in targets[2], targets
        assert not bed.deleted("pod")


def test_a_watch_that_is_refused_is_tried_again_at_its_version():
    """500: back-off, then the same watch; no list, and the pauses grow."""
    rule = {"match": PODS_WATCH, "status": 500, "count": 3}
    with watching({"backoff": {"base": "200ms", "max": "2s"}}) as bed:
        bed.sim.clear_requests()
        bed.sim.faults(next=[rule], drop_watches=True)
        wait_until(lambda: len(bed.asked(PODS, "watch=1")) >= 4, 20, "four watches")
        bed.wait_watching()
        times = times_of(bed.asked(PODS, "watch=1"))
        gaps = [b - a for a, b in zip(times, times[1:], strict=False)][:3]
        assert gaps[0] >= 120 and gaps[1] >= 280 and gaps[2] >= 600, gaps
        assert not bed.lists(PODS)
        assert len(bed.asked(DEPLOYMENTS, "watch=1")) == 1


@pytest.mark.parametrize("action", ["reset", "close"])
def test_a_connection_that_breaks_is_asked_again_with_pauses(action):
    """libcurl itself tries a reused connection's request once more; then the pauses count."""
    with watching({"backoff": {"base": "200ms", "max": "2s"}}) as bed:
        bed.sim.clear_requests()
        bed.sim.faults(
            next=[{"match": PODS_WATCH, "action": action, "count": 6}], drop_watches=True
        )
        bed.wait_told("pod", "backoff")
        bed.wait_watching()
        times = times_of(bed.asked(PODS, "watch=1"))
        assert len(times) <= 8 and times[-1] - times[0] >= 400, times
        assert not bed.lists(PODS)


def test_a_silent_end_instead_of_410_does_not_spin():
    """200 and a clean end at once, as of resources without a cache: a pause, then a list."""
    with watching({"backoff": {"base": "300ms", "max": "1s"}}) as bed:
        bed.sim.modes(silent=["pods"])
        bed.sim.change("deployment", count=5)
        bed.sim.clear_requests()
        bed.sim.faults(compact=True, drop_watches=True)
        bed.wait_told("pod", "backoff", "ClosedAtOnce")
        bed.wait_watching()
        bed.sim.change("pod", count=5)
        bed.wait_level("pod")
        assert len(bed.asked(PODS, "watch=1")) <= 3, bed.asked(PODS)
        assert 1 <= len(bed.lists(PODS)) <= 2, bed.lists(PODS)


def test_410_at_every_list_and_watch_does_not_spin():
    """Ten times 410 in a row: no more than one request in a pause."""
    with watching({"backoff": {"base": "300ms", "max": "600ms"}}) as bed:
        bed.sim.clear_requests()
        bed.sim.faults(
            next=[{"match": PODS_WATCH, "watch_error": 410, "count": 10}], drop_watches=True
        )
        wait_until(lambda: len(bed.asked(PODS, "watch=1")) >= 5, 30, "five watches")
        times = times_of(bed.asked(PODS, "watch=1"))
        assert times[4] - times[0] >= 3 * 240, times
        bed.sim.clear_faults()
        bed.wait_watching()
        bed.wait_level("pod")


def test_compression_is_asked_for_with_lists_and_never_with_watches(tmp_path):
    """gzip in a list's Accept-Encoding, unless the kubeconfig disables it."""
    with watching(objects=400) as bed:
        assert {r["accept_encoding"] for r in bed.lists(PODS)} == {"gzip"}
        watches = bed.asked(PODS, "watch=1") + bed.asked(DEPLOYMENTS, "watch=1")
        assert {r["accept_encoding"] for r in watches} == {""}
        with open(bed.sim.kubeconfig, encoding="utf-8") as text:
            config = text.read()
        plain = tmp_path / "plain"
        plain.write_text(
            config.replace("    server:", "    disable-compression: true\n    server:", 1)
        )
        bed.sim.clear_requests()
        bed.sluice.write_conf({"kubeconfig": str(plain)})
        bed.sluice.ctl("reload")
        wait_until(lambda: bed.lists(PODS), 20, "a list with the other kubeconfig")
        assert {r["accept_encoding"] for r in bed.lists(PODS)} == {""}


@pytest.mark.parametrize("mode", ["on", "off", "ignored", "endless", "error", "gzip"])
def test_a_list_by_watch_or_as_usual(mode):
    """Servers that can, cannot, do not know it, never end it: every object comes; remembered."""
    # A fifth of it is what the first byte of a list by watch may take.
    conf = {"watch_list": True, "stale": "60s" if mode in ("on", "gzip") else "3s"}
    with watching(conf, ready=False, kinds="deployment,pod") as bed:
        bed.sim.modes(watchlist=mode)
        bed.sim.clear_requests()
        old = bed.sluice.kill(bed.process)
        bed.sluice.wait_restarted(bed.process, old)
        wait_until(lambda: bed.asked(PODS, "sendInitialEvents"), 20, "a list by watch")
        bed.sim.faults(bookmark_interval_ms=500)
        bed.sim.change("pod", count=5)
        bed.wait_watching()
        bed.wait_level("pod")
        bed.wait_level("deployment")
        if mode in ("on", "gzip"):
            assert not bed.lists(PODS), json.dumps(bed.sim.requests())
        else:
            # What was told before the kill is watching and level too.
            wait_until(lambda: bed.lists(PODS), 20, "a list as usual")
            wait_until(lambda: bed.asked(PODS, "?watch=1&resourceVersion="), 20, "its watch")
            bed.sim.clear_requests()
            bed.sim.faults(compact=True, drop_watches=True)
            wait_until(lambda: bed.asked(PODS, "?watch=1&resourceVersion="), 20, "a watch again")
            bed.sim.change("pod", count=5)
            bed.wait_level("pod")
            assert not bed.asked(PODS, "sendInitialEvents"), "it was remembered"
        assert not bed.deleted("pod")
