"""Lists: made, changed, moved, trashed with their tasks and restored with them."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import psycopg
import pytest

from tests.api import (
    CREATE_LIST,
    UPDATE_LIST,
    Caller,
    Server,
    issues,
    new_id,
    running_server,
    settings_for,
)
from tests.databases import Database, without_triggers

NODE = "query ($id: ID!) { node(id: $id) { __typename id ... on TaskList { name } } }"
ONE = "query ($id: ID!) { list(id: $id) { id name pendingCount } }"
ONLY: Any = {"trash": "ONLY"}
QUOTA = "... on QuotaExceeded { storage { tasks tasksLimit } } ... on TaskList"


def names(user: Caller, **arguments: Any) -> list[str]:
    return [each["name"] for each in user.lists(**arguments)["nodes"]]


def pending(user: Caller) -> dict[str, int]:
    return {each["name"]: each["pendingCount"] for each in user.lists()["nodes"]}


def created(user: Caller, **input: Any) -> Any:
    return user.data(CREATE_LIST, input=input)["createList"]


def test_a_new_list_is_the_last_and_is_shown_everywhere_alike(server: Server) -> None:
    user = server.user()
    made = [user.create_list(name) for name in ("Home", "  Work\n", "Home")]
    assert [each["id"][0] for each in made] == ["L"] * 3
    assert names(user) == ["Home", "Work", "Home"]
    assert made[0].items() <= user.lists()["nodes"][0].items()
    assert user.data(ONE, id=made[1]["id"])["list"]["name"] == "Work"
    assert [each["version"] for each in made] == [1, 2, 3]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"name": ""}, [("name", "TOO_SHORT")]),
        ({"name": " \u200b"}, [("name", "TOO_SHORT")]),
        ({"name": "x" * 101}, [("name", "TOO_LONG")]),
        ({"name": "a\0"}, [("name", "INVALID")]),
        ({"name": "a", "place": {"after": "7"}}, [("place", "INVALID")]),
        ({"name": "a", "place": {"before": "L7"}}, [("place", "INVALID")]),
        ({"name": "a", "place": {"first": False}}, [("place", "INVALID")]),
        ({"name": "a", "id": "L7"}, [("id", "INVALID")]),
        ({"name": "", "id": "7"}, [("id", "INVALID"), ("name", "TOO_SHORT")]),
    ],
)
def test_what_no_list_can_have_is_an_issue(
    server: Server, values: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    user = server.user()
    assert issues(created(user, **values)) == found
    assert user.all_changes()["nodes"] == []


def test_a_name_of_100_characters_is_kept_and_null_is_none(server: Server) -> None:
    user = server.user()
    made = user.create_list("é" * 100)
    assert issues(user.update_list(id=made["id"], name=None)) == [("name", "REQUIRED")]
    assert issues(user.update_list(id=made["id"], name="x" * 101)) == [("name", "TOO_LONG")]
    same = user.update_list(id=made["id"])
    assert {**made, "__typename": "TaskList"} == same
    changed = user.update_list(id=made["id"], name="Home", expectedVersion=made["version"])
    assert (changed["name"], changed["version"]) == ("Home", made["version"] + 1)
    conflict = user.update_list(id=made["id"], name="x", expectedVersion=made["version"])
    assert conflict["current"]["name"] == "Home"


def test_nobody_has_more_than_1000_lists(server: Server, database: Database) -> None:
    user = server.user()
    first = user.create_list()["id"]
    with without_triggers(database) as connection:
        connection.execute(
            "INSERT INTO task_lists (user_id, id, name, position, version) "
            "SELECT %s, n, 'x', 'V', 1 FROM generate_series(1, 999) AS n",
            [user.user_id],
        )
    assert user.lists(first=0)["totalCount"] == 1000
    assert issues(created(user, name="One more")) == [("name", "TOO_LONG")]
    user.delete_list(id=first)
    user.create_list()
    assert issues(user.restore_list(id=first)) == [("id", "TOO_LONG")]


@pytest.mark.parametrize(
    "id", ["L", "L0", "l5", "L05", f"L{10**19}", "", "5", "LL5", "L+5", "L\u0665"]
)
def test_what_is_no_id_of_a_list_is_not_found(server: Server, id: str) -> None:
    user = server.user()
    user.create_list()
    assert user.data(ONE, id=id)["list"] is None
    assert user.data(NODE, id=id)["node"] is None
    place = {"first": True}
    for act in (user.update_list, user.delete_list, user.restore_list):
        assert act(id=id)["__typename"] == "ListNotFound"
    assert user.move_list(id=id, place=place)["__typename"] == "ListNotFound"


def test_an_id_of_the_other_kind_is_as_good_as_none(server: Server) -> None:
    user = server.user()
    task, made = user.create()["id"], user.create_list()["id"]
    assert user.data(ONE, id=f"L{task}")["list"] is None
    assert user.get(made) is user.get(made[1:]) is None
    assert user.delete_list(id=task)["__typename"] == "ListNotFound"
    assert user.delete(id=made)["__typename"] == "TaskNotFound"
    assert user.update_list(id=f"L{task}", name="x")["__typename"] == "ListNotFound"


def test_node_finds_what_is_not_in_the_trash(server: Server) -> None:
    user, other = server.user(), server.user()
    task, made = user.create()["id"], user.create_list()["id"]
    assert user.data(NODE, id=task)["node"] == {"__typename": "Task", "id": task}
    assert user.data(NODE, id=made)["node"]["name"] == "Home"
    assert other.data(NODE, id=task)["node"] is other.data(NODE, id=made)["node"] is None
    assert user.data(NODE, id=user.user_id)["node"] is None
    user.delete(id=task)
    user.delete_list(id=made)
    assert user.data(NODE, id=task)["node"] is user.data(NODE, id=made)["node"] is None


def test_a_client_makes_the_id_of_a_list_once(server: Server) -> None:
    user, other, id = server.user(), server.user(), f"L{new_id()}"
    input = {"name": "Home", "id": id, "idempotencyKey": "once"}
    first = created(user, **input)
    assert first["id"] == id
    assert created(user, **input) == first
    assert issues(created(user, name="Home", id=id)) == [("id", "TAKEN")]
    user.delete_list(id=id)
    assert issues(created(user, name="Home", id=id)) == [("id", "TAKEN")]
    assert other.create_list(id=id)["id"] == id
    task = user.create(id=new_id())["id"]
    assert issues(created(user, name="Home", id=f"L{task}")) == [("id", "TAKEN")]


def test_a_list_is_moved_as_a_plain_list_says(server: Server) -> None:
    user = server.user()
    ids = [user.create_list(name)["id"] for name in "abc"]
    user.create_list("d", place={"first": True})
    user.create_list("e", place={"after": ids[0]})
    assert names(user) == list("daebc")
    for place, order in (
        ({"first": True}, "cdaeb"),
        ({"before": ids[1]}, "daecb"),
        ({"after": ids[1]}, "daebc"),
        ({"after": ids[2]}, "daebc"),
        ({"last": True}, "daebc"),
    ):
        assert user.move_list(id=ids[2], place=place)["__typename"] == "TaskList"
        assert names(user) == list(order)
    user.delete_list(id=ids[0])
    for place in ({"after": ids[0]}, {"after": server.user().create_list()["id"]}):
        assert issues(user.move_list(id=ids[2], place=place)) == [("place", "INVALID")]
    assert user.move_list(id=ids[2], place={"first": True}, expectedVersion=1)["current"]


def test_lists_are_paged_both_ways(server: Server) -> None:
    user = server.user()
    for name in "abcde":
        user.create_list(name)
    page = user.lists(first=2)
    seen, info = [], page["pageInfo"]
    assert (info["hasNextPage"], info["hasPreviousPage"], page["totalCount"]) == (True, False, 5)
    for _ in range(3):
        seen += [each["name"] for each in page["nodes"]]
        page = user.lists(first=2, after=page["pageInfo"]["endCursor"])
    assert seen == list("abcde")
    last = user.lists(last=2)
    assert [each["name"] for each in last["nodes"]] == ["d", "e"]
    start = last["pageInfo"]["startCursor"]
    assert names(user, last=9, before=start) == list("abc")
    assert user.lists(first=9, before=start)["pageInfo"]["hasNextPage"]
    wrong = user.execute("query ($c: String) { lists(after: $c) { totalCount } }", {"c": "WyJ4Il0"})
    assert wrong["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.fixture
def filled(server: Server) -> tuple[Caller, str, dict[str, str]]:
    """A list with a task, a parent with a subtask, a done task, and one in the trash before."""
    user = server.user()
    made = user.create_list()["id"]
    ids = {title: user.create(title, listId=made)["id"] for title in ("a", "p", "done", "before")}
    ids["s"] = user.create("s", parentId=ids["p"])["id"]
    user.toggle(id=ids["done"])
    user.delete(id=ids["before"])
    return user, made, ids


def in_list(user: Caller, id: str) -> list[str]:
    order = {"field": "POSITION", "direction": "ASC"}
    page = "tasks(orderBy: $order, filter: {level: TOP}) { nodes { title } }"
    query = f"query ($id: ID!, $order: TaskOrder) {{ list(id: $id) {{ {page} }} }}"
    found = user.data(query, id=id, order=order)["list"]["tasks"]["nodes"]
    return [task["title"] for task in found]


def test_a_list_takes_its_tasks_into_the_trash_and_back(
    filled: tuple[Caller, str, dict[str, str]],
) -> None:
    user, made, _ = filled
    assert in_list(user, made) == ["a", "p", "done"]
    input = {"id": made, "idempotencyKey": "delete"}
    deleted = user.delete_list(**input)
    assert (deleted["deletedListId"], deleted["deletedTaskCount"]) == (made, 4)
    assert user.delete_list(**input) == deleted
    assert user.titles() == names(user) == []
    (gone,) = user.lists(**ONLY)["nodes"]
    trash = user.page(filter=ONLY)["nodes"]
    along = {task["title"] for task in trash if task["deletedAt"] == gone["deletedAt"]}
    assert along == {"a", "p", "s", "done"}
    assert len(trash) == 5
    assert user.delete_list(id=made)["__typename"] == "ListNotFound"
    assert user.restore_list(id=made, expectedVersion=1)["current"]["id"] == made
    assert user.restore_list(id=made)["deletedAt"] is None
    assert in_list(user, made) == ["a", "p", "done"]
    assert user.titles(filter=ONLY) == ["before"]
    # The answer that is sent again counts anew.
    assert user.delete_list(**input) == {**deleted, "deletedTaskCount": 0}


def test_a_task_that_is_restored_without_its_list_is_in_the_inbox_and_stays(
    filled: tuple[Caller, str, dict[str, str]],
) -> None:
    user, made, ids = filled
    user.delete_list(id=made)
    user.restore(id=ids["a"])
    inbox = {"filter": {"inbox": True}}
    assert user.titles(**inbox) == ["a"]
    user.restore_list(id=made)
    assert user.titles(**inbox) == ["a"]
    assert in_list(user, made) == ["p", "done"]


def test_nothing_comes_into_a_list_in_the_trash(
    filled: tuple[Caller, str, dict[str, str]],
) -> None:
    user, made, _ = filled
    own = user.create("own")
    user.delete_list(id=made)
    assert user.update(id=own["id"], listId=made)["__typename"] == "ListNotFound"
    create = "mutation ($i: CreateTaskInput!) { createTask(input: $i) { __typename } }"
    answer = user.data(create, i={"title": "x", "listId": made})["createTask"]
    assert answer["__typename"] == "ListNotFound"


def test_pending_tasks_are_counted_right_after_each_change(
    filled: tuple[Caller, str, dict[str, str]],
) -> None:
    user, made, ids = filled
    other = user.create_list("Work")["id"]
    steps: list[tuple[Callable[[], object], int, int]] = [
        (lambda: None, 3, 0),
        (partial(user.toggle, id=ids["a"]), 2, 0),
        (partial(user.toggle, id=ids["p"]), 0, 0),
        (partial(user.update, id=ids["p"], completed=False), 2, 0),
        (partial(user.update, id=ids["p"], listId=other), 0, 2),
        (partial(user.restore, id=ids["before"]), 1, 2),
        (partial(user.delete, id=ids["s"]), 1, 1),
        (partial(user.create, "new", listId=made), 2, 1),
    ]
    for act, home, work in steps:
        act()
        assert pending(user) == {"Home": home, "Work": work}


def test_a_page_of_lists_with_counts_takes_two_statements(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = server.user()
    for n in range(5):
        user.create(listId=user.create_list(str(n))["id"])
    asked: list[str] = []
    database = server.running.database
    fetch = database.fetch

    async def counted(statement: Any) -> Any:
        if "FROM task" in statement.sql.text:
            asked.append(statement.sql.text)
        return await fetch(statement)

    monkeypatch.setattr(database, "fetch", counted)
    assert user.data("{ lists { nodes { name pendingCount } } }")["lists"]["nodes"][4] == {
        "name": "4",
        "pendingCount": 1,
    }
    assert len(asked) == 2


def test_the_trash_is_emptied_of_lists_once_no_task_is_in_them(
    filled: tuple[Caller, str, dict[str, str]],
) -> None:
    user, made, ids = filled
    user.create_list("Work")
    user.delete_list(id=made)
    user.restore(id=ids["a"])
    input = {"idempotencyKey": "empty"}
    emptied = user.empty_trash(**input)
    assert emptied["purgedCount"] == 4 + 1
    user.delete_list(id=user.lists()["nodes"][0]["id"])
    assert user.empty_trash(**input) == emptied
    assert names(user, **ONLY) == ["Work"]
    assert user.empty_trash()["purgedCount"] == 1
    assert user.lists(**ONLY)["totalCount"] == 0


@pytest.fixture(scope="module")
def small(database: Database) -> Iterator[Server]:
    """A server where each user may have three things, and forty bytes of text."""
    settings = settings_for(database.server_url, tasks_max=3, text_max_bytes=40)
    with running_server(settings) as server:
        yield server


def test_lists_count_for_the_quota(small: Server, database: Database) -> None:
    user = small.user()
    made, _ = user.create_list("12345"), user.create("12345")
    long = {"name": "x" * 36, "id": made["id"]}
    answer = user.data(UPDATE_LIST.replace("... on TaskList", QUOTA), input=long)["updateList"]
    assert answer["storage"] == {"tasks": 2, "tasksLimit": 3}
    user.create("three")
    answer = user.data(CREATE_LIST.replace("... on TaskList", QUOTA), input={"name": "four"})
    assert answer["createList"]["__typename"] == "QuotaExceeded"
    with psycopg.connect(database.superuser_url) as connection:
        kept = connection.execute(
            "SELECT tasks, bytes FROM task_counters WHERE user_id = %s", [user.user_id]
        ).fetchone()
    assert kept == (3, 15)
