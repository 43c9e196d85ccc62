"""Behind HAProxy and nginx, with the configurations that ship: TLS and HTTP/2 to the clients."""

import contextlib
import http.client
import json
import pathlib
import re
import ssl
import subprocess
import urllib.parse

import pytest

from tests.bed.balancers import ShippedHAProxy, ShippedNginx
from tests.bed.browser import Browser
from tests.bed.clients import Follower
from tests.bed.net import deadline, elsewhere, wait_until
from tests.bed.retold import note_text
from tests.bed.sluice import Sluice

from .following import KEY, RETRY, Page, Publisher, expected, handed_over, restart_twice
from .numbered import publish

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("kind", [ShippedHAProxy, ShippedNginx], ids=["haproxy", "nginx"]),
]

PATH = f"/api/v1/streams?stream={KEY}&snapshot=0"
# It ends by itself, however long its head takes: curl's --max-time counts that, too.
ENDING = f"{PATH}&timeout=1s"
BEHIND = {**RETRY, "gateway": {"trusted_proxies": ["127.0.0.1"]}}


def curl(balancer, path, *options):
    """curl's words, head and all."""
    done = subprocess.run(
        ["curl", "-sS", "-i", "--http2", "--cacert", balancer.ca, *options, balancer.url + path],
        capture_output=True, text=True, timeout=deadline(60), check=False,
    )  # fmt: skip
    head, _, body = done.stdout.partition("\n\n")
    if "content-type: text/event-stream" in head:
        note_text(body)
    return done.stdout + done.stderr


def follow(balancer, directory, stack, *options):
    """A curl that follows by HTTP/2 what the balancer gives, from its stream.open on."""
    url = [f"{balancer.url}{PATH}", "--http2", "--cacert", balancer.ca, *options]
    follower = Follower("curl", url, directory)
    stack.callback(follower.stop)
    follower.start().wait("stream.open", 1)
    return follower


def asker(balancer):
    """Asks the balancer as Sluice.request() asks a gateway; each time on a new connection."""
    context = ssl.create_default_context(cafile=balancer.ca)

    def ask(method, path, body=None, headers=None):
        conn = http.client.HTTPSConnection(
            "127.0.0.1", balancer.port, timeout=deadline(20), context=context
        )
        with contextlib.closing(conn):
            conn.request(method, path, body=body, headers=headers or {})
            answer = conn.getresponse()
            text = answer.read()
            return answer.status, dict(answer.headers), json.loads(text)

    return ask


def test_each_event_comes_at_once_as_it_is(kind, tmp_path):
    """Nothing waits for more, nothing is compressed, and the head is the gateway's."""
    with Sluice(BEHIND) as sluice, kind(sluice.port) as balancer, contextlib.ExitStack() as stack:
        follower = follow(balancer, tmp_path, stack, "--compressed")
        for n in range(5):
            publish(sluice, KEY, n, n + 1)
            # Its next frame comes with the heartbeat, after 15 s.
            follower.wait("x.n", n + 1, 10)
        said = curl(balancer, ENDING, "--compressed")
        head, _, body = said.partition("\n\n")
        assert head.startswith("HTTP/2 200")
        assert "content-type: text/event-stream; charset=utf-8" in head
        assert "cache-control: no-cache, no-store, no-transform" in head
        assert "content-encoding" not in head and "event: stream.open" in body
        assert "HTTP/2 200" in curl(balancer, "/readyz")


def test_what_a_proxy_keeps_to_itself_is_had_by_no_other_spelling(kind):
    """The gateway answers to the bytes of a path that the proxies compare, and to no others."""
    spelled = ["/metrics/", "//metrics", "/metrics//", "/%6detrics", "/%6Detric%73", "/metrics;x"]
    spelled += ["/./metrics", "/x/../metrics", "/metrics/.", "/metrics%2F", "/METRICS"]
    with Sluice(BEHIND) as sluice, kind(sluice.port) as balancer:
        assert sluice.request("GET", "/metrics")[0] == 200
        for query in ("", "?x=1"):
            for path in ("/metrics", *spelled):
                said = curl(balancer, path + query, "--path-as-is")
                assert re.match(r"HTTP/2 40[04]", said) and "sluice_" not in said, path
        for path in ("/metrics", "//metrics", "/metrics/"):
            target = f"http://127.0.0.1:{balancer.port}{path}"
            said = curl(balancer, "/", "--http1.1", "--request-target", target)
            assert re.match(r"HTTP/1.1 40[04]", said) and "sluice_" not in said, target
        # What is no stream to the proxy is none to the gateway: no EventSource hangs on an
        # answer that is not for streams.
        for path in ("/api/v1/streams/", "/api/v1/%73treams"):
            said = curl(balancer, path + "?stream=job:x&timeout=1s")
            assert said.startswith("HTTP/2 404"), said


