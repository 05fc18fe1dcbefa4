"""iCalendar's to-dos, a test for each row of what they bring."""

from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar

from app.exchange.ics import read, write
from app.exchange.items import Contents, Item, Options, Unreadable
from tests.exchange.reading import OPTIONS, by_title, file, losses


@pytest.fixture(scope="module")
def apple() -> Contents:
    return read(file("apple.ics"), OPTIONS)


@pytest.fixture(scope="module")
def nextcloud() -> Contents:
    return read(file("nextcloud.ics"), OPTIONS)


def calendar(*lines: str) -> bytes:
    text = "\r\n".join(["BEGIN:VCALENDAR", "BEGIN:VTODO", *lines, "END:VTODO", "END:VCALENDAR"])
    return text.encode()


def of_todo(*lines: str, options: Options = OPTIONS) -> Item:
    return read(calendar("UID:1", "SUMMARY:a", *lines), options).items[0]


def test_fields_are_kept(apple: Contents) -> None:
    """The clock of Berlin has no 02:30 on this day; it stands as it is in the file."""
    assert apple.items[0] == Item(
        key="1111",
        title="Repot the basil, at last",
        description="The terracotta pot\nfrom the shed; see https://example.org/a/long/path",
        created_at=datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC),
        updated_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
        due_on=date(2026, 3, 29),
        due_time=time(2, 30),
        priority=4,
        labels=("garden", "week end", "a,b"),
        list_name="Home",
    )


def test_subtasks_of_subtasks_are_subtasks(apple: Contents) -> None:
    """In the file, the deepest comes first; the order is what the tasks say."""
    assert [(item.title, item.parent) for item in apple.items] == [
        ("Repot the basil, at last", None),
        ("Find a pot", "1111"),
        ("Look in the shed", "1111"),
    ]


def test_what_apple_has_more_is_reported(apple: Contents) -> None:
    kinds = ("attachments", "assignees", "comments", "places", "links", "reminders")
    assert losses(apple) == {
        *((kind, "Repot the basil, at last") for kind in kinds),
        ("deeper levels", "Look in the shed"),
    }


def test_what_is_done_has_its_time(nextcloud: Contents) -> None:
    done = by_title(nextcloud)["Done before"]
    assert done.completed_at == datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert (done.due_on, done.due_time) == (date(2026, 5, 6), None)
    undone = of_todo("STATUS:NEEDS-ACTION", "COMPLETED:20260506T070809Z")
    assert undone.completed_at is None
    assert of_todo("STATUS:COMPLETED").completed_at == datetime(2026, 11, 30, tzinfo=UTC)


def test_utc_becomes_the_day_of_the_zone(nextcloud: Contents) -> None:
    rent = by_title(nextcloud)["Rent"]
    assert (rent.due_on, rent.due_time) == (date(2027, 1, 1), time(0, 30))
    options = replace(OPTIONS, timezone=ZoneInfo("America/New_York"))
    assert of_todo("DUE:20261231T033000Z", options=options).due_on == date(2026, 12, 30)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Nowhere/Land", "/mozilla.org/Europe/Berlin"])
def test_a_zone_changes_nothing(zone: str) -> None:
    for name in ("DUE", "DTSTART"):
        item = of_todo(f"{name};TZID={zone}:20260329T023000")
        assert (item.due_on, item.due_time) == (date(2026, 3, 29), time(2, 30))


def test_a_start_and_a_duration_make_a_due_date(nextcloud: Contents) -> None:
    call = by_title(nextcloud)["Call"]
    assert (call.due_on, call.due_time) == (date(2026, 12, 26), None)


def test_rules_are_kept(nextcloud: Contents) -> None:
    rules = {item.title: item.rule for item in nextcloud.items if item.rule}
    assert rules == {
        "Rent": {
            "every": 1,
            "unit": "MONTH",
            "monthDay": 31,
            "from": "DUE",
            "start": "2027-01-01",
        },
        "No id": {
            "every": 1,
            "unit": "WEEK",
            "weekdays": [5],
            "from": "DUE",
            "start": "2026-12-04",
        },
    }


@pytest.mark.parametrize(
    ("priority", "ours"), [*zip(range(10), (0, 4, 3, 3, 3, 2, 1, 1, 1, 1), strict=True)]
)
def test_priorities(priority: int, ours: int) -> None:
    assert of_todo(f"PRIORITY:{priority}").priority == ours


def test_what_nextcloud_has_more_is_reported(nextcloud: Contents) -> None:
    assert losses(nextcloud) == {
        ("events and journals", "Dinner"),
        ("exceptions of rules", "Rent"),
        ("progress", "Rent"),
        ("start dates", "Rent"),
        ("changed occurrences", "Rent of January"),
        ("rules that cannot be said", "Breathe"),
        ("start dates, which become due dates", "Breathe"),
        ("cancelled tasks", "Given up"),
        ("start dates, which become due dates", "Call"),
        ("relations", "Call"),
        ("lines that cannot be read", "No id"),
        ("dates that cannot be read", "No id"),
        ("rules without a date, which begin on their first day", "No id"),
    }


def test_a_task_without_an_id_has_a_lasting_key(nextcloud: Contents) -> None:
    key = by_title(nextcloud)["No id"].key
    assert len(key) == 64
    assert by_title(read(file("nextcloud.ics"), OPTIONS))["No id"].key == key


