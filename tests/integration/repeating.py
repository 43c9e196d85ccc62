"""A publisher that repeats blindly what it saw no answer to, and processes that die under it."""

import contextlib
import glob
import http.client
import os
import signal

from tests.bed.net import wait_until
from tests.bed.sockets import unread_of_bus

from .lifecycle import Publisher

PATIENCE = 30


class Repeater:
    """Asks again until each request is answered, at whatever gateway has the new connection.

    What it repeats must be known again: by idempotency keys, or as the latest of its machine.
    """

    def __init__(self, sluice, publisher=None):
        """PUBLISHER is its first connection, if it has one; it closes that, too."""
        self.sluice, self.publisher = sluice, publisher
        self.accepted = self.duplicates = self.repeats = 0

    def publish(self, events):
        """An event or a list of them; the answer, 202."""
        first = self.repeats

        def taken():
            try:
                if self.publisher is None:
                    self.publisher = Publisher(self.sluice)
                status, answer = self.publisher.post(events)
            except (OSError, http.client.HTTPException):
                self.repeats += 1
                self.close()
                return None
            assert status in (202, 503), answer
            self.repeats += status == 503
            return answer if status == 202 else None

        answer = wait_until(taken, PATIENCE, f"202 after {first} repeats", interval=0.02)
        count = len(events) if isinstance(events, list) else 1
        assert answer["accepted"] + answer["duplicates"] == count, answer
        self.accepted += answer["accepted"]
        self.duplicates += answer["duplicates"]
        return answer

    def close(self):
        """Ends the connection; the next request makes one."""
        if self.publisher is not None:
            self.publisher.close()
            self.publisher = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _end(pid):
    """SIGKILL to one that stands still; what did so for too long the supervisor has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def go_on(broker):
    """After SIGSTOP; one that stood still for long is a new one by now."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(broker, signal.SIGCONT)


def appended(sluice, text):
    """How often TEXT stands in the journal's files."""
    found = 0
    for path in glob.glob(f"{sluice.directory}/state/journal/*.seg"):
        with open(path, "rb") as file:
            found += file.read().count(text.encode())
    return found


def held(broker, send, gateway=None):
    """SEND()s a request and waits until all of it is with a BROKER that stands still.

    GATEWAY: the pid of the one that has it, if that is known: others have questions, too.
    """
    seen = [unread_of_bus(broker, gateway)]
    send()

    def whole():
        # No more has come between two looks.
        seen.append(unread_of_bus(broker, gateway))
        return seen[0] < seen[-2] == seen[-1]

    wait_until(whole, 10, "the request is with the broker", interval=0.02)


def dies_unanswered(sluice, gateway, text, send):
    """A gateway, (name, pid), is killed between the append of what SEND() sends it and its answer.

    TEXT is in what is appended.
    """
    before = appended(sluice, text)
    broker = sluice.kill("broker", signal.SIGSTOP)
    try:
        held(broker, send, gateway[1])
        # Before it can be told of the append.
        os.kill(gateway[1], signal.SIGSTOP)
    finally:
        go_on(broker)
    try:
        wait_until(lambda: appended(sluice, text) > before, 10, "it is appended")
    finally:
        _end(gateway[1])


def broker_dies_asked(sluice, send):
    """The broker is killed with what SEND() sends in its buffers, unread; its pid."""
    broker = sluice.kill("broker", signal.SIGSTOP)
    try:
        held(broker, send)
    finally:
        _end(broker)
    return broker
