"""Todoist's CSV and backup, a test for each row of what they bring."""

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any
from zipfile import ZipFile

import pytest

from app.exchange.items import Contents, Item, ItemList, Unreadable
from app.exchange.todoist import read, write
from tests.exchange.reading import OPTIONS, by_title, file, losses, zipped

HEADER = b"TYPE,CONTENT,DESCRIPTION,PRIORITY,INDENT,DATE\r\n"


@pytest.fixture(scope="module")
def project() -> Contents:
    return read(file("project.csv"), OPTIONS)


def test_a_title_stands_without_its_labels(project: Contents) -> None:
    assert [(item.title, tuple(item.labels)) for item in project.items] == [
        ("Repot the basil", ("garden", "week-end")),
        ("Find a pot", ()),
        ("Look in the shed", ()),
        ("Fix [the tap](https://example.org)", ()),
        ("mail bob@example.org", ()),
        ("Rent", ()),
        ("Water", ()),
        ("Review", ()),
    ]


def test_a_description_ends_with_the_comments(project: Contents) -> None:
    assert [by_title(project)[title].description for title in ("Repot the basil", "Rent")] == [
        "The terracotta pot,\nfrom the shed\n\nAsk Bob for soil\n\nSee the list",
        None,
    ]


def test_nothing_is_completed(project: Contents) -> None:
    assert {item.completed_at for item in project.items} == {None}


def test_dates_are_days_and_times(project: Contents) -> None:
    found = {item.title: (item.due_on, item.due_time) for item in project.items}
    assert found == {
        "Repot the basil": (date(2026, 12, 24), None),
        "Find a pot": (None, None),
        "Look in the shed": (None, None),
        "Fix [the tap](https://example.org)": (date(2026, 12, 24), time(14)),
        "mail bob@example.org": (date(2026, 11, 30), None),
        "Rent": (date(2026, 11, 30), None),
        "Water": (date(2026, 11, 30), time(9)),
        "Review": (None, None),
    }


def test_words_that_are_not_understood_are_reported_and_kept(project: Contents) -> None:
    assert ("dates in words that are not understood", "Review") in losses(project)
    assert by_title(project)["Review"].description == "jeden zweiten Montag"


def test_priority_1_is_the_highest(project: Contents) -> None:
    assert [item.priority for item in project.items] == [4, 0, 0, 3, 2, 0, 0, 0]


def test_an_empty_priority_is_none() -> None:
    assert read(HEADER + b"task,a,,,1,\r\n", OPTIONS).items[0].priority == 0


def test_the_third_level_becomes_the_second(project: Contents) -> None:
    basil, pot, shed = project.items[:3]
    assert (basil.parent, pot.parent, shed.parent) == (None, basil.key, basil.key)
    assert ("deeper levels", "Look in the shed") in losses(project)
    assert ("deeper levels", "Find a pot") not in losses(project)


def test_sections_are_reported_or_become_labels(project: Contents) -> None:
    assert ("sections", "Kitchen") in losses(project)
    labelled = read(file("project.csv"), replace(OPTIONS, sections_as_labels=True))
    assert ("sections", "Kitchen") not in losses(labelled)
    assert [by_title(labelled)[title].labels for title in ("Repot the basil", "Rent")] == [
        ("garden", "week-end"),
        ("Kitchen",),
    ]


def test_what_is_not_kept_is_reported(project: Contents) -> None:
    assert losses(project) == {
        ("comments on lists", "Inbox"),
        ("attachments", "Repot the basil"),
        ("assignees", "Find a pot"),
        ("deeper levels", "Look in the shed"),
        ("sections", "Kitchen"),
        ("durations", "Fix [the tap](https://example.org)"),
        ("deadlines", "Fix [the tap](https://example.org)"),
        ("rules without a date, which begin on their first day", "mail bob@example.org"),
        ("rules without a date, which begin on their first day", "Rent"),
        ("rules without a date, which begin on their first day", "Water"),
        ("dates in words that are not understood", "Review"),
    }


def test_the_list_of_one_file_is_what_its_reader_says() -> None:
    assert {item.list_name for item in read(file("project.csv"), OPTIONS).items} == {None}
    named = read(file("project.csv"), replace(OPTIONS, list_name="Home"))
    assert [item.list_name for item in named.items if item.parent is None] == ["Home"] * 6


