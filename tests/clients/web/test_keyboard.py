"""A day by keyboard alone: no pointer is ever used, and the focus is never lost."""

from playwright.sync_api import Browser, expect

from tests.clients.web.site import Site
from tests.clients.web.window import PATIENCE, Window

POINTERS = """(() => {
  window.pointers = 0;
  for (const type of ["pointerdown", "mousedown", "touchstart"])
    addEventListener(type, () => window.pointers++, true);
})()"""


def test_a_day_without_a_pointer(browser: Browser, site: Site) -> None:
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    context.add_init_script(POINTERS)
    ada = site.person(context, "Ada", "Milk", "Bread", "Eggs")
    window = Window(context, site.url)
    window.has("Milk", "Bread", "Eggs")
    press, write = window.page.keyboard.press, window.page.keyboard.type

    press("n")
    expect(window.field).to_be_focused()
    write("Call Grace tomorrow !1 @phone")
    press("Enter")
    write("Flour")
    press("Enter")
    expect(window.field).to_have_value("")
    press("Escape")
    window.has("Milk", "Bread", "Eggs", "Call Grace", "Flour")

    # The list is one stop of Tab; within it J and K go on.
    window.box("Milk").focus()
    press("x")
    expect(window.box("Milk")).to_be_checked()
    expect(window.focused).to_have_count(1)
    press("ControlOrMeta+z")
    expect(window.box("Milk")).not_to_be_checked()
    window.box("Bread").focus()
    press("e")
    press("ControlOrMeta+a")
    write("Rye bread")
    press("Enter")
    window.box("Rye bread").focus()
    press("2")
    press("Delete")
    expect(window.focused).to_have_count(1)
    window.box("Eggs").focus()
    press("Enter")
    detail = window.page.get_by_role("complementary").filter(has_text="Eggs")
    expect(detail.or_(window.page.get_by_role("dialog"))).to_be_visible(timeout=PATIENCE)
    press("Escape")

    for letter, heading in (("t", "Today"), ("u", "Upcoming"), ("b", "Trash"), ("i", "Inbox")):
        press("g")
        press(letter)
        expect(window.page.get_by_role("heading", name=heading, level=1)).to_be_visible()
    press("/")
    write("gra")
    window.has("Call Grace")
    press("Escape")
    press("?")
    expect(window.page.get_by_role("dialog")).to_contain_text("Complete")
    press("Escape")
    press("ControlOrMeta+k")
    write("upcoming")
    press("Enter")
    expect(window.page.get_by_role("heading", name="Upcoming", level=1)).to_be_visible()
    window.is_saved()

    assert window.page.evaluate("window.pointers") == 0
    tasks = ada.tasks()
    assert set(tasks) == {"Milk", "Eggs", "Call Grace", "Flour"}
    grace = tasks["Call Grace"]
    assert (grace["priority"], grace["labels"]) == ("HIGH", ["phone"])
    assert grace["dueOn"] is not None
    assert window.complaints == []
    context.close()


def test_what_was_done_a_moment_ago_is_taken_back(browser: Browser, site: Site) -> None:
    """Also while it is being written on the device, which takes some milliseconds."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    ada = site.person(context, "Ada", "Milk", "Bread")
    window = Window(context, site.url)
    window.has("Milk", "Bread")
    window.press("Bread", "1")
    window.sees("High")
    window.box("Milk").focus()
    window.page.evaluate("""() => {
        const key = (key, ctrlKey = false) => document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", { key, ctrlKey, bubbles: true, cancelable: true }));
        key("Delete");
        key("z", true);
    }""")
    window.sees("Taken back: Deleted “Milk”")
    window.has("Milk", "Bread")
    window.is_saved()
    ada.wait_for(lambda: ada.tasks()["Bread"]["priority"] == "HIGH", window.page)
    assert ada.tasks()["Bread"]["priority"] == "HIGH"
    assert "Milk" in ada.tasks()
    context.close()
