"""Sends what is written to a connection in one turn of the event loop all at once.

Sent one by one, each call would be a system call that wakes PostgreSQL up, which would answer by a
packet of its own.
"""

import asyncio
from collections.abc import Callable


class Coalescing:
    """Holds back what is written to a connection until the event loop's next turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop, flush: Callable[[], None]) -> None:
        """`flush`: is called in the next turn, and sends what was written."""
        self._loop = loop
        self._flush = flush
        self.holds = False
        """What is written now leaves together with what was written before."""

    def hold(self) -> None:
        """Have what is written sent in the next turn."""
        if not self.holds:
            self.holds = True
            self._loop.call_soon(self._release)

    def _release(self) -> None:
        self.holds = False
        self._flush()
