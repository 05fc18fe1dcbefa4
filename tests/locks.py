"""What tests hold, and who waits for it: on whichever node of a cluster the rows lie."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from tests.databases import IS_CLUSTER, Database, act_as

Connection = psycopg.Connection[Any]

_SELF, _WAITS = (
    ("SELECT citus_backend_gpid()", "SELECT waiting_gpid, blocking_gpid FROM citus_lock_waits")
    if IS_CLUSTER
    else (
        "SELECT pg_backend_pid()",
        "SELECT pid, unnest(pg_blocking_pids(pid)) FROM pg_locks WHERE NOT granted",
    )
)
"""The name of a session, and who waits for whom, by these names."""

_BEHIND = f"""
WITH RECURSIVE waits (waiting, holding) AS MATERIALIZED ({_WAITS}),
    behind (session) AS (
        SELECT %s::bigint UNION SELECT waiting FROM waits JOIN behind ON holding = session
    )
SELECT count(*) - 1 FROM behind
"""

PATIENCE = 30.0
"""Seconds to wait for who must come to wait."""


@contextmanager
def held_task(database: Database, owner: str | None, id: int | str) -> Iterator[Connection]:
    """Hold a task, so that no change of it ends; yield the connection that holds it."""
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute(
            "SELECT FROM tasks WHERE user_id = %s AND id = %s FOR UPDATE", [owner, int(id)]
        )
        yield connection


@contextmanager
def held_turn(database: Database, owner: str | None) -> Iterator[Connection]:
    """Have an owner's turn to change anything, as another server has it that makes a task.

    The task is undone, unless the connection that is yielded commits it.
    """
    with psycopg.connect(database.server_url) as connection:
        act_as(connection, owner)
        connection.execute("INSERT INTO tasks (user_id, id, title) VALUES (%s, NULL, 'x')", [owner])
        yield connection
        connection.rollback()


def waiting_behind(database: Database, holder: Connection) -> int:
    """Return how many wait for what a connection holds, or for somebody who waits for that."""
    with psycopg.connect(database.superuser_url, autocommit=True) as observer:
        ((waiting,),) = observer.execute(_BEHIND, holder.execute(_SELF).fetchone()).fetchall()
    return int(waiting)


def until_waiting(database: Database, holder: Connection, waiting: int = 1) -> None:
    """Return once that many wait for what a connection holds."""
    deadline = time.monotonic() + PATIENCE
    while (found := waiting_behind(database, holder)) != waiting:
        assert time.monotonic() < deadline, f"{found} wait, and not {waiting}"
        time.sleep(0.01)
