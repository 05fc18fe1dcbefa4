"""The server that assistants talk to."""

from collections.abc import Iterator

import pytest

from tests.api import Server, running_server, settings_for
from tests.databases import Database


@pytest.fixture(scope="module")
def door(database: Database) -> Iterator[Server]:
    """The application with assistants served."""
    with running_server(settings_for(database.server_url, mcp=True)) as running:
        yield running
