"""Visits to GraphiQL's page in a real browser."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.api import Server

PATIENCE = 30_000
"""Milliseconds; enough for a busy machine."""

TOKEN_NOW = """
    monaco.editor.getModels()
        .find(({ uri }) => uri.path.endsWith("request-headers.json"))
        .getValue().match(/Bearer ([^"]*)/)[1]
"""
"""The token in the Headers pane, in the browser."""

Open = Callable[..., "Visit"]


class Visit:
    """A page that somebody looks at, and all that it has asked for and complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("websocket", lambda socket: self.asked.append(socket.url))

    def _hear(self, message: object) -> None:
        kind, text = getattr(message, "type", ""), getattr(message, "text", "")
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def origins(self) -> set[str]:
        urls = [url for url in self.asked if not url.startswith(("data:", "blob:"))]
        return {"/".join(url.replace("ws://", "http://").split("/")[:3]) for url in urls}

    def show(self, tab: str) -> None:
        self.page.locator(".graphiql-tab-button", has_text=tab).click()

    def open(self, panel: str) -> Locator:
        """Open a panel of the bar, and return it."""
        self.page.locator(".bar").get_by_role("button", name=panel, exact=True).click()
        opened = self.page.locator(".panel:popover-open")
        opened.wait_for()
        return opened

    def example(self, intent: str) -> None:
        tabs = self.page.locator(".graphiql-tab")
        before = tabs.count()
        self.open("Examples").get_by_role("button", name=intent, exact=True).click()
        expect(tabs).to_have_count(before + 1)

    def run(self) -> None:
        # GraphiQL reads its editors 100 ms after they change; a page's timers keep their order.
        self.page.evaluate("new Promise(done => setTimeout(done, 200))")
        self.page.locator(".graphiql-execute-button").click()

    def write(self, pane: str, text: str) -> None:
        if pane == "Headers":
            self.page.get_by_role("button", name="Headers", exact=True).click()
        section = self.page.get_by_role("region", name=pane)
        section.locator(".view-lines:visible").click()
        self.page.keyboard.press("ControlOrMeta+A")
        self.page.keyboard.insert_text(text)
        # What the editor has closed of itself.
        self.page.keyboard.press("ControlOrMeta+Shift+End")
        self.page.keyboard.press("Delete")

    def sees(self, text: str, *, within: str = ".graphiql-response") -> None:
        expect(self.page.locator(within)).to_contain_text(text, timeout=PATIENCE)


@pytest.fixture
def open_graphiql(browser: Browser) -> Iterator[Open]:
    contexts = []

    def open_page(
        server: Server, *, width: int = 1400, prepare: Callable[[Page], object] = id
    ) -> Visit:
        context = browser.new_context(viewport={"width": width, "height": 1000})
        contexts.append(context)
        visit = Visit(context.new_page())
        prepare(visit.page)
        visit.page.goto(f"{server.url}/graphql")
        visit.page.locator(".graphiql-execute-button").wait_for()
        return visit

    yield open_page
    for context in contexts:
        context.close()
