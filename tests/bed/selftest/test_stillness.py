"""The bed's own view of a machine that stands still."""

import contextlib
import signal
import subprocess
import sys
import time

import pytest

from tests.bed.net import wait_until
from tests.bed.process import wait_stopped
from tests.bed.stillness import Stillness
from tests.integration.in_time import assert_in_time

# Asked for a word, it says how long it stood still since it was asked before.
ASKED = """
import sys, time
from tests.bed.stillness import Stillness
with Stillness(sys.argv[1]) as still:
    begin = time.monotonic()
    print("up", flush=True)
    for line in sys.stdin:
        before, begin = begin, time.monotonic()
        print(still.stood(before, begin), flush=True)
"""


def test_a_process_that_was_stopped_knows_it(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    argv = [sys.executable, "-c", ASKED, str(tmp_path)]
    with subprocess.Popen(argv, text=True, bufsize=1, **pipes) as child:

        def told():
            child.stdin.write("\n")
            return float(child.stdout.readline())

        assert child.stdout.readline() == "up\n"
        for _ in range(5):
            child.send_signal(signal.SIGSTOP)
            wait_stopped(child.pid, "child")
            stopped = time.monotonic()
            time.sleep(0.5)
            seconds = time.monotonic() - stopped
            child.send_signal(signal.SIGCONT)
            # Asked at once: its thread may not have looked yet.
            assert told() >= seconds
        # And most of the time it stands still for nobody.
        wait_until(lambda: time.sleep(0.1) or told() == 0, 20, "a time in which it did not")
        child.stdin.close()


def test_a_time_counts_where_it_was(tmp_path):
    still = Stillness(tmp_path)
    begin = time.monotonic()
    still._late = {begin + 1: begin + 1.5, begin + 3: begin + 4}
    assert still.stood(begin, begin + 1) == still.stood(begin + 2, begin + 3) == 0
    assert round(still.stood(begin, begin + 1.1), 3) == 0.1
    assert round(still.stood(begin, begin + 9), 3) == 1.5
    assert round(still.ran(begin, begin + 9), 3) == 7.5


@pytest.mark.parametrize(
    "figures,stood,calls,good",
    [
        ([3, 1], 0, 1, False),
        ([1, 3], 0, 1, True),
        ([3, 1], 0.5, 2, True),
        ([3] * 9, 0.5, 5, False),
    ],
)
def test_a_time_is_measured_again_for_a_stillness_only(
    monkeypatch, tmp_path, figures, stood, calls, good
):
    monkeypatch.setattr(Stillness, "stood", lambda *_: stood)
    left = list(figures)
    with contextlib.nullcontext() if good else pytest.raises(AssertionError, match="stood still"):
        assert_in_time(tmp_path, lambda: left.pop(0), 2)
    assert len(figures) - len(left) == calls
