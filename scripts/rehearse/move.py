"""Rehearses a restore, and a move from an older PostgreSQL to a newer one, on servers of its own.

    uv run python -m scripts.rehearse.move --old /usr/lib/postgresql/15/bin

First a dump of the older server is restored into an empty newer one, which lacks the server's role;
then the tables are replicated while somebody makes tasks, and the servers are switched. After each,
`migrate` and `doctor` are run, after the restore `restored`, too. What was seen is printed, and the
exit code is 1 where it is not as it should be. Clusters lie in a folder of their own, which is
removed in the end.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psycopg

from app.database.embedded import embedded_postgres
from auth.signing import make_token
from scripts.rehearse.clusters import (
    PATIENCE,
    SECRET,
    NotAsItShouldBe,
    cluster,
    compare,
    fingerprints,
    free_port,
    rows,
    run,
    say,
    todo,
    until,
)
from scripts.rehearse.servers import COMMAND

FIRST_OF_ITS_OWN = 3308963600793600
"""Ids below it come from the sequence, those beyond from a trigger."""
IDS = f"""
SELECT pg_sequence_last_value(pg_get_serial_sequence('tasks', 'id')::regclass),
       max(id) FILTER (WHERE id < {FIRST_OF_ITS_OWN}), max(id) FILTER (WHERE user_id = 'user-0')
FROM tasks
"""
PROGRAMS = "SELECT setting FROM pg_config() WHERE name = 'BINDIR'"
CREATE = "mutation ($input: CreateTaskInput!) { createTask(input: $input) { ... on Task { id } } }"
CREATE_MANY = "mutation ($input: CreateTasksInput!) { createTasks(input: $input) { __typename } }"
USERS = 10
BATCHES = 3
"""Of 100 tasks, for each of the users."""
CHANGES_A_SECOND = 20


@dataclass
class Server:
    """A server of ours on a database."""

    url: str
    port: int = field(default_factory=free_port)

    @contextmanager
    def running(self, folder: Path) -> Iterator[None]:
        server = re.sub(r"//[^@]*@", "//todo_api@", self.url)
        environment = {"DATABASE_URL": server, "BETTER_AUTH_SECRET": SECRET, "RATE_LIMIT": "0"}
        with (folder / f"server-{self.port}.log").open("ab") as log:
            process = subprocess.Popen(
                [COMMAND, "serve", "--port", str(self.port)],
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
                cwd="/",
            )
        try:
            until(lambda: self._is_ready() or process.poll() is not None)
            yield
        finally:
            process.terminate()
            process.wait()

    def _is_ready(self) -> bool:
        try:
            return httpx2.get(f"http://127.0.0.1:{self.port}/ready").status_code == 200
        except httpx2.HTTPError:
            return False

    def post(self, user: int, query: str, input: Mapping[str, object]) -> dict[str, Any]:
        token = make_token(
            SECRET,
            user_id=f"user-{user}",
            lifetime=timedelta(minutes=30),
            issuer=None,
            audience=None,
        )
        answer = httpx2.post(
            f"http://127.0.0.1:{self.port}/graphql",
            json={"query": query, "variables": {"input": dict(input)}},
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        ).json()
        if answer.get("errors"):
            raise NotAsItShouldBe(f"a change failed: {answer['errors']}")
        return dict(answer["data"])


class Writer:
    """Makes tasks all the while, and notes the longest time between two that were acknowledged."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.made: list[int] = []
        self.longest = 0.0
        self.failed = 0
        self._free = threading.Event()
        self._idle = threading.Event()
        self._ended = False
        self._free.set()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def hold(self) -> None:
        """Send nothing more, as a balancer that lets requests wait; return when none is left."""
        self._idle.clear()
        self._free.clear()
        self._idle.wait(PATIENCE)

    def go_on(self, server: Server) -> None:
        self.server = server
        self._free.set()

    def end(self) -> None:
        self._ended = True
        self._free.set()
        self._thread.join()

    def _write(self) -> None:
        last, number = time.monotonic(), 0
        while not self._ended:
            if not self._free.is_set():
                self._idle.set()
                self._free.wait(PATIENCE)
            number += 1
            given = {"title": f"while it moves {number}", "idempotencyKey": uuid4().hex}
            try:
                made = self.server.post(number % USERS, CREATE, given)["createTask"]["id"]
            except (NotAsItShouldBe, httpx2.HTTPError):
                self.failed += 1
                continue
            self.made.append(int(made))
            self.longest = max(self.longest, time.monotonic() - last)
            last = time.monotonic()
            time.sleep(1 / CHANGES_A_SECOND)


def check_what_is_there(url: str, server: Server) -> None:
    """Check what holds after each move: rights, sequence, the next id, and a quiet second run."""
    again = todo(url, "migrate")
    if not again.startswith("The database is up to date."):
        raise NotAsItShouldBe(f"a second `migrate` is not quiet: {again}")
    told = todo(url, "doctor")
    say("\n".join(f"    {line}" for line in told.splitlines() if "Row security" in line))
    ((last, small, of_user),) = rows(url, IDS)
    made = int(server.post(0, CREATE, {"title": "after"})["createTask"]["id"])
    if made <= of_user or (last or 0) < (small or 0):
        raise NotAsItShouldBe(f"the next id is {made}, after {of_user}; the sequence at {last}")
    say(f"  next id {made}, above all of its user; the sequence at {last}, the last of it {small}")


