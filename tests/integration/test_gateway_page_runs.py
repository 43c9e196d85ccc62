"""The pack runs of the dashboard in Chromium: which are shown, and which are gone."""

import shutil
import time

import pytest

from tests.bed.browser import Browser
from tests.bed.net import wait_until
from tests.bed.process import Process
from tests.bed.sluice import Sluice, binary

from .numbered import wait_kept
from .test_kept_events import log, pack_state

pytestmark = pytest.mark.slow

FAST = {"streams": {"default": {"heartbeat_interval": "500ms", "retry": "300ms"}}}

# A run of one page, as another event of it comes live.
TAKE = """async ([events]) => {
  const runs = await import("/runs.js");
  for (const event of events) runs.take(event, 1, true);
  runs.draw();
}"""


def ended_pack_run(name, started_at=None):
    """All that a pack run said, up to its end."""
    states = [None, "pending", "queued", "running"]
    rows = [pack_state(name, state, last) for last, state in zip(states, states[1:], strict=False)]
    rows += [log(f"pack-run:{name}", "pack_run.log", number) for number in (1, 2)]
    rows.append(pack_state(name, "succeeded", "running"))
    if started_at:
        rows[-1]["data"]["started_at"] = started_at
    return rows


def shown(page):
    """[[key, state]] of the runs that the page shows, all at one time: they come and go."""
    page.wait_for_timeout(20)
    of_each = "all => all.map((run) => [run.dataset.key, run.dataset.state])"
    return page.eval_on_selector_all("#runs .run", of_each)


def shows(page, *rows):
    """Waits until it shows these runs."""
    want = [[f"pack-run:{name}", state] for name, state in rows]
    wait_until(lambda: shown(page) == want, 20, f"{want}")


def test_the_page_shows_the_newest_of_more_pack_runs_than_it_keeps():
    with Sluice({}) as sluice, Browser() as browser:
        # The newest comes first in the set, and each that is dropped has more to say.
        for n in range(60):
            sluice.publish(ended_pack_run(f"r-{99 - n}", f"2026-01-01T00:{n:02}:00Z"))
        wait_kept(sluice, "pack-run:*")
        page = browser.open(f"http://127.0.0.1:{sluice.port}/")
        newest = [(f"r-{n}", "succeeded") for n in (40, 41, 42)]
        shows(page, *newest)
        page.wait_for_timeout(500)
        shows(page, *newest)
        assert not browser.errors


def test_the_page_counts_where_pack_runs_do_not_say_when_they_were():
    with Sluice({}) as sluice, Browser() as browser:
        for n in range(8, 13):
            sluice.publish(ended_pack_run(f"r-{n}"))
        wait_kept(sluice, "pack-run:*")
        page = browser.open(f"http://127.0.0.1:{sluice.port}/")
        shows(page, *((f"r-{n}", "succeeded") for n in (12, 11, 10)))
        # What happens now was later than all of them.
        sluice.publish(ended_pack_run("a-1"))
        shows(page, *((name, "succeeded") for name in ("a-1", "r-12", "r-11")))
        assert not browser.errors


def start_anew(sluice):
    """With nothing in its state directory, and in another second: that is what an epoch says."""
    began = time.time()
    wait_until(lambda: int(time.time()) > int(began), 10, "the next second")
    shutil.rmtree(f"{sluice.directory}/state")
    sluice.start()


def test_the_page_forgets_with_the_service_and_follows_a_run_that_begins_again():
    with Sluice(FAST) as sluice, Browser() as browser:
        rows = ended_pack_run("again")
        sluice.publish([*rows[:3], *rows[3:5] * 4])
        page = browser.open(f"http://127.0.0.1:{sluice.port}/")
        shows(page, ("again", "running"))
        wait_until(lambda: page.locator(".log p").count() == 8, 20, "its log")
        # A new journal: the page is told of a gap, and its set is empty.
        sluice.stop()
        start_anew(sluice)
        shows(page)
        sluice.publish(rows[:1])
        shows(page, ("again", "pending"))
        # And where it is not empty, it counts, though its numbers are lower.
        sluice.publish(rows[1:3])
        shows(page, ("again", "running"))
        page.context.set_offline(True)
        sluice.stop()
        start_anew(sluice)
        sluice.publish(rows[:1])
        wait_kept(sluice, "pack-run:*")
        page.context.set_offline(False)
        shows(page, ("again", "pending"))
        assert not browser.errors


def test_the_first_event_of_a_stream_that_was_forgotten_begins_its_run_anew():
    with Sluice({}) as sluice, Browser() as browser:
        page = browser.open(f"http://127.0.0.1:{sluice.port}/")
        first = [{**row, "seq": n} for n, row in enumerate(ended_pack_run("again"), 1)]
        page.evaluate(TAKE, [first])
        shows(page, ("again", "succeeded"))
        page.evaluate(TAKE, [first[:1]])
        shows(page, ("again", "pending"))
        assert page.locator(".log p:visible").count() == 0 and not browser.errors


def test_the_demo_publishes_one_run_after_the_other_at_any_pace(tmp_path):
    with Sluice({}) as sluice:
        url = f"http://127.0.0.1:{sluice.port}"
        with sluice.stream("pack-run:*", types="pack_run.state_changed", snapshot=0) as stream:
            stream.wait_open()
            demo = Process("demo", [binary("demo-orchestrator"), url, 1], tmp_path).start()
            try:

                def ended():
                    return [e for e in stream.named("pack_run.state_changed") if e.json["terminal"]]

                stream.read_until(lambda _: len(ended()) >= 8, 60, "eight runs")
                assert {event.json["data"]["state"] for event in ended()} == {"succeeded"}
                assert "given up" not in demo.tail()
            finally:
                demo.stop()
