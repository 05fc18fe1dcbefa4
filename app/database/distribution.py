"""Tables distributed over several PostgreSQL servers by Citus: made so, undone, and looked at.

Rows lie by their owner, all of an owner's on one node. See docs/scale.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from app.database.cluster import SETTINGS
from app.database.expected import DISTRIBUTED, FUNCTIONS
from app.database.instances import connected_code
from app.database.migration import ADVISORY_LOCK, pending
from app.database.owner import connected
from app.database.protection import OTHER_TABLES
from app.database.urls import SERVER_ROLE
from app.failure import MigrationFailed
from models.metadata import OWNED_TABLES

MAJOR = "14"
"""The version of Citus that this was tried with."""

SHARDS = 64
"""How many parts a table has. It cannot be changed later, but by copying all."""

_FIRST = ("users", "task_counters", "task_lists", "tasks")
"""What others refer to comes first."""

TABLES = (*_FIRST, *(name for name in OWNED_TABLES if name not in _FIRST))

Connection = psycopg.Connection[tuple[Any, ...]]

_FAILURE = "The tables could not be distributed"

_EXTENSION = "SELECT extversion FROM pg_extension WHERE extname = 'citus'"

_WORKERS = "SELECT count(*) FROM pg_dist_node WHERE groupid <> 0 AND isactive AND shouldhaveshards"

_IS_DISTRIBUTED = """
SELECT relname::text FROM pg_dist_partition JOIN pg_class ON oid = logicalrelid
WHERE logicalrelid IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)
"""

_TRIGGERS = """
SELECT relname::text, tgname::text, pg_get_triggerdef(t.oid)
FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
WHERE NOT tgisinternal AND c.oid IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)
ORDER BY relname, tgname
"""

_UNSPREAD_FUNCTIONS = """
SELECT oid::regprocedure::text FROM pg_proc
WHERE pronamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('tasks'))
  AND proname = ANY (%s)
  AND NOT EXISTS (SELECT FROM pg_dist_object
                  WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid)
ORDER BY 1
"""

_FOREIGN = """
SELECT conrelid::regclass::text FROM pg_constraint
WHERE contype = 'f' AND confrelid = to_regclass('users')
  AND conrelid NOT IN (SELECT coalesce(to_regclass(name), 0) FROM unnest(%s::text[]) AS name)
