"""Many tasks at once: all that there are change together, and the others are named."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.api import Caller, Server, issues, running_server, settings_for
from tests.databases import Database

NO_IDS = ["", "0", "x", "01", "٣", str(2**63 - 1), str(2**63), "9" * 5000]


def made(user: Caller, count: int) -> list[str]:
    return [user.create(f"task {n}")["id"] for n in range(count)]


def test_all_tasks_change_and_each_gets_a_version(server: Server) -> None:
    user = server.user()
    ids = made(user, 4)
    asked = [ids[2], ids[0], ids[3]]
    answer = user.update_many(ids=asked, completed=True)
    assert answer["__typename"] == "UpdateTasksSuccess"
    assert [task["id"] for task in answer["tasks"]] == asked
    assert answer["missingIds"] == []
    assert sorted(task["version"] for task in answer["tasks"]) == [5, 6, 7]
    for task in answer["tasks"]:
        assert task["completed"] is True
        assert task["completedAt"] == task["updatedAt"] > task["createdAt"]
        assert user.get(task["id"]) == task
    assert user.titles(filter={"status": "PENDING"}) == ["task 1"]
    again = user.update_many(ids=asked, completed=False)
    assert {task["completedAt"] for task in again["tasks"]} == {None}
    assert user.create()["version"] == 11


def test_many_tasks_are_deleted_and_each_can_be_restored(server: Server) -> None:
    user = server.user()
    ids = made(user, 3)
    answer = user.delete_many(ids=ids[:2])
    assert answer["deletedTaskIds"] == ids[:2]
    assert answer["missingIds"] == []
    trash = user.page(filter={"trash": "ONLY"})["nodes"]
    assert sorted(answer["tasks"], key=str) == sorted(trash, key=str)
    assert user.titles() == ["task 2"]
    assert user.delete_many(ids=ids)["deletedTaskIds"] == ids[2:]
    assert user.restore(id=ids[0])["__typename"] == "Task"


@pytest.mark.parametrize("many", ["update_many", "delete_many"])
def test_ids_of_no_task_are_missing_as_they_were_sent(server: Server, many: str) -> None:
    user = server.user()
    ids = made(user, 3)
    user.delete(id=ids[1])
    more: dict[str, Any] = {"completed": True} if many == "update_many" else {}
    asked = [NO_IDS[0], ids[2], *NO_IDS[1:], ids[1], ids[0], ids[2], "x"]
    answer = getattr(user, many)(ids=asked, **more)
    assert [task["id"] for task in answer["tasks"]] == [ids[2], ids[0]]
    assert answer["missingIds"] == [*NO_IDS, ids[1]]
    assert user.create()["version"] == 7


@pytest.mark.parametrize("ids", [[], ["x"], [str(2**63 - 1)]])
def test_where_there_are_no_tasks_nothing_is_written(server: Server, ids: list[str]) -> None:
    user = server.user()
    assert user.update_many(ids=ids, completed=True) == {
        "__typename": "UpdateTasksSuccess",
        "tasks": [],
        "missingIds": ids,
    }
    assert user.delete_many(ids=ids) == {
        "__typename": "DeleteTasksSuccess",
        "deletedTaskIds": [],
        "tasks": [],
        "missingIds": ids,
    }
    assert user.create()["version"] == 1


def test_a_hundred_fit_and_no_more(server: Server) -> None:
    user = server.user()
    ids = made(user, 2)
    assert len(user.update_many(ids=ids * 50, completed=True)["tasks"]) == 2
    for answer in (user.update_many(ids=ids * 51, completed=True), user.delete_many(ids=ids * 51)):
        assert answer["__typename"] == "InvalidInput"
        (issue,) = answer["issues"]
        assert (issue["path"], issue["code"]) == (["ids"], "TOO_LONG")
    assert user.page(filter={"status": "COMPLETED"})["totalCount"] == 2


def test_batches_that_race_each_other_all_count(migrated_database: Database) -> None:
    with running_server(settings_for(migrated_database.server_url)) as server:
        user = server.user()
        ids = made(user, 6)

        def act(n: int) -> list[int]:
            if n % 3 == 0:
                return [user.toggle(id=ids[n % 6])["version"]]
            order = ids if n % 3 == 1 else ids[::-1]
            answer = user.update_many(ids=order, completed=n % 2 == 0)
            assert len({task["completed"] for task in answer["tasks"]}) == 1
            return [task["version"] for task in answer["tasks"]]

        with ThreadPoolExecutor(8) as pool:
            versions = [version for done in pool.map(act, range(48)) for version in done]
        # Each number was given to a change, and answered by it.
        assert {*range(1, 7), *versions} == set(range(1, max(versions) + 1))
        assert max(versions) >= 6 + 16
        assert {task["version"] for task in user.page()["nodes"]} <= set(versions)
    with psycopg.connect(migrated_database.superuser_url) as connection:
        deadlocks = connection.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert deadlocks == (0,)


def test_many_tasks_change_in_what_is_given_alone(server: Server) -> None:
    user = server.user()
    done = user.create(dueOn="2026-12-24", dueTime="09:00", labels=["a"])
    user.toggle(id=done["id"])
    ids = [done["id"], *made(user, 1)]
    tasks = user.update_many(ids=ids, priority="HIGH", dueOn="2026-12-25")["tasks"]
    assert [(t["priority"], t["dueOn"], t["dueTime"], t["completed"]) for t in tasks] == [
        ("HIGH", "2026-12-25", "09:00", True),
        ("HIGH", "2026-12-25", None, False),
    ]
    cleared = user.update_many(ids=ids, dueOn=None)["tasks"]
    assert {(task["dueOn"], task["dueTime"]) for task in cleared} == {(None, None)}
    assert [task["labels"] for task in cleared] == [["a"], []]


def test_a_batch_needs_a_value_to_change(server: Server) -> None:
    user = server.user()
    ids = made(user, 1)
    before = user.changes()
    for nothing in ({}, {"today": "2026-12-24"}, {"completed": None}, {"addLabels": None}):
        assert issues(user.update_many(ids=ids, **nothing)) == [("completed", "REQUIRED")]
    null = user.update_many(ids=ids, completed=None, priority="HIGH")
    assert issues(null) == [("completed", "REQUIRED")]
    assert issues(user.update_many(ids=ids, priority=None)) == [("priority", "REQUIRED")]
    assert user.changes() == before


def test_mine_change_and_what_is_not_there_is_named_in_order(server: Server) -> None:
    user = server.user()
    ids = made(user, 4)
    user.delete(id=ids[3])
    others = server.user().create()["id"]
    asked = [ids[2], others, ids[0], ids[3], "1", ids[1]]
    answer = user.update_many(ids=asked, priority="LOW")
    assert [task["id"] for task in answer["tasks"]] == [ids[2], ids[0], ids[1]]
    assert answer["missingIds"] == [others, ids[3], "1"]


def test_many_tasks_are_restored_and_others_stay(server: Server) -> None:
    user = server.user()
    ids = made(user, 3)
    user.delete_many(ids=ids[:2])
    there = user.get(ids[2])
    answer = user.restore_many(ids=[ids[1], "1", ids[2], ids[0]])
    assert answer["__typename"] == "RestoreTasksSuccess"
    assert [task["id"] for task in answer["tasks"]] == [ids[1], ids[2], ids[0]]
    assert answer["tasks"][1] == there
    assert {task["deletedAt"] for task in answer["tasks"]} == {None}
    assert answer["missingIds"] == ["1"]
    assert sorted(user.titles()) == ["task 0", "task 1", "task 2"]
    assert issues(user.restore_many(ids=["1"] * 101)) == [("ids", "TOO_LONG")]
