"""Who comes: an account, signing in and out, and two people who share a browser."""

import pytest
from playwright.sync_api import Browser

from tests.clients.web.site import Site, enter
from tests.clients.web.window import Window

pytestmark = pytest.mark.timeout(120)


def sign_out(window: Window, name: str) -> None:
    window.page.get_by_role("button", name=f"Account of {name}").click()
    window.page.get_by_role("button", name="Sign out").click()


def test_two_people_share_a_browser(browser: Browser, site: Site) -> None:
    context = browser.new_context()
    window = Window(context, site.url)
    enter(window.page, name="Ada", email="ada@example.com")
    window.add("Milk")
    window.is_saved()
    sign_out(window, "Ada")
    enter(window.page, name="Grace", email="grace@example.com")
    window.add("Compiler")
    window.has("Compiler")
    window.is_saved()
    sign_out(window, "Grace")
    window.page.get_by_role("heading", name="Sign in").wait_for()
    left = window.page.evaluate(
        "async () => [(await indexedDB.databases()).map(({ name }) => name), { ...localStorage }]"
    )
    assert "Compiler" not in str(left)
    assert "grace" not in str(left)
    enter(window.page, email="ada@example.com")
    window.has("Milk")
    assert window.complaints == []
    context.close()
