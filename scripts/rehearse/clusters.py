"""PostgreSQL clusters of a rehearsal, and what their databases hold."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from scripts.rehearse.servers import COMMAND

SECRET = "a-secret-of-thirty-two-bytes-for-a-rehearsal"
TABLES = """
SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
# Two clusters may sort texts differently.
FINGERPRINT = """
SELECT count(*), md5(string_agg(t.*::text, chr(10) ORDER BY t.*::text COLLATE "C")) FROM ONLY """
PATIENCE = 120.0
"""Seconds that anything may take."""


class NotAsItShouldBe(Exception):
    """The rehearsal failed; says at what."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def cluster(programs: Path, folder: Path) -> Iterator[str]:
    """Run a PostgreSQL of these programs; yield the URL of its empty database `todo`."""
    port, data = free_port(), folder / "old"
    # As root, PostgreSQL does not start.
    other: list[str | Path] = []
    if os.getuid() == 0:
        other = ["runuser", "-u", "postgres", "--"]
    folder.chmod(0o777)
    options = f"-p {port} -k {folder} -c wal_level=logical -c listen_addresses=127.0.0.1"
    run([*other, programs / "initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "-D", data])
    control = [*other, programs / "pg_ctl", "-w", "-D", data]
    run([*control, "-l", folder / "old.log", "-o", options, "start"])
    try:
        base = f"postgresql://postgres@127.0.0.1:{port}"
        with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE todo")
        yield f"{base}/todo"
    finally:
        run([*control, "-m", "fast", "stop"])


def run(
    words: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    *,
    failing: bool = False,
) -> str:
    """Run a program; return what it prints. `failing`: it may end with an error."""
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
        cwd="/",
    )
    if done.returncode and not failing:
        raise NotAsItShouldBe(f"{' '.join(map(str, words))}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def todo(url: str, *words: str, program: Path = COMMAND) -> str:
    """Run a command of ours as the owner of a database."""
    server = re.sub(r"//[^@]*@", "//todo_api@", url)
    settings = {"MIGRATION_DATABASE_URL": url, "DATABASE_URL": server, "BETTER_AUTH_SECRET": SECRET}
    return run([program, *words], settings)


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def fingerprints(url: str) -> dict[str, tuple[int, str]]:
    """Return how many rows each table has, and what they hash to."""
    return {
        name: rows(url, f"{FINGERPRINT}{name} AS t")[0] for (name,) in sorted(rows(url, TABLES))
    }


def compare(old: Mapping[str, object], new: Mapping[str, object]) -> None:
    if old != new:
        differing = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        raise NotAsItShouldBe(
            f"rows differ in {differing}: {old[differing[0]]}, {new.get(differing[0])}"
        )


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds.

    Raises:
        NotAsItShouldBe: it took too long.
    """
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise NotAsItShouldBe("it took too long")
        time.sleep(0.05)
