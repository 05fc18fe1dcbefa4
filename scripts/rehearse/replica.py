"""Rehearses a standby that answers reads: paused, killed and started anew, beside two servers.

    uv run python -m scripts.rehearse.replica

Each write goes to one of the servers, and what it made is read at the other at once, and then by
whoever made it, now and then. An answer is stale that has a task at a lower version than its owner
was told, or lacks it. The exit code is 1 where one is, or where a request failed.
"""

import argparse
import asyncio
import random
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2

from auth.signing import make_token
from scripts.rehearse.servers import SECRET, Server
from tests.databases import folder_for_postgres
from tests.standbys import Standby, primary_and_standby

CREATE = """mutation ($input: CreateTaskInput!) {
  createTask(input: $input) { ... on Task { id version } }
}"""
TOGGLE = """mutation ($input: ToggleTaskInput!) {
  toggleTask(input: $input) { ... on Task { id version } }
}"""
LIST = "{ tasks(first: 10) { totalCount nodes { id version title completed } } }"
USERS = 3000
"""So many that most have not written for the time in which they are read from the primary."""
WRITES = 0.15
"""The share of requests that write."""
METRICS = "a-token-for-metrics-of-thirty-two-bytes-or-more"
WARM_UP = 20.0
"""Seconds until the servers have listened for long enough to read from the standby."""


@dataclass
class User:
    """What a user was told."""

    token: str
    task: str = ""
    version: int = 0


@dataclass
class Seen:
    """What became of the requests of one phase."""

    answers: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    writes: int = 0
    by_standby: int = 0
    again: int = 0


class Rehearsal:
    """Users, and the servers they go to by turns."""

    def __init__(self, servers: Sequence[Server], http: httpx2.AsyncClient) -> None:
        self._servers = servers
        self._http = http
        self._users = [User(_token(f"user-{n}-{uuid4().hex}")) for n in range(USERS)]
        self.seen = Seen()

    async def fill(self) -> None:
        """Make each user's task."""
        turns = asyncio.Semaphore(10)

        async def make(user: User) -> None:
            async with turns:
                await self._write(user, self._servers[0])

        await asyncio.gather(*map(make, self._users))

    async def phase(self, name: str, seconds: float, rate: float) -> Seen:
        """Send so many requests a second, and print what became of them."""
        self.seen, tasks = Seen(), set[asyncio.Task[None]]()
        before = await self._reads()
        began, number = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            task = asyncio.create_task(self._act())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        await asyncio.gather(*tasks)
        after, seen = await self._reads(), self.seen
        seen.by_standby, seen.again = (new - old for new, old in zip(after, before, strict=True))
        good, bad = seen.answers["good"], {**seen.answers}
        bad.pop("good", None)
        reads = good - seen.writes
        print(
            f"{name:26} {good / seconds:5.0f} a second; {seen.writes} writes, {reads} reads; of "
            f"their statements {seen.by_standby} by the standby, {seen.again} asked again; slowest "
            f"{seen.slowest:.2f} s; bad: {bad or 0}",
            flush=True,
        )
        return seen

    async def _act(self) -> None:
        user, servers = random.choice(self._users), random.sample(self._servers, 2)
        began = time.monotonic()
        try:
            if random.random() < WRITES:
                await self._write(user, servers[0])
                began = time.monotonic()
            await self._read(user, servers[1])
        except (httpx2.HTTPError, KeyError, TypeError, ValueError) as error:
            self.seen.answers[f"failed: {type(error).__name__} {error}"[:90]] += 1
        self.seen.slowest = max(self.seen.slowest, time.monotonic() - began)

    async def _write(self, user: User, server: Server) -> None:
        if user.task:
            data = await self._ask(user, server, TOGGLE, {"id": user.task})
            told = data["toggleTask"]
        else:
            given = {"title": "Rehearse", "idempotencyKey": uuid4().hex}
            told = (await self._ask(user, server, CREATE, given))["createTask"]
        user.task, user.version = told["id"], max(user.version, told["version"])
        self.seen.answers["good"] += 1
        self.seen.writes += 1

    async def _read(self, user: User, server: Server) -> None:
        told = user.version
        (task,) = (await self._ask(user, server, LIST))["tasks"]["nodes"] or [{"version": 0}]
        self.seen.answers["good" if task["version"] >= told else "stale"] += 1

    async def _ask(
        self, user: User, server: Server, query: str, given: dict[str, str] | None = None
    ) -> dict[str, Any]:
        answer = await self._http.post(
            f"http://127.0.0.1:{server.port}/graphql",
            json={"query": query, "variables": {"input": given} if given else {}},
            headers={"Authorization": f"Bearer {user.token}"},
        )
        found = answer.json()
        if found.get("errors"):
            raise ValueError(found["errors"][0]["message"])
        data: dict[str, Any] = found["data"]
        return data

    async def _reads(self) -> tuple[int, int]:
        """Return how many reads the standby answered, and how many were asked again."""
        found = Counter[str]()
        for server in self._servers:
            answer = await self._http.get(
                f"http://127.0.0.1:{server.port}/metrics",
                headers={"Authorization": f"Bearer {METRICS}"},
            )
            pattern = r'todo_api_replica_reads_total\{result="(\w+)"\} ([\d.]+)'
            for result, count in re.findall(pattern, answer.text):
                found[result] += int(float(count))
        return found["answered"], found["asked_again"]


