"""What a watcher keeps of objects that are gone: nothing. (A million of them: bench_churn.py.)"""

import pytest

from tests.bench import churn

GROWTH = 1.05


@pytest.mark.release_only
def test_objects_that_came_and_went_leave_the_memory_as_it_was():
    """30,000 pods beside 20,000 objects that stay: within 5 % of before."""
    before, after, pods = churn.run(20000, 30000, 10000)
    assert pods == 30000
    assert after <= GROWTH * before, (before, after)
