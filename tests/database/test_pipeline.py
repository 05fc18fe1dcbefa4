"""The pipelined door: everybody gets their own rows, whatever happens to those before them."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import psycopg
import pytest

from app.database import pipeline
from app.database.pipeline import PipelinedDatabase
from models.database import DatabaseUnavailable
from models.statement import Sql, Statement
from models.user import UserId
from tests.api import settings_for
from tests.counts import Count
from tests.databases import Database

ECHO = Sql(
    "SELECT current_setting('app.user_id'), $1::text, pg_sleep($2::float8)::text",
    ("said", "seconds"),
    tuple,
    writes=False,
)
FAIL = Sql("SELECT 1 / $1::int", ("zero",), tuple, writes=False)
SLOW_WRITE = Sql("SELECT pg_sleep($1::float8)::text", ("seconds",), tuple, writes=True)
LONG = Sql("SELECT length($1::text)", ("said",), tuple, writes=False)
FORGET = Sql("DEALLOCATE ALL", (), tuple, writes=True)
TITLES = Sql("SELECT title FROM tasks WHERE user_id = $1", ("owner",), tuple, writes=False)

TRIGGER = "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'note_words'"

ADA = UserId("ada")
Opener = Callable[..., AbstractAsyncContextManager[PipelinedDatabase]]


@pytest.fixture
def opened(database: Database) -> Opener:
    @asynccontextmanager
    async def open_it(url: str = database.server_url, **settings: Any) -> AsyncIterator[Any]:
        door = PipelinedDatabase(url, settings_for(url, **settings))
        await door.open()
        try:
            yield door
        finally:
            await door.close()

    return open_it


def echo(owner: UserId, said: str, seconds: float = 0) -> Statement[Any]:
    return Statement(ECHO, owner, {"said": said, "seconds": str(seconds)})


def connections(database: Database) -> int:
    with psycopg.connect(database.superuser_url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE application_name = 'todo-api' AND datname = current_database()"
        ).fetchone()
    assert found is not None
    return int(found[0])


def cut_all(database: Database) -> None:
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'todo-api' AND datname = current_database()"
        )


async def ask(door: PipelinedDatabase, dice: random.Random, n: int) -> str:
    """Ask one of fifty owners' questions, or a wrong one, or give up; return what came of it."""
    owner, kind = UserId(f"user-{n % 50}"), dice.random()
    try:
        if kind < 0.1:
            await door.fetch(Statement(FAIL, owner, {"zero": 0}))
        patience = dice.uniform(0, 0.01) if kind > 0.85 else None
        async with asyncio.timeout(patience):
            seconds = dice.choice([0.001, 0.01]) if kind > 0.97 else 0
            ((whose, said, _),) = await door.fetch(echo(owner, str(n), seconds))
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

    async def caller(door: PipelinedDatabase) -> None:
        for n in numbers:
            counted[await ask(door, dice, n)] += 1
            if n % 3000 == 2000:
                await asyncio.to_thread(cut_all, migrated_database)

    async with opened(migrated_database.server_url, database_pool_max_size=3) as door:
        await asyncio.gather(*(caller(door) for _ in range(60)))
    count("calls on shared connections, cancelled and failing ones among them", counted.total())
    count("calls on shared connections that were answered with another's rows", counted["foreign"])
    assert counted.total() == 10_000
    assert counted["foreign"] == 0
    assert min(counted["own"], counted["failed"], counted["cancelled"]) > 100


async def test_no_owner_is_left_behind(opened: Opener) -> None:
    async with opened(database_pool_max_size=1) as door:
        await door.fetch(echo(ADA, "hello"))
        sql = Sql("SELECT current_setting('app.user_id')", (), tuple, writes=False)
        assert await door.fetch(Statement(sql, UserId("eve"), {})) == [("eve",)]


async def test_an_error_stays_with_its_call(opened: Opener) -> None:
    async with opened(database_pool_max_size=1) as door:
        calls = [
            door.fetch(Statement(FAIL, ADA, {"zero": 0}) if n % 2 else echo(ADA, str(n)))
            for n in range(20)
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(answer, psycopg.errors.DivisionByZero) for answer in answers] == [
        bool(n % 2) for n in range(20)
    ]


