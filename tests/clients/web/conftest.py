"""The built app, served for all tests of a worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.clients.building import once
from tests.clients.web.site import Person, Site, build, missing, served
from tests.clients.web.three import THREE
from tests.clients.web.window import HURRY
from tests.databases import Database


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built app."""
    if missing():
        pytest.skip("needs Node: npm ci --prefix examples/web")
    return once(tmp_path_factory, "web", build)


@pytest.fixture(scope="session")
def site(
    built: Path, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    with served(built, database, tmp_path_factory.mktemp("site") / "said") as site:
        yield site


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser of somebody, in which nothing waits for long."""
    context = browser.new_context(viewport={"width": 1200, "height": 700})
    context.add_init_script(HURRY)
    yield context
    context.close()


@pytest.fixture
def ada(context: BrowserContext, site: Site) -> Person:
    """Somebody who is signed in there, and has three tasks."""
    return site.person(context, "Ada", *THREE)
