"""Who runs as the same user does not look into processes that hold credentials."""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

import pytest

from tests.bed.kubeconfigs import SLEEPING_PLUGIN
from tests.bed.net import wait_until
from tests.bed.sluice import binary

# Root looks into everything: then they run as nobody.
USER = 65534 if os.geteuid() == 0 else os.geteuid()


@pytest.fixture(name="directory")
def fixture_directory():
    """A directory that every user may read."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="sl-dump-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def assert_undumpable(directory, program, args):
    """Runs PROGRAM as another than root; what /proc shows of it soon belongs to root."""
    path = shutil.copy(binary(program), directory)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        process = subprocess.Popen(
            [path, *args],
            **({"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}),
            close_fds=False,
            preexec_fn=lambda: os.dup2(theirs.fileno(), 3),
        )
        try:
            # The directory itself is the user's in any case.
            assert os.stat(f"/proc/{process.pid}").st_uid == USER
            wait_until(
                lambda: os.stat(f"/proc/{process.pid}/environ").st_uid == 0, 10, "undumpable"
            )
            assert process.poll() is None
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("role", ["broker", "gateway", "health", "store", "watcher"])
def test_a_role_cannot_be_looked_into(directory, role):
    """From before it has its configuration on."""
    assert_undumpable(directory, f"sluice-{role}", ["-", "1"])


def test_the_run_of_a_plugin_cannot_be_looked_into(directory):
    """While its plugin runs."""
    (directory / "config").write_text(SLEEPING_PLUGIN, encoding="utf-8")
    assert_undumpable(directory, "sluice-exec", [directory / "config", "x"])
