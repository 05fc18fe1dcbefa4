"""What tests share: PostgreSQL, and the server on it."""

from collections.abc import Iterator

import pytest

from tests.api import Server, running_server, settings_for
from tests.counts import Counts, count
from tests.databases import (
    Database,
    data_folder,
    database,
    fresh_database,
    migrated_database,
    postgres,
    template,
)

__all__ = [
    "count",
    "data_folder",
    "database",
    "fresh_database",
    "migrated_database",
    "postgres",
    "template",
]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Counts())


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
