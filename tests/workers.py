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


def cut_listeners(database: Database) -> int:
    """Cut the connections that workers listen by; return how many there were."""
    with psycopg.connect(database.superuser_url) as connection:
        found = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND application_name ~ '^todo-api/[0-9.]+ live$'"
        ).fetchone()
    assert found is not None
    return int(found[0])


def cut_statements(database: Database) -> None:
    """Cut the connections that workers send statements by, of which there is one at least."""
    cut = 0
    for url in database.urls_of_nodes:
        with psycopg.connect(url, autocommit=True) as connection:
            ((more,),) = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE application_name ~ '^todo-api/[0-9.]+$' AND datname = current_database()"
            ).fetchall()
            cut += more
    assert cut


async def until_receiving(worker: Running, database: Database) -> None:
    """Wait until the worker is listening, and has received everything that was sent before."""
    named, other = UserId(f"marker-{uuid4().hex}"), UserId("other")
    with worker.live.watch(other) as all_woken, worker.live.watch(named) as woken:
        async with asyncio.timeout(PATIENCE):
            # Everybody is woken when the listener or the sweeper begins: that is no notification.
            while not woken.is_set() or all_woken.is_set():
                all_woken.clear()
                woken.clear()
                notify(database, json.dumps({"by": "a test", "of": [named]}))
                await asyncio.sleep(0.02)


async def until_set(*events: asyncio.Event) -> None:
    """Wait for all events, with patience for them together."""
    async with asyncio.timeout(PATIENCE):
        for event in events:
            await event.wait()
