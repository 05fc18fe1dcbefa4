"""Answers that come for another call, as where calls are torn apart, are given to nobody."""

import asyncio
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest

from pipelined_postgres.calls import statement
from pipelined_postgres.client import Client
from pipelined_postgres.options import Options
from pipelined_postgres.pooler import Pooler
from pipelined_postgres.tests.middleman import READY, Middleman, between

OWNER = statement("SELECT set_config('my.owner', $1, true)")
ASKED = statement("SELECT current_setting('my.owner'), $1::text")
FAILING = statement("SELECT current_setting('my.owner'), 1 / $1::int")

Ask = Callable[[str], asyncio.Future[list[tuple[str, str]]]]


@pytest.fixture
async def middleman(url: str) -> AsyncIterator[tuple[Middleman, Client]]:
    async with (
        between(url) as (middleman, through),
        Client(through, Options(connections_max=1)) as client,
    ):
        yield middleman, client


def ask(client: Client, owner: str) -> asyncio.Future[list[tuple[str, str]]]:
    queries = [(OWNER, [owner.encode()]), (ASKED, [owner.encode()])]
    return client.run(queries, tuple, repeatable=True, echo=owner.encode())


def once(what: Callable[[bytes], bytes], kind: bytes) -> Callable[[bytes], bytes]:
    """Alter the first message of a type."""
    done = False

    def alter(message: bytes) -> bytes:
        nonlocal done
        if done or message[:1] != kind:
            return message
        done = True
        return what(message)

    return alter


def without_first_query(kinds: str = "2TDC") -> Callable[[bytes], bytes]:
    """Leave out the messages that answer the first query: each type once."""
    left = list(kinds.encode())

    def alter(message: bytes) -> bytes:
        if message[0] in left:
            left.remove(message[0])
            return b""
        return message

    return alter


@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(lambda message: message.replace(b"ada", b"eve"), id="another owner's"),
        pytest.param(once(lambda message: message.replace(b"ada", b"eve"), b"D"), id="half"),
        pytest.param(once(lambda message: READY + message, b"2"), id="ends too early"),
        pytest.param(once(lambda message: READY + message, b"D"), id="ends in the middle"),
        pytest.param(without_first_query(), id="lacks a query"),
    ],
)
async def test_an_answer_of_another_call_is_given_to_nobody(
    middleman: tuple[Middleman, Client],
    alter: Callable[[bytes], bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    between, client = middleman
    assert await ask(client, "eve") == [("eve", "eve")]
    assert [pipeline.window for pipeline in client._balance.pipelines] == [64]
    between.alter = alter
    calls = [ask(client, "ada") for _ in range(5)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        assert isinstance(answer, psycopg.OperationalError), answer
    between.alter = lambda message: message
    # From now on there is one call at a time, on connections of which all is known.
    assert await ask(client, "ada") == [("ada", "ada")]
    assert [pipeline.window for pipeline in client._balance.pipelines] == [1]
    told = [record for record in caplog.records if "another call" in record.message]
    assert len(told) == 1


async def test_what_comes_unasked_is_nobodys_answer(middleman: tuple[Middleman, Client]) -> None:
    between, client = middleman
    kept = b""

    def keep(message: bytes) -> bytes:
        nonlocal kept
        kept += message
        return message

    await ask(client, "eve")
    between.alter = keep
    await ask(client, "eve")
    assert kept.endswith(READY)
    between.alter = lambda message: message
    between.answer(kept)
    await asyncio.sleep(0.05)
    answers = await asyncio.gather(*(ask(client, "ada") for _ in range(3)))
    assert answers == [[("ada", "ada")]] * 3


async def test_a_call_that_fails_is_no_mismatch(middleman: tuple[Middleman, Client]) -> None:
    _, client = middleman
    for _ in range(2):
        queries = [(OWNER, [b"ada"]), (FAILING, [b"0"])]
        failing = client.run(queries, tuple, repeatable=True, echo=b"ada")
        beside = ask(client, "eve")
        with pytest.raises(psycopg.errors.DivisionByZero):
            await failing
        assert await beside == [("eve", "eve")]
    assert [pipeline.window for pipeline in client._balance.pipelines] == [64]


def as_pooler(name: bytes) -> Callable[[bytes], bytes]:
    """Say another process than runs the statements, and this name for prepared ones."""

    def alter(message: bytes) -> bytes:
        if message[:1] == b"K":
            return message[:5] + b"\0\0\0\7" + message[9:]
        return message.replace(b"pipelined_", name)

    return alter


@pytest.mark.parametrize(
    ("name", "prepares", "pooler", "window"),
    [
        (b"PGBOUNCER_", True, Pooler.PIPELINED, 16),
        (b"PGBOUNCER_", False, Pooler.SINGLE, 1),
        (b"pipelined_", True, Pooler.SINGLE, 1),
        (b"", True, Pooler.NONE, 64),
    ],
)
async def test_a_pooler_is_recognised(
    url: str, name: bytes, prepares: bool, pooler: Pooler, window: int
) -> None:
    async with between(url) as (middleman, through):
        if name:
            middleman.alter = as_pooler(name)
        async with Client(through, Options(prepared_statements=prepares)) as client:
            assert client.pooler is pooler
            assert [pipeline.window for pipeline in client._balance.pipelines] == [window]
            assert await ask(client, "ada") == [("ada", "ada")]


@pytest.mark.parametrize(("pooler", "window"), [("none", 64), ("single", 1), ("pipelined", 16)])
async def test_what_is_said_to_be_in_between_is_not_asked(
    url: str, pooler: str, window: int
) -> None:
    async with Client(url, Options(pooler=Pooler(pooler))) as client:
        assert [pipeline.window for pipeline in client._balance.pipelines] == [window]
        assert await client.fetch("SELECT name FROM pg_prepared_statements WHERE name <> $1", [""])
        names = await client.fetch("SELECT statement FROM pg_prepared_statements")
        assert not any("pg_backend_pid" in text for (text,) in names)
