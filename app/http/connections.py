"""The connections of a worker: those whose time is over are ended."""

import asyncio
from typing import Protocol

from starlette.types import Scope

TICK = 1.0
"""Seconds between two looks at all connections: no time is kept more exactly."""


def is_signed_in(scope: Scope) -> bool:
    """Return whether a good token came with the request, or by the socket, of this scope."""
    record = scope["state"].get("record")
    return record is not None and record.user is not None


class Connection(Protocol):
    """A connection that is in a state for a limited time."""

    deadline: float
    """When its state ends, on the event loop's clock."""

    def expire(self, now: float) -> None:
        """End the state, whose deadline is over."""
        ...


class Connections:
    """The connections of a worker.

    One look at all of them costs less than a timer for each state of each connection.
    """

    def __init__(self) -> None:
        self._open: dict[Connection, None] = {}

    def add(self, connection: Connection) -> None:
        self._open[connection] = None

    def remove(self, connection: Connection) -> None:
        self._open.pop(connection, None)

    async def watch(self) -> None:
        """End the states whose time is over, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK)
            now = loop.time()
            for connection in [open for open in self._open if open.deadline <= now]:
                connection.expire(now)
