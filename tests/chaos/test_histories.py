"""Random load and faults: what every client was given, judged by the checker.

Each run is made of a seed alone. `make check` runs four of 30 s; another, or one again:

    make chaos SEED=17 SECONDS=300
"""

import pytest

from .faults import VICTIMS
from .run import reports_of, run, verdict

SECONDS = 30
SEEDS = (1, 2, 3, 4)


# So much a run has met that shows something; one in which nothing happened would not.
LEAST = {
    "events": 501,
    "resumed": 51,
    "snapshots": 6,
    "ends": 20,
    "faults": 4,
    "gap epoch_changed": 1,
    "gap slow_consumer": 1,
    "gap evicted": 1,
    **{f"kill {who}": 1 for who in VICTIMS},
}


def lacking(found):
    """What a run has not met enough of; each gateway is to serve its share."""
    lacks = [name for name, least in LEAST.items() if found.get(name, 0) < least]
    served = [found.get(f"served by gateway/{i}", 0) for i in (0, 1)]
    return lacks + (["served"] if min(served) < 0.3 * sum(served) or not sum(served) else [])


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_doubled_or_out_of_order_and_every_gap_is_true(seed):
    directory = reports_of(f"seed-{seed}")
    # On a slow machine less happens in a second, and of some things little happens anyhow.
    found, problems = run(seed, SECONDS, reports=directory, enough=lambda found: not lacking(found))
    assert not problems, verdict(seed, SECONDS, found, problems, directory)
    assert not lacking(found), (lacking(found), found)
