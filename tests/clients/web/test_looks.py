"""Every state of the app: axe finds nothing in light, dark, and on a phone; README's pictures.

With `PICTURES=docs` the pictures that the README shows are made anew.
"""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.clients.web.looks import AXE, STATES, furnish, violations
from tests.clients.web.site import Site
from tests.clients.web.window import Window
from tests.counts import Count

PICTURES = os.environ.get("PICTURES")
NAMES = {
    ("desktop", "inbox"): "web.png",
    ("desktop", "conflict"): "web-conflict.png",
    ("phone", "today"): "web-phone.png",
    ("phone", "waiting"): "web-waiting.png",
}
DEVICES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1200, "height": 700}, "color_scheme": "light"},
    "phone": {
        "viewport": {"width": 390, "height": 700},
        "color_scheme": "dark",
        "has_touch": True,
        "is_mobile": True,
        "device_scale_factor": 2,
    },
}

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not AXE.exists(), reason="needs axe: npm ci --prefix tests/clients"),
]


@pytest.mark.parametrize("device", DEVICES)
def test_axe_finds_nothing(browser: Browser, site: Site, count: Count, device: str) -> None:
    context = browser.new_context(**DEVICES[device])
    found: dict[str, list[str]] = {}

    def look(window: Window, state: str) -> None:
        found[state] = violations(window.page)
        if device == "desktop":
            # The other colours have the same elements.
            window.page.emulate_media(color_scheme="dark")
            found[f"{state}, dark"] = violations(window.page, "color-contrast")
            window.page.emulate_media(color_scheme="light")
        if PICTURES and (device, state) in NAMES:
            window.page.wait_for_timeout(300)
            window.page.screenshot(path=Path(PICTURES) / NAMES[device, state])

    stranger = Window(context, site.url)
    stranger.page.get_by_label("E-mail").wait_for()
    look(stranger, "sign in")
    stranger.page.get_by_role("button", name="I am new here").click()
    look(stranger, "sign up")
    stranger.close()
    ada = site.person(context, "Ada")
    window = Window(context, site.url)
    window.field.wait_for()
    look(window, "empty")
    furnish(ada)
    window.box("Eggs").wait_for()
    for state, come_to in STATES.items():
        come_to(window, ada)
        look(window, state)
    assert window.complaints == []
    context.close()
    count("states of the app that axe has looked at", len(found))
    assert {state: rules for state, rules in found.items() if rules} == {}
