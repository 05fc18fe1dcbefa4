"""Turns: at most so many changes of an owner are under way at once, and the others queue."""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from models.database import DatabaseUnavailable
from models.user import UserId
from pipelined_postgres.client import TICK

AT_ONCE = 2
"""Changes of one owner that are on connections at once: one follows the other without a pause."""

CANCELLED_AFTER = 2 * TICK
"""Seconds until PostgreSQL has been asked to end a change whose caller has gone."""


@dataclass(slots=True)
class _Queue:
    under_way: int = 1
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Turns:
    """Keeps an owner's changes from waiting for each other in the database.

    Each locks its owner's counter until it is committed. Those that waited for the lock would hold
    up all connections, and the statements of others behind them.
    """

    def __init__(self, wait_timeout: float, at_once: int = AT_ONCE) -> None:
        """`wait_timeout`: seconds that a change may wait for its turn."""
        self._at_once = at_once
        self._wait_timeout = wait_timeout
        self._queues: dict[UserId, _Queue] = {}

    @property
    def owners(self) -> int:
        """Those who have changes under way."""
        return len(self._queues)

    async def take(self, owner: UserId) -> None:
        """Return when it is the turn of a change of the owner's. It must be given back.

        Raises:
            DatabaseUnavailable: that took too long; there is nothing to give back.
        """
        queue = self._queues.get(owner)
        if queue is None:
            self._queues[owner] = _Queue()
        elif queue.under_way < self._at_once:
            queue.under_way += 1
        else:
            await self._wait(owner, queue)

    async def _wait(self, owner: UserId, queue: _Queue) -> None:
        turn = asyncio.get_running_loop().create_future()
        queue.waiting.append(turn)
        try:
            async with asyncio.timeout(self._wait_timeout):
                await turn
        except BaseException as error:
            if turn.cancelled():
                with suppress(ValueError):
                    queue.waiting.remove(turn)
            else:
                # It came at the moment in which its change was cancelled.
                self._give_back(owner)
            if isinstance(error, TimeoutError):
                raise DatabaseUnavailable("Too many changes of the user wait.") from error
            raise

    def give_back(self, owner: UserId, *, cancelled: bool = False) -> None:
        """End a turn, and begin that of the change that has waited longest.

        A change that is cancelled is under way until PostgreSQL has been asked to end it.
        """
        if cancelled:
            asyncio.get_running_loop().call_later(CANCELLED_AFTER, self._give_back, owner)
        else:
            self._give_back(owner)

    def _give_back(self, owner: UserId) -> None:
        queue = self._queues[owner]
        while queue.waiting:
            turn = queue.waiting.popleft()
            # One that is cancelled is still there until its task runs.
            if not turn.done():
                turn.set_result(None)
                return
        queue.under_way -= 1
        if not queue.under_way:
            del self._queues[owner]
