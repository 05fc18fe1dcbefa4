"""The built app, served for all tests of a worker."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.web.site import Site, build, missing, served
from tests.databases import Database


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built app: made once a run."""
    if missing():
        pytest.skip("needs Node: npm ci --prefix examples/web")
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    build(shared / "web")
    return shared / "web"


@pytest.fixture(scope="session")
def site(
    built: Path, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    with served(built, database, tmp_path_factory.mktemp("site") / "said") as site:
        yield site
