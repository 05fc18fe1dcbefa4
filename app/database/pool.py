"""psycopg's pool behind the door: a connection for each statement under way."""

import asyncio
import logging
import selectors
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from app.database.retry import Attempts
from app.database.session import (
    APPLICATION_NAME,
    CONNECTION_LIFETIME,
    GRACE,
    SET_LOCALS,
    prepare_session,
)
from app.database.urls import libpq_url
from app.settings import Settings
from models.database import DatabaseUnavailable
from models.statement import Row, Statement

logger = logging.getLogger(__name__)

PREPARE_AFTER = 2
"""Runs of a statement on one connection before it is prepared there."""


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
                "application_name": APPLICATION_NAME,
                "prepare_threshold": (
                    PREPARE_AFTER if settings.database_prepared_statements else None
                ),
            },
            configure=self._configure,
            check=_require_alive,
        )
        self._running: set[asyncio.Task[list[Any]]] = set()

    async def open(self) -> None:
        """Check the role and start the pool, as `RunningDatabase` has it."""
        try:
            async with asyncio.timeout(self._settings.database_connect_timeout):
                async with await AsyncConnection.connect(
                    self._url, autocommit=True, application_name=APPLICATION_NAME
                ) as connection:
                    await self._configure(connection)
        except (psycopg.OperationalError, TimeoutError) as error:
            logger.warning("The database cannot be reached yet: %s", error)
        await self._pool.open(wait=False)

    async def close(self) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=self._settings.database_statement_timeout)
        await self._pool.close()

    async def _configure(self, connection: AsyncConnection[Any]) -> None:
        await prepare_session(connection, self._settings)

    async def fetch(self, statement: Statement[Row]) -> list[Row]:
        """Run the statement, as `models.database.Database` has it.

        Where nobody waits for it any more it is left to its end, which PostgreSQL sees to: psycopg,
        if it is cancelled amid a pipeline, may keep the connection for ever.
        """
        running = asyncio.create_task(self._fetch(statement))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return await asyncio.shield(running)

    async def _fetch(self, statement: Statement[Row]) -> list[Row]:
        attempts = Attempts(statement)
        seconds = self._settings.database_statement_timeout
        while True:
            try:
                async with self._pool.connection() as connection:
                    async with asyncio.timeout(seconds + GRACE):
                        records = await _run(connection, statement, seconds)
            except (psycopg.Error, TimeoutError) as error:
                attempts.failed(error)
            else:
                return [statement.sql.make_row(record) for record in records]

    async def revision(self) -> str | None:
        """Return the migration that the database is at, as `RunningDatabase` has it."""
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
    connection: AsyncConnection[tuple[Any, ...]], statement: Statement[Row], seconds: float
) -> list[tuple[Any, ...]]:
    values = {**statement.values, "owner": statement.owner}
    parameters = [values[name] for name in statement.sql.parameters]
    cursor = AsyncRawCursor(connection)
    # What a pipeline sends up to its end is one implicit transaction, and one round trip.
    async with connection.pipeline():
        local = [statement.owner, str(int(seconds * 1000))]
        await AsyncRawCursor(connection).execute(SET_LOCALS, local)
        await cursor.execute(statement.sql.text, parameters)
    return await cursor.fetchall()
