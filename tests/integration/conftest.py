"""Fixtures that several files of integration tests take."""

import pytest

from tests.bed.kubesim import KubeSim

from .rogues import Rogues


@pytest.fixture(name="sim")
def frozen_sim():
    """A frozen plain simulator."""
    with KubeSim(tls=False, frozen=True) as sim:
        yield sim


@pytest.fixture(name="rogues")
def fixture_rogues():
    """Makes installations; closes them all."""
    made = []

    def make(*args, **kwargs):
        made.append(Rogues(*args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.close()
