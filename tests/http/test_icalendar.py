"""Tasks in iCalendar, read again by two other programs: nothing of a text is lost."""

import re
from datetime import UTC, date, datetime
from typing import Any, cast

import icalendar
import pytest
import vobject
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st

from app.http.icalendar import (
    END,
    escaped,
    folded,
    hash_of_owner,
    lines_of_head,
    lines_of_task,
    octets,
)
from models.day import Day, TimeOfDay
from models.instant import Instant
from models.task import TaskRow

MADE, CHANGED = "2026-01-31 12:00:00.25+00", "2026-02-01 09:30:00+00"
MILK = TaskRow(
    id=7,
    title="Milk",
    description=None,
    completed=False,
    completed_at=None,
    created_at=Instant(MADE),
    updated_at=Instant(CHANGED),
    deleted_at=None,
    version=1,
    list_id=None,
    parent_id=None,
    position="V",
    due_on=Day("2026-12-24"),
    due_time=None,
    priority=0,
    labels=[],
    completed_on=None,
    repeats=None,
    successor_id=None,
)

PIECES = [
    *"\\;,:\"'nN \t\r\n\v\f\x07\x1b\x1c\x7f\x85\xa0\u2028\u2029\u200b\ufeff\u0301",
    *("é", "漢", "😀", "👩\u200d👧", "\r\n ", "\n\t", "\\n", "\\\\", "^n", "%0A", "=0D=0A"),
    *("BEGIN:VEVENT", "END:VEVENT\r\n", "END:VCALENDAR\n", "\nRRULE:FREQ=DAILY", "x" * 80),
]
NASTY = st.lists(
    st.one_of(st.sampled_from(PIECES), st.characters(codec="utf-8", exclude_characters="\0")),
    max_size=120,
).map("".join)
"""Texts that can be stored, with much in them that means something to iCalendar."""


def written(*tasks: TaskRow, name: str = "Phone") -> bytes:
    lines = [*lines_of_head(name)]
    for task in tasks:
        lines += lines_of_task(task, hash_of_owner("ada"))
    return octets([*lines, END])


def event(task: TaskRow) -> Any:
    """Return the only event that icalendar finds."""
    calendar = icalendar.Calendar.from_ical(written(task))
    (found,) = calendar.walk("VEVENT")
    assert not found.errors
    return found


def shown(text: str) -> str:
    """Return what a program is to show: each break of a line is one, and no control is left."""
    text = re.sub("\r\n|[\n\r\v\f\x85\u2028\u2029]", "\n", text)
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", text)


@given(NASTY, NASTY, st.lists(NASTY.map("x{}".format), min_size=1, max_size=3), NASTY)
def test_other_programs_read_the_texts_that_were_written(
    title: str, description: str, labels: list[str], name: str
) -> None:
    task = MILK._replace(title=title, description=description, labels=labels)
    text = written(task, MILK, name=name)
    calendar = icalendar.Calendar.from_ical(text)
    first, second = cast("list[Any]", calendar.walk("VEVENT"))
    assert not first.errors
    assert first["summary"] == shown(title)
    assert first["description"] == shown(description)
    assert first["categories"].cats == [shown(label) for label in labels]
    # It knows of no property with this name, and so leaves escapes in it.
    assert calendar["name"] == calendar["x-wr-calname"] == escaped(name)
    assert second["summary"] == "Milk"
    assert second["uid"] == first["uid"]

    read = vobject.readOne(text.decode())
    assert [each.name for each in read.vevent_list] == ["VEVENT"] * 2
    assert read.vevent.summary.value == shown(title)
    assert read.vevent.description.value == shown(description)


@given(NASTY, NASTY)
def test_no_line_is_too_long_and_no_character_is_torn(title: str, description: str) -> None:
    text = written(MILK._replace(title=title, description=description))
    assert text.endswith(b"\r\n")
    lines = text.removesuffix(b"\r\n").split(b"\r\n")
    assert max(map(len, lines)) <= 75
    for line in lines:
        # Each can be read by itself, and nothing but the breaks of lines breaks one.
        assert len(line.decode().splitlines()) == 1
    assert text.count(b"\n") == text.count(b"\r") == len(lines)


