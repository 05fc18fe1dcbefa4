"""Workers of one database without HTTP, and the notifications that reach them."""

import asyncio
import json
from uuid import uuid4

import psycopg

from app.database.notifications import CHANNEL
from app.lifespan import Running
from models.user import UserId
from tests.databases import Database

PATIENCE = 20.0
"""Seconds to wait for what must come."""


def notify(database: Database, *payloads: str) -> None:
    """Notify whoever listens, as any role can."""
    with psycopg.connect(database.server_url, autocommit=True) as connection:
        for payload in payloads:
            connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, payload])


async def until_receiving(worker: Running, database: Database) -> None:
    """Wait until the worker has received everything that was sent before, and is listening."""
    marker = UserId(f"marker-{uuid4().hex}")
    with worker.live.watch(marker) as woken:
        async with asyncio.timeout(PATIENCE):
            while not woken.is_set():
                notify(database, json.dumps({"by": "a test", "of": [marker]}))
                await asyncio.sleep(0.01)


async def until_set(*events: asyncio.Event) -> None:
    """Wait for all events, with patience for them together."""
    async with asyncio.timeout(PATIENCE):
        for event in events:
            await event.wait()
