"""The dashboard in Chromium: 10,000 rows, changes as they happen, a gateway killed."""

import os
import signal

import pytest

from tests.bed.browser import Browser
from tests.bed.net import deadline, wait_until
from tests.bed.payloads import good
from tests.bed.sluice import REPO, Sluice
from tests.bed.tokens import Issuer, bearer
from tests.bed.tokens import conf as tokens_conf

KINDS = ["deployment", "pod", "pod", "pod", "pod"]
HEALTH = ["healthy", "healthy", "progressing", "failed", "healthy"]


def resource(n, health=None, event_type="status_update"):
    """A status of object N; its message would be markup if anybody let it."""
    kind = KINDS[n % 5]
    status = {"state": "healthy", "health": health or HEALTH[n % 5], "message": f"<b>{n}</b>"}
    data = {"resource_id": str(n), "type": kind, "status": status}
    key = f"resource:prod/{kind}/ns{n % 7}/web-{n:05d}"
    return {"stream_key": key, "event_type": event_type, "data": data}


def cluster(name, status, **more):
    """A cluster.health event."""
    key = f"cluster:{name}"
    data = good("cluster.health", key, cluster_id=name, name=name, status=status, **more)
    return {"stream_key": key, "event_type": "cluster.health", "data": data}


# Which rows light up: that lasts less long than a busy machine may look away.
NOTE_FLASHES = """() => {
    window.lit = [];
    new MutationObserver((all) => {
        for (const one of all)
            if (one.target.classList.contains("flash")) lit.push(one.target.dataset.key);
    }).observe(document.getElementById("rows"),
        { subtree: true, childList: true, attributes: true, attributeFilter: ["class"] });
}"""


@pytest.mark.slow
def test_the_page_lists_10000_objects_and_follows_changes_through_a_gateway_kill():
    conf = {"streams": {"default": {"heartbeat_interval": "1s", "retry": "500ms"}}}
    with Sluice(conf) as sluice, Browser() as browser:
        for at in range(0, 10000, 1000):
            sluice.publish([resource(n) for n in range(at, at + 1000)])
        sluice.publish([cluster("prod", "connected", latency_ms=12), cluster("dev", "error")])
        page = browser.open(f"http://127.0.0.1:{sluice.port}/")

        def until(cond, what, timeout=15):
            def look():
                page.wait_for_timeout(20)
                return cond()

            wait_until(look, timeout, what)

        def objects():
            return page.locator("#fact-objects").text_content()

        until(lambda: objects() == "10000", "all objects")
        assert page.locator("#rows .row").count() < 100
        # They were published last: the store may not have had them in its snapshot.
        until(lambda: page.locator(".card").count() == 2, "both clusters")
        assert page.locator("#rows b").count() == 0
        until(lambda: page.locator("#connection").get_attribute("data-state") == "live", "live")

        page.evaluate(NOTE_FLASHES)
        sluice.publish([resource(0, "failed")])
        until(lambda: any(key.endswith("web-00000") for key in page.evaluate("lit")), "a flash")
        page.keyboard.press("/")
        page.keyboard.type("pod ns3 failed")
        until(lambda: page.locator("#shown").text_content() == "286 of 10000 objects", "the filter")
        folder = os.path.join(REPO, "build", "artefacts")
        browser.screenshot(page, os.path.join(folder, "gateway-page.png"))
        page.keyboard.press("Escape")
        sluice.publish([resource(0, event_type="resource.deleted")])
        until(lambda: objects() == "9999", "a row less")

        pid = sluice.kill("gateway/0")
        sluice.wait_restarted("gateway/0", pid)
        sluice.publish([resource(20001)])
        until(lambda: objects() == "10000", "the page to come back", 20)
        assert not browser.errors


@pytest.mark.slow
def test_the_page_says_that_a_token_is_wanted_and_does_not_ask_over_and_over(tmp_path):
    keys, issuer = str(tmp_path / "keys.json"), Issuer()
    issuer.write(keys)
    with Sluice(tokens_conf(keys, cookie="sluice_token")) as sluice, Browser() as browser:
        url = f"http://127.0.0.1:{sluice.port}/"
        page = browser.open(url)
        asked = []
        page.on("request", lambda request: asked.append(request.url))

        def text():
            page.wait_for_timeout(20)
            return page.locator("#connection-text").text_content()

        said = wait_until(lambda: "wants a token" in text() and text(), 15, "the cause")
        assert "cookie sluice_token" in said
        before = len(asked)
        page.wait_for_timeout(4000)
        assert len(asked) == before

        def enter(token):
            cookie = {"name": "sluice_token", "value": token, "url": url}
            page.context.add_cookies([cookie])
            page.evaluate("window.dispatchEvent(new Event('focus'))")

        enter(issuer.grants(["job:*"]))
        wait_until(lambda: "not let in: this token may not read cluster:*" in text(), 15, "why not")
        enter(issuer.grants(["*"]))
        wait_until(lambda: text() == "live", 15, "live")
        assert not browser.errors


