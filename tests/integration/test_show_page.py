"""What a newcomer sees: the page that `make run` names, in a browser, on the demo cluster."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from urllib.parse import urlsplit

import pytest

from tests.bed.browser import Browser
from tests.bed.kubesim import KubeSim
from tests.bed.net import free_port, wait_until
from tests.bed.process import Process, plain_environment
from tests.bed.sluice import REPO, binary
from tests.bed.sse import CONTROL, Stream

REPORTS = os.path.join(REPO, "build", "reports")
ROWS = "#rows .row"
KINDS = (
    *("configmap", "cronjob", "daemonset", "deployment", "hpa", "ingress", "job"),
    *("networkpolicy", "pod", "pvc", "replicaset", "secret", "service", "statefulset"),
)

# Remembers what each row element says now (state, health, message), then which of them says
# otherwise later: an object's row changed in place, without a reload.
WATCH_ROWS = """() => {
  const read = (row) => [...row.children].slice(3, 6).map((cell) => cell.textContent).join('|');
  const first = new Map([...document.querySelectorAll('#rows .row')].map((r) => [r, read(r)]));
  window.shownChange = null;
  new MutationObserver(() => {
    for (const [row, before] of first)
      if (row.isConnected && read(row) !== before && !window.shownChange)
        window.shownChange = { key: row.dataset.key, before, after: read(row) };
  }).observe(document.getElementById('rows'), { childList: true, subtree: true,
    characterData: true });
}"""

# Keeps what the page says of the next pack run that begins, each time it says something else.
WATCH_RUN = """() => {
  const begun = new Set([...document.querySelectorAll('.run')].map((run) => run.dataset.key));
  let mine = null;
  const read = (run) => ({
    state: run.dataset.state,
    percent: run.querySelector('progress').value,
    steps: [...run.querySelectorAll('.step')].map((s) => [s.dataset.state, s.innerText]),
    lines: [...run.querySelectorAll('.log p')].map((p) => p.textContent),
  });
  window.told = [];
  const look = () => {
    for (const run of document.querySelectorAll('.run'))
      if (!begun.has(run.dataset.key)) mine = mine || run.dataset.key;
    const run = document.querySelector(`.run[data-key="${mine}"]`);
    if (!run) return;
    const now = read(run), before = window.told[window.told.length - 1];
    if (JSON.stringify(now) !== JSON.stringify(before)) window.told.push(now);
  };
  new MutationObserver(look).observe(document.getElementById('runs'), { childList: true,
    subtree: true, characterData: true, attributes: true });
  look();
}"""
LINES = 15  # of a run of the demo whose steps all succeed at once
LINES_AGAIN = 6  # more, of one whose last step is tried again


class MakeRun(Process):
    """`make run` of what is built already, in a home without a kubeconfig."""

    def __init__(self, directory, **more):
        """Nothing is started yet; MORE is laid upon its environment."""
        self.port = free_port()
        env = plain_environment(directory) | more
        env["PORT"] = str(self.port)
        env["STATE"] = f"{directory}/state"
        build = os.path.relpath(os.path.dirname(binary("sluiced")), REPO)
        # With this MAKE the recipe's own `make all` does nothing.
        command = ["make", "-C", REPO, "run", f"BUILD={build}", "MAKE=true"]
        super().__init__("run", command, directory, env)

    def text(self):
        """What it has printed."""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def page(self):
        """The address it tells to open."""

        def told():
            self.check()
            found = re.search(r"^run: open (\S+)", self.text(), re.MULTILINE)
            return found and found[1]

        return wait_until(told, 20, "run.sh names its page")

    def children(self):
        """Pids of the programs it started, and theirs."""
        found, fresh = [], [self.pid]
        while fresh:
            asked = ",".join(map(str, fresh))
            answer = subprocess.run(
                ["pgrep", "-P", asked], capture_output=True, text=True, timeout=10
            )
            fresh = [int(pid) for pid in answer.stdout.split()]
            found += fresh
        return found


@pytest.fixture(name="run")
def make_run(tmp_path):
    """A running `make run`."""
    process = MakeRun(tmp_path).start()
    try:
        yield process
    finally:
        process.stop()


def rows(page):
    """How many rows the list shows."""
    return page.locator(ROWS).count()


def visible_text(page):
    """The list's rows as text."""
    return page.locator(ROWS).all_inner_texts()


def check_filter(page):
    """The filter box narrows the list to what contains all words, and widens it again."""
    key = page.locator(ROWS).first.get_attribute("data-key")
    word = key.rsplit("/", 1)[-1]
    page.locator("#filter").fill(f"demo {word}")
    wait_until(lambda: all(word in t for t in visible_text(page)) and rows(page), 20, "filtered")
    assert "of" in page.locator("#shown").inner_text()
    page.locator("#filter").fill("no-object-is-called-so")
    wait_until(lambda: rows(page) == 0, 20, "an empty list")
    assert "No object matches" in page.locator("#rows").inner_text()
    page.keyboard.press("Escape")
    wait_until(lambda: rows(page) > 10, 20, "the whole list again")


