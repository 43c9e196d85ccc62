"""What a gateway that was taken over could still do: tried from inside, by a build with hooks."""

import json
import os
import re
import socket
import subprocess

import pytest

from tests.bed.hooked import Hooked
from tests.bed.kernel import landlock
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice, binary
from tests.bed.tokens import Issuer, bearer
from tests.bed.tokens import conf as tokens_conf

from .numbered import events, numbers

# What must be refused, and with what: seccomp's answer, or landlock's.
BY_CALL = (
    *("journal_make", "journal_hidden", "journal_write", "journal_truncate", "journal_chmod"),
    *("journal_rename", "journal_link", "own_memory", "mkdir", "symlink"),
    *("exec", "execveat", "fork", "clone3", "thread", "ptrace", "peek", "kill", "kill_thread"),
    *("limit", "dumpable", "memfd", "io_uring", "bpf", "userfaultfd", "perf", "keyctl"),
    *("unshare", "mount", "pidfd"),
    *("code", "own_code", "seal_write", "seal_below", "seal_over", "seal_moved_over"),
    *("seal_move", "seal_drop", "seal_unmap"),
)
BY_PLACE = ("passwd", "secret", "maps", "root_list")
# In every build: a sanitizer needs files and processes, never a socket.
SOCKETS = (
    *("inet", "inet6", "udp", "netlink", "unix_datagram", "socketpair", "inet_connect"),
    *("fast_open", "sendto_address", "bind", "listen"),
    *("outside", "outside_bare", "control_bare", "broker_bare", "message_fast_open"),
)
# And what is there is not removed, also where there is no landlock to say so.
REMOVALS = ("journal_unlink", "secret_unlink", "broker_unlink", "broker_unlinkat")
DONE = ("journal_list", "journal_read", "unix_stream", "broker", "desk")
# What the call itself says, since the filter does not look: see sandbox.h.
UNSEEN = {"message_address": "EOPNOTSUPP", "write": "EBADF"}
DONE_UNSANITIZED = ("memory", "more_memory")
PROBE = re.compile(r"^sandbox_probe: (\{.*\})$", re.MULTILINE)


@pytest.fixture(name="outside")
def fixture_outside(tmp_path):
    """A directory with a file and a listening socket, which no gateway has a need of."""
    (tmp_path / "secret").write_text("secret", encoding="ascii")
    with socket.socket(socket.AF_UNIX) as sock:
        # The path may be too long for a socket where pytest puts it.
        before = os.getcwd()
        os.chdir(tmp_path)
        try:
            sock.bind("socket")
        finally:
            os.chdir(before)
        sock.listen()
        yield tmp_path


def by_modes_alone(sluice):
    """True when it says that landlock does not help it: a sanitizer, or a kernel without."""
    return "files by their modes alone" in sluice.log()


@pytest.mark.threads
def test_what_a_stranger_would_try_is_refused_and_what_is_needed_is_not(outside):
    sluice = Hooked()
    sluice.env["SLUICE_TEST_SANDBOX"] = str(outside)
    with sluice:
        # A journal that has a segment, which the next one finds.
        sluice.publish(events("job:a", 0, 3))
        pid = sluice.kill("gateway/0")
        sluice.wait_restarted("gateway/0", pid)
        wait_until(lambda: len(PROBE.findall(sluice.log())) == 2, 10, "two reports")
        said = json.loads(PROBE.findall(sluice.log())[-1])
        wanted = dict.fromkeys(SOCKETS + REMOVALS, "EPERM") | UNSEEN
        wanted |= dict.fromkeys(DONE, "done")
        if "built with a sanitizer" not in sluice.log():
            wanted |= dict.fromkeys(BY_CALL, "EPERM") | dict.fromkeys(DONE_UNSANITIZED, "done")
            if landlock():
                assert f"files by landlock {landlock()}, system calls by seccomp" in sluice.log()
                wanted |= dict.fromkeys(BY_PLACE, "EACCES")
                assert set(said) == set(wanted)
            else:
                assert by_modes_alone(sluice)
        assert {name: said[name] for name in wanted} == wanted
        # It lives on, in front of a new broker and a new store too.
        with sluice.stream("job:a", last_event_id="-1") as stream:
            stream.wait_events(3)
            for role in ("broker", "store"):
                pid = sluice.pid(role)
                sluice.ctl("restart", role)
                sluice.wait_restarted(role, pid)
                wait_until(lambda: sluice.request("GET", "/readyz")[0] == 200, 10, "ready")
            sluice.publish(events("job:a", 3, 5))
            stream.wait_events(5)
            assert numbers(stream) == list(range(5))
        assert sluice.stop() == 0


def filters(pid):
    """What the kernel says of each thread: its mode of seccomp, and whether exec may gain."""
    found = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as file:
            text = file.read()
        found.add(tuple(re.findall(r"^(?:NoNewPrivs|Seccomp):\s+(\d)$", text, re.MULTILINE)))
    return found


def test_every_thread_of_every_gateway_is_under_the_filter():
    with Sluice(gateways=2) as sluice:
        for name in ("gateway/0", "gateway/1"):
            pid = sluice.pid(name)
            assert len(os.listdir(f"/proc/{pid}/task")) >= 2, "nanomsg's thread"
            assert filters(pid) == {("1", "2")}