class Asking:
    """The page of an installation that wants tokens, in a browser; what it asked and said."""

    def __init__(self, browser, url):
        """Opens the page."""
        self.page = browser.open(url)
        self.browser = browser
        self.urls = []
        self.page.on("request", lambda request: self.urls.append(request.url))

    def text(self):
        """What it says of its connection."""
        self.page.wait_for_timeout(20)
        return self.page.locator("#connection-text").text_content()

    def until(self, cond, what):
        """Waits while the browser goes on."""
        return wait_until(lambda: self.text() is not None and cond(), 20, what)

    def says(self, words):
        """Waits until it says WORDS and asks for a token."""
        self.until(lambda: words in self.text(), words)
        assert self.page.locator("#login").is_visible()

    def enter(self, token):
        """Types a token, as somebody does who read what it says."""
        self.page.locator("#token").fill(token)
        self.page.locator("#login button").click()

    def live(self, shown=None):
        """Waits until it follows the stream, with so many objects."""
        self.until(lambda: self.text() == "live", "live")
        assert not self.page.locator("#login").is_visible()
        if shown is not None:
            box = self.page.locator("#fact-objects")
            self.until(lambda: box.text_content() == str(shown), f"{shown} objects")

    def tickets(self):
        """How many it has asked for."""
        return sum(u.endswith("/api/v1/tickets") for u in self.urls)

    def check(self, *tokens):
        """No token stood in a URL, and nothing went wrong but what was answered."""
        wrong = [u for u in self.urls if any(t in u for t in tokens)]
        assert not wrong and not self.browser.errors
        refused = "Failed to load resource: the server responded with a status of 40"
        lost = "Failed to load resource: net::ERR_"
        said = [c for c in self.browser.console if c.startswith(("error", "warning"))]
        assert [c for c in said if refused not in c and lost not in c] == []


@pytest.fixture(name="issuer")
def fixture_issuer(tmp_path):
    """Whose tokens are taken, by the key set keys.json."""
    issuer = Issuer()
    issuer.write(str(tmp_path / "keys.json"))
    return issuer


def installation(tmp_path):
    """One that takes the tokens of the issuer."""
    fast = {"heartbeat_interval": "1s", "retry": "500ms"}
    conf = tokens_conf(str(tmp_path / "keys.json"))
    return Sluice({**conf, "streams": {"default": fast}})


def post(sluice, issuer, events):
    """Publishes with a token for all."""
    head = bearer(issuer.grants(publish=["*"]))
    assert sluice.request("POST", "/api/v1/events", events, head)[0] == 202


@pytest.mark.slow
def test_the_page_asks_for_a_token_and_reads_by_tickets_through_a_restart(tmp_path, issuer):
    token = issuer.grants(["*"])
    with installation(tmp_path) as sluice, Browser() as browser:
        post(sluice, issuer, [resource(n) for n in range(20)])
        asking = Asking(browser, f"http://127.0.0.1:{sluice.port}/")
        asking.says("wants a token")
        asking.enter("not.a token")
        asking.says("that is no token")
        asking.enter(issuer.token(aud="another"))
        asking.says("the token is not taken: ")
        asking.enter(f" Bearer {token} ")
        asking.live(20)
        assert sum("ticket=" in u for u in asking.urls) >= 1
        # A gateway that is gone: the browser comes back by itself, with the same ticket.
        before = asking.tickets()
        sluice.wait_restarted("gateway/0", sluice.kill("gateway/0"))
        post(sluice, issuer, [resource(50)])
        asking.live(21)
        assert asking.tickets() == before
        # A service that does not know its old tickets any more: by the token, a new one.
        sluice.stop()
        os.remove(f"{sluice.directory}/state/key")
        sluice.start()
        post(sluice, issuer, [resource(51)])
        asking.live(22)
        assert asking.tickets() > before
        # The token stays with the tab until it is to be forgotten.
        asking.page.reload()
        asking.live(22)
        asking.page.locator("#forget").click()
        asking.says("wants a token")
        asking.check(token)


@pytest.mark.slow
def test_the_page_asks_again_when_its_token_is_over_and_shows_what_one_grants(tmp_path, issuer):
    whole = issuer.grants(["*"])
    with installation(tmp_path) as sluice, Browser() as browser:
        post(sluice, issuer, [resource(n) for n in range(20)] + [cluster("prod", "connected")])
        asking = Asking(browser, f"http://127.0.0.1:{sluice.port}/")
        asking.says("wants a token")
        asking.enter(issuer.grants(["job:*"]))
        asking.says("not let in: this token may not read cluster:*")
        # Long enough for a busy machine to be live before it is over.
        short = issuer.grants(["resource:prod/pod/*", "job:*"], lasts=deadline(10))
        asking.enter(short)
        asking.live(16)
        assert asking.page.locator(".card").count() == 0
        asking.says("the token is not taken: ")
        asking.enter(whole)
        asking.live(20)
        asking.until(lambda: asking.page.locator(".card").count() == 1, "the cluster")
        asking.check(short, whole)


@pytest.mark.slow
def test_what_came_while_the_store_was_away_stays_when_its_snapshot_arrives():
    conf = {"supervise": {"hang_timeout": "60s"}}
    with Sluice(conf) as sluice, Browser() as browser:
        sluice.publish([resource(n) for n in range(10)] + [cluster("prod", "connected")])
        pid = sluice.kill("store", signal.SIGSTOP)
        try:
            page = browser.open(f"http://127.0.0.1:{sluice.port}/")

            def until(cond, what):
                def look():
                    page.wait_for_timeout(20)
                    return cond()

                wait_until(look, 30, what)

            def objects():
                return page.locator("#fact-objects").text_content()

            until(lambda: "away" in page.locator("#connection-text").text_content(), "the word")
            sluice.publish([resource(3, "failed"), resource(77), cluster("dev", "error")])
            until(lambda: objects() == "2", "what is live")
        finally:
            os.kill(pid, signal.SIGCONT)
        # The snapshot leaves out what was sent already.
        until(lambda: objects() == "11", "the rest")
        until(lambda: page.locator(".card").count() == 2, "both clusters")
        page.wait_for_timeout(1200)
        assert objects() == "11" and page.locator(".card").count() == 2
        assert page.locator('.row[data-key$="web-00003"] .tone').text_content() == "failed"
        assert page.locator("#connection-text").text_content() == "live"
        assert not browser.errors
