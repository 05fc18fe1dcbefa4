"""Vikunja's export, a test for each row of what it brings."""

import json
from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from app.exchange.items import Contents, Item, Unreadable
from app.exchange.vikunja import read
from tests.exchange.reading import OPTIONS, by_title, file, losses, zipped


@pytest.fixture(scope="module")
def export() -> Contents:
    return read(file("data.json"), OPTIONS)


def of_task(**values: Any) -> Item:
    task = {"id": 1, "title": "a", **values}
    data = json.dumps([{"id": 1, "title": "Home", "tasks": [task]}]).encode()
    return read(data, OPTIONS).items[0]


def test_a_zip_says_the_same(export: Contents) -> None:
    files = {"data.json": file("data.json"), "filters.json": b"[]", "VERSION": b"v0.24.6", "1": b""}
    assert read(zipped(files), OPTIONS) == export


def test_tasks_stand_in_the_order_of_their_projects(export: Contents) -> None:
    assert [(item.key, item.title) for item in export.items] == [
        ("1", "Loose"),
        ("11", "Done before"),
        ("12", "Look in the shed"),
        ("10", "Repot the basil"),
        ("13", "Find a pot"),
        ("20", "Fix the tap"),
        ("21", "Rent"),
        ("22", "Water"),
        ("23", "Breathe"),
    ]


def test_projects_are_lists_behind_their_parents(export: Contents) -> None:
    assert [each.name for each in export.lists] == ["Home", "Home / Kitchen", "Old"]
    assert export.lists[0].created_at == datetime(2026, 1, 1, 8, tzinfo=UTC)
    lists = {item.title: item.list_name for item in export.items}
    assert (lists["Loose"], lists["Done before"], lists["Rent"]) == (
        None,
        "Home",
        "Home / Kitchen",
    )


def test_projects_within_projects_are_read_too() -> None:
    inner = {"id": 2, "title": "In", "tasks": [{"id": 5, "title": "a"}]}
    data = json.dumps([{"id": 1, "title": "Out", "child_projects": [inner]}]).encode()
    assert [each.name for each in read(data, OPTIONS).lists] == ["Out", "Out / In"]


def test_projects_in_a_circle_end() -> None:
    projects = [{"id": n, "title": str(n), "parent_project_id": 3 - n} for n in (1, 2)]
    names = [each.name for each in read(json.dumps(projects).encode(), OPTIONS).lists]
    assert names == ["2 / 1", "1 / 2"]


def test_html_becomes_text(export: Contents) -> None:
    assert by_title(export)["Repot the basil"].description == (
        "The terracotta pot & soil\n- [x] soil\n- [ ] pot\nsee the page (https://example.org)"
    )


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a<br>b</p><p></p><h2>c</h2>", "a\nb\nc"),
        ("<p>a &lt;b&gt;\n  c</p><!-- d -->", "a <b> c"),
        ("<ul><li><p>a</p></li><li>b <em>c</em></li></ul>", "- a\n- b c"),
        (
            '<a href="https://a.example/?b&amp;c">https://a.example/?b&c</a>',
            "https://a.example/?b&c",
        ),
        ("<style>p {}</style><p>a</p><script>b</script>", "a"),
        ("<p>1 < 2 <a", "1 < 2 <a"),
        ("<p>" + "<a " * 200_000, ("<a " * 200_000).strip()),
    ],
)
def test_html_has_many_forms(html: str, text: str) -> None:
    assert of_task(description=html).description == text


def test_a_text_without_tags_stays() -> None:
    assert of_task(description="a < b &amp;\n\n  c").description == "a < b &amp;\n\n  c"


def test_what_is_done_has_its_time(export: Contents) -> None:
    done = {item.title: item.completed_at for item in export.items if item.completed_at}
    assert done == {
        "Done before": datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC),
        "Loose": datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
    }


