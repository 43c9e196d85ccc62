"""Random load and faults: what every client was given, judged by the checker.

Each run is made of a seed alone. `make check` runs four of 30 s; another, or one again:

    make chaos SEED=17 SECONDS=300
"""

import pytest

from .faults import VICTIMS
from .run import reports_of, run, verdict

SECONDS = 30
SEEDS = (1, 2, 3, 4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_doubled_or_out_of_order_and_every_gap_is_true(seed):
    directory = reports_of(f"seed-{seed}")
    found, problems = run(seed, SECONDS, reports=directory)
    assert not problems, verdict(seed, SECONDS, found, problems, directory)
    # A run in which nothing happened would show nothing.
    assert found["events"] > 500 and found["resumed"] > 50 and found["snapshots"] > 5, found
    assert found["ends"] >= 20, found
    assert found["faults"] >= 4 and found.get("gap epoch_changed"), found
    assert found.get("gap slow_consumer") and found.get("gap evicted"), found
    assert all(found.get(f"kill {who}") for who in VICTIMS), found
    served = [found.get(f"served by gateway/{i}", 0) for i in (0, 1)]
    assert min(served) >= 0.3 * sum(served), found
