"""A server that nobody asks: after ten minutes it has no connection to its database.

`python -m scripts.rehearse.idle` asks two servers for a second and leaves them alone. Of the first
it ends the connection that listens, once that is the only one; it must open none in its place. It
prints how many connections each has, by minute, and exits with 1 if one has any in the end.
"""

import asyncio
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from scripts.rehearse.clients import Connection, ask_on
from scripts.rehearse.clusters import say
from scripts.rehearse.roll import database_in
from scripts.rehearse.servers import SECRET, Server

SECONDS = 660.0
"""Ten minutes of listening, and the time until it is looked at."""

LISTENS = 270.0
"""Seconds after which the connections of statements have ended, which live for 240."""

NAMES = ("first", "second")
COUNT = """
SELECT datname, count(*), count(*) FILTER (WHERE application_name LIKE '% live')
FROM pg_stat_activity WHERE application_name LIKE 'todo-api/%' GROUP BY 1
"""
END = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s"


async def ask(server: Server) -> None:
    await server.wait_until_ready()
    enough = asyncio.Event()
    enough.set()
    await ask_on([Connection([server.port]) for _ in range(10)], 50, SECRET, enough, 50)


def connections(url: str) -> dict[str, tuple[int, int]]:
    """Return how many connections each database has from servers, and how many of them listen."""
    with psycopg.connect(url) as connection:
        return {name: (count, live) for name, count, live in connection.execute(COUNT).fetchall()}


def watch(url: str, seconds: float) -> bool:
    """Print the connections until the time is over; return whether there are none then."""
    began = time.monotonic()
    is_ended = False
    while (age := time.monotonic() - began) < seconds:
        found = connections(url)
        told = ", ".join(f"{name} {found.get(name, (0, 0))[0]}" for name in NAMES)
        say(f"  {age / 60:4.1f} minutes: {told}")
        if age > LISTENS and not is_ended:
            with psycopg.connect(url) as connection:
                row = connection.execute(END, [NAMES[0]]).fetchone()
            say(f"  {row[0] if row else 0} of the first ended by hand")
            is_ended = True
        time.sleep(30)
    return not connections(url)


def main(
    seconds: Annotated[float, typer.Option(help="How long to leave them alone.")] = SECONDS,
) -> None:
    """Leave two servers alone, and count their connections."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rehearse-")))
        servers = []
        for name in NAMES:
            url, superuser_url = stack.enter_context(database_in(folder, name))
            servers.append(Server(url, folder, 1, {}))
            stack.callback(servers[-1].kill)
        for server in servers:
            asyncio.run(ask(server))
        sys.exit(not watch(superuser_url, seconds))


if __name__ == "__main__":
    typer.run(main)
