"""A running server's parts: made without anything opened, and nothing left of them at the end."""

import asyncio
import gc
from typing import Any

import psycopg
import pytest

from app.factory import create_app
from app.lifespan import Running, make_parts, run
from models.user import UserId
from tests.api import settings_for
from tests.auth_server import AuthServer
from tests.databases import Database
from tests.workers import PATIENCE, until_receiving


def connections_to(database: Database) -> int:
    with psycopg.connect(database.superuser_url) as connection:
        record = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            [database.name],
        ).fetchone()
    assert record is not None
    return int(record[0])


async def until_nobody_is_connected(database: Database) -> None:
    """Wait for PostgreSQL to notice that its clients have gone."""
    async with asyncio.timeout(PATIENCE):
        while connections_to(database):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("pipeline", [True, False], ids=["pipeline", "pool"])
async def test_a_server_that_stops_leaves_no_task_and_no_connection(
    migrated_database: Database, pipeline: bool
) -> None:
    auth_server = AuthServer()
    settings = settings_for(
        migrated_database.server_url,
        database_pipeline=pipeline,
        rate_limit=600,
        jwks_url=auth_server.jwks_url,
    )
    before = asyncio.all_tasks()
    try:
        async with run(settings) as running:
            await until_receiving(running, migrated_database)
            await use(running, auth_server)
            assert connections_to(migrated_database) > 0
        assert asyncio.all_tasks() == before
        assert running.keys is not None
        assert running.keys._client is not None
        assert running.keys._client.is_closed
        await until_nobody_is_connected(migrated_database)
    finally:
        auth_server.stop()


async def use(running: Running, auth_server: AuthServer) -> None:
    """Have every part do what it leaves something of."""
    token = auth_server.sign({"sub": "ada", "exp": 2**33}, auth_server.add_key())
    context = await running.get_context([f"Bearer {token}"])
    await context.viewer()
    assert running.budget is not None
    running.budget.spend(UserId("ada"), 100)
    running.notifier.add_change(UserId("ada"))


async def test_a_server_that_may_not_start_leaves_nothing(migrated_database: Database) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(Exception, match="superuser"):
        async with run(settings_for(migrated_database.superuser_url)):
            pytest.fail("it has started")
    assert asyncio.all_tasks() == before
    await until_nobody_is_connected(migrated_database)


def test_parts_are_made_without_a_loop_or_a_database() -> None:
    parts: list[Any] = []
    nowhere = "postgresql://nobody@127.0.0.1:9/nothing"
    parts.append(make_parts(settings_for(nowhere, jwks_url="http://127.0.0.1:9/", rate_limit=600)))
    parts.append(make_parts(settings_for(nowhere)))
    one, two = parts
    assert (one.budget.limit, two.budget, two.keys) == (600, None, None)
    assert one.notifier.worker != two.notifier.worker


def test_without_a_database_there_are_no_parts() -> None:
    with pytest.raises(ValueError, match="no database"):
        make_parts(settings_for(None))


async def test_a_start_looks_for_garbage_only_in_what_it_has_made(
    migrated_database: Database,
) -> None:
    """What was imported is twenty times as much, and stays."""
    app = create_app(settings_for(migrated_database.server_url))
    gc.unfreeze()
    before = len(gc.get_objects())
    visited = []

    def note(phase: str, collected: dict[str, int]) -> None:
        if phase == "start" and collected["generation"] == 2:
            visited.append(len(gc.get_objects()))

    gc.callbacks.append(note)
    try:
        async with app.router.lifespan_context(app):
            pass
    finally:
        gc.callbacks.remove(note)
    assert visited
    assert max(visited) < before / 4