def test_no_log_of_a_proxy_holds_a_ticket(kind):
    """Neither of what it served nor of what it could not serve."""
    with Sluice(BEHIND) as sluice, kind(sluice.port) as balancer:
        path = f"{PATH}&ticket=thesecret"
        # Without tokens there are no tickets; the proxies do not know that.
        assert "HTTP/2 400" in curl(balancer, path)
        assert "event: stream.open" in curl(balancer, ENDING)
        sluice.stop()
        assert "HTTP/2 200" in curl(balancer, path)
        assert "HTTP/2 200" in curl(balancer, path + "2")
        logs = [*pathlib.Path(balancer.directory).rglob("*")]
        texts = {p.name: p.read_text("utf-8", "replace") for p in logs if p.is_file()}
        assert [name for name, text in texts.items() if "thesecret" in text] == []
        if kind is ShippedNginx:
            assert f"GET {urllib.parse.urlsplit(PATH).path}" in texts["sluice.log"]


def test_drain_of_one_of_two_gateways_shows_nobody_anything_but_200(kind, tmp_path):
    """Streams go on at the other, and every request is served."""
    with (
        Sluice(BEHIND, gateways=2) as sluice,
        kind(sluice.port) as balancer,
        Browser(ignore_https_errors=True) as browser,
        contextlib.ExitStack() as stack,
    ):
        followers = []
        for n in range(4):
            (tmp_path / str(n)).mkdir()
            followers.append(follow(balancer, tmp_path / str(n), stack))
        page = Page(browser, balancer.url, PATH)
        assert page.protocol() == "h2"
        with Publisher(sluice, ask=asker(balancer)) as publisher:
            for name in ("gateway/1", "gateway/0"):
                publisher.wait(20)
                sluice.ctl("drain", name)
                wait_until(
                    lambda name=name: sluice.status()[name]["status_state"] == "drained",
                    15, f"{name} has let go",
                )  # fmt: skip
                publisher.wait(20)
                sluice.ctl("start", name)
                wait_until(
                    lambda name=name: sluice.status()[name]["state"] == "ready", 15, "it serves"
                )
            publisher.wait(20)
        assert set(publisher.answers) == {202}
        for follower in followers:
            rows = follower.wait("x.n", len(publisher.ids))
            assert handed_over(rows) == expected(publisher)
            # curl fails by any status over 399, and says so.
            assert "returned error" not in follower.tail()
        assert handed_over(page.wait_seen(len(publisher.ids))) == expected(publisher)
        # Each was at one of the two, and both were taken out.
        assert all(len(f.events("stream.open")) >= 2 for f in followers)
        assert page.wait_opened(2) >= 2


def test_clients_follow_through_restarts_of_gateways_and_of_the_service(kind, tmp_path):
    """While no gateway is up the balancer tells streams when to come again, with 200."""
    with (
        Sluice(BEHIND, gateways=2) as sluice,
        kind(sluice.port) as balancer,
        Browser(ignore_https_errors=True) as browser,
        contextlib.ExitStack() as stack,
    ):
        follower = follow(balancer, tmp_path, stack)
        page = Page(browser, balancer.url, PATH)
        with Publisher(sluice) as publisher:
            restart_twice(sluice, publisher, lambda: min(page.seen(), len(follower.events("x.n"))))
        assert handed_over(page.wait_seen(len(publisher.ids))) == expected(publisher)
        sluice.stop()
        told = set()
        for _ in range(12):
            said = curl(balancer, PATH)
            assert said.startswith("HTTP/2 200")
            assert "content-type: text/event-stream" in said
            told.add(int(re.fullmatch(r"retry: (\d+)\n*", said.partition("\n\n")[2])[1]))
        assert len(told) > 2 and min(told) >= 1000 and max(told) <= 5000
        said = curl(balancer, "/api/v1/status")
        assert said.startswith("HTTP/2 503") and "retry-after: " in said
        opened = page.wait_opened(1)
        before = page.errors()
        # The browser has asked meanwhile, more than once, and not given up.
        wait_until(lambda: page.errors() >= before + 2, 30, "it was told to come again")
        sluice.start()
        page.wait_opened(opened + 1)
        n = len(publisher.ids)
        publish(sluice, KEY, n, n + 1)
        assert page.wait_seen(n + 1)[-1][1]["data"]["n"] == n
        rows = follower.wait("x.n", n + 1)
        assert handed_over(rows)[:n] == expected(publisher) and len(rows) == n + 1


def test_the_gateway_hears_who_the_client_is_and_not_what_it_says_of_itself(kind):
    """Two connections of an address: a third is told that it is too many."""
    conf = {**RETRY, "gateway": {"trusted_proxies": ["127.0.0.1"], "max_per_address": 2}}
    with (
        Sluice(conf) as sluice,
        kind(sluice.port) as balancer,
        elsewhere() as address,
        contextlib.ExitStack() as stack,
    ):
        command = ["curl", "-sS", "--no-buffer", "--http2", "--cacert", balancer.ca]
        for n in range(2):
            forged = ["-H", f"X-Forwarded-For: 203.0.113.{n}"]
            first = stack.enter_context(
                subprocess.Popen(
                    [*command, "--interface", address, *forged, balancer.url + PATH],
                    stdout=subprocess.PIPE, text=True,
                )
            )  # fmt: skip
            stack.callback(first.kill)
            assert any("stream.open" in line for line in iter(first.stdout.readline, ""))
        said = curl(balancer, PATH, "--interface", address, "-H", "X-Forwarded-For: 203.0.113.9")
        assert "HTTP/2 200" in said and '"reason":"overloaded"' in said
        assert "event: stream.open" in curl(balancer, ENDING)