def test_without_a_sandbox_it_says_so():
    with Sluice({"gateway": {"sandbox": False}}) as sluice:
        assert {seccomp for _, seccomp in filters(sluice.pid("gateway/0"))} == {"0"}
        assert "warning gateway/0: gateway.sandbox: false: whoever takes" in sluice.log()


# Makes landlock's calls fail with ENOSYS (38), as before Linux 5.13, for what it executes.
WITHOUT_LANDLOCK = """#!/usr/bin/python3
import ctypes, os, struct, sys
load, jump, answer, enosys, allow = 0x20, 0x35, 0x06, 0x50026, 0x7FFF0000
code = [(load, 0, 0, 0), (jump, 0, 2, 444), (jump, 1, 0, 447), (answer, 0, 0, enosys),
        (answer, 0, 0, allow)]
steps = b"".join(struct.pack("HBBI", *step) for step in code)
room = ctypes.create_string_buffer(steps)
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(room)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
os.execv(sys.argv[0] + ".real", sys.argv)
"""


def test_a_kernel_without_landlock_is_told_of_and_the_calls_are_still_filtered(outside):
    sluice = Hooked()
    program = sluice.program("sluiced")
    os.rename(program, f"{program}.real")
    with open(program, "w", encoding="utf-8") as file:
        file.write(WITHOUT_LANDLOCK)
    os.chmod(program, 0o755)
    sluice.env["SLUICE_TEST_SANDBOX"] = str(outside)
    with sluice:
        said = json.loads(wait_until(lambda: PROBE.findall(sluice.log()), 10, "a report")[-1])
        assert by_modes_alone(sluice)
        assert said["passwd"] == "done"
        removals = {said[name] for name in REMOVALS if name in said}
        assert {said[name] for name in SOCKETS} | removals == {"EPERM"}
        if "built with a sanitizer" not in sluice.log():
            assert {said[name] for name in BY_CALL if name in said} == {"EPERM"}
        sluice.publish(events("job:a", 0, 3))


def test_keys_are_read_again_within_their_directory_only(tmp_path):
    keys = tmp_path / "keys"
    keys.mkdir()
    path, old, new = str(keys / "set.json"), Issuer(), Issuer()
    old.write(path)

    def status(issuer):
        token = issuer.grants(["*"])
        return sluice.request("POST", "/api/v1/tickets", "", bearer(token))[0]

    with Sluice(tokens_conf(path)) as sluice:
        assert (status(old), status(new)) == (201, 401)
        new.write(path)
        wait_until(lambda: status(new) == 201, 10, "the new keys")
        if by_modes_alone(sluice):
            return
        old.write(str(tmp_path / "set.json"))
        os.symlink("../set.json", keys / "link")
        os.replace(keys / "link", path)
        wait_until(lambda: "outside" in sluice.log(), 10, "the cause")
        assert (status(old), status(new)) == (401, 201)
        assert "the 3 keys from before stay in force" in sluice.log()


def test_what_lies_beside_the_keys_of_tokens_is_named(tmp_path):
    said = "jwt.jwks_file: whoever takes a gateway over could read "
    (tmp_path / "keys").mkdir()
    apart, kubeconfig = str(tmp_path / "keys" / "set.json"), tmp_path / "kubeconfig"
    kubeconfig.write_text("{}", encoding="ascii")
    issuer = Issuer()
    issuer.write(apart)
    with Sluice(tokens_conf(apart)) as sluice:
        assert said not in sluice.log()
    sluice = Sluice()
    beside = f"{sluice.directory}/set.json"
    os.symlink(apart, beside)
    listed = f"{sluice.directory}/other:{kubeconfig}"
    sluice.write_conf({**tokens_conf(beside), "kubeconfig": listed})
    with sluice:
        named = re.findall(re.escape(said) + "(.*?), ", sluice.log())
        assert named == [sluice.conf_file, sluice.conf["state_directory"]]
        tested = subprocess.run(
            [binary("sluiced"), "-t", "-c", sluice.conf_file],
            capture_output=True,
            check=True,
            text=True,
        )
        assert tested.stderr.count(said) == 2 and sluice.conf_file in tested.stderr
        # Where the link leads to counts as well.
        issuer.write(str(tmp_path / "keys.json"))
        os.unlink(beside)
        os.symlink(tmp_path / "keys.json", beside)
        tested = subprocess.run(
            [binary("sluiced"), "-t", "-c", sluice.conf_file],
            capture_output=True,
            check=True,
            text=True,
        )
        assert f"could read {kubeconfig}, a kubeconfig, which lies" in tested.stderr


def test_a_release_has_no_hook_of_tests():
    def texts(name):
        done = subprocess.run(
            ["grep", "-c", "-a", "SLUICE_TEST_\\|sandbox_probe", binary(name)],
            capture_output=True,
            check=False,
        )
        return int(done.stdout)

    assert texts("hooks/sluice-gateway") > 0 and texts("hooks/sluice-broker") > 0
    for name in ("sluice-gateway", "sluiced", "sluice-broker", "sluice-store"):
        assert texts(name) == 0, name
