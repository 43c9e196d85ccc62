"""The browser: it opens a page, reports its console, and reaches nothing outside."""

import functools
import http.server
import threading

import pytest

from .. import sse
from ..browser import Browser
from ..frames import Collector
from ..net import wait_until

pytestmark = pytest.mark.timeout(120)
PAGE = """<!doctype html><title>bed</title><p id=word>before</p><script>
console.log("loaded");
document.querySelector("#word").textContent = "after";
fetch("http://outside.example/").catch(error => { document.title = "no outside"; });
setTimeout(() => { throw new Error("on purpose"); }, 0);
</script>"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that does not write a line for each request."""

    extensions_map = {".html": "text/html", ".sse": "text/event-stream"}

    def log_message(self, format, *args):
        """Drops the line."""


@pytest.fixture
def site(tmp_path):
    """The address of a page served from loopback."""
    (tmp_path / "index.html").write_text(PAGE, encoding="utf-8")
    handler = functools.partial(Quiet, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()
    thread.join(10)
    server.server_close()


def test_page_runs_and_is_pictured(site, tmp_path):
    """Scripts run, the console is kept, other hosts are out of reach, the picture is a PNG."""
    with Browser() as browser:
        page = browser.open(site)
        page.wait_for_function("document.title == 'no outside'")
        assert page.inner_text("#word") == "after"
        assert "log: loaded" in browser.console
        assert browser.errors == ["on purpose"]
        picture = browser.screenshot(page, tmp_path / "shots" / "page.png")
    with open(picture, "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"


FRAMES = "retry: 50\n\nevent: b\ndata: {}\n\nevent: a\ndata: {}\nid: 65f1a2b3-41\n\n"


def test_frames_that_a_page_gets_are_noted_whether_it_listens_or_not(site, tmp_path, monkeypatch):
    """Of a connection that is not the first, the id may have come on the one before."""
    (tmp_path / "frames.sse").write_text(FRAMES)
    noted = Collector()
    monkeypatch.setattr(sse, "collector", noted)
    with Browser() as browser:
        page = browser.open(site)
        page.evaluate("""() => {
            window.seen = 0;
            new EventSource("frames.sse").addEventListener("a", () => { seen++; });
        }""")
        page.wait_for_function("seen > 1")
        first, last = b"event: b\ndata: {}", b"event: a\ndata: {}"
        told = b"\nid: 65f1a2b3-41"
        # With an id that is not new, and in the second connection, either is good.
        wanted = {
            (first, False, None),
            (last + told, False, None),
            (first + told, False, first),
            (last + told, False, last),
        }
        # What the page has seen comes by another way; it is heard while the page is waited for.
        wait_until(
            lambda: page.wait_for_timeout(20) or set(noted.blocks) >= wanted, 10, "all frames"
        )
    noted.forget()
