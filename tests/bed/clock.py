"""Whether this machine stood still: what was late may then have been late for that alone."""

import threading
import time


class Clock(threading.Thread):
    """Looks at the time again and again, and waits for nobody: by how much it was late at most."""

    def __init__(self):
        """Not started yet."""
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.late = 0

    def run(self):
        """Looks twenty times a second until stop()."""
        before, ended = time.monotonic(), False
        while not ended:
            # A last time at the end: who ends it may have been late, too.
            ended = self.ended.wait(0.05)
            now = time.monotonic()
            self.late = max(self.late, now - before - 0.05)
            before = now

    def stop(self):
        """Ends it; in seconds."""
        self.ended.set()
        self.join()
        return self.late

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
