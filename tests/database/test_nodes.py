"""Statements go straight to the node with their owner's rows, and round it where that is away."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import permutations
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from app.database.cluster import nodes as nodes_module
from app.database.notifications import CHANNEL, NOTIFY
from app.database.pipelined import PipelinedDatabase
from app.telemetry.records import RequestRecord, current_record
from auth.tokens import named_by_operator
from graphql_schema.inputs import CreateTaskInput
from models.quota import Quota
from models.statement import Sql, Statement
from models.user import UserId
from pipelined_postgres.tests.middleman import between
from resolvers.statements import tasks, users
from tests.api import nonempty, settings_for
from tests.database.test_cluster import pytestmark as needs_a_cluster
from tests.databases import Database, at

pytestmark = needs_a_cluster

PORT = Sql("SELECT inet_server_port()", (), lambda record: int(str(record[0])), writes=False)
"""Which node is asked, whoever has the rows."""

TITLES = Sql("SELECT title FROM tasks WHERE user_id = $1", ("named",), tuple, writes=False)

PLANS = Sql("SELECT current_setting('plan_cache_mode')", (), tuple, writes=False)

FAIL = Sql("SELECT 1 / 0", (), tuple, writes=False)

UNLIMITED = Quota(None, None)


def coordinator(database: Database) -> psycopg.Connection[Any]:
    return psycopg.connect(database.superuser_url, autocommit=True)


def workers(database: Database) -> list[tuple[str, int]]:
    with coordinator(database) as connection:
        found = connection.execute(
            "SELECT nodename, nodeport FROM pg_dist_node WHERE groupid <> 0 AND shouldhaveshards"
        )
        return [(host, port) for host, port in found.fetchall()]


@asynccontextmanager
async def opened(url: str, **changes: Any) -> AsyncIterator[PipelinedDatabase]:
    server = PipelinedDatabase(url, settings_for(url, **changes))
    await server.open()
    try:
        yield server
    finally:
        await server.close()


async def port_of(server: PipelinedDatabase, owner: UserId) -> int:
    (port,) = await server.fetch(Statement(PORT, owner, {}))
    return port


async def until_port(server: PipelinedDatabase, owner: UserId, wanted: int) -> None:
    """Wait until the owner's statements come to that node."""
    async with asyncio.timeout(30):
        while await port_of(server, owner) != wanted:
            await asyncio.sleep(0.02)


async def somebody(server: PipelinedDatabase) -> tuple[UserId, int]:
    """Add a user with a task; return both ids."""
    ada = named_by_operator(uuid4().hex, "Ada")
    await server.fetch(users.add_viewer(ada))
    values = CreateTaskInput(title="Milk").values()
    (task,) = await server.fetch(tasks.create_tasks(ada.user_id, [values], UNLIMITED))
    return ada.user_id, task.id


async def toggle(server: PipelinedDatabase, owner: UserId, key: int) -> bool:
    (task,) = await server.fetch(tasks.toggle_task(owner, key, None, None, UNLIMITED))
    return task.completed


async def test_they_go_to_the_node_with_the_rows(database: Database) -> None:
    async with opened(database.server_url) as server:
        people = [await somebody(server) for _ in range(8)]
        for owner, key in people:
            *_, port = database.place_of(owner)
            await until_port(server, owner, port)
            assert await toggle(server, owner, key)
    assert server.nodes is not None
    assert server.nodes.straight


async def test_a_record_says_which_node_was_asked(database: Database) -> None:
    async with opened(database.server_url) as server:
        owner, key = await somebody(server)
        _, host, port = database.place_of(owner)
        await until_port(server, owner, port)
        record = RequestRecord("1")
        current_record.set(record)
        await toggle(server, owner, key)
        await server.fetch(Statement(NOTIFY, owner, {"payload": "{}"}))
        with pytest.raises(psycopg.errors.DivisionByZero):
            await server.fetch(Statement(FAIL, owner, {}))
    nodes = [statement.node for statement in record.statements]
    assert nodes == [f"{host}:{port}", "coordinator", f"{host}:{port}"]


async def test_a_node_keeps_no_plan(database: Database) -> None:
    url = f"{database.server_url}&options=-c%20plan_cache_mode%3Dauto"
    async with opened(url, database_pool_max_size=1) as server:
        owner, _ = await somebody(server)
        *_, port = database.place_of(owner)
        await until_port(server, owner, port)
        # What a node keeps of them, it keeps again each time.
        assert await server.fetch(Statement(PLANS, owner, {})) == [("force_custom_plan",)]


