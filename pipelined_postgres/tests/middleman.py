"""Something between a client and PostgreSQL that does with answers whatever a test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict

READY = b"Z\0\0\0\5I"
"""ReadyForQuery outside a transaction: it ends an answer."""


def unaltered(message: bytes) -> bytes:
    return message


class Middleman:
    """Passes messages on."""

    def __init__(self) -> None:
        self.alter: Callable[[bytes], bytes] = unaltered
        """What becomes of each message of PostgreSQL's; its first byte is its type."""
        self.writers: list[asyncio.StreamWriter] = []
        """By which the clients are written to, in the order in which they came."""

    def answer(self, data: bytes) -> None:
        """Write something to the client that came last."""
        self.writers[-1].write(data)


@asynccontextmanager
async def between(url: str) -> AsyncIterator[tuple[Middleman, str]]:
    """Yield a middleman, and the URL that leads to him; he leads to the PostgreSQL of `url`."""
    middleman = Middleman()
    parts = conninfo_to_dict(url)
    tasks = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = str(parts["host"]), parts.get("port", 5432)
        if host.startswith("/"):
            up = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            up = await asyncio.open_connection(host, int(str(port)))
        middleman.writers.append(writer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pass_on(reader, up[1]))
                group.create_task(pass_back(up[0], writer))
        except* (OSError, EOFError):
            pass
        finally:
            up[1].transport.abort()
            writer.transport.abort()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        raise EOFError

    async def pass_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readexactly(5)
            body = await reader.readexactly(int.from_bytes(head[1:]) - 4)
            writer.write(middleman.alter(head + body))

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await serve(reader, writer)

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    role, name = urlsplit(url).username or "postgres", parts["dbname"]
    try:
        yield (
            middleman,
            f"postgresql://{role}@127.0.0.1:{port}/{name}?sslmode=disable&gssencmode=disable",
        )
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
