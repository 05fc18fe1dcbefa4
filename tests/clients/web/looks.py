"""The states of the app that are looked at: how to come to each, from a page that has tasks."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from playwright.sync_api import Page

from tests.clients.web.site import Person
from tests.clients.web.window import Window
from tests.repository import ROOT

AXE = ROOT / "tests" / "clients" / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async (rules) => {
  const { violations } = await axe.run(rules ? { runOnly: rules } : {});
  return violations.map(({ id, nodes }) =>
    `${id}: ` + nodes.map(({ html, any }) => html.slice(0, 160) + any[0]?.message).join(" | "));
}"""

CALM = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  const ends = ({ playState, effect }) =>
    playState === "running" && effect.getTiming().iterations !== Infinity;
  for (;;) {
    // What changes the style in this frame begins to fade in the next.
    await frame();
    await frame();
    const running = document.getAnimations().filter(ends);
    if (!running.length) return;
    await Promise.allSettled(running.map((each) => each.finished));
  }
}"""
"""Waits until nothing fades in: it has no contrast before."""


def violations(page: Page, *rules: str) -> list[str]:
    """What axe finds by these rules, or by all: rules and the elements that break them."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE.read_text())
    page.evaluate(CALM)
    found: list[str] = page.evaluate(RUN, list(rules) or None)
    return found


def furnish(person: Person) -> None:
    """A household: lists, days, labels, priorities, subtasks, something done, something deleted."""
    caller = person.caller
    today = datetime.now().astimezone().date()

    def day(days: int) -> str:
        return (today + timedelta(days)).isoformat()

    home, work, trip = (
        caller.create_list(name)["id"] for name in ("Home", "Work", "Trip to Lisbon")
    )
    tasks: list[dict[str, Any]] = [
        {"title": "Call the dentist", "dueOn": day(-2), "priority": "HIGH", "labels": ["health"]},
        {"title": "Pay the rent", "dueOn": day(0), "dueTime": "09:30", "labels": ["money"]},
        {"title": "Water the plants", "dueOn": day(0), "listId": home},
        {"title": "Mend the lamp in the hall", "listId": home, "labels": ["light", "weekend"]},
        {"title": "Write the minutes", "dueOn": day(1), "listId": work, "priority": "URGENT"},
        {"title": "Book a room for the workshop in March, for twelve people and a projector",
         "dueOn": day(4), "listId": work, "description": "Ask Grace what she took last time."},
        {"title": "Renew the passport", "dueOn": day(12), "listId": trip, "priority": "MEDIUM"},
        {"title": "Milk"}, {"title": "Bread"}, {"title": "Eggs", "priority": "LOW"},
    ]  # fmt: skip
    ids = {task["title"]: caller.create(**task)["id"] for task in tasks}
    for title, done in (("Flights", True), ("Hotel", True), ("Umbrella", False)):
        task = caller.create(title, parentId=ids["Renew the passport"])
        if done:
            caller.update(id=task["id"], completed=True)
    for title in ("Flour", "Answer the letter"):
        caller.update(id=caller.create(title)["id"], completed=True)
    for title in ("Old list", "Sugar"):
        caller.delete(id=caller.create(title)["id"])


def go_to(path: str) -> Callable[[Window, Person], None]:
    def look(window: Window, _: Person) -> None:
        window.page.keyboard.press("Escape")
        window.page.evaluate("(path) => { location.hash = path; }", f"#/{path}")
        window.page.locator("h1").wait_for()

    return look


def open_detail(window: Window, person: Person) -> None:
    task = person.tasks()["Renew the passport"]
    go_to(f"upcoming?task={task['id']}")(window, person)
    window.sees("Umbrella")


def press(title: str, key: str) -> Callable[[Window, Person], None]:
    """From the inbox press a key on a row."""

    def look(window: Window, person: Person) -> None:
        go_to("inbox")(window, person)
        window.press(title, key)

    return look


def write(window: Window, person: Person) -> None:
    go_to("inbox")(window, person)
    window.field.fill("Call Grace tomorrow !1 @phone #Work")
    window.sees("High priority")


def open_help(window: Window, person: Person) -> None:
    window.field.fill("")
    press("Bread", "?")(window, person)
    window.page.get_by_role("dialog").wait_for()


def open_commands(window: Window, _: Person) -> None:
    window.page.keyboard.press("Escape")
    window.page.keyboard.press("ControlOrMeta+k")
    window.page.get_by_role("dialog").wait_for()


def open_account(window: Window, person: Person) -> None:
    window.page.keyboard.press("Escape")
    window.page.get_by_role("button", name=f"Account of {person.name}").click()
    window.sees("Download everything")


def delete(window: Window, person: Person) -> None:
    press("Milk", "Delete")(window, person)
    window.sees("Deleted “Milk”")


def change_offline(window: Window, _: Person) -> None:
    window.page.context.set_offline(True)
    window.add("Sugar tomorrow !1")
    window.tick("Bread")
    window.edit("Eggs", "Six eggs")
    window.says("3 waiting")


def open_waiting(window: Window, _: Person) -> None:
    window.page.get_by_role("button", name="3 waiting").click()
    window.page.get_by_role("button", name="Send now").wait_for()


def see_a_conflict(window: Window, person: Person) -> None:
    """Somebody else has changed the same title, and the card is open."""
    window.page.keyboard.press("Escape")
    task = person.tasks()["Call the dentist"]
    window.edit("Call the dentist", "Call the dentist, ask for Friday")
    person.caller.update(id=task["id"], title="Call the dentist before noon")
    window.page.context.set_offline(False)
    window.page.get_by_role("button", name="not be done").or_(
        window.page.get_by_role("button", name="1 not done")
    ).click()
    window.page.get_by_role("button", name="Compare").click()
    window.page.get_by_role("button", name="Keep mine").wait_for()


STATES: dict[str, Callable[[Window, Person], None]] = {
    "inbox": go_to("inbox"),
    "today": go_to("today"),
    "upcoming": go_to("upcoming"),
    "completed": go_to("completed"),
    "trash": go_to("trash"),
    "label": go_to("label?label=money"),
    "search": go_to("search?words=the"),
    "detail": open_detail,
    "edit": press("Bread", "e"),
    "due": press("Bread", "d"),
    "labels": press("Bread", "l"),
    "lists": press("Bread", "m"),
    "chips": write,
    "help": open_help,
    "commands": open_commands,
    "account": open_account,
    "toast": delete,
    "offline": change_offline,
    "waiting": open_waiting,
    "conflict": see_a_conflict,
}
"""States after each other, each from the one before; the network is away from `offline` on."""