ORDER BY 1
"""

_UNIQUE = """
SELECT conname::text FROM pg_constraint
WHERE contype = 'u' AND conrelid = to_regclass('users')
ORDER BY 1
"""

_BY_ADDRESS = "users_by_address"


def obstacles(connection: Connection, url: str, role: str = SERVER_ROLE) -> list[str]:
    """Return a sentence for each thing that stands in the way of distributing the tables."""
    found = connection.execute(_EXTENSION).fetchone()
    if found is None:
        return ["The database has no Citus: CREATE EXTENSION citus, on each node."]
    if pending(url):
        return ["The database is not up to date: run `todo-api migrate`."]
    sentences = []
    ((workers,),) = connection.execute(_WORKERS).fetchall()
    if not workers:
        sentences.append(
            "No node takes rows: add one by SELECT citus_add_node('host', 5432), on the "
            "coordinator."
        )
    for (table,) in connection.execute(_FOREIGN, [list(OWNED_TABLES)]).fetchall():
        sentences.append(
            f"{table} refers to users and is none of this server's: on several nodes Better Auth "
            "needs a database of its own."
        )
    sentences += [
        f"Servers are connected, and would not know: stop them. {each}."
        for each in connected_code(connection, role)
    ]
    return sentences


def distributed_tables(connection: Connection) -> set[str]:
    """Return which of the tables are distributed."""
    if connection.execute("SELECT to_regclass('pg_dist_partition')").fetchone() == (None,):
        return set()
    rows = connection.execute(_IS_DISTRIBUTED, [[*TABLES, *OTHER_TABLES]]).fetchall()
    return {name for (name,) in rows}


def spread(url: str, role: str = SERVER_ROLE, shards: int = SHARDS) -> list[str]:
    """Distribute the tables that are not yet, in one transaction; return what was done.

    Changes wait meanwhile. Triggers are dropped before and made again, for rows are copied.

    Raises:
        MigrationFailed: something stands in the way; nothing was changed.
    """
    done: list[str] = []
    with connected(url, _FAILURE) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        if sentences := obstacles(connection, url, role):
            raise MigrationFailed("\n".join(sentences))
        there = distributed_tables(connection)
        left = [name for name in TABLES if name not in there]
        others = [name for name in OTHER_TABLES if name not in there]
        connection.execute("SET LOCAL citus.enable_unsafe_triggers TO on")
        # Functions can be made on other nodes only if one connection to each does all.
        connection.execute("SET LOCAL citus.multi_shard_modify_mode TO 'sequential'")
        if left or others:
            _let_addresses_repeat(connection)
            with _without_triggers(connection, [*left, *others]):
                for name in left:
                    _distribute_table(connection, name, shards)
                for name in others:
                    connection.execute("SELECT create_reference_table(%s)", [name])
            done.append(f"Distributed: {', '.join([*left, *others])}.")
        done += _spread_functions(connection)
        _set_role(connection, role)
    if left:
        with connected(url, _FAILURE, autocommit=True) as connection:
            connection.execute("SELECT truncate_local_data_after_distributing_table('users')")
    return done


def bring_back(url: str) -> list[str]:
    """Bring all rows back to the node that is asked; return what was done.

    Raises:
        MigrationFailed: it could not be done; nothing was changed.
    """
    with connected(url, "The tables could not be brought back") as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        there = distributed_tables(connection)
        if not there:
            return []
        connection.execute("SET LOCAL citus.enable_unsafe_triggers TO on")
        with _without_triggers(connection, [*TABLES, *OTHER_TABLES]):
            connection.execute(
                "SELECT undistribute_table('users', cascade_via_foreign_keys => true)"
            )
            for name in (*TABLES, *OTHER_TABLES):
                if name in distributed_tables(connection):
                    connection.execute("SELECT undistribute_table(%s)", [name])
        connection.execute(f"DROP INDEX IF EXISTS {_BY_ADDRESS}")
        connection.execute("ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE (email)")
    return [f"Brought back: {', '.join(sorted(there))}."]


def _let_addresses_repeat(connection: Connection) -> None:
    """Drop what is unique over all users, which no node can tell."""
    for (name,) in connection.execute(_UNIQUE).fetchall():
        drop = sql.SQL("ALTER TABLE users DROP CONSTRAINT {}").format(sql.Identifier(name))
        connection.execute(drop)
    connection.execute(f"CREATE INDEX IF NOT EXISTS {_BY_ADDRESS} ON users (email)")


def _distribute_table(connection: Connection, name: str, shards: int) -> None:
    if name == "users":
        connection.execute(
            "SELECT create_distributed_table('users', 'id', shard_count => %s)", [shards]
        )
    else:
        connection.execute(
            "SELECT create_distributed_table(%s, 'user_id', colocate_with => 'users')", [name]
        )
    for right in ("insert", "update"):
        columns = DISTRIBUTED.get((name, f"right to {right}"))
        if columns is not None:
            connection.execute(f"GRANT {right} ({columns}) ON {name} TO {SERVER_ROLE}")


@contextmanager
def _without_triggers(connection: Connection, tables: list[str]) -> Iterator[None]:
    """Have no triggers on the tables in the block: they would number each row anew."""
    triggers = connection.execute(_TRIGGERS, [tables]).fetchall()
    for table, name, _ in triggers:
        drop = sql.SQL("DROP TRIGGER {} ON {}")
        connection.execute(drop.format(sql.Identifier(name), sql.Identifier(table)))
    yield
    for _, _, text in triggers:
        connection.execute(text)


def _spread_functions(connection: Connection) -> list[str]:
    """Have the functions on all nodes; return what was done."""
    names = [
        name for (name,) in connection.execute(_UNSPREAD_FUNCTIONS, [list(FUNCTIONS)]).fetchall()
    ]
    for name in names:
        connection.execute("SELECT create_distributed_function(%s)", [name])
    return [f"Functions made on all nodes: {', '.join(names)}."] if names else []


def _set_role(connection: Connection, role: str) -> None:
    """Have the server's role pass its identity on, and ask one node at a time."""
    for setting, value in SETTINGS.items():
        for name in {role, SERVER_ROLE}:
            connection.execute(
                sql.SQL("ALTER ROLE {} SET {} TO {}").format(
                    sql.Identifier(name), sql.Identifier(*setting.split(".")), sql.Literal(value)
                )
            )
