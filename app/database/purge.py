"""The purge: rows of old trash, old idempotency keys and users deleted long ago are deleted."""

import asyncio
import logging
import random
import time
from collections import Counter
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection

from app.database.changes import NotifyingDatabase
from app.database.instances import application_name
from app.database.urls import libpq_url
from app.settings import Settings

logger = logging.getLogger(__name__)
chance = random.SystemRandom()

INTERVAL = 3600.0
"""Seconds between two purges of one worker, on average."""

BATCH = 500
"""Rows deleted in one transaction, so that their owners hardly wait."""

PURGE_TRASH = "SELECT purge_trash(%s, %s)"
RETENTION = "SELECT trash_retention_days, idempotency_retention_days FROM installation"
PURGE_KEYS = "SELECT purge_idempotency_keys(%s)"
PURGE_DELETED_USERS = "SELECT purge_deleted_users(%s)"
"""The functions see the old rows of all users, and no others; the server's role sees none."""


class Purged:
    """What the purges of this process have deleted, by the table, and when the last succeeded."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.succeeded_at = time.time()
        """In seconds since the epoch; at first the start."""


async def purge(url: str, settings: Settings, purged: Purged | None = None) -> int:
    """Delete what is old enough, unless another worker is doing so; return the number of tasks.

    `purged`: where to count what is deleted.

    Raises:
        psycopg.Error: the database cannot be reached, or is not migrated.
    """
    async with await AsyncConnection.connect(
        libpq_url(url),
        autocommit=True,
        application_name=application_name(),
        connect_timeout=settings.database_connect_timeout,
        prepare_threshold=None,
    ) as connection:
        keys = await _in_batches(connection, PURGE_KEYS)
        await _in_batches(connection, PURGE_DELETED_USERS)
        cursor = await connection.execute(RETENTION)
        record = await cursor.fetchone()
        if record is not None:
            _compare(settings, *record)
        tasks = await _in_batches(connection, PURGE_TRASH, settings.trash_retention_days)
        if purged is not None:
            purged.rows.update(idempotency_keys=keys, tasks=tasks)
            purged.succeeded_at = time.time()
        return tasks


def _compare(settings: Settings, trash: int, keys: int) -> None:
    """Log where the database keeps something for another time than the settings say."""
    if trash != settings.trash_retention_days:
        logger.warning(
            "Trash is kept for %d days at the least, as the database says, and not for %d: "
            "`todo-api migrate` writes TRASH_RETENTION_DAYS there.",
            trash,
            settings.trash_retention_days,
        )
    if keys != settings.idempotency_retention_days:
        logger.warning(
            "Idempotency keys are kept for %d days, as the database says, and not for %d: "
            "`todo-api migrate` writes IDEMPOTENCY_RETENTION_DAYS there.",
            keys,
            settings.idempotency_retention_days,
        )


async def _in_batches(connection: AsyncConnection[Any], statement: LiteralString, *age: int) -> int:
    purged = 0
    while True:
        cursor = await connection.execute(statement, [*age, BATCH])
        record = await cursor.fetchone()
        assert record is not None
        count: int = record[0]
        purged += count
        # Fewer than asked for, where somebody holds some, do not say that there are no others.
        if count == 0:
            return purged


async def keep_purging(
    url: str, settings: Settings, database: NotifyingDatabase, purged: Purged
) -> None:
    """Purge every hour, on average, in which something was written by this worker.

    It runs for as long as the server does. Where nobody writes, the database may sleep.
    """
    while True:
        # At random, so that workers that start together do not purge together.
        await asyncio.sleep(INTERVAL * chance.uniform(0.5, 1.5))
        if not database.has_written:
            purged.succeeded_at = time.time()
            continue
        database.has_written = False
        try:
            count = await purge(url, settings, purged)
        except psycopg.Error as error:
            # Then it is due the next time, too.
            database.has_written = True
            logger.warning("The trash could not be purged: %s", error)
        else:
            if count:
                logger.info("Deleted from the trash: %d tasks", count)
