"""Runs a coroutine without a task: at once, and on in the callbacks of what it waits for.

A task costs a turn of the event loop before its first step. asyncio lets others run coroutines
(https://docs.python.org/3/library/asyncio-extending.html); this is the least that its own functions
ask of a task, such as `asyncio.timeout`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, cast


class Driven:
    """A coroutine under way. It returns nothing, and deals with its errors itself."""

    __slots__ = (
        "_cancellations",
        "_context",
        "_coroutine",
        "_is_to_cancel",
        "_loop",
        "_waits_for",
        "is_over",
        "when_over",
    )

    def __init__(
        self, coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._coroutine = coroutine
        self._loop = loop
        self._context = copy_context()
        self._waits_for: asyncio.Future[Any] | None = None
        self._cancellations = 0
        self._is_to_cancel = False
        self.is_over = False
        self.when_over: Callable[[Driven], None] = _nothing
        """Is called with this once it is over, if it ever had to wait."""

    def begin(self) -> None:
        """Run it up to where it first waits. To be called outside of tasks."""
        self._context.run(self._step)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def cancel(self, msg: object = None) -> bool:
        """Have it get a CancelledError where it waits, as `asyncio.Task.cancel` does."""
        if self.is_over:
            return False
        self._cancellations += 1
        if self._waits_for is None or not self._waits_for.cancel(msg):
            self._is_to_cancel = True
        return True

    def cancelling(self) -> int:
        return self._cancellations

    def uncancel(self) -> int:
        self._cancellations = max(0, self._cancellations - 1)
        return self._cancellations

    def _step(self, _: object = None) -> None:
        """Run it up to where it waits next."""
        self._waits_for = None
        # What asyncio asks of a task this has.
        task = cast("asyncio.Task[Any]", self)
        asyncio._enter_task(self._loop, task)  # noqa: SLF001 -- documented for this use
        try:
            if self._is_to_cancel:
                self._is_to_cancel = False
                awaited = self._coroutine.throw(asyncio.CancelledError())
            else:
                awaited = self._coroutine.send(None)
        except BaseException as error:
            self.is_over = True
            self.when_over(self)
            if isinstance(error, StopIteration | asyncio.CancelledError):
                return
            raise
        finally:
            asyncio._leave_task(self._loop, task)  # noqa: SLF001
        if awaited is None:
            # As `asyncio.sleep(0)` has it.
            self._loop.call_soon(self._step, context=self._context)
            return
        awaited._asyncio_future_blocking = False  # noqa: SLF001 -- so futures know who awaits them
        awaited.add_done_callback(self._step, context=self._context)
        self._waits_for = awaited
        if self._is_to_cancel and awaited.cancel():
            self._is_to_cancel = False


def _nothing(_: Driven) -> None:
    """Do nothing, as nobody asked to be told."""