def test_the_lists_of_a_backup_are_its_files() -> None:
    row = HEADER + b"task,a,,4,1,\r\n"
    names = ("Home [2203306141].csv", "Inbox [2203306140].csv", "My backup/Work.csv", "x.png")
    contents = read(zipped(dict.fromkeys(names, row)), OPTIONS)
    assert [item.list_name for item in contents.items] == ["Home", None, "Work"]
    assert len({item.key for item in contents.items}) == 3


def test_equal_rows_are_two_tasks_with_lasting_keys() -> None:
    twice = HEADER + b"task,a,,4,1,\r\n" * 2
    keys = [item.key for item in read(twice, OPTIONS).items]
    assert len({*keys}) == 2
    more = twice + b"task,b,,4,1,\r\n"
    assert [item.key for item in read(more, OPTIONS).items][:2] == keys


WORDS: dict[str, dict[str, Any]] = {
    "every day": {"every": 1, "unit": "DAY"},
    "daily": {"every": 1, "unit": "DAY"},
    "every 3 days": {"every": 3, "unit": "DAY"},
    "every other week": {"every": 2, "unit": "WEEK"},
    "every mon, fri": {"every": 1, "unit": "WEEK", "weekdays": [1, 5]},
    "Every Monday and Thursday": {"every": 1, "unit": "WEEK", "weekdays": [1, 4]},
    "every other fri": {"every": 2, "unit": "WEEK", "weekdays": [5]},
    "every workday": {"every": 1, "unit": "WEEK", "weekdays": [1, 2, 3, 4, 5]},
    "every month": {"every": 1, "unit": "MONTH"},
    "every quarter": {"every": 3, "unit": "MONTH"},
    "every 31st": {"every": 1, "unit": "MONTH", "monthDay": 31},
    "every last day": {"every": 1, "unit": "MONTH", "monthDay": 31},
    "every 3rd friday": {"every": 1, "unit": "MONTH", "ordinal": 3, "weekdays": [5]},
    "every last workday": {
        "every": 1,
        "unit": "MONTH",
        "ordinal": -1,
        "weekdays": [1, 2, 3, 4, 5],
    },
    "every 24 Dec": {"every": 1, "unit": "YEAR", "month": 12, "monthDay": 24},
    "yearly": {"every": 1, "unit": "YEAR"},
    "every! 3 weeks": {"every": 3, "unit": "WEEK", "from": "COMPLETION"},
    "every! month": {"every": 1, "unit": "MONTH", "from": "COMPLETION"},
    "every day until 31 Dec 2026": {"every": 1, "unit": "DAY", "until": "2026-12-31"},
}
FIRST_DAYS = {
    "every mon, fri": date(2026, 11, 30),
    "every other fri": date(2026, 12, 4),
    "every 31st": date(2026, 11, 30),
    "every 3rd friday": date(2026, 12, 18),
    "every last workday": date(2026, 11, 30),
    "every 24 Dec": date(2026, 12, 24),
    "every day starting 2026-12-24": date(2026, 12, 24),
    "every fri starting 2026-12-24": date(2026, 12, 25),
    "every month at 14:30 starting 31 Aug 2026": date(2026, 8, 31),
}
UNKNOWN = (
    *("tomorrow", "every morning", "every! mon", "every 32nd", "every 31 Feb", "every 0 days"),
    *("2026-02-30", "24:00 24 Dec 2026", "12/24/2026", "every 1000 days", "jeden Tag", "every"),
    *("14:00", "2026-12-24T14:00:00Z", "every day starting 30 Feb 2026", "x" * 1000),
)


def of_date(words: str) -> Item:
    row = io.StringIO()
    csv.writer(row).writerow(["task", "a", "", "4", "1", words])
    return read(HEADER + row.getvalue().encode(), OPTIONS).items[0]


@pytest.mark.parametrize("words", WORDS)
def test_english_words_are_rules(words: str) -> None:
    item = of_date(words)
    assert item.due_on is not None
    start = item.due_on.isoformat()
    assert item.rule == {"from": "DUE", "start": start, **WORDS[words]}
    assert item.description is None


