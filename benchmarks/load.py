"""The load: keep-alive connections that each ask again as soon as they are answered.

By wrk where it is installed, which leaves most of the machine to the server; else by asyncio.
"""

import asyncio
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import httpx2

CONNECTIONS = 32
OK = b"HTTP/1.1 200"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
WRK_SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True)
class Request:
    """A GraphQL request of somebody who has a token."""

    body: bytes
    token: str

    def headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Authorization": f"Bearer {self.token}",
        }

    def on_the_wire(self) -> bytes:
        lines = [
            "POST /graphql HTTP/1.1",
            "Host: 127.0.0.1",
            *(f"{name}: {value}" for name, value in self.headers().items()),
            f"Content-Length: {len(self.body)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class WrongAnswer(Exception):
    """The server answered something else than was asked, so its speed means nothing."""


@dataclass(frozen=True)
class Load:
    """What came of some seconds of asking."""

    requests: int
    seconds: float
    p50: float
    """Milliseconds."""
    p99: float
    """Milliseconds."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


def load(port: int, requests: Sequence[Request], seconds: float, *, smallest: int) -> Load:
    """Ask for so many seconds (whole ones by wrk).

    Raises:
        WrongAnswer: an answer was not 200, had errors, or was smaller than a right one can be.
        ConnectionError: the server hung up, or did not answer.
    """
    raw = [request.on_the_wire() for request in requests]
    if has_wrk():
        return _load_by_wrk(port, raw, max(1, round(seconds)), smallest)
    return asyncio.run(_load_by_asyncio(port, raw, seconds, smallest))


def answers(port: int, requests: Sequence[Request]) -> list[bytes]:
    """Return the body of the answer to each request, asked one after the other.

    Raises:
        WrongAnswer: one was not 200, or had errors.
        httpx2.TransportError: nobody answers there.
    """
    bodies = []
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        for request in requests:
            response = client.post("/graphql", content=request.body, headers=request.headers())
            if response.status_code != httpx2.codes.OK or response.json().get("errors"):
                raise WrongAnswer(f"{response.status_code}: {response.text[:300]}")
            bodies.append(response.content)
    return bodies


def _load_by_wrk(port: int, requests: Sequence[bytes], seconds: int, smallest: int) -> Load:
    with tempfile.NamedTemporaryFile(prefix="wrk-") as file:
        file.write(b"\0".join(requests))
        file.flush()
        command = ["wrk", "--threads=1", f"--connections={CONNECTIONS}", f"--duration={seconds}s"]
        command += ["--timeout=30s", f"--script={WRK_SCRIPT}", f"http://127.0.0.1:{port}"]
        command += ["--", file.name, str(smallest)]
        told = subprocess.run(  # noqa: S603 -- it is this program's own
            command, capture_output=True, text=True, check=False
        )
    _, found, line = told.stdout.partition("\nRESULT ")
    if not found:
        raise ConnectionError(f"wrk: {told.stdout}{told.stderr}")
    numbers, example = line.split(" ", 6)[:6], line.split(" ", 6)[6]
    asked, microseconds, p50, p99, broken, wrong = map(int, numbers)
    if wrong:
        raise WrongAnswer(f"{wrong} of {asked}, such as {example}")
    if broken or not asked:
        raise ConnectionError(f"{broken} requests were not answered, {asked} were.")
    return Load(asked, microseconds / 1e6, p50 / 1e3, p99 / 1e3)


@dataclass
class _Connection(asyncio.Protocol):
    """A connection that sends request after request, and notes how long each took."""

    requests: Sequence[bytes]
    start: int
    smallest: int
    latencies: list[float] = field(default_factory=list)
    stopping: bool = False

    def __post_init__(self) -> None:
        self._upcoming = islice(cycle(self.requests), self.start, None, CONNECTIONS)
        self._buffer = bytearray()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(next(self._upcoming))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = bytes(self._buffer).partition(b"\r\n\r\n")
        if not end:
            return
        length = LENGTH.search(head)
        if length is None:
            self._end(ConnectionError("The server answers in chunks, which takes wrk to read."))
        if length is None or len(body) < int(length[1]):
            return
        self._buffer.clear()
        self.latencies.append(time.perf_counter() - self._sent)
        if not head.startswith(OK) or len(body) < self.smallest or b'"errors"' in body:
            self._end(WrongAnswer(body[:300].decode(errors="replace")))
        elif self.stopping:
            self._end(None)
        else:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionResetError("The server hung up."))

    def _end(self, error: Exception | None) -> None:
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)


async def _load_by_asyncio(
    port: int, requests: Sequence[bytes], seconds: float, smallest: int
) -> Load:
    loop = asyncio.get_running_loop()
    connections = []
    began = time.perf_counter()
    with ExitStack() as stack:
        for start in range(CONNECTIONS):
            transport, connection = await loop.create_connection(
                partial(_Connection, requests, start, smallest), "127.0.0.1", port
            )
            stack.callback(transport.abort)
            connections.append(connection)
        ends = asyncio.gather(*(connection.ended for connection in connections))
        # Who fails does so before its time.
        await asyncio.wait([ends], timeout=seconds)
        for connection in connections:
            connection.stopping = True
        await ends
    took = time.perf_counter() - began
    ordered = sorted(latency for connection in connections for latency in connection.latencies)
    middle, late = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    return Load(len(ordered), took, middle * 1e3, late * 1e3)