def restore(old: str, new: str, programs: tuple[Path, Path], folder: Path) -> None:
    """Restore a dump of the old database into the new one, whose cluster has no role of ours.

    `programs`: those of the old server and of the new. The old one's dumps what it alone knows of.
    """
    began = time.monotonic()
    run([programs[0] / "pg_dump", "-Fc", "-f", folder / "dump", old])
    said = run([programs[1] / "pg_restore", "-d", new, folder / "dump"], failing=True)
    took = time.monotonic() - began
    if 'role "todo_api" does not exist' not in said:
        raise NotAsItShouldBe(f"the role was there, or was restored: {said}")
    before = fingerprints(old)
    compare(before, fingerprints(new))
    mended = todo(new, "migrate").count("Mended: ")
    say(f"  {sum(count for count, _ in before.values())} rows equal, {took:.1f} s; {mended} mended")
    say(f"  {todo(new, 'restored', '--yes').strip()}")
    server = Server(new)
    with server.running(folder):
        check_what_is_there(new, server)


def replicate(old: str, new: str, programs: tuple[Path, Path], folder: Path) -> None:
    """Replicate the old database into the new one under a light load, and switch the servers."""
    schema = run([programs[0] / "pg_dump", "--schema-only", old])
    (folder / "schema.sql").write_text(schema)
    run([programs[1] / "psql", "-q", "-f", folder / "schema.sql", new])
    with psycopg.connect(old, autocommit=True) as connection:
        connection.execute("CREATE PUBLICATION todo_move FOR ALL TABLES")
    before, after = Server(old), Server(new)
    with before.running(folder):
        writer = Writer(before)
        try:
            _switch(old, new, writer, after, folder)
        finally:
            writer.end()


def _switch(old: str, new: str, writer: Writer, after: Server, folder: Path) -> None:
    with psycopg.connect(new, autocommit=True) as connection:
        connection.execute(
            # Row security on the tables refuses whoever is not their owner.
            f"CREATE SUBSCRIPTION todo_move CONNECTION '{old}' PUBLICATION todo_move "
            "WITH (run_as_owner = true)"
        )
    until(
        lambda: (
            rows(new, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") == [(0,)]
        )
    )
    say(f"  copied while {len(writer.made)} tasks were made")
    # The role and its rights are made, and the new servers started, before anything stops.
    todo(new, "migrate")
    with after.running(folder):
        time.sleep(3)
        writer.hold()
        held = time.monotonic()
        ((position,),) = rows(old, "SELECT pg_current_wal_lsn()")
        until(
            lambda: (
                rows(
                    old,
                    f"SELECT replay_lsn >= '{position}' FROM pg_stat_replication "
                    "WHERE application_name = 'todo_move'",
                )
                == [(True,)]
            )
        )
        compare(fingerprints(old), fingerprints(new))
        with psycopg.connect(new, autocommit=True) as connection:
            connection.execute("ALTER SUBSCRIPTION todo_move DISABLE")
            connection.execute(
                "SELECT setval(pg_get_serial_sequence('tasks', 'id'), greatest(max(id), 1)) "
                "FROM tasks WHERE id < 3308963600793600"
            )
        writer.go_on(after)
        until(lambda: writer.server is after and writer.longest > time.monotonic() - held)
        time.sleep(3)
        writer.end()
        say(
            f"  all tables equal; {len(writer.made)} tasks made, {writer.failed} failed; "
            f"longest time between two {writer.longest:.2f} s"
        )
        with psycopg.connect(new, autocommit=True) as connection:
            connection.execute("DROP SUBSCRIPTION todo_move")
        found = {id for (id,) in rows(new, "SELECT id FROM tasks")}
        if not set(writer.made) <= found or writer.failed or writer.longest > 5:
            raise NotAsItShouldBe("tasks are lost, or it took too long")
        check_what_is_there(new, after)


def fill(url: str, folder: Path) -> None:
    server = Server(url)
    with server.running(folder):
        for user in range(USERS):
            server.post(user, CREATE, {"title": "first"})
            for batch in range(BATCHES):
                tasks = [{"title": f"Łódź {batch} {n}", "labels": ["Work"]} for n in range(100)]
                server.post(user, CREATE_MANY, {"tasks": tasks})
    # Those that code of the release before has made.
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO tasks (user_id, id, title, version) SELECT 'user-1', n, 'old', 1000 + n "
            "FROM generate_series(1, 50) AS n"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--old", type=Path, default=Path("/usr/lib/postgresql/15/bin"))
    programs_of_old = parser.parse_args().old
    folder = Path(tempfile.mkdtemp(prefix="todo-rehearsal-"))
    try:
        with cluster(programs_of_old, folder) as old:
            todo(old, "migrate")
            fill(old, folder)
            for name, act in (("restore", restore), ("replicate", replicate)):
                (folder / name).mkdir()
                with embedded_postgres(folder / name) as postgres:
                    postgres.create_database("todo")
                    new = postgres.superuser_url("todo")
                    ((programs,),) = rows(new, PROGRAMS)
                    versions = [rows(url, "SHOW server_version")[0][0] for url in (old, new)]
                    say(f"{name}: PostgreSQL {versions[0]} to {versions[1]}")
                    act(old, new, (programs_of_old, Path(programs)), folder / name)
    except NotAsItShouldBe as error:
        sys.exit(f"WRONG  {error}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
