"""The simulator's answers against those a real API server once gave: where there is none.

The recording is made, and held against the real server, by test_differential.py.
"""

import pytest

from tests.bed.kubesim import KubeSim
from tests.integration.test_differential import (
    DENIED,
    NAMESPACE,
    STEPS,
    as_recorded,
    denied_by,
    played,
    recorded,
)

# One process plays the timeline for all of them.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("recorded")]


@pytest.fixture(scope="module", name="told")
def fixture_told():
    """What the simulator says, and what was recorded."""
    with KubeSim(frozen=True, objects=0, kinds="all") as sim:
        sim.api.create_namespace(NAMESPACE)
        return as_recorded(played(sim.api, denied_by(sim))), recorded()


def test_nothing_is_recorded_that_is_not_played(told):
    """And nothing is played that was not recorded."""
    simulated, real = told
    assert simulated.keys() == real.keys() == {*STEPS, *DENIED}


@pytest.mark.parametrize("step", [*STEPS, *DENIED])
def test_an_answer_is_as_it_was_recorded(told, step):
    """Status, headers and shape are the same."""
    simulated, real = told
    assert simulated[step] == real[step]
