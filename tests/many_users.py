"""A users of users who all reach for each other's tasks, and what they got hold of."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
import psycopg

from tests.api import NO_CERTIFICATES, Server
from tests.databases import Database

BATCH = 30
"""Tries in one document, within the limits on aliases and tokens."""

CONNECTIONS = 12
TASKS = 2
"""Tasks that each of the users has."""

PATIENT = {
    "request_timeout": 120,
    "database_pool_timeout": 60,
    "database_statement_timeout": 60,
}
"""Settings of a server that refuses nothing for the time it takes, however slow the machine."""

FIELDS = ("CREATED_AT", "UPDATED_AT", "TITLE")
SEEN = "id title owner { id }"
CREATE = f"""mutation ($a: String!, $b: String!) {{
  a: createTask(input: {{title: $a}}) {{ ... on Task {{ {SEEN} }} }}
  b: createTask(input: {{title: $b}}) {{ ... on Task {{ {SEEN} }} }}
}}"""
CURSORS = "{" + " ".join(
    f"{order}: tasks(first: 1, orderBy: {{field: {order}}}) {{ pageInfo {{ endCursor }} }}"
    for order in FIELDS
) + "}"  # fmt: skip
OUTCOMES = f"""
fragment Toggled on ToggleTaskResult {{
  __typename ... on Task {{ {SEEN} }} ... on VersionConflict {{ current {{ {SEEN} }} }}
}}
fragment Updated on UpdateTaskResult {{
  __typename ... on Task {{ {SEEN} }} ... on VersionConflict {{ current {{ {SEEN} }} }}
}}
"""
FAILING = "{ tasks(first: 101) { totalCount } }"
TOGGLE = f"mutation ($id: ID!) {{ toggleTask(input: {{id: $id}}) {{ ... on Task {{ {SEEN} }} }} }}"


def _batch(kind: str, parameter: str, tries: list[str]) -> str:
    """Return a document that repeats the tries, each with a variable of its own for its `$x`."""
    declared = ", ".join(f"$x{n}: {parameter}" for n in range(BATCH))
    fields = " ".join(
        f"t{n}: {tries[n % len(tries)].replace('$x', f'$x{n}')}" for n in range(BATCH)
    )
    return f"{kind} ({declared}) {{ {fields} }}"


READ = _batch("query", "ID!", [f"task(id: $x) {{ {SEEN} }}"])
WRITE = OUTCOMES + _batch(
    "mutation",
    "ID!",
    [
        'updateTask(input: {id: $x, title: "stolen"}) { ...Updated }',
        "updateTask(input: {id: $x, completed: true, expectedVersion: 1}) { ...Updated }",
        "updateTask(input: {id: $x}) { ...Updated }",
        "toggleTask(input: {id: $x}) { ...Toggled }",
        "deleteTask(input: {id: $x, expectedVersion: 1}) { __typename }",
        "deleteTask(input: {id: $x}) { __typename }",
    ],
)
PAGES = {
    order: _batch(
        "query",
        "String",
        [
            f"tasks(after: $x, orderBy: {{field: {order}}}) {{ nodes {{ {SEEN} }} }}",
            f"tasks(before: $x, orderBy: {{field: {order}}}) {{ nodes {{ {SEEN} }} }}",
            f"tasks(before: $x, orderBy: {{field: {order}}}) {{ totalCount }}",
        ],
    )
    for order in FIELDS
}


@dataclass
class Member:
    """One of the users. Each title begins with its owner's id, so that a foreign one is seen."""

    user_id: str
    token: str
    task_ids: list[str] = field(default_factory=list)
    cursors: dict[str, str] = field(default_factory=dict)
    changes: int = 0
    """How many of its own changes were acknowledged."""
    unsure: int = 0
    """How many more were asked for, and not answered."""


