"""Credentials from the kubeconfig: rotated, refused, by way of a proxy, in a pod."""

import time

import pytest

from tests.bed.net import wait_until

from .credentials_bed import Bed, Socks, Tunnel


@pytest.fixture(name="bed")
def fixture_bed():
    """A simulator behind TLS."""
    bed = Bed()
    yield bed
    bed.close()


def test_a_token_rotated_under_load_brings_no_new_list(bed):
    """Watches are refused once, read the new token, and go on where they stood; so does health."""
    bed.front.tokens = {"one"}
    bed.start(bed.kubeconfig({"tokenFile": bed.write("token", " one\n")}))
    bed.wait_health("connected")
    bed.sim.change("pod", count=400, rate=200, wait=False)
    before = len(bed.front.requests)
    fresh = "two-of-the-rotation"
    bed.write("token", fresh + "\n")
    bed.front.tokens = {fresh}
    bed.sim.faults(drop_watches=True)
    wait_until(
        lambda: len([r for r in bed.front.open_watches() if r["token"] == fresh]) == 2,
        15,
        "both watches with the new token",
    )
    bed.sim.quiet()
    after = bed.front.requests[before:]
    mine = [r for r in after if "/pods?" in r["path"] or "/deployments?" in r["path"]]
    assert all("watch=" in r["path"] for r in mine), mine
    assert 1 <= len([r for r in mine if r["status"] == 401]) <= 2
    assert bed.sluice.status()["watcher/only"]["state"] == "ready"
    assert fresh not in bed.log()


def test_a_token_that_stays_refused_is_not_asked_with_for_ever(bed):
    """One retry at once, then back-off: a few requests a second, not hundreds."""
    bed.front.tokens = {"one"}
    bed.start(bed.kubeconfig({"token": "one"}))
    bed.front.tokens = {"two"}
    before = len(bed.front.requests)
    bed.sim.faults(drop_watches=True)
    bed.wait_words("Unauthorized")
    wait_until(lambda: len(bed.front.requests) >= before + 8, 20, "tries in the back-off")
    # Two kinds, a pause of 100 to 400 ms, each time once more at once.
    before, begin = len(bed.front.requests), time.monotonic()
    time.sleep(3)
    rate = (len(bed.front.requests) - before) / (time.monotonic() - begin)
    assert rate <= 15, rate
    bed.kubeconfig({"token": "two"})
    bed.sim.wait_watches(2)


def test_a_rotated_client_certificate_ends_connections_made_with_the_old(bed):
    """Pods hear of it by a 401; the other kind's open watch is made anew all the same."""
    for name in ("old", "new"):
        bed.authority.issue(name, f"/CN={name}", usage="clientAuth")
    read = {
        name: [(bed.directory / f"{name}.{end}").read_text() for end in ("crt", "key")]
        for name in ("old", "new")
    }

    def install(name):
        """Puts a pair where the kubeconfig has it."""
        bed.write("client.crt", read[name][0])
        bed.write("client.key", read[name][1])

    install("old")
    bed.front.names = {"old"}
    user = {"client-certificate": "client.crt", "client-key": "client.key"}
    bed.start(bed.kubeconfig(user))
    bed.wait_health("connected")
    before = len(bed.front.requests)
    install("new")
    bed.front.names = {"new"}
    deployments = next(r for r in bed.front.open_watches() if "/deployments?" in r["path"])
    assert deployments["name"] == "old"
    bed.front.drop("/pods?")
    wait_until(
        lambda: [r["name"] for r in bed.front.open_watches()] == ["new", "new"],
        15,
        "both watches with the new certificate",
    )
    for request in bed.front.requests[before:]:
        if "/pods?" in request["path"] or "/deployments?" in request["path"]:
            assert "watch=" in request["path"], request["path"]


def test_prefix_server_name_and_impersonation_reach_the_server(named):
    """The path is joined to the server's, SNI and Host are each their own."""
    named.front.tokens = {"one"}
    named.front.prefix = "/k8s/clusters/c-1"
    user = {
        "token": "one",
        "as": "jane",
        "as-groups": ["dev", "ops"],
        "as-user-extra": {"acme.com/Team": ["blue"]},
    }
    named.start(named.kubeconfig(user, **{"tls-server-name": "api.sim.test"}))
    named.wait_health("connected")
    for request in named.front.requests:
        heads = request["heads"]
        assert request["path"].startswith("/k8s/clusters/c-1/")
        assert request["sni"] == "api.sim.test"
        assert ["Host", f"127.0.0.1:{named.front.port}"] in heads
        assert ["Impersonate-User", "jane"] in heads
        assert [v for k, v in heads if k == "Impersonate-Group"] == ["dev", "ops"]
        assert ["Impersonate-Extra-acme.com%2Fteam", "blue"] in heads


@pytest.mark.parametrize(
    ("how", "kind", "scheme"),
    [
        ("proxy-url", Tunnel, "http"),
        ("proxy-url", Socks, "socks5"),
        ("HTTPS_PROXY", Tunnel, "http"),
    ],
)
def test_a_proxy_is_gone_through(named, how, kind, scheme):
    """The proxy resolves the name; its address comes from the kubeconfig or the environment."""
    tunnel = kind(named.front.port)
    named.front.tokens = {"one"}
    url = f"{scheme}://127.0.0.1:{tunnel.port}"
    cluster = {"proxy-url": url} if how == "proxy-url" else {}
    env = {} if how == "proxy-url" else {"HTTPS_PROXY": url, "NO_PROXY": "other.test"}
    named.start(named.kubeconfig({"token": "one"}, host="api.sim.test", **cluster), env)
    named.wait_health("connected")
    assert set(tunnel.asked) == {f"api.sim.test:{named.front.port}"}
    tunnel.close()


def test_a_pods_service_account_is_a_directory(bed):
    """KUBERNETES_SERVICE_HOST and the account's directory: token, CA and namespace from there."""
    bed.front.tokens = {"of-a-pod"}
    account = bed.directory / "serviceaccount"
    account.mkdir()
    bed.write("serviceaccount/token", "of-a-pod")
    bed.write("serviceaccount/namespace", "shop")
    with open(bed.authority.cert, encoding="utf-8") as ca:
        bed.write("serviceaccount/ca.crt", ca.read())
    where = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": bed.front.port}
    bed.start(account, {name: str(value) for name, value in where.items()})
    assert "watcher/in-cluster" in bed.sluice.status()


def test_a_certificate_that_is_not_checked_is_said_loudly(bed):
    """insecure-skip-tls-verify works, and the log warns of it."""
    bed.front.tokens = {"one"}
    text = bed.kubeconfig({"token": "one"})
    config = (bed.directory / "config").read_text(encoding="utf-8")
    config = config.replace("certificate-authority", "insecure-skip-tls-verify")
    bed.write("config", config.replace(f'"{bed.authority.cert}"', "true"))
    bed.start(text)
    assert "insecure-skip-tls-verify is set" in bed.log()


@pytest.fixture(name="named")
def fixture_named():
    """A simulator behind TLS whose certificate is for a name only."""
    bed = Bed(sans=("DNS:api.sim.test",))
    yield bed
    bed.close()
