"""What a watcher keeps of what is over: nothing. (A million objects: bench_churn.py.)"""

import functools

import pytest

from tests.bed.net import wait_until
from tests.bench import churn, usage
from tests.bench.watching import watched

GROWTH = 1.05
OBJECTS = 50
# What decrypts a bookmark, and is not touched while none comes. (libcurl is, by its own timers.)
READERS = ("libcrypto.", "libssl.")
TOUCHED = 512 * 1024  # bytes of them that a bookmark needs at least


def test_what_bookmarks_touched_is_given_back():
    """The pages of libraries that read them, though there is no news of any object."""
    with churn.simulator(OBJECTS) as sim:
        sim.faults(bookmark_interval_ms=0)
        with watched(sim.kubeconfig) as all_of_it:
            sim.wait_watches(14, timeout=60)
            all_of_it.settled_rss()
            pid = all_of_it.pid
            read = functools.partial(usage.library_bytes, pid, *READERS)
            low = read()
            sim.faults(bookmark_interval_ms=200)
            wait_until(lambda: read() > low + TOUCHED, 30, "bookmarks are read")
            sim.faults(bookmark_interval_ms=0)
            wait_until(lambda: read() < low + TOUCHED / 2, 60, "all is given back")


@pytest.mark.release_only
def test_objects_that_came_and_went_leave_the_memory_as_it_was():
    """30,000 pods beside 20,000 objects that stay: within 5 % of before."""
    before, after, pods = churn.run(20000, 30000, 10000)
    assert pods == 30000
    assert after <= GROWTH * before, (before, after)