@pytest.mark.parametrize("words", FIRST_DAYS)
def test_a_rule_is_due_on_its_first_day(words: str) -> None:
    assert of_date(words).due_on == FIRST_DAYS[words]


@pytest.mark.parametrize("words", UNKNOWN)
def test_other_words_are_kept_as_they_are(words: str) -> None:
    item = of_date(words)
    assert (item.due_on, item.rule, item.description) == (None, None, words)


@pytest.mark.parametrize(
    ("words", "due_on"),
    [
        ("Dec 24 2026", date(2026, 12, 24)),
        ("24 December 2026", date(2026, 12, 24)),
        ("Oct 5, 2026", date(2026, 10, 5)),
        ("24 Dec", date(2026, 12, 24)),
        ("1 Nov", date(2027, 11, 1)),
        ("2026-12-24T14:00:00", date(2026, 12, 24)),
    ],
)
def test_days_have_many_forms(words: str, due_on: date) -> None:
    assert of_date(words).due_on == due_on


def test_other_delimiters_and_orders_of_columns_are_read() -> None:
    assert read(b"CONTENT;TYPE\r\na;task\r\n", OPTIONS).items[0].title == "a"
    assert read(b"TYPE\tCONTENT\ntask\ta\n", OPTIONS).items[0].title == "a"


def test_an_unclosed_quote_is_told_by_its_line() -> None:
    with pytest.raises(Unreadable, match="quote") as error:
        read(HEADER + b'task,a,,4,1,\r\ntask,"b,,4,1,\r\ntask,c,,4,1,\r\n', OPTIONS)
    assert error.value.line == 3


@pytest.mark.parametrize("data", [b"", b"a,b\r\n", b"name;date\r\nx;y\r\n"])
def test_a_file_without_the_columns_is_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read(data, OPTIONS)


def test_a_zip_without_csv_is_refused() -> None:
    with pytest.raises(Unreadable, match="CSV"):
        read(zipped({"a.txt": b""}), OPTIONS)


ITEMS = [
    Item("1", "=1+1", description="-x", labels=["two words", "b"], priority=4, list_name="A/B"),
    Item("2", "+sub", parent="1", due_on=date(2026, 12, 24), due_time=time(9)),
    Item("3", "@home", priority=1),
]


def written_rows(data: bytes) -> dict[str, list[dict[str, str]]]:
    with ZipFile(io.BytesIO(data)) as archive:
        return {
            name: [*csv.DictReader(io.StringIO(archive.read(name).decode(), newline=""))]
            for name in archive.namelist()
        }


def test_a_list_is_a_file() -> None:
    rows = written_rows(write(Contents([ItemList("9", "Empty"), ItemList("8", "a_b")], ITEMS)))
    assert {name: [row["CONTENT"] for row in file[1:]] for name, file in rows.items()} == {
        "Empty.csv": [],
        "a_b.csv": [],
        "A_B (2).csv": ["=1+1 @two_words @b", "+sub"],
        "Inbox.csv": ["@home"],
    }
    first, second = rows["A_B (2).csv"][1:]
    assert (first["PRIORITY"], first["INDENT"], first["DESCRIPTION"]) == ("1", "1", "-x")
    assert (second["PRIORITY"], second["INDENT"], second["DATE"]) == ("4", "2", "2026-12-24 09:00")


def test_formulas_get_an_apostrophe_for_spreadsheets_alone() -> None:
    rows = written_rows(write(Contents((), ITEMS), for_spreadsheet=True))
    cells = {cell for file in rows.values() for row in file for cell in row.values()}
    assert {"'=1+1 @two_words @b", "'-x", "'+sub", "'@home"} <= cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_nothing_is_an_empty_inbox() -> None:
    assert written_rows(write(Contents()))["Inbox.csv"][0]["TYPE"] == "meta"


def test_what_is_completed_or_in_the_trash_is_not_written() -> None:
    """A subtask of what is completed stays in its list."""
    instant = datetime(2026, 11, 1, tzinfo=UTC)
    gone = [replace(ITEMS[0], completed_at=instant), replace(ITEMS[2], deleted_at=instant)]
    rows = written_rows(write(Contents((), [*gone, ITEMS[1]])))
    assert {name: [row["CONTENT"] for row in file[1:]] for name, file in rows.items()} == {
        "A_B.csv": ["+sub"]
    }
