"""The subscribers of doc/examples, as they stand: each follows a job to its end over restarts of
the gateways, idle time and, in a page, the end of its ticket; every line of the log comes once.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from tests.bed import tokens
from tests.bed.browser import Browser
from tests.bed.clients import NODE, node_modules
from tests.bed.net import deadline, free_port, wait_until
from tests.bed.process import Process
from tests.bed.retold import note_rows
from tests.bed.sluice import REPO, Sluice

from .scripted import BUSY, Scripted
from .test_doc_examples import built
from .test_history import position

pytestmark = pytest.mark.slow

EXAMPLES = pathlib.Path(REPO, "doc/examples")
GATEWAYS = ("gateway/0", "gateway/1")
FAST = {"idle_timeout": "2s", "heartbeat_interval": "500ms", "retry": "300ms"}

# Keeps each word of the page's last line, which says what its stream is told of itself.
WATCH = """() => {
  window.words = [];
  const word = document.getElementById("word");
  new MutationObserver(() => words.push(word.textContent)).observe(word, { childList: true });
}"""


class Job:
    """The life of a job, told bit by bit."""

    def __init__(self, sluice, name, issuer):
        """SLUICE takes tokens of ISSUER."""
        self.sluice = sluice
        self.name = name
        self.key = f"job:{name}"
        self.lines = 0
        self._last = None
        self._newest = None
        self._head = tokens.bearer(issuer.grants([self.key], [self.key], lasts=3600))

    def state(self, state):
        """Its next state."""
        data = {"job_id": self.name, "state": state, "previous_state": self._last, "attempt": 1}
        event = {"stream_key": self.key, "event_type": "job.state_changed", "data": data}
        answer = self.sluice.request("POST", "/api/v1/events", event, self._head)
        assert answer[0] == 202, answer
        self._last, self._newest = state, answer[2]["last_id"]

    def log(self, count):
        """So many lines more."""
        lines = [f"line {self.lines + n}" for n in range(1, count + 1)]
        head = {"Content-Type": "text/plain", "X-Log-Offset": str(self.lines + 1), **self._head}
        path = f"/api/v1/streams/{self.key}/logs"
        answer = self.sluice.request("POST", path, "\n".join(lines), head)
        assert answer[0] == 202, answer
        self.lines, self._newest = self.lines + count, answer[2]["last_id"]

    def wait_stored(self):
        """Waits until a snapshot has all of it: what the store learns later is told live."""

        def stored():
            path = f"/api/v1/streams/{self.key}/events?limit=1"
            status, _, body = self.sluice.request("GET", path, headers=self._head)
            return status == 200 and position(body["as_of"]) >= position(self._newest)

        wait_until(stored, 20, f"{self._newest} is stored")

    def expected(self):
        """Its log so far."""
        return [f"line {n}" for n in range(1, self.lines + 1)]


@pytest.fixture(name="issuer", scope="module")
def _issuer():
    return tokens.Issuer()


@pytest.fixture(name="keys", scope="module")
def _keys(issuer, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("keys") / "keys.json")
    issuer.write(path)
    return path


@pytest.fixture(name="sluice", scope="module")
def _sluice(keys):
    conf = {**tokens.conf(keys), "streams": {"default": FAST}}
    with Sluice(conf, gateways=2) as running:
        yield running


def command(name, directory):
    """How the example NAME is started; what it needs beside it is put into DIRECTORY."""
    path = str(EXAMPLES / name)
    if name.endswith(".py"):
        return [sys.executable, path]
    if name.endswith(".sh"):
        return [path]
    if name.endswith(".go"):
        return [built(path, f"{directory}/subscribe")]
    os.symlink(node_modules("node"), f"{directory}/node_modules")
    return [NODE, shutil.copy(path, directory)]


def texts(path):
    """[(event, id, data)] of what was written so far, in whole lines; data as text."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    split = [line.split(" ", 2) for line in text[: text.rfind("\n") + 1].split("\n")[:-1]]
    return [(event, "" if mark == "-" else mark, data) for event, mark, data in split]


def rows(path):
    """The same, data parsed."""
    return [(event, frame_id, json.loads(data)) for event, frame_id, data in texts(path)]