def check_kinds(page):
    """The cluster's card names every kind as watched; each has rows in the list."""

    def told():
        """True when the card names all of them, none with a trouble in brackets."""
        text = page.locator("#clusters .card .muted").inner_text()
        found = {part.split(" ")[0] for part in text.split(" · ")}
        return found == set(KINDS) and "(" not in text

    wait_until(told, 20, "all kinds on the card")
    for kind in KINDS:
        page.locator("#filter").fill(f"demo {kind}")
        # "job" also finds cronjobs, which stand before it.
        page.locator("#objects").evaluate("(box) => box.scrollTo(0, box.scrollHeight)")
        page.locator(f"{ROWS} .kind", has_text=re.compile(f"^{kind}$")).first.wait_for()
    page.locator("#filter").fill("")


def check_selection(page):
    """A name that is selected stays so while other rows change: it can be copied."""
    name = page.locator(f"{ROWS} .name span").first
    name.dblclick()
    chosen = page.evaluate("getSelection().toString()")
    assert chosen
    before = int(page.locator("#fact-changes").inner_text())
    wait_until(lambda: int(page.locator("#fact-changes").inner_text()) > before + 3, 20, "changes")
    assert page.evaluate("getSelection().toString()") == chosen


@pytest.mark.slow
def test_a_newcomer_sees_the_demo_cluster_change_without_a_reload(run):
    """The list fills within seconds, a row changes in place, nothing else is asked for."""
    url = run.page()
    assert "SIMULATED" in run.text(), "it is said clearly that the cluster is not real"
    assert urlsplit(url).port == run.port
    with Browser() as browser:
        page = browser.open(url)
        asked, navigations = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("framenavigated", lambda frame: navigations.append(frame.url))
        wait_until(lambda: rows(page) > 10, 20, "the list fills")
        page.evaluate(WATCH_ROWS)
        change = wait_until(lambda: page.evaluate("window.shownChange"), 20, "a row changes")
        assert change["before"] != change["after"]
        wait_until(
            lambda: page.locator('#clusters [data-tone="good"]').count() == 1,
            20,
            "the cluster's card is good",
        )
        assert page.locator("#connection").get_attribute("data-state") == "live"
        check_kinds(page)
        browser.screenshot(page, f"{REPORTS}/page.png")
        page.emulate_media(color_scheme="dark")
        browser.screenshot(page, f"{REPORTS}/page-dark.png")
        check_selection(page)
        check_filter(page)
        assert not navigations, "no reload, no other page"
        assert browser.errors == []
        assert [c for c in browser.console if c.startswith(("error", "warning"))] == []
        wrong = [u for u in asked if urlsplit(u).hostname not in ("127.0.0.1", None)]
        assert not wrong, "the page asks its own server only"


@pytest.mark.slow
def test_a_newcomer_sees_pack_runs_with_their_steps_their_gate_and_their_log(run):
    """The run's bar grows, its steps go on one by one, the gate waits, lines come as they are."""
    with Browser() as browser:
        page = browser.open(run.page())
        # The set of what there is tells of runs before it tells of objects: which have begun is
        # known now, and of one of those the page has not seen the beginning.
        page.locator(ROWS).first.wait_for()
        page.evaluate(WATCH_RUN)
        state = "(window.told[window.told.length - 1] || {}).state"
        wait_until(lambda: page.evaluate(state) == "waiting", 60, "the gate waits")
        browser.screenshot(page, f"{REPORTS}/page-runs.png")
        wait_until(lambda: page.evaluate(state) == "succeeded", 60, "the run succeeds")
        told = page.evaluate("window.told")
        assert not browser.errors
    gates = [text for entry in told for state, text in entry["steps"] if state == "waiting"]
    assert gates and all(g == "Approve\nwaiting · waits for an approval" for g in gates)
    shown = [entry["percent"] for entry in told]
    assert shown == sorted(shown) and shown[-1] == 100 and len(set(shown)) >= 8
    done = [[state for state, _ in entry["steps"]].count("succeeded") for entry in told]
    assert sorted(set(done)) == [0, 1, 2, 3] and done == sorted(done)
    assert "approved by demo" in told[-1]["steps"][1][1]
    grown = [len(entry["lines"]) for entry in told]
    assert grown == sorted(grown) and len(set(grown)) >= 8, "line by line"
    # In every second run the last step fails at first, and is tried again.
    again = any("attempt 2" in text for _, text in told[-1]["steps"])
    assert len(told[-1]["lines"]) == LINES + (LINES_AGAIN if again else 0)
    assert told[-1]["lines"][0].startswith("fetching") and "200 OK" in told[-1]["lines"][-1]


