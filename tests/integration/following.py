"""Following a stream of numbered events, and what is done to the gateways meanwhile."""

import collections
import json
import threading
import time

from tests.bed.net import wait_until

from .numbered import events

KEY = "job:followed"
GATEWAYS = ("gateway/0", "gateway/1")
RETRY = {"streams": {"default": {"retry": "300ms"}}}


class Publisher:
    """Publishes numbered events, one after the other, until the end of the with block.

    A gateway that ends under a request leaves unknown whether it was taken: with its idempotency
    key it is asked again, and taken once.
    """

    def __init__(self, sluice, headers=None, *, ask=None):
        """ASK asks instead of SLUICE, as its request() does; `answers` counts what was answered."""
        self.ids = []
        self.answers = collections.Counter()
        self._ask = ask or sluice.request
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._error = None

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self):
        try:
            while not self._ended.is_set():
                self.ids.append(self._take(len(self.ids)))
                time.sleep(0.01)
        except BaseException as error:  # noqa: BLE001  (raised again where the test sees it)
            self._error = error

    def _take(self, n):
        """Publishes event N; its id."""
        body = json.dumps({**events(KEY, n, n + 1)[0], "idempotency_key": f"k{n}"})

        def taken():
            try:
                status, _, answer = self._ask("POST", "/api/v1/events", body, self._headers)
            except OSError:
                self.answers["cut"] += 1
                return None
            self.answers[status] += 1
            assert status in (202, 503), answer
            return answer["first_id"] if status == 202 else None

        return wait_until(taken, 30, f"event {n} was taken")

    def wait(self, more):
        """Waits until MORE events than now were published."""
        want = len(self.ids) + more
        wait_until(lambda: self._error or len(self.ids) >= want, 30, f"{want} events published")


def restart_twice(sluice, publisher, seen):
    """Each gateway once by command, and once by SIGKILL; events before, between and after.

    SEEN() is how many events the client has: it is there again before the second time begins, so
    that it loses its connection both times.
    """
    for end in (lambda name: sluice.ctl("restart", name), sluice.kill):
        level = len(publisher.ids)
        wait_until(lambda level=level: seen() >= level, 60, f"the client has {level} events")
        for name in GATEWAYS:
            publisher.wait(30)
            pid = sluice.pid(name)
            end(name)
            sluice.wait_restarted(name, pid)
    publisher.wait(30)


def expected(publisher):
    """[(id, n)] of all events."""
    return [(event_id, n) for n, event_id in enumerate(publisher.ids)]


def handed_over(rows):
    """[(id, n)] of [(id, event)]; an event says its id, too."""
    assert all(row_id == event["id"] for row_id, event in rows)
    return [(row_id, event["data"]["n"]) for row_id, event in rows]


COLLECT = """(url) => {
    window.opened = 0;
    window.ended = [];
    window.seen = [];
    window.errors = 0;
    window.source = new EventSource(url);
    source.onerror = () => { errors++; };
    source.addEventListener("stream.open", () => { opened++; });
    source.addEventListener("stream.closing", (e) => { ended.push(JSON.parse(e.data).reason); });
    source.addEventListener("x.n", (e) => { seen.push([e.lastEventId, e.data]); });
}"""


class Page:
    """An EventSource in Chromium."""

    def __init__(self, browser, base, path):
        """Opens a page of the server at BASE, and there a stream of PATH."""
        self.page = browser.open(f"{base}/healthz")
        self.page.evaluate(COLLECT, path)
        self.wait_opened(1)

    def wait_opened(self, count):
        """Until it has opened its stream COUNT times; how often."""
        return wait_until(
            lambda: (n := self.page.evaluate("opened")) >= count and n, 30, f"opened {count} times"
        )

    def seen(self):
        """How many events it has."""
        return self.page.evaluate("seen.length")

    def errors(self):
        """How often it has lost its connection, or was told to come again."""
        return self.page.evaluate("errors")

    def protocol(self):
        """How the page came: "h2"."""
        return self.page.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol")

    def ended(self):
        """The reasons of stream.closing so far."""
        return self.page.evaluate("ended")

    def wait_seen(self, count):
        """Waits for COUNT events; [(id, event)] of all."""
        seen = wait_until(lambda: (n := self.seen()) >= count and n, 30, f"{count} events")
        assert seen == count
        return [(row_id, json.loads(data)) for row_id, data in self.page.evaluate("seen")]
