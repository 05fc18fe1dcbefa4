"""More is asked than the database can do, or it takes nobody in: all are answered, and soon."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx2
import psutil
import psycopg
from psycopg import sql

from app.database.urls import SERVER_ROLE
from auth.signing import make_token
from tests.api import (
    CREATE,
    NO_CERTIFICATES,
    SECRET,
    TOGGLE,
    Caller,
    running_server,
    settings_for,
    status_in_the_end,
)
from tests.counts import Count
from tests.databases import Database
from tests.http.test_serving import started
from tests.locks import held_task, waiting_behind
from tests.proxy import proxy_before

REQUESTS = 1000
AT_ONCE = 100
MEMORY_MAX = 30 * 1024 * 1024
POOL_TIMEOUT = 0.2
"""Seconds that a request waits for a connection here."""


async def flood(url: str, token: str, requests: int) -> list[tuple[httpx2.Response, float]]:
    """Send that many reads, many at once; return the answers, and how long each took."""
    places = asyncio.Semaphore(AT_ONCE)
    limits = httpx2.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(
        headers=headers, limits=limits, timeout=60, verify=NO_CERTIFICATES
    ) as http:

        async def ask() -> tuple[httpx2.Response, float]:
            async with places:
                began = time.monotonic()
                response = await http.post(f"{url}/graphql", json={"query": "{ me { id } }"})
                return response, time.monotonic() - began

        return await asyncio.gather(*(ask() for _ in range(requests)))


async def test_where_no_connection_is_free_all_are_told_so_soon(
    database: Database, count: Count, tmp_path: Path
) -> None:
    environment = {
        "DATABASE_URL": database.server_url,
        "BETTER_AUTH_SECRET": SECRET,
        "DATABASE_POOL_MAX_SIZE": "2",
        "DATABASE_POOL_TIMEOUT": str(POOL_TIMEOUT),
        "DATABASE_STATEMENT_TIMEOUT": "60",
        "REQUEST_TIMEOUT": "120",
        # On a cluster all go through the coordinator: else one node alone would be busy.
        "DATABASE_NODES": "false",
    }
    token = make_token(
        SECRET, user_id="overload", lifetime=timedelta(minutes=5), issuer=None, audience=None
    )
    with started(["todo-api", "serve", "--port", "{port}"], environment, tmp_path) as process:
        process.wait_until_ready()
        url = f"http://127.0.0.1:{process.port}"
        await flood(url, token, AT_ONCE)
        with all_connections_blocked(url, token, database):
            before = psutil.Process(process.process.pid).memory_info().rss
            answers = await flood(url, token, REQUESTS)
            grown = psutil.Process(process.process.pid).memory_info().rss - before
            alive = process.get("/health")
            deadline = time.monotonic() + 30
            while process.get("/ready").status_code != 503:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        process.wait_until_ready()
    refused = [answer for answer, _ in answers if answer.status_code == 503]
    count("requests while no connection was free", len(answers))
    count("requests while no connection was free that were told so by 503", len(refused))
    count("KiB that the server grew by meanwhile", max(grown // 1024, 0))
    assert len(refused) == REQUESTS
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert {answer.json()["errors"][0]["extensions"]["code"] for answer in refused} == {
        "SERVICE_UNAVAILABLE"
    }
    assert max(seconds for _, seconds in answers) < POOL_TIMEOUT + 10
    assert alive.status_code == 200
    assert grown < MEMORY_MAX


@contextmanager
def all_connections_blocked(url: str, token: str, database: Database) -> Iterator[None]:
    """Have every connection of the server's wait for a lock."""
    caller = Caller(url, "overload", token)
    task = caller.create()
    with (
        ThreadPoolExecutor(8) as threads,
        held_task(database, caller.user_id, task["id"]) as connection,
    ):
        deadline = time.monotonic() + 30
        asked = 0
        while waiting_behind(database, connection) < 2:
            assert time.monotonic() < deadline
            if asked < 8:
                toggle = {"input": {"id": task["id"]}}
                threads.submit(caller.post, TOGGLE, toggle)
                asked += 1
            time.sleep(0.2)
        yield
        connection.rollback()
    caller.http.close()


def admit(database: Database, connections: int) -> None:
    """Let the server have so many connections (-1: any number), and none that it had."""
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        name = sql.Identifier(database.name)
        connection.execute(
            sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(name, connections)
        )
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE usename = %s AND datname = current_database()",
            [SERVER_ROLE],
        )


def test_a_server_that_the_database_does_not_take_in_waits_and_recovers_alone(
    migrated_database: Database,
) -> None:
    settings = settings_for(migrated_database.server_url, database_pool_timeout=1.0)
    with running_server(settings) as server:
        assert status_in_the_end(server, "/ready", 200)
        user = server.user()
        task = user.create()
        admit(migrated_database, 0)
        assert status_in_the_end(server, "/ready", 503)
        refused = user.post(CREATE, {"input": {"title": "refused"}})
        assert refused.json()["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
        assert server.bearer(None).http.get("/health").status_code == 200
        admit(migrated_database, -1)
        assert status_in_the_end(server, "/ready", 200)
        assert user.page()["nodes"] == [task]


def test_a_server_with_fewer_connections_than_it_wants_serves_with_those(
    migrated_database: Database,
) -> None:
    admit(migrated_database, 2)
    settings = settings_for(migrated_database.server_url, database_pool_max_size=8)
    with running_server(settings) as server:
        user = server.user()
        user.create()
        with ThreadPoolExecutor(16) as threads:
            pages = list(threads.map(lambda _: user.page()["totalCount"], range(300)))
    assert pages == [1] * 300


def test_a_server_may_start_before_its_database(migrated_database: Database) -> None:
    with proxy_before(migrated_database) as proxy:
        proxy.refuse()
        url = proxy.url(SERVER_ROLE, migrated_database)
        with running_server(settings_for(url, database_pool_timeout=1.0)) as server:
            user = server.user()
            answer = user.post("{ me { id } }")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert server.bearer(None).http.get("/ready").status_code == 503
            assert server.bearer(None).http.get("/health").status_code == 200
            proxy.listen()
            assert status_in_the_end(server, "/ready", 200)
            assert user.create()["version"] == 1