def check_gone(children, runtime):
    """No process and no directory is left."""
    wait_until(
        lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children), 20, "no process left"
    )
    assert not os.path.exists(runtime)


def started(run):
    """Pids of everything that run started, and its runtime directory."""
    run.page()
    wait_until(lambda: "service: ready" in run.text(), 20, "all processes ready")
    children = run.children()
    assert len(children) >= 8, "run.sh, the simulator, sluiced, five roles"
    return children, re.search(r"/tmp/sluice-run-\w+", run.text())[0]


FIRST_CHANGE = 5  # seconds from the call to a change on the page, promised


# Its clock begins before make's own; the browser, which is not ours, is up by then.
@pytest.mark.slow
@pytest.mark.release_only
def test_the_page_moves_within_five_seconds_of_the_first_start(tmp_path):
    """An empty state directory: simulator, processes, first lists, page, and a row that changes."""
    with Browser() as browser:
        browser.open("about:blank").close()
        run = MakeRun(tmp_path)
        begin = time.monotonic()
        run.start()
        try:
            page = browser.open(run.page())
            page.locator(ROWS).first.wait_for(timeout=20000)
            page.evaluate(WATCH_ROWS)
            wait_until(
                lambda: page.evaluate("window.shownChange"), 20, "a row changes", interval=0.02
            )
            took = time.monotonic() - begin
        finally:
            run.stop()
    assert took < FIRST_CHANGE, f"{took:.1f} s from `make run` to a row that changed"


def programs_below(run):
    """The names of all programs it started."""
    found = []
    for pid in run.children():
        # One may have ended meanwhile.
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            found.append(file.read().strip())
    return found


def shows_its_cluster(run, sim, path):
    """It says which file it reads, simulates nothing, and its page has that cluster's objects."""
    run.page()
    wait_until(lambda: "service: ready" in run.text(), 20, "all processes ready")
    said = [line for line in run.text().splitlines() if line.startswith("run: ")]
    assert said[0] == f"run: watching the current context of {path}"
    assert "simulated" not in run.text().lower()
    programs = programs_below(run)
    assert "kubesim" not in programs
    assert "sluiced" in programs and "sluice-watcher" in programs
    one = sim.api.list("deployments")[0]["metadata"]
    key = f"resource:{sim.context}/deployment/{one['namespace']}/{one['name']}"
    with Stream(run.port, "/api/v1/streams", [("stream", key)]) as stream:
        stream.read_until(lambda s: any(key in frame.data for frame in told(s)), 20, key)


def told(stream):
    """The frames that tell of an object: stream.open names the key for every one, there or not."""
    return [frame for frame in stream.frames if frame.event not in CONTROL - {"snapshot"}]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["KUBECONFIG", "~/.kube/config"])
def test_with_a_kubeconfig_that_cluster_is_read_and_none_simulated(tmp_path, where):
    """Both places where kubectl looks."""
    with KubeSim(objects=12, context="mine") as sim:
        if where == "KUBECONFIG":
            path, more = sim.kubeconfig, {"KUBECONFIG": sim.kubeconfig}
        else:
            (tmp_path / ".kube").mkdir()
            path, more = str(tmp_path / ".kube/config"), {}
            shutil.copy(sim.kubeconfig, path)
        run = MakeRun(tmp_path, **more).start()
        try:
            shows_its_cluster(run, sim, path)
        finally:
            run.stop()


@pytest.mark.slow
def test_ctrl_c_ends_everything_that_run_started(run):
    """SIGINT, as from the keyboard: no process and no directory is left."""
    children, runtime = started(run)
    run.ended_on_purpose = True
    for pid in [run.pid, *children]:
        # The terminal sends it to the whole group; who ended meanwhile needs none.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
    wait_until(lambda: not run.running(), 15, "make run ends")
    check_gone(children, runtime)


@pytest.mark.slow
def test_a_sigterm_to_make_ends_everything_that_run_started(run):
    """As a script or an IDE ends it: the signal comes to make alone."""
    children, runtime = started(run)
    run.ended_on_purpose = True
    os.kill(run.pid, signal.SIGTERM)
    wait_until(lambda: not run.running(), 15, "make run ends")
    check_gone(children, runtime)


def test_a_port_in_use_is_said_and_no_page_is_named(tmp_path):
    """Another program answers there: it is not called ours."""
    process = MakeRun(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", process.port))
        other.listen()
        process.start()
        wait_until(lambda: not process.running(), 20, "run ends")
    assert "another program listens there" in process.text()
    assert "run: open" not in process.text()
    assert process.exit_status != 0
