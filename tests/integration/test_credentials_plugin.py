"""Credentials from exec plugins: shared runs, expiry, refusal, and every way to fail."""

import time

import pytest

from tests.bed.net import wait_until

from .credentials_bed import Bed, Front

BETA = "client.authentication.k8s.io/v1beta1"


@pytest.fixture(name="bed")
def fixture_bed():
    """A simulator behind TLS that takes the token `one`."""
    bed = Bed()
    bed.front.tokens = {"one"}
    yield bed
    bed.close()


def test_watcher_and_health_share_one_run(bed):
    """The plugin is told of its cluster and gets its variables; one run serves all."""
    do = 'assert os.environ["WHO"] == "sluice" and sys.argv[1:] == ["get", "a b"]\n' + bed.give(
        "one"
    )
    user = bed.plugin(
        do,
        args=["get", "a b"],
        env=[{"name": "WHO", "value": "sluice"}],
        provideClusterInfo=True,
    )
    bed.start(bed.kubeconfig(user))
    bed.wait_health("connected")
    (told,) = bed.runs()
    assert told["kind"] == "ExecCredential" and told["spec"]["interactive"] is False
    assert told["spec"]["cluster"]["server"] == f"https://127.0.0.1:{bed.front.port}"
    assert told["spec"]["cluster"]["certificate-authority-data"]


def test_a_401_runs_it_once_more_and_brings_no_new_list(bed):
    """Both kinds and health are refused; one run gives them all the new token."""
    bed.start(bed.kubeconfig(bed.plugin(bed.give("one", BETA), BETA)))
    bed.wait_health("connected")
    before = len(bed.front.requests)
    bed.write("do", bed.give("two", BETA))
    bed.front.tokens = {"two"}
    bed.sim.faults(drop_watches=True)
    wait_until(
        lambda: len([r for r in bed.front.open_watches() if r["token"] == "two"]) == 2,
        15,
        "both watches with the new token",
    )
    assert len(bed.runs()) == 2
    for request in bed.front.requests[before:]:
        if "/pods?" in request["path"] or "/deployments?" in request["path"]:
            assert "watch=" in request["path"], request["path"]


def test_one_that_expires_is_asked_again_when_it_is_needed(bed):
    """Two seconds of life: no request goes out with an expired token, open watches stay."""
    soon = 'now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))\n'
    noted = soon + 'open(here + "/until", "w").write(now)\n'
    give = bed.give("one").replace("**{}", '"expirationTimestamp": now')
    bed.start(bed.kubeconfig(bed.plugin(noted + give)))
    runs = len(bed.runs())
    # Health asks when it likes: the second token is given before the first has expired for all.
    bed.front.tokens = {"one", "two"}
    bed.write("do", soon + give.replace("'one'", "'two'"))
    until = bed.directory / "until"

    def expired():
        """Two seconds ago, whoever has it."""
        past = time.gmtime(time.time() - 2)
        written = until.read_text(encoding="utf-8")
        return "" < written < time.strftime("%Y-%m-%dT%H:%M:%SZ", past)

    wait_until(expired, 20, "the last of the first tokens has expired")
    watches = bed.front.open_watches()
    bed.front.tokens = {"two"}
    bed.sim.faults(drop_watches=True)
    wait_until(lambda: len(bed.runs()) > runs, 15, "another run")
    wait_until(lambda: len(bed.front.open_watches()) == 2, 15, "both watches again")
    assert len(watches) == 2
    assert not [r for r in bed.front.requests if r["status"] == 401]


def test_a_certificate_is_used_and_a_new_one_ends_connections(bed):
    """A plugin gives a pair and no token; refused with it, all go on with the next."""
    give = {}
    for name in ("old", "new"):
        bed.authority.issue(name, f"/CN={name}", usage="clientAuth")
        cert, key = ((bed.directory / f"{name}.{end}").read_text() for end in ("crt", "key"))
        give[name] = bed.give("", clientCertificateData=cert, clientKeyData=key)
    bed.front.names = {"old"}
    bed.start(bed.kubeconfig(bed.plugin(give["old"])))
    bed.wait_health("connected")
    assert [r["name"] for r in bed.front.open_watches()] == ["old", "old"]
    before = len(bed.front.requests)
    bed.write("do", give["new"])
    bed.front.names = {"new"}
    # Pods hear of it by a 401; the other kind's open watch is made anew all the same.
    bed.front.drop("/pods?")
    wait_until(
        lambda: [r["name"] for r in bed.front.open_watches()] == ["new", "new"],
        15,
        "both watches with the new certificate",
    )
    assert len(bed.runs()) == 2
    for request in bed.front.requests[before:]:
        if "/pods?" in request["path"] or "/deployments?" in request["path"]:
            assert "watch=" in request["path"], request["path"]


