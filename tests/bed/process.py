"""Child processes of a test: started with a log, stopped by pid, never left behind."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading

from .net import DeadlineError, deadline, wait_until

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

# All processes of this interpreter that run now; the pytest plugin shows their logs.
LIVE = []


class BedError(AssertionError):
    """The test bed cannot do what was asked; the message says why and what helps."""


def _bind_to_parent(parent):
    """Runs in the child before exec: no core files, and the kernel kills it with its parent."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0 or os.getppid() != parent:
        os._exit(127)


def plain_environment(directory):
    """The environment of a child: nothing of the caller's but PATH, HOME in DIRECTORY."""
    path = os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    return {"PATH": path, "HOME": str(directory), "TMPDIR": str(directory), "LC_ALL": "C.UTF-8"}


class Process:
    """One program with its log file; can be started again after it ended.

    Start it from the main thread (or one that lives as long as the test): the kernel's "kill with
    the parent" counts from the thread that started it.
    """

    def __init__(self, name, argv, directory, env=None):
        """NAME is for messages and the log's name DIRECTORY/NAME.log; nothing is started yet."""
        self.name = name
        self.argv = [str(arg) for arg in argv]
        self.directory = str(directory)
        self.env = plain_environment(directory) if env is None else env
        self.log = os.path.join(self.directory, f"{name}.log")
        self.ended_on_purpose = False
        self._child = None
        self._suspended = False

    @property
    def pid(self):
        """The process id, or None when it was never started."""
        return None if self._child is None else self._child.pid

    @property
    def exit_status(self):
        """The exit status, negative for a signal; None while it runs or was never started."""
        return None if self._child is None else self._child.poll()

    def start(self):
        """Starts the program; the log is appended to."""
        if self.running():
            raise BedError(f"{self.name} runs already as process {self.pid}")
        if threading.current_thread() is not threading.main_thread():
            raise BedError(f"{self.name}: start it from the main thread, it would end with yours")
        parent = os.getpid()
        with open(self.log, "ab") as log:
            self._child = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=self.env,
                preexec_fn=lambda: _bind_to_parent(parent),
            )
        self._suspended = False
        self.ended_on_purpose = False
        LIVE.append(self)
        return self

    def running(self):
        """True while the program has not ended (suspended counts as running)."""
        return self._child is not None and self._child.poll() is None

    def check(self):
        """Raises BedError with the log's end when the program has ended by itself."""
        if not self.running():
            code = None if self._child is None else self._child.returncode
            raise BedError(f"{self.name} does not run (exit status {code})\n{self.tail()}")

    def _signal(self, number):
        """Sends signal NUMBER; the pid is ours until it was waited for, so it cannot be another."""
        self.check()
        self._child.send_signal(number)

    def suspend(self):
        """Stops the program with SIGSTOP: its sockets stay open and silent.

        Returns when every thread stands still: one on another processor may go on for a moment.
        """
        self._signal(signal.SIGSTOP)
        self._suspended = True
        wait_until(self._stands_still, 10, f"{self.name} stopped", interval=0.002)

    def _stands_still(self):
        """True when the kernel says of all threads that they are stopped."""
        tasks = f"/proc/{self.pid}/task"
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/stat", encoding="utf-8", errors="replace") as stat:
                if stat.read().rpartition(")")[2].split()[0] not in ("T", "t"):
                    return False
        return True

    def resume(self):
        """Lets a suspended program go on."""
        self._signal(signal.SIGCONT)
        self._suspended = False

    def kill(self):
        """Ends the program at once, by SIGKILL."""
        self.ended_on_purpose = True
        if self.running():
            self._child.kill()
        self._reap(10)

    def stop(self, grace=15):
        """Ends the program by SIGTERM; True when it obeyed within GRACE seconds, else SIGKILL."""
        self.ended_on_purpose = True
        if self.running():
            if self._suspended:
                self.resume()
            self._child.terminate()
            try:
                self._child.wait(deadline(grace))
            except subprocess.TimeoutExpired:
                print(f"{self.name}: no end {grace} s after SIGTERM, killed", file=sys.stderr)
                self.kill()
                return False
        self._reap(0)
        return True

    def _reap(self, seconds):
        """Waits for the end of the program and takes it off the list of live ones."""
        if self._child is not None:
            try:
                self._child.wait(seconds)
            except subprocess.TimeoutExpired as error:
                raise DeadlineError(f"{self.name} ({self.pid}) outlives SIGKILL") from error
        if self in LIVE:
            LIVE.remove(self)

    def tail(self, lines=40):
        """The last LINES lines of the log, under a heading."""
        if not os.path.exists(self.log):
            return f"--- {self.name}: no log\n"
        with open(self.log, "rb") as log:
            log.seek(max(0, os.path.getsize(self.log) - 65536))
            text = log.read().decode("utf-8", "replace")
        end = "\n".join(text.splitlines()[-lines:])
        return f"--- {self.name}: last {lines} lines of its log\n{end}\n"


def live_tails(lines=40):
    """The ends of the logs of all processes that run now, as pairs (name, text)."""
    return [(f"{process.name} ({process.pid})", process.tail(lines)) for process in list(LIVE)]
