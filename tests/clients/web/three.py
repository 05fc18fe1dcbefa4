"""Three tasks, and three changes to them that wait to be sent."""

from playwright.sync_api import BrowserContext

from tests.clients.web.site import Site
from tests.clients.web.window import Window

THREE = ("Milk", "Bread", "Eggs")
DONE = {"Milk": False, "Bread": True, "Flour": False}
"""What is there when `change_three` has come to the server."""


def opened(context: BrowserContext, site: Site, *titles: str) -> Window:
    window = Window(context, site.url)
    window.has(*(titles or THREE))
    window.is_saved()
    return window


def change_three(window: Window) -> None:
    window.add("Flour")
    window.tick("Bread")
    window.delete("Eggs")


def away(window: Window) -> None:
    """Change three without a network, and have them written on the device before it is back."""
    window.page.context.set_offline(True)
    change_three(window)
    window.says("Offline, 3 waiting")
    window.page.context.set_offline(False)
