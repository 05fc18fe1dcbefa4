"""The load of a day: lists and keyed writes at a steady rate, and what became of each."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from scripts.rehearse.clients import CREATE, CREATED, LIST, TIMEOUT, Answer, Connection, as_http

CLIENTS = 60
"""Connections that clients keep open."""

USERS = 40

ANSWERED_IN_ORDER = "503 with Retry-After"
"""How a request fails that a client may repeat at once."""

REPEATED = 60
"""How often a write that failed is repeated in the end, a second apart."""


@dataclass
class Act:
    """What became of the requests that were sent in one act."""

    name: str
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    good: Counter[int] = field(default_factory=Counter)
    """How many were answered well, by the second in which they were sent."""
    failed: Counter[tuple[int, str]] = field(default_factory=Counter)
    """How many failed, by the second and by how."""
    failed_of: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many failed, by the user and by how."""
    slowest: float = 0.0
    """Seconds to the slowest answer, good or not."""


class Load:
    """Clients that send requests through a balancer, and repeat none until the end."""

    def __init__(self, port: int, rate: float, sign: Callable[[str], str]) -> None:
        """`rate`: requests a second. `sign`: makes a token of a user."""
        self.sign = sign
        self.acts = [Act("before")]
        self.acknowledged: dict[str, str] = {}
        """The ids of tasks whose making was acknowledged, by their titles."""
        self._open: dict[str, str] = {}
        """The users of writes that were not acknowledged, by the title, which is the key, too."""
        self._rate = rate
        self._idle = [Connection([port]) for _ in range(CLIENTS)]
        self._connections = [*self._idle]
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = False

    def begin(self, name: str) -> None:
        """Count what is sent from now on to an act of this name."""
        self.acts[-1].seconds = time.monotonic() - self.acts[-1].began
        self.acts.append(Act(name))

    async def run(self) -> None:
        """Send requests until `end`."""
        began, number = time.monotonic(), 0
        while not self._ended:
            if self._idle:
                task = asyncio.create_task(self._ask(self._idle.pop(0), f"user-{number % USERS}"))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                number += 1
            await asyncio.sleep(max(0.0, began + number / self._rate - time.monotonic()))

    async def end(self) -> int:
        """Send no more, and repeat the writes that failed; return how many those were."""
        self._ended = True
        await asyncio.gather(*self._tasks)
        self.acts[-1].seconds = time.monotonic() - self.acts[-1].began
        failed = len(self._open)
        for _ in range(REPEATED):
            for title, user in [*self._open.items()]:
                await self._create(self._connections[0], user, title)
            if not self._open:
                break
            await asyncio.sleep(1)
        for connection in self._connections:
            await connection.close()
        return failed

    @property
    def unacknowledged(self) -> int:
        return len(self._open)

    async def _ask(self, connection: Connection, user: str) -> None:
        act, began = self.acts[-1], time.monotonic()
        second = int(began - act.began)
        if random.random() < CREATED:
            how = await self._create(connection, user, uuid4().hex)
        else:
            how = await self._send(connection, as_http({"query": LIST}, self.sign(user)))
        if isinstance(how, Answer):
            act.good[second] += 1
        else:
            act.failed[second, how] += 1
            act.failed_of[user, how] += 1
        act.slowest = max(act.slowest, time.monotonic() - began)
        self._idle.append(connection)

    async def _create(self, connection: Connection, user: str, title: str) -> Answer | str:
        self._open[title] = user
        given = {"title": title, "idempotencyKey": title}
        sent = {"query": CREATE, "variables": {"input": given}}
        how = await self._send(connection, as_http(sent, self.sign(user)))
        if isinstance(how, Answer):
            self.acknowledged[title] = json.loads(how.body)["data"]["createTask"]["id"]
            del self._open[title]
        return how

    async def _send(self, connection: Connection, request: bytes) -> Answer | str:
        """Return a good answer, or how the request failed."""
        try:
            async with asyncio.timeout(TIMEOUT):
                answer = await connection.ask(request)
        except (OSError, EOFError) as error:
            return type(error).__name__
        if answer.status == 200 and b'"errors"' not in answer.body:
            return answer
        if answer.status == 503 and "retry-after" in answer.headers:
            return ANSWERED_IN_ORDER
        return f"{answer.status} {answer.body[:120]!r}"
