"""Turns: one owner's changes hold up at most two connections, and nobody else's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import LiteralString
from uuid import uuid4

import pytest
from psycopg import AsyncConnection

from app.database.changes import Live, NotifyingDatabase
from app.database.notifications import Notifier
from app.database.pipelined import PipelinedDatabase
from app.database.turns import Turns
from graphql_schema.inputs import CreateTaskInput
from models.database import DatabaseUnavailable, OwnerUnknown
from models.quota import Quota
from models.statement import Sql, Statement
from models.task import TaskRow
from models.user import UserId
from resolvers.statements import tasks
from tests.api import settings_for
from tests.databases import Database

SLEEP = Sql("SELECT pg_sleep(0.1)::text", (), tuple, writes=True)
NEW, ROOM = CreateTaskInput(title="x").values(), Quota(None, None)
ADA, BOB = UserId("ada"), UserId("bob")


async def until_idle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_two_are_at_it_and_the_others_follow_in_their_order() -> None:
    turns, order = Turns(60), []

    async def change(n: int) -> None:
        await turns.take(ADA)
        order.append(n)

    for n in range(5):
        waiting = asyncio.create_task(change(n))
        await until_idle()
    assert order == [0, 1]
    # Others have turns of their own.
    await turns.take(BOB)
    for done in range(3):
        turns.give_back(ADA)
        await until_idle()
        assert order == list(range(3 + done))
    await waiting
    for _ in range(2):
        turns.give_back(ADA)
    turns.give_back(BOB)
    assert turns.owners == 0


async def test_who_is_cancelled_while_waiting_is_passed_over() -> None:
    turns = Turns(60, at_once=1)
    await turns.take(ADA)
    waiting = [asyncio.create_task(turns.take(ADA)) for _ in range(3)]
    await until_idle()
    waiting[0].cancel()
    # Before it has run, and after.
    turns.give_back(ADA)
    waiting[2].cancel()
    await until_idle()
    assert [task.cancelled() for task in waiting] == [True, False, True]
    assert waiting[1].done()
    turns.give_back(ADA)
    assert turns.owners == 0


async def test_a_turn_that_comes_too_late_is_handed_on() -> None:
    turns = Turns(60, at_once=1)
    await turns.take(ADA)
    first, second = (asyncio.create_task(turns.take(ADA)) for _ in range(2))
    await until_idle()
    turns.give_back(ADA)
    first.cancel()
    await until_idle()
    assert first.cancelled()
    assert second.done()
    turns.give_back(ADA)
    assert turns.owners == 0


async def test_waiting_for_a_turn_has_an_end() -> None:
    turns = Turns(0.01, at_once=1)
    await turns.take(ADA)
    with pytest.raises(DatabaseUnavailable):
        await turns.take(ADA)
    turns.give_back(ADA)
    assert turns.owners == 0


class Crowd:
    """A database on eight connections, and somebody who watches it."""

    def __init__(self, shared: PipelinedDatabase, watching: AsyncConnection[tuple[int]]) -> None:
        self._shared = shared
        self._watching = watching
        self.turns = Turns(10)
        self.database = NotifyingDatabase(shared, Live(), Notifier(shared), self.turns)
        self.owner = UserId(f"user-{uuid4().hex}")

    async def new_task(self, owner: UserId) -> int:
        await self._watching.execute("INSERT INTO users (id, name) VALUES (%s, '')", [owner])
        cursor = await self._watching.execute(
            "INSERT INTO tasks (user_id, title, version) VALUES (%s, 'x', 1) RETURNING id", [owner]
        )
        record = await cursor.fetchone()
        assert record is not None
        return record[0]

    async def toggle(self, owner: UserId, key: int) -> list[TaskRow]:
        return await self.database.fetch(tasks.toggle_task(owner, key, None, None, ROOM))

    async def open_all_connections(self) -> None:
        owners = [UserId(str(n)) for n in range(16)]
        while await self._count("application_name ~ '^todo-api/[0-9.]+$'") < 8:
            await asyncio.gather(*(self._shared.fetch(Statement(SLEEP, o, {})) for o in owners))

    async def lock_waiters(self) -> int:
        return await self._count("wait_event_type = 'Lock'")

    async def _count(self, condition: LiteralString) -> int:
        cursor = await self._watching.execute(
            f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            f"AND {condition}"
        )
        record = await cursor.fetchone()
        assert record is not None
        return record[0]


@pytest.fixture
async def crowd(migrated_database: Database) -> AsyncIterator[Crowd]:
    url = migrated_database.server_url
    shared = PipelinedDatabase(url, settings_for(url, database_statement_timeout=60))
    await shared.open()
    try:
        async with await AsyncConnection.connect(
            migrated_database.superuser_url, autocommit=True
        ) as watching:
            yield Crowd(shared, watching)
    finally:
        await shared.close()


async def test_one_owner_holds_up_two_connections_at_most(
    crowd: Crowd, migrated_database: Database
) -> None:
    key, bobs = await crowd.new_task(crowd.owner), await crowd.new_task(BOB)
    await crowd.toggle(crowd.owner, key)
    await crowd.open_all_connections()
    async with await AsyncConnection.connect(migrated_database.superuser_url) as holder:
        await holder.execute(
            "SELECT FROM task_counters WHERE user_id = %s FOR UPDATE", [crowd.owner]
        )
        changes = [asyncio.create_task(crowd.toggle(crowd.owner, key)) for _ in range(64)]
        most = 0
        for _ in range(40):
            assert await crowd.toggle(BOB, bobs)
            most = max(most, await crowd.lock_waiters())
        assert most == 2
        # Who goes makes room for no more than went.
        for change in changes[:20]:
            change.cancel()
        for _ in range(40):
            assert await crowd.toggle(BOB, bobs)
            most = max(most, await crowd.lock_waiters())
        assert most == 2
        await holder.rollback()
    done = await asyncio.gather(*changes[20:])
    assert all(done)


async def test_whatever_befalls_a_change_its_place_is_given_back(crowd: Crowd) -> None:
    key = await crowd.new_task(crowd.owner)
    nobody = UserId("nobody")
    for _ in range(5):
        with pytest.raises(OwnerUnknown):
            await crowd.database.fetch(tasks.create_tasks(nobody, [NEW], ROOM))
        change = asyncio.create_task(crowd.toggle(crowd.owner, key))
        await asyncio.sleep(0)
        change.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await change
    assert await crowd.toggle(crowd.owner, key)
    await asyncio.sleep(0.5)
    assert crowd.turns.owners == 0