async def test_reads_overtake_a_slow_statement(opened: Opener) -> None:
    async with opened(database_pool_max_size=2) as door:
        # Both connections are there, and the slow one is on the first.
        await asyncio.gather(*(door.fetch(echo(ADA, "", 0.05)) for _ in range(3)))
        slow = asyncio.ensure_future(door.fetch(Statement(SLOW_WRITE, ADA, {"seconds": "1.5"})))
        answers = await asyncio.gather(*(door.fetch(echo(ADA, str(n))) for n in range(20)))
        assert [said for ((_, said, _),) in answers] == [str(n) for n in range(20)]
        assert not slow.done()
        await slow


async def test_a_statement_has_its_time(opened: Opener) -> None:
    async with opened(database_statement_timeout=0.2, database_pool_max_size=1) as door:
        with pytest.raises(DatabaseUnavailable, match="too long"):
            await door.fetch(echo(ADA, "", 5))
        assert await door.fetch(echo(ADA, "again"))


async def test_an_abandoned_statement_is_cancelled_and_no_other(opened: Opener) -> None:
    async with opened(database_pool_max_size=1) as door:
        abandoned = asyncio.ensure_future(door.fetch(echo(ADA, "", 30)))
        await asyncio.sleep(0.01)
        abandoned.cancel()
        answers = await asyncio.gather(*(door.fetch(echo(ADA, str(n))) for n in range(20)))
        assert len(answers) == 20
        with suppress(asyncio.CancelledError):
            await abandoned


async def test_what_does_not_fit_into_the_socket_is_sent_when_it_does(opened: Opener) -> None:
    said = "x" * 90_000
    async with opened(database_pool_max_size=1) as door:
        calls = [door.fetch(Statement(LONG, ADA, {"said": said + str(n)})) for n in range(200)]
        answers = await asyncio.gather(*calls)
    assert [length for ((length,),) in answers] == [len(said + str(n)) for n in range(200)]


async def test_those_who_find_no_room_wait_or_are_refused_at_once(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "WINDOW", 2)
    monkeypatch.setattr(pipeline, "WAITING_MAX", 5)
    async with opened(database_pool_max_size=1) as door:
        calls = [door.fetch(echo(ADA, str(n), 0.05)) for n in range(10)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(answer, DatabaseUnavailable) for answer in answers] == [
        n >= 7 for n in range(10)
    ]


async def test_statements_that_somebody_has_forgotten_are_not_missed(
    opened: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(database_pool_max_size=1) as door:
        assert await door.fetch(echo(ADA, "first"))
        await door.fetch(Statement(FORGET, ADA, {}))
        assert await door.fetch(echo(ADA, "second"))
        assert not door.prepares
    assert "DATABASE_PREPARED_STATEMENTS=false" in caplog.text


async def test_a_migration_under_way_is_not_noticed(
    opened: Opener, migrated_database: Database
) -> None:
    async with opened(migrated_database.server_url, database_pool_max_size=1) as door:
        assert await door.fetch(Statement(TITLES, ADA, {})) == []
        with psycopg.connect(migrated_database.superuser_url) as connection:
            # The trigger names the column, so it is taken away, and put back as it was.
            ((trigger,),) = connection.execute(TRIGGER).fetchall()
            connection.execute("DROP TRIGGER note_words ON tasks")
            connection.execute("ALTER TABLE tasks ALTER title TYPE varchar(201)")
            connection.execute(trigger)
        assert await door.fetch(Statement(TITLES, ADA, {})) == []


async def test_a_connection_that_died_idle_is_not_used(
    opened: Opener, migrated_database: Database
) -> None:
    async with opened(migrated_database.server_url) as door:
        for _ in range(3):
            await door.fetch(Statement(SLOW_WRITE, ADA, {"seconds": "0"}))
            await asyncio.to_thread(cut_all, migrated_database)
            while await asyncio.to_thread(connections, migrated_database):
                await asyncio.sleep(0.01)


async def test_connections_grow_old_unnoticed_and_are_not_kept_for_nobody(
    opened: Opener, migrated_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "CONNECTION_LIFETIME", 0.2)
    async with opened(migrated_database.server_url) as door:
        for n in range(40):
            assert await door.fetch(echo(ADA, str(n), 0.01))
        while await asyncio.to_thread(connections, migrated_database):
            await asyncio.sleep(0.05)
        assert await door.fetch(echo(ADA, "again"))


async def test_text_that_c_would_cut_short_is_refused(opened: Opener) -> None:
    async with opened() as door:
        with pytest.raises(psycopg.DataError):
            await door.fetch(echo(ADA, "cut\0short"))
