"""What is written is read back, as far as the format can say it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.exchange import ics, taskwarrior, todoist
from app.exchange.detection import format_of
from app.exchange.items import Contents, Item
from models.recurrence import Rule
from tests.api import nonempty
from tests.exchange.reading import OPTIONS

LETTERS = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf"))
LINES = st.text(LETTERS, min_size=1, max_size=60).map(lambda text: " ".join(text.split()) or "a")
TITLES = LINES.filter(lambda text: not any(word[0] == "@" for word in text.split()[1:]))
WORDS = st.from_regex(r"[\w,;\"'\\-]{1,20}", fullmatch=True)
INSTANTS = st.integers(315_600_000, 4_000_000_000).map(lambda at: datetime.fromtimestamp(at, UTC))
DAYS = st.dates(date(1900, 1, 1), date(2999, 12, 31))
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0, fold=0))


@st.composite
def rules(draw: st.DrawFn, due_on: date) -> Rule:
    """A rule, of any kind, whose series has this day as its start."""
    unit = draw(st.sampled_from(("DAY", "WEEK", "MONTH", "YEAR")))
    rule: dict[str, Any] = {"every": draw(st.integers(1, 99)), "unit": unit}
    rule |= {"from": draw(st.sampled_from(("DUE", "COMPLETION"))), "start": due_on.isoformat()}
    weekdays = sorted(draw(st.sets(st.integers(1, 7), min_size=1)))
    kind = draw(st.integers(0, 2))
    if unit == "WEEK" and kind and rule["from"] == "DUE":
        rule["weekdays"] = weekdays
    if unit in ("MONTH", "YEAR") and kind == 1:
        rule["monthDay"] = draw(st.integers(1, 31))
    if unit in ("MONTH", "YEAR") and kind == 2:
        rule |= {"ordinal": draw(st.sampled_from((1, 2, 3, 4, -1))), "weekdays": weekdays}
    if unit == "YEAR":
        rule["month"] = draw(st.integers(1, 12))
    end = draw(st.sampled_from(("", "until", "remaining")))
    if end == "until":
        rule["until"] = (due_on + timedelta(days=draw(st.integers(0, 9999)))).isoformat()
    if end == "remaining":
        rule["remaining"] = draw(st.integers(1, 9999))
    return rule


@st.composite
def tasks(draw: st.DrawFn) -> Sequence[Item]:
    """Tasks and subtasks, as we keep them."""
    found: list[Item] = []
    for number in range(draw(st.integers(1, 6))):
        tops = [item.key for item in found if item.parent is None]
        parent = draw(st.sampled_from((None, *tops)))
        due_on = draw(st.none() | DAYS)
        description = "\n".join(draw(st.lists(LINES, max_size=3))) or None
        found.append(
            Item(
                key=str(number),
                title=draw(TITLES),
                description=description,
                completed_at=draw(st.none() | INSTANTS),
                created_at=draw(INSTANTS),
                updated_at=draw(INSTANTS),
                due_on=due_on,
                due_time=draw(st.none() | TIMES) if due_on else None,
                priority=draw(st.integers(0, 4)),
                labels=tuple(draw(st.lists(WORDS, max_size=3, unique=True))),
                list_name=draw(st.none() | st.sampled_from(("Home", "Work & more"))),
                parent=parent,
                rule=draw(st.none() | rules(due_on)) if due_on and parent is None else None,
            )
        )
        if parent is not None:
            found[-1] = replace(found[-1], list_name=None)
    return found


def without_orphans(items: Sequence[Item]) -> Sequence[Item]:
    """Return the tasks without rules; those whose parent is completed are at the top."""
    completed = {item.key for item in items if item.completed_at}
    return [
        replace(item, rule=None, parent=None if item.parent in completed else item.parent)
        for item in items
    ]


def days(rule: Rule | None) -> Any:
    """Return a rule with what its start says spelled out, and no more than what it says."""
    if rule is None:
        return None
    start = date.fromisoformat(rule["start"])
    said = {key: value for key, value in rule.items() if key != "start"}
    if rule["unit"] == "WEEK" and rule["from"] == "DUE":
        said.setdefault("weekdays", [start.isoweekday()])
    if rule["unit"] in ("MONTH", "YEAR") and "ordinal" not in rule:
        said.setdefault("monthDay", start.day)
    if rule["unit"] == "YEAR":
        said.setdefault("month", start.month)
    return said


def comparable(item: Item, key: str, parent: str | None) -> Item:
    return replace(item, key=key, parent=parent, rule=days(item.rule))


@given(items=tasks())
def test_icalendar(items: Sequence[Item]) -> None:
    written = ics.write(Contents((), items))
    assert format_of(written) == "ics"
    expected = [
        comparable(
            replace(
                item, rule=None if (item.rule or {}).get("from") == "COMPLETION" else item.rule
            ),
            f"task-{item.key}@todo-api",
            item.parent and f"task-{item.parent}@todo-api",
        )
        for item in items
    ]
    contents = ics.read(written, OPTIONS)
    assert [comparable(item, item.key, item.parent) for item in contents.items] == expected
    assert not contents.losses


@given(items=tasks())
def test_taskwarrior(items: Sequence[Item]) -> None:
    written = taskwarrior.write(Contents((), items))
    assert format_of(written) == "taskwarrior"
    read = taskwarrior.read(written, OPTIONS)
    assert not read.losses
    lists = {item.key: item.list_name for item in items}
    for item, found in zip(nonempty(items), read.items, strict=True):
        midnight = item.due_time == time()
        expected = replace(
            item,
            priority=min(item.priority, 3),
            list_name=item.list_name or lists.get(item.parent or ""),
            due_time=None if midnight else item.due_time,
            rule=None,
        )
        assert comparable(replace(found, rule=None), item.key, item.parent) == expected
        assert found.rule is None or days(found.rule) == days(item.rule)


@given(items=tasks().map(without_orphans))
def test_todoist(items: Sequence[Item]) -> None:
    written = todoist.write(Contents((), items))
    assert format_of(written) == "todoist"
    read = todoist.read(written, OPTIONS)
    assert not read.losses
    above = {item.key: item for item in items}
    expected = [
        comparable(
            replace(
                item,
                created_at=None,
                updated_at=None,
                priority=item.priority if item.priority > 1 else 0,
                list_name=item.list_name if parent is None else None,
                rule=None,
            ),
            "",
            None if parent is None else parent.title,
        )
        for item in items
        if item.completed_at is None
        for parent in [above.get(item.parent or "")]
    ]
    titles = {item.key: item.title for item in read.items}
    found = [comparable(item, "", titles.get(item.parent or "")) for item in read.items]
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


@pytest.mark.parametrize("unit", ["DAY", "WEEK", "MONTH", "YEAR"])
@given(data=st.data())
def test_words_of_todoist_say_the_rule_or_none(unit: str, data: st.DataObject) -> None:
    due_on = data.draw(DAYS)
    rule = data.draw(rules(due_on).filter(lambda rule: rule["unit"] == unit))
    item = Item("1", "a", due_on=due_on, due_time=data.draw(st.none() | TIMES), rule=rule)
    [found] = todoist.read(todoist.write(Contents((), [item])), OPTIONS).items
    assert found.due_time == item.due_time
    assert found.rule is None or days(found.rule) == days(rule)
    assert found.due_on == due_on
