"""Background tasks of a running server: one that ends, though it should not, is started again."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

logger = logging.getLogger(__name__)

Work = Callable[[], Coroutine[Any, Any, None]]
"""What a task does."""

PAUSES = (0.1, 10.0)
"""Seconds before a task is started again: at first, and at most."""


class Supervisor:
    """Keeps background tasks running, each by its name."""

    def __init__(
        self,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sleep`, `clock`: in seconds."""
        self._sleep = sleep
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.alive: set[str] = set()
        """The tasks at work: those that wait to be started again are not."""
        self.restarts: Counter[str] = Counter()
        """How often each task was started again."""

    def run(
        self,
        name: str,
        work: Work,
        *,
        returns: bool = False,
        pause: tuple[float, float] = PAUSES,
    ) -> None:
        """Start a task, and start it again whenever it ends, until `stop`.

        `returns`: the work is done once it returns; it is started again after an error only.

        The first `pause` is doubled with each restart, up to the second; after the task has worked
        for longer than that, it is the first again.
        """
        keep_running = self._keep_running(name, work, *pause, returns=returns)
        self._tasks[name] = asyncio.create_task(keep_running, name=name)

    async def stop(self) -> None:
        """End all tasks, the last one first; each has ended before the next is asked to."""
        for task in reversed(self._tasks.values()):
            task.cancel()
            await asyncio.wait([task])

    async def _keep_running(
        self, name: str, work: Work, shortest: float, longest: float, *, returns: bool
    ) -> None:
        pause = shortest
        while True:
            began = self._clock()
            self.alive.add(name)
            error = await _end_of(work)
            self.alive.discard(name)
            if _is_cancelled() or (returns and error is None):
                return
            if self._clock() - began > longest:
                pause = shortest
            logger.error("The %s has ended; it starts again in %g s", name, pause, exc_info=error)
            await self._sleep(pause)
            pause = min(2 * pause, longest)
            self.restarts[name] += 1


async def _end_of(work: Work) -> BaseException | None:
    """Work until that ends; return the error that it ended by."""
    try:
        await work()
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 -- the caller logs it
        return error
    return None


def _is_cancelled() -> bool:
    """Whether this task was asked to end: what it waited for may have been cancelled instead."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
