"""A day of an operator: whatever befalls a service, one after the other, while clients ask.

`python -m scripts.rehearse.day` prints the requests that failed, by act and second, and exits with
1 if any did that should not have, or if a write was lost or made twice. It needs HAProxy,
PgBouncer and the programs of a PostgreSQL (`--programs`); as root also the full disk is played.

Three servers stand behind HAProxy, by `deploy/haproxy.cfg`: two on the database by the addresses of
primary and standby, one through PgBouncer.
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import typer

from auth.signing import make_token
from scripts.rehearse.clients import LIST, Connection, as_http, status_of
from scripts.rehearse.clusters import NotAsItShouldBe, rows, run, say
from scripts.rehearse.load import Load
from scripts.rehearse.pair import Disk, Node, Pooler, pair
from scripts.rehearse.servers import COMMAND, Server, haproxy
from scripts.rehearse.verdict import judge, report
from tests.auth_server import AuthServer

SECRETS = ("the-secret-of-the-morning-of-32-bytes", "the-secret-of-the-evening-of-32-bytes")
PASSWORDS = {"todo_api": "morning", "todo_api_b": "evening"}
"""Of the login that servers begin with, and of the one that takes its place."""

PAUSE = 3.0
"""Seconds between two acts, which belong to the one before."""

LEAVING = "the-one-who-leaves"
TASKS_OF_LEAVING = 2000


class Day:
    """The service, and its operator's hands."""

    def __init__(
        self, primary: Node, standby: Node, pooler: Pooler, disk: Disk | None, folder: Path
    ) -> None:
        self.primary, self.standby, self.pooler, self.disk = primary, standby, pooler, disk
        self.folder = folder
        self.keys = AuthServer()
        self.kid = self.keys.add_key()
        self.secret = SECRETS[0]
        self.login = "todo_api"
        self.pooler.configure(primary.port, PASSWORDS)
        self.pooler.start()
        todo(self.owner_url(), self.urls()["DATABASE_URL"], "migrate")
        common = {"BETTER_AUTH_SECRET": self.secret, "JWKS_URL": self.keys.jwks_url}
        urls = [self.urls(pooled=pooled) for pooled in (False, False, True)]
        self.servers = [Server("", folder, 1, {**common, **each}) for each in urls]

    def urls(self, *, pooled: bool = False) -> dict[str, str]:
        """Return the settings that lead a server to the database, wherever that is."""
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        user = f"postgresql://{self.login}:{PASSWORDS[self.login]}"
        direct = f"{user}@{hosts}/todo?target_session_attrs=read-write"
        through = f"{user}@127.0.0.1:{self.pooler.port}/todo"
        return {"DATABASE_URL": through if pooled else direct, "LISTEN_DATABASE_URL": direct}

    def owner_url(self, database: str = "todo") -> str:
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return f"postgresql://postgres@{hosts}/{database}?target_session_attrs=read-write"

    def sign(self, user: str) -> str:
        """Return a token by the shared secret for every other user, by the key for the rest."""
        if user[-1] in "02468":
            return token_of(self.secret, user)
        now = int(time.time())
        return self.keys.sign({"sub": user, "iat": now, "exp": now + 600}, self.kid)

    async def roll(self, **changes: str) -> None:
        for number, server in enumerate(self.servers):
            await server.restart({**self.urls(pooled=number == 2), **changes})

    # The acts, in their order.

    async def roll_servers(self, _: Load) -> None:
        await self.roll(LOG_REQUESTS="slow")

    async def change_password(self, _: Load) -> None:
        given = self.urls()["DATABASE_URL"].replace(PASSWORDS["todo_api"], PASSWORDS["todo_api_b"])
        words = ["migrate", "--login", "todo_api_b"]
        await asyncio.to_thread(todo, self.owner_url(), given, *words)
        self.login = "todo_api_b"
        await self.roll()
        statement = "ALTER ROLE todo_api NOLOGIN PASSWORD NULL"
        await asyncio.to_thread(self.primary.execute, statement)

    async def change_secret(self, _: Load) -> None:
        old, new = SECRETS
        await self.roll(BETTER_AUTH_SECRET=new, BETTER_AUTH_SECRET_PREVIOUS=old)
        self.secret = new
        await asyncio.sleep(1)
        await self.roll(BETTER_AUTH_SECRET_PREVIOUS="")

    async def change_keys(self, load: Load) -> None:
        stranger = asyncio.create_task(self._make_up_keys())
        await asyncio.sleep(4)
        load.begin("key set")
        self.kid = self.keys.add_key()
        await asyncio.sleep(6)
        stranger.cancel()

    async def _make_up_keys(self) -> None:
        connections = [Connection([server.port]) for server in self.servers]
        number = 0
        while True:
            number += 1
            token = self.keys.sign({"sub": "x"}, self.kid, kid=f"made-up-{number}")
            for connection in connections:
                await connection.ask(as_http({"query": LIST}, token))
            await asyncio.sleep(0.1)

    async def restart_pooler(self, _: Load) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            await asyncio.to_thread(self.pooler.stop, number)
            await asyncio.sleep(0.3)
            self.pooler.start()
            await asyncio.sleep(3)

    async def end_backends(self, _: Load) -> None:
        statement = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE usename LIKE 'todo_api%'"
        )
        for _second in range(8):
            await asyncio.to_thread(self.primary.execute, statement)
            await asyncio.sleep(1)

    async def delete_user(self, _: Load) -> None:
        statements = (
            f"INSERT INTO users (id, name, email) VALUES ('{LEAVING}', 'Ada', 'ada@example.com')",
            f"INSERT INTO tasks (user_id, title) SELECT '{LEAVING}', n::text "
            f"FROM generate_series(1, {TASKS_OF_LEAVING}) AS n",
        )
        for statement in statements:
            await asyncio.to_thread(self.primary.execute, statement)
        url = self.urls()["DATABASE_URL"]
        await asyncio.to_thread(todo, self.owner_url(), url, "delete-user", LEAVING, "--yes")
        left = f"SELECT count(*) FROM tasks WHERE user_id = '{LEAVING}'"
        if await asyncio.to_thread(self.primary.execute, left) != [(0,)]:
            raise NotAsItShouldBe("tasks of the deleted user are left")

    async def fill_disk(self, _: Load) -> None:
        if self.disk is None:
            say("full disk: left out, for no file system may be mounted here")
            return
        await asyncio.to_thread(self.disk.fill)
        await asyncio.sleep(8)
        self.disk.empty()
        if await asyncio.to_thread(self.primary.start_if_ended):
            say("full disk: PostgreSQL had shut down, and was started")

    async def hang(self, _: Load) -> None:
        self.primary.signal(signal.SIGSTOP)
        await asyncio.sleep(8)
        self.primary.signal(signal.SIGCONT)

    async def fail_over(self, _: Load) -> None:
        self.primary.signal(signal.SIGKILL)
        await asyncio.sleep(2)
        await asyncio.to_thread(self.standby.promote)
        self.pooler.configure(self.standby.port, PASSWORDS)

    async def restore(self, _: Load) -> None:
        """Restore the dump of the morning beside, and serve it."""
        await asyncio.to_thread(self.standby.execute, "CREATE DATABASE restored", "postgres")
        owner = self.owner_url("restored")
        words = ["pg_restore", "-d", owner, str(self.folder / "dump")]
        await asyncio.to_thread(run, words)
        given = self.urls()["DATABASE_URL"].replace("/todo?", "/restored?")
        for command in (["migrate"], ["restored", "--yes"], ["doctor"]):
            await asyncio.to_thread(todo, owner, given, *command)
        settings = {"BETTER_AUTH_SECRET": self.secret, "LISTEN_DATABASE_URL": given}
        server = Server(given, self.folder, 1, settings)
        try:
            await server.wait_until_ready()
            connection = Connection([server.port])
            answer = await connection.ask(as_http({"query": LIST}, self.sign("user-0")))
            await connection.close()
            if answer.status != 200 or b'"totalCount":0' in answer.body:
                raise NotAsItShouldBe(f"what was restored is not served: {answer.body!r}")
        finally:
            server.kill()

    def dump(self) -> None:
        run(["pg_dump", "-Fc", "-f", str(self.folder / "dump"), self.owner_url()])

    def close(self) -> None:
        for server in self.servers:
            server.kill()
        self.pooler.stop()
        self.keys.stop()


