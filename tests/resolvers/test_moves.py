"""The order by hand: what is moved stands where it was put, as in a plain list of Python."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.api import LIST, Caller, Server
from tests.containers import BY_HAND, Lists, issues, make, order, related
from tests.counts import Count
from tests.databases import Database, act_as, without_triggers

GONE = str(2**63 - 1)
PLACE_INVALID = [(["place"], "INVALID")]
PARENT_INVALID = [(["parentId"], "INVALID")]
LIST_INVALID = [(["listId"], "INVALID")]


@pytest.fixture
def user(server: Server) -> Caller:
    return server.user()


@pytest.fixture
def lists(server: Server, user: Caller) -> Lists:
    return Lists(server, user)


@pytest.fixture(params=["list", "inbox", "parent"])
def container(request: pytest.FixtureRequest, user: Caller, lists: Lists) -> dict[str, Any]:
    """A list, the inbox or a parent, as a filter has it."""
    match request.param:
        case "list":
            return {"listId": lists.make()}
        case "inbox":
            return {"inbox": True}
    return {"parentId": make(user, listId=lists.make())["id"]}


def fill(user: Caller, container: dict[str, Any], count: int) -> list[str]:
    """Create so many tasks there, and return their ids."""
    where = {name: id for name, id in container.items() if name != "inbox"}
    tasks = [{"title": f"{n}", **where} for n in range(count)]
    return [task["id"] for task in user.create_many(*tasks)["tasks"]]


def put(ids: list[str], id: str, place: dict[str, Any]) -> None:
    """Move an id within a list as `moveTask` moves a task."""
    match place:
        case {"first": True}:
            ids.remove(id)
            ids.insert(0, id)
        case {"last": True}:
            ids.remove(id)
            ids.append(id)
        case {"before": other} if other != id:
            ids.remove(id)
            ids.insert(ids.index(other), id)
        case {"after": other} if other != id:
            ids.remove(id)
            ids.insert(ids.index(other) + 1, id)


def test_what_is_moved_stands_where_it_was_put(
    user: Caller, container: dict[str, Any], count: Count
) -> None:
    dice, ids = random.Random(17), fill(user, container, 6)
    # Neighbours are found among those that are completed, too.
    user.update_many(ids=ids[::2], completed=True)
    for _ in range(25):
        id = dice.choice(ids)
        kind = dice.choice(["first", "last", "before", "after"])
        place = {kind: True if kind in ("first", "last") else dice.choice(ids)}
        before = user.get(id)
        moved = user.move(id=id, place=place)
        assert moved["__typename"] == "Task", moved
        put(ids, id, place)
        assert order(user, **container) == ids, place
        if id in place.values():
            assert moved == {"__typename": "Task", **before}
    count("moves compared with those in a list", 25)


def test_all_of_a_list_that_are_completed_have_an_order(user: Caller, lists: Lists) -> None:
    home = {"listId": lists.make()}
    ids = fill(user, home, 4)
    user.update_many(ids=ids, completed=True)
    user.move(id=ids[3], place={"before": ids[1]})
    assert order(user, **home) == [ids[0], ids[3], ids[1], ids[2]]
    user.move(id=ids[0], place={"last": True})
    assert order(user, **home) == [ids[3], ids[1], ids[2], ids[0]]


def test_a_new_task_stands_where_it_is_put(user: Caller, container: dict[str, Any]) -> None:
    ids = fill(user, container, 2)
    where = {name: id for name, id in container.items() if name != "inbox"}
    first = make(user, place={"first": True}, **where)["id"]
    second = make(user, place={"after": first}, **where)["id"]
    third = make(user, place={"before": ids[1]}, **where)["id"]
    last = make(user, place={"last": True}, **where)["id"]
    null = make(user, place=None, **where)["id"]
    assert order(user, **container) == [first, second, ids[0], third, ids[1], last, null]


def test_a_task_that_stays_where_it_is_changes_no_order(user: Caller, lists: Lists) -> None:
    home = {"listId": lists.make()}
    ids = fill(user, home, 3)
    for place in ({"before": ids[2]}, {"after": ids[0]}, {"before": ids[1]}, {"after": ids[1]}):
        assert user.move(id=ids[1], place=place)["id"] == ids[1]
        assert order(user, **home) == ids
    task = user.get(ids[1])
    for input in ({}, home, {"parentId": None}, {**home, "parentId": None}, {"place": None}):
        assert user.move(id=ids[1], **input) == {"__typename": "Task", **task}


def test_a_place_beside_what_stands_elsewhere_is_none(
    server: Server, user: Caller, lists: Lists
) -> None:
    home = {"listId": lists.make()}
    task, trashed = fill(user, home, 2)
    user.delete(id=trashed)
    elsewhere = fill(user, {"listId": lists.make()}, 1)[0]
    below = make(user, parentId=task)["id"]
    others = server.user().create()["id"]
    for id in (elsewhere, trashed, below, others, GONE, home["listId"], "no id", "L", "0", ""):
        for place in ({"before": id}, {"after": id}):
            assert issues(user.move(id=task, place=place)) == PLACE_INVALID
            assert issues(make(user, place=place, **home)) == PLACE_INVALID
    for end in ("first", "last"):
        assert issues(user.move(id=task, place={end: False})) == PLACE_INVALID
    assert order(user, **home) == [task]


@pytest.mark.parametrize("place", [{}, {"first": True, "last": True}, {"first": None}], ids=str)
def test_a_place_is_one_thing(user: Caller, place: dict[str, Any]) -> None:
    task = user.create()
    query = "mutation ($input: MoveTaskInput!) { moveTask(input: $input) { __typename } }"
    result = user.execute(query, {"input": {"id": task["id"], "place": place}})
    assert [error["extensions"]["code"] for error in result["errors"]] == ["BAD_USER_INPUT"]
    literal = ", ".join(f"{name}: {json.dumps(value)}" for name, value in place.items())
    input = f'{{id: "{task["id"]}", place: {{{literal}}}}}'
    result = user.execute(f"mutation {{ moveTask(input: {input}) {{ __typename }} }}")
    codes = {error["extensions"]["code"] for error in result["errors"]}
    assert codes <= {"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"}
    assert user.get(task["id"]) == task


def test_a_task_moves_between_lists_and_parents(user: Caller, lists: Lists) -> None:
    home, work = lists.make("Home"), lists.make("Work")
    first, second = fill(user, {"listId": home}, 2)
    at_work = make(user, listId=work)["id"]
    child = make(user, parentId=first)["id"]
    # Below another parent, in the list of that.
    user.move(id=child, parentId=second)
    assert (order(user, parentId=first), order(user, parentId=second)) == ([], [child])
    user.move(id=child, parentId=at_work, listId=work)
    assert related(user, child)["list"] == {"id": work}
    # To the top, at the bottom.
    user.move(id=child, parentId=None)
    assert order(user, listId=work) == [at_work, child]
    user.move(id=child, listId=home, place={"after": first})
    assert order(user, listId=home) == [first, child, second]
    user.move(id=child, listId=None)
    assert related(user, child)["list"] is None
    user.move(id=child, parentId=first, place={"first": True})
    assert related(user, child)["parent"] == {"id": first}
    for wrong in ({"listId": work}, {"listId": None}):
        assert issues(user.move(id=child, parentId=second, **wrong)) == LIST_INVALID
    # Even where it is in that list, and the parent is not.
    loose = make(user, listId=work)["id"]
    assert issues(user.move(id=loose, parentId=second, listId=work)) == LIST_INVALID
    in_inbox = make(user)["id"]
    assert issues(user.move(id=in_inbox, parentId=second, listId=None)) == LIST_INVALID
    assert [related(user, id)["parent"] for id in (loose, in_inbox)] == [None, None]


def test_a_task_with_subtasks_is_no_subtask_until_none_is_left(user: Caller) -> None:
    parent, other = make(user)["id"], make(user)["id"]
    moving, purged = (make(user, parentId=parent)["id"] for _ in range(2))
    assert issues(user.move(id=parent, parentId=other)) == PARENT_INVALID
    assert issues(user.move(id=parent, parentId=parent)) == PARENT_INVALID
    user.move(id=moving, parentId=other)
    user.delete(id=purged)
    # What is in the trash counts as well.
    assert issues(user.move(id=parent, parentId=other)) == PARENT_INVALID
    user.purge(ids=[purged])
    assert user.move(id=parent, parentId=other)["id"] == parent
    assert order(user, parentId=other) == [moving, parent]
    # It is an ordinary subtask now, and can come to the top again.
    user.move(id=parent, parentId=None)
    assert make(user, parentId=parent)["parent"] == {"id": parent}


def test_a_move_expects_a_version(user: Caller) -> None:
    task = user.create()
    user.update(id=task["id"], title="changed")
    conflict = user.move(id=task["id"], place={"first": True}, expectedVersion=task["version"])
    assert conflict["__typename"] == "VersionConflict"
    assert conflict["current"] == user.get(task["id"])
    for id in (GONE, "L1", "no id"):
        assert user.move(id=id, place={"first": True})["__typename"] == "TaskNotFound"


def test_two_that_are_moved_into_the_same_gap_are_both_there(
    server: Server, user: Caller, lists: Lists
) -> None:
    home = {"listId": lists.make()}
    ids = fill(user, home, 8)

    def move(id: str) -> Any:
        return server.user(user.user_id).move(id=id, place={"after": ids[0]})

    with ThreadPoolExecutor(6) as pool:
        assert {moved["__typename"] for moved in pool.map(move, ids[2:])} == {"Task"}
    found = order(user, **home)
    assert sorted(found) == sorted(ids)
    assert (found[0], found[-1]) == (ids[0], ids[1])
    assert all(order(user, **home) == found for _ in range(5))


def test_equal_places_are_no_error(user: Caller, lists: Lists, database: Database) -> None:
    home = {"listId": lists.make()}
    ids = fill(user, home, 5)
    with without_triggers(database) as connection:
        connection.execute("UPDATE tasks SET position = 'V' WHERE user_id = %s", [user.user_id])
    assert order(user, **home) == ids
    user.move(id=ids[4], place={"after": ids[1]})
    assert order(user, **home) == [ids[0], ids[1], ids[4], ids[2], ids[3]]


def test_what_is_new_stands_behind_what_was_moved_to_the_end(
    user: Caller, lists: Lists, database: Database
) -> None:
    home = {"listId": lists.make()}
    ids = fill(user, home, 3)
    with without_triggers(database) as connection:
        # As tasks of before have it.
        connection.execute(
            "UPDATE tasks SET position = lpad(to_hex(id), 14, '0') || 'V' WHERE user_id = %s",
            [user.user_id],
        )
    for n in range(3):
        user.move(id=ids[0], place={"last": True})
        older = str((1_600_000_000 << 21) + n)
        ids = [*ids[1:], ids[0], make(user, **home, id=older)["id"], make(user, **home)["id"]]
        assert order(user, **home) == ids


class Direct:
    """Moves the tasks of one list by SQL, as the server's role: thousands of them."""

    def __init__(self, connection: psycopg.Connection[Any], user: str, list_id: int) -> None:
        self._connection, self._user, self._list = connection, user, list_id

    def run(self, query: str, place: str = "", **values: Any) -> list[Any]:
        with self._connection.transaction():
            act_as(self._connection, self._user, place=place)
            values |= {"user": self._user, "list": self._list}
            return self._connection.execute(query, values).fetchall()

    def new(self) -> int:
        query = """INSERT INTO tasks (user_id, id, title, list_id)
            VALUES (%(user)s, NULL, 'x', %(list)s) RETURNING id"""
        id: int = self.run(query)[0][0]
        return id

    def move(self, id: int, place: str) -> None:
        query = """UPDATE tasks SET position = NULL
            WHERE user_id = %(user)s AND id = %(id)s RETURNING id"""
        assert self.run(query, place, id=id) == [(id,)]

    def order(self) -> list[tuple[int, str]]:
        """Return the ids and keys of all, in their order."""
        query = """SELECT id, position FROM tasks
            WHERE user_id = %(user)s AND list_id = %(list)s ORDER BY position, id"""
        return self.run(query)

    def version(self) -> int:
        query = "SELECT version FROM task_counters WHERE user_id = %(user)s"
        version: int = self.run(query)[0][0]
        return version


