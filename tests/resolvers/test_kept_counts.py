"""Counts that triggers keep: they are those of the rows, whatever was done, and no row is read."""

from typing import Any

import psycopg
import pytest

from graphql_schema.types import TaskStatus
from models.user import UserId
from resolvers.statements import task_pages
from resolvers.statements.task_conditions import Conditions
from tests.api import Caller, Server
from tests.databases import AS_THE_SERVER, Database, one_node
from tests.plans import nodes, plan_of

KEPT = "SELECT live_tasks, completed_tasks FROM task_counters WHERE user_id = %s"
FORGET = "UPDATE task_counters SET live_tasks = NULL, completed_tasks = NULL WHERE user_id = %s"


@pytest.fixture
def user(server: Server) -> Caller:
    """Somebody with three tasks outside the trash, of which one is completed."""
    user = server.user()
    for title in ("pending", "pending, too", "completed", "in the trash", "done, in the trash"):
        task = user.create(title)["id"]
        if title in ("completed", "done, in the trash"):
            user.toggle(id=task)
        if title.endswith("trash"):
            user.delete(id=task)
    return user


def counts(user: Caller) -> dict[TaskStatus, int]:
    return {
        status: user.page(first=0, filter={"status": status.name})["totalCount"]
        for status in TaskStatus
    }


def run(database: Database, sql: str, user: Caller) -> list[Any]:
    with psycopg.connect(database.superuser_url) as connection:
        cursor = connection.execute(sql.encode(), [user.user_id])
        return cursor.fetchall() if cursor.description else []


RIGHT = {TaskStatus.ALL: 3, TaskStatus.PENDING: 2, TaskStatus.COMPLETED: 1}


def test_what_is_kept_is_told(user: Caller, database: Database) -> None:
    assert run(database, KEPT, user) == [(3, 1)]
    assert counts(user) == RIGHT
    assert user.page(first=0)["totalCount"] == 3
    run(
        database,
        "UPDATE task_counters SET live_tasks = 70, completed_tasks = 8 WHERE user_id = %s",
        user,
    )
    assert counts(user) == {TaskStatus.ALL: 70, TaskStatus.PENDING: 62, TaskStatus.COMPLETED: 8}


def test_what_is_not_kept_is_counted(user: Caller, database: Database) -> None:
    run(database, FORGET, user)
    assert counts(user) == RIGHT
    filters = [{"trash": "ONLY"}, {"inbox": True}, {"level": "TOP"}, {"level": "SUBTASKS"}]
    run(database, "UPDATE task_counters SET live_tasks = 70 WHERE user_id = %s", user)
    assert [user.page(first=0, filter=each)["totalCount"] for each in filters] == [2, 3, 3, 0]


def test_whoever_was_not_counted_is_counted_with_the_next_task(
    user: Caller, database: Database
) -> None:
    run(database, FORGET, user)
    user.toggle(id=user.page()["nodes"][0]["id"])
    assert run(database, KEPT, user) == [(None, None)]
    before = counts(user)
    user.create_many({"title": "one"}, {"title": "two"})
    assert run(database, KEPT, user) == [(5, before[TaskStatus.COMPLETED])]
    assert counts(user)[TaskStatus.ALL] == 5


def test_what_changes_with_a_text_is_counted(user: Caller, database: Database) -> None:
    """The number of a change that makes texts longer is taken elsewhere."""
    pending = user.page(filter={"status": "PENDING"})["nodes"][0]["id"]
    user.update(id=pending, title="done, and called otherwise", completed=True)
    assert run(database, KEPT, user) == [(3, 2)]
    user.update_many(ids=[pending], addLabels=["Work"], completed=False)
    assert run(database, KEPT, user) == [(3, 1)]


def test_what_an_operator_removes_is_counted_no_more(user: Caller, database: Database) -> None:
    run(database, "DELETE FROM tasks WHERE completed AND user_id = %s", user)
    assert run(database, KEPT, user) == [(2, 0)]
    assert counts(user) == {TaskStatus.ALL: 2, TaskStatus.PENDING: 2, TaskStatus.COMPLETED: 0}


def test_nobody_has_no_tasks(server: Server) -> None:
    assert set(counts(server.user()).values()) == {0}


@one_node("Citus explains no prepared statement as JSON")
@pytest.mark.parametrize("status", TaskStatus)
def test_no_task_is_read_for_a_count_that_is_kept(
    user: Caller, database: Database, status: TaskStatus
) -> None:
    assert user.user_id is not None
    statement = task_pages.count_tasks(UserId(user.user_id), Conditions(status))
    with psycopg.connect(database.server_url, options=AS_THE_SERVER) as connection:
        read = [
            node["Relation Name"]
            for node in nodes(plan_of(connection, statement))
            if "Relation Name" in node and node["Actual Loops"] > 0
        ]
    assert read == ["task_counters"]
