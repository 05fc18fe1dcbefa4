"""What tests share: PostgreSQL, and the server on it."""

import os
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from tests.api import Server, running_server, settings_for
from tests.browser import browser, development_server, graphiql_folder
from tests.counts import Counts, count
from tests.databases import (
    Database,
    data_folder,
    database,
    finished_database,
    fresh_database,
    migrated_database,
    postgres,
    template,
)

__all__ = [
    "browser",
    "count",
    "data_folder",
    "database",
    "development_server",
    "finished_database",
    "fresh_database",
    "graphiql_folder",
    "migrated_database",
    "postgres",
    "template",
]


MAY_BE_SKIPPED = {
    "needs PgBouncer 1.21 or newer, named by PGBOUNCER": "Debian 12 has 1.18",
    "needs a cluster of Citus, named by TEST_DATABASE_URL": "Citus is in no package of Debian",
    "needs Node: npm ci --prefix examples/nextjs": "half a gigabyte for one look at types",
    "py-spy may not look at this process": "a container may forbid it to trace others",
}
"""The tests that `.ci/run` may skip: what they say, and why no installation helps."""

settings.register_profile("usual", max_examples=60, deadline=None, derandomize=True)
settings.register_profile("long", max_examples=3000, deadline=None, print_blob=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="Try far more inputs, and random ones.")


def pytest_xdist_auto_num_workers() -> int:
    """Have two workers for each processor, since tests wait for as long as they compute."""
    return 2 * (os.cpu_count() or 1)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Counts())
    settings.load_profile("long" if config.getoption("--long") else "usual")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        for item in items:
            item.add_marker(pytest.mark.timeout(3600))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where `CI` is true, let a test fail that is skipped, for nobody would notice."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and isinstance(report.longrepr, tuple):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        if reason not in MAY_BE_SKIPPED:
            report.outcome = "failed"
            report.longrepr = f"In CI no test may be skipped: {reason}"
    return report


@pytest.fixture(scope="session")
def long(request: pytest.FixtureRequest) -> bool:
    """Whether far more is to be tried."""
    return bool(request.config.getoption("--long"))


@pytest.fixture(scope="session")
def server(database: Database) -> Iterator[Server]:
    """The application, as in production, for all tests of a worker: each makes its own users."""
    settings = settings_for(database.server_url, migration_database_url=database.superuser_url)
    with running_server(settings) as running:
        yield running


@pytest.fixture(scope="session")
def graphiql_server(database: Database) -> Iterator[Server]:
    """The application with GraphiQL on."""
    with running_server(settings_for(database.server_url, graphiql=True)) as running:
        yield running
