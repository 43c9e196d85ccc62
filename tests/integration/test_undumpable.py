"""Who runs as the same user does not look into processes that hold credentials."""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

import pytest

from tests.bed.net import wait_until
from tests.bed.sluice import binary

NOBODY = 65534
CONFIG = """{"current-context": "x",
"contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
"users": [{"name": "u", "user": {"exec": {"command": "sleep", "args": ["60"],
"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}}}]}
"""


@pytest.fixture(name="directory")
def fixture_directory():
    """A directory that every user may read."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="sl-dump-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def assert_undumpable(directory, program, args):
    """Runs PROGRAM as another user; what /proc shows of it soon belongs to root."""
    path = shutil.copy(binary(program), directory)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        process = subprocess.Popen(
            [path, *args],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            close_fds=False,
            preexec_fn=lambda: os.dup2(theirs.fileno(), 3),
        )
        try:
            # The directory itself is the user's in any case.
            assert os.stat(f"/proc/{process.pid}").st_uid == NOBODY
            wait_until(
                lambda: os.stat(f"/proc/{process.pid}/environ").st_uid == 0, 10, "undumpable"
            )
            assert process.poll() is None
        finally:
            process.kill()
            process.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="starts processes of another user")
@pytest.mark.parametrize("role", ["broker", "gateway", "health", "store", "watcher"])
def test_a_role_cannot_be_looked_into(directory, role):
    """From before it has its configuration on."""
    assert_undumpable(directory, f"sluice-{role}", ["-", "1"])


@pytest.mark.skipif(os.geteuid() != 0, reason="starts processes of another user")
def test_the_run_of_a_plugin_cannot_be_looked_into(directory):
    """While its plugin runs."""
    (directory / "config").write_text(CONFIG, encoding="utf-8")
    assert_undumpable(directory, "sluice-exec", [directory / "config", "x"])