@pytest.mark.parametrize("history", ["second place", "end", "top", "random"])
def test_a_long_history_of_moves_is_that_of_a_list(
    server: Server, user: Caller, lists: Lists, count: Count, long: bool, history: str
) -> None:
    dice, moves = random.Random(history), 2_000 if long else 400
    home = lists.make()
    with psycopg.connect(str(server.settings.database_url)) as connection:
        direct = Direct(connection, str(user.user_id), int(home[1:]))
        ids = [direct.new() for _ in range(12)]
        start = direct.version()
        # New ones take a number as well.
        made = 0
        for n in range(moves):
            match history:
                case "second place":
                    id, place, at = ids[-1], f"after {ids[0]}", 1
                case "end":
                    id, place, at = ids[0], "last", len(ids) - 1
                case "top":
                    id, place, at = ids[-1], "first", 0
                case _:
                    id, at = dice.choice(ids), dice.randrange(len(ids))
                    rest = [each for each in ids if each != id]
                    place = f"before {rest[at]}" if at < len(rest) else "last"
            direct.move(id, place)
            ids.remove(id)
            ids.insert(at, id)
            if n % 50 == 49:
                ids.append(direct.new())
                made += 1
            found = direct.order()
            assert [each for each, _ in found] == ids, (n, place)
            assert max(len(key) for _, key in found) <= 64
            assert not any(key.endswith("0") for _, key in found)
        besides = direct.version() - start - moves - made
    assert besides < moves / 2
    count("moves compared with those in a list", moves)
    if history == "second place" and long:
        assert besides > 0, "No key was ever made anew."


