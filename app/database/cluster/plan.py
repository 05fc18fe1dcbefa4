"""What distributing the tables would do, take and lock, told before it is done."""

import time
from dataclasses import dataclass

from psycopg import sql

from app.database.cluster.distribution import ALL, SHARDS, TABLES
from app.database.cluster.obstacles import (
    EXTENSION,
    NO_EXTENSION,
    Connection,
    distributed_tables,
)
from app.database.owner import connected
from app.failure import MigrationFailed

SAMPLE = 10_000
"""Tasks that are copied, and undone, to see how long it takes."""

_SIZES = """
SELECT relname::text, reltuples::bigint, pg_total_relation_size(oid)
FROM pg_class WHERE oid IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)
"""

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is of a table."""

    table: str
    rows: int
    bytes: int

    def __str__(self) -> str:
        return f"{self.table}: {self.rows:,} rows, {self.bytes / _MIB:,.0f} MiB with indexes."


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, and how long all who use the tables would wait."""

    statements: list[str]
    sizes: list[Size]
    seconds_each: float
    """For a table without rows: its shards with their indexes are made."""
    rows_a_second: float | None
    """None where there are no tasks to try it with."""

    @property
    def seconds(self) -> float:
        """The whole pause, as a table of tasks would take it for as many rows."""
        rows = sum(size.rows for size in self.sizes)
        return len(self.sizes) * self.seconds_each + rows / (self.rows_a_second or 1)

    def lines(self) -> list[str]:
        """Return what is told of it."""
        if not self.statements:
            return ["There is nothing to do."]
        tried = (
            f"{SAMPLE:,} tasks were copied to shards, and that was undone: "
            f"{self.rows_a_second:,.0f} a second"
            if self.rows_a_second
            else "There are no tasks to try it with"
        )
        return [
            *(f"{statement};" for statement in self.statements),
            *map(str, self.sizes),
            f"{tried}, and {self.seconds_each:.1f} s for a table without rows.",
            f"It would take about {self.seconds:,.0f} s. For all that time, all who read or write "
            "these tables would wait: servers are to be stopped.",
        ]


def plan_of(url: str, shards: int = SHARDS) -> Plan:
    """Return what `distribution.spread` would do. Some tasks are copied, and that is undone.

    The tables themselves are only read.

    Raises:
        MigrationFailed: it could not be tried, as where there is no Citus.
    """
    with connected(url, "It could not be tried") as connection:
        if connection.execute(EXTENSION).fetchone() is None:
            raise MigrationFailed(NO_EXTENSION)
        there = distributed_tables(connection)
        left = [name for name in ALL if name not in there]
        sizes = [_size(connection, *row) for row in connection.execute(_SIZES, [left]).fetchall()]
        sizes.sort(key=lambda size: left.index(size.table))
        if not left:
            return Plan([], [], 0.0, None)
        with connection.transaction(force_rollback=True):
            empty, _ = _try(connection, shards, 0)
        with connection.transaction(force_rollback=True):
            full, rows = _try(connection, shards, SAMPLE)
    # On a busy machine the table without rows may take longer than the one with some.
    rate = rows / max(full - empty, 0.01 * full) if rows else None
    return Plan(_statements(left, shards), sizes, empty, rate)


def _statements(left: list[str], shards: int) -> list[str]:
    tables = ", ".join(left)
    statements = [f"DROP TRIGGER … ON {tables}"]
    for name in left:
        if name == "users":
            made = f"create_distributed_table('users', 'id', shard_count => {shards})"
        elif name in TABLES:
            made = f"create_distributed_table('{name}', 'user_id', colocate_with => 'users')"
        else:
            made = f"create_reference_table('{name}')"
        statements.append(f"SELECT {made}")
    if "users" in left:
        statements.insert(0, "ALTER TABLE users DROP CONSTRAINT users_email_key")
        statements.append("SELECT create_distributed_function(…), for each function")
    return [*statements, f"CREATE TRIGGER … ON {tables}"]


def _size(connection: Connection, table: str, rows: int, size: int) -> Size:
    if rows < 0:
        # It was never analysed.
        counted = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
        ((rows,),) = connection.execute(counted).fetchall()
    return Size(table, rows, size)


def _try(connection: Connection, shards: int, count: int) -> tuple[float, int]:
    """Distribute a table like that of tasks; return how many seconds it took, and its rows."""
    connection.execute(
        "CREATE TABLE tried_by_todo_api (LIKE tasks INCLUDING DEFAULTS INCLUDING INDEXES)"
    )
    rows = connection.execute(
        "INSERT INTO tried_by_todo_api SELECT * FROM tasks LIMIT %s", [count]
    ).rowcount
    began = time.monotonic()
    connection.execute(
        "SELECT create_distributed_table('tried_by_todo_api', 'user_id', shard_count => %s, "
        "colocate_with => 'none')",
        [shards],
    )
    return time.monotonic() - began, rows
