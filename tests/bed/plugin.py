"""The test bed for pytest: fixtures, and the logs of running programs under a failed test.

A conftest.py takes what it needs by name, for example:
    from .bed.plugin import mongo_server, pytest_runtest_makereport, real_cluster
"""

import pytest

from .cluster import RealCluster
from .mongo import MongoServer
from .process import live_tails


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the ends of the logs of all running bed processes to the report of a failure."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    shown = {title for title, _ in report.sections}
    for name, text in live_tails():
        title = f"log of {name}"
        if title not in shown:
            report.sections.append((title, text))


@pytest.fixture(scope="session")
def real_cluster():
    """A running cluster with two fake nodes, shared by all tests of the session.

    A test works in a namespace of its own here; one that ends parts of the cluster makes its own.
    """
    with RealCluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def mongo_server():
    """A running MongoDB-wire server, shared; a test that kills it makes its own."""
    with MongoServer() as server:
        yield server
