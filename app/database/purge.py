"""What nobody needs any more is removed for good, a few rows at a time: old trash, old keys."""

import asyncio
import logging
import random
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection

from app.database.session import APPLICATION_NAME
from app.database.urls import libpq_url
from app.settings import Settings

logger = logging.getLogger(__name__)
chance = random.SystemRandom()

INTERVAL = 3600.0
"""Seconds between two purges of one worker, on average."""

BATCH = 500
"""Rows removed in one transaction, so that their owners hardly wait."""

PURGE_TRASH = "SELECT purge_trash(%s, %s)"
PURGE_KEYS = "SELECT purge_idempotency_keys(%s)"
"""The functions see everybody's old rows, and nothing else; the server's role sees none."""


async def purge(url: str, settings: Settings) -> int:
    """Remove what is old enough, unless somebody else is at it; return how many tasks that were.

    Raises:
        psycopg.Error: the database cannot be reached, or is not migrated.
    """
    async with await AsyncConnection.connect(
        libpq_url(url),
        autocommit=True,
        application_name=APPLICATION_NAME,
        connect_timeout=settings.database_connect_timeout,
        prepare_threshold=None,
    ) as connection:
        await _in_batches(connection, PURGE_KEYS)
        return await _in_batches(connection, PURGE_TRASH, settings.trash_retention_days)


async def _in_batches(connection: AsyncConnection[Any], statement: LiteralString, *age: int) -> int:
    purged = 0
    while True:
        cursor = await connection.execute(statement, [*age, BATCH])
        record = await cursor.fetchone()
        assert record is not None
        count: int = record[0]
        purged += count
        if count < BATCH:
            return purged


async def keep_purging(url: str, settings: Settings) -> None:
    """Purge now and then."""
    while True:
        # Many workers that start at once do not all come at once.
        await asyncio.sleep(INTERVAL * chance.uniform(0.5, 1.5))
        try:
            purged = await purge(url, settings)
        except psycopg.Error as error:
            logger.warning("The trash could not be purged: %s", error)
        else:
            if purged:
                logger.info("Removed from the trash for good: %d tasks", purged)
