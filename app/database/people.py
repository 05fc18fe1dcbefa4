"""What the owner of the database does for one person: export all that is theirs, or delete it.

Every table of theirs is found from the models. The owner sees the rows of the user that
`app.user_id` names, whether or not row security binds it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import IsolationLevel, sql
from psycopg.errors import ForeignKeyViolation, InsufficientPrivilege

from app.database.instances import application_name
from app.database.notifications import CHANNEL, Notification
from app.database.urls import libpq_url, said_of
from app.failure import Failure
from models.metadata import OWNED_TABLES
from models.user import User

ROWS_AT_ONCE = 500
"""Rows that are fetched, or tasks that are deleted, at once."""

DELETED_AT_ONCE_MAX = 10_000
"""Of more tasks than these the most are deleted before, in transactions of their own."""

REMEMBERED_AT_LEAST = timedelta(days=30)
"""How long a deleted user is remembered, unless tokens live longer."""

USERS = str(User.__tablename__)

BE_OWNER = """
SELECT set_config('app.user_id', %s, true), set_config('statement_timeout', '0', true),
       set_config('idle_in_transaction_session_timeout', '0', true)
"""
OWNS_TABLES = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('tasks')"
IS_THERE = "SELECT FROM users WHERE id = %s"
COUNT_TASKS = "SELECT count(*) FROM tasks WHERE user_id = %s"
DELETE_TASKS = """
DELETE FROM tasks WHERE user_id = %(user)s AND id IN (
    SELECT id FROM tasks WHERE user_id = %(user)s LIMIT %(count)s)
"""
TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
"""As the triggers `a_lock_owner` and `refuse_deleted_user` do."""
REMEMBER = """
INSERT INTO deleted_users AS d (id_hash, deleted_at, expires_at)
VALUES (sha256(convert_to(%s, 'UTF8')), clock_timestamp(), clock_timestamp() + %s)
ON CONFLICT (id_hash) DO UPDATE
SET deleted_at = excluded.deleted_at, expires_at = greatest(d.expires_at, excluded.expires_at)
RETURNING expires_at
"""
DELETE_USER = "DELETE FROM users WHERE id = %s"
"""Whatever is the user's refers to the row, and goes with it."""
NOTIFY = "SELECT pg_notify(%s, %s)"


class UnknownUser(Failure):
    """There is no such user."""

    def __init__(self, user: str) -> None:
        super().__init__(f"There is no user {user}.")


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was deleted with a user."""

    tasks: int
    remembered_until: datetime


def exported(url: str, user: str) -> Iterator[str]:
    """Yield each row that is the user's, as a line of JSON: `{"table": …, "row": {…}}`.

    All lines are of one moment. The first is the user's row in `users`. Times are in UTC.

    Raises:
        UnknownUser: there is none; no line was yielded.
        Failure: the database cannot be reached, or the role does not own the tables.
    """
    with _as_owner(url) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        _be_owner_of(connection, user)
        connection.execute("SET LOCAL TimeZone TO 'UTC'")
        for table in sorted(OWNED_TABLES, key=lambda name: (name != USERS, name)):
            # By a cursor of the server's: the rows of one user need not fit into memory.
            with connection.cursor(name=f"export_{table}") as cursor:
                cursor.itersize = ROWS_AT_ONCE
                cursor.execute(
                    sql.SQL("SELECT to_jsonb(t)::text FROM {} AS t WHERE {} = %s").format(
                        sql.Identifier(table), sql.Identifier("id" if table == USERS else "user_id")
                    ),
                    [user],
                )
                for (row,) in cursor:
                    yield f'{{"table": "{table}", "row": {row}}}\n'


def delete(url: str, user: str, tokens_live: timedelta) -> Deleted:
    """Delete a user, with all that is theirs, and end their sockets at all servers.

    `tokens_live`: how long a token lives at the most. For so long the user is remembered by a hash
    of their id, so that a token from before does not make their row anew.

    Where there are many tasks and it is interrupted, some are deleted, and the user is still there.

    Raises:
        UnknownUser: there is none.
        Failure: the database cannot be reached, or the role does not own the tables.
    """
    with _as_owner(url) as connection:
        _be_owner_of(connection, user)
        (tasks,) = connection.execute(COUNT_TASKS, [user]).fetchone() or (0,)
        connection.commit()
        if tasks > DELETED_AT_ONCE_MAX:
            _delete_tasks(connection, user)
        _be_owner_of(connection, user)
        connection.execute(TAKE_TURN, [user])
        connection.execute(DELETE_USER, [user])
        # At the last, so that it is soon known of after the time that it notes.
        remembered = max(tokens_live, REMEMBERED_AT_LEAST)
        record = connection.execute(REMEMBER, [user, remembered]).fetchone()
        assert record is not None
        # Servers of the release before know of no `deleted`, and read that nothing is there.
        said = {"by": uuid4().hex, "of": [user], "deleted": [user]}
        notification = Notification.model_validate(said)
        payload = notification.model_dump_json(exclude_defaults=True)
        connection.execute(NOTIFY, [CHANNEL, payload])
        return Deleted(tasks, record[0])


def _delete_tasks(connection: psycopg.Connection[Any], user: str) -> None:
    """Delete tasks until few are left, some at a time, so that nobody waits long for a row."""
    deleted = ROWS_AT_ONCE
    while deleted:
        _be_owner_of(connection, user)
        values = {"user": user, "count": ROWS_AT_ONCE}
        deleted = connection.execute(DELETE_TASKS, values).rowcount
        connection.commit()


@contextmanager
def _as_owner(url: str) -> Iterator[psycopg.Connection[Any]]:
    try:
        with psycopg.connect(libpq_url(url), application_name=application_name()) as connection:
            yield connection
    except ForeignKeyViolation as error:
        raise Failure(
            "The user was not deleted, for another table refers to them: "
            f"{error.diag.message_detail}"
        ) from error
    except InsufficientPrivilege as error:
        raise Failure(f"{error.diag.message_primary}. {_NOT_THE_OWNER}") from error
    except psycopg.Error as error:
        raise Failure(
            f"The database did not do it: {error.diag.message_primary or said_of(error, url)}"
        ) from error


_NOT_THE_OWNER = "Name the role that owns the tables, by MIGRATION_DATABASE_URL."


def _be_owner_of(connection: psycopg.Connection[Any], user: str) -> None:
    """Begin a transaction that sees what is the user's.

    Raises:
        UnknownUser: there is none.
        Failure: the role does not own the tables, or there are none.
    """
    connection.execute(BE_OWNER, [user])
    record = connection.execute(OWNS_TABLES).fetchone()
    if record is None:
        raise Failure("The database is not migrated: run `todo-api migrate`.")
    if record != (True,):
        raise Failure(f"This role would not see all that is the user's. {_NOT_THE_OWNER}")
    if not connection.execute(IS_THERE, [user]).rowcount:
        raise UnknownUser(user)
