"""An end to what takes too long: one timer for all requests under way."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")


class Deadlines:
    """Cancels tasks that are at something for longer than a time that is the same for all.

    `asyncio.timeout` sets a timer for each and takes it back, which costs more than many a request.
    Here the one that began first is the one whose time ends first, so one timer serves all.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._began: dict[asyncio.Task[object], float] = {}
        """When each task began, the earliest first."""
        self._late: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def keep(self, work: Awaitable[Result]) -> Result:
        """Await something in the task that runs; a task has one such thing at a time.

        Raises:
            TimeoutError: it took too long, and was cancelled.
        """
        task = asyncio.current_task()
        assert task is not None
        loop = task.get_loop()
        self._began[task] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._look, loop)
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

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for task, began in self._began.items():
            if began + self.seconds > now:
                self._timer = loop.call_at(began + self.seconds, self._look, loop)
                return
            if task not in self._late:
                self._late.add(task)
                task.cancel()
