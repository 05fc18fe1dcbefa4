"""The client on a real PostgreSQL: each call has its own answer, whatever befalls the others."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast
from uuid import uuid4

import psycopg
import pytest
from psycopg import AsyncConnection

from pipelined_postgres.calls import Busy, statement
from pipelined_postgres.client import Client, UnusableConnection
from pipelined_postgres.options import Options

ECHO = "SELECT $1::text, pg_sleep($2::float8)::text"
SLEEP = "SELECT pg_sleep($1::float8)::text"

Make = Callable[..., Client]


@pytest.fixture
def name() -> str:
    """What the connections of one test are called."""
    return f"test {uuid4().hex[:8]}"


@pytest.fixture
def make(url: str, name: str) -> Make:
    def make(**options: Any) -> Client:
        return Client(url, Options(**{"wait_timeout": 30.0, **options}), application_name=name)

    return make


async def on_connections(url: str, name: str, what: str) -> list[Any]:
    """Return something of each connection that has the name."""
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(
            f"SELECT {what} FROM pg_stat_activity WHERE application_name = %s", [name]
        )
        return [value for (value,) in await cursor.fetchall()]


async def echo(client: Client, said: str, seconds: float = 0) -> str:
    ((answer, _),) = await client.fetch(ECHO, [said, seconds], repeatable=True)
    return str(answer)


async def test_an_error_stays_with_its_call(make: Make) -> None:
    async with make(connections_max=1) as client:
        calls = [client.fetch("SELECT 1 / $1::int", [n % 2]) for n in range(20)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    for n, answer in enumerate(answers):
        assert answer == [(1,)] if n % 2 else isinstance(answer, psycopg.errors.DivisionByZero)


async def test_a_call_that_cannot_be_sent_whole_moves_no_answer(make: Make) -> None:
    async with make(connections_max=1) as client:
        begun = [client.fetch("SELECT $1::int", [n]) for n in range(3)]
        await asyncio.sleep(0)
        queries = [
            (statement("SELECT $1::text"), [b"sent"]),
            (statement("SELECT $1::text"), [cast("bytes", object())]),
        ]
        with pytest.raises(TypeError):
            client.run(queries, tuple, repeatable=False)
        answers = await asyncio.gather(*begun, return_exceptions=True)
        for n, answer in enumerate(answers):
            assert answer == [(n,)] or isinstance(answer, psycopg.OperationalError)
        assert await client.fetch("SELECT 'next'") == [("next",)]


async def test_an_error_that_comes_with_the_commit_is_one(make: Make) -> None:
    async with make(connections_max=1) as client:
        table = f"t{uuid4().hex}"
        await client.fetch(f"CREATE TABLE {table} (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        insert = f"INSERT INTO {table} VALUES (1), ($1) RETURNING id"
        with pytest.raises(psycopg.errors.UniqueViolation):
            await client.fetch(insert, [1])
        assert await client.fetch(insert, [2]) == [(1,), (2,)]
        assert await client.fetch(f"DROP TABLE {table}") == []


async def test_queries_of_a_call_are_one_transaction(make: Make) -> None:
    async with make(connections_max=1) as client:
        local = (statement("SELECT set_config('my.own', $1, true)"), [client.text("mine")])
        asked = (statement("SELECT current_setting('my.own', true)"), ())
        assert await client.run([local, asked], tuple, repeatable=True) == [("mine",)]
        assert await client.run([asked], tuple, repeatable=True) == [("",)]


@pytest.mark.parametrize("value", [None, "text", 7, True, False, 1.5, ["a", "b"], b"\0"])
async def test_values_come_back_as_they_were(make: Make, value: object) -> None:
    kinds = {str: "text", int: "int", bool: "bool", float: "float8", list: "text[]", bytes: "bytea"}
    kind = kinds.get(type(value), "text")
    async with make() as client:
        assert await client.fetch(f"SELECT $1::{kind}", [value]) == [(value,)]


async def test_text_that_c_would_cut_short_is_refused(make: Make) -> None:
    async with make() as client:
        with pytest.raises(psycopg.DataError):
            await echo(client, "cut\0short")


async def test_what_rows_are_made_by_may_fail(make: Make) -> None:
    async with make(connections_max=1) as client:
        with pytest.raises(ValueError, match="invalid literal"):
            await client.fetch("SELECT 'x'", make_row=lambda row: int(row[0]))
        assert await echo(client, "next") == "next"


async def test_reads_go_around_a_slow_statement(make: Make) -> None:
    async with make(connections_max=2) as client:
        # Both connections are there, and the slow one is on the first.
        await asyncio.gather(*(echo(client, "", 0.05) for _ in range(3)))
        slow = asyncio.ensure_future(client.fetch(SLEEP, [1.5]))
        answers = await asyncio.gather(*(echo(client, str(n)) for n in range(20)))
        assert answers == [str(n) for n in range(20)]
        assert not slow.done()
        await slow


async def test_a_cancelled_call_is_cancelled_in_postgresql_and_no_other(make: Make) -> None:
    async with make(connections_max=1, statement_timeout=60.0) as client:
        abandoned = asyncio.ensure_future(echo(client, "", 50))
        await asyncio.sleep(0.01)
        abandoned.cancel()
        answers = await asyncio.gather(*(echo(client, str(n)) for n in range(20)))
        assert answers == [str(n) for n in range(20)]
        with suppress(asyncio.CancelledError):
            await abandoned


async def test_what_does_not_fit_into_the_socket_is_sent_when_it_does(make: Make) -> None:
    said = "x" * 90_000
    async with make(connections_max=1) as client:
        calls = [client.fetch("SELECT length($1::text)", [said + str(n)]) for n in range(200)]
        answers = await asyncio.gather(*calls)
        assert [length for ((length,),) in answers] == [len(said + str(n)) for n in range(200)]
        # Nothing is answered before all of it was sent.
        assert await client.fetch("SELECT length($1)", ["x" * 20_000_000]) == [(20_000_000,)]


async def test_what_finds_no_room_waits_or_is_refused_at_once(make: Make) -> None:
    async with make(connections_max=1, window=2, waiting_max=5) as client:
        calls = [echo(client, str(n), 0.05) for n in range(10)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(answer, Busy) for answer in answers] == [n >= 7 for n in range(10)]


async def test_prepared_statements_that_get_lost_are_not_missed(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    async with make(connections_max=1) as client:
        assert await echo(client, "first") == "first"
        await client.fetch("DEALLOCATE ALL")
        assert await echo(client, "second") == "second"
        assert not client.prepares
        assert await echo(client, "third") == "third"
    assert "Turn the option prepared_statements off." in caplog.text


async def test_a_statement_that_cannot_be_parsed_has_the_others_stay_prepared(make: Make) -> None:
    async with make(connections_max=1) as client:
        good = (statement("SELECT 'good'"), ())
        wrong = (statement("SELECT wrong"), ())
        for _ in range(2):
            calls = [client.run(each, tuple, repeatable=True) for each in 2 * [[good, wrong]]]
            for answer in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(answer, psycopg.errors.UndefinedColumn)
        assert await client.run([good], tuple, repeatable=True) == [("good",)]
        assert client.prepares


async def test_a_table_may_change(make: Make) -> None:
    async with make(connections_max=1) as client:
        table = f"t{uuid4().hex}"
        await client.fetch(f"CREATE TABLE {table} (name text)")
        assert await client.fetch(f"SELECT * FROM {table}") == []
        await client.fetch(f"ALTER TABLE {table} ALTER name TYPE varchar(9)")
        assert await client.fetch(f"SELECT * FROM {table}") == []
        await client.fetch(f"DROP TABLE {table}")


async def test_a_connection_that_died_idle_is_not_used(make: Make, url: str, name: str) -> None:
    async with make() as client:
        for _ in range(3):
            await client.fetch(SLEEP, [0])
            assert all(await on_connections(url, name, "pg_terminate_backend(pid)"))
            while await on_connections(url, name, "pid"):
                await asyncio.sleep(0.01)
            # The server's goodbye has arrived, and is read before the next call.
            await asyncio.sleep(0)


async def test_a_connection_that_breaks_fails_its_calls(make: Make, url: str, name: str) -> None:
    async with make(connections_max=1) as client:
        slow = asyncio.ensure_future(client.fetch(SLEEP, [20]))
        behind = asyncio.ensure_future(echo(client, "behind"))
        await asyncio.sleep(0)
        while not await on_connections(url, name, "pid"):
            await asyncio.sleep(0.01)
        assert await on_connections(url, name, "pg_terminate_backend(pid)") == [True]
        answers = await asyncio.gather(slow, behind, return_exceptions=True)
        assert all(isinstance(answer, psycopg.OperationalError) for answer in answers)
        assert await echo(client, "next") == "next"


async def test_connections_grow_old_unnoticed_and_are_not_kept_for_nothing(
    make: Make, url: str, name: str
) -> None:
    async with make(lifetime=0.2) as client:
        pids: set[int] = set()
        for n in range(40):
            assert await echo(client, str(n), 0.01) == str(n)
            pids.update(await on_connections(url, name, "pid"))
        assert len(pids) > 1
        while await on_connections(url, name, "pid"):
            await asyncio.sleep(0.05)
        assert await echo(client, "again") == "again"


async def test_what_is_under_way_at_the_end_fails_and_leaves_no_task(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = asyncio.all_tasks()
    client = make(connections_max=2, window=2)
    await client.open()
    begun: list[str] = []

    def never_ends(what: str) -> Callable[..., Any]:
        async def never_end(*_: Any, **__: Any) -> None:
            begun.append(what)
            await asyncio.Event().wait()

        return never_end

    monkeypatch.setattr(AsyncConnection, "connect", never_ends("connect"))
    monkeypatch.setattr(AsyncConnection, "cancel_safe", never_ends("cancel"))
    calls = [asyncio.ensure_future(client.fetch(SLEEP, [60])) for _ in range(4)]
    await asyncio.sleep(0)
    calls.pop(0).cancel()
    while sorted(begun) != ["cancel", "connect"]:
        await asyncio.sleep(0.01)
    await client.close()
    for answer in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(answer, psycopg.OperationalError)
    with pytest.raises(psycopg.OperationalError, match="closed"):
        await client.fetch(SLEEP, [0])
    assert asyncio.all_tasks() == before


async def test_a_connection_that_is_refused_is_not_used(url: str, name: str) -> None:
    async def refuse(connection: AsyncConnection[Any]) -> None:
        raise UnusableConnection("not this one")

    with pytest.raises(UnusableConnection):
        async with Client(url, prepare=refuse, application_name=name):
            pass
    while await on_connections(url, name, "pid"):
        await asyncio.sleep(0.01)


async def test_a_database_that_is_not_up_yet_is_waited_for(
    make: Make, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, tries = AsyncConnection.connect, 0

    async def connect_the_third_time(*arguments: Any, **keywords: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise psycopg.OperationalError("not yet")
        return await connect(*arguments, **keywords)

    monkeypatch.setattr(AsyncConnection, "connect", connect_the_third_time)
    async with make() as client:
        assert await echo(client, "at last") == "at last"
    assert tries == 3


async def test_one_that_is_only_started_connects_once_that_is_wanted(
    url: str, make: Make, name: str
) -> None:
    client = make()
    client.start()
    await asyncio.sleep(0.2)
    assert not await on_connections(url, name, "pid")
    async with asyncio.timeout(30):
        while not client.is_connected():
            await asyncio.sleep(0.01)
    assert await echo(client, "hello") == "hello"
    await client.close()
    assert not client.is_connected()
