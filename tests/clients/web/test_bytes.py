"""What the first visit costs: bytes, and nobody else is asked."""

import gzip
import re
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext

from tests.clients.web.site import Site
from tests.clients.web.window import Window
from tests.counts import Count

SCRIPT = 100_000
"""Bytes of gzip that the script of who is signed in may have, before anything is opened."""


def first_scripts(built: Path) -> list[Path]:
    page = (built / "index.html").read_text()
    return [built / name.lstrip("/") for name in re.findall(r'(?:src|href)="([^"]+\.js)"', page)]


def test_the_first_script_is_small(built: Path, count: Count) -> None:
    scripts = first_scripts(built)
    assert scripts
    size = sum(len(gzip.compress(script.read_bytes(), 9)) for script in scripts)
    count("bytes of the app's first script in gzip", size)
    assert size <= SCRIPT


def test_no_other_host_is_asked(browser: Browser, site: Site) -> None:
    context: BrowserContext = browser.new_context()
    asked: set[str] = set()
    context.on("request", lambda request: asked.add(request.url.split("/")[2]))
    site.person(context, "Ada", "Milk")
    window = Window(context, site.url)
    window.has("Milk")
    window.is_saved()
    context.close()
    own = {site.url.split("/")[2], site.server.url.split("/")[2]}
    assert asked <= own
