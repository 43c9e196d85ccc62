"""Frames that others than sse.Stream have read, rebuilt and noted for the judge (frames.py).

Of a frame that a client's library took apart, its three parts are judged, and what the library
makes of the id: the one that stood last on this stream, on this frame or on one before it.
"""

import re

from . import sse

# What libraries (httpx-sse, go-sse) hand over of the frame `retry:`, which has neither.
_UNNAMED = ("", "message")
# Raw HTTP: each frame is a chunk of its own.
_CHUNK = re.compile(rb"\r\n[0-9a-f]+\r\n([^\r]+)\n\n(?=\r\n)")


def block(event, frame_id, data):
    """The frame of these parts as bytes, without the empty line; FRAME_ID: "" or None for none."""
    tail = f"\nid: {frame_id}" if frame_id else ""
    return f"event: {event}\ndata: {data}{tail}".encode()


class Retold:
    """The frames of one client, in the order in which they came."""

    def __init__(self, last=""):
        """LAST: the id that the client had before; None where that is not known."""
        self._last = last

    def note(self, event, frame_id, data):
        """The next frame. An id that is not new stood here or before: either must be good."""
        if not data and event in _UNNAMED:
            return
        known = frame_id and self._last in (None, frame_id)
        self._last = frame_id or ""
        sse.note([block(event, frame_id, data)], or_else=block(event, "", data) if known else None)


def note_rows(rows):
    """All frames that a client has handed over: (event, id, data) each."""
    client = Retold()
    for event, frame_id, data in rows:
        client.note(event, frame_id, data)


def note_text(text):
    """What curl prints of a stream's body; a frame that is not whole is left out."""
    sse.note([part.encode() for part in text.split("\n\n")[:-1] if part])


def note_answer(answer):
    """The bytes of an HTTP answer, head and chunks and all."""
    sse.note(_CHUNK.findall(answer))
