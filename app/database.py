"""The pool of connections behind the door: it runs each statement for its owner."""

import asyncio
import logging
import selectors
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.errors import DeadlockDetected, SerializationFailure
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from app.migration import libpq_url
from app.roles import inspect_role
from app.settings import Settings
from auth.door import DatabaseUnavailable, OwnerUnknown, Row, Statement

logger = logging.getLogger(__name__)

SET_OWNER = "SELECT set_config('app.user_id', $1, true)"
"""Transaction-local: afterwards a pooler may hand the session to anybody."""

PREPARE_AFTER = 2
"""Runs of a statement on one connection before it is prepared there."""

CLASHES_MAX = 3
"""How often a statement is tried again after a deadlock or a serialization failure."""

CONNECTION_LIFETIME = 240.0
"""Seconds. Neon suspends a database after 300 idle ones; no connection should outlive that."""


class UnsafeRole(Exception):
    """Row security would not bind the server's role: a sentence for each reason."""


class PooledDatabase:
    """psycopg's pool; each statement takes one round trip and is one transaction of its owner's."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._url = libpq_url(url)
        self._settings = settings
        self._pool: AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]] = AsyncConnectionPool(
            self._url,
            open=False,
            min_size=settings.database_pool_min_size,
            max_size=settings.database_pool_max_size,
            timeout=settings.database_pool_timeout,
            max_lifetime=CONNECTION_LIFETIME,
            kwargs={
                "autocommit": True,
                "connect_timeout": settings.database_connect_timeout,
                "application_name": "todo-api",
                "prepare_threshold": (
                    PREPARE_AFTER if settings.database_prepared_statements else None
                ),
            },
            configure=self._configure,
            check=_require_alive,
        )

    async def open(self) -> None:
        """Check the role and start the pool. A database that is not up yet is waited for later.

        Raises:
            UnsafeRole: the database is up, and row security would not bind the role.
        """
        try:
            async with asyncio.timeout(self._settings.database_connect_timeout):
                async with await AsyncConnection.connect(
                    self._url, autocommit=True, application_name="todo-api"
                ) as connection:
                    await self._configure(connection)
        except (psycopg.OperationalError, TimeoutError) as error:
            logger.warning("The database cannot be reached yet: %s", error)
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._pool.close()

    async def _configure(self, connection: AsyncConnection[Any]) -> None:
        """Let no connection into the pool whose role could see other people's rows."""
        if not self._settings.require_row_security:
            return
        objections = (await inspect_role(connection)).objections()
        if objections:
            raise UnsafeRole("\n".join(objections))

    async def fetch(self, statement: Statement[Row]) -> list[Row]:
        """Run the statement, as `auth.door.Database` has it; a read is tried twice."""
        breaks, clashes = 0, 0
        while True:
            try:
                async with self._pool.connection() as connection:
                    async with asyncio.timeout(self._settings.database_statement_timeout):
                        records = await _run(connection, statement)
            except psycopg.errors.ForeignKeyViolation as error:
                raise OwnerUnknown(statement.owner) from error
            except (PoolTimeout, TimeoutError, psycopg.errors.QueryCanceled) as error:
                raise DatabaseUnavailable("The database took too long.") from error
            except (DeadlockDetected, SerializationFailure) as error:
                # PostgreSQL has undone the transaction, so even a write may be tried again.
                clashes += 1
                if clashes > CLASHES_MAX:
                    raise DatabaseUnavailable("Too many others were at the same rows.") from error
            except psycopg.OperationalError as error:
                # Nobody knows whether a write was committed before its connection broke.
                breaks += 1
                if breaks > 1 or statement.sql.writes:
                    raise DatabaseUnavailable("The database cannot be reached.") from error
            else:
                return [statement.sql.make_row(record) for record in records]

    async def revision(self) -> str | None:
        """Return the migration that the database is at; None when there has been none.

        Raises:
            DatabaseUnavailable: the database cannot be reached.
        """
        try:
            async with self._pool.connection() as connection:
                async with asyncio.timeout(self._settings.database_statement_timeout):
                    cursor = await connection.execute("SELECT version_num FROM alembic_version")
                    record = await cursor.fetchone()
        except psycopg.errors.UndefinedTable:
            return None
        except (PoolTimeout, TimeoutError, psycopg.OperationalError) as error:
            raise DatabaseUnavailable("The database cannot be reached.") from error
        return None if record is None else str(record[0])


async def _require_alive(connection: AsyncConnection[Any]) -> None:
    """Notice, without a round trip, when the server has hung up on an idle connection.

    Raises:
        psycopg.OperationalError: it has; the pool then takes another connection.
    """
    pgconn = connection.pgconn
    with selectors.DefaultSelector() as selector:
        selector.register(pgconn.socket, selectors.EVENT_READ)
        # An idle connection has nothing to say but good-bye: first the reason, then the end.
        while selector.select(0):
            pgconn.consume_input()
            pgconn.is_busy()


async def _run(
    connection: AsyncConnection[tuple[Any, ...]], statement: Statement[Row]
) -> list[tuple[Any, ...]]:
    values = {**statement.values, "owner": statement.owner}
    parameters = [values[name] for name in statement.sql.parameters]
    cursor = AsyncRawCursor(connection)
    # What a pipeline sends up to its end is one implicit transaction, and one round trip.
    async with connection.pipeline():
        await AsyncRawCursor(connection).execute(SET_OWNER, [statement.owner])
        await cursor.execute(statement.sql.text, parameters)
    return await cursor.fetchall()