@pytest.mark.parametrize("name", ["subscribe.sh", "subscribe.py", "subscribe.mjs", "subscribe.go"])
def test_an_example_follows_a_job_to_its_end_through_restarts(sluice, issuer, name, tmp_path):
    job = Job(sluice, name.replace(".", "-"), issuer)
    job.state("running")
    job.log(3)
    job.wait_stored()
    out = tmp_path / "out"
    token = issuer.grants([job.key], lasts=3600)
    shell = ["/bin/sh", "-c", 'out=$1; shift; exec "$@" >"$out"', "subscribe", str(out)]
    argv = [*shell, *command(name, tmp_path), f"http://127.0.0.1:{sluice.port}", job.key]
    env = {**os.environ, "SLUICE_TOKEN": token}
    program = Process(name, argv, tmp_path, env).start()
    try:

        def has(what, timeout=30):
            def look():
                assert program.running() or program.exit_status == 0, program.tail()
                return what(rows(out))

            wait_until(look, timeout, f"{name}: {out}\n{program.tail()}")

        has(lambda rs: any(e == "snapshot" and d["i"] == d["n"] for e, _, d in rs))
        for gateway in GATEWAYS:
            job.log(2)
            has(lambda rs: sum(event == "job.log" for event, _, _ in rs) == job.lines - 3)
            sluice.wait_restarted(gateway, sluice.kill(gateway))
        job.log(2)
        job.state("succeeded")
        wait_until(lambda: not program.running(), 30, f"{name} ends")
        assert program.exit_status == 0, program.tail()
    finally:
        program.stop()
    told = rows(out)
    note_rows(texts(out))
    native = [row for row in told if row[0].startswith("job.")]
    assert [row[2]["id"] for row in native] == [row[1] for row in native]
    logs = [d["data"]["line"] for _, _, d in told if d.get("event_type") == "job.log"]
    assert logs == job.expected()
    assert [d["data"]["state"] for e, _, d in native if e == "job.state_changed"] == ["succeeded"]
    assert told[-1][0] == "stream.end" and told[-1][2]["final_state"] == "succeeded"
    assert "stream.gap" not in [row[0] for row in told]


@pytest.mark.parametrize("name", ["subscribe.sh", "subscribe.py", "subscribe.mjs", "subscribe.go"])
def test_an_example_says_why_it_is_refused_and_ends(sluice, name, issuer, tmp_path):
    env = {**os.environ, "SLUICE_TOKEN": issuer.grants(["job:mine"])}
    argv = [*command(name, tmp_path), f"http://127.0.0.1:{sluice.port}", "job:another"]
    program = Process(name, argv, tmp_path, env).start()
    try:
        wait_until(lambda: not program.running(), 30, f"{name} ends")
    finally:
        program.stop()
    assert program.exit_status == 1
    # An EventSource does not tell the answer's body.
    assert ("403" if name.endswith(".mjs") else '"forbidden"') in program.tail()


@pytest.mark.parametrize("name", ["subscribe.sh", "subscribe.py", "subscribe.mjs", "subscribe.go"])
def test_an_example_comes_back_after_what_a_balancer_says(name, tmp_path):
    html = (502, {"Content-Type": "text/html"}, "<html>\n\nbad gateway")
    with Scripted(html, BUSY, (204, {}, "")) as service:
        argv = [*command(name, tmp_path), f"http://127.0.0.1:{service.port}", "job:a"]
        program = Process(name, argv, tmp_path, dict(os.environ)).start()
        try:
            wait_until(lambda: not program.running(), 60, f"{name} ends")
        finally:
            program.stop()
        assert (program.exit_status, len(service.requests)) == (0, 3), program.tail()


@pytest.mark.parametrize("name", ["subscribe.sh", "publish.sh"])
def test_a_token_is_not_among_the_arguments_of_curl(name, tmp_path):
    """Every user of the machine can read those."""
    wrapper = tmp_path / "curl"
    words = f'printf "%s\\n" "$@" >>{tmp_path}/arguments'
    wrapper.write_text(f'#!/bin/sh\n{words}\nexec {shutil.which("curl")} "$@"\n')
    wrapper.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLUICE_TOKEN": "s3cret"}
    with Scripted((401, {}, '{"code":"unauthorized"}')) as service:
        argv = [str(EXAMPLES / name), f"http://127.0.0.1:{service.port}", "job:a"]
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=deadline(60), env=env, check=False
        )
        assert done.returncode == 1 and "unauthorized" in done.stdout + done.stderr
        assert service.requests[0][2]["Authorization"] == "Bearer s3cret"
    said = (tmp_path / "arguments").read_text()
    assert "/api/v1/" in said and "s3cret" not in said


