"""A window of the app: what somebody does in it, and what it shows."""

import time
from collections.abc import Sequence

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, expect

PATIENCE = 20_000
"""Milliseconds; enough for a busy machine."""

HURRY = """(() => {
  const [wait, limit] = [setTimeout, AbortSignal.timeout];
  window.setTimeout = (act, time = 0, ...rest) => wait(act, time > 700 ? time / 8 : time, ...rest);
  AbortSignal.timeout = (time) => limit.call(AbortSignal, time > 10_000 ? time / 8 : time);
})()"""
"""Has a page wait for an eighth of the time, where it waits for longer than a server may take."""

NOTHING_WAITS = """async () => {
  for (const { name } of await indexedDB.databases()) {
    const opened = indexedDB.open(name);
    const database = await new Promise((done) => (opened.onsuccess = () => done(opened.result)));
    const isQueue = database.objectStoreNames.contains("entries");
    const counted = isQueue && database.transaction("entries").objectStore("entries").count();
    const waiting =
      counted && (await new Promise((done) => (counted.onsuccess = () => done(counted.result))));
    database.close();
    if (waiting) return false;
  }
  return true;
}"""
"""Whether no change waits on the device to be sent, or to be answered."""


class Window:
    def __init__(self, context: BrowserContext, url: str, *, path: str = "") -> None:
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.set_default_timeout(PATIENCE)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)
        self.page.goto(url + path)

    def _hear(self, message: ConsoleMessage) -> None:
        # Chromium writes a line for each answer that is no success, and for each that never came.
        if message.type in ("error", "warning") and "net::ERR" not in message.text:
            self.complaints.append(f"{message.text} ({message.location['url']})")

    @property
    def field(self) -> Locator:
        return self.page.get_by_label("What is to be done?")

    @property
    def rows(self) -> Locator:
        return self.page.locator("[data-task-id]")

    def row(self, title: str) -> Locator:
        return self.rows.filter(has=self.box(title))

    @property
    def focused(self) -> Locator:
        """The row that has the focus."""
        return self.page.locator("[data-task-id]:has(:focus)")

    def box(self, title: str) -> Locator:
        return self.page.get_by_role("checkbox", name=title, exact=True)

    def add(self, *titles: str) -> None:
        for title in titles:
            self.field.fill(title)
            self.field.press("Enter")
            expect(self.field).to_have_value("")

    def tick(self, title: str) -> None:
        self.box(title).click()

    def press(self, title: str, key: str) -> None:
        """Press a key on the row of a task."""
        self.box(title).focus()
        self.page.keyboard.press(key)

    def delete(self, title: str) -> None:
        self.press(title, "Delete")

    def edit(self, title: str, text: str) -> None:
        self.press(title, "e")
        expect(self.page.get_by_role("textbox", name="Title", exact=True)).to_be_focused()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    def go(self, name: str) -> None:
        self.page.get_by_role("navigation").get_by_role("link", name=name).first.click()

    def sees(self, text: str) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=PATIENCE)

    def has(self, *titles: str) -> None:
        """Only these are open, in any order."""
        for title in titles:
            expect(self.box(title)).to_be_visible(timeout=PATIENCE)
        expect(self.page.get_by_role("checkbox", checked=False)).to_have_count(
            len(titles), timeout=PATIENCE
        )

    def says(self, state: str) -> None:
        """The state of the queue is this, in the end."""
        button = self.page.get_by_role("button", name=state)
        expect(button).to_be_visible(timeout=PATIENCE)

    def has_sent_all(self) -> None:
        """Nothing waits on the device, of whomever."""
        # What is sent for a moment only is not told.
        until = time.monotonic() + PATIENCE / 1000
        while not self.page.evaluate(NOTHING_WAITS):
            assert time.monotonic() < until, "something waits to be sent"
            self.page.wait_for_timeout(20)

    def is_saved(self) -> None:
        self.says("All saved")

    def close(self) -> None:
        self.page.close()


def without_failures(complaints: Sequence[str]) -> list[str]:
    """What a page complained of, but for lines of Chromium's about answers that failed."""
    return [line for line in complaints if "Failed to load resource" not in line]
