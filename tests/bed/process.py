"""Child processes of a test: started with a log, stopped by pid, never left behind."""

import contextlib
import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

from .net import DeadlineError, deadline, wait_until

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

# All processes of this interpreter that run now.
LIVE = []

# Those and the ones that ended since forget_ended(): their logs can be read even when the directory
# is gone, as it is when pytest reports that a with block failed.
STARTED = []


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


def wait_stopped(pid, name):
    """After SIGSTOP: waits until every thread of process PID stands still, or it has ended.

    Its own main thread hands the signal on to the others: where that one waits for a processor,
    they go on.
    """
    # A thread may end between two looks.
    gone = (FileNotFoundError, ProcessLookupError)
    wait_until(lambda: _stands_still(pid), 10, f"{name} stopped", interval=0.002, ignore=gone)


def _stands_still(pid):
    """True when the kernel says of all threads that they are stopped, or ended."""
    tasks = f"/proc/{pid}/task"
    if not os.path.exists(tasks):
        return True
    for task in os.listdir(tasks):
        with open(f"{tasks}/{task}/stat", encoding="utf-8", errors="replace") as stat:
            if stat.read().rpartition(")")[2].split()[0] not in "TtZX":
                return False
    return True


class Process:
    """One program with its log file; can be started again after it ended.

    Start it from the main thread (or one that lives as long as the test): the kernel's "kill with
    the parent" counts from the thread that started it.
    """

    def __init__(self, name, argv, directory, env=None, *, quiet=False):
        """NAME is for messages and the log's name DIRECTORY/NAME.log; nothing is started yet.

        QUIET: a failed test names the log, but does not show it.
        """
        self.name = name
        self.quiet = quiet
        self.argv = [str(arg) for arg in argv]
        self.directory = str(directory)
        self.env = plain_environment(directory) if env is None else env
        self.log = os.path.join(self.directory, f"{name}.log")
        self.ended_on_purpose = False
        self._child = None
        self._suspended = False
        self._log_fd = -1

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
        if self._log_fd < 0:
            self._log_fd = os.open(self.log, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            STARTED.append(self)
        self._child = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=self._log_fd,
            stderr=self._log_fd,
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
        wait_stopped(self.pid, self.name)

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
        if self._log_fd < 0:
            return f"--- {self.name}: no log\n"
        size = os.fstat(self._log_fd).st_size
        text = os.pread(self._log_fd, 65536, max(0, size - 65536)).decode("utf-8", "replace")
        end = "\n".join(text.splitlines()[-lines:])
        return f"--- {self.name}: last {lines} lines of its log\n{end}\n"

    def save_log(self, path):
        """Copies the whole log to PATH."""
        offset = 0
        with open(path, "wb") as copy:
            while piece := os.pread(self._log_fd, 1 << 20, offset):
                copy.write(piece)
                offset += len(piece)

    def forget_log(self):
        """Closes the log of an ended process; only start() makes it readable again."""
        os.close(self._log_fd)
        self._log_fd = -1


def forget_ended():
    """Lets go of the logs of processes that have ended; before each test."""
    for process in list(STARTED):
        if not process.running():
            process.forget_log()
            STARTED.remove(process)


def save_logs(directory):
    """Copies the logs of all processes in STARTED into DIRECTORY; pairs (process, path)."""
    os.makedirs(directory, exist_ok=True)
    saved, names = [], {}
    for process in STARTED:
        number = names[process.name] = names.get(process.name, 0) + 1
        leaf = process.name if number == 1 else f"{process.name}-{number}"
        path = os.path.join(directory, f"{leaf}.log")
        process.save_log(path)
        saved.append((process, path))
    return saved


class Group:
    """Programs that serve together from one directory of their own; a context manager.

    A subclass says in _start() how they are started, with make_directory() and add(). Attributes:
    directory (None while stopped) and processes.
    """

    def __init__(self):
        """Nothing is started yet."""
        self.directory = None
        self.processes = []
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        """Starts them."""
        return self.start()

    def __exit__(self, *_):
        """Ends them."""
        self.stop()

    def _start(self):
        """Starts everything and waits until it is of use."""
        raise NotImplementedError

    def start(self):
        """Starts everything; when that fails, prints the ends of the logs and leaves nothing."""
        try:
            self._start()
        except BaseException:
            print(self.tails(), file=sys.stderr)
            self.stop()
            raise
        return self

    def make_directory(self):
        """Makes the directory that stop() removes (SLUICE_BED_KEEP=1: it is kept)."""
        self.directory = tempfile.mkdtemp(prefix="sl-", dir="/tmp")
        self._stack.callback(self._remove_directory)

    def _remove_directory(self):
        """Removes the files, unless they are asked for."""
        if os.environ.get("SLUICE_BED_KEEP") == "1":
            print(f"kept: {self.directory}", file=sys.stderr)
        else:
            shutil.rmtree(self.directory)
        self.directory = None

    def add(self, name, argv):
        """Starts a program that stop() ends before those started earlier."""
        process = Process(name, argv, self.directory, quiet=True)
        self.processes.append(process)
        self._stack.callback(process.stop)
        return process.start()

    @contextlib.contextmanager
    def extra_process(self, name, argv):
        """Runs one more program of the group for the length of a with block."""
        process = Process(name, argv, self.directory, quiet=True)
        self.processes.append(process)
        try:
            yield process.start()
        finally:
            process.stop()
            self.processes.remove(process)

    def stop(self):
        """Ends all programs, the last started first, and removes the directory."""
        self._stack.close()
        self.processes = []

    def tails(self, lines=40):
        """The ends of the logs of all programs."""
        return "\n".join(process.tail(lines) for process in self.processes)
