"""The load: keep-alive connections that each ask again as soon as they are answered."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

CONNECTIONS = 32
OK = b"HTTP/1.1 200"


class WrongAnswer(Exception):
    """The server answered something else than was asked, so its speed means nothing."""


@dataclass
class Load:
    """What came of some seconds of asking."""

    seconds: float
    latencies: list[float] = field(default_factory=list)
    """In seconds, one for each request."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: float) -> float:
        """Return a latency in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1000


class Connection(asyncio.Protocol):
    """A connection that sends request after request, and notes how long each took."""

    def __init__(self, load: Load, requests: Sequence[bytes], start: int) -> None:
        self._load = load
        self._requests = requests
        self._next = start
        self._buffer = b""
        self._sent = 0.0
        self.stopping = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._requests[self._next % len(self._requests)])
        self._next += CONNECTIONS

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, _, body = self._buffer.partition(b"\r\n\r\n")
        length = _content_length(head)
        if length is None or len(body) < length:
            return
        self._buffer = b""
        self._load.latencies.append(time.perf_counter() - self._sent)
        if not head.startswith(OK) or b'"errors"' in body[:200]:
            self.ended.set_exception(WrongAnswer(body[:300].decode(errors="replace")))
        elif self.stopping:
            self.ended.set_result(None)
        else:
            self._ask()

    def close(self) -> None:
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionError("The server hung up."))


async def ask_for(seconds: float, port: int, requests: Sequence[bytes]) -> Load:
    """Ask for so many seconds.

    Raises:
        WrongAnswer: an answer was not 200, or had errors.
        OSError: the server hung up.
    """
    loop, load = asyncio.get_running_loop(), Load(seconds)
    connections = []
    for start in range(CONNECTIONS):
        make = _maker(load, requests, start)
        _, connection = await loop.create_connection(make, "127.0.0.1", port)
        connections.append(connection)
    await asyncio.sleep(seconds)
    for connection in connections:
        connection.stopping = True
    await asyncio.gather(*(connection.ended for connection in connections))
    for connection in connections:
        connection.close()
    return load


def _maker(load: Load, requests: Sequence[bytes], start: int) -> Callable[[], Connection]:
    return lambda: Connection(load, requests, start)


def http_request(body: bytes, token: str) -> bytes:
    """Return a whole HTTP request, as a client with a token sends it."""
    head = (
        "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Accept: application/json\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def ask_once(port: int, request: bytes) -> dict[str, object]:
    """Return the data of one answer.

    Raises:
        WrongAnswer: there is none.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        result = json.loads(await reader.readexactly(_content_length(head) or 0))
    finally:
        writer.close()
    if not head.startswith(OK) or result.get("errors"):
        raise WrongAnswer(str(result)[:300])
    data: dict[str, object] = result["data"]
    return data


def _content_length(head: bytes) -> int | None:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return None