async def test_they_need_not(database: Database) -> None:
    async with opened(database.server_url, database_nodes=False) as server:
        owner, key = await somebody(server)
        for _ in range(20):
            assert await port_of(server, owner) == urlsplit(database.server_url).port
            await asyncio.sleep(0.02)
        assert await toggle(server, owner, key)


async def test_what_is_notified_is_heard_at_the_coordinator(database: Database) -> None:
    async with opened(database.server_url) as server:
        owner, _ = await somebody(server)
        *_, port = database.place_of(owner)
        await until_port(server, owner, port)
        url = database.server_url
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as listening:
            await listening.execute(f"LISTEN {CHANNEL}")
            await server.fetch(Statement(NOTIFY, owner, {"payload": "{}"}))
            assert [each async for each in listening.notifies(timeout=10, stop_after=1)]


async def test_each_node_keeps_users_apart(database: Database) -> None:
    async with opened(database.server_url) as server:
        people = [await somebody(server) for _ in range(6)]
    for host, port in nonempty(workers(database)):
        async with opened(at(database.server_url, host, port), database_nodes=False) as node:
            for owner, key in people:
                assert [each.id for each in await node.fetch(tasks.task(owner, key))] == [key]
            for (owner, key), (stranger, _) in nonempty(permutations(people, 2)):
                assert await node.fetch(tasks.task(stranger, key)) == []
                assert await node.fetch(tasks.delete_task(stranger, key, None)) == []
                # By row security alone, for the statement names another.
                assert await node.fetch(Statement(TITLES, stranger, {"named": owner})) == []


@contextmanager
def moving(database: Database, owner: str) -> Iterator[tuple[int, str]]:
    """Yield another node than that of the owner's rows, and the SQL that moves them there."""
    shard, host, port = database.place_of(owner)
    others = [each for each in workers(database) if each != (host, port)]
    move = "SELECT citus_move_shard_placement({}, '{}', {}, '{}', {}, 'block_writes')"
    yield others[0][1], move.format(shard, host, port, *others[0])
    with coordinator(database) as connection:
        connection.execute(move.format(shard, *others[0], host, port).encode())


async def test_rows_that_move_are_followed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes_module, "READ_EACH", 1.0)
    async with opened(database.server_url, database_statement_timeout=30) as server:
        owner, key = await somebody(server)
        *_, port = database.place_of(owner)
        await until_port(server, owner, port)
        ended = asyncio.Event()

        async def go_on() -> list[bool]:
            states = []
            while not ended.is_set():
                states.append(await toggle(server, owner, key))
                assert await server.fetch(tasks.task(owner, key))
            return states

        going = asyncio.create_task(go_on())
        with moving(database, owner) as (there, move):
            with coordinator(database) as connection:
                await asyncio.to_thread(connection.execute, move.encode())
            await until_port(server, owner, there)
            ended.set()
            states = await going
            # None failed, and none happened twice.
            assert states == [n % 2 == 0 for n in range(len(states))]


async def test_a_node_that_is_away_is_gone_round(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes_module, "CONNECT_EACH", 0.2)
    host, port = workers(database)[0]
    async with opened(database.server_url, database_nodes=False) as server:
        owner, key = await somebody(server)
    async with AsyncExitStack() as node:
        middleman, url = await node.enter_async_context(
            between(at(database.server_url, host, port))
        )
        # To the middleman nothing is encrypted.
        plain = urlunsplit(urlsplit(database.server_url)._replace(query=urlsplit(url).query))
        async with opened(plain, database_node_port=urlsplit(url).port) as server:
            for n in range(4):
                await until_port(server, owner, port)
                for writer in middleman.writers:
                    writer.transport.abort()
                await asyncio.sleep(0.01)
                assert await toggle(server, owner, key) == (n % 2 == 0)
            await until_port(server, owner, port)
            await node.aclose()
            await asyncio.sleep(0.01)
            assert await toggle(server, owner, key)
            assert await port_of(server, owner) == urlsplit(database.server_url).port


async def test_a_stranger_at_its_address_is_asked_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes_module, "_ALL_IDENTIFIERS", "SELECT 'another' WHERE $1 <> ''")
    async with opened(database.server_url) as server:
        owner, key = await somebody(server)
        for _ in range(20):
            assert await port_of(server, owner) == urlsplit(database.server_url).port
            await asyncio.sleep(0.02)
        assert await toggle(server, owner, key)
