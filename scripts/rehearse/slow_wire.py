"""A rehearsal: the server far away from its database, directly and through PgBouncer.

It says how long requests take, how many lists with a count are answered in a second, and whether
every answer was its owner's. It needs the development tools, and a PgBouncer.

    uv run python -m scripts.rehearse.slow_wire --pgbouncer /usr/sbin/pgbouncer --pgbouncer OTHER
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from app.database.embedded import embedded_postgres
from app.database.migration import upgrade
from auth.signing import make_token
from tests.bouncers import INSTALLED, bouncer_before, version_of
from tests.databases import Database, folder_for_postgres
from tests.proxy import Proxy, proxy_before, proxy_to

SECRET = "a-secret-for-rehearsals-of-thirty-two-bytes"
OWNERS, TASKS = 50, 3
SERVER_CONNECTIONS, CLIENT_CONNECTIONS = 4, 8
"""Those of PgBouncer to PostgreSQL, and those of the server to PgBouncer."""
PIECE = 90
"""Bytes that are passed on at a time where requests are torn."""

COUNTED = "{ tasks { nodes { title } totalCount } }"
QUERIES = {
    "list": "{ tasks { nodes { title } } }",
    "list with count": COUNTED,
    "search with count": '{ tasks(filter: {search: "task"}) { nodes { title } totalCount } }',
}
CREATE = """mutation ($title: String!) {
  createTask(input: {title: $title}) { ... on Task { title } }
}"""
LISTS = 20
"""After so many lists an owner makes a task, so that their count changes."""


class Owner:
    """Somebody with a connection to the server, who knows how many tasks they have."""

    def __init__(self, port: int, number: int) -> None:
        self._port = port
        # The port tells the owners of one server from those of the next.
        self.name = f"owner-{port}-{number}"
        token = make_token(
            SECRET, user_id=self.name, lifetime=timedelta(hours=1), issuer=None, audience=None
        )
        self._head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.tasks = 0

    async def ask(self, query: str, **variables: str) -> dict[str, Any]:
        """Return the answer's `data`; empty where there is none."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        body = json.dumps({"query": query, "variables": variables}).encode()
        head = f"{self._head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        (length,) = (line[15:] for line in lines if line.startswith(b"content-length:"))
        answer = json.loads(await reader.readexactly(int(length)))
        return answer.get("data") or {}

    async def create(self) -> bool:
        title = f"{self.name} task {self.tasks}"
        made = (await self.ask(CREATE, title=title)).get("createTask")
        self.tasks += made == {"title": title}
        return made is not None

    async def list(self, query: str = COUNTED) -> str:
        """Ask for the tasks; return whether they are this owner's, all of them, or why not."""
        page = (await self.ask(query)).get("tasks")
        if page is None:
            return "failed"
        titles = {node["title"] for node in page["nodes"]}
        own = {f"{self.name} task {n}" for n in range(self.tasks)}
        if not titles <= own or page.get("totalCount", self.tasks) != self.tasks:
            return "foreign"
        return "own"


@contextmanager
def serving(url: str) -> Iterator[int]:
    """Run a server of one worker on the database; yield its port when it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": url,
        "DATABASE_POOL_MAX_SIZE": str(CLIENT_CONNECTIONS),
        "BETTER_AUTH_SECRET": SECRET,
        "RATE_LIMIT": "0",
    }
    command = [str(Path(sys.executable).with_name("todo-api")), "serve", "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stderr=log, stdout=log)
        try:
            until_ready(port)
            yield port
        finally:
            process.terminate()
            process.wait(30)


def until_ready(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(0.2)
        with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/ready"):
            return
    raise TimeoutError("the server is not ready")


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one way to the database."""

    milliseconds: dict[str, float]
    """The median of one request after another."""
    rate: float
    """Lists with a count in a second."""
    outcomes: Counter[str]


async def measure(port: int, seconds: float) -> Figures:
    owners = [Owner(port, n) for n in range(OWNERS)]
    await asyncio.gather(*(fill(owner) for owner in owners))
    milliseconds = {}
    for name, query in QUERIES.items():
        times = []
        for _ in range(15):
            began = time.perf_counter()
            await owners[0].list(query)
            times.append(1000 * (time.perf_counter() - began))
        milliseconds[name] = statistics.median(times)
    outcomes = Counter[str]()
    end = time.monotonic() + seconds
    await asyncio.gather(*(press(owner, end, outcomes) for owner in owners))
    return Figures(milliseconds, outcomes["own"] / seconds, outcomes)


async def fill(owner: Owner) -> None:
    while owner.tasks < TASKS:
        await owner.create()


async def press(owner: Owner, end: float, outcomes: Counter[str]) -> None:
    while time.monotonic() < end:
        for _ in range(LISTS):
            outcomes[await owner.list()] += 1
            if time.monotonic() > end:
                return
        if not await owner.create():
            outcomes["create failed"] += 1


def ways(database: Database, programs: list[str], stack: ExitStack) -> Iterator[tuple[str, Proxy]]:
    """Yield what the database is reached by, each with a proxy in front."""
    yield "direct", stack.enter_context(proxy_before(database))
    for program in programs:
        bouncer = stack.enter_context(bouncer_before(database, program, SERVER_CONNECTIONS))
        version = ".".join(map(str, version_of(program)))
        yield f"PgBouncer {version}", stack.enter_context(proxy_to(bouncer.port))


def line_of(way: str, wire: str, figures: Figures) -> str:
    times = [f"{figures.milliseconds[name]:>15.0f} ms" for name in QUERIES]
    outcomes = ", ".join(f"{number} {outcome}" for outcome, number in figures.outcomes.items())
    return " ".join([f"{way:<16} {wire:<5}", *times, f"{figures.rate:>7.0f}  {outcomes}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pgbouncer", action="append", help="a program; may be given repeatedly")
    parser.add_argument("--wire", action="append", help="near, far or torn; all if left out")
    parser.add_argument("--round-trip", type=float, default=40, help="milliseconds")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    arguments = parser.parse_args()
    programs = arguments.pgbouncer or [each for each in [INSTALLED] if each]
    wires = {"near": (0.0, None), "far": (arguments.round_trip / 2000, None), "torn": (0.0, PIECE)}
    total = Counter[str]()
    print(f"{'way':<16} {'wire':<5}", *(f"{name:>18}" for name in QUERIES), "lists/s  outcomes")
    with (
        folder_for_postgres() as folder,
        embedded_postgres(folder) as postgres,
        ExitStack() as stack,
    ):
        postgres.create_database("rehearsal")
        database = Database(postgres, "rehearsal")
        upgrade(database.superuser_url)
        for way, proxy in ways(database, programs, stack):
            for wire in arguments.wire or wires:
                proxy.delay, proxy.piece = wires[wire]
                with serving(proxy.url("todo_api", database)) as port:
                    figures = asyncio.run(measure(port, arguments.seconds))
                total += figures.outcomes
                print(line_of(way, wire, figures), flush=True)
    print(f"{total.total()} answers, {total['foreign']} of them another owner's or not complete")
    sys.exit(1 if total["foreign"] else 0)


if __name__ == "__main__":
    main()
