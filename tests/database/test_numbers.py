"""Numbers of changes: what clients see of a task takes one where it changes, and nothing else."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from app.database.embedded import EmbeddedPostgres
from app.database.urls import SERVER_ROLE
from tests.databases import copy_of

SEEN = {
    "title": "'other'",
    "description": "'more'",
    "completed": "true",
    "deleted_at": "now()",
    "due_on": "'2026-12-24'",
    "due_time": "'09:00'",
    "priority": "3",
    "labels": "'{Home}'",
    "list_id": "5",
    "parent_id": "7",
    "position": "'W'",
    "repeats": """'{"every": 1, "unit": "DAY", "from": "DUE"}'""",
}
"""The columns that clients see and the server's role may write, and another value of each."""

NOT_SEEN = {
    "has_subtasks": ("true", "for triggers alone"),
    "completed_on": ("'2026-12-24'", "only what is being completed has a day"),
}
"""Those that take none by themselves, and why."""


@pytest.fixture(scope="module")
def connection(postgres: EmbeddedPostgres, template: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection on which Ada has list 5, task 7, and task 8 with a date."""
    with psycopg.connect(copy_of(postgres, template).superuser_url) as connection:
        connection.execute("SELECT set_config('app.user_id', 'ada', false)")
        connection.execute("INSERT INTO users (id, name) VALUES ('ada', '')")
        connection.execute(
            "INSERT INTO task_lists (user_id, id, name, position, version) "
            "VALUES ('ada', 5, 'Home', 'V', 1)"
        )
        connection.execute(
            "INSERT INTO tasks (user_id, id, title, due_on) "
            "VALUES ('ada', 7, 'parent', NULL), ('ada', 8, 'task', '2026-12-01')"
        )
        connection.execute("UPDATE tasks SET updated_at = '2026-01-01' WHERE id = 8")
        connection.commit()
        yield connection


def changed(connection: psycopg.Connection[Any], column: str, value: str) -> tuple[int, bool]:
    """Set a column; return by how much the version rose, and whether the time is another."""
    with connection.transaction(force_rollback=True):
        connection.execute(f"SET LOCAL ROLE {SERVER_ROLE}")
        state = "SELECT t.version, c.version, updated_at FROM tasks t, task_counters c WHERE id = 8"
        ((old, counter, then),) = connection.execute(state).fetchall()
        connection.execute(f"UPDATE tasks SET {column} = {value} WHERE user_id = 'ada' AND id = 8")
        ((new, after, now),) = connection.execute(state).fetchall()
    assert after - counter == new - counter if new != old else after == counter
    return new - old, now != then


@pytest.mark.parametrize("column", SEEN)
def test_what_clients_see_takes_a_number(connection: psycopg.Connection[Any], column: str) -> None:
    rose, is_later = changed(connection, column, SEEN[column])
    assert rose > 0
    assert is_later


@pytest.mark.parametrize("column", [*SEEN, *NOT_SEEN])
def test_what_stays_as_it_was_takes_none(connection: psycopg.Connection[Any], column: str) -> None:
    assert changed(connection, column, column) == (0, False)


@pytest.mark.parametrize("column", ["has_subtasks", "completed_on"])
def test_what_clients_do_not_see_takes_none(
    connection: psycopg.Connection[Any], column: str
) -> None:
    value, _ = NOT_SEEN[column]
    assert changed(connection, column, value) == (0, False)


@pytest.mark.parametrize("column", sorted({*SEEN, *NOT_SEEN} - {"completed", "repeats"}))
def test_what_changes_with_completion_takes_one_number(
    connection: psycopg.Connection[Any], column: str
) -> None:
    value = {**SEEN, **{name: value for name, (value, _) in NOT_SEEN.items()}}[column]
    assert changed(connection, f"completed = true, {column}", value) == (1, True)


def test_every_column_but_those_of_completion_runs_the_trigger_that_sees_to_all(
    connection: psycopg.Connection[Any],
) -> None:
    """A new column must be named in it."""
    columns = connection.execute(
        "SELECT attname::text FROM pg_attribute JOIN pg_trigger ON tgrelid = attrelid "
        "WHERE attrelid = 'tasks'::regclass AND tgname = 'b_note_changed_task' "
        "AND attnum > 0 AND NOT attisdropped AND attnum <> ALL (tgattr::smallint[])"
    ).fetchall()
    assert {name for (name,) in columns} == {"completed", "completed_on"}


def test_every_column_that_the_server_may_change_is_here(
    connection: psycopg.Connection[Any],
) -> None:
    """A new one must be compared in the trigger, or a change of it reaches no follower."""
    columns = connection.execute(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'tasks'::regclass AND attnum > 0 "
        "AND has_column_privilege(%s, attrelid, attnum, 'UPDATE')",
        [SERVER_ROLE],
    ).fetchall()
    assert {name for (name,) in columns} == {*SEEN, *NOT_SEEN}
