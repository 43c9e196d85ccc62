"""An upper bound of time that holds on a machine that stands still now and then."""

import time

from tests.bed.stillness import Stillness


def assert_in_time(directory, measure, most, rounds=5):
    """Asserts that the seconds which MEASURE() returns are at most so many.

    Measured again only where this machine stood still meanwhile, or the disk of DIRECTORY: never
    because it took too long.
    """
    found = []
    with Stillness(directory) as still:
        for _ in range(rounds):
            begin = time.monotonic()
            took = measure()
            found.append((round(took, 3), round(still.stood(begin, time.monotonic()), 3)))
            if took <= most or not found[-1][1]:
                break
    assert took <= most, f"[(seconds, of which this machine stood still)]: {found}"
