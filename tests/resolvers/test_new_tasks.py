"""Many new tasks at once, and ids that clients make."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg

from graphql_schema.errors import ErrorCode
from tests.api import (
    CREATE,
    CREATE_MANY,
    Caller,
    Server,
    issues,
    new_id,
    running_server,
    settings_for,
)
from tests.databases import Database


def titled(count: int) -> list[dict[str, Any]]:
    return [{"title": f"task {n}"} for n in range(count)]


def taken(user: Caller, id: str) -> list[tuple[str, str]]:
    """Return what is wrong with a new task of this id."""
    return issues(user.data(CREATE, input={"title": "x", "id": id})["createTask"])


def forget_keys(user: Caller, database: Database) -> None:
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute("DELETE FROM idempotency_keys WHERE user_id = %s", [user.user_id])


def test_tasks_are_made_in_the_order_given(server: Server) -> None:
    user = server.user()
    for count in (1, 100):
        tasks = user.create_many(*titled(count))["tasks"]
        assert [task["title"] for task in tasks] == [f"task {n}" for n in range(count)]
        ids, versions = ([int(task[name]) for task in tasks] for name in ("id", "version"))
        assert ids == sorted(set(ids))
        assert versions == sorted(set(versions))
        assert user.get(tasks[-1]["id"]) == tasks[-1]
    assert user.create()["version"] == 102


def test_a_new_task_of_many_has_every_value(server: Server) -> None:
    user, id = server.user(), new_id()
    values = {
        "title": "Milk",
        "description": "two bottles",
        "dueOn": "2028-02-29",
        "dueTime": "09:00",
        "priority": "HIGH",
        "labels": ["shopping"],
    }
    plain, done, undone = user.create_many(
        {"title": "plain"},
        {**values, "id": id, "completed": True, "today": "2026-12-24"},
        {**values, "today": "2026-12-24"},
    )["tasks"]
    assert (plain["priority"], plain["labels"], plain["dueOn"]) == ("NONE", [], None)
    assert values.items() <= done.items()
    assert values.items() <= undone.items()
    assert (done["id"], done["completed"], done["completedOn"]) == (id, True, "2026-12-24")
    assert done["completedAt"] == done["createdAt"]
    assert (undone["completed"], undone["completedAt"], undone["completedOn"]) == (
        False,
        None,
        None,
    )


def test_all_are_made_or_none(server: Server) -> None:
    user = server.user()
    assert issues(user.create_many()) == [("tasks", "TOO_SHORT")]
    assert issues(user.create_many(*titled(101))) == [("tasks", "TOO_LONG")]
    tasks = titled(100)
    tasks[41]["title"] = " "
    assert issues(user.create_many(*tasks)) == [("tasks.41.title", "TOO_SHORT")]
    tasks[3] |= {"dueTime": "09:00", "labels": ["ok", ""]}
    assert issues(user.create_many(*tasks)) == [
        ("tasks.3.labels.1", "TOO_SHORT"),
        ("tasks.3.dueOn", "REQUIRED"),
        ("tasks.41.title", "TOO_SHORT"),
    ]
    assert user.page()["totalCount"] == 0
    assert user.create()["version"] == 1


def test_beyond_the_quota_none_is_made(database: Database) -> None:
    settings = settings_for(database.server_url, tasks_max=3, text_max_bytes=30)
    with running_server(settings) as small:
        user = small.user()
        assert user.create_many(*titled(4))["__typename"] == "QuotaExceeded"
        assert user.page()["totalCount"] == 0
        ids = [task["id"] for task in user.create_many(*titled(3))["tasks"]]
        long = ["a label of 22 letters x"]
        assert user.update_many(ids=ids, addLabels=long)["__typename"] == "QuotaExceeded"
        assert user.update(id=ids[0], labels=long)["__typename"] == "QuotaExceeded"
        assert user.update(id=ids[0], labels=["abc"])["labels"] == ["abc"]
        renamed = user.rename_label(**{"from": "abc"}, to="a label of 20 letters")
        assert renamed["__typename"] == "QuotaExceeded"


def test_a_batch_with_a_key_is_made_once(server: Server) -> None:
    user = server.user()
    tasks: list[dict[str, Any]] = [{"title": "a", "labels": ["x"]}, {"title": "b"}]
    input: dict[str, Any] = {"tasks": tasks, "idempotencyKey": str(uuid4())}
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: user.data(CREATE_MANY, input=input), range(50)))
    assert answers == [answers[0]] * 50
    assert sorted(user.titles()) == ["a", "b"]
    assert user.data(CREATE_MANY, input=input) == answers[0]
    tasks[1] |= {"description": None, "priority": "NONE", "labels": []}
    assert user.data(CREATE_MANY, input=input) == answers[0]
    for other in ({"priority": "LOW"}, {"labels": ["x"]}, {"dueOn": "2028-02-29"}):
        changed = {**input, "tasks": [tasks[0], {"title": "b", **other}]}
        (error,) = user.execute(CREATE_MANY, {"input": changed})["errors"]
        assert error["extensions"]["code"] == ErrorCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH
    assert user.page()["totalCount"] == 2


def test_what_was_made_with_a_key_and_removed_is_not_made_again(server: Server) -> None:
    user = server.user()
    input = {"tasks": [{"title": "a"}], "idempotencyKey": str(uuid4())}
    (task,) = user.data(CREATE_MANY, input=input)["createTasks"]["tasks"]
    user.delete(id=task["id"])
    user.purge(ids=[task["id"]])
    (error,) = user.execute(CREATE_MANY, {"input": input})["errors"]
    assert error["extensions"]["code"] == ErrorCode.BAD_USER_INPUT


def test_an_id_of_ones_own_making_is_taken_once(server: Server, database: Database) -> None:
    user, id, key = server.user(), new_id(), str(uuid4())
    task = user.create("Milk", id=id, idempotencyKey=key)
    assert task["id"] == id
    assert user.create("Milk", id=id, idempotencyKey=key) == task
    assert taken(user, id) == [("id", "TAKEN")]
    forget_keys(user, database)
    again = {"title": "Milk", "id": id, "idempotencyKey": key}
    assert issues(user.data(CREATE, input=again)["createTask"]) == [("id", "TAKEN")]
    user.delete(id=id)
    assert taken(user, id) == [("id", "TAKEN")]
    assert user.changes()["nodes"][-1]["version"] == 2
    other = server.user()
    assert other.create("Bread", id=id)["id"] == id
    assert user.restore(id=id)["title"] == "Milk"
    # The server's own ids stay above those of clients.
    assert int(user.create()["id"]) > int(id)


def test_an_id_that_the_server_would_not_make_is_refused(server: Server) -> None:
    user = server.user()
    malformed = ("0", "-1", "", "x", "L1", "1", "0" + new_id(), new_id() + ".0", str(2**63))
    of_other_times = (str(1_577_836_799 << 21), new_id(days_ago=-1.01), str(2**53))
    for id in (*malformed, *of_other_times):
        assert taken(user, id) == [("id", "INVALID")]
        assert issues(user.create_many({"title": "x", "id": id})) == [("tasks.0.id", "INVALID")]
    assert user.page()["totalCount"] == 0


def test_ids_from_2020_to_a_day_ahead_are_accepted(server: Server) -> None:
    user = server.user()
    for id in (str(1_577_836_800 << 21), new_id(days_ago=300), new_id(days_ago=-0.99)):
        assert user.create(id=id)["id"] == id
    assert user.create(id=None)["id"] not in (None, id)


def test_an_id_that_is_taken_is_named_by_its_place(server: Server) -> None:
    user, id, there = server.user(), new_id(), new_id(days_ago=1)
    user.create(id=there)
    twice = ({"title": "a", "id": id}, {"title": "b", "id": id})
    assert issues(user.create_many(*twice)) == [("tasks.1.id", "TAKEN")]
    mixed = ({"title": "a"}, {"title": "b", "id": id}, {"title": "c", "id": there})
    assert issues(user.create_many(*mixed)) == [("tasks.2.id", "TAKEN")]
    assert user.page()["totalCount"] == 1
    assert user.create(id=id)["id"] == id


def test_of_many_with_the_same_id_at_once_one_is_made(server: Server) -> None:
    user, id = server.user(), new_id()
    user.data("{ me { id } }")

    def make(n: int) -> Any:
        return user.data(CREATE, input={"title": f"{n}", "id": id})["createTask"]

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(make, range(10)))
    assert [answer["__typename"] for answer in answers].count("Task") == 1
    refused = [issues(answer) for answer in answers if answer["__typename"] != "Task"]
    assert refused == [[("id", "TAKEN")]] * 9
    assert user.page()["totalCount"] == 1
