"""Transactions with BEGIN and COMMIT, among those without."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from pipelined_postgres.calls import Query, statement
from pipelined_postgres.client import Client
from pipelined_postgres.options import Options

Make = Callable[..., Client]

IN_A_BLOCK = "LOCK TABLE pg_class IN ACCESS SHARE MODE"
"""PostgreSQL refuses this outside of an explicit transaction."""


@pytest.fixture(params=[True, False], ids=["prepared", "unprepared"])
def make(request: pytest.FixtureRequest, url: str) -> Make:
    def make(**options: Any) -> Client:
        given = {"connections_max": 1, "prepared_statements": request.param, **options}
        return Client(url, Options(wait_timeout=30.0, **given))

    return make


def run(client: Client, *texts: str, is_explicit: bool = True) -> asyncio.Future[list[Any]]:
    queries: list[Query] = [(statement(text), ()) for text in texts]
    return client.run(queries, tuple, repeatable=False, is_explicit=is_explicit)


async def test_it_is_one_and_gives_the_rows_of_its_last_query(make: Make) -> None:
    async with make() as client:
        assert await run(client, IN_A_BLOCK, "SELECT 1", "SELECT 2") == [(2,)]
        with pytest.raises(psycopg.errors.NoActiveSqlTransaction):
            await run(client, IN_A_BLOCK, is_explicit=False)


async def test_each_has_its_own_answer_among_others(make: Make) -> None:
    async with make() as client:
        calls = [
            run(client, f"SELECT {n}", f"SELECT 10 / {n % 3}", is_explicit=n % 2 == 0)
            for n in range(40)
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    for n, answer in enumerate(answers):
        if n % 3:
            assert answer == [(10 // (n % 3),)]
        else:
            assert isinstance(answer, psycopg.errors.DivisionByZero)


async def test_what_fails_leaves_nothing_behind(make: Make) -> None:
    async with make() as client:
        table = f"t{uuid4().hex}"
        unique = f"CREATE TABLE {table} (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)"
        await client.fetch(unique)
        insert = f"INSERT INTO {table} VALUES (1)"
        failing = ((insert, "SELECT 1 / 0"), ("SELECT no_such_column", insert), (insert, insert))
        for texts in failing:
            # The last one fails with its COMMIT.
            with pytest.raises(psycopg.Error):
                await run(client, *texts)
            assert await client.fetch(f"SELECT count(*) FROM {table}") == [(0,)]
        await run(client, insert)
        assert await client.fetch(f"SELECT count(*) FROM {table}") == [(1,)]


async def test_its_answer_must_be_its_own(make: Make) -> None:
    async with make() as client:
        query = (statement("SELECT $1::text"), [b"mine"])
        with pytest.raises(psycopg.OperationalError):
            await client.run([query], tuple, repeatable=False, echo=b"yours", is_explicit=True)
        assert await client.run(
            [query], tuple, repeatable=False, echo=b"mine", is_explicit=True
        ) == [("mine",)]


async def test_the_connection_may_break_in_it(make: Make) -> None:
    async with make() as client:
        with pytest.raises(psycopg.OperationalError):
            await run(client, "SELECT pg_terminate_backend(pg_backend_pid())")
        assert await run(client, "SELECT 4") == [(4,)]
