"""The operator's command where things are not as they should be: it says so, and it ends."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.process import plain_environment
from tests.bed.sluice import binary


def connect_all(path):
    """As many connections as the socket takes without waiting."""
    found = []
    while True:
        one = socket.socket(socket.AF_UNIX)
        one.setblocking(False)
        try:
            one.connect(path)
        except BlockingIOError:
            one.close()
            return found
        found.append(one)


@pytest.mark.slow
def test_a_supervisor_that_hangs_with_a_full_queue_does_not_hang_sluicectl(rogues):
    """connect(2) waits for room in the queue: not for ever."""
    sluice = rogues().start()
    os.kill(sluice.process.pid, signal.SIGSTOP)
    try:
        waiting = connect_all(f"{sluice.conf['runtime_directory']}/control")
        begin = time.monotonic()
        done = sluice.ctl("status", check=False)
        assert 8 < time.monotonic() - begin < 15
        assert done.returncode == 1 and "did not answer within 10 s" in done.stderr
    finally:
        os.kill(sluice.process.pid, signal.SIGCONT)
    for one in waiting:
        one.close()


@contextlib.contextmanager
def idle_clients(sluice, count):
    """So many at its socket; what is given tells whether all of them are still let be."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(count)]
        for one in held:
            one.connect(f"{sluice.conf['runtime_directory']}/control")

        def whole():
            """True while nobody of them was sent away."""
            return not select.select(held, [], [], 0)[0]

        yield whole


def test_too_many_at_the_socket_are_told_so_at_once(rogues):
    """Sixteen idle clients hold it for 5 s."""
    sluice = rogues().start()

    def refused():
        """Of one more while all of them were there; None: the machine took those 5 s for it."""
        begin = time.monotonic()
        with idle_clients(sluice, 16) as whole:
            done = sluice.ctl("status", check=False)
            if whole():
                return done
            # Nobody is sent away long before.
            assert time.monotonic() - begin >= 4.5
        # Who is answered now comes behind all of them: they have left.
        wait_until(sluice.status, 20, "room", ignore=(AssertionError,))
        return None

    done = wait_until(refused, 60, "an answer while all are there")
    assert done.returncode == 1 and "try again" in done.stderr
    assert len(wait_until(sluice.status, 20, "room", ignore=(AssertionError,))) == 7


def test_it_either_answers_whole_or_says_why_not_from_the_very_start_on(rogues):
    """Asked without a pause while sluiced starts, its children die, and it stops."""
    sluice = rogues()
    runtime = sluice.conf["runtime_directory"]
    done, wrong = threading.Event(), []

    def ask():
        """Notes every call that is neither an answer nor an error."""
        answered = False
        while not done.is_set():
            said = subprocess.run(
                [sluice.program("sluicectl"), "--runtime", runtime, "--json", "status"],
                capture_output=True, text=True, timeout=deadline(20), env=sluice.env, check=False,
            )  # fmt: skip
            try:
                whole = json.loads(said.stdout)["ok"] and not said.stderr
            except ValueError:
                whole = False
            refused = said.returncode == 1 and not said.stdout and "sluicectl: " in said.stderr
            # Once it has answered it goes on to, until it stops.
            if not (said.returncode == 0 and whole or refused and (not answered or stops.is_set())):
                wrong.append(said)
            answered |= whole

    stops = threading.Event()
    askers = [threading.Thread(target=ask) for _ in range(3)]
    for one in askers:
        one.start()
    try:
        sluice.start()
        for name in ("store", "gateway/0", "broker"):
            sluice.wait_restarted(name, sluice.kill(name))
        stops.set()
        sluice.stop()
    finally:
        stops.set()
        done.set()
        for one in askers:
            one.join()
    assert not wrong, wrong[:3]


def test_a_shell_that_stops_and_continues_it_does_not_end_it(rogues):
    """A receive with a time-out is interrupted by that, other than one without."""
    sluice = rogues().start()
    os.kill(sluice.process.pid, signal.SIGSTOP)
    try:
        asks = subprocess.Popen(
            [sluice.program("sluicectl"), "--runtime", sluice.conf["runtime_directory"], "status"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=sluice.env,
        )  # fmt: skip

        def is_in_state(letters):
            with open(f"/proc/{asks.pid}/stat", encoding="ascii") as stat:
                return stat.read().rpartition(")")[2].split()[0] in letters

        for _ in range(3):
            wait_until(lambda: is_in_state("S"), 5, "it waits for an answer")
            os.kill(asks.pid, signal.SIGSTOP)
            wait_until(lambda: is_in_state("T"), 5, "stopped")
            os.kill(asks.pid, signal.SIGCONT)
    finally:
        os.kill(sluice.process.pid, signal.SIGCONT)
    answer, complaint = asks.communicate(timeout=deadline(20))
    assert (asks.returncode, complaint) == (0, "")
    assert "health" in answer


@pytest.mark.parametrize(
    "command", [["sluiced", "-t"], ["sluicectl", "-c", "FILE", "--json", "status"]]
)
def test_a_full_disk_under_standard_output_is_an_error(rogues, command):
    """Nobody keeps half a listing for a whole one."""
    sluice = rogues().start()
    argv = [sluice.conf_file if word == "FILE" else word for word in command]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sluice.program(argv[0]), *argv[1:]], stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=deadline(10), env=sluice.env, check=False,
        )  # fmt: skip
    assert done.returncode in (1, 74) and "is the disk full?" in done.stderr


def test_a_request_that_is_too_long_is_called_so(rogues):
    """It is refused before all of it was read."""
    done = rogues().start().ctl("restart", "x" * 5000, check=False)
    assert done.returncode == 1 and "request too long" in done.stderr


@pytest.mark.parametrize("words", [["journal"], ["journal", "look"], ["journal", "info", "a", "b"]])
def test_wrong_words_after_journal_are_usage(tmp_path, words):
    """64, as for the other commands."""
    done = subprocess.run(
        [binary("sluicectl"), *words], capture_output=True, text=True, timeout=deadline(10),
        env=plain_environment(tmp_path), check=False,
    )  # fmt: skip
    assert done.returncode == 64 and "usage: sluicectl journal" in done.stderr


def test_the_journal_is_that_of_the_configuration(rogues):
    """-c names the installation here as it does for status."""
    sluice = rogues()
    done = subprocess.run(
        [sluice.program("sluicectl"), "-c", sluice.conf_file, "journal", "info"],
        capture_output=True, text=True, timeout=deadline(10), env=sluice.env, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"journal {sluice.conf['state_directory']}/journal: No such file" in done.stderr
