"""The screens beside the list: the open task, its conflicts, late parts, what is taken along."""

import json
from collections.abc import Iterator
from datetime import UTC, date
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, expect

from app.exchange.items import Options
from app.exchange.own import read
from tests.clients.web.site import PASSWORD, Person, Site
from tests.clients.web.window import Window

pytestmark = pytest.mark.timeout(120)

RULE = "query($id: ID!) { task(id: $id) { dueOn recurrence { rrule } } }"


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1360, "height": 800})
    yield context
    context.close()


@pytest.fixture
def ada(context: BrowserContext, site: Site) -> Person:
    return site.person(context, "Ada", "Milk", "Bread")


def opened(context: BrowserContext, site: Site) -> Window:
    window = Window(context, site.url)
    window.has("Milk", "Bread")
    window.is_saved()
    return window


def notes_of(window: Window, title: str) -> Locator:
    window.page.get_by_role("link", name=title, exact=True).click()
    return window.page.get_by_role("textbox", name="Notes")


def test_an_edit_is_kept_on_leaving_the_field_and_dropped_by_escape(
    context: BrowserContext, site: Site, ada: Person
) -> None:
    window = opened(context, site)
    notes_of(window, "Milk").fill("Two litres")
    window.page.get_by_role("textbox", name="Title").click()
    window.is_saved()
    ada.wait_for(lambda: ada.tasks()["Milk"]["description"] == "Two litres", window.page)
    window.page.get_by_role("textbox", name="Notes").fill("Three litres")
    window.page.keyboard.press("Escape")
    expect(window.page.get_by_role("complementary")).to_have_count(0)
    expect(notes_of(window, "Milk")).to_have_value("Two litres")
    assert ada.tasks()["Milk"]["description"] == "Two litres"


def test_notes_of_both_are_kept(context: BrowserContext, site: Site, ada: Person) -> None:
    window = opened(context, site)
    notes = notes_of(window, "Milk")
    context.set_offline(True)
    notes.fill("Mine")
    window.page.keyboard.press("ControlOrMeta+Enter")
    ada.caller.update(id=ada.tasks()["Milk"]["id"], description="Theirs", priority="HIGH")
    context.set_offline(False)
    window.page.get_by_role("button", name="Keep both").click()
    window.is_saved()
    ada.wait_for(lambda: ada.tasks()["Milk"]["description"] == "Theirs\n\nMine", window.page)
    assert ada.tasks()["Milk"]["description"] == "Theirs\n\nMine"
    assert ada.tasks()["Milk"]["priority"] == "HIGH"


def test_a_task_that_is_deleted_elsewhere_while_it_is_open(
    context: BrowserContext, site: Site, ada: Person
) -> None:
    window = opened(context, site)
    notes = notes_of(window, "Milk")
    ada.caller.delete(id=ada.tasks()["Milk"]["id"])
    window.sees("It is in the trash.")
    expect(notes).to_be_disabled()
    window.page.get_by_role("button", name="Restore").click()
    expect(notes).to_be_enabled()
    ada.has({"Milk": False, "Bread": False}, window.page)


def test_a_rule_is_made_and_ended(context: BrowserContext, site: Site, ada: Person) -> None:
    window = opened(context, site)
    notes_of(window, "Milk")
    id = ada.tasks()["Milk"]["id"]
    repeats = window.page.get_by_role("button", name="Repeats")
    repeats.click()
    rule = window.page.get_by_role("form", name="How it repeats")
    rule.get_by_label("Unit").select_option("MONTH")
    rule.get_by_role("combobox", name="On", exact=True).select_option("day")
    rule.get_by_role("spinbutton", name="Day of the month").fill("31")
    rule.get_by_role("button", name="Save").click()
    expect(repeats).to_have_text("Every month on the last day")
    window.is_saved()
    ada.wait_for(
        lambda: ada.caller.data(RULE, id=id)["task"]["recurrence"] is not None, window.page
    )
    task = ada.caller.data(RULE, id=id)["task"]
    assert task["recurrence"] == {"rrule": "FREQ=MONTHLY;BYMONTHDAY=-1"}
    repeats.click()
    rule.get_by_role("button", name="Does not repeat").click()
    expect(repeats).to_have_text("Does not repeat")
    ada.wait_for(lambda: ada.caller.data(RULE, id=id)["task"]["recurrence"] is None, window.page)
    assert ada.caller.data(RULE, id=id)["task"]["recurrence"] is None


