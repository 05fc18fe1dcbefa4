"""What the example frontend is tried and measured by, with the helpers of its tests."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.database.embedded import embedded_postgres
from app.database.migration import upgrade
from tests.clients.web.site import Site, build, served
from tests.databases import Database, folder_for_postgres

NAME = "web"


@contextmanager
def site() -> Iterator[Site]:
    """Build the app, and serve it on a database of its own; the log would hide the figures."""
    logging.disable(logging.INFO)
    with (
        tempfile.TemporaryDirectory(prefix="todo-web-") as folder,
        folder_for_postgres() as data,
        embedded_postgres(data) as postgres,
    ):
        built = Path(folder) / "web"
        build(built)
        postgres.create_database(NAME)
        upgrade(postgres.superuser_url(NAME))
        with served(built, Database(postgres, NAME), Path(folder) / "said") as served_site:
            yield served_site
