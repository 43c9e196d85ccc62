"""How long this machine or its disk stood still, by a thread that finds itself late."""

import math
import os
import tempfile
import threading
import time

# Between two looks, and from when on one is late: a machine that is only busy is hardly that.
TURN = 0.05
LATE = 0.25


class Stillness(threading.Thread):
    """From `with` on it sleeps and writes to the disk of DIRECTORY, and notes what took long.

    So what it says is no fault of the programs under test: those it does not ask.
    """

    def __init__(self, directory):
        super().__init__(daemon=True)
        self._directory = directory
        self._late = {}  # begin: end
        self._since = math.inf
        self._ending = threading.Event()

    def run(self):
        self._since = time.monotonic()
        try:
            with tempfile.TemporaryFile(dir=self._directory) as file:
                while not self._ending.wait(TURN):
                    os.pwrite(file.fileno(), b"x", 0)
                    os.fdatasync(file.fileno())
                    now = time.monotonic()
                    if now - self._since >= LATE:
                        self._late[self._since] = now
                    self._since = now
        finally:
            self._since = math.inf

    def stood(self, begin, end):
        """The seconds of late looks between two times of time.monotonic(), of one not over, too."""
        looks = {self._since: time.monotonic()} | self._late
        inside = [(max(a, begin), min(b, end)) for a, b in looks.items() if b - a >= LATE]
        return sum(b - a for a, b in inside if b > a)

    def ran(self, begin, end):
        """The seconds between two such times, without those."""
        return end - begin - self.stood(begin, end)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        self.join()
