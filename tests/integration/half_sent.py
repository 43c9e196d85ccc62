"""Requests of which a gateway has a part, and waits for the rest."""

from tests.bed.net import wait_until


def wait_half_read(sluice):
    """Waits until the only gateway has read what there is of a request that was just begun.

    Who asks for that comes behind it: a gateway reads in the order in which it was sent something.
    """
    wait_until(lambda: _reading(sluice) >= 2, 10, "the gateway has it")


def _reading(sluice):
    """How many connections the gateway reads from, this one included."""
    text = sluice.request("GET", "/metrics")[2]
    return int(text.split('connections{state="reading"} ')[1].split()[0])
