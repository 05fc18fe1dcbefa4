"""One timer ends whatever takes too long, and nothing else."""

import asyncio

import pytest

from app.http.deadlines import Deadlines


async def test_what_takes_too_long_is_cancelled_in_its_order() -> None:
    deadlines = Deadlines(0.2)
    ended = []

    async def work(name: str, seconds: float) -> None:
        try:
            await deadlines.keep(asyncio.sleep(seconds))
        except TimeoutError:
            ended.append(f"{name} was late")
        else:
            ended.append(f"{name} was done")

    first, second = asyncio.create_task(work("first", 60)), asyncio.create_task(work("quick", 0))
    await second
    third = asyncio.create_task(work("third", 60))
    await asyncio.gather(first, third)
    assert ended == ["quick was done", "first was late", "third was late"]


async def test_a_task_that_is_cancelled_from_outside_stays_so() -> None:
    deadlines = Deadlines(60)
    task = asyncio.create_task(deadlines.keep(asyncio.sleep(60)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_goes_on_after_its_deadline() -> None:
    deadlines = Deadlines(0.05)

    async def work() -> int:
        with pytest.raises(TimeoutError):
            await deadlines.keep(asyncio.sleep(60))
        await asyncio.sleep(0.1)
        return await deadlines.keep(asyncio.sleep(0, 7))

    task = asyncio.create_task(work())
    assert await task == 7
    assert task.cancelling() == 0
