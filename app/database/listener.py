"""The listener: wakes who waits when other workers tell of changes."""

import asyncio
import logging
import random
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import AsyncConnection

from app.database.changes import CHANNEL, Live, Notification
from app.database.session import APPLICATION_NAME
from app.database.urls import libpq_url
from app.settings import Settings

logger = logging.getLogger(__name__)

SWEEP = 30.0
"""Seconds after which everybody looks for changes, on average."""

POLLING = 2.0
"""The same where nothing can be heard."""

LOOKS = 150
"""How often everybody looks so before it is tried again to hear."""

HEARING_TIMEOUT = 3.0
"""Seconds within which a connection must hear another; else there is a pooler in the way."""

RECONNECT_DELAYS = (0.2, 10.0)
"""Seconds to wait after the connection could not be had: at first, and at most."""


async def keep_sweeping(live: Live) -> None:
    """Have everybody look for changes now and then, told or not."""
    while True:
        await live.wake_all(SWEEP * random.uniform(0.5, 1.5))  # noqa: S311


async def keep_listening(live: Live, settings: Settings) -> None:
    """Wake who waits when other workers tell of changes."""
    delay = RECONNECT_DELAYS[0]
    while True:
        # A server that nobody follows needs no connection for it.
        await live.watched.wait()
        try:
            async with await connect(settings) as connection:
                hears = await _hears(connection, settings)
                delay = RECONNECT_DELAYS[0]
                # Nobody has told of what changed before.
                await live.wake_all()
                if hears:
                    await _listen(connection, live)
                    continue
        except (psycopg.Error, TimeoutError) as error:
            logger.warning("Changes cannot be listened to right now: %s", error)
            await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311
            delay = min(2 * delay, RECONNECT_DELAYS[1])
            await live.wake_all()
        else:
            logger.warning(
                "Nothing is heard of other workers' changes, as through a pooler: looking for them "
                "every %g seconds instead. Set LISTEN_DATABASE_URL to a direct connection.",
                POLLING,
            )
            # Then again: it may be another pooler by now, or none.
            for _ in range(LOOKS):
                await live.wake_all(POLLING)


async def connect(settings: Settings) -> AsyncConnection[Any]:
    """Open a connection to listen by.

    Raises:
        psycopg.Error, TimeoutError: it cannot be had.
    """
    url = settings.listen_database_url or settings.database_url
    assert url is not None
    async with asyncio.timeout(settings.database_connect_timeout):
        return await AsyncConnection.connect(
            libpq_url(url),
            autocommit=True,
            application_name=f"{APPLICATION_NAME} live",
            client_encoding="UTF8",
            prepare_threshold=None,
        )


async def _hears(connection: AsyncConnection[Any], settings: Settings) -> bool:
    """Listen, and tell whether what another connection says is heard.

    Through a transaction pooler it is not: between statements nobody listens there.
    """
    word = Notification(by=uuid4().hex).model_dump_json()
    await connection.execute(f"LISTEN {CHANNEL}")
    async with await connect(settings) as another:
        await another.execute("SELECT pg_notify(%s, %s)", [CHANNEL, word])
    async with aclosing(connection.notifies(timeout=HEARING_TIMEOUT)) as notifies:
        async for heard in notifies:
            if heard.payload == word:
                return True
    return False


async def _listen(connection: AsyncConnection[Any], live: Live) -> None:
    async for heard in connection.notifies():
        live.hear(heard.payload)


async def can_listen(settings: Settings) -> bool:
    """Tell whether other workers' changes can be heard at once.

    Raises:
        psycopg.Error, TimeoutError: the database cannot be reached.
    """
    async with await connect(settings) as connection:
        return await _hears(connection, settings)
