"""What sockets cost that wait, and how soon a change arrives at those that follow it."""

import asyncio
import json
import resource
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from benchmarks.load import WrongAnswer
from benchmarks.servers import Subject
from benchmarks.workload import task_id, token_of, user_id

END = "{ changes(first: 0) { pageInfo { endCursor } } }"
FOLLOW = """subscription($after: String) {
  changes(after: $after) { cursor node { id node { ... on Task { updatedAt } } } }
}"""
TOGGLE = "mutation($id: ID!) { toggleTask(input: {id: $id}) { __typename } }"
AT_ONCE = 50
"""Sockets that are opened at the same time."""

PATIENCE = 30.0
"""Seconds that the last changes are given to arrive."""


@dataclass(frozen=True)
class Idle:
    """What sockets cost that only follow."""

    sockets: int
    kib: float
    """The server's memory for each."""


@dataclass(frozen=True)
class Arrival:
    """How soon changes arrived, in milliseconds from the start of their transaction."""

    sockets: int
    rate: float
    """Changes a second."""
    changes: int
    p50: float
    p99: float


def idle(subject: Subject, sockets: int, *, users: int) -> Idle:
    """Open sockets that follow changes, and see what the server's memory grows by.

    Raises:
        WrongAnswer: the server does not serve one.
    """
    return asyncio.run(_idle(subject, sockets, users))


def arrival(subject: Subject, sockets: int, *, users: int, rate: float, seconds: float) -> Arrival:
    """Change tasks of users who have a socket each, and see when they are told.

    Raises:
        WrongAnswer: the server does not serve a socket, or a change did not arrive.
    """
    return asyncio.run(_arrival(subject, sockets, users, rate, seconds))


def allow_files() -> None:
    """Allow this process, and servers that it starts from now on, as many sockets as may be."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _idle(subject: Subject, sockets: int, users: int) -> Idle:
    async with AsyncExitStack() as stack:
        # What the first ones need is not theirs alone.
        await _followers(stack, subject, AT_ONCE, users)
        before = subject.memory()
        await _followers(stack, subject, sockets, users)
        await asyncio.sleep(1)
        return Idle(sockets, (subject.memory() - before) * 1024 / sockets)


async def _arrival(
    subject: Subject, sockets: int, users: int, rate: float, seconds: float
) -> Arrival:
    arrived: asyncio.Queue[float] = asyncio.Queue()
    async with AsyncExitStack() as stack:
        followers = await _followers(stack, subject, sockets, users)
        changes = round(rate * seconds)
        reading = [asyncio.create_task(_hear(each, arrived)) for each in followers]
        start = time.monotonic()
        for number in range(changes):
            await asyncio.sleep(start + number / rate - time.monotonic())
            user = number % sockets
            variables = {"id": task_id(user, 0, users=users)}
            await _ask(followers[user], f"change {number}", TOGGLE, variables)
        spent = time.monotonic() - start
        try:
            async with asyncio.timeout(PATIENCE):
                took = sorted([await arrived.get() for _ in range(changes)])
        except TimeoutError:
            raise WrongAnswer(f"{subject.name}: not all changes arrived") from None
        finally:
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
    half, most = (took[int(len(took) * part)] for part in (0.5, 0.99))
    return Arrival(sockets, changes / spent, changes, half, most)


async def _followers(
    stack: AsyncExitStack, subject: Subject, sockets: int, users: int
) -> Sequence[ClientConnection]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def follower(number: int) -> ClientConnection:
        async with gate:
            return await _follower(stack, subject, user_id(number % users))

    return await asyncio.gather(*map(follower, range(sockets)))


async def _follower(stack: AsyncExitStack, subject: Subject, user: str) -> ClientConnection:
    socket = await stack.enter_async_context(
        connect(
            f"ws://127.0.0.1:{subject.port}/graphql",
            subprotocols=[Subprotocol("graphql-transport-ws")],
            compression=None,
            ping_interval=None,
        )
    )
    payload = {"Authorization": f"Bearer {token_of(user)}"}
    await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
    told = json.loads(await socket.recv())
    if told["type"] != "connection_ack":
        raise WrongAnswer(f"{subject.name}: {told}")
    await _ask(socket, "end", END, {})
    end = json.loads(await socket.recv())["payload"]["data"]["changes"]["pageInfo"]
    await socket.recv()
    await _ask(socket, "follow", FOLLOW, {"after": end["endCursor"]})
    return socket


async def _ask(socket: ClientConnection, id: str, query: str, variables: dict[str, Any]) -> None:
    payload = {"query": query, "variables": variables}
    await socket.send(json.dumps({"id": id, "type": "subscribe", "payload": payload}))


async def _hear(socket: ClientConnection, arrived: asyncio.Queue[float]) -> None:
    async for text in socket:
        now = time.time()
        told = json.loads(text)
        if told["type"] == "next" and told["id"] == "follow":
            task = told["payload"]["data"]["changes"]["node"]["node"]
            began = datetime.fromisoformat(task["updatedAt"]).timestamp()
            arrived.put_nowait((now - began) * 1000)
