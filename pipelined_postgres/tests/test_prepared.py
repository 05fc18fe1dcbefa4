"""Prepared statements: those that were used last are kept, on the connection and in PostgreSQL."""

import asyncio

import psycopg
import pytest

from pipelined_postgres import connection
from pipelined_postgres.calls import statement
from pipelined_postgres.client import Client
from pipelined_postgres.tests.test_client import Make, make, name

__all__ = ["make", "name"]

KEPT = "SELECT name FROM pg_prepared_statements"


async def shape(client: Client, n: int) -> int:
    ((value, _),) = await client.fetch(f"SELECT $1::int AS value, {n} AS number", [n])
    return int(value)


async def kept(client: Client) -> set[bytes]:
    return {found.encode() for (found,) in await client.fetch(KEPT)}


@pytest.fixture(params=[True, False], ids=["closed", "deallocated"])
def dropped_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let statements be dropped by the protocol, or by SQL, as where libpq is older."""
    monkeypatch.setattr(connection, "CAN_CLOSE", request.param)


@pytest.mark.usefixtures("dropped_by")
async def test_a_hundred_statements_are_kept_whatever_is_asked(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    async with make(connections_max=1) as client:
        for n in range(300):
            assert await shape(client, n) == n
        assert len(await kept(client)) == 100
        # Many at once, some of them kept and some not.
        numbers = [n * 7 % 300 for n in range(600)]
        assert await asyncio.gather(*(shape(client, n) for n in numbers)) == numbers
        assert len(await kept(client)) == 100
        assert client.prepares
    assert not caplog.records


async def test_what_is_used_all_the_time_stays_prepared(make: Make) -> None:
    usual = "SELECT $1::text AS usual"
    async with make(connections_max=1, prepared_max=5) as client:
        times = "SELECT prepare_time::text FROM pg_prepared_statements WHERE name = $1"
        asked = [statement(usual).name.decode()]
        await client.fetch(usual, ["x"])
        before = await client.fetch(times, asked)
        for n in range(50):
            await shape(client, n)
            assert await client.fetch(usual, ["x"]) == [("x",)]
        assert await client.fetch(times, asked) == before
        assert len(await kept(client)) == 5


@pytest.mark.usefixtures("dropped_by")
async def test_a_statement_that_cannot_be_parsed_has_what_was_dropped_dropped(make: Make) -> None:
    async with make(connections_max=1, prepared_max=2) as client:
        for n in range(10):
            await shape(client, 0)
            for _ in range(2):
                with pytest.raises(psycopg.errors.UndefinedTable):
                    await client.fetch(f"SELECT FROM missing_{n}")
            assert await shape(client, n) == n
        assert client.prepares


async def test_statements_that_are_forgotten_here_stay_prepared_there(make: Make) -> None:
    async with make(connections_max=1) as client:
        assert await shape(client, 1) == 1
        statement.cache_clear()
        assert await shape(client, 1) == 1
        assert client.prepares
