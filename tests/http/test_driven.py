"""A coroutine that is driven without a task does as in one."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from app.http.deadlines import Deadlines
from app.http.driven import Driven

Work = Callable[[list[str]], Coroutine[Any, Any, None]]
whose: ContextVar[str] = ContextVar("whose")


async def drive(work: Coroutine[Any, Any, None]) -> Driven:
    """Begin a coroutine outside of tasks, as a connection does."""
    loop = asyncio.get_running_loop()
    driven, begun = Driven(work, loop), asyncio.Event()

    def begin() -> None:
        driven.begin()
        begun.set()

    loop.call_soon(begin)
    await begun.wait()
    return driven


async def over(driven: Driven) -> None:
    """Wait until a coroutine that has begun is over."""
    async with asyncio.timeout(20):
        while not driven.done():
            await asyncio.sleep(0.01)


async def test_what_need_not_wait_is_over_at_once() -> None:
    said = []

    async def work() -> None:
        said.append("done")

    driven = await drive(work())
    assert (driven.done(), said) == (True, ["done"])
    assert not driven.cancel()


async def test_it_waits_for_whatever_a_task_can_wait_for() -> None:
    said = []

    async def tell(text: str, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return text

    async def work() -> None:
        said.append(await tell("turn", 0))
        said.append(await tell("timer", 0.01))
        said.append(await asyncio.create_task(tell("task", 0.01)))
        said.extend(await asyncio.gather(tell("several", 0.02), tell("more", 0)))
        async with asyncio.TaskGroup() as group:
            group.create_task(tell("", 0.01))
        said.append(await asyncio.to_thread(str, "thread"))
        async with asyncio.Semaphore(1), asyncio.Lock():
            said.append("lock")

    driven = await drive(work())
    assert not driven.done()
    await over(driven)
    assert said == ["turn", "timer", "task", "several", "more", "thread", "lock"]


async def test_it_ends_its_waiting_by_a_timeout_and_goes_on() -> None:
    said = []

    async def work() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await asyncio.sleep(60)
        with pytest.raises(TimeoutError):
            await Deadlines(0.02).keep(asyncio.sleep(60))
        await asyncio.sleep(0.01)
        # As httpx2 has timeouts.
        with anyio.move_on_after(0.02) as scope:
            await asyncio.sleep(60)
        said.append(f"after {scope.cancelled_caught}")

    driven = await drive(work())
    await over(driven)
    assert (said, driven.cancelling()) == (["after True"], 0)


@pytest.mark.parametrize("seconds", [0, 60])
async def test_it_can_be_cancelled_where_it_waits(seconds: float) -> None:
    said: list[str] = []

    async def work() -> None:
        try:
            while True:
                await asyncio.sleep(seconds)
        finally:
            said.append("cleaned up")

    driven = await drive(work())
    ended: list[Driven] = []
    driven.when_over = ended.append
    assert driven.cancel()
    await over(driven)
    assert (said, ended) == (["cleaned up"], [driven])


async def test_it_can_cancel_itself() -> None:
    said: list[str] = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        said.append("goes on until it waits")
        await asyncio.sleep(60)
        said.append("never")

    await over(await drive(work()))
    assert said == ["goes on until it waits"]


async def test_what_takes_its_own_cancellation_back_goes_on() -> None:
    said: list[str] = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        task.uncancel()
        await asyncio.sleep(0.01)
        said.append("went on")

    await over(await drive(work()))
    assert said == ["went on"]


async def test_each_has_variables_of_its_own() -> None:
    said: list[str] = []

    async def work(name: str) -> None:
        whose.set(name)
        for seconds in (0, 0.01, 0.01):
            await asyncio.sleep(seconds)
            said.append(whose.get())

    for driven in [await drive(work(name)) for name in "ab"]:
        await over(driven)
    assert sorted(said) == ["a", "a", "a", "b", "b", "b"]
    assert whose.get(None) is None


async def test_what_it_raises_gets_to_the_loop_and_no_further() -> None:
    told: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))

    async def work() -> None:
        await asyncio.sleep(0)
        raise ValueError

    driven = await drive(work())
    await over(driven)
    assert isinstance(told[0]["exception"], ValueError)
    assert asyncio.current_task() is not None