@dataclass
class ManyUsers:
    """Users with tasks, and the count of what they tried and of what they should not have got."""

    server: Server
    http: httpx2.AsyncClient
    name: str = field(default_factory=lambda: f"users-{uuid4().hex[:12]}")
    members: list[Member] = field(default_factory=list)
    tries: Counter[str] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    """How often which code was the answer, where none was meant."""

    async def gather(self, size: int) -> None:
        """Sign up as many users, each with tasks and a cursor of each order."""

        async def join(n: int) -> None:
            user_id = f"{self.name}-{n}."
            member = Member(user_id, self.server.token(user_id))
            titles = {"a": f"{user_id} a", "b": f"{user_id} b"}
            made = (await self.ask(member, CREATE, titles))["data"]
            member.task_ids = [made["a"]["id"], made["b"]["id"]]
            member.changes = TASKS
            pages = (await self.ask(member, CURSORS))["data"]
            member.cursors = {order: pages[order]["pageInfo"]["endCursor"] for order in FIELDS}
            self.members.append(member)

        await self._all(join(n) for n in range(size))

    async def ask(self, member: Member, query: str, variables: Any = None) -> Any:
        """Return the answer; whoever is named in it beside the member is a leak."""
        response = await self.http.post(
            "/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {member.token}"},
        )
        named = set(re.findall(rf"{self.name}-\d+\.", response.text))
        if named - {member.user_id}:
            self.leaks.append(f"{member.user_id} was shown {named}")
        return response.json()

    async def press(self, tries: int, seed: int = 0) -> None:
        """Reach that often for what others have; each batch besides does something of its own."""
        chance = random.Random(seed)
        kinds = (self.read, self.write, self.page)
        await self._all(kinds[n % 3](chance) for n in range(-(-tries // BATCH)))

    async def read(self, chance: random.Random) -> None:
        me, others = self._choose(chance)
        result = await self.ask(me, READ, _targets(chance.choice(o.task_ids) for o in others))
        self._compare("reads by id", result, dict.fromkeys(_names(), None))
        if chance.random() < 0.3 and "errors" not in await self.ask(me, FAILING):
            self.failures["a page that is too large was given"] += 1

    async def write(self, chance: random.Random) -> None:
        me, others = self._choose(chance)
        result = await self.ask(me, WRITE, _targets(chance.choice(o.task_ids) for o in others))
        nothing = {"__typename": "TaskNotFound"}
        self._compare("changes by id", result, dict.fromkeys(_names(), nothing))
        mine = await self.ask(me, TOGGLE, {"id": me.task_ids[0]})
        if "errors" not in mine and mine["data"]["toggleTask"]["id"] == me.task_ids[0]:
            me.changes += 1
        else:
            me.unsure += 1
            self._note_errors(mine)

    async def page(self, chance: random.Random) -> None:
        me, others = self._choose(chance)
        order = chance.choice(FIELDS)
        result = await self.ask(me, PAGES[order], _targets(o.cursors[order] for o in others))
        pages = (result.get("data") or {}).values()
        self.tries["pages by cursor"] += len(pages)
        mine = {f"{me.user_id} a", f"{me.user_id} b"}
        self.leaks += [
            f"{me.user_id} was shown {page}"
            for page in pages
            if page.get("totalCount", TASKS) != TASKS
            or not {task["title"] for task in page.get("nodes", [])} <= mine
        ]
        self._note_errors(result)

    def changed(self, database: Database) -> int:
        """Return how many of the users's rows are not as their owners alone have left them."""
        with psycopg.connect(database.superuser_url) as connection:
            counted: dict[str, int] = dict(
                connection.execute(
                    "SELECT c.user_id, c.version FROM task_counters c WHERE starts_with("
                    "c.user_id, %(name)s) AND (SELECT count(*) FROM tasks t WHERE t.user_id = "
                    "c.user_id AND starts_with(t.title, t.user_id)) = %(tasks)s",
                    {"name": self.name, "tasks": TASKS},
                ).fetchall()
            )
        return sum(
            not member.changes <= counted.get(member.user_id, -1) <= member.changes + member.unsure
            for member in self.members
        )

    def _choose(self, chance: random.Random) -> tuple[Member, list[Member]]:
        me = chance.choice(self.members)
        others = [member for member in self.members if member is not me]
        return me, chance.choices(others, k=BATCH)

    def _compare(self, what: str, result: Any, expected: dict[str, Any]) -> None:
        got = result.get("data") or {}
        self.tries[what] += max(len(got) - len(result.get("errors", [])), 0)
        # Null is what has failed, too: it tells nothing.
        self.leaks += [f"{k}: {v}" for k, v in got.items() if v not in (expected[k], None)]
        self._note_errors(result)

    def _note_errors(self, result: Any) -> None:
        for error in result.get("errors", []):
            self.failures[error["extensions"]["code"]] += 1

    async def _all(self, work: Iterable[Coroutine[Any, Any, None]]) -> None:
        places = asyncio.Semaphore(CONNECTIONS)

        async def one(task: Coroutine[Any, Any, None]) -> None:
            async with places:
                await task

        await asyncio.gather(*map(one, work))


def _names() -> list[str]:
    return [f"t{n}" for n in range(BATCH)]


def _targets(values: Iterable[str]) -> dict[str, str]:
    return {f"x{n}": value for n, value in enumerate(values)}


def client_of(server: Server) -> httpx2.AsyncClient:
    """Return a client for all of the users: who asks is said with each request."""
    return httpx2.AsyncClient(
        base_url=server.url,
        headers={"Accept": "application/graphql-response+json"},
        limits=httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        timeout=60,
        verify=NO_CERTIFICATES,
    )
