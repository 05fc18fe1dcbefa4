"""The browser is killed while it sends what waited: at no moment is a change lost or doubled."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import BrowserContext, Playwright

from tests.clients.web.site import Person, Site
from tests.clients.web.window import Window

COUNT = 12
"""How many changes wait when the network comes back."""


def launched(playwright: Playwright, profile: Path) -> BrowserContext:
    return playwright.chromium.launch_persistent_context(
        profile, executable_path=shutil.which("chromium"), viewport={"width": 1200, "height": 700}
    )


def kill(profile: Path) -> None:
    """End all of a browser's processes at once, by the profile that they were started with."""
    for process in psutil.process_iter(["cmdline"]):
        if any(str(profile) in word for word in process.info["cmdline"] or []):
            process.kill()


@dataclass(frozen=True)
class Death:
    sent: int
    """How many changes the server had when the browser was gone."""
    wrong: list[str]
    """What the server has in the end, where that is not all of it, once, in order."""


class Victim:
    """A browser's profile in which somebody is signed in, to be copied and killed."""

    def __init__(self, playwright: Playwright, site: Site, folder: Path) -> None:
        self.playwright, self.site, self.folder = playwright, site, folder
        context = launched(playwright, folder / "whole")
        self.person: Person = site.person(context, "Ada", "First")
        window = Window(context, site.url)
        window.has("First")
        window.is_saved()
        self.cookies = context.cookies()
        context.close()

    def opened(self, profile: Path) -> tuple[BrowserContext, Window]:
        context = launched(self.playwright, profile)
        # The newest cookies are lost with the process.
        context.add_cookies(self.cookies)  # type: ignore[arg-type]
        self.person.caller = self.site.caller(context)
        return context, Window(context, self.site.url)

    def die(self, name: str, moment: float) -> Death:
        """Write tasks offline, be killed so many seconds after the network is back, return."""
        profile = self.folder / name
        shutil.copytree(self.folder / "whole", profile)
        titles = [f"{name} {number}" for number in range(COUNT)]
        context, window = self.opened(profile)
        window.field.wait_for()
        window.is_saved()
        context.set_offline(True)
        window.add(*titles)
        window.says(f"Offline, {COUNT} waiting")
        context.set_offline(False)
        time.sleep(moment)
        kill(profile)
        sent = len(self._there(name))
        context, window = self.opened(profile)
        self.person.wait_for(lambda: len(self._there(name)) >= COUNT, window.page)
        window.is_saved()
        context.close()
        shutil.rmtree(profile)
        there = self._there(name)
        self.person.caller.delete_many(ids=[task["id"] for task in there])
        found = [task["title"] for task in there]
        return Death(sent, [] if found == titles else found)

    def _there(self, name: str) -> list[dict[str, Any]]:
        return [task for task in self.person.nodes() if task["title"].startswith(f"{name} ")]