ACTS: dict[str, Callable[[Day, Load], Coroutine[Any, Any, None]]] = {
    "roll": Day.roll_servers,
    "password": Day.change_password,
    "secret": Day.change_secret,
    "made-up keys": Day.change_keys,
    "pooler": Day.restart_pooler,
    "backends": Day.end_backends,
    "delete-user": Day.delete_user,
    "full disk": Day.fill_disk,
    "hang": Day.hang,
    "failover": Day.fail_over,
    "restore": Day.restore,
}


def token_of(secret: str, user: str) -> str:
    lifetime = timedelta(hours=1)
    return make_token(secret, user_id=user, lifetime=lifetime, issuer=None, audience=None)


def todo(owner: str, server: str, *words: str) -> str:
    """Run a command of ours as the owner of the database."""
    settings = {"MIGRATION_DATABASE_URL": owner, "DATABASE_URL": server}
    return run([COMMAND, *words], {**settings, "BETTER_AUTH_SECRET": SECRETS[1]})


async def play(day: Day, acts: list[str], rate: float, port: int) -> bool:
    """Play the acts; return whether all went as it should."""
    for server in day.servers:
        await server.wait_until_ready()
    # HAProxy takes a second to see it.
    while await status_of(port, "/ready") != HTTPStatus.OK:
        await asyncio.sleep(0.1)
    load = Load(port, rate, day.sign)
    asking = asyncio.create_task(load.run())
    await asyncio.sleep(PAUSE)
    await asyncio.to_thread(day.dump)
    for name in acts:
        load.begin(name)
        await ACTS[name](day, load)
        await asyncio.sleep(PAUSE)
        report(load.acts[-1])
    failed = await load.end()
    await asking
    return judge(load, failed, await asyncio.to_thread(stored, day))


