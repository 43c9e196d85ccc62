"""A gateway that starts while the disk of the state directory takes nothing more."""

import os
import shutil
import subprocess
import tempfile
import time

import pytest

from tests.bed.full_disk import SmallDisk
from tests.bed.net import wait_until
from tests.bed.tokens import Issuer, bearer, conf

from .errors import check
from .guarded import ADMIN

MIB = 1 << 20
JOURNAL = {"journal": {"size": "8MiB", "segment": "2MiB"}}
SAID = "nobody can be revoked through this gateway"


def mount(sluice, *args):
    """Runs this with the mounts that the installation's processes see."""
    argv = ["nsenter", "--mount", "-t", str(sluice.process.pid), *args]
    subprocess.run(argv, check=True, timeout=20)


@pytest.fixture(name="bed")
def fixture_bed():
    directory = tempfile.mkdtemp(prefix="sl-", dir="/tmp")
    issuer = Issuer()
    issuer.write(f"{directory}/jwks.json")
    try:
        with SmallDisk(48 * MIB, {**conf(f"{directory}/jwks.json"), **JOURNAL}) as sluice:
            yield sluice, issuer
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def again(sluice):
    """Kills the gateway; the new one serves."""
    pid = sluice.kill("gateway/0")
    sluice.wait_restarted("gateway/0", pid)


def ask(sluice, token, method="GET", path="/api/v1/status"):
    """The status of a request, and its code where it has one."""
    status, _, body = sluice.request(method, path, headers=bearer(token))
    return status, body.get("code")


def test_a_gateway_starts_on_a_disk_that_takes_nothing_and_knows_who_is_revoked(bed):
    sluice, issuer = bed
    admin = issuer.token(sluice=ADMIN, sub="admin")
    eve = issuer.token(sluice=ADMIN, sub="eve", iat=time.time() - 5)
    revoke = ("DELETE", "/api/v1/connections?subject=mallory")
    assert ask(sluice, eve)[0] == 200
    assert ask(sluice, admin, "DELETE", "/api/v1/connections?subject=eve")[0] == 200
    assert ask(sluice, eve) == (401, "token_revoked") and SAID not in sluice.log()

    # The file system turned read-only, as ext4 does it after an error.
    revoked = os.path.join(sluice.conf["state_directory"], "revoked")
    mount(sluice, "mount", "--bind", revoked, revoked)
    mount(sluice, "mount", "-o", "remount,bind,ro", revoked)
    again(sluice)
    wait_until(lambda: sluice.log().count(SAID) == 1, 10, "the log says so")
    assert "Read-only file system" in sluice.log()
    assert ask(sluice, eve) == (401, "token_revoked")
    answer = sluice.request(*revoke, headers=bearer(admin))
    check(answer, 503, "gateway_unavailable", ("Retry-After",))
    assert ask(sluice, admin)[0] == 200

    # Full, and it is the first start that wants a file: nobody was revoked then.
    small = f"{sluice.directory}/small"
    os.mkdir(small)
    mount(sluice, "umount", "--lazy", revoked)
    mount(sluice, "mount", "-t", "tmpfs", "-o", "size=16k", "sluice-test", small)
    mount(sluice, "touch", f"{small}/revoked")
    mount(sluice, "mount", "--bind", f"{small}/revoked", revoked)
    again(sluice)
    wait_until(lambda: sluice.log().count(SAID) == 2, 10, "the log says so")
    assert "No space left" in sluice.log()
    assert ask(sluice, eve)[0] == 200
    answer = sluice.request(*revoke, headers=bearer(admin))
    check(answer, 503, "gateway_unavailable", ("Retry-After",))

    mount(sluice, "umount", "--lazy", revoked)
    again(sluice)
    assert ask(sluice, eve) == (401, "token_revoked")
    assert ask(sluice, admin, *revoke)[0] == 200
