"""Through PgBouncer in transaction mode, where sessions are shared: everybody gets their own."""

import asyncio
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from app.database.listener import can_listen
from app.database.migration import MigrationFailed, finish
from app.database.pipelined import PipelinedDatabase
from app.database.urls import SERVER_ROLE
from models.statement import Sql, Statement
from models.user import UserId
from tests.api import running_server, settings_for
from tests.counts import Count
from tests.databases import Database
from tests.many_users import PATIENT, ManyUsers, client_of

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="needs PgBouncer: apt install pgbouncer")

USERS = 50
TRIES = 20_000


def version() -> tuple[int, ...]:
    if PGBOUNCER is None:
        return (0, 0)
    said = subprocess.run([str(PGBOUNCER), "--version"], capture_output=True, text=True).stdout
    found = re.search(r"PgBouncer (\d+)\.(\d+)", said)
    assert found is not None
    return int(found[1]), int(found[2])


@pytest.fixture
def bouncer(database: Database) -> Iterator[Callable[[str], str]]:
    """PgBouncer before the database, with two server connections; return URLs through it."""
    postgres_socket = Path(parse_qs(urlsplit(database.superuser_url).query)["host"][0])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    (folder / "users").write_text('"todo_api" ""\n"postgres" ""\n')
    prepared = "max_prepared_statements = 100" if version() >= (1, 21) else ""
    (folder / "ini").write_text(
        f"""[databases]
        * = host={postgres_socket}
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = trust
        auth_file = {folder}/users
        pool_mode = transaction
        default_pool_size = 2
        max_client_conn = 200
        logfile = {folder}/log
        {prepared}
        """.replace("\n        ", "\n")
    )
    command = [str(PGBOUNCER), "-q", str(folder / "ini")]
    if os.geteuid() == 0:
        # It does not run as root, so it runs as who may reach PostgreSQL's socket.
        shutil.chown(folder, postgres_socket.owner())
        command[1:1] = ["-u", postgres_socket.owner()]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)

    def url(role: str) -> str:
        return f"postgresql://{role}@127.0.0.1:{port}/{database.name}"

    try:
        for _ in range(200):
            try:
                psycopg.connect(url("todo_api"), connect_timeout=2).close()
            except psycopg.OperationalError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.02)
            else:
                break
        yield url
    finally:
        process.terminate()
        process.wait(10)
        assert process.stderr is not None
        process.stderr.close()
        shutil.rmtree(folder)


# From 1.21 on PgBouncer passes prepared statements on.
@pytest.mark.parametrize("prepared", [False, True] if version() >= (1, 21) else [False])
async def test_through_a_pooler_everybody_gets_their_own(
    bouncer: Callable[[str], str], database: Database, count: Count, prepared: bool
) -> None:
    settings = settings_for(
        bouncer("todo_api"),
        database_pool_max_size=6,
        database_prepared_statements=prepared,
        **PATIENT,
    )
    with running_server(settings) as server:
        async with client_of(server) as http:
            users = ManyUsers(server, http)
            await users.gather(USERS)
            await users.press(TRIES)
    changed = users.changed(database)
    count("tries of many users through PgBouncer", users.tries.total())
    count(
        "tries of many users through PgBouncer that told or changed something",
        len(users.leaks) + changed,
    )
    assert (users.leaks[:3], changed, users.failures) == ([], 0, {})
    assert users.tries.total() >= TRIES


async def test_through_a_pooler_no_call_is_torn_apart(
    bouncer: Callable[[str], str], database: Database
) -> None:
    # Longer than what PgBouncer reads at once, so that it has parts of calls in its hands.
    echo = Sql("SELECT current_setting('app.user_id'), $1", ("said",), tuple, writes=False)
    url = bouncer("todo_api")
    shared = PipelinedDatabase(
        url, settings_for(url, database_prepared_statements=False, database_pool_timeout=60)
    )

    answered: Counter[int] = Counter()

    async def ask(n: int) -> None:
        dice = random.Random(n)
        for _ in range(200):
            said = str(n) * dice.randrange(100, 900)
            found = await shared.fetch(Statement(echo, UserId(f"user {n}"), {"said": said}))
            assert found == [(f"user {n}", said)]
            answered[n] += 1

    await shared.open()
    try:
        await asyncio.gather(*(ask(n) for n in range(100, 164)))
    finally:
        await shared.close()
    assert answered == dict.fromkeys(range(100, 164), 200)


async def test_through_a_pooler_nothing_is_heard_and_a_direct_connection_mends_it(
    bouncer: Callable[[str], str], database: Database
) -> None:
    pooled = settings_for(bouncer("todo_api"), database_prepared_statements=False)
    assert not await can_listen(pooled)
    direct = pooled.model_copy(update={"listen_database_url": database.server_url})
    assert await can_listen(direct)


def test_older_code_behind_it_is_seen(bouncer: Callable[[str], str], database: Database) -> None:
    url = bouncer(SERVER_ROLE)
    with psycopg.connect(url, application_name="todo-api", prepare_threshold=None) as older:
        older.execute("SELECT 1")
        with pytest.raises(MigrationFailed, match=r"1 of 0\.2\.0 or older"):
            finish(database.superuser_url)
