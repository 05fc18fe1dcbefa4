"""The door's common part: which database to open, and when a statement may be tried again."""

from typing import Any, Protocol

import psycopg
from psycopg import AsyncConnection
from psycopg.errors import (
    DeadlockDetected,
    ForeignKeyViolation,
    QueryCanceled,
    SerializationFailure,
    UniqueViolation,
)
from psycopg.types.string import TextLoader
from psycopg_pool import PoolTimeout

from app.protection import objections
from app.settings import Settings
from models.database import (
    AlreadyThere,
    Database,
    DatabaseTooSlow,
    DatabaseUnavailable,
    OwnerUnknown,
)
from models.statement import Row, Statement

APPLICATION_NAME = "todo-api"

CLASHES_MAX = 3
"""How often a statement is tried again after a deadlock or a serialization failure."""

BREAKS_MAX = 3
"""How often a read is tried again after its connection broke: others may be broken as well."""

CONNECTION_LIFETIME = 240.0
"""Seconds. Neon suspends a database after 300 idle ones; no connection should outlive that."""


class UnsafeRole(Exception):
    """Row security would not bind the server's role: a sentence for each reason."""


class RunningDatabase(Database, Protocol):
    """A database that is opened and closed, and asked whether it is ready."""

    async def open(self) -> None:
        """Check the role and connect. A database that is not up yet is waited for later.

        Raises:
            UnsafeRole: the database is up, and row security would not bind the role.
        """
        ...

    async def close(self) -> None: ...

    async def revision(self) -> str | None:
        """Return the migration that the database is at; None when there has been none.

        Raises:
            DatabaseUnavailable: the database cannot be reached.
        """
        ...


SET_LOCALS = "SELECT set_config('app.user_id', $1, true), set_config('statement_timeout', $2, true)"
"""Local to the transaction: afterwards a pooler may hand the session to anybody."""

GRACE = 1.0
"""Seconds beyond a statement's time in which PostgreSQL must have said that it ended it."""


class Attempts:
    """Counts a statement's failed attempts, and says whether there may be another."""

    def __init__(self, statement: Statement[Row]) -> None:
        self._statement = statement
        self._breaks = 0
        self._clashes = 0

    def failed(self, error: psycopg.Error | TimeoutError) -> None:
        """Return when the statement may be tried again.

        Raises:
            DatabaseUnavailable: it may not.
            OwnerUnknown: it was to write a row for an owner who has none in users.
            AlreadyThere: it was to add a row that is there.
        """
        match error:
            case ForeignKeyViolation():
                raise OwnerUnknown(self._statement.owner) from error
            case UniqueViolation():
                raise AlreadyThere from error
            case QueryCanceled():
                raise DatabaseTooSlow("The database took too long.") from error
            case PoolTimeout() | TimeoutError():
                raise DatabaseUnavailable("The database took too long.") from error
            case DeadlockDetected() | SerializationFailure():
                # PostgreSQL has undone the transaction, so even a write may be tried again.
                self._clashes += 1
                if self._clashes > CLASHES_MAX:
                    raise DatabaseUnavailable("Too many others were at the same rows.") from error
            case psycopg.OperationalError():
                # Nobody knows whether a write was committed before its connection broke.
                self._breaks += 1
                sql = self._statement.sql
                if self._breaks > BREAKS_MAX or (sql.writes and not sql.repeatable):
                    raise DatabaseUnavailable("The database cannot be reached.") from error
            case _:
                raise error


async def prepare_session(
    connection: AsyncConnection[tuple[object, ...]], settings: Settings
) -> None:
    """Make a new connection fit to serve: a safe role, and times as text, in UTC.

    Raises:
        UnsafeRole: its role could see other people's rows, or lacks a right that it needs.
    """
    if settings.require_row_security:
        sentences = await objections(connection)
        if sentences:
            raise UnsafeRole("\n".join(sentences))
    # These two PgBouncer keeps for each client, so they may outlive the transaction.
    await connection.execute("SET TimeZone TO 'UTC'")
    await connection.execute("SET DateStyle TO 'ISO'")
    connection.adapters.register_loader("timestamptz", TextLoader)


async def is_pooled(connection: AsyncConnection[Any]) -> bool:
    """Return whether a pooler is in between: a session then is not what it was said to be."""
    cursor = await connection.execute("SELECT pg_backend_pid()")
    record = await cursor.fetchone()
    return record is None or record[0] != connection.info.backend_pid