def test_a_credential_made_for_one_server_goes_to_no_other(bed):
    """The kubeconfig names another server: the plugin runs for it before anything is asked there.

    One token for each server, by what the plugin is told of the cluster.
    """
    other = Front(bed.sim, bed.authority, ("IP:127.0.0.1",), name="other")
    other.tokens = {"of-other"}
    told = 'told = json.loads(os.environ["KUBERNETES_EXEC_INFO"])["spec"]["cluster"]["server"]\n'
    give = bed.give("").replace("''", f'"of-other" if told.endswith(":{other.port}") else "one"')
    user = bed.plugin(told + give, provideClusterInfo=True)
    bed.start(bed.kubeconfig(user))
    bed.wait_health("connected")
    bed.kubeconfig(user, server=f"https://127.0.0.1:{other.port}")
    bed.front.tokens = set()
    bed.sim.faults(drop_watches=True)
    wait_until(lambda: len(other.open_watches()) == 2, 30, "both watches at the other server")
    assert {r["token"] for r in other.requests} == {"of-other"}
    assert "of-other" not in {r["token"] for r in bed.front.requests}
    other.close()


EXPIRED = Bed.give("one").replace("**{}", '"expirationTimestamp": "2020-01-01T00:00:00Z"')

FAILURES = {
    "expired": (EXPIRED, ("expired already, at 2020-01-01T00:00:00", "clock wrong")),
    "exit": (
        'print("one-secret-token")\nprint("log in first: one-secret-token", file=sys.stderr)\n'
        "sys.exit(1)\n",
        ("exit status 1", "log in first: [removed]", "by hand"),
    ),
    "flood": ('sys.stdout.write("x" * 10000000)\n', ("printed more than 524288 bytes",)),
    "version": (Bed.give("one", BETA), ("v1beta1", "update the plugin")),
    "silent": ("", ("printed nothing",)),
    "html": ('print("<html>one-secret-token")\n', ("not JSON",)),
    "killed": ("os.kill(os.getpid(), 9)\n", ("signal 9",)),
}


@pytest.mark.parametrize("how", FAILURES)
def test_a_failure_is_named_and_mends_without_a_restart(bed, how):
    """Command, status and last words, never the token; health says it too."""
    do, words = FAILURES[how]
    begin = time.monotonic()
    bed.start(bed.kubeconfig(bed.plugin(do)), ready=False)
    bed.sluice.wait_ready()
    bed.wait_words("BadCredentials", "/plugin", *words)
    # Two kinds ask several times a second, and health does: they are told what is known, and it
    # is tried again after 5 s, then after twice that.
    runs, lasted = len(bed.runs()), time.monotonic() - begin
    assert runs <= 1 + sum(lasted >= at for at in (5, 15, 35, 75))
    pid = bed.sluice.pid("watcher/only")
    bed.write("do", bed.give("one"))
    bed.sim.wait_watches(2, timeout=30)
    assert bed.sluice.pid("watcher/only") == pid
    assert "one-secret-token" not in bed.log()
    assert not bed.front.asked("", 0) or all(r["status"] == 200 for r in bed.front.requests)


def test_a_program_that_is_missing_is_named_with_its_hint(bed):
    """installHint is the remedy."""
    user = bed.plugin("", installHint="get it from example.com")
    user["exec"]["command"] = "no-such-plugin"
    bed.start(bed.kubeconfig(user), ready=False)
    bed.sluice.wait_ready()
    bed.wait_words("no-such-plugin is not in PATH", "get it from example.com")
    bed.wait_health("error", timeout=40)


def test_one_that_wants_a_terminal_is_refused_at_once(bed):
    """interactiveMode: Always: a service has none."""
    bed.start(bed.kubeconfig(bed.plugin("", interactiveMode="Always")), ready=False)
    bed.sluice.wait_ready(only=["gateway/0"])
    wait_until(lambda: "a service has none" in bed.log(), 15, "the reason in the log")
    assert not bed.runs()


@pytest.mark.slow
def test_one_that_hangs_is_told_and_killed(bed):
    """After 30 s it is said, after 60 s the plugin is gone; meanwhile it runs once."""
    do = f'open({str(bed.directory)!r} + "/pid", "w").write(str(os.getpid()))\ntime.sleep(1000)\n'
    bed.start(bed.kubeconfig(bed.plugin(do)), ready=False)
    bed.sluice.wait_ready()
    bed.wait_words("has not answered within 30 s", timeout=45)
    pid = (bed.directory / "pid").read_text()
    assert len(bed.runs()) == 1
    bed.write("do", bed.give("one"))
    bed.wait_words("did not end within 60 s", timeout=60)
    with pytest.raises(FileNotFoundError), open(f"/proc/{pid}/stat", encoding="ascii") as file:
        file.read()
    bed.sim.wait_watches(2, timeout=60)


def test_stopping_the_service_ends_a_plugin_that_runs(bed):
    """Nothing stays behind."""
    do = f'open({str(bed.directory)!r} + "/pid", "w").write(str(os.getpid()))\ntime.sleep(1000)\n'
    bed.start(bed.kubeconfig(bed.plugin(do)), ready=False)
    bed.sluice.wait_ready()
    pid = wait_until((bed.directory / "pid").read_text, 15, "the plugin runs", ignore=(OSError,))
    assert bed.sluice.stop() == 0
    with pytest.raises(FileNotFoundError), open(f"/proc/{pid}/stat", encoding="ascii") as file:
        file.read()
