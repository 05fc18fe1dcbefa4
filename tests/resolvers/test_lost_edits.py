"""Two changes of the same tasks at once, in transactions that are held open: no edit is lost."""

import inspect
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection, RawCursor

from models.quota import Quota
from models.statement import Statement
from models.task import TaskRow
from models.user import UserId
from resolvers.statements import tasks
from resolvers.statements.idempotency_keys import once
from tests.databases import AS_THE_SERVER, Database, act_as
from tests.locks import until_waiting
from tests.shapes import STATEMENTS

Record = tuple[Any, ...]
Keep = Callable[[UserId, Statement[TaskRow]], Statement[TaskRow]]

ROOM = Quota(None, None)

VALUES: dict[str, Any] = {
    "expected_version": 1,
    "values": {"completed": True},
    "names": {"added": ["urgent"]},
    "today": date(2026, 1, 31),
    "quota": ROOM,
}
"""What is given for the parameters of changes."""


def changes_with(parameter: str) -> list[str]:
    """Return the names of the statements that change tasks and take a parameter."""
    return [
        name
        for name, function in STATEMENTS.items()
        if parameter in inspect.signature(function).parameters
        and function.__module__ == tasks.__name__
        # It says where a task goes, and is not of its values.
        and name != "move_task"
    ]


OF_ONE = changes_with("expected_version")
OF_MANY = [name for name in changes_with("keys") if name not in ("purge_tasks", "restore_tasks")]
"""Those that find what is not in the trash."""

VERSION = TaskRow._fields.index("version")


class Owned(NamedTuple):
    """A user with two tasks at version 1: one in the trash, one not."""

    owner: UserId
    live: int
    in_trash: int

    def change(self, name: str) -> Statement[TaskRow]:
        """Return a change of the task, or of the one in the trash where it restores."""
        key = self.in_trash if name == "restore_task" else self.live
        values = {**VALUES, "owner": self.owner, "key": key, "keys": [key]}
        parameters = inspect.signature(STATEMENTS[name]).parameters
        return STATEMENTS[name](**{parameter: values[parameter] for parameter in parameters})


@pytest.fixture
def owned(database: Database) -> Owned:
    owner = UserId(f"user-{uuid4().hex}")
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute("INSERT INTO users (id, name) VALUES (%s, '')", [owner])
        connection.execute("INSERT INTO task_counters VALUES (%s, 1)", [owner])
        ids = [
            id
            for (id,) in connection.execute(
                "INSERT INTO tasks (user_id, title, version, deleted_at) "
                "VALUES (%(owner)s, 'live', 1, NULL), (%(owner)s, 'in trash', 1, now()) "
                "RETURNING id",
                {"owner": owner},
            )
        ]
    return Owned(owner, *ids)


@contextmanager
def transaction_of(database: Database, owner: UserId) -> Iterator[Connection[Any]]:
    """Begin a transaction as the server does; it is undone unless the test commits it."""
    with psycopg.connect(database.server_url, options=AS_THE_SERVER) as connection:
        act_as(connection, owner)
        yield connection


def run(connection: Connection[Any], statement: Statement[Any]) -> list[Record]:
    values = {**statement.values, "owner": statement.owner}
    parameters = [values[name] for name in statement.sql.parameters]
    cursor = RawCursor(connection)
    return cursor.execute(statement.sql.text, parameters).fetchall()


def one_after_the_other(
    database: Database, owned: Owned, first: Statement[Any], second: Statement[Any]
) -> tuple[list[Record], list[Record]]:
    """Begin both; commit the first while the second waits for it. Return what each answers."""
    with (
        transaction_of(database, owned.owner) as one,
        transaction_of(database, owned.owner) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        answer = run(one, first)
        waiting = pool.submit(run, other, second)
        until_waiting(database, one)
        one.commit()
        return answer, waiting.result()


def plain(_: UserId, statement: Statement[Any]) -> Statement[Any]:
    return statement


def keyed(owner: UserId, statement: Statement[Any]) -> Statement[Any]:
    return once(owner, statement, uuid4().hex, "request")


def row_of(database: Database, key: int) -> Record | None:
    with psycopg.connect(database.superuser_url) as connection:
        return connection.execute(
            f"SELECT {', '.join(TaskRow._fields)} FROM tasks WHERE id = %s", [key]
        ).fetchone()


@pytest.mark.parametrize("keep", [plain, keyed])
@pytest.mark.parametrize("name", OF_ONE)
def test_of_two_changes_that_expect_the_same_version_the_second_is_refused(
    database: Database, owned: Owned, name: str, keep: Keep
) -> None:
    first, second = (keep(owned.owner, owned.change(name)) for _ in range(2))
    (changed,), answer = one_after_the_other(database, owned, first, second)
    assert answer == []
    version = changed[VERSION]
    assert version == 2
    with psycopg.connect(database.superuser_url) as connection:
        counter = connection.execute(
            "SELECT version FROM task_counters WHERE user_id = %s", [owned.owner]
        ).fetchone()
    assert counter == (version,)


@pytest.mark.parametrize("keep", [plain, keyed])
@pytest.mark.parametrize("deletion", ["delete_task", "delete_tasks"])
@pytest.mark.parametrize("name", [name for name in OF_ONE + OF_MANY if name != "restore_task"])
def test_a_change_does_not_find_what_is_deleted_while_it_waits(
    database: Database, owned: Owned, name: str, deletion: str, keep: Keep
) -> None:
    change = owned.change(name)
    if "expected_version" in change.values:
        change = change._replace(values={**change.values, "expected_version": None})
    first, second = (keep(owned.owner, each) for each in (owned.change(deletion), change))
    (deleted,), answer = one_after_the_other(database, owned, first, second)
    assert answer == []
    assert row_of(database, owned.live) == deleted


@pytest.mark.parametrize("name", OF_MANY)
def test_batches_of_the_same_tasks_wait_for_each_other(
    database: Database, owned: Owned, name: str
) -> None:
    first, second = (
        tasks.update_tasks(owned.owner, [owned.live], {"completed": done}, {}, ROOM)
        for done in (True, False)
    )
    if name != "update_tasks":
        second = owned.change(name)
    (before,), (after,) = one_after_the_other(database, owned, first, second)
    assert (before[VERSION], after[VERSION]) == (2, 3)