def test_keys_that_grow_too_long_are_made_anew_in_the_same_order(
    user: Caller, lists: Lists, database: Database
) -> None:
    home = {"listId": lists.make()}
    ids = fill(user, home, 40)
    with without_triggers(database) as connection:
        # A gap that has room for no key of a bearable length.
        for id, key in ((ids[0], "V" + "0" * 62 + "1"), (ids[1], "V" + "0" * 62 + "2")):
            connection.execute("UPDATE tasks SET position = %s WHERE id = %s", [key, id])
    start = user.get(ids[39])["version"]
    assert order(user, **home) == [*ids[2:], *ids[:2]]
    moved = user.move(id=ids[39], place={"after": ids[0]})
    assert order(user, **home) == [*ids[2:39], ids[0], ids[39], ids[1]]
    assert len(moved["position"]) <= 24
    # Whoever orders by positions must hear of all that changed.
    changed = [each["task"]["id"] for each in user.changes(first=100)["nodes"]]
    assert {ids[0], ids[1], ids[39]} <= set(changed[-20:])
    assert moved["version"] > start + 1
    assert order(user, **home)[-1] != make(user, **home)["id"] == order(user, **home)[-1]


def test_an_order_by_hand_is_within_one_list_the_inbox_or_a_parent(
    user: Caller, container: dict[str, Any]
) -> None:
    fill(user, container, 2)
    for filter in (None, {}, {"inbox": False}, {"listId": None}, {"level": "TOP"}):
        result = user.execute(LIST, {"filter": filter, "orderBy": BY_HAND})
        (error,) = result["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert "`listId`, `inbox: true` or `parentId`" in error["message"]
    nodes = user.page(filter=container, orderBy=BY_HAND)["nodes"]
    assert [node["position"] for node in nodes] == sorted(node["position"] for node in nodes)