class Shown:
    """subscribe.html with its backend ticket.mjs, in a browser."""

    def __init__(self, browser, backend, sluice, job):
        """Opens it on JOB."""
        self.urls = []
        self.page = browser.open(f"{backend}/subscribe.js")
        self.page.on("request", lambda request: self.urls.append(request.url))
        # A link that somebody made: the ticket goes to the backend's Sluice all the same.
        self.page.goto(f"{backend}/?job={job.name}&sluice=http://127.0.0.1:1")
        self.places = (f"{backend}/", f"http://127.0.0.1:{sluice.port}/")
        self.page.evaluate(WATCH)
        self.job = job

    def text(self, place):
        """What stands at a place of the page."""
        self.page.wait_for_timeout(20)
        return self.page.locator(place).text_content()

    def has_all(self):
        """Waits until it shows the log so far, each line once."""
        wait_until(
            lambda: len(self.text("#log").splitlines()) >= self.job.lines,
            30, f"{self.job.lines} lines: {self.text('#log')} {self.words()}",
        )  # fmt: skip
        assert self.text("#log").splitlines() == self.job.expected()

    def words(self):
        """What its stream was told of itself."""
        return self.page.evaluate("words")

    def tickets(self):
        """How many it has asked for."""
        return sum(url.endswith("/ticket") for url in self.urls)


def test_a_page_whose_user_gets_no_ticket_asks_no_more(tmp_path):
    """It asks again where nobody was there to say so."""
    refusal = (401, {}, '{"error":"no","code":"unauthorized"}')
    port = free_port()
    env = {**os.environ, "SLUICE_TOKEN": "t"}
    with Scripted(BUSY, refusal) as sluice, Browser() as browser:
        argv = [NODE, EXAMPLES / "ticket.mjs", f"http://127.0.0.1:{sluice.port}", port]
        backend = Process("ticket", argv, tmp_path, env).start()
        try:
            wait_until(lambda: "listens" in backend.tail(), 20, "the backend listens")
            page = browser.open(f"http://127.0.0.1:{port}/?job=x")

            def word():
                page.wait_for_timeout(20)
                return page.locator("#word").text_content()

            wait_until(lambda: word().strip() == "refused", 40, "the page says so")
            assert [path for _, path, _, _ in sluice.requests] == ["/api/v1/tickets"] * 2
        finally:
            backend.stop()


def test_a_page_follows_a_job_by_tickets_through_all_that_can_cut_it(keys, issuer, tmp_path):
    port = free_port()
    backend_url = f"http://127.0.0.1:{port}"
    conf = {**tokens.conf(keys), "streams": {"default": FAST}}
    conf = {**conf, "gateway": {"cors_origins": [backend_url], "processes": 1}}
    with Sluice(conf) as sluice, Browser() as browser:
        job = Job(sluice, "shown", issuer)
        token = issuer.grants([job.key], lasts=3600)
        url = f"http://127.0.0.1:{sluice.port}"
        argv = [NODE, EXAMPLES / "ticket.mjs", url, port]
        backend = Process("ticket", argv, tmp_path, {**os.environ, "SLUICE_TOKEN": token}).start()
        try:
            wait_until(lambda: "listens" in backend.tail(), 20, "the backend listens")
            job.state("running")
            job.log(3)
            shown = Shown(browser, backend_url, sluice, job)
            shown.has_all()
            # Nothing happens for a while: it is closed, and comes back with the same ticket.
            # It comes back soon: the word stands there for 300 ms.
            wait_until(lambda: "stream.closing idle_timeout" in shown.words(), 30, "idle")
            job.log(2)
            shown.has_all()
            sluice.wait_restarted("gateway/0", sluice.kill("gateway/0"))
            job.log(2)
            shown.has_all()
            assert shown.tickets() == 1
            # Its ticket is void: it gets a new one, and what it missed.
            sluice.stop()
            os.remove(f"{sluice.directory}/state/key")
            sluice.start()
            job.log(2)
            shown.has_all()
            assert shown.tickets() > 1
            assert any("last_event_id=" in url for url in shown.urls)
            # Once more: now its URL has an older id than the browser.
            sluice.wait_restarted("gateway/0", sluice.kill("gateway/0"))
            job.log(2)
            shown.has_all()
            job.state("succeeded")
            wait_until(lambda: shown.text("#word").startswith("over"), deadline(30), "the end")
            assert shown.text("#state") == "succeeded"
            shown.has_all()
            assert not any("gap" in word or "refused" in word for word in shown.words())
            assert not any(token in url for url in shown.urls) and not browser.errors
            assert [url for url in shown.urls if not url.startswith(shown.places)] == []
        finally:
            backend.stop()
