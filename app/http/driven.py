"""Runs a coroutine without a task: at once, and on in the callbacks of what it waits for.

A task costs a turn of the event loop before its first step. asyncio lets others run coroutines
(https://docs.python.org/3/library/asyncio-extending.html); this is the least that its own functions
ask of a task, such as `asyncio.timeout`, and anyio's. It has no name, is not among
`asyncio.all_tasks`, and cannot be awaited.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, cast


class Driven:
    """A coroutine under way. It returns nothing, and deals with its errors itself."""

    __slots__ = (
        "__weakref__",
        "_cancellations",
        "_context",
        "_coroutine",
        "_fut_waiter",
        "_is_over",
        "_loop",
        "_must_cancel",
        "when_over",
    )

    def __init__(
        self, coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._coroutine = coroutine
        self._loop = loop
        self._context = copy_context()
        self._fut_waiter: asyncio.Future[Any] | None = None
        self._cancellations = 0
        self._must_cancel = False
        self._is_over = False
        self.when_over: Callable[[Driven], None] = _nothing
        """Is called with this once it is over, if it ever had to wait."""

    def begin(self) -> None:
        """Run it up to where it first waits. To be called outside of tasks."""
        self._context.run(self._step)

    def cancel(self, msg: object = None) -> bool:
        """Have it get a CancelledError where it waits, as `asyncio.Task.cancel` does."""
        if self._is_over:
            return False
        self._cancellations += 1
        if self._fut_waiter is None or not self._fut_waiter.cancel(msg):
            self._must_cancel = True
        return True

    def done(self) -> bool:
        return self._is_over

    def cancelling(self) -> int:
        return self._cancellations

    def uncancel(self) -> int:
        self._cancellations = max(0, self._cancellations - 1)
        if not self._cancellations:
            # As tasks have it since Python 3.13.
            self._must_cancel = False
        return self._cancellations

    def _step(self, _: object = None) -> None:
        """Run it up to where it waits next."""
        self._fut_waiter = None
        # What asyncio asks of a task this has.
        task = cast("asyncio.Task[Any]", self)
        asyncio._enter_task(self._loop, task)  # noqa: SLF001 -- documented for this use
        try:
            if self._must_cancel:
                self._must_cancel = False
                awaited = self._coroutine.throw(asyncio.CancelledError())
            else:
                awaited = self._coroutine.send(None)
        except BaseException as error:
            self._is_over = True
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
        # As a task does: by this asyncio tells `await` from a bare `yield`.
        awaited._asyncio_future_blocking = False  # noqa: SLF001
        awaited.add_done_callback(self._step, context=self._context)
        self._fut_waiter = awaited
        if self._must_cancel and awaited.cancel():
            self._must_cancel = False


def _nothing(_: Driven) -> None:
    """Do nothing, as nobody asked to be told."""
