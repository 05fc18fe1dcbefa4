"""What people are told and asked: what could not be done, what both changed, what is not kept."""

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.clients.web.faults import Changes, reset, status
from tests.clients.web.site import Person, Site
from tests.clients.web.three import DONE, THREE, away, opened
from tests.clients.web.window import Window

pytestmark = pytest.mark.timeout(120)


def test_what_could_not_be_done_is_told_until_it_is_dismissed(
    context: BrowserContext, site: Site, ada: Person
) -> None:
    window = opened(context, site)
    context.set_offline(True)
    window.tick("Bread")
    window.delete("Eggs")
    window.says("Offline, 2 waiting")
    window.close()
    tasks = ada.tasks()
    ada.caller.delete(id=tasks["Bread"]["id"])
    ada.caller.update(id=tasks["Eggs"]["id"], title="Brown eggs")
    context.set_offline(False)
    window = Window(context, site.url)
    window.says("2 could not be done")
    window.page.reload()
    window.page.get_by_role("button", name="2 could not be done").click()
    told = window.page.get_by_role("region", name="Could not be done")
    expect(told.get_by_role("listitem")).to_have_count(2)
    expect(told).to_contain_text("Changed elsewhere to “Brown eggs”. Delete it all the same?")
    told.get_by_role("button", name="Delete it").click()
    told.get_by_role("button", name="Dismiss").click()
    window.is_saved()
    assert ada.state() == {"Milk": False}


def test_a_token_that_is_over_is_renewed(context: BrowserContext, site: Site, ada: Person) -> None:
    window = opened(context, site)

    def expire(route: Route) -> None:
        route.continue_(headers={**route.request.headers, "authorization": "Bearer expired"})

    Changes(context, expire)
    window.add("Flour")
    ada.has(dict.fromkeys((*THREE, "Flour"), False), window.page)
    assert len(window.complaints) == 1
    assert "401" in window.complaints[0]


REFUSED = "indexedDB.open = () => { throw new DOMException('Refused.', 'SecurityError'); };"


def test_a_browser_that_keeps_nothing(context: BrowserContext, site: Site, ada: Person) -> None:
    context.add_init_script(REFUSED)
    window = Window(context, site.url)
    window.has(*THREE)
    window.says("Saved, but not on this device")
    changes = Changes(context, reset, status(503))
    away(window)
    ada.has(DONE, window.page)
    assert len(changes.tries) == 5


def test_different_fields_are_merged_and_the_same_one_is_asked_for(
    context: BrowserContext, site: Site, ada: Person
) -> None:
    window = opened(context, site)
    tasks = ada.tasks()
    context.set_offline(True)
    window.edit("Milk", "Oat milk")
    window.edit("Bread", "Rye bread")
    ada.caller.update(id=tasks["Milk"]["id"], description="Two litres")
    ada.caller.update(id=tasks["Bread"]["id"], title="Spelt bread")
    context.set_offline(False)
    window.says("1 could not be done")
    milk = ada.tasks()["Oat milk"]
    assert milk["description"] == "Two litres"
    window.page.get_by_role("button", name="1 could not be done").click()
    window.page.get_by_role("button", name="Compare").click()
    window.page.get_by_role("button", name="Keep mine").click()
    window.is_saved()
    assert set(ada.state()) == {"Oat milk", "Rye bread", "Eggs"}
    assert window.complaints == []
