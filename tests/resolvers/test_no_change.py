"""A change that leaves a task as it was is none: no version, no event, and still an answer."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.api import Caller, Server


@pytest.fixture
def user(server: Server) -> Caller:
    return server.user()


def test_an_update_to_what_is_there_leaves_version_and_time(user: Caller) -> None:
    id = user.create("Milk", description="Two bottles")["id"]
    task = user.toggle(id=id)
    end = user.changes()["pageInfo"]["endCursor"]
    same: list[dict[str, Any]] = [
        {"title": "Milk"},
        {"title": " Milk\n"},
        {"description": "Two bottles"},
        {"completed": True},
        {"title": "Milk", "description": "Two bottles", "completed": True},
        {"title": "Milk", "expectedVersion": task["version"]},
    ]
    for input in same:
        assert user.update(id=id, **input) == task
    assert user.get(id) == {name: task[name] for name in task if name != "__typename"}
    assert user.changes(after=end)["nodes"] == []


def test_a_description_that_is_none_may_be_cleared_again(user: Caller) -> None:
    task = user.create()
    for cleared in (None, "", " "):
        assert user.update(id=task["id"], description=cleared)["version"] == task["version"]


def test_one_value_that_differs_is_a_change_of_all(user: Caller) -> None:
    task = user.create("Milk", description="Two bottles")
    after = user.update(id=task["id"], title="Milk", description="three bottles")
    assert after["version"] == task["version"] + 1
    assert after["updatedAt"] > task["updatedAt"]
    assert user.update(id=task["id"], description=None)["version"] == task["version"] + 2


def test_an_old_version_is_a_conflict_even_where_nothing_differs(user: Caller) -> None:
    task = user.create("Milk")
    renamed = user.update(id=task["id"], title="Bread")
    answer = user.update(id=task["id"], title="Bread", expectedVersion=task["version"])
    assert answer["__typename"] == "VersionConflict"
    assert answer["current"]["version"] == renamed["version"]


def test_nobody_elses_edit_conflicts_with_what_changed_nothing(user: Caller) -> None:
    task = user.create("Milk")
    user.update(id=task["id"], title="Milk")
    answer = user.update(id=task["id"], title="Bread", expectedVersion=task["version"])
    assert answer["title"] == "Bread"


def test_of_a_batch_only_those_that_differ_get_a_version(user: Caller) -> None:
    ids = [user.create(title)["id"] for title in ("a", "b", "c")]
    ticked = user.toggle(id=ids[1])
    end = user.changes()["pageInfo"]["endCursor"]
    answer = user.update_many(ids=[*ids, "1"], completed=True)
    assert answer["missingIds"] == ["1"]
    versions = [task["version"] for task in answer["tasks"]]
    assert versions == [ticked["version"] + 1, ticked["version"], ticked["version"] + 2]
    assert [task["completed"] for task in answer["tasks"]] == [True] * 3
    assert answer["tasks"][1]["updatedAt"] == ticked["updatedAt"]
    assert [node["taskId"] for node in user.changes(after=end)["nodes"]] == [ids[0], ids[2]]

    end = user.changes()["pageInfo"]["endCursor"]
    again = user.update_many(ids=ids, completed=True)
    assert again["tasks"] == answer["tasks"]
    assert user.changes(after=end)["nodes"] == []
    assert user.create()["version"] == ticked["version"] + 3


def test_what_changed_nothing_is_kept_under_its_key(user: Caller) -> None:
    task, key = user.create("Milk"), str(uuid4())
    input = {"id": task["id"], "title": "Milk", "idempotencyKey": key}
    assert user.update(**input)["version"] == task["version"]
    renamed = user.update(id=task["id"], title="Bread")
    # It is not done again: the task is shown as it is now.
    assert user.update(**input) == renamed
    batch = {"ids": [task["id"]], "completed": False, "idempotencyKey": str(uuid4())}
    answer = user.update_many(**batch)
    assert answer["tasks"] == [{n: renamed[n] for n in renamed if n != "__typename"}]
    assert user.update_many(**batch) == answer


def test_of_many_who_set_the_same_at_once_one_makes_a_change(user: Caller) -> None:
    task = user.create("Milk")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: user.update(id=task["id"], title="Bread"), range(24)))
    assert {answer["version"] for answer in answers} == {task["version"] + 1}
    with ThreadPoolExecutor(8) as pool:
        many = list(
            pool.map(lambda _: user.update_many(ids=[task["id"]], completed=True), range(24))
        )
    assert {answer["tasks"][0]["version"] for answer in many} == {task["version"] + 2}
