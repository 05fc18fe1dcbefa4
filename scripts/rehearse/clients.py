"""Clients that keep their connections open, and count each request that fails; none is repeated."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

from auth.signing import make_token

LIST = "{ tasks(first: 10) { totalCount nodes { id title completed } } }"
CREATE = """mutation ($input: CreateTaskInput!) {
  createTask(input: $input) { __typename ... on Task { id } }
}"""

CREATED = 0.3
"""The share of requests that make a task; the others list some."""

TIMEOUT = 30.0
"""Seconds after which a request has failed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of HTTP/1.1."""

    status: int
    headers: Mapping[str, str]
    """Names and values in lower case."""
    body: bytes


@dataclass
class Result:
    """What became of the requests of a rehearsal."""

    began: float = field(default_factory=time.monotonic)
    sent: Counter[int] = field(default_factory=Counter)
    """How many were answered well, by the second in which they were sent."""
    failed: Counter[tuple[int, str]] = field(default_factory=Counter)
    """How many failed, by the second and by how."""
    slowest: float = 0.0
    """Seconds to the slowest good answer."""


class Connection:
    """A connection of HTTP/1.1 to one of the ports, opened anew where that is needed."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._port = random.choice(ports)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> Answer:
        """Send a request; return the answer.

        Raises:
            OSError: the connection broke, or every port refuses it.
            EOFError: it ended before the answer did.
        """
        reader, writer = self._streams or await self._open()
        self._streams = None
        try:
            writer.write(request)
            answer = await _answer(reader)
        except BaseException:
            await _close(writer)
            raise
        if answer.headers.get("connection") == "close":
            await _close(writer)
        else:
            self._streams = reader, writer
        return answer

    async def close(self) -> None:
        if self._streams:
            await _close(self._streams[1])

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        others = [port for port in self._ports if port != self._port]
        for port in [self._port, *random.sample(others, len(others))]:
            try:
                streams = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                continue
            self._port = port
            return streams
        raise ConnectionRefusedError("every port refuses connections")


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if line)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(first.split()[1]), headers, body)


async def status_of(port: int, path: str) -> int:
    """Return the status of an answer on a connection of its own.

    Raises:
        OSError, EOFError: there is none.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    return (await Connection([port]).ask(request.encode())).status


def request_of(secret: str, user: str) -> bytes:
    """Return a request of a user, for a list or a new task, as bytes of HTTP."""
    token = make_token(
        secret, user_id=user, lifetime=timedelta(hours=1), issuer=None, audience=None
    )
    sent = {"query": LIST}
    if random.random() < CREATED:
        given = {"title": "Rehearse", "idempotencyKey": uuid4().hex}
        sent = {"query": CREATE, "variables": {"input": given}}  # type: ignore[dict-item]
    return as_http(sent, token)


def as_http(sent: Mapping[str, object], token: str) -> bytes:
    """Return an operation, by its `query` and `variables`, as a request in bytes of HTTP."""
    body = json.dumps(sent).encode()
    head = (
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def ask_on(
    connections: Sequence[Connection], rate: float, secret: str, until: asyncio.Event, least: int
) -> Result:
    """Send so many requests a second, by turns on the connections, until the event.

    At least so many are sent. A connection that still waits for an answer is left out.
    """
    result = Result()
    idle, tasks = [*connections], set()
    number = 0
    while number < least or not until.is_set():
        if idle:
            task = asyncio.create_task(
                _ask(idle.pop(0), idle, request_of(secret, f"u{number % 20}"), result)
            )
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
        await asyncio.sleep(max(0.0, result.began + number / rate - time.monotonic()))
    await asyncio.gather(*tasks)
    for connection in connections:
        await connection.close()
    return result


async def _ask(
    connection: Connection, idle: list[Connection], request: bytes, result: Result
) -> None:
    began = time.monotonic()
    second = int(began - result.began)
    try:
        async with asyncio.timeout(TIMEOUT):
            answer = await connection.ask(request)
        if answer.status == 200 and b'"errors"' not in answer.body:
            result.sent[second] += 1
            result.slowest = max(result.slowest, time.monotonic() - began)
        else:
            result.failed[second, f"{answer.status} {answer.body[:80]!r}"] += 1
    except (OSError, EOFError) as error:
        result.failed[second, type(error).__name__] += 1
    finally:
        idle.append(connection)
