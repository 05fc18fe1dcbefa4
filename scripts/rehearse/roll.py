"""Servers are stopped and started anew, one after the other, while clients ask: nobody may notice.

`python -m scripts.rehearse.roll` prints the requests that failed, by second, and exits with 1 if
any did. It brings its own PostgreSQL; `--by haproxy` needs HAProxy on the PATH. With `--older` it
is an upgrade: servers of another release serve first; the database is migrated, the servers are
replaced, and `migrate --finish` ends it, all of it under load.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple

import psycopg
import typer

from app.database.embedded import embedded_postgres
from app.database.urls import SERVER_ROLE
from scripts.rehearse.clients import Connection, Result, ask_on
from scripts.rehearse.clusters import todo
from scripts.rehearse.servers import COMMAND, SECRET, Server, haproxy

DATABASE = "rehearsal"

CLIENTS = 40
"""Connections that clients keep open."""

CALM = 3.0
"""Seconds for which servers of another release serve before the database is migrated."""


class Way(StrEnum):
    """The way from clients to servers."""

    DIRECT = "direct"
    """Clients know all servers, and open a connection to another one where one is refused."""
    HAPROXY = "haproxy"
    """HAProxy, which asks `/ready` twice a second."""
    REUSING = "haproxy-reusing"
    """The same with `http-reuse always`."""


class Upgrade(NamedTuple):
    """From another release to this one."""

    older: Path
    """The other release's `todo-api`."""
    url: str
    """The database's, as the role that owns it."""

    async def migrate(self, *words: str) -> None:
        """Run this release's `todo-api migrate`."""
        began = time.monotonic()
        said = await asyncio.to_thread(todo, self.url, "migrate", *words)
        lines = [line for line in said.splitlines() if line and not line.startswith("DATABASE_URL")]
        typer.echo(f"  migrated in {time.monotonic() - began:.1f} s: {' '.join(lines)}")


async def roll(
    servers: Sequence[Server],
    ports: Sequence[int],
    rate: float,
    least: int,
    upgrade: Upgrade | None = None,
) -> Result:
    """Restart the servers by turns, once at least, while so many requests a second are sent.

    `ports`: where clients ask. `least`: how many requests are sent at least.
    """
    rolled = asyncio.Event()
    connections = [Connection(ports) for _ in range(CLIENTS)]
    asking = asyncio.create_task(ask_on(connections, rate, SECRET, rolled, least))
    if upgrade is not None:
        await asyncio.sleep(CALM)
        await upgrade.migrate()
    while True:
        for server in servers:
            server.program = COMMAND
            await server.restart()
        if upgrade is not None and not rolled.is_set():
            await upgrade.migrate("--finish")
        rolled.set()
        # What is left to be sent may be too little for another round: then it is sent in peace.
        if asking.done() or await _is_done_soon(asking):
            return await asking


async def _is_done_soon(asking: asyncio.Task[Result]) -> bool:
    done, _ = await asyncio.wait([asking], timeout=5)
    return bool(done)


def report(way: Way, result: Result) -> None:
    failed = result.failed.total()
    typer.echo(
        f"{way.value}: {failed} failed of {failed + result.sent.total()}; "
        f"the slowest took {result.slowest:.2f} s"
    )
    for (second, how), count in sorted(result.failed.items()):
        typer.echo(f"  second {second}: {count} of {count + result.sent[second]}, {how}")


@contextmanager
def database_in(
    folder: Path, name: str = DATABASE, program: Path = COMMAND
) -> Iterator[tuple[str, str]]:
    """Yield the URLs, as the server's role and as the superuser, of a new database in the folder.

    `program`: the `todo-api` that migrates it.
    """
    with embedded_postgres(folder) as postgres:
        with psycopg.connect(postgres.superuser_url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        postgres.create_database(name)
        todo(postgres.superuser_url(name), "migrate", program=program)
        yield postgres.url(SERVER_ROLE, name), postgres.superuser_url(name)


async def _all_ready(servers: Sequence[Server]) -> None:
    for server in servers:
        await server.wait_until_ready()


def main(
    ways: Annotated[list[Way] | None, typer.Option("--by", help="The way to the servers.")] = None,
    servers: Annotated[int, typer.Option(min=2, help="How many servers.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Workers of each server.")] = 1,
    rate: Annotated[float, typer.Option(min=1, help="Requests a second.")] = 150,
    requests: Annotated[int, typer.Option(min=0, help="Requests by each way, at least.")] = 3000,
    drain: Annotated[float, typer.Option(help="SHUTDOWN_DRAIN_SECONDS of the servers.")] = 5,
    older: Annotated[
        Path | None,
        typer.Option(help="The `todo-api` of another release, from which servers are upgraded."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where PostgreSQL and the logs are kept.")
    ] = None,
) -> None:
    """Restart servers one after the other under load, and count the requests that fail."""
    failed = 0
    for way in ways or list(Way):
        with ExitStack() as stack:
            if folder is None:
                kept = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rehearse-")))
            else:
                kept = folder
                kept.mkdir(exist_ok=True)
            url, owner = stack.enter_context(database_in(kept, program=older or COMMAND))
            settings = {"SHUTDOWN_DRAIN_SECONDS": str(drain)}
            running = []
            for _ in range(servers):
                running.append(Server(url, kept, workers, settings, older or COMMAND))
                stack.callback(running[-1].kill)
            asyncio.run(_all_ready(running))
            ports = [server.port for server in running]
            if way is not Way.DIRECT:
                reuse = "always" if way is Way.REUSING else "safe"
                ports = [stack.enter_context(haproxy(ports, kept, reuse))]
            upgrade = None if older is None else Upgrade(older, owner)
            result = asyncio.run(roll(running, ports, rate, requests, upgrade))
        report(way, result)
        failed += result.failed.total()
    sys.exit(failed > 0)


if __name__ == "__main__":
    typer.run(main)
