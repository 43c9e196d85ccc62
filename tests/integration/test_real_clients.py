"""Real clients, unmodified, each follow a stream through restarts of two gateways: by command, by
which their streams are ended with stream.closing, and by SIGKILL, which resets them. What they hand
over is compared with what was published: nothing lost, nothing doubled, in its order.
"""

import contextlib
from urllib.parse import urlencode

import pytest

from tests.bed import tokens
from tests.bed.browser import Browser
from tests.bed.clients import CLIENTS, Follower
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

from .following import KEY, RETRY, Page, Publisher, expected, handed_over, restart_twice
from .numbered import publish

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_follows_a_stream_through_restarts_of_both_gateways(client, tmp_path):
    with Sluice(RETRY, gateways=2) as sluice, contextlib.ExitStack() as stack:
        url = f"http://127.0.0.1:{sluice.port}/api/v1/streams?stream={KEY}&snapshot=0"
        follower = Follower(client, url, tmp_path, ["stream.open", "x.n"])
        stack.callback(follower.stop)
        follower.start().wait("stream.open", 1)
        with Publisher(sluice) as publisher:
            restart_twice(sluice, publisher, lambda: len(follower.events("x.n")))
        rows = follower.wait("x.n", len(publisher.ids))
        assert handed_over(rows) == expected(publisher)
        # Once at first, once at least for the gateway that had it, each time.
        assert len(follower.events("stream.open")) >= 3
        # What follows comes to no other number of events.
        publish(sluice, KEY, len(publisher.ids), len(publisher.ids) + 1)
        assert len(follower.wait("x.n", len(publisher.ids) + 1)) == len(publisher.ids) + 1


def test_chromium_follows_a_stream_through_restarts_of_both_gateways():
    with Sluice(RETRY, gateways=2) as sluice, Browser() as browser:
        path = f"/api/v1/streams?stream={KEY}&snapshot=0"
        page = Page(browser, f"http://127.0.0.1:{sluice.port}", path)
        with Publisher(sluice) as publisher:
            restart_twice(sluice, publisher, page.seen)
        assert handed_over(page.wait_seen(len(publisher.ids))) == expected(publisher)
        assert page.wait_opened(3) and not browser.errors


def test_chromium_with_a_ticket_goes_on_over_an_idle_timeout_and_restarts(tmp_path):
    """Its ticket is in the URL, which an EventSource repeats, long after its first 30 seconds' use
    is over; the idle timeout ends the stream in order, and it comes again by itself.
    """
    issuer = tokens.Issuer()
    issuer.write(f"{tmp_path}/keys.json")
    conf = {**RETRY, **tokens.conf(f"{tmp_path}/keys.json")}
    with Sluice(conf, gateways=2) as sluice, Browser() as browser:
        head = tokens.bearer(issuer.grants(["job:*"], ["job:*"]))
        ticket = sluice.request("POST", "/api/v1/tickets", headers=head)[2]["ticket"]
        query = urlencode({"stream": KEY, "snapshot": 0, "timeout": "1s", "ticket": ticket})
        page = Page(browser, f"http://127.0.0.1:{sluice.port}", f"/api/v1/streams?{query}")
        with Publisher(sluice, head) as publisher:
            publisher.wait(30)
        opened = page.wait_opened(1)
        wait_until(lambda: "idle_timeout" in page.ended(), 30, "the idle timeout")
        page.wait_opened(opened + 1)
        first = len(publisher.ids)
        assert handed_over(page.wait_seen(first)) == expected(publisher)
        with Publisher(sluice, head) as publisher:
            restart_twice(sluice, publisher, page.seen)
        # The same keys again: known, and not events again, until their numbers are new.
        seen = page.wait_seen(len(publisher.ids))
        assert handed_over(seen) == expected(publisher)
        assert len(publisher.ids) > first and not browser.errors
