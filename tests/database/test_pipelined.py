"""The database on shared connections: each owner gets their own rows, whatever befalls others."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import psycopg
import pytest

from app.database.pipelined import PipelinedDatabase
from models.database import DatabaseUnavailable
from models.statement import Sql, Statement
from models.user import UserId
from tests.api import settings_for
from tests.counts import Count
from tests.databases import Database
from tests.workers import cut_statements

ECHO = Sql(
    "SELECT current_setting('app.user_id'), $1::text, pg_sleep($2::float8)::text",
    ("said", "seconds"),
    tuple,
    writes=False,
)
FAIL = Sql("SELECT 1 / $1::int", ("zero",), tuple, writes=False)
FORGET = Sql("DEALLOCATE ALL", (), tuple, writes=True)
TITLES = Sql("SELECT title FROM tasks WHERE user_id = $1", ("owner",), tuple, writes=False)

ADA = UserId("ada")
Opener = Callable[..., AbstractAsyncContextManager[PipelinedDatabase]]


@pytest.fixture
def opened(database: Database) -> Opener:
    @asynccontextmanager
    async def open_it(url: str = database.server_url, **settings: Any) -> AsyncIterator[Any]:
        shared = PipelinedDatabase(url, settings_for(url, **settings))
        await shared.open()
        try:
            yield shared
        finally:
            await shared.close()

    return open_it


def echo(owner: UserId, said: str, seconds: float = 0) -> Statement[Any]:
    return Statement(ECHO, owner, {"said": said, "seconds": str(seconds)})


async def ask(shared: PipelinedDatabase, dice: random.Random, n: int) -> str:
    """Ask one of fifty owners' questions, or a wrong one, or give up; return what came of it."""
    owner, kind = UserId(f"user-{n % 50}"), dice.random()
    try:
        if kind < 0.1:
            await shared.fetch(Statement(FAIL, owner, {"zero": 0}))
        patience = dice.uniform(0, 0.01) if kind > 0.85 else None
        async with asyncio.timeout(patience):
            seconds = dice.choice([0.001, 0.01]) if kind > 0.97 else 0
            ((whose, said, _),) = await shared.fetch(echo(owner, str(n), seconds))
    except psycopg.errors.DivisionByZero:
        return "failed"
    except TimeoutError:
        return "cancelled"
    except DatabaseUnavailable:
        return "unavailable"
    return "own" if (whose, said) == (owner, str(n)) else "foreign"


async def test_ten_thousand_interleaved_calls_get_their_own_answers(
    opened: Opener, migrated_database: Database, count: Count
) -> None:
    dice, numbers, counted = random.Random(5), iter(range(10_000)), Counter[str]()

    async def caller(shared: PipelinedDatabase) -> None:
        for n in numbers:
            counted[await ask(shared, dice, n)] += 1
            if n % 3000 == 2000:
                await asyncio.to_thread(cut_statements, migrated_database)

    async with opened(migrated_database.server_url, database_pool_max_size=3) as shared:
        await asyncio.gather(*(caller(shared) for _ in range(60)))
    count("calls on shared connections, cancelled and failing ones among them", counted.total())
    count("calls on shared connections that were answered with another's rows", counted["foreign"])
    assert counted.total() == 10_000
    assert counted["foreign"] == 0
    assert min(counted["own"], counted["failed"], counted["cancelled"]) > 100


async def test_no_owner_is_left_behind(opened: Opener) -> None:
    async with opened(database_pool_max_size=1) as shared:
        await shared.fetch(echo(ADA, "hello"))
        sql = Sql("SELECT current_setting('app.user_id')", (), tuple, writes=False)
        assert await shared.fetch(Statement(sql, UserId("eve"), {})) == [("eve",)]


async def test_a_statement_has_its_time(opened: Opener) -> None:
    async with opened(database_statement_timeout=0.2, database_pool_max_size=1) as shared:
        with pytest.raises(DatabaseUnavailable, match="too long"):
            await shared.fetch(echo(ADA, "", 5))
        assert await shared.fetch(echo(ADA, "again"))


async def test_prepared_statements_that_get_lost_are_not_missed(
    opened: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(database_pool_max_size=1) as shared:
        assert await shared.fetch(echo(ADA, "first"))
        await shared.fetch(Statement(FORGET, ADA, {}))
        assert await shared.fetch(echo(ADA, "second"))
        assert not shared.client.prepares
    assert "DATABASE_PREPARED_STATEMENTS=false" in caplog.text


async def test_a_migration_under_way_is_not_noticed(
    opened: Opener, migrated_database: Database
) -> None:
    async with opened(migrated_database.server_url, database_pool_max_size=1) as shared:
        assert await shared.fetch(Statement(TITLES, ADA, {})) == []
        with psycopg.connect(migrated_database.superuser_url) as connection:
            # A trigger names the column.
            connection.execute(
                "DO $$ DECLARE made text := pg_get_triggerdef(oid) FROM pg_trigger "
                "WHERE tgname = 'b_note_changed_task'; BEGIN "
                "DROP TRIGGER b_note_changed_task ON tasks; "
                "ALTER TABLE tasks ALTER title TYPE varchar(201); EXECUTE made; END $$"
            )
        assert await shared.fetch(Statement(TITLES, ADA, {})) == []


IN_A_BLOCK = Sql("SAVEPOINT here", (), tuple, writes=False)
"""PostgreSQL refuses this outside of BEGIN and COMMIT."""


async def test_the_first_statement_is_sent_as_tables_on_several_nodes_need_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without BEGIN, a node with the rows would not learn who asks, and show none."""

    async def is_cluster(connection: object) -> bool:
        return True

    monkeypatch.setattr("app.database.acting.is_cluster", is_cluster)
    monkeypatch.setattr("app.database.acting.SETTINGS", {})
    # There are no nodes to be compared.
    settings = settings_for(database.server_url, database_nodes=False, require_row_security=False)
    shared = PipelinedDatabase(database.server_url, settings)
    # As where the database was away when the server began.
    shared.client.start()
    try:
        assert await shared.fetch(Statement(IN_A_BLOCK, ADA, {})) == []
    finally:
        await shared.close()
