"""`make install`: by itself on a fresh tree, and into another place than `make` was told."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from tests.bed.net import deadline
from tests.bed.process import plain_environment
from tests.bed.sluice import binary

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def make(build, *words):
    """What make prints with a build directory of its own."""
    names = ("PATH", "HOME", "LC_ALL")
    return subprocess.run(
        ["make", "-C", ROOT, f"BUILD={build}", "V=1", *words],
        capture_output=True, text=True, timeout=deadline(60), check=True,
        env={name: os.environ[name] for name in names if name in os.environ},
    ).stdout  # fmt: skip


def test_install_without_make_before_it_has_the_flags_and_libraries(tmp_path):
    """A fresh tree: sluiced is linked with its libraries, everything hardened."""
    plan = make(tmp_path / "b", "-n", "install", f"DESTDIR={tmp_path}/root")
    link = next(line for line in plan.splitlines() if line.endswith(f"-o {tmp_path}/b/sluiced"))
    assert "-levent" in link and "-lyaml" in link
    assert "-fstack-protector-strong" in link


def test_another_prefix_at_install_reaches_the_binaries(tmp_path):
    """sluiced looks for the roles where this install puts them; the same again builds nothing."""
    build = tmp_path / "b"
    roster = f"{build}/obj/supervisor/roster.o"
    make(build, roster, "PREFIX=/first")
    assert "roster.c" not in make(build, "-n", roster, "PREFIX=/first")
    again = make(build, "-n", roster, "PREFIX=/second")
    assert "SLUICE_LIBEXECDIR='\"/second/libexec/sluice\"'" in again


with open(f"{ROOT}/VERSION", encoding="utf-8") as _file:
    VERSION = _file.read().strip()
INSTALLED = {
    *("sbin/sluiced", "bin/sluicectl", "share/man/man8/sluiced.8", "share/man/man8/sluicectl.8"),
    *("share/man/man5/sluice.yaml.5", "lib/systemd/system/sluice.service"),
    *("lib/sysusers.d/sluice.conf", "lib/tmpfiles.d/sluice.conf"),
    *(f"share/doc/sluice/{name}" for name in ("balancer.md", "examples/nginx.conf")),
    *("share/sluice/openapi.json", "share/sluice/asyncapi.json"),
    *(f"share/sluice/schemas/{name}" for name in os.listdir(f"{ROOT}/schemas")),
    *("share/doc/sluice/examples/haproxy.cfg", "share/doc/sluice/examples/publish.c"),
    *("include/sluice.h", "lib/pkgconfig/libsluice.pc", "lib/libsluice.a", "lib/libsluice.so"),
    *("lib/libsluice.so.0", f"lib/libsluice.so.{VERSION}"),
    *(
        f"libexec/sluice/sluice-{role}"
        for role in ("watcher", "health", "broker", "store", "gateway", "exec")
    ),
}
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


@pytest.fixture(name="tree")
def copied_tree():
    """A tree such as a release's, without .git, built, that belongs to user 65534."""
    # Not below tmp_path, where only its owner may look.
    directory = tempfile.mkdtemp(prefix="sl-", dir="/tmp")
    tree = pathlib.Path(directory, "tree")
    leave = shutil.ignore_patterns(".git", "build", "tests", "__pycache__")
    shutil.copytree(ROOT, tree, ignore=leave)
    built = os.path.dirname(binary("sluiced"))
    (tree / "build").mkdir()
    for name in ("obj", "api"):
        shutil.copytree(f"{built}/{name}", tree / "build" / name)
    for entry in os.scandir(built):
        if entry.is_file():
            shutil.copy2(entry.path, tree / "build")
    subprocess.run(["chown", "-R", "65534:65534", directory], check=True)
    yield tree
    shutil.rmtree(directory)


def files_below(directory):
    """Every file, from DIRECTORY on."""
    return {
        os.path.relpath(os.path.join(place, name), directory)
        for place, _, names in os.walk(directory)
        for name in names
    }


