"""Background tasks: one that ends is logged and started again, until all are stopped."""

import asyncio
import logging
from contextlib import suppress
from functools import partial

import pytest

from app.lifespan import run
from app.supervisor import Supervisor, Work
from tests.api import settings_for
from tests.databases import Database


class Time:
    """A clock that goes on only by sleeping, and by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.supervisor = Supervisor(self.sleep, lambda: self.now)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


async def for_ever() -> None:
    await asyncio.Event().wait()


async def turns(count: int = 50) -> None:
    """Let the other tasks take their turns."""
    for _ in range(count):
        await asyncio.sleep(0)


async def nothing() -> None:
    """Return at once, as no background task should."""


async def fault() -> None:
    raise LookupError("a fault")


async def cancelled_elsewhere() -> None:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@pytest.mark.parametrize(
    ("death", "traceback"),
    [(nothing, None), (fault, LookupError), (cancelled_elsewhere, asyncio.CancelledError)],
)
async def test_a_task_that_dies_is_logged_by_its_name_and_started_again(
    death: Work, traceback: type[BaseException] | None, caplog: pytest.LogCaptureFixture
) -> None:
    time, lives = Time(), iter([death, death, for_ever])
    time.supervisor.run("listener", lambda: next(lives)())
    time.supervisor.run("sweeper", for_ever)
    await turns()
    assert time.supervisor.restarts == {"listener": 2}
    assert time.supervisor.alive == {"listener", "sweeper"}
    await time.supervisor.stop()
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    for record in caplog.records:
        assert "listener" in record.getMessage()
        assert (record.exc_info and record.exc_info[0]) == traceback


async def test_work_that_may_return_is_done_then_but_started_again_after_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    time, lives = Time(), iter([fault, nothing, for_ever])
    time.supervisor.run("fetch", lambda: next(lives)(), returns=True)
    await turns()
    assert time.supervisor.restarts == {"fetch": 1}
    assert time.supervisor.alive == set()
    assert len(caplog.records) == 1
    await time.supervisor.stop()


async def test_the_pause_grows_until_the_task_has_worked_for_a_while() -> None:
    time = Time()
    works_for = iter([0.0, 0.5, 0.0, 0.0, 1.0, 1.5, 0.0])

    async def work() -> None:
        seconds = next(works_for, None)
        if seconds is None:
            await for_ever()
        else:
            time.now += seconds

    time.supervisor.run("listener", work, pause=(0.25, 1.0))
    await turns()
    await time.supervisor.stop()
    assert time.slept == [0.25, 0.5, 1.0, 1.0, 1.0, 0.25, 0.5]


async def test_tasks_are_stopped_in_reverse_order_one_after_the_other() -> None:
    supervisor, said = Supervisor(), list[str]()

    async def work(name: str) -> None:
        try:
            await for_ever()
        finally:
            said.append(f"{name} is asked")
            await turns(3)
            said.append(f"{name} has ended")

    for name in ("one", "two"):
        supervisor.run(name, partial(work, name))
    await turns()
    await supervisor.stop()
    assert said == ["two is asked", "two has ended", "one is asked", "one has ended"]
    assert supervisor.alive == set()


async def stubborn() -> None:
    with suppress(asyncio.CancelledError):
        await for_ever()


async def failing_at_its_end() -> None:
    try:
        await for_ever()
    finally:
        raise LookupError("a fault")


@pytest.mark.parametrize("work", [for_ever, stubborn, failing_at_its_end])
async def test_a_task_that_is_stopped_is_not_started_again(work: Work) -> None:
    time = Time()
    time.supervisor.run("listener", work)
    await turns()
    await time.supervisor.stop()
    await turns()
    assert (time.supervisor.alive, time.slept) == (set(), [])


async def test_a_task_that_waits_to_be_started_again_is_stopped_as_well() -> None:
    async def sleep(_: float) -> None:
        await for_ever()

    supervisor = Supervisor(sleep)
    supervisor.run("listener", nothing)
    await turns()
    assert supervisor.alive == set()
    await supervisor.stop()
    assert supervisor.restarts == {}


async def test_a_running_server_has_its_background_tasks_watched_over(database: Database) -> None:
    always = {"purge", "listener", "sweeper", "notifier"}
    wanted = {"rate_limit": 600, "jwks_url": "http://127.0.0.1:9/jwks"}
    for changes, more in (({}, set()), (wanted, {"budget", "key refresh"})):
        async with run(settings_for(database.server_url, **changes)) as running:
            await turns()
            assert running.supervisor.alive == always | more
        assert running.supervisor.alive == set()
