"""subscribe.py URL KEY: follows a stream to its end. SLUICE_TOKEN: where auth is jwt."""

import http.client
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

URL, KEY = sys.argv[1:]
SILENCE = 60  # seconds; a heartbeat comes every 15


def frames(answer):
    """The frames that came whole, as dicts."""
    frame = {}
    for line in answer:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if line != b"\n":
            frame[name] = value
        elif frame:
            yield frame
            frame = {}


def follow(cursor):
    """One connection, until it is cut: True when the stream has ended. CURSOR: {id, retry}."""
    query = urllib.parse.urlencode({"stream": KEY})
    headers = {"Last-Event-ID": cursor["id"]} if cursor["id"] else {}
    if "SLUICE_TOKEN" in os.environ:
        headers["Authorization"] = "Bearer " + os.environ["SLUICE_TOKEN"]
    request = urllib.request.Request(f"{URL}/api/v1/streams?{query}", headers=headers)
    with urllib.request.urlopen(request, timeout=SILENCE) as answer:
        if answer.status == 204:
            return True
        for frame in frames(answer):
            cursor.update({name: frame[name] for name in ("id", "retry") if name in frame})
            event = frame.get("event", "heartbeat")
            if event not in ("stream.open", "heartbeat"):
                print(event, frame.get("id", "-"), frame["data"], flush=True)
            if event == "stream.end":
                return True
    return False


def main():
    """Until the stream has ended, or the service refuses."""
    cursor = {"id": "", "retry": "3000"}
    while True:
        try:
            if follow(cursor):
                return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise SystemExit(f"{error.code}: {error.read().decode()}") from error
        except (OSError, http.client.HTTPException) as error:
            print(f"again: {error!r}", file=sys.stderr)
        time.sleep(int(cursor["retry"]) / 1000)


main()