# What a sanitizer's build would be linked to again, plainly, does not fit together.
@pytest.mark.slow
@pytest.mark.release_only
def test_install_needs_no_root(tree, tmp_path):
    """A user who owns no more than the tree puts all files below DESTDIR."""
    refused = subprocess.run(
        [*NOBODY, "mkdir", "/usr/local/sluice-test"], capture_output=True, check=False
    )
    assert refused.returncode != 0, "that user really is one without rights"
    root = tree / "root"
    env = plain_environment(tree)
    done = subprocess.run(
        [*NOBODY, "make", "-C", tree, "install", f"DESTDIR={root}", "PREFIX=/opt/sluice"],
        capture_output=True, text=True, timeout=deadline(240), env=env, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert files_below(root) == {f"opt/sluice/{name}" for name in INSTALLED}
    assert {os.stat(root / name).st_uid for name in files_below(root)} == {65534}
    unit = (root / "opt/sluice/lib/systemd/system/sluice.service").read_text()
    assert re.search(r"^ExecStart=\S*/opt/sluice/sbin/sluiced", unit, re.MULTILINE)
    said = subprocess.run(
        [*NOBODY, root / "opt/sluice/sbin/sluiced", "-V"], capture_output=True, text=True,
        timeout=20, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    example_compiles(root, tmp_path)


def example_compiles(root, place):
    """The example of libsluice, with what is installed below ROOT: shared, and as an archive."""
    lib = f"{root}/opt/sluice/lib"
    env = plain_environment(place) | {
        "PKG_CONFIG_PATH": f"{lib}/pkgconfig", "LD_LIBRARY_PATH": lib,
    }  # fmt: skip

    def flags(*words):
        done = subprocess.run(
            ["pkg-config", *words], capture_output=True, text=True, check=True, env=env
        )
        return [f.replace("/opt/", f"{root}/opt/") for f in done.stdout.split()]

    archive = [f"{lib}/libsluice.a", *flags("--libs", "libcurl", "jansson")]
    for link in (flags("--libs", "libsluice"), archive):
        source = f"{root}/opt/sluice/share/doc/sluice/examples/publish.c"
        argv = ["gcc", "-Wall", "-Wextra", "-Werror", source, "-o", place / "publish"]
        argv += [*flags("--cflags", "libsluice"), *link]
        subprocess.run(argv, capture_output=True, check=True, env=env)
        done = subprocess.run([place / "publish"], capture_output=True, check=False, env=env)
        assert done.returncode == 64 and b"usage: publish" in done.stderr


def test_warnings_are_errors_in_a_clone_only(tmp_path):
    """Never in a release's tree: the next compiler warns of more."""
    shutil.copy(f"{ROOT}/Makefile", tmp_path)
    shutil.copy(f"{ROOT}/VERSION", tmp_path)
    (tmp_path / "common").mkdir()
    (tmp_path / "common/a.c").touch()

    def errors(*words):
        said = subprocess.run(
            ["make", "-C", tmp_path, "-n", "V=1", "build/obj/common/a.o", *words],
            capture_output=True, text=True, timeout=deadline(60), check=True,
            env=plain_environment(tmp_path),
        ).stdout  # fmt: skip
        return " -Werror " in next(line for line in said.splitlines() if " -c common/a.c" in line)

    assert not errors()
    assert errors("WERROR=1")
    (tmp_path / ".git").mkdir()
    assert errors()
    assert not errors("WERROR=0")


def test_a_library_that_is_too_old_is_named_with_what_helps(tmp_path):
    """Before the first line is compiled."""
    old = tmp_path / "old"
    old.mkdir()
    (old / "jansson.pc").write_text("Name: jansson\nDescription: old\nVersion: 2.10\n")
    env = plain_environment(tmp_path) | {"PKG_CONFIG_PATH": str(old)}
    done = subprocess.run(
        ["make", "-C", ROOT, f"BUILD={tmp_path}/b", "-n", "all"],
        capture_output=True, text=True, timeout=deadline(60), env=env, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "jansson >= 2.14" in done.stderr and "setup/setup.sh run" in done.stderr