@pytest.mark.parametrize("length", [0, 1, 74, 75, 76, 149, 150, 223, 224, 1000])
@pytest.mark.parametrize("letter", ["x", "é", "漢", "😀"])
def test_a_folded_line_is_the_line_again(length: int, letter: str) -> None:
    line = (letter * length).encode()
    parts = folded(line).split(b"\r\n ")
    assert "".join(part.decode() for part in parts) == line.decode()
    assert len(parts[0]) <= 75
    assert all(0 < len(part) <= 74 for part in parts[1:])
    if letter == "x":
        assert len(parts) == 1 + max(0, -(-(length - 75) // 74))


def test_an_event_has_what_programs_ask_for() -> None:
    found = event(MILK._replace(priority=4))
    assert found["uid"] == f"task-7-{hash_of_owner('ada')}"
    assert found.decoded("dtstamp") == datetime(2026, 2, 1, 9, 30, tzinfo=UTC)
    assert found.decoded("last-modified") == found.decoded("dtstamp")
    assert found.decoded("created") == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert found["transp"] == "TRANSPARENT"
    assert found.decoded("dtstart") == date(2026, 12, 24)
    assert found["dtstart"].params["value"] == "DATE"
    assert found.decoded("priority") == 1
    assert "description" not in found
    assert "categories" not in found
    assert "rrule" not in found


def test_a_uid_is_the_same_whatever_changes_and_another_for_another_owner() -> None:
    changed = MILK._replace(title="Bread", due_on=Day("2027-01-01"), updated_at=Instant(MADE))
    assert event(changed)["uid"] == event(MILK)["uid"]
    assert event(MILK._replace(id=8))["uid"] != event(MILK)["uid"]
    assert hash_of_owner("bob") != hash_of_owner("ada")


def test_a_time_has_no_zone() -> None:
    task = MILK._replace(due_time=TimeOfDay("09:05:00"))
    assert b"\r\nDTSTART:20261224T090500\r\n" in written(task)
    start = event(task).decoded("dtstart")
    assert (start.isoformat(), start.tzinfo) == ("2026-12-24T09:05:00", None)


@pytest.mark.parametrize("day", ["0001-01-01", "0999-12-31", "9999-12-31"])
def test_every_day_has_four_digits_of_a_year(day: str) -> None:
    assert event(MILK._replace(due_on=Day(day))).decoded("dtstart").isoformat() == day


@pytest.mark.parametrize(
    ("priority", "number"), [(0, None), (1, 9), (2, 5), (3, 3), (4, 1)], ids=str
)
def test_priorities_are_those_of_icalendar(priority: int, number: int | None) -> None:
    assert event(MILK._replace(priority=priority)).get("priority") == number


RULE = {"every": 1, "unit": "MONTH", "from": "DUE", "start": "2026-12-24"}


@pytest.mark.parametrize(
    ("rule", "time", "text"),
    [
        (RULE, None, "FREQ=MONTHLY;BYMONTHDAY=24"),
        ({**RULE, "remaining": 3}, None, "FREQ=MONTHLY;BYMONTHDAY=24;COUNT=3"),
        ({**RULE, "until": "2027-03-24"}, None, "FREQ=MONTHLY;BYMONTHDAY=24;UNTIL=20270324"),
        (
            {**RULE, "until": "2027-03-24"},
            "09:00:00",
            "FREQ=MONTHLY;BYMONTHDAY=24;UNTIL=20270324T235959",
        ),
        # What the next day is, nobody knows before it is completed.
        ({**RULE, "from": "COMPLETION"}, None, None),
        ({**RULE, "until": "2027-03-24", "remaining": 2}, None, None),
    ],
    ids=str,
)
def test_what_recurs_has_a_rule_where_there_is_one_for_it(
    rule: dict[str, Any], time: str | None, text: str | None
) -> None:
    task = MILK._replace(repeats=rule, due_time=None if time is None else TimeOfDay(time))
    lines = written(task).decode().split("\r\n")
    assert [line for line in lines if line.startswith("RRULE")] == [f"RRULE:{text}"] * bool(text)
    found = event(task)
    if text is None:
        assert "rrule" not in found
    elif "UNTIL" in text:
        start = datetime.fromisoformat(f"{task.due_on}T{time or '00:00:00'}")
        days = [day.date() for day in rrulestr(text, dtstart=start)]
        assert days[-1] == date(2027, 3, 24)
        assert len(days) == 4


def test_a_calendar_without_tasks_is_one() -> None:
    assert icalendar.Calendar.from_ical(written()).walk("VEVENT") == []
    assert vobject.readOne(written().decode()).name == "VCALENDAR"
