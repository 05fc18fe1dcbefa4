"""A proxy before PostgreSQL that does what networks do: cuts, hangs, delays, tears and loses."""

import asyncio
import math
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from random import random
from typing import Any

from tests.databases import Database

READY = b"Z\0\0\0\5I"
"""PostgreSQL's ReadyForQuery outside a transaction: what was asked is committed."""


PIECES_APART = 0.001
"""Seconds between two pieces, at most."""


class Proxy:
    """Passes bytes on between whoever connects to it and a PostgreSQL, or a pooler."""

    port: int
    delay = 0.0
    """Seconds that bytes take, either way, however many are on their way."""
    piece: int | None = None
    """Bytes that are passed on at a time, so that what was sent at once arrives in parts.

    Startup messages are left whole, for PgBouncer 1.18 refuses half of one.
    """
    lose: bytes | None = None
    """Whoever sends these bytes is cut off when their statement is committed, without a word."""
    chance = 1.0
    """How likely that is."""
    losses_left = math.inf
    """How often that may happen yet."""

    def __init__(self, upstream: str | int) -> None:
        """`upstream`: the path of a socket, or a port of this machine."""
        self._upstream = upstream
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._thread.start()
        self.port = 0
        self.lost = 0
        """How many were cut off so."""
        self.listen()

    def listen(self) -> None:
        """Listen; again on the same port as before."""

        async def listen() -> None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

        self._do(listen())

    def refuse(self) -> None:
        """Listen no more, and cut all connections."""

        async def close() -> None:
            if self._server is not None:
                self._server.close()
            await self._end()

        self._do(close())

    def cut(self) -> None:
        """Cut all connections."""
        self._do(self._end())

    def url(self, role: str, database: Database) -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database.name}"

    def hang(self) -> None:
        """Keep all bytes, and all connections, until `flow`."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def flow(self) -> None:
        self._loop.call_soon_threadsafe(self._flowing.set)

    def stop(self) -> None:
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _end(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        writers = [writer]
        try:
            up_reader, up_writer = await self._open()
            writers.append(up_writer)
            losing = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                sent, answered = Arrivals(), Arrivals()
                group.create_task(self._read(reader, sent))
                group.create_task(self._read(up_reader, answered))
                group.create_task(self._pass_on(sent, up_writer, losing.set))
                group.create_task(self._pass_back(answered, writer, losing.is_set))
        except* OSError:
            pass
        finally:
            for each in writers:
                each.transport.abort()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._upstream, int):
            return await asyncio.open_connection("127.0.0.1", self._upstream)
        return await asyncio.open_unix_connection(self._upstream)

    async def _pass_on(
        self,
        arrivals: "Arrivals",
        writer: asyncio.StreamWriter,
        lose: Callable[[], None],
    ) -> None:
        while True:
            data = await self._arrived(arrivals)
            is_asked = self.lose is not None and self.lose in data
            if is_asked and self.losses_left > 0 and random() < self.chance:
                self.losses_left -= 1
                lose()
            await self._write(writer, data)

    async def _pass_back(
        self,
        arrivals: "Arrivals",
        writer: asyncio.StreamWriter,
        losing: Callable[[], bool],
    ) -> None:
        kept = b""
        while True:
            data = await self._arrived(arrivals)
            if not losing():
                await self._write(writer, data)
                continue
            kept += data
            if READY in kept:
                self.lost += 1
                raise ConnectionResetError

    async def _read(self, reader: asyncio.StreamReader, arrivals: "Arrivals") -> None:
        while True:
            data = await reader.read(65536)
            arrivals.put_nowait((self._loop.time() + self.delay, data))
            if not data:
                break

    async def _arrived(self, arrivals: "Arrivals") -> bytes:
        due, data = await arrivals.get()
        await asyncio.sleep(due - self._loop.time())
        await self._flowing.wait()
        if not data:
            raise ConnectionResetError
        return data

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        is_startup = data[:1] == b"\0"
        piece = len(data) if is_startup or self.piece is None else self.piece
        for start in range(0, len(data), piece):
            if start:
                # So long that whoever reads has read what came before.
                await asyncio.sleep(random() * PIECES_APART)
            writer.write(data[start : start + piece])
            await writer.drain()


Arrivals = asyncio.Queue[tuple[float, bytes]]
"""What has been read, and when it is to be passed on."""


@contextmanager
def proxy_before(database: Database) -> Iterator[Proxy]:
    folder = database.socket
    with proxy_to(f"{folder}/.s.PGSQL.5432") as proxy:
        yield proxy


@contextmanager
def proxy_to(upstream: str | int) -> Iterator[Proxy]:
    proxy = Proxy(upstream)
    try:
        yield proxy
    finally:
        proxy.stop()
