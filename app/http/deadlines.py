"""Deadlines of requests: one timer for all that are under way."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")


class Deadlines:
    """Cancels work that takes longer than a time which is the same for all.

    `asyncio.timeout` sets and cancels a timer for each, which costs more than a small request. Here
    the work that began first also ends first, so one timer serves all.
    """

    def __init__(self, seconds: float) -> None:
        """`seconds`: the time that each may take. To be made in the event loop that they run in."""
        self.seconds = seconds
        # To ask for it each time is a system call before Python 3.12.
        self._loop = asyncio.get_running_loop()
        self._began: dict[asyncio.Task[object], float] = {}
        """When each task began, the earliest first."""
        self._late: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def keep(self, work: Awaitable[Result]) -> Result:
        """Await work in the current task, which has one such work at a time.

        Raises:
            TimeoutError: the work took too long, and was cancelled.
        """
        loop = self._loop
        task = asyncio.current_task(loop)
        assert task is not None
        self._began[task] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._look)
        try:
            return await work
        except asyncio.CancelledError:
            if task in self._late and task.cancelling() == 1:
                raise TimeoutError from None
            raise
        finally:
            del self._began[task]
            if task in self._late:
                self._late.remove(task)
                task.uncancel()

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        for task, began in self._began.items():
            if began + self.seconds > now:
                self._timer = self._loop.call_at(began + self.seconds, self._look)
                return
            if task not in self._late:
                self._late.add(task)
                task.cancel()
