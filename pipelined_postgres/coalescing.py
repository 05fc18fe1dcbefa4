"""Sends what is written to a socket in one turn of the event loop all at once.

libpq writes each call for itself, and each would be a packet that wakes PostgreSQL up, which would
answer by a packet of its own. Over loopback TCP, with 32 or 64 reads under way, this takes a third
off what a call costs the client: 14 instead of 21 microseconds of CPU.
"""

import asyncio
import os
import socket

TCP_CORK = getattr(socket, "TCP_CORK", None)
"""Linux's alone, see https://man7.org/linux/man-pages/man7/tcp.7.html."""


class Coalescing:
    """Holds back what is written to a TCP socket until the event loop's next turn.

    For Unix sockets, and on other systems than Linux, there is no such option: nothing is held.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
        self._loop = loop
        self.holds = False
        """What is written now leaves together with what was written before."""
        self._socket: socket.socket | None = None
        if TCP_CORK is not None:
            self._socket = socket.socket(fileno=os.dup(descriptor))
            if self._socket.family not in (socket.AF_INET, socket.AF_INET6):
                self.close()

    def hold(self) -> None:
        """Send nothing before the next turn."""
        if self._socket is not None and TCP_CORK is not None and not self.holds:
            self.holds = True
            self._socket.setsockopt(socket.IPPROTO_TCP, TCP_CORK, 1)
            self._loop.call_soon(self._release)

    def close(self) -> None:
        self.holds = False
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _release(self) -> None:
        self.holds = False
        if self._socket is not None and TCP_CORK is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, TCP_CORK, 0)
