"""Tests that share a costly part run in one process: pytest and pytest-xdist as they are pinned."""

import os
import subprocess
import sys

from tests.bed.net import deadline

TESTS = """
import os
import pytest

@pytest.mark.xdist_group("together")
@pytest.mark.parametrize("number", range(8))
def test_in_one_process(number):
    open(os.environ["PIDS"], "a").write(f"{os.getpid()}\\n")
"""


def test_a_group_is_not_spread_over_processes(tmp_path):
    """pytest 9.2 with xdist 3.8.0 spreads it, and says nothing."""
    (tmp_path / "test_group.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "--rootdir",
         tmp_path, "-p", "no:cacheprovider", tmp_path],
        capture_output=True, text=True, timeout=deadline(60), cwd=tmp_path, check=False,
        env={**os.environ, "PIDS": str(tmp_path / "pids")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    pids = (tmp_path / "pids").read_text().splitlines()
    assert len(pids) == 8 and len(set(pids)) == 1
