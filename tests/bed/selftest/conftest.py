"""Takes the bed's fixtures and its reports of failures."""

from ..plugin import mongo_server, pytest_runtest_makereport, real_cluster

__all__ = ["mongo_server", "pytest_runtest_makereport", "real_cluster"]
