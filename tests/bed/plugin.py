"""The test bed for pytest: fixtures, the logs of its programs under a failed test, and the frames
that a test received, held against the contract.

pyproject.toml loads it for every run.
"""

import os
import re

import pytest

from . import sse
from .cluster import RealCluster
from .frames import Collector
from .mongo import MongoServer
from .process import forget_ended, save_logs
from .sluice import REPO

SHOWN_LINES = 60


def _directory_of(nodeid):
    """Where the logs of a failed test go: SLUICE_REPORTS (default build/reports/logs)/TEST."""
    base = os.environ.get("SLUICE_REPORTS", os.path.join(REPO, "build", "reports", "logs"))
    return os.path.join(base, re.sub(r"[^\w.-]+", "_", nodeid.rpartition("/")[2])[:150])


def pytest_configure(config):
    """Frames are noted from the first fixture on."""
    sse.collector = Collector()


def _judged():
    """A part of a test, else good, fails by a frame that breaks the contract (frames.py).

    Of one that failed the frames are forgotten: one reason is enough, and what comes next is not
    to be blamed for them.
    """
    try:
        result = yield
    except BaseException:
        sse.collector.forget()
        raise
    sse.collector.judge()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item):
    """The logs of the test before are of no use any more."""
    forget_ended()
    return (yield from _judged())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """The test itself."""
    return (yield from _judged())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item):
    """Its fixtures, and those of its module and session if it was the last."""
    return (yield from _judged())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Saves the logs of the bed's programs, and shows the ends of those under test.

    Of the others (control plane, MongoDB) only the files are named: hundreds of their lines would
    push the assertion out of sight.
    """
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    saved = save_logs(_directory_of(item.nodeid))
    for process, path in saved:
        if not process.quiet:
            report.sections.append((f"{process.name}: {path}", process.tail(SHOWN_LINES)))
    quiet = [path for process, path in saved if process.quiet]
    if quiet:
        report.sections.append(("logs not shown here", "\n".join(quiet)))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Where tests run side by side, those that share a costly part run in one process.

    Else every process would start a control plane, or a MongoDB-wire server, of its own. A test
    that takes both goes where the costlier one is.
    """
    for item in items:
        for shared in ("real_cluster", "mongo_server"):
            if shared in item.fixturenames:
                item.add_marker(pytest.mark.xdist_group(shared))
                break  # two marks would be a third group


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