def test_the_list_is_the_calendar_or_what_its_reader_says() -> None:
    named = replace(OPTIONS, list_name="Work")
    assert of_todo(options=named).list_name == "Work"
    two = b"".join(
        f"BEGIN:VCALENDAR\nX-WR-CALNAME:{name}\nBEGIN:VTODO\nUID:{name}\nEND:VTODO\n"
        "END:VCALENDAR\n".encode()
        for name in "ab"
    )
    assert [item.list_name for item in read(two, named).items] == ["a", "b"]


def test_parents_that_are_missing_or_go_in_a_circle() -> None:
    todos = b"".join(
        f"BEGIN:VTODO\nUID:{uid}\nSUMMARY:{uid}\nRELATED-TO:{parent}\nEND:VTODO\n".encode()
        for uid, parent in [("a", "b"), ("b", "a"), ("c", "b"), ("d", "gone"), ("e", "e")]
    )
    contents = read(b"BEGIN:VCALENDAR\n" + todos + b"END:VCALENDAR\n", OPTIONS)
    assert [item.parent for item in contents.items] == [None, "a", "a", None, None]


def test_folds_may_stand_inside_a_character() -> None:
    todo = calendar("UID:1", "SUMMARY:é").replace("é".encode(), b"\xc3\r\n \xa9")
    assert read(todo, OPTIONS).items[0].title == "é"
    assert read(todo.replace(b"\r\n", b"\n"), OPTIONS).items[0].title == "é"
    assert read(b"\xef\xbb\xbf" + todo, OPTIONS).items[0].title == "é"


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", None),
        (b"hello", 1),
        (b"\n\nBEGIN:VTODO\nEND:VTODO", 3),
        (b"BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:1\n", 3),
        (b"BEGIN:VCALENDAR\nBEGIN:VTODO\nEND:VCALENDAR\n", 3),
        (b"BEGIN:VCALENDAR\nX:\xff\nEND:VCALENDAR\n", 2),
        (b"BEGIN:VCALENDAR\nEND:VCALENDAR\nX:1", 3),
        (b"BEGIN:VCALENDAR\nX:" + b"a" * 1_000_001, 2),
        (b"BEGIN:VCALENDAR\nX:" + b"a\n " * 1_000_001, 2),
    ],
)
def test_what_is_broken_is_told_by_its_line(data: bytes, line: int | None) -> None:
    with pytest.raises(Unreadable) as error:
        read(data, OPTIONS)
    assert error.value.line == line


def test_large_attachments_are_passed_over() -> None:
    attachment = "ATTACH;ENCODING=BASE64;VALUE=BINARY:" + "A\r\n " * 1_500_000
    contents = read(calendar("UID:1", "SUMMARY:a", attachment, "PRIORITY:1"), OPTIONS)
    assert (contents.items[0].priority, losses(contents)) == (4, {("attachments", "a")})


STAMP = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DAY = date(2026, 12, 24)


def rule(**values: Any) -> dict[str, Any]:
    return {"every": 1, "unit": "DAY", "from": "DUE", "start": DAY.isoformat(), **values}


ITEMS = [
    Item("5", "ä" * 200, "a\nb;c,d\\n", priority=3, labels=["a,b", "c"], list_name="Home"),
    Item("6", "sub", parent="5", completed_at=STAMP, created_at=STAMP, updated_at=STAMP),
    Item("7", "day", due_on=DAY, rule=rule(until="2027-01-31")),
    Item("8", "time", due_on=DAY, due_time=time(9), rule=rule(until="2027-01-31")),
    Item("9", "no", due_on=DAY, rule=rule(**{"from": "COMPLETION"})),
    Item("10", "gone", deleted_at=STAMP),
]


def test_icalendar_reads_what_is_written() -> None:
    todos = Calendar.from_ical(write(Contents((), ITEMS))).walk("VTODO")
    assert [str(todo["UID"]) for todo in todos] == [f"task-{n}@todo-api" for n in range(5, 10)]
    first, sub, day, at, completion = todos
    assert (str(first["SUMMARY"]), str(first["DESCRIPTION"])) == ("ä" * 200, "a\nb;c,d\\n")
    assert (first["PRIORITY"], str(first["STATUS"])) == (3, "NEEDS-ACTION")
    assert (str(sub["RELATED-TO"]), str(sub["STATUS"])) == ("task-5@todo-api", "COMPLETED")
    assert sub.decoded("COMPLETED") == STAMP
    assert (day.decoded("DUE"), day.decoded("DTSTART")) == (DAY, DAY)
    assert day["RRULE"].to_ical() == b"FREQ=DAILY;UNTIL=20270131"
    assert at.decoded("DUE") == datetime(2026, 12, 24, 9)  # noqa: DTZ001
    assert at["RRULE"].to_ical() == b"FREQ=DAILY;UNTIL=20270131T235959"
    assert "RRULE" not in completion


def test_lines_are_folded_and_end_as_they_must() -> None:
    written = write(Contents((), ITEMS))
    lines = written.split(b"\r\n")
    assert max(map(len, lines)) == 75
    assert b"\n" not in b"".join(lines)
    assert written.endswith(b"END:VCALENDAR\r\n")
