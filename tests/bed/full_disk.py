"""A Sluice whose state directory is a small file system of its own, which a test can fill."""

import os
import shutil

from .process import BedError, Process
from .store import StoreBed

# Mounted where nobody else sees it; it is gone with the last process of the installation.
_SCRIPT = 'mount -t tmpfs -o "size=$1,mode=0700" sluice-test "$2" && shift 2 && exec "$@"'


class SmallDisk(StoreBed):
    """SIZE bytes for the journal and both databases."""

    def __init__(self, size, conf=None):
        """Nothing is started yet."""
        if os.geteuid() != 0 or shutil.which("unshare") is None:
            raise BedError("a file system of a test's own needs root and unshare (util-linux)")
        super().__init__(conf)
        self.size = size

    def start(self, ready=True):
        """Mounts the file system and starts sluiced on it."""
        state = self.conf["state_directory"]
        os.makedirs(state, mode=0o700, exist_ok=True)
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _SCRIPT, "sh"]
        argv += [str(self.size), state, self.program("sluiced"), "-c", self.conf_file]
        self.process = Process("sluiced", argv, self.directory, self.env).start()
        if ready:
            self.wait_ready()
        return self

    def path(self, leaf):
        """A file of the state directory, as the processes see it."""
        return f"/proc/{self.process.pid}/root{self.conf['state_directory']}/{leaf}"

    def fill(self):
        """Takes what room there is; how many bytes."""
        with open(self.path("filler"), "ab", buffering=0) as filler:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        filler.write(b"\0" * size)
                except OSError as error:
                    if error.errno != 28:
                        raise
            return filler.tell()

    def free(self):
        """Gives it back."""
        os.unlink(self.path("filler"))