def test_who_signs_in_after_another_sees_nothing_of_theirs(
    browser: Browser, context: BrowserContext, site: Site, ada: Person
) -> None:
    other = browser.new_context()
    grace = site.person(other, "Grace", "Compiler")
    other.close()
    window = opened(context, site)
    context.clear_cookies()
    window.page.goto(f"{site.url}/#/search?words=milk")
    window.page.reload()
    window.press("Milk", "Delete")
    window.page.get_by_role("button", name="Sign in again").click()
    window.page.get_by_label("E-mail").fill(grace.email)
    window.page.get_by_label("Password").fill(PASSWORD)
    window.page.keyboard.press("Enter")
    window.has("Compiler")
    assert "milk" not in window.page.content().lower()
    assert "milk" not in window.page.url
    window.page.keyboard.press("ControlOrMeta+z")
    window.is_saved()
    assert grace.state() == {"Compiler": False}
    assert ada.state() == {"Milk": False, "Bread": False}


def test_a_part_that_could_not_be_loaded_is_loaded_again(browser: Browser, site: Site) -> None:
    context = browser.new_context(service_workers="block")
    site.person(context, "Ada", "Milk", "Bread")
    context.route("**/assets/parts-*", lambda route: route.abort())
    window = opened(context, site)
    window.page.get_by_role("link", name="Milk", exact=True).click()
    window.sees("A part of the page could not be loaded.")
    window.has("Milk", "Bread")
    context.unroute("**/assets/parts-*")
    expect(window.page.get_by_role("textbox", name="Notes")).to_be_visible(timeout=10_000)
    context.close()


def test_a_task_is_dragged_onto_a_list(context: BrowserContext, site: Site, ada: Person) -> None:
    ada.caller.data('mutation { createList(input: {name: "Home"}) { __typename } }')
    window = opened(context, site)
    home = window.page.get_by_role("navigation").get_by_role("link", name="Home")
    # What drags is loaded last of all.
    window.page.locator(".drop-line").wait_for(state="attached")
    row, list_ = window.row("Milk").bounding_box(), home.bounding_box()
    assert row is not None
    assert list_ is not None
    mouse = window.page.mouse
    mouse.move(row["x"] + row["width"] / 2, row["y"] + row["height"] / 2)
    mouse.down()
    mouse.move(list_["x"] + 60, list_["y"] + list_["height"] / 2, steps=10)
    expect(window.page.locator(".drop-here")).to_be_visible()
    mouse.up()
    ada.wait_for(lambda: ada.tasks()["Milk"]["list"] is not None, window.page)
    assert ada.tasks()["Milk"]["list"] == {"name": "Home"}
    assert ada.tasks()["Bread"]["list"] is None
    window.page.get_by_role("button", name="Undo").click()
    ada.wait_for(lambda: ada.tasks()["Milk"]["list"] is None, window.page)
    assert ada.tasks()["Milk"]["list"] is None


def test_everything_is_downloaded_as_the_server_reads_it(
    context: BrowserContext, site: Site, ada: Person, tmp_path: Path
) -> None:
    weekly = {"rule": {"unit": "WEEK", "weekdays": ["THURSDAY", "MONDAY"]}}
    ada.caller.create("Plants", dueOn="2026-12-03", dueTime="09:30", recurrence=weekly)
    ada.caller.create("Oats", parentId=ada.tasks()["Milk"]["id"], labels=["breakfast"])
    ada.caller.delete(id=ada.tasks()["Bread"]["id"])
    window = Window(context, site.url)
    window.has("Milk", "Plants", "Oats")
    window.is_saved()
    window.page.get_by_role("button", name="Account of Ada").click()
    with window.page.expect_download() as download:
        window.page.get_by_role("button", name="Download everything").click()
    file = tmp_path / "everything.json"
    download.value.save_as(file)
    assert json.loads(file.read_text())["format"] == "todo-api"
    items = {
        item.title: item for item in read(file.read_bytes(), Options(UTC, date(2026, 11, 30))).items
    }
    assert set(items) == {"Milk", "Plants", "Oats", "Bread"}
    assert items["Oats"].parent == items["Milk"].key
    assert [*items["Oats"].labels] == ["breakfast"]
    assert items["Bread"].deleted_at is not None
    assert items["Plants"].rule is not None
    assert [*items["Plants"].rule["weekdays"]] == [1, 4]
