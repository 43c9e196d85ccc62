"""Wrong input of every kind: a message that names the place and the remedy; the rest goes on."""

import os
import re
import shutil
import socket
import subprocess
import tempfile

import pytest

from tests.bed.certs import Authority, make_key
from tests.bed.cluster import kubeconfig_text
from tests.bed.kubesim import KubeSim
from tests.bed.net import free_port, wait_until
from tests.bed.process import Process
from tests.bed.sluice import Sluice, binary, running

NOBODY = 65534
ROLES = ("broker", "store", "health", "gateway", "watcher")
PROGRAMS = ("sluiced", "sluicectl", *(f"sluice-{role}" for role in ROLES))
OTHERS = ("broker", "store", "health", "gateway/0", "watcher/good")
# Health and watchers hurry, so that a test need not wait a minute.
EAGER = {"health": {"interval": "500ms"}, "watch": {"backoff": {"base": "200ms", "max": "1s"}}}


def unprivileged(*command):
    """COMMAND as a user whom file permissions bind, which they don't root."""
    if os.geteuid() != 0:
        return list(command)
    ids = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--pdeathsig=KILL")
    return ["setpriv", *ids, *command]


def assert_refused(*command):
    """Asserts that COMMAND is refused to that user: else the test would prove nothing."""
    done = subprocess.run(unprivileged(*command), capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and "Permission denied" in done.stderr, (done, command)


class UnprivilegedSluice(Sluice):
    """A Sluice of that user, whose programs lie where the user may read them."""

    def __init__(self, conf=None, **options):
        """As Sluice; directory and programs become the user's."""
        super().__init__(conf, **options)
        self.bin = f"{self.directory}/bin"
        os.mkdir(self.bin)
        for name in PROGRAMS:
            shutil.copy2(binary(name), self.bin)
        if os.geteuid() == 0:
            for path in (self.directory, self.bin, self.conf_file):
                os.chown(path, NOBODY, NOBODY)

    def start(self, ready=True):
        """Starts sluiced as that user."""
        argv = unprivileged(self.program("sluiced"), "-c", self.conf_file)
        self.process = Process("sluiced", argv, self.directory, self.env).start()
        if ready:
            self.wait_ready()
        return self


def log_of(sluice):
    """What sluiced and its children have logged so far."""
    with open(sluice.process.log, encoding="utf-8", errors="replace") as file:
        return file.read()


def said(sluice, *patterns, timeout=20):
    """Waits until one line of the log, or of `sluicectl status`, matches all PATTERNS; it."""

    def line():
        lines = log_of(sluice).splitlines()
        if sluice.process.running():
            status = sluice.ctl("status", check=False)
            lines += status.stdout.splitlines()
        return next((x for x in lines if all(re.search(p, x) for p in patterns)), None)

    return wait_until(line, timeout, f"a line with {patterns}")


def ended(sluice, timeout=10):
    """Waits until sluiced has refused to start; the last line of its log."""
    wait_until(lambda: not sluice.process.running(), timeout, "sluiced refuses")
    assert sluice.process.exit_status not in (0, None)
    assert sluice.process.exit_status > 0, "refused, not crashed"
    return log_of(sluice).splitlines()[-1]


def write(directory, name, text, mode=0o644):
    """A file with TEXT; its path."""
    path = os.path.join(str(directory), name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def expired_certificate(directory):
    """Paths of a client certificate that ended yesterday, of its key, and of its authority."""
    directory = str(directory)
    authority = Authority(directory)
    key = make_key(f"{directory}/old.key")
    request = ("openssl", "req", "-new", "-key", key, "-subj", "/CN=old", "-batch")
    made = subprocess.run(request, capture_output=True, timeout=20, check=True).stdout
    sign = ("openssl", "x509", "-req", "-CA", authority.cert, "-CAkey", authority.key)
    sign += ("-CAcreateserial", "-days", "-1", "-out", f"{directory}/old.crt")
    subprocess.run(sign, input=made, capture_output=True, timeout=20, check=True)
    return f"{directory}/old.crt", key, authority.cert


@pytest.fixture(name="directory")
def open_directory():
    """A directory that any user may look into (pytest's own are closed)."""
    path = tempfile.mkdtemp(prefix="sl-bad-", dir="/tmp")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(name="closed")
def closed_directory(directory):
    """A directory in which the unprivileged user may make nothing."""
    path = f"{directory}/closed"
    os.mkdir(path, 0o555)
    assert_refused("touch", f"{path}/probe")
    return path


def refusal(sluice):
    """Starts SLUICE, which is to refuse; the last line of its log."""
    try:
        return ended(sluice.start(ready=False))
    finally:
        sluice.close()


# --- a cluster whose kubeconfig is wrong ----------------------------------------------------


def unreadable(directory):
    """A kubeconfig that the user of sluiced may not read."""
    text = kubeconfig_text("https://127.0.0.1:1", {}, {"token": "t"})
    path = write(directory, "secret.conf", text, mode=0)
    assert_refused("cat", path)
    return path, "testbed", [re.escape(path), "[Pp]ermission denied", "chmod|chown|readable|read"]


def not_yaml(directory):
    """A kubeconfig that is no YAML."""
    path = write(directory, "broken.conf", "apiVersion: v1\nclusters: [{\nusers: }\n")
    return path, "testbed", [re.escape(path) + r":\d+", "YAML"]


def no_such_context(directory):
    """A kubeconfig without the context asked for."""
    path = write(directory, "other.conf", kubeconfig_text("https://127.0.0.1:1", {}, {}))
    return path, "elsewhere", [re.escape(path), '"elsewhere"', "kubectl config get-contexts"]


def expired(directory):
    """A kubeconfig with a client certificate that is no longer valid."""
    cert, key, authority = expired_certificate(directory)
    user = {"client-certificate": cert, "client-key": key}
    cluster = {"certificate-authority": authority}
    text = kubeconfig_text(f"https://127.0.0.1:{free_port()}", cluster, user)
    os.chmod(key, 0o644)
    path = write(directory, "expired.conf", text)
    return path, "testbed", ["client certificate", r"expired on \d{4}-\d\d-\d\d", "renew"]


def unreachable(directory):
    """A kubeconfig of a server that isn't there."""
    port = free_port()
    path = write(directory, "gone.conf", kubeconfig_text(f"https://127.0.0.1:{port}", {}, {}))
    return path, "testbed", [f"port {port}", "connect", "is the API server up", "kubeconfig right"]


def not_supported(directory):
    """A kubeconfig with credentials of a kind that is gone; its last remedy stands far back."""
    user = {"auth-provider": {"name": "gcp"}}
    text = kubeconfig_text("https://127.0.0.1:1", {}, user)
    path = write(directory, "a-rather-long-name-of-a-kubeconfig.conf", text)
    return path, "testbed", [re.escape(path), "auth-provider", r"leave it out with `contexts: \["]


WRONG = [unreadable, not_yaml, no_such_context, expired, unreachable, not_supported]


@pytest.mark.slow
@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.__name__)
def test_a_wrong_cluster_is_explained_and_the_others_go_on(case, directory):
    """The good cluster's objects arrive and change; the bad one's place and remedy are told."""
    path, context, patterns = case(directory)
    with KubeSim(context="good", rate=10) as sim:
        os.chmod(sim.directory, 0o755)
        os.chmod(sim.kubeconfig, 0o644)
        clusters = [
            {"id": "bad", "context": context, "kubeconfig": path},
            {"id": "good", "context": "good", "kubeconfig": sim.kubeconfig},
        ]
        objects = len(sim.state("Deployment")) + len(sim.state("Pod"))
        with running(UnprivilegedSluice({**EAGER, "clusters": clusters}), ready=OTHERS) as sluice:
            said(sluice, "bad", *patterns)
            with sluice.stream("resource:good/*", last_event_id="-1") as stream:
                stream.wait_events(objects + 20)
                keys = {event["stream_key"] for event in stream.events()}
                assert all(key.startswith("resource:good/") for key in keys)
            assert sluice.status()["watcher/good"]["deaths"] == 0
            told_on_the_stream(sluice, path)


def told_on_the_stream(sluice, path):
    """Waits until `cluster:bad` says that it isn't well, why, and which file at PATH to mend."""
    with sluice.stream("cluster:bad", last_event_id="-1") as stream:

        def why(stream):
            health = [e for e in stream.events() if e["event_type"] == "cluster.health"]
            found = [e["data"] for e in health if e["data"]["status"] != "connected"]
            return found[-1] if found else None

        data = stream.read_until(why, 20, "cluster.health of bad")
        assert data["status"] in ("disconnected", "error", "unknown"), data
        message = data["error"]["message"]
        assert path in message or "kubeconfig" in message, data


def test_the_end_of_a_long_remedy_is_told_by_status_and_on_the_stream(directory):
    """Not only in the log: an error may have 511 bytes, and what would help stands last."""
    path, context, patterns = not_supported(directory)
    clusters = [{"id": "bad", "context": context, "kubeconfig": path}]
    with running(
        UnprivilegedSluice({**EAGER, "clusters": clusters}),
        ready=("broker", "store", "health", "gateway/0"),
    ) as sluice:
        wait_until(
            lambda: all(
                re.search(p, sluice.status().get("watcher/bad", {}).get("status", ""))
                for p in patterns
            ),
            20,
            "the whole remedy in the status",
        )
        with sluice.stream("cluster:bad", last_event_id="-1") as stream:

            def whole(stream):
                errors = [e["data"].get("error") or {} for e in stream.events()]
                texts = [error.get("message", "") for error in errors]
                return any(all(re.search(p, text) for p in patterns) for text in texts)

            stream.read_until(whole, 20, "the whole remedy in cluster.health")


# --- the kubeconfig of the service itself ---------------------------------------------------


@pytest.mark.parametrize("case", [unreadable, not_yaml], ids=lambda case: case.__name__)
def test_a_wrong_kubeconfig_of_the_service_is_explained_and_events_still_flow(case, directory):
    """No cluster can be watched, but the service starts, says why, and publishes."""
    path, _, patterns = case(directory)
    with UnprivilegedSluice(kubeconfig=path) as sluice:
        said(sluice, "clusters: ", *patterns)
        publishes(sluice)


def publishes(sluice):
    """Asserts that an event published by HTTP is taken."""
    data = {"job_id": "x", "attempt": 1, "percent": 1}
    event = {"type": "job", "stream_key": "job:x", "event_type": "job.progress", "data": data}
    assert sluice.publish([event])["accepted"] == 1


def test_a_context_that_is_not_there_leaves_the_others_of_the_same_file():
    """contexts: [good, nope]: good is watched, nope is named with what would help."""
    with KubeSim(context="good", frozen=True) as sim:
        conf = {"contexts": ["good", "nope"]}
        with Sluice(conf, kubeconfig=sim.kubeconfig) as sluice:
            said(sluice, re.escape(sim.kubeconfig), 'no context "nope"', "get-contexts")
            with sluice.stream("resource:good/*", last_event_id="-1") as stream:
                stream.wait_events(10)
            assert "watcher/nope" not in sluice.status()


# --- directories, ports, paths --------------------------------------------------------------


@pytest.mark.parametrize("key", ["state_directory", "runtime_directory"])
def test_a_directory_without_rights_is_refused_with_the_remedy(key, closed):
    """A directory of another user: sluiced does not start and says which key and what to do."""
    line = refusal(UnprivilegedSluice({key: closed}))
    for part in (key, closed, "ermission denied", "install -d", "sluice.yaml"):
        assert part in line, line


def test_a_state_directory_that_cannot_be_made_is_refused_with_the_remedy(closed):
    """The same for one that does not exist yet, below a closed one."""
    line = refusal(UnprivilegedSluice({"state_directory": f"{closed}/a/b"}))
    for part in ("state_directory", f"{closed}/a", "cannot be made", "install -d"):
        assert part in line, line


def test_a_state_directory_that_is_a_file_is_refused(directory):
    """A file stands where the directory should; it is left alone."""
    path = write(directory, "state", "I am a file\n")
    line = refusal(Sluice({"state_directory": path}))
    assert "state_directory" in line and path in line and "not a directory" in line, line
    with open(path, encoding="utf-8") as file:
        assert file.read() == "I am a file\n"


@pytest.mark.parametrize("reuse", [False, True], ids=["plain", "reuseport"])
def test_a_port_in_use_is_refused_with_the_remedy(reuse):
    """Another program listens there, also one that would share the port."""
    sluice = Sluice()
    with socket.socket() as taken:
        # What is remembered of ended connections of this port is in nobody's way.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", sluice.port))
        taken.listen()
        line = refusal(sluice)
    for part in ("listen", str(sluice.port), "ddress already in use", "ss -ltnp", "sluice.yaml"):
        assert part in line, line


def test_a_runtime_directory_too_long_for_a_socket_is_refused_with_the_remedy():
    """A Unix socket's path has 107 bytes: told before anything is started."""
    sluice = Sluice()
    try:
        sluice.write_conf({"runtime_directory": f"{sluice.directory}/{'r' * 120}"})
        sluice.start(ready=False)
        wait_until(lambda: not sluice.process.running(), 10, "sluiced refuses")
        assert sluice.process.exit_status > 0
        text = log_of(sluice)
        assert "runtime_directory" in text and "short" in text, text
        assert "starts, pid" not in text, "no child was started"
    finally:
        sluice.close()


def test_sluicectl_without_a_service_says_where_it_looked(directory):
    """`sluicectl status` without a sluiced says where it looked and how to start one."""
    done = subprocess.run(
        [binary("sluicectl"), "--runtime", directory, "status"],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode != 0 and not done.stdout
    assert directory in done.stderr and "systemctl start sluice" in done.stderr
