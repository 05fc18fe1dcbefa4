"""The trash of everybody: what has been in it long enough is removed for good, a few at a time."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection

from app.database import APPLICATION_NAME
from app.migration import libpq_url
from app.settings import Settings

logger = logging.getLogger(__name__)

INTERVAL = 3600.0
"""Seconds between two purges of one worker, on average."""

BATCH = 500
"""Tasks removed in one transaction, so that their owners hardly wait."""

PURGE = "SELECT purge_trash(%s, %s)"
"""The database's function sees everybody's trash, and nothing else; the server's role does not."""


async def purge(url: str, settings: Settings) -> int:
    """Remove what is old enough, unless somebody else is at it; return how many tasks that were.

    Raises:
        psycopg.Error: the database cannot be reached, or is not migrated.
    """
    purged = 0
    async with await AsyncConnection.connect(
        libpq_url(url),
        autocommit=True,
        application_name=APPLICATION_NAME,
        connect_timeout=settings.database_connect_timeout,
        prepare_threshold=None,
    ) as connection:
        while True:
            cursor = await connection.execute(PURGE, [settings.trash_retention_days, BATCH])
            record = await cursor.fetchone()
            assert record is not None
            count: int = record[0]
            purged += count
            if count < BATCH:
                return purged


@asynccontextmanager
async def keep_purging(url: str, settings: Settings) -> AsyncIterator[None]:
    """Purge now and then, until the block is left."""
    task = asyncio.create_task(_keep_purging(url, settings))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _keep_purging(url: str, settings: Settings) -> None:
    while True:
        # Many workers that start at once do not all come at once.
        await asyncio.sleep(INTERVAL * random.uniform(0.5, 1.5))  # noqa: S311
        try:
            purged = await purge(url, settings)
        except psycopg.Error as error:
            logger.warning("The trash could not be purged: %s", error)
        else:
            if purged:
                logger.info("Removed from the trash for good: %d tasks", purged)
