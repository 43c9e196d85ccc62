"""A page in Debian's Chromium, driven by playwright."""

import os

from playwright.sync_api import sync_playwright

from .net import deadline
from .process import BedError
from .retold import Retold

_CHROMIUM = "/usr/bin/chromium"
_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    # Nothing but this machine is asked for anything.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)


class Browser:
    """A headless Chromium with an empty profile; a context manager.

    Every frame that an EventSource of a page gets is judged (frames.py), also those that the page
    does not listen for.

    Attributes: console (what pages wrote there, as "type: text") and errors (uncaught exceptions).
    """

    def __init__(self, *, ignore_https_errors=False):
        """IGNORE_HTTPS_ERRORS lets pages with a test authority's certificate load."""
        self.console = []
        self.errors = []
        self._ignore_https_errors = ignore_https_errors
        self._driver = None
        self._browser = None

    def __enter__(self):
        """Starts the browser."""
        return self.start()

    def __exit__(self, kind, error, trace):
        """Ends the browser."""
        self.stop()

    def start(self):
        """Starts Chromium."""
        if not os.access(_CHROMIUM, os.X_OK):
            raise BedError(f"{_CHROMIUM} is absent; remedy: apt-get install -y chromium")
        self._driver = sync_playwright().start()
        try:
            self._browser = self._driver.chromium.launch(
                executable_path=_CHROMIUM, args=list(_ARGS), timeout=deadline(60) * 1000
            )
            self._context = self._browser.new_context(ignore_https_errors=self._ignore_https_errors)
            self._context.set_default_timeout(deadline(20) * 1000)
        except BaseException:
            self.stop()
            raise
        return self

    def open(self, url):
        """Opens URL in a new page and returns playwright's Page, loaded."""
        page = self._context.new_page()
        page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        self._note_frames(page)
        page.goto(url)
        return page

    def _note_frames(self, page):
        """By Chromium's own protocol; of each connection it names the EventSource's id so far."""
        connections = {}

        def note(told):
            client = connections.setdefault(told["requestId"], Retold(last=None))
            client.note(told["eventName"], told["eventId"], told["data"])

        session = self._context.new_cdp_session(page)
        session.on("Network.eventSourceMessageReceived", note)
        session.send("Network.enable")

    def screenshot(self, page, path):
        """Stores a picture of PAGE as PNG under PATH, whose folder is made; returns the path."""
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        page.screenshot(path=str(path))
        return str(path)

    def stop(self):
        """Ends the browser and its driver."""
        if self._browser is not None:
            self._browser.close()
            self._browser = None
        if self._driver is not None:
            self._driver.stop()
            self._driver = None
