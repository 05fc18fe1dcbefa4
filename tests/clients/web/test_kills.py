"""A browser that is killed while it sends; `scripts/web/kills.py` does it a hundred times."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.clients.web.kills import Victim
from tests.clients.web.site import Site


@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_no_moment_loses_or_doubles_a_change(site: Site, tmp_path: Path) -> None:
    with sync_playwright() as playwright:
        victim = Victim(playwright, site, tmp_path)
        for moment in (0, 0.15, 0.4):
            assert victim.die(f"after {moment}", moment).wrong == []
