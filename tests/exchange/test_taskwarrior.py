"""Taskwarrior's JSON, a test for each row of what it brings."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from app.exchange.items import Contents, Item, Unreadable
from app.exchange.taskwarrior import read, write
from tests.exchange.reading import OPTIONS, by_title, file, losses

FRIDAY = "20261225T000000"


@pytest.fixture(scope="module")
def export() -> Contents:
    return read(file("tasks.json"), OPTIONS)


def of_task(**values: Any) -> Item:
    task = {"uuid": "u", "description": "a", "status": "pending", **values}
    return read(json.dumps([task]).encode(), OPTIONS).items[0]


def test_fields_are_kept(export: Contents) -> None:
    assert export.items[0] == Item(
        key="a789b186-6a36-4f71-8be8-36faac1d77fa",
        title="Repot the basil",
        description="The terracotta pot\nfrom the shed",
        created_at=datetime(2026, 11, 30, 12, 52, 30, tzinfo=UTC),
        updated_at=datetime(2026, 11, 30, 12, 52, 30, tzinfo=UTC),
        due_on=date(2026, 12, 24),
        due_time=time(14),
        priority=3,
        labels=("garden", "weekend"),
        list_name="Home",
    )


def test_midnight_in_the_zone_is_a_whole_day(export: Contents) -> None:
    item = by_title(export)["Find a pot"]
    assert (item.due_on, item.due_time) == (date(2026, 12, 24), None)
    assert of_task(due="20261224T000000Z").due_time == time(1)


def test_priorities(export: Contents) -> None:
    titles = ("Repot the basil", "Find a pot", "Look in the shed", "Done before")
    assert [by_title(export)[title].priority for title in titles] == [3, 2, 1, 0]


def test_what_is_done_has_its_end(export: Contents) -> None:
    done = {item.title: item.completed_at for item in export.items if item.completed_at}
    assert done == {"Done before": datetime(2026, 11, 30, 12, 52, 31, tzinfo=UTC)}


def test_a_template_is_a_task_with_the_rule_beyond_those_it_made(export: Contents) -> None:
    rules = {item.title: item.rule for item in export.items if item.rule}
    assert rules == {
        "Water": {
            "every": 1,
            "unit": "DAY",
            "from": "DUE",
            "start": "2026-12-02",
            "until": "2027-01-31",
        },
        "Rent": {"every": 1, "unit": "MONTH", "from": "DUE", "start": "2027-01-31"},
        "Stand-up": {
            "every": 1,
            "unit": "WEEK",
            "from": "DUE",
            "start": "2026-12-02",
            "weekdays": [1, 2, 3, 4, 5],
        },
    }
    titles = [item.title for item in export.items]
    assert [titles.count(title) for title in ("Water", "Rent", "Stand-up", "Breathe")] == [
        *(4, 6, 3, 2),
    ]


@pytest.mark.parametrize(
    ("recur", "every", "unit"),
    [
        *(("daily", 1, "DAY"), ("3d", 3, "DAY"), ("P3D", 3, "DAY"), ("weekly", 1, "WEEK")),
        *(("2w", 2, "WEEK"), ("biweekly", 2, "WEEK"), ("monthly", 1, "MONTH")),
        *(("3mo", 3, "MONTH"), ("quarterly", 3, "MONTH"), ("yearly", 1, "YEAR")),
        *(("annual", 1, "YEAR"), ("2y", 2, "YEAR"), ("P1Y", 1, "YEAR")),
    ],
)
def test_periods_are_rules(recur: str, every: int, unit: str) -> None:
    rule = of_task(status="recurring", recur=recur, due=FRIDAY).rule
    assert rule == {"every": every, "unit": unit, "from": "DUE", "start": "2026-12-25"}


@pytest.mark.parametrize("recur", ["2h", "P1M2D", "0d", "1000d", "often", "9999q", "²d"])
def test_other_periods_are_reported(recur: str) -> None:
    task = {"uuid": "u", "description": "a", "recur": recur, "due": FRIDAY}
    contents = read(json.dumps(task).encode(), OPTIONS)
    assert contents.items[0].rule is None
    assert losses(contents) == {("rules that cannot be said", "a")}


def test_a_month_that_is_too_short_does_not_shorten_the_rule() -> None:
    item = of_task(status="recurring", recur="monthly", due="20260131T000000", mask="+")
    assert (item.due_on, item.rule and item.rule["monthDay"]) == (date(2026, 2, 28), 31)


def test_what_is_not_kept_is_reported(export: Contents) -> None:
    assert losses(export) == {
        ("dependencies", "Find a pot"),
        ("scheduled dates", "Look in the shed"),
        ("waiting dates", "Look in the shed"),
        ("rules that cannot be said", "Breathe"),
        ("deleted tasks", "Thrown away"),
    }


def test_an_object_a_line_is_read_too() -> None:
    lines = b'{"uuid": "1", "description": "a"}\n{"uuid": "2", "description": "b"}\n'
    assert [item.title for item in read(lines, OPTIONS).items] == ["a", "b"]
    assert read(b"[]", OPTIONS).items == []


@pytest.mark.parametrize(
    "data", [b"[1]", b'[{"uuid": 1}]', b"[{}]", b'"a"', b"[] x", b"[", b'{"uuid": "1"']
)
def test_what_is_no_export_is_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read(data, OPTIONS)


def test_dates_that_do_not_exist_are_none() -> None:
    item = of_task(due="20260230T000000Z", entry="99991399", end=5)
    assert (item.due_on, item.created_at) == (None, None)
    assert of_task(due="99991231T235959Z").due_on is None


CREATED = datetime(2026, 1, 1, tzinfo=UTC)
ITEMS = [
    Item("5", "a", "x\n\ny", priority=4, labels=["a b"], list_name="Home", created_at=CREATED),
    Item("6", "b", parent="5", due_on=date(2026, 12, 24), due_time=time(9)),
    Item("7", "c", completed_at=CREATED, due_on=date(2026, 12, 24)),
    Item("8", "d", deleted_at=CREATED),
]


def test_what_is_written() -> None:
    assert json.loads(write(Contents((), ITEMS))) == [
        {
            "uuid": "ee14481a-f36c-5d66-8fca-b03e497f1115",
            "description": "a",
            "status": "pending",
            "entry": "20260101T000000Z",
            "priority": "H",
            "project": "Home",
            "tags": ["a_b"],
            "annotations": [
                {"entry": "20260101T000000Z", "description": "x"},
                {"entry": "20260101T000001Z", "description": "y"},
            ],
        },
        {
            "uuid": "a7eb7a29-566e-592c-98fe-e483482e3099",
            "description": "b",
            "status": "pending",
            "due": "20261224T090000",
            "project": "Home",
        },
        {
            "uuid": "ae684f9d-3d9e-50b6-b220-efa46f2833db",
            "description": "c",
            "status": "completed",
            "entry": "20260101T000000Z",
            "end": "20260101T000000Z",
            "due": "20261224T000000",
        },
    ]


@pytest.mark.parametrize(
    ("rule", "recur"),
    [
        ({"every": 3, "unit": "DAY"}, "3d"),
        ({"every": 2, "unit": "WEEK", "weekdays": [4]}, "2w"),
        ({"every": 1, "unit": "WEEK", "weekdays": [1, 2, 3, 4, 5]}, "weekdays"),
        ({"every": 1, "unit": "MONTH", "monthDay": 24}, "1mo"),
        ({"every": 1, "unit": "YEAR", "month": 12}, "1y"),
        ({"every": 1, "unit": "YEAR", "month": 11}, None),
        ({"every": 1, "unit": "MONTH", "monthDay": 31}, None),
        ({"every": 1, "unit": "MONTH", "ordinal": 4, "weekdays": [4]}, None),
        ({"every": 1, "unit": "WEEK", "weekdays": [1, 4]}, None),
        ({"every": 1, "unit": "DAY", "remaining": 3}, None),
        ({"every": 1, "unit": "DAY", "from": "COMPLETION"}, None),
    ],
)
def test_a_rule_is_written_where_it_is_a_period(rule: dict[str, Any], recur: str | None) -> None:
    day = date(2026, 12, 24)
    item = Item("1", "a", due_on=day, rule={"from": "DUE", "start": day.isoformat(), **rule})
    [task] = json.loads(write(Contents((), [item])))
    assert task.get("recur") == recur
    assert task["status"] == ("recurring" if recur else "pending")
    [done] = json.loads(write(Contents((), [replace(item, completed_at=CREATED)])))
    assert (done["status"], "recur" in done) == ("completed", False)