def test_instants_become_days_of_the_zone(export: Contents) -> None:
    """In Berlin, it is half past midnight of the next day."""
    item = by_title(export)["Find a pot"]
    assert (item.due_on, item.due_time) == (date(2026, 12, 24), time(0, 30))
    assert by_title(export)["Loose"].due_on is None


def test_times_of_creation_are_kept(export: Contents) -> None:
    item = by_title(export)["Rent"]
    assert item.created_at == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert item.updated_at == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(("priority", "ours"), [*zip(range(7), (0, 1, 2, 3, 4, 4, 0), strict=True)])
def test_priorities(priority: int, ours: int) -> None:
    assert of_task(priority=priority).priority == ours


def test_labels_are_titles(export: Contents) -> None:
    assert by_title(export)["Repot the basil"].labels == ("garden", "week end")


def test_subtasks_of_subtasks_are_subtasks(export: Contents) -> None:
    """The row of the deepest comes first."""
    parents = {item.title: item.parent for item in export.items if item.parent}
    assert parents == {"Find a pot": "10", "Look in the shed": "10"}


def test_a_parent_is_found_from_either_side() -> None:
    tasks = [
        {"id": 3, "title": "c", "related_tasks": {"parenttask": [{"id": 1}]}},
        {"id": 1, "title": "a", "related_tasks": {"subtask": [{"id": 2}]}},
        {"id": 2, "title": "b"},
    ]
    data = json.dumps([{"id": 1, "title": "Home", "tasks": tasks}]).encode()
    assert [item.parent for item in read(data, OPTIONS).items] == ["1", None, "1"]


def test_repetitions_are_rules(export: Contents) -> None:
    rules = {item.title: item.rule for item in export.items if item.rule}
    assert rules == {
        "Fix the tap": {"every": 3, "unit": "DAY", "from": "DUE", "start": "2026-12-24"},
        "Rent": {"every": 1, "unit": "MONTH", "from": "DUE", "start": "2027-01-01"},
        "Water": {"every": 2, "unit": "WEEK", "from": "COMPLETION", "start": "2026-12-24"},
    }


def test_what_is_not_kept_is_reported(export: Contents) -> None:
    basil = ("comments", "attachments", "assignees", "reminders", "progress", "favourites")
    assert losses(export) == {
        *((kind, "Repot the basil") for kind in (*basil, "relations", "start and end dates")),
        ("relations", "Look in the shed"),
        ("deeper levels", "Look in the shed"),
        ("buckets", "To-Do"),
        ("descriptions of lists", "Home"),
        ("archiving", "Old"),
        ("rules that cannot be said", "Breathe"),
    }


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"", (1, 1)),
        (b'[{"id": 1,\n "title": }]', (2, 11)),
        (b'[{"id": 1}', (1, 11)),
        (b"[1e5, NaN]", (None, None)),
        (b"[" * 100_000, (None, None)),
        (b"[" + b"1" * 5000 + b"]", (None, None)),
        (b'{"id": 1}', (None, None)),
        (b"[] []", (None, None)),
    ],
)
def test_what_is_no_json_is_refused(data: bytes, place: tuple[int | None, int | None]) -> None:
    with pytest.raises(Unreadable) as error:
        read(data, OPTIONS)
    assert (error.value.line, error.value.column) == place


def test_a_zip_without_data_is_refused() -> None:
    with pytest.raises(Unreadable, match=r"data\.json"):
        read(zipped({"VERSION": b"1"}), OPTIONS)


def test_numbers_of_any_size_are_read() -> None:
    item = of_task(priority=10**300, repeat_after=10**300, due_date="9999-12-31T23:59:59Z")
    assert (item.priority, item.rule, item.due_on) == (0, None, None)
    endless = b'[{"title": "a", "tasks": [{"id": 1, "priority": 1e999, "repeat_after": 1e999}]}]'
    assert read(endless, OPTIONS).items[0].priority == 0
    assert of_task(title="a\ud800\0").title == "a\ufffd\ufffd"
