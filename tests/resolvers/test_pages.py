"""Pages of tasks: both ways, over ties, and while rows come and go."""

import json
from base64 import urlsafe_b64encode
from itertools import pairwise
from typing import Any
from unicodedata import normalize

import psycopg
import pytest
from strawberry.utils.str_converters import to_camel_case

from graphql_schema.filters import OrderDirection
from models.fact import May
from tests.api import LIST, Caller, Server, nonempty
from tests.facts import facts_with

PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX = 50, 100


def walk(user: Caller, size: int, *, forward: bool, **arguments: Any) -> list[str]:
    """Return the ids of all pages, from the start or from the end."""
    ids: list[str] = []
    cursor = None
    while True:
        if forward:
            page = user.page(first=size, after=cursor, **arguments)
            ids += [node["id"] for node in page["nodes"]]
            more, cursor = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
        else:
            page = user.page(last=size, before=cursor, **arguments)
            ids = [node["id"] for node in page["nodes"]] + ids
            more, cursor = page["pageInfo"]["hasPreviousPage"], page["pageInfo"]["startCursor"]
        if not more:
            return ids


def add_ties(server: Server, user: Caller) -> None:
    """Give the user twelve tasks: four at each of three instants, titles alike but for case."""
    user.data("{ me { id } }")
    with psycopg.connect(str(server.settings.migration_database_url)) as connection:
        connection.execute(
            """INSERT INTO tasks (user_id, title, completed, created_at, updated_at, version)
               SELECT %s, (array['Apple', 'apple', 'Éclair', 'zebra'])[1 + n %% 4], n %% 3 = 0,
                      timestamptz '2026-01-01' + (n / 4) * interval '1 day',
                      timestamptz '2026-02-01' - (n / 4) * interval '1 day', n + 1
               FROM generate_series(0, 11) n""",
            [user.user_id],
        )


ORDERS = [
    {"field": fact.name.upper(), "direction": direction}
    for fact in facts_with(May.ORDER)
    for direction in OrderDirection.__members__
]
"""Those of fields that every task has; `test_task_lists.py` has the others, too."""


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("size", [1, 3, 5, 12, 50])
def test_pages_add_up_to_the_list_both_ways(
    server: Server, order: dict[str, str], size: int
) -> None:
    user = server.user()
    add_ties(server, user)
    whole = user.page(orderBy=order)["nodes"]
    assert len(whole) == 12
    ids = [node["id"] for node in whole]
    assert walk(user, size, forward=True, orderBy=order) == ids
    assert walk(user, size, forward=False, orderBy=order) == ids
    pending = [node["id"] for node in whole if not node["completed"]]
    only_pending = {"status": "PENDING"}
    assert walk(user, size, forward=True, orderBy=order, filter=only_pending) == pending
    assert walk(user, size, forward=False, orderBy=order, filter=only_pending) == pending


def test_each_order_is_what_it_says_with_ties_by_id(server: Server) -> None:
    user = server.user()
    add_ties(server, user)

    def key(node: dict[str, Any], field: str) -> tuple[Any, int]:
        without_accents = normalize("NFD", node[to_camel_case(field.lower())]).encode(
            "ascii", "ignore"
        )
        return (without_accents.lower(), int(node["id"]))

    for order in nonempty(ORDERS):
        nodes = nonempty(user.page(orderBy=order)["nodes"])
        keys = [key(node, order["field"]) for node in nodes]
        assert keys == sorted(keys, reverse=order["direction"] == "DESC")


def test_the_newest_come_first_when_nothing_is_said(server: Server) -> None:
    user = server.user()
    for title in "abc":
        user.create(title)
    assert user.titles() == ["c", "b", "a"]


def test_edges_carry_the_cursors_of_their_nodes(server: Server) -> None:
    user = server.user()
    add_ties(server, user)
    page = user.page(first=4)
    assert [edge["node"]["id"] for edge in page["edges"]] == [node["id"] for node in page["nodes"]]
    assert page["edges"][0]["cursor"] == page["pageInfo"]["startCursor"]
    assert page["edges"][-1]["cursor"] == page["pageInfo"]["endCursor"]
    for edge, following in pairwise(page["edges"]):
        after = user.page(first=1, after=edge["cursor"])["nodes"]
        assert [node["id"] for node in after] == [following["node"]["id"]]


def test_page_info_tells_what_lies_on_either_side(server: Server) -> None:
    user = server.user()
    for title in "edcba":
        user.create(title)

    def sides(**arguments: Any) -> tuple[bool, bool]:
        info = user.page(**arguments)["pageInfo"]
        return info["hasPreviousPage"], info["hasNextPage"]

    cursors = {e["node"]["id"]: e["cursor"] for e in user.page()["edges"]}
    a, b, c, d, e = cursors.values()
    assert sides(first=5) == (False, False)
    assert sides(first=4) == (False, True)
    assert sides(last=5) == (False, False)
    assert sides(last=4) == (True, False)
    assert sides(first=2, after=b) == (True, True)
    assert sides(first=3, after=b) == (True, False)
    assert sides(last=2, before=d) == (True, True)
    assert sides(last=3, before=d) == (False, True)
    assert sides(first=9, after=a, before=e) == (True, True)
    assert sides(last=9, after=a, before=e) == (True, True)
    assert sides(first=5, after=e) == (True, False)
    assert sides(last=5, before=a) == (False, True)
    assert [n["title"] for n in user.page(first=9, after=a, before=e)["nodes"]] == ["b", "c", "d"]
    assert [n["title"] for n in user.page(last=1, after=a, before=e)["nodes"]] == ["d"]
    assert user.page(first=2, after=c, before=b)["nodes"] == []


