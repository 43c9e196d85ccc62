"""The set-up of `make run` and `make check`: once done, a second call does nothing again."""

import os
import re
import shutil
import subprocess

import pytest

from tests.bed.net import deadline
from tests.bed.sluice import REPO, binary

# Whatever could fetch or install something; pip is called by its path in the venv.
INSTALLERS = (
    *("apt", "apt-get", "aptitude", "dpkg", "sudo", "pip", "pip3", "go"),
    *("curl", "wget", "git", "mmdebstrap", "npm", "node", "javac"),
)
FOLDERS = (
    *("common", "lib", "supervisor", "ctl", "watcher", "health"),
    *("broker", "store", "gateway", "exec"),
)


def packages_for(what):
    """What is needed of Debian to "build" or "check", as setup.sh has it."""
    with open(f"{REPO}/setup/setup.sh", encoding="utf-8") as file:
        found = re.search(rf"^{what}_packages='([^']+)'$", file.read(), re.MULTILINE)
    return tuple(found[1].split())


BUILD_PACKAGES = packages_for("build")
CHECK_PACKAGES = packages_for("check")
SITE = f"{REPO}/build/venv/lib"


def call(what, directory):
    """setup.sh WHAT with DIRECTORY before everything else in PATH."""
    env = dict(os.environ, PATH=f"{directory}:{os.environ['PATH']}")
    return subprocess.run(
        [f"{REPO}/setup/setup.sh", what],
        capture_output=True, text=True, timeout=deadline(120), env=env, check=False,
    )  # fmt: skip


@pytest.fixture(name="wires")
def tripwires(tmp_path):
    """A directory of programs that note how they were called, and fail; what they noted."""
    directory = tmp_path / "wires"
    directory.mkdir()
    for name in INSTALLERS:
        wire = directory / name
        # To ask a Go for its version fetches nothing.
        asked = f'[ "{name} $1" != "go env" ] || exit 97'
        wire.write_text(f'#!/bin/sh\n{asked}\necho "{name} $*" >>{tmp_path}/noted\nexit 97\n')
        wire.chmod(0o755)

    def noted():
        return (tmp_path / "noted").read_text() if (tmp_path / "noted").exists() else ""

    return directory, noted


def packages():
    """{a directory of Python packages in the venv: when it was changed}."""
    places = [place for place, _, _ in os.walk(SITE) if place.endswith("site-packages")]
    assert places
    return {place: os.stat(place).st_mtime_ns for place in places}


@pytest.mark.parametrize("what", ["run", "check"])
def test_a_second_set_up_fetches_and_installs_nothing(wires, tmp_path, what):
    """No package manager is called, no Python package written, and nothing said of installing."""
    directory, noted = wires
    first = call(what, tmp_path)
    assert first.returncode == 0, first.stderr
    before = packages()
    second = call(what, directory)
    assert (second.returncode, noted()) == (0, ""), second.stderr
    assert "installing" not in second.stdout + second.stderr
    assert packages() == before


def test_what_is_missing_is_installed(wires):
    """The same with a dpkg that knows of nothing: the wires are in the way."""
    directory, noted = wires
    (directory / "dpkg-query").write_text("#!/bin/sh\nexit 1\n")
    (directory / "dpkg-query").chmod(0o755)
    done = call("run", directory)
    assert done.returncode == 97
    assert "setup: installing gcc make pkg-config" in done.stdout
    assert "apt-get update" in noted()


def test_a_package_that_was_removed_is_missing(wires):
    """Its configuration files are still there: dpkg says rc."""
    directory, _ = wires
    listed = "".join(f"{name} ii \\n" for name in BUILD_PACKAGES[:-1])
    removed = BUILD_PACKAGES[-1]
    (directory / "dpkg-query").write_text(f"#!/bin/sh\nprintf '{listed}{removed} rc '\n")
    (directory / "dpkg-query").chmod(0o755)
    assert f"setup: installing {removed}\n" in call("run", directory).stdout


