"""What is told of a failed test: its own logs, the names of others, a few lines at the end."""

import os
import subprocess
import sys

from ..sluice import REPO

TESTS = """
import pytest
from tests.bed.process import Group, Process

def say(*words):
    return ["/bin/sh", "-c", f"echo {' '.join(words)}; exec sleep 60"]

class Control(Group):
    def _start(self):
        self.make_directory()
        self.add("apiserver", say("hundreds of klog lines"))

class Mine(Group):
    def _start(self):
        self.make_directory()
        words = say("a line of the program under test")
        self.one = Process("sluiced", words, self.directory).start()
        self._stack.callback(self.one.stop)

def wait_for(process, text):
    while text not in process.tail():
        process.check()

@pytest.fixture(scope="module")
def control():
    with Control() as group:
        wait_for(group.processes[0], "klog")
        yield group

def test_fails(control, tmp_path):
    with Mine() as mine:
        wait_for(mine.one, "under test")
        assert 1 == 2, "one is not two"

def test_is_skipped(control):
    pytest.SKIP("for want of a reason")

def test_passes(control):
    pass
"""


def test_a_failure_is_told_with_its_own_log_and_last_of_all(tmp_path):
    """The log of a with block's program is shown though its directory is gone by then."""
    (tmp_path / "test_it.py").write_text(TESTS.replace("SKIP", "skip"))
    env = {**os.environ, "SLUICE_REPORTS": str(tmp_path / "logs")}
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={REPO}"]
    words += ["-c", f"{REPO}/pyproject.toml", f"--junitxml={tmp_path}/it.xml", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, *words], cwd=REPO, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1, done.stdout
    assert "a line of the program under test" in done.stdout
    assert "hundreds of klog lines" not in done.stdout.replace('say("hundreds of klog lines")', "")
    logs = tmp_path / "logs" / "test_it.py_test_fails"
    assert str(logs / "apiserver.log") in done.stdout
    assert (logs / "apiserver.log").read_text() == "hundreds of klog lines\n"
    assert (logs / "sluiced.log").read_text() == "a line of the program under test\n"
    told = subprocess.run(
        [sys.executable, f"{REPO}/tests/junit.py", "integration", f"{tmp_path}/it.xml"],
        capture_output=True, text=True, timeout=20, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert told[0] == "1 2"
    assert told[1].startswith("FAILED integration: ") and told[1].endswith("test_it.py::test_fails")
    assert "one is not two" in told[2]
    assert any(line.startswith("    at ") and "test_it.py:" in line for line in told)
    assert any("for want of a reason" in line for line in told)
    assert len(told) < 20


def test_a_run_without_a_report_counts_as_one_failure(tmp_path):
    """pytest was killed, or wrote half a file."""
    (tmp_path / "half.xml").write_text("<testsuites><testsuite")
    for name in ("half.xml", "none.xml"):
        told = subprocess.run(
            [sys.executable, f"{REPO}/tests/junit.py", "bed", f"{tmp_path}/{name}"],
            capture_output=True, text=True, timeout=20, check=True,
        ).stdout.splitlines()  # fmt: skip
        assert told[0] == "0 1"
        assert told[1].startswith("FAILED bed: pytest ended without a report")
