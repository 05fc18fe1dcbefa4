"""What people wrote without a network, or while things fail: on the server once, in order."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, BrowserContext, Route, expect

from tests.api import nonempty
from tests.clients.web.faults import WAYS, Changes, hang, lose_the_answer
from tests.clients.web.site import Person, Site
from tests.clients.web.three import DONE, THREE, away, change_three, opened
from tests.clients.web.window import Window

pytestmark = pytest.mark.timeout(120)

ORDER = ["createTask", "updateTask", "deleteTask"]


def firsts(changes: Changes) -> list[str]:
    """The operations by their first tries; each next one must have waited for the last."""
    keys = [key for key, _ in changes.tries]
    assert keys == sorted(keys, key=keys.index), "one overtook another"
    return list(dict(changes.tries).values())


@pytest.mark.parametrize("half", [0, 1])
def test_changes_whose_first_tries_fail(
    half: int, context: BrowserContext, site: Site, ada: Person
) -> None:
    """In every way, three times each; and then three changes that wait are sent in order."""
    window = opened(context, site)
    state = dict.fromkeys(THREE, False)
    changes = Changes(context)
    for name, way in nonempty(list(WAYS.items())[half::2]):
        gone, ticked, added = (f"{word} by {name}" for word in ("Gone", "Ticked", "Added"))
        for title in (gone, ticked):
            ada.caller.create(title)
        window.box(ticked).wait_for()
        context.set_offline(True)
        window.add(added)
        window.tick(ticked)
        window.delete(gone)
        window.says("Offline, 3 waiting")
        changes.ways, changes.tries = [way] * 3, []
        context.set_offline(False)
        state |= {ticked: True, added: False}
        ada.has(state, window.page)
        window.is_saved()
        assert firsts(changes) == ORDER, name
        assert len(changes.tries) >= 3 + 3, name


def test_every_engine_fails_in_its_own_words(
    context: BrowserContext, site: Site, ada: Person
) -> None:
    """As Safari does while it says that it is online."""
    window = opened(context, site)
    window.page.evaluate("""() => {
        const usual = window.fetch;
        let left = 3;
        window.fetch = (...given) => String(given[0]).endsWith("/graphql") && left-- > 0
            ? Promise.reject(new TypeError("Load failed")) : usual(...given);
    }""")
    change_three(window)
    ada.has(DONE, window.page)
    window.is_saved()


@pytest.mark.parametrize("way", [hang, lose_the_answer], ids=["no answer", "lost answer"])
def test_a_page_closed_while_it_sends(
    way: Callable[[Route], None], context: BrowserContext, site: Site, ada: Person
) -> None:
    window = opened(context, site)
    changes = Changes(context, way, hang)
    away(window)
    while not changes.tries:
        window.page.wait_for_timeout(10)
    window.close()
    window = opened(context, site, "Milk", "Flour")
    ada.has(DONE, window.page)


def test_two_windows_without_a_network(context: BrowserContext, site: Site, ada: Person) -> None:
    one, other = opened(context, site), opened(context, site)
    context.set_offline(True)
    one.add("Flour")
    other.has("Flour", *THREE)
    other.tick("Bread")
    other.delete("Eggs")
    one.has("Flour", "Milk")
    one.close()
    other.close()
    context.set_offline(False)
    window = opened(context, site, "Flour", "Milk")
    ada.has(DONE, window.page)


def test_the_window_that_sends_is_closed(context: BrowserContext, site: Site, ada: Person) -> None:
    one, other = opened(context, site), opened(context, site)
    context.set_offline(True)
    one.add("Flour")
    other.tick("Bread")
    one.delete("Eggs")
    other.has("Flour", "Milk")
    one.close()
    context.set_offline(False)
    ada.has(DONE, other.page)
    other.is_saved()


def test_what_is_new_can_be_ticked_edited_and_deleted(
    context: BrowserContext, site: Site, ada: Person
) -> None:
    window = opened(context, site)
    context.set_offline(True)
    window.add("Flour", "Yeast", "Salt")
    window.tick("Flour")
    window.edit("Yeast", "Dry yeast")
    window.delete("Salt")
    window.edit("Milk", "Oat milk")
    window.has("Oat milk", "Bread", "Eggs", "Dry yeast")
    window.says("waiting")
    window.page.reload()
    window.has("Oat milk", "Bread", "Eggs", "Dry yeast")
    window.close()
    context.set_offline(False)
    window = opened(context, site, "Oat milk", "Bread", "Eggs", "Dry yeast")
    expected = dict.fromkeys(("Oat milk", "Bread", "Eggs", "Dry yeast"), False)
    ada.has({**expected, "Flour": True}, window.page)


def test_signing_out_asks_while_changes_wait(
    context: BrowserContext, site: Site, ada: Person
) -> None:
    window = opened(context, site)
    context.set_offline(True)
    window.add("Flour")
    window.says("Offline, 1 waiting")
    window.page.get_by_role("button", name="Account of Ada").click()
    window.page.get_by_role("button", name="Sign out").click()
    window.sees("1 change is not sent yet")
    window.page.get_by_role("button", name="Stay").click()
    context.set_offline(False)
    window.is_saved()
    assert "Flour" in ada.state()


def test_a_phone_says_it_in_few_words(browser: Browser, site: Site) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 640}, has_touch=True)
    long = "Book a room for the workshop in March, for twelve people and a projector"
    site.person(context, "Ada", long)
    window = Window(context, site.url)
    window.box(long).wait_for()
    context.set_offline(True)
    window.add("Flour")
    window.says("1 waiting")
    boxes = {
        name: locator.bounding_box() or {"width": 0, "height": 0}
        for name, locator in {
            "bar": window.page.get_by_role("banner"),
            "title": window.page.get_by_role("link", name=long),
        }.items()
    }
    assert boxes["bar"]["height"] <= 72
    assert boxes["title"]["width"] >= 260
    assert window.page.evaluate("document.documentElement.scrollWidth") == 360
    context.close()


def test_titles_are_entered_faster_than_the_server_answers(
    context: BrowserContext, site: Site, ada: Person
) -> None:
    window = opened(context, site)

    def slow(route: Route) -> None:
        window.page.wait_for_timeout(700)
        route.fallback()

    Changes(context, *[slow] * 3)
    window.field.focus()
    for title in ("One", "Two", "Three"):
        window.page.keyboard.type(title)
        window.page.keyboard.press("Enter")
        expect(window.field).to_have_value("")
    window.has(*THREE, "One", "Two", "Three")
    ada.has(dict.fromkeys((*THREE, "One", "Two", "Three"), False), window.page)
    assert list(ada.state())[3:] == ["One", "Two", "Three"]


def test_it_opens_without_a_network(context: BrowserContext, site: Site, ada: Person) -> None:
    window = opened(context, site)
    window.page.wait_for_function("navigator.serviceWorker.ready")
    window.page.wait_for_function("async () => (await caches.keys()).length > 0")
    context.set_offline(True)
    window.add("Flour")
    window.page.reload()
    window.has(*THREE, "Flour")
    window.says("Offline")
    window.tick("Bread")
    # What is seen is written on the device; before, a page that is left takes the act along.
    window.has("Milk", "Eggs", "Flour")
    window.page.reload()
    window.has("Milk", "Eggs", "Flour")
    context.set_offline(False)
    ada.has({"Milk": False, "Bread": True, "Eggs": False, "Flour": False}, window.page)


def test_an_auth_server_that_is_away_signs_nobody_out(
    context: BrowserContext, site: Site, ada: Person
) -> None:
    opened(context, site).close()
    context.route("**/api/auth/**", lambda route: route.abort())
    window = Window(context, site.url)
    window.has(*THREE)
    window.add("Flour")
    context.unroute("**/api/auth/**")
    ada.has(dict.fromkeys((*THREE, "Flour"), False), window.page)