def _token(user: str) -> str:
    return make_token(SECRET, user_id=user, lifetime=timedelta(hours=1), issuer=None, audience=None)


@asynccontextmanager
async def rehearsal(servers: Sequence[Server]) -> AsyncIterator[Rehearsal]:
    limits = httpx2.Limits(max_connections=50, max_keepalive_connections=50)
    async with httpx2.AsyncClient(timeout=30, limits=limits) as http:
        for server in servers:
            await server.wait_until_ready()
        yield Rehearsal(servers, http)


async def rehearse(servers: Sequence[Server], standby: Standby, rate: float) -> bool:
    """Return whether nobody was shown less than they were told, and no request failed."""
    async with rehearsal(servers) as all_users:
        await all_users.fill()
        await all_users.phase("until the standby is used", WARM_UP, rate / 4)
        phases = [await all_users.phase("the standby replays", 10, rate)]
        standby.pause()
        phases.append(await all_users.phase("paused for 15 s", 15, rate))
        standby.resume()
        phases.append(await all_users.phase("replays again", 15, rate))
        killing = asyncio.create_task(_kill_after(2, standby))
        phases.append(await all_users.phase("killed after 2 s", 12, rate))
        await killing
        await asyncio.to_thread(standby.start)
        phases.append(await all_users.phase("started anew", 12, rate))
    return all(set(seen.answers) <= {"good"} for seen in phases)


async def _kill_after(seconds: float, standby: Standby) -> None:
    await asyncio.sleep(seconds)
    await asyncio.to_thread(standby.kill)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rate", type=float, default=200, help="requests a second")
    rate = parser.parse_args().rate
    with ExitStack() as stack:
        folder = stack.enter_context(folder_for_postgres())
        database, standby = stack.enter_context(primary_and_standby(folder))
        settings = {
            "DATABASE_READ_URL": standby.url(database.name),
            "RATE_LIMIT": "0",
            "METRICS": "path",
            "METRICS_TOKEN": METRICS,
            "LOG_REQUESTS": "slow",
        }
        servers = [Server(database.server_url, folder, 1, settings) for _ in range(2)]
        for server in servers:
            stack.callback(server.kill)
        is_good = asyncio.run(rehearse(servers, standby, rate))
        for server in servers:
            for line in server.log.read_text().splitlines():
                if "replica" in line:
                    print(line)
    if not is_good:
        sys.exit("WRONG  an answer was stale, or a request failed")


if __name__ == "__main__":
    main()
