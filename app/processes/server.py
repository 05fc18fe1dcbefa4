"""uvicorn's server, which drains before it stops, so that no request is lost.

uvicorn closes its port and all connections that are idle as soon as it is told to stop. A balancer
would learn of it by requests that fail.
"""

import asyncio
import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from socket import socket
from types import FrameType

import uvicorn

from app.http.draining import Draining
from app.processes.systemd import Systemd

POLL = 0.1
"""Seconds between two looks whether the end has come, as uvicorn looks, too."""

SPREAD = 0.8
"""The part of the grace in which WebSockets are closed; the rest is for them to end."""

logger = logging.getLogger("uvicorn.error")


@dataclass(frozen=True, slots=True)
class Shutdown:
    """How a server stops, in seconds."""

    drain: float
    """How long it serves on, and leads clients elsewhere."""
    grace: float
    """How long, after that, requests under way and WebSockets may take to end."""


class Server(uvicorn.Server):
    """Serves on for a while after the first signal to stop; the second one skips that."""

    def __init__(
        self, config: uvicorn.Config, shutdown: Shutdown, systemd: Systemd | None = None
    ) -> None:
        super().__init__(config)
        self._shutdown = shutdown
        self._systemd = systemd
        self._drain_until = 0.0
        self._is_retired = self._is_skipped = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            self.skip()
            return
        super().handle_exit(sig, frame)
        self._drain_until = time.monotonic() + self._shutdown.drain
        if self.started:
            self._draining.begin()
        if self._systemd:
            self._systemd.stopping()

    def retire(self) -> None:
        """Stop, since another worker serves on the same port. Any thread may call this."""
        self._is_retired = True

    def end_drain(self) -> None:
        """Do not drain, or no longer. Any thread may call this, before the signal to stop too."""
        self._shutdown = Shutdown(0, self._shutdown.grace)
        self._drain_until = 0.0

    def skip(self) -> None:
        """Stop at once. Any thread may call this, before a signal too."""
        self._is_skipped = True

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self._systemd and not self.should_exit:
            self._systemd.ready()

    async def on_tick(self, counter: int) -> bool:
        if self._systemd:
            self._systemd.alive()
        if self._is_retired and not self.should_exit:
            self.should_exit = True
            self._drain_until = time.monotonic() + self._shutdown.drain
            self._draining.begin(is_leaving=False)
            # What waits for its acceptance is the other worker's now.
            for server in self.servers:
                server.close()
        return await super().on_tick(counter) and self._is_drained()

    def _is_drained(self) -> bool:
        has_none = self._is_retired and not self.server_state.connections
        return self._is_skipped or has_none or time.monotonic() >= self._drain_until

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        if not self._is_retired:
            # Told to stop while it was starting, it has not said so yet.
            self._draining.begin()
            await self._close_port()
        self._draining.spread(self._shutdown.grace * SPREAD if self._shutdown.drain else 0)
        cutting = asyncio.create_task(self._cut())
        await super().shutdown(sockets)
        cutting.cancel()

    async def _close_port(self) -> None:
        """Accept what waits for it, and close the port: the kernel would reset what waits."""
        waiting = []
        for server in self.servers:
            for listening in server.sockets:
                # An event loop's own socket does not accept.
                with socket(fileno=os.dup(listening.fileno())) as listener, suppress(OSError):
                    listener.setblocking(False)
                    while True:
                        waiting.append(listener.accept()[0])
            server.close()
        loop = asyncio.get_running_loop()
        for connection in waiting:
            connection.setblocking(False)
            await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        # As uvicorn makes one for each connection that it accepts.
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    async def _cut(self) -> None:
        """End what has not ended in time, or is still there when the rest is skipped."""
        until = time.monotonic() + self._shutdown.grace
        while time.monotonic() < until and not self._is_skipped:
            await asyncio.sleep(POLL)
            if self._systemd:
                self._systemd.alive()
        connections, tasks = [*self.server_state.connections], len(self.server_state.tasks)
        if connections or tasks:
            logger.warning(
                "Cut when the server stopped: %d connections, with %d requests and WebSockets.",
                len(connections),
                tasks,
            )
        for connection in connections:
            connection.transport.abort()
        # Who waits for the client ends by itself; uvicorn logs a traceback of who is cancelled.
        await asyncio.sleep(POLL)
        for task in [*self.server_state.tasks]:
            task.cancel()

    @property
    def _draining(self) -> Draining:
        draining: Draining = self.lifespan.state["draining"]
        return draining
