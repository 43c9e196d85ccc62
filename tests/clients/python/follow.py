"""follow.py URL: writes [event, id, data] for each event, as httpx-sse hands them over.

It has no reconnecting of its own: this is the loop that its documentation shows, with the stream's
own `retry`.
"""

import json
import sys
import time

import httpx
import httpx_sse


def follow(client, url, cursor):
    """One connection, to its end: [the last id, seconds to wait]."""
    head = {"Last-Event-ID": cursor[0]} if cursor[0] else {}
    with httpx_sse.connect_sse(client, "GET", url, headers=head) as source:
        source.response.raise_for_status()
        for frame in source.iter_sse():
            if frame.retry is not None:
                cursor[1] = frame.retry / 1000
            if frame.id:
                cursor[0] = frame.id
            print(json.dumps([frame.event, frame.id, frame.data]), flush=True)


def main():
    """Until it is ended, or refused."""
    cursor = [None, 0.2]
    with httpx.Client(timeout=httpx.Timeout(10, read=60)) as client:
        while True:
            try:
                follow(client, sys.argv[1], cursor)
            except (httpx.TransportError, httpx_sse.SSEError) as error:
                print(f"again in {cursor[1]} s: {error!r}", file=sys.stderr)
            time.sleep(cursor[1])


main()
