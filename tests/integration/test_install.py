"""`make install`: by itself on a fresh tree, and into another place than `make` was told."""

import os
import subprocess

from tests.bed.net import deadline

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
