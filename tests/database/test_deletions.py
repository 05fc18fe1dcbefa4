"""Who was deleted: how often a worker looks, and what it answers while the database is away."""

import asyncio
from typing import cast

import pytest

from app.database.deletions import Deletions
from models.database import DatabaseUnavailable
from models.statement import Row, Statement
from models.user import UserId

ADA, EVE = UserId("ada"), UserId("eve")
ADAS_HASH = "fdee430d40bd57deeac186cd9790033d0f06f909a8806e7ce6e717ab7c7d5029"


class Table:
    """A database that has deletions, or is away; notes since when it was asked for them."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float]] = []
        self.asked: list[object] = []
        self.is_away = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def fetch(self, statement: Statement[Row]) -> list[Row]:
        self.asked.append(statement.values["since"])
        await self.may_answer.wait()
        if self.is_away:
            raise DatabaseUnavailable("away")
        return cast("list[Row]", self.rows)


class Worker:
    """What a worker knows, by a clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.table = Table()
        self.deletions = Deletions(self.table, lambda: self.now)

    async def refuses(self, user: UserId = ADA, issued_at: float = 0.0) -> bool:
        return await self.deletions.include(user, issued_at)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_only_tokens_of_the_deleted_user_from_before_are_refused() -> None:
    worker = Worker()
    worker.table.rows = [(ADAS_HASH, 5000.0)]
    assert await worker.refuses(issued_at=5029.9)
    assert not await worker.refuses(issued_at=5030.0)
    assert not await worker.refuses(EVE)
    assert len(worker.table.asked) == 1


async def test_many_at_once_look_once_and_none_waits_while_a_look_is_young() -> None:
    worker = Worker()
    assert not any(await asyncio.gather(*(worker.refuses() for _ in range(9))))
    assert len(worker.table.asked) == 1
    worker.table.rows = [(ADAS_HASH, 5000.0)]
    worker.table.may_answer.clear()
    worker.now += 5.0
    assert not await worker.refuses()
    await settled()
    assert len(worker.table.asked) == 2
    # It is asked no more at the same time, and counts from when it was asked.
    worker.now += 5.0
    waiting = [asyncio.create_task(worker.refuses()) for _ in range(2)]
    await settled()
    assert not any(each.done() for each in waiting)
    waiting.pop().cancel()
    worker.table.may_answer.set()
    assert await waiting.pop()
    assert len(worker.table.asked) == 2
    assert await worker.refuses()
    await settled()
    # Of what it knows it asks for the last hour alone.
    assert worker.table.asked == [-3600.0, -3600.0, 1400.0]


async def test_while_the_database_is_away_what_is_known_counts_for_ten_seconds() -> None:
    worker = Worker()
    worker.table.is_away = True
    with pytest.raises(DatabaseUnavailable):
        await worker.refuses()
    worker.table.is_away = False
    assert not await worker.refuses()
    worker.table.is_away = True
    worker.now += 9.9
    assert not await worker.refuses()
    await settled()
    worker.now += 0.1
    with pytest.raises(DatabaseUnavailable):
        await worker.refuses()
