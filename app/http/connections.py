"""The connections of a worker: those whose time is over are ended, and idle ones if many come."""

import asyncio
import logging
import os
from collections import Counter, deque
from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import NamedTuple, Protocol

from starlette.types import Scope

from app.telemetry.repeated import Repeated

logger = logging.getLogger(__name__)

TICK = 1.0
"""Seconds between two looks at all connections: no time is kept more exactly."""

CONNECTIONS_MAX = 10_000
"""Connections of a worker, however many descriptors it may have."""

RESERVE = 48
"""Descriptors for other things than connections of clients and of the database."""

OF_ADDRESS = 4
"""A single address may have one of so many connections, unless it is a proxy's."""

SOME_IDLE = 16
"""Where one of so many connections was idle, the next look for idle ones need not wait."""


def most_connections(reserved: int) -> int:
    """Return how many connections a worker may have, by the limit of its descriptors.

    `reserved`: the connections that it opens itself.
    """
    # Windows has no such limit, and no such function.
    descriptors = os.sysconf("SC_OPEN_MAX") if hasattr(os, "sysconf") else -1
    if descriptors == -1:
        return CONNECTIONS_MAX
    return max(1, min(CONNECTIONS_MAX, descriptors - reserved - RESERVE))


def is_signed_in(scope: Scope) -> bool:
    """Return whether a good token came with the request, or by the socket, of this scope."""
    record = scope["state"].get("record")
    return record is not None and record.user is not None


@lru_cache(1024)
def is_proxy(address: str, proxies: str) -> bool:
    """Return whether an address is this machine's, or among networks parted by commas, or `*`."""
    if proxies.strip() == "*":
        return True
    try:
        ip = ip_address(address)
        names = filter(None, map(str.strip, proxies.split(",")))
        networks = [ip_network(name, strict=False) for name in names]
    except ValueError:
        return False
    return ip.is_loopback or any(ip in network for network in networks)


class Connection(Protocol):
    """A connection that is in a state for a limited time."""

    deadline: float
    """When its state ends, on the event loop's clock."""
    client: tuple[str, int] | None
    """The address of the other side."""

    def expire(self, now: float) -> None:
        """End the state, whose deadline is over."""
        ...

    def is_idle(self) -> bool:
        """Return whether nobody waits for anything of it."""
        ...

    def is_known(self) -> bool:
        """Return whether a good token came by it last."""
        ...

    def end(self) -> None:
        """End it at once."""
        ...


class Idle(NamedTuple):
    """Idle connections, as they were found."""

    found: int
    """How many there were."""
    left: deque[Connection]
    """The oldest first; those without a token, or where there was none, some of those with one."""


class Connections:
    """The connections of a worker.

    One look at all of them costs less than a timer for each state of each connection.
    """

    def __init__(self, most: int) -> None:
        """`most`: how many there may be."""
        self._most = most
        self._open: dict[Connection, None] = {}
        """The oldest first."""
        self._of_addresses: Counter[str] = Counter()
        self._idle: dict[str | None, Idle] = {}
        """The idle connections of addresses, and of all, as they were found in this tick."""
        self._repeated = Repeated(logger)

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection, proxies: str | Collection[str]) -> bool:
        """Take a connection in, and end an idle one where there are too many.

        Return False if it is one too many: none is idle. `proxies`: addresses and networks.
        """
        address = connection.client[0] if connection.client else None
        if len(self._open) >= self._most:
            has_place = self._end_idle(None)
        elif address is not None and self._of_addresses[address] >= self._most / OF_ADDRESS:
            text = proxies if isinstance(proxies, str) else ",".join(proxies)
            has_place = is_proxy(address, text) or self._end_idle(address)
        else:
            has_place = True
        if has_place:
            self._open[connection] = None
            if address is not None:
                self._of_addresses[address] += 1
        return has_place

    def remove(self, connection: Connection) -> None:
        """Forget a connection, if it is not forgotten yet."""
        if connection not in self._open:
            return
        del self._open[connection]
        if connection.client:
            address = connection.client[0]
            self._of_addresses[address] -= 1
            if not self._of_addresses[address]:
                del self._of_addresses[address]

    async def watch(self) -> None:
        """End the states whose time is over, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK)
            self._idle.clear()
            now = loop.time()
            for connection in [open for open in self._open if open.deadline <= now]:
                connection.expire(now)

    def _end_idle(self, address: str | None) -> bool:
        """End the oldest idle connection of an address, or of all; return whether there is one.

        Those without a token go first.
        """
        self._log(address)
        idle = self._idle.get(address)
        # To look at all for each that comes would cost too much where next to none is idle.
        while idle is None or idle.left or idle.found * SOME_IDLE >= len(self._open):
            if idle is None or not idle.left:
                idle = self._idle[address] = self._find_idle(address)
                if not idle.found:
                    return False
            connection = idle.left.popleft()
            if connection in self._open and connection.is_idle():
                self.remove(connection)
                connection.end()
                return True
        return False

    def _find_idle(self, address: str | None) -> Idle:
        found = [
            connection
            for connection in self._open
            if connection.is_idle()
            and (address is None or (connection.client and connection.client[0] == address))
        ]
        unknown = [connection for connection in found if not connection.is_known()]
        # Of those with a token few, for the next that come may be without one.
        return Idle(len(found), deque(unknown or found[:SOME_IDLE]))

    def _log(self, address: str | None) -> None:
        if address is None:
            sentence = (
                f"There are {len(self._open)} connections, as many as there may be: idle ones are "
                "ended, and where there is none, new ones are refused. `ulimit -n` allows for more."
            )
        else:
            sentence = (
                f"{address} has {self._of_addresses[address]} connections, as many as one address "
                "may have: idle ones are ended. If it is a proxy, name it in FORWARDED_ALLOW_IPS."
            )
        self._repeated.log(logging.WARNING, sentence, about="too many connections")
