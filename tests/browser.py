"""What tests in a real browser need: Debian's Chromium, GraphiQL's files, and an open server."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from app.graphiql.files import FilesUnavailable, fetch
from app.graphiql.packing import pack_by_brotli
from app.settings import Settings
from tests.api import SECRET, Server, running_server


@pytest.fixture(scope="session")
def graphiql_folder() -> Path:
    """GraphiQL's files, by the real npm, and packed by the real Node.js."""
    try:
        folder = asyncio.run(fetch())
    except FilesUnavailable as error:
        pytest.skip(f"needs npm, and once its registry: {error}")
    asyncio.run(pack_by_brotli(folder))
    return folder


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Chromium. Not for more than a test: Playwright's loop would be in the way of other tests'."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def development_server() -> Iterator[Server]:
    """The server with nothing configured, on an embedded database of its own."""
    folder = Path(tempfile.mkdtemp(prefix="todo-api-"))
    settings = Settings(
        _env_file=None, database_url=None, better_auth_secret=SECRET, data_dir=folder
    )
    try:
        with running_server(settings) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)