@pytest.mark.parametrize("missing", ["haproxy", "nginx", "nats-server", "curl"])
@pytest.mark.parametrize("status", [0, 3], ids=["installed", "failed"])
def test_what_debian_starts_with_a_package_is_stopped_where_it_is_installed(wires, status, missing):
    """Also where apt fails half-way; what was there before is left as it is."""
    directory, noted = wires
    known = set(BUILD_PACKAGES + CHECK_PACKAGES) - {missing}
    listed = "".join(f"{name} ii \\n" for name in known)
    note = f'echo "${{0##*/}} $*" >>{directory.parent}/noted'
    for name, text in {
        "id": "echo 0",
        "dpkg-query": f"printf '{listed}'",
        "apt-get": f'{note}\n[ "$1" = update ] || exit {status}',
        "service": note,
        "systemctl": note,
    }.items():
        (directory / name).write_text(f"#!/bin/sh\n{text}\n")
        (directory / name).chmod(0o755)
    done = call("check", directory)
    assert done.returncode == status, done.stderr
    stopped = [f"systemctl --quiet disable {missing}.service"]
    if os.path.exists(f"/etc/init.d/{missing}") or os.path.isdir("/run/systemd/system"):
        stopped.insert(0, f"service {missing} stop")
    assert noted().splitlines() == [
        "apt-get update -qq",
        f"apt-get install -y --no-install-recommends {missing}",
        *(stopped if missing != "curl" else []),
    ]


PLAIN = ("sh", "dash", "dirname", "sha256sum", "cat", "mkdir")


def as_nobody(directory, installed):
    """`setup.sh run` for user 1000 in a PATH without sudo, where dpkg knows INSTALLED."""
    directory.mkdir()
    for name in PLAIN:
        (directory / name).symlink_to(shutil.which(name))
    listed = "".join(f"{name} ii \\n" for name in installed)
    for name, text in {
        "id": "echo 1000",
        "dpkg-query": f"printf '{listed}'",
        "apt-get": f"echo called >>{directory}/called",
    }.items():
        (directory / name).write_text(f"#!/bin/sh\n{text}\n")
        (directory / name).chmod(0o755)
    done = subprocess.run(
        [f"{REPO}/setup/setup.sh", "run"], env={"PATH": str(directory)},
        capture_output=True, text=True, timeout=deadline(60), check=False,
    )  # fmt: skip
    assert not (directory / "called").exists()
    return done


def test_without_root_and_sudo_the_exact_line_for_apt_is_told(tmp_path):
    """Nothing is tried: the line names what is missing, no more, and the end is a failure."""
    done = as_nobody(tmp_path / "none", BUILD_PACKAGES[:-2])
    assert done.returncode == 1
    assert "neither root nor is there sudo" in done.stderr
    left = " ".join(BUILD_PACKAGES[-2:])
    line = f"  apt-get update && apt-get install -y --no-install-recommends {left}\n"
    assert done.stderr.endswith(line)
    assert "installing" not in done.stdout


def test_without_root_and_sudo_nothing_is_asked_where_nothing_is_missing(tmp_path):
    """Then `make run` is for every user."""
    done = as_nobody(tmp_path / "all", BUILD_PACKAGES)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def make(build, *words):
    """make with ARGUMENTS, to its end."""
    names = ("PATH", "HOME", "LC_ALL")
    env = {name: os.environ[name] for name in names if name in os.environ}
    return subprocess.run(
        ["make", "-C", REPO, f"BUILD={build}", *words],
        capture_output=True, text=True, timeout=deadline(60), env=env, check=False,
    )  # fmt: skip


def test_a_second_build_builds_nothing():
    """make says of what is built that it is up to date."""
    build = os.path.relpath(os.path.dirname(binary("sluiced")), REPO)
    done = make(build, "-q", "all")
    assert done.returncode == 0, f"run `make BUILD={build} all` first: {done.stdout}{done.stderr}"


def test_a_change_of_one_folder_links_only_the_tests_that_use_it_again(tmp_path):
    """What the compiler noted of their headers says which; without such a note all of them."""
    (tmp_path / "obj/tests/unit").mkdir(parents=True)
    for name, headers in {"ring": "gateway/ring.h common/buf.h", "buf": "common/buf.h"}.items():
        (tmp_path / f"obj/tests/unit/test_{name}.d").write_text(f"x.o: y.c {headers}\n")
    rules = make(tmp_path, "-p", "-n", "help").stdout
    for name, archives in {
        "ring": {"common.a", "gateway.a"},
        "buf": {"common.a"},
        "msg": {f"{folder}.a" for folder in FOLDERS},
    }.items():
        rule = re.search(rf"^{tmp_path}/unit/test_{name}:(.*)$", rules, re.MULTILINE)
        assert {os.path.basename(word) for word in rule[1].split()} == archives
