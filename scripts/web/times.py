"""Measure how soon the app shows something: the first visit, a reload offline, and an act.

    uv run python -m scripts.web.times --tasks 10000

Nothing is asserted: a busy machine is slow. Times are milliseconds.
"""

import argparse
import gzip
import re
import shutil
import statistics
from collections.abc import Callable

import httpx2
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from scripts.web import site
from tests.clients.web.site import Person, Site
from tests.clients.web.window import Window

WIRE = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 90_000}
"""1.6 Mbit/s and 150 ms."""

PAINTED = """() => new Promise((resolve) => new PerformanceObserver((list) =>
  resolve(list.getEntries().at(-1).startTime)).observe({ type: "paint", buffered: true }))"""
SHOWN = """(() => {
  const shown = () => document.querySelector("[data-task-id]");
  new MutationObserver((_, observer) => {
    if (!shown()) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => (window.shownAt = performance.now())));
  }).observe(document, { childList: true, subtree: true });
})()"""
"""Notes when the first task is in the picture."""
PICTURED = """() => {
  window.pictures = [];
  let at = 0;
  addEventListener("keydown", ({ timeStamp }) => (at = timeStamp), true);
  new MutationObserver(() => {
    if (!at) return;
    const began = at;
    at = 0;
    requestAnimationFrame(() => setTimeout(() => window.pictures.push(performance.now() - began)));
  }).observe(document, { childList: true, subtree: true, attributes: true, characterData: true });
}"""
"""Notes how long it takes from a key to the picture of what it changed."""


def slow(page: Page) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", WIRE)


def first_paint(context: BrowserContext, url: str) -> float:
    page = context.new_page()
    slow(page)
    page.goto(url)
    painted: float = page.evaluate(PAINTED)
    page.close()
    return painted


def first_list(context: BrowserContext, url: str) -> float:
    page = context.new_page()
    page.add_init_script(SHOWN)
    slow(page)
    page.goto(url)
    shown: float = page.wait_for_function("window.shownAt").json_value()
    page.close()
    return shown


def reload_offline(context: BrowserContext, url: str) -> float:
    window = Window(context, url)
    window.page.wait_for_function("async () => (await caches.keys()).length > 0")
    window.rows.first.wait_for()
    window.page.wait_for_timeout(2000)
    context.set_offline(True)
    window.page.add_init_script(SHOWN)
    window.page.reload()
    shown: float = window.page.wait_for_function("window.shownAt").json_value()
    context.set_offline(False)
    window.close()
    return shown


def acts(context: BrowserContext, url: str) -> dict[str, list[float]]:
    """Press keys in a list; return each key's times to the picture."""
    window = Window(context, url)
    window.rows.first.wait_for(timeout=120_000)
    window.page.wait_for_timeout(3000)
    window.page.evaluate(PICTURED)
    found: dict[str, list[float]] = {}
    window.rows.first.get_by_role("checkbox").focus()
    for name, keys in {"next": "jjjjjj", "complete": "xjxjx", "priority": "121"}.items():
        for key in keys:
            window.page.evaluate("window.pictures = []")
            window.page.keyboard.press(key)
            times = window.page.wait_for_function("window.pictures[0]").json_value()
            found.setdefault(name, []).append(times)
            window.page.wait_for_timeout(200)
    window.page.get_by_role("searchbox").click()
    for letter in "task 77":
        window.page.evaluate("window.pictures = []")
        window.page.keyboard.press(letter if letter != " " else "Space")
        times = window.page.wait_for_function("window.pictures[0] ?? 0.001").json_value()
        found.setdefault("search", []).append(times)
        window.page.wait_for_timeout(300)
    window.close()
    return found


def scripts_of(url: str) -> int:
    """Bytes of gzip of what the page begins with."""
    names = re.findall(r'(?:src|href)="([^"]+\.js)"', httpx2.get(url).text)
    return sum(len(gzip.compress(httpx2.get(url + name).content, 9)) for name in names)


def median(times: int, measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(times))


def person_with(served: Site, browser: Browser, tasks: int) -> tuple[BrowserContext, Person]:
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    person = served.person(context, "Ada")
    for first in range(0, tasks, 100):
        batch = [{"title": f"Task {first + number}"} for number in range(min(100, tasks - first))]
        person.caller.create_many(*batch)
    return context, person


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    with site() as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))

        def fresh() -> BrowserContext:
            return browser.new_context(service_workers="block")

        def signed_in() -> BrowserContext:
            context = fresh()
            served.person(context, "Ada", "Milk", "Bread")
            return context

        url = served.url
        print(f"first script: {scripts_of(url):,} bytes of gzip")
        stranger = median(given.times, lambda: first_paint(fresh(), url))
        print(f"first paint at 1.6 Mbit/s and 150 ms, nobody signed in: {stranger:.0f}")
        visitor = median(given.times, lambda: first_list(signed_in(), url))
        print(f"first list at 1.6 Mbit/s and 150 ms, signed in, nothing kept: {visitor:.0f}")
        context, _ = person_with(served, browser, 50)
        offline = median(given.times, lambda: reload_offline(context, url))
        print(f"list after a reload offline, 50 tasks: {offline:.0f}")
        context, _ = person_with(served, browser, given.tasks)
        first_list(context, url)
        for name, times in acts(context, url).items():
            print(
                f"{name}, {given.tasks:,} tasks: {statistics.median(times):.0f}"
                f" ({min(times):.0f} to {max(times):.0f})"
            )
        offline = median(given.times, lambda: reload_offline(context, url))
        print(f"list after a reload offline, {given.tasks:,} tasks: {offline:.0f}")


if __name__ == "__main__":
    main()
