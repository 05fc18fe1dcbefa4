"""Lists by due dates, priorities and labels: what is late is what the client says it is."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from graphql_schema import connections
from graphql_schema.filters import OrderDirection, TaskOrderField
from graphql_schema.types import TaskStatus
from models.user import UserId
from resolvers import narrowing
from resolvers.statements import task_pages
from resolvers.statements.task_conditions import Conditions
from resolvers.statements.task_pages import Page
from tests.api import LIST, Caller, Server, nonempty

BEFORE, DAY, AFTER = "2028-02-28", "2028-02-29", "2028-03-01"
LABELS = """
query Labels($first: Int, $after: String) {
  labels(first: $first, after: $after) {
    nodes { name }
    edges { cursor node { name } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""


@pytest.fixture(scope="module")
def user(server: Server) -> Caller:
    """A user with tasks around a day."""
    user = server.user()
    user.create("before", dueOn=BEFORE)
    user.create("at 8:59", dueOn=DAY, dueTime="08:59")
    user.create("at 9:00", dueOn=DAY, dueTime="09:00")
    user.create("that day", dueOn=DAY)
    user.create("after", dueOn=AFTER, dueTime="00:00")
    user.create("whenever")
    done = user.create("done", dueOn=BEFORE)
    user.toggle(id=done["id"])
    return user


def found(user: Caller, **filter: Any) -> list[str]:
    return user.titles(filter=filter, orderBy={"field": "DUE", "direction": "ASC"})


def test_what_is_late_is_late_by_the_clients_day_and_time(user: Caller) -> None:
    assert found(user, overdue={"today": DAY}) == ["before"]
    assert found(user, overdue={"today": DAY, "now": "09:00"}) == ["before", "at 8:59"]
    assert found(user, overdue={"today": DAY, "now": "09:01"}) == ["before", "at 8:59", "at 9:00"]
    assert found(user, overdue={"today": AFTER, "now": "00:00"})[-1] == "that day"
    assert found(user, overdue={"today": DAY}, status="COMPLETED") == []
    assert found(user, overdue={"today": DAY}, status="PENDING") == ["before"]


@pytest.fixture(params=["Pacific/Kiritimati", "Etc/GMT+12"])
def zone(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """The server is in another zone: 26 hours lie between the two."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("zone")
def test_the_zone_of_the_server_does_not_count(server: Server) -> None:
    user = server.user()
    today = datetime.now(UTC).date()
    user.create("due today", dueOn=str(today))
    for days, is_late in ((-2, False), (-1, False), (0, False), (1, True), (2, True)):
        shown = found(user, overdue={"today": str(today + timedelta(days=days)), "now": "00:00"})
        assert shown == ["due today"] * is_late


def test_no_statement_of_a_list_asks_for_the_time() -> None:
    late = Conditions(
        TaskStatus.PENDING,
        has_due_date=True,
        bounds={"due_from": "-infinity", "due_until": "2028-02-29 09:00:00"},
    )
    clock = re.compile(r"\b(?:now|current_\w+|local\w+|\w+_timestamp|timeofday)\b", re.IGNORECASE)
    for field, direction in product(TaskOrderField, OrderDirection):
        page = Page(late, field, direction, None, None)
        statement = task_pages.tasks(UserId("me"), page, limit=1, backward=False)
        assert not clock.search(statement.sql.text)
    assert not clock.search(task_pages.count_tasks(UserId("me"), late).sql.text)


def test_days_are_whole_on_both_ends(user: Caller) -> None:
    of_the_day = ["at 8:59", "at 9:00", "that day"]
    assert found(user, dueOn={"from": DAY, "through": DAY}) == of_the_day
    assert found(user, dueOn={"from": AFTER, "through": BEFORE}) == []
    assert found(user, dueOn={"from": DAY}) == [*of_the_day, "after"]
    assert found(user, dueOn={"through": BEFORE}) == ["before", "done"]
    assert found(user, dueOn={"through": "9999-12-31"}, status="PENDING")[-1] == "after"
    assert found(user, dueOn={"from": "0001-01-01"}) == found(user, hasDueDate=True)
    assert found(user, hasDueDate=False) == ["whenever"]
    assert {*found(user, hasDueDate=True), "whenever"} == set(found(user))


def test_the_order_is_by_date_and_time_and_whole_days_come_last(user: Caller) -> None:
    ascending = ["before", "at 8:59", "at 9:00", "that day", "after", "whenever"]
    assert found(user, status="PENDING") == ascending
    order = {"field": "DUE", "direction": "DESC"}
    assert user.titles(filter={"status": "PENDING"}, orderBy=order) == ascending[::-1]


def test_a_date_that_moves_past_the_cursor_brings_no_task_twice_into_a_page(
    server: Server,
) -> None:
    user = server.user()
    ids = [user.create(f"{n}", dueOn=f"2028-03-0{n + 1}")["id"] for n in range(4)]
    user.create("whenever")
    order = {"field": "DUE", "direction": "ASC"}
    cursor = user.page(first=2, orderBy=order)["pageInfo"]["endCursor"]
    user.update(id=ids[0], dueOn="2028-04-01")
    user.update(id=ids[1], dueOn=None)
    user.update(id=ids[3], dueOn="2028-01-01")
    assert user.titles(first=9, after=cursor, orderBy=order) == ["2", "0", "1", "whenever"]
    assert user.titles(last=9, before=cursor, orderBy=order) == ["3"]


def test_priorities_are_a_set(server: Server) -> None:
    user = server.user()
    for priority in ("NONE", "LOW", "MEDIUM", "HIGH", "URGENT"):
        user.create(priority, priority=priority)
    order = {"field": "PRIORITY", "direction": "ASC"}

    def chosen(*priorities: str) -> list[str]:
        return user.titles(filter={"priorities": priorities}, orderBy=order)

    assert chosen("HIGH", "URGENT", "HIGH") == ["HIGH", "URGENT"]
    assert chosen("URGENT", "NONE") == ["NONE", "URGENT"]
    assert chosen() == []
    assert user.titles(filter={"priorities": None}, orderBy=order)[0] == "NONE"


@pytest.mark.parametrize("status", ["ALL", "PENDING", None])
def test_the_order_by_completion_needs_completed_tasks(user: Caller, status: str | None) -> None:
    filter: dict[str, Any] = {"status": status} if status else {"completedAt": {}}
    result = user.execute(LIST, {"orderBy": {"field": "COMPLETED_AT"}, "filter": filter})
    (error,) = result["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert "`status: COMPLETED`" in error["message"]


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        ({"priorities": ["LOW"] * 21}, "`priorities` must have at most 20 values, not 21."),
        ({"labels": {"all": ["x"] * 21}}, "`labels.all` must have at most 20 labels, not 21."),
        ({"labels": {"any": ["x"] * 21}}, "`labels.any` must have at most 20 labels, not 21."),
        ({"labels": {"none": ["x"] * 21}}, "`labels.none` must have at most 20 labels, not 21."),
        ({"labels": {"none": ["\0"]}}, "`labels.none` has a character that no label can have."),
        ({"labels": {"any": ["\ud800"]}}, "`labels.any` has a character that no label can have."),
        ({"labels": {"any": ["x" * 51]}}, "`labels.any` has a label of more than 50 characters."),
    ],
)
def test_lists_that_are_too_long_are_refused(
    user: Caller, filter: dict[str, Any], message: str
) -> None:
    (error,) = user.execute(LIST, {"filter": filter})["errors"]
    assert (error["message"], error["extensions"]) == (message, {"code": "BAD_USER_INPUT"})


@pytest.mark.parametrize("found_max", [1000, 0], ids=["looked up", "walked"])
def test_labels_are_found_whatever_their_case_and_width(
    server: Server, monkeypatch: pytest.MonkeyPatch, found_max: int
) -> None:
    monkeypatch.setattr(narrowing, "FOUND_MAX", found_max)
    user = server.user()
    for title, labels in (
        ("a", ["Work", "x y"]),
        ("b", ["work", "Home"]),
        ("c", []),
        ("d", ["HOME"]),
    ):
        user.create(title, labels=labels)
    user.delete(id=user.create("e", labels=["straße", "work"])["id"])

    def having(trash: str = "EXCLUDE", **labels: list[str]) -> str:
        titles = user.titles(filter={"labels": labels, "trash": trash})
        return "".join(sorted(titles))

    assert having(all=["WORK"]) == "ab"
    assert having(all=["work", "hOmE"]) == "b"
    assert having(any=["home", " X  Y ", "unknown"]) == "abd"
    assert having(none=["work", "unknown"]) == "cd"
    assert having(all=["work"], any=["home"], none=["x y"]) == "b"
    assert having(all=["unknown"]) == having(any=["unknown"]) == having(any=[]) == ""
    assert having(none=["unknown"]) == having(all=[], none=[]) == "abcd"
    assert having("ONLY", all=["STRASSE", "WORK"]) == having("ONLY", none=["home"]) == "e"
    assert having("ONLY", any=["home"]) == having("ONLY", none=["strasse"]) == ""


def test_labels_in_use_are_listed_once_each_by_their_keys(server: Server) -> None:
    user, other = server.user(), server.user()
    other.create(labels=["another's"])
    assert user.data(LABELS)["labels"]["nodes"] == []
    for n in range(3):
        user.create(labels=["Zebra", "apple", f"b{n}"])
    gone = user.create(labels=["gone", "APPLE"])
    user.delete(id=gone["id"])
    names = ["apple", "b0", "b1", "b2", "Zebra"]
    assert [node["name"] for node in user.data(LABELS)["labels"]["nodes"]] == names
    for size in (1, 2, 5):
        paged, after = [], None
        while True:
            page = user.data(LABELS, first=size, after=after)["labels"]
            info = page["pageInfo"]
            assert info["hasPreviousPage"] is (after is not None)
            paged += [edge["node"]["name"] for edge in page["edges"]]
            assert [edge["node"] for edge in page["edges"]] == page["nodes"]
            assert info["startCursor"] == page["edges"][0]["cursor"]
            after = info["endCursor"]
            if not info["hasNextPage"]:
                break
        assert paged == names
    page = user.data(LABELS, first=0)["labels"]
    assert page["nodes"] == []
    assert page["pageInfo"]["hasNextPage"] is True


def test_a_cursor_of_labels_is_a_place_and_no_other_cursor_is_one(server: Server) -> None:
    user = server.user()
    id = user.create(labels=["b"])["id"]
    user.create(labels=["a", "c"])
    edges = user.data(LABELS)["labels"]["edges"]
    after_b = edges[1]["cursor"]
    user.update(id=id, labels=["B2"])
    names = [n["name"] for n in user.data(LABELS, after=after_b)["labels"]["nodes"]]
    assert names == ["B2", "c"]
    changes = user.changes()["pageInfo"]["endCursor"]
    task = user.page()["pageInfo"]["endCursor"]
    wrong = [
        connections.encode_parts("LABELS", *parts)
        for parts in (
            (),
            (None,),
            (7,),
            ("x" * 51,),
            ("\0",),
            (["x"],),
            ("a", "b"),
        )
    ]
    for cursor in nonempty([changes, task, "x", "", *wrong]):
        (error,) = user.execute(LABELS, {"after": cursor})["errors"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    for first in (-1, 101):
        (error,) = user.execute(LABELS, {"first": first})["errors"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT"}
