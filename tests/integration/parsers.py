"""What two parsers of event streams that are not ours read of one: httpx-sse, and Chromium's."""

from urllib.parse import urlencode

import httpx
import httpx_sse

from tests.bed.browser import Browser
from tests.bed.retold import note_rows

PATH = "/api/v1/streams"
COLLECT = """([url, event, count]) => new Promise((done) => {
    const seen = [], source = new EventSource(url);
    source.addEventListener(event, (e) => {
        seen.push([e.type, e.lastEventId, e.data]);
        if (seen.length === count) { source.close(); done(seen); }
    });
    source.onmessage = (e) => { done("a frame without a name: " + e.data); };
})"""


def by_httpx(sluice, key, event, count):
    """[(event, id, data)] of the first COUNT events EVENT of the stream KEY, from its oldest."""
    ask = {"stream": key, "last_event_id": "-1"}
    url = f"http://127.0.0.1:{sluice.port}{PATH}"
    seen, all_frames = [], []
    with (
        httpx.Client(timeout=20) as client,
        httpx_sse.connect_sse(client, "GET", url, params=ask) as source,
    ):
        for frame in source.iter_sse():
            all_frames.append((frame.event, frame.id, frame.data))
            if frame.event == event:
                seen.append(all_frames[-1])
            if len(seen) == count:
                break
    note_rows(all_frames)
    return seen


def by_chromium(sluice, key, event, count):
    """The same."""
    with Browser() as browser:
        page = browser.open(f"http://127.0.0.1:{sluice.port}/healthz")
        query = urlencode({"stream": key, "last_event_id": "-1"})
        frames = page.evaluate(COLLECT, [f"{PATH}?{query}", event, count])
        assert not browser.errors
    return frames