def test_an_empty_list_is_an_empty_page(server: Server) -> None:
    page = server.user().page()
    assert page == {
        "nodes": [],
        "edges": [],
        "pageInfo": {
            "hasNextPage": False,
            "hasPreviousPage": False,
            "startCursor": None,
            "endCursor": None,
        },
        "totalCount": 0,
    }


def test_a_cursor_stays_right_while_rows_come_and_go(server: Server) -> None:
    user = server.user()
    for title in "fedcba":
        user.create(title)
    page = user.page(first=3)
    assert [n["title"] for n in page["nodes"]] == ["a", "b", "c"]
    cursor = page["pageInfo"]["endCursor"]
    user.create("new")
    user.delete(id=page["nodes"][0]["id"])
    user.delete(id=page["nodes"][2]["id"])
    assert user.titles(first=3, after=cursor) == ["d", "e", "f"]
    assert user.titles(last=9, before=cursor) == ["new", "b"]


def test_a_cursor_of_a_title_survives_its_renaming(server: Server) -> None:
    user = server.user()
    order = {"field": "TITLE", "direction": "ASC"}
    for title in ("a", "B", "c", "D"):
        user.create(title)
    page = user.page(first=2, orderBy=order)
    assert [n["title"] for n in page["nodes"]] == ["a", "B"]
    user.update(id=page["nodes"][1]["id"], title="z")
    after = page["pageInfo"]["endCursor"]
    assert user.titles(first=9, after=after, orderBy=order) == ["c", "D", "z"]


def test_status_filters_the_list_and_its_count(server: Server) -> None:
    user = server.user()
    for title in "abc":
        user.create(title)
    done = user.page()["nodes"][0]
    user.toggle(id=done["id"])
    for status, titles in (("ALL", 3), ("PENDING", 2), ("COMPLETED", 1)):
        page = user.page(filter={"status": status})
        assert (len(page["nodes"]), page["totalCount"]) == (titles, titles)
    assert user.page(filter={})["totalCount"] == 3


def test_the_badge_count_needs_no_tasks(server: Server) -> None:
    user = server.user()
    user.create()
    page = user.page(filter={"status": "PENDING"}, first=0)
    assert (page["nodes"], page["totalCount"]) == ([], 1)
    assert page["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": None,
    }
    assert user.page(last=0)["pageInfo"]["hasPreviousPage"] is True


def test_a_page_has_fifty_tasks_when_nothing_is_said(server: Server) -> None:
    user = server.user()
    user.data("{ me { id } }")
    with psycopg.connect(str(server.settings.migration_database_url)) as connection:
        connection.execute(
            "INSERT INTO tasks (user_id, title, version) "
            "SELECT %s, 'task ' || n, n FROM generate_series(1, 120) n",
            [user.user_id],
        )
    assert len(user.page()["nodes"]) == PAGE_SIZE_DEFAULT
    assert len(user.page(first=PAGE_SIZE_MAX)["nodes"]) == PAGE_SIZE_MAX
    assert len(user.page(last=PAGE_SIZE_MAX)["nodes"]) == PAGE_SIZE_MAX


def cursor_of(*parts: Any) -> str:
    return urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "arguments",
    [
        {"first": -1},
        {"first": PAGE_SIZE_MAX + 1},
        {"last": -1},
        {"last": PAGE_SIZE_MAX + 1},
        {"first": 1, "last": 1},
        {"after": ""},
        {"after": "x"},
        {"after": "é"},
        {"after": "\0"},
        {"after": "\ud800"},
        {"before": "=" * 9},
        {"after": "A" * 50_000},
        {"after": cursor_of()},
        {"after": cursor_of("CREATED_AT", 0)},
        {"after": cursor_of("CREATED_AT", 0, 0)},
        {"after": cursor_of("CREATED_AT", 0, 2**63)},
        {"after": cursor_of("CREATED_AT", 0, True)},
        {"after": cursor_of("CREATED_AT", 10**30, 1)},
        {"after": cursor_of("CREATED_AT", "x", 1)},
        {"after": cursor_of("CREATED_AT", 1.5, 1)},
        {"after": cursor_of("NOTHING", 0, 1)},
        {"after": cursor_of("TITLE", "x", 1)},
        {"orderBy": {"field": "TITLE"}, "after": cursor_of("TITLE", "\0", 1)},
        {"orderBy": {"field": "TITLE"}, "after": cursor_of("TITLE", "\ud800", 1)},
        {"orderBy": {"field": "TITLE"}, "after": cursor_of("TITLE", "x" * 201, 1)},
        {"orderBy": {"field": "TITLE"}, "after": cursor_of("CREATED_AT", 0, 1)},
    ],
    ids=lambda arguments: str(arguments)[:60],
)
def test_arguments_that_make_no_page_are_bad_user_input(
    server: Server, arguments: dict[str, Any]
) -> None:
    result = server.user().execute(LIST, arguments)
    assert result["data"] is None
    (error,) = result["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert error["path"] == ["tasks"]


def test_the_longest_title_makes_a_cursor(server: Server) -> None:
    user = server.user()
    for _ in range(2):
        user.create("😀" * 200)
    order = {"field": "TITLE"}
    assert len(walk(user, 1, forward=True, orderBy=order)) == 2