def stored(day: Day) -> Counter[tuple[str, str]]:
    """Return how often there is a task of a title and an id."""
    found = rows(day.owner_url(), "SELECT title, id::text FROM tasks")
    return Counter((title, id) for title, id in found)


def main(
    acts: Annotated[list[str] | None, typer.Option("--act", help="Only these.")] = None,
    rate: Annotated[float, typer.Option(min=1, help="Requests a second.")] = 150,
    programs: Annotated[Path, typer.Option(help="Those of PostgreSQL.")] = Path(
        "/usr/lib/postgresql/15/bin"
    ),
    pgbouncer: Annotated[str, typer.Option(help="The program.")] = "/usr/sbin/pgbouncer",
    keep: Annotated[Path | None, typer.Option(help="A folder for logs, which is kept.")] = None,
) -> None:
    """Play the acts of a day under load, and count the requests that fail."""
    os.environ["PATH"] = f"{programs}:{os.environ['PATH']}:/usr/sbin"
    folder = Path(tempfile.mkdtemp(prefix="todo-day-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if keep is not None:
            stack.callback(keep_logs, folder, keep)
        primary, standby, disk = stack.enter_context(pair(programs, folder))
        day = Day(primary, standby, Pooler(pgbouncer, folder), disk, folder)
        stack.callback(day.close)
        ports = [server.port for server in day.servers]
        port = stack.enter_context(haproxy(ports, folder, None))
        try:
            is_well = asyncio.run(play(day, acts or list(ACTS), rate, port))
        except NotAsItShouldBe as error:
            sys.exit(f"WRONG  {error}")
    sys.exit(not is_well)


def keep_logs(folder: Path, where: Path) -> None:
    where.mkdir(exist_ok=True)
    for log in folder.glob("*.log"):
        shutil.copy(log, where)


if __name__ == "__main__":
    typer.run(main)
