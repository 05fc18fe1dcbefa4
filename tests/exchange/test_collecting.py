"""What every reader settles in the same way."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from app.exchange import ics
from app.exchange.collecting import Collected
from app.exchange.first_days import first_day, moved
from app.exchange.items import Contents, Item
from tests.exchange.reading import OPTIONS, losses

DAY = date(2026, 12, 24)
RULE = {"every": 1, "unit": "DAY", "from": "DUE"}


def settled(*items: Item) -> Contents:
    collected = Collected(OPTIONS)
    for item in items:
        collected.add(item)
    return collected.contents()


def test_the_101st_subtask_is_a_task_in_the_list_of_its_parent() -> None:
    subtasks = [Item(f"s{number}", "s", parent="p") for number in range(101)]
    contents = settled(Item("p", "p", list_name="Home"), *subtasks)
    *within, beyond = contents.items[1:]
    assert {item.parent for item in within} == {"p"}
    assert (beyond.parent, beyond.list_name) == (None, "Home")
    assert losses(contents) == {("subtasks beyond 100 of a task, which become tasks", "s")}


def test_a_task_keeps_20_labels_each_once() -> None:
    labels = [str(number) for number in range(21)]
    contents = settled(Item("1", "a", labels=labels), Item("2", "b", labels=["x", "x"]))
    assert [item.labels for item in contents.items] == [tuple(labels[:20]), ("x",)]
    assert losses(contents) == {("labels beyond 20 of a task", "a")}


def test_the_second_of_a_key_is_left_out() -> None:
    contents = settled(Item("1", "a"), Item("1", "b"))
    assert [item.title for item in contents.items] == ["a"]
    assert losses(contents) == {("tasks whose id is in the file twice", "b")}


def test_a_rule_that_has_ended_is_dropped() -> None:
    ended = Item("1", "a", due_on=DAY, rule={**RULE, "until": "2026-12-23"})
    contents = settled(ended, replace(ended, key="2", rule={**RULE, "until": "2026-12-24"}))
    assert [item.rule and item.rule["until"] for item in contents.items] == [None, "2026-12-24"]
    assert losses(contents) == {("rules that have ended", "a")}


def test_a_subtask_has_no_rule_and_no_list_of_its_own() -> None:
    subtask = Item("s", "s", parent="p", list_name="Work", due_on=DAY, rule=RULE)
    contents = settled(subtask, Item("p", "p", list_name="Home"))
    assert (contents.items[0].rule, contents.items[0].list_name) == (None, None)
    assert losses(contents) == {
        ("rules of subtasks", "s"),
        ("lists of subtasks, which are in their parents' lists", "s"),
    }


def test_a_leap_second_is_the_one_before() -> None:
    todo = (
        b"BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:1\nCOMPLETED:20161231T235960Z\nEND:VTODO\nEND:VCALENDAR"
    )
    completed_at = ics.read(todo, OPTIONS).items[0].completed_at
    assert completed_at is not None
    assert completed_at.second == 59


@pytest.mark.parametrize(
    ("rule", "day"),
    [
        ({"unit": "DAY"}, date(2026, 11, 30)),
        ({"unit": "WEEK", "weekdays": [2, 7]}, date(2026, 12, 1)),
        ({"unit": "MONTH", "monthDay": 31}, date(2026, 11, 30)),
        ({"unit": "MONTH", "monthDay": 1}, date(2026, 12, 1)),
        ({"unit": "MONTH", "ordinal": -1, "weekdays": [5]}, date(2026, 12, 25)),
        ({"unit": "MONTH", "ordinal": 1, "weekdays": [1]}, date(2026, 12, 7)),
        ({"unit": "YEAR", "month": 2, "monthDay": 29}, date(2027, 2, 28)),
        ({"unit": "YEAR", "month": 11, "monthDay": 29}, date(2027, 11, 29)),
    ],
)
def test_first_days(rule: dict[str, Any], day: date) -> None:
    assert first_day({"every": 7, "from": "DUE", **rule}, OPTIONS.today) == day


def test_there_is_no_day_past_9999() -> None:
    last = date(9999, 12, 31)
    assert first_day({**RULE, "unit": "MONTH", "monthDay": 1}, last) is None
    assert [moved(last, unit, 1) for unit in ("DAY", "WEEK", "MONTH", "YEAR")] == [None] * 4
    assert moved(date(2024, 2, 29), "YEAR", 1) == date(2025, 2, 28)
