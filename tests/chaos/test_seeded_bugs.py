"""The checker is proven: it finds each of eight bugs that a gateway is given, and none without."""

import re
import subprocess

import pytest

from tests.bed.sluice import binary

from .run import reports_of, run, verdict

SECONDS = 12
# Of three runs, each of which may wait in vain for publishers, processes and, twice, readers.
PATIENCE_S = 900
# Mostly the first is enough; when a fault meets a process is not in the seed.
SEEDS = (3, 4, 5)
# What it says of each; any of the words.
BUGS = {
    # A snapshot that was read before its client was joined: what came between is missing.
    "join-late": "lost without a gap|skips|passes over|the snapshot at .* lacks|is not given",
    # One too far where the journal ends and the ring begins.
    "ring-switch": "lost without a gap|skips|passes over|is not given",
    # A frame dropped where the ring wraps.
    "ring-wrap": "lost without a gap|skips|is not given",
    # The epoch of a cursor.
    "epoch-ignored": "epoch_changed|the cursor was",
    # gap.to, one too far.
    "gap-to": (
        "its snapshot is at|back in time|behind a gap to|went back"
        r"|stream\.gap from \S+, it stands at"
    ),
    # stream.end while lines of an open log may still come.
    "end-early": "stream.end of .* its last is|follows its stream.end",
    # No stream.end for who comes back behind it.
    "end-forgotten": "no stream.end of|a clean end without stream.closing",
    # A connection closed for no reason.
    "stream-cut": "nothing had happened to its gateway|lost: it stands at",
}


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE_S)
@pytest.mark.parametrize("bug", BUGS)
def test_the_checker_finds_a_gateway_with_the_bug(bug):
    said = []
    for seed in SEEDS:
        found, problems = run(seed, SECONDS, hooks=True, bug=bug)
        assert not problems or found["struck"], (seed, found, problems)
        # A run in which anything else is wrong, too, may be wrong for another reason.
        others = [p for p in problems if not re.search(BUGS[bug], p)]
        if problems and not others:
            return
        said.append((seed, found, others))
    raise AssertionError(f"{bug} was not found: {said}")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_seed_without_a_bug_passes(seed):
    directory = reports_of(f"hooks-seed-{seed}")
    found, problems = run(seed, SECONDS, hooks=True, reports=directory)
    assert not problems, verdict(seed, SECONDS, found, problems, directory)


def test_what_is_installed_has_no_bug_to_switch_on():
    def words(program):
        done = subprocess.run(["strings", "-a", program], capture_output=True, text=True)
        return done.stdout

    marks = ["SLUICE_TEST_BUG", *BUGS]
    assert all(mark in words(binary("hooks/sluice-gateway")) for mark in marks)
    # Debug information names files and enumerators, never the texts that switch one on.
    assert not any(mark in words(binary("sluice-gateway")) for mark in marks)
