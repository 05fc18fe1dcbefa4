"""Tables distributed over several PostgreSQL servers by Citus: made so, undone, and looked at.

Rows lie by their owner, all of an owner's on one node. See docs/scale.md.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from psycopg import sql

from app.database.acting import SETTINGS
from app.database.cluster.obstacles import (
    SETTINGS_OF_OWNER,
    Connection,
    distributed_tables,
    obstacles,
)
from app.database.expected import DISTRIBUTED, EXPECTED, FUNCTIONS
from app.database.migration import ADVISORY_LOCK
from app.database.owner import connected
from app.database.protection import OTHER_TABLES
from app.database.urls import SERVER_ROLE
from app.failure import MigrationFailed
from models.metadata import OWNED_TABLES

SHARDS = 64
"""How many parts a table has. It cannot be changed later, but by copying all."""

_FIRST = ("users", "task_counters", "task_lists", "tasks")
"""What others refer to comes first."""

TABLES = (*_FIRST, *(name for name in OWNED_TABLES if name not in _FIRST))

_FAILURE = "The tables could not be distributed"

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

_END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND usename = ANY (%s) AND pg_has_role(usesysid, 'USAGE')
"""

_BY_ADDRESS, _ADDRESS_ONCE = "users_by_address", "users_email_key"
"""The index of addresses on several nodes, and the constraint on one."""

ALL = (*TABLES, *OTHER_TABLES)


def spread(
    url: str, role: str = SERVER_ROLE, shards: int = SHARDS, logins: Iterable[str] = ()
) -> list[str]:
    """Distribute the tables that are not yet, in one transaction; return what was done.

    All who use the tables wait meanwhile. Triggers are dropped before and made again, for rows are
    copied. `logins`: roles that servers connect as, besides that which has their rights.

    Raises:
        MigrationFailed: something stands in the way; nothing was changed.
    """
    done: list[str] = []
    with connected(url, _FAILURE) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        hindering = [each for each in obstacles(connection, url, role) if each.hinders]
        if hindering:
            raise MigrationFailed("\n".join(map(str, hindering)))
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
                    _distribute_table(connection, name, shards, role)
                for name in others:
                    connection.execute("SELECT create_reference_table(%s)", [name])
            done.append(f"Distributed: {', '.join([*left, *others])}.")
        done += _spread_functions(connection)
        _close_functions(connection)
        _set_roles(connection, {role, SERVER_ROLE, *logins})
    if left:
        with connected(url, _FAILURE, autocommit=True) as connection:
            # Who has connected meanwhile goes on as on one node, and would see nothing.
            connection.execute(_END_SESSIONS, [[role, SERVER_ROLE, *logins]])
            for name in left:
                connection.execute(
                    "SELECT truncate_local_data_after_distributing_table(%s)", [name]
                )
    return done


def spread_rest(url: str, role: str = SERVER_ROLE, logins: Iterable[str] = ()) -> list[str]:
    """Where the tables are distributed, distribute those that a migration has made since.

    Return what was done.

    Raises:
        MigrationFailed: as `spread`.
    """
    with connected(url, _FAILURE) as connection:
        there = distributed_tables(connection)
    return spread(url, role, logins=logins) if "users" in there else []


def bring_back(url: str, role: str = SERVER_ROLE, logins: Iterable[str] = ()) -> list[str]:
    """Bring all rows back to the node that is asked, which needs room for them; return what was
    done.

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
        connection.execute(f"ALTER TABLE users ADD CONSTRAINT {_ADDRESS_ONCE} UNIQUE (email)")
        for (table, thing), columns in DISTRIBUTED.items():
            right = thing.removeprefix("right to ")
            _change_right(connection, "REVOKE", right, columns, table, role)
            if (table, thing) in EXPECTED:
                _change_right(connection, "GRANT", right, EXPECTED[table, thing], table, role)
        _set_roles(connection, {role, SERVER_ROLE, *logins}, are_set=False)
    return [f"Brought back: {', '.join(sorted(there))}."]


def _let_addresses_repeat(connection: Connection) -> None:
    """Drop what is unique over all users, which no node can tell."""
    connection.execute(f"ALTER TABLE users DROP CONSTRAINT IF EXISTS {_ADDRESS_ONCE}")
    connection.execute(f"CREATE INDEX IF NOT EXISTS {_BY_ADDRESS} ON users (email)")


def _distribute_table(connection: Connection, name: str, shards: int, role: str) -> None:
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
            _change_right(connection, "GRANT", right, columns, name, role)


def _change_right(
    connection: Connection, act: str, right: str, columns: str, table: str, role: str
) -> None:
    """`act`: GRANT, or REVOKE."""
    to = sql.SQL("TO" if act == "GRANT" else "FROM")
    change = sql.SQL("{} {} ({}) ON {} {} {}").format(
        sql.SQL(act),
        sql.SQL(right),
        sql.SQL(columns),
        sql.Identifier(table),
        to,
        sql.Identifier(role),
    )
    connection.execute(change)


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


_CLOSED_FUNCTIONS = """
SELECT oid::regprocedure::text FROM pg_proc
WHERE pronamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('tasks'))
  AND proname = ANY (%s) AND NOT has_function_privilege('public', oid, 'EXECUTE')
ORDER BY 1
"""


def _close_functions(connection: Connection) -> None:
    """Have nobody but who may call the functions that not all may: a node that is added lets all.

    Citus makes functions there with the rights that were given, and none of those taken.
    """
    for (name,) in connection.execute(_CLOSED_FUNCTIONS, [list(FUNCTIONS)]).fetchall():
        connection.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")


def _spread_functions(connection: Connection) -> list[str]:
    """Have the functions on all nodes; return what was done."""
    names = [
        name for (name,) in connection.execute(_UNSPREAD_FUNCTIONS, [list(FUNCTIONS)]).fetchall()
    ]
    for name in names:
        connection.execute("SELECT create_distributed_function(%s)", [name])
    return [f"Functions made on all nodes: {', '.join(names)}."] if names else []


def _set_roles(connection: Connection, roles: set[str], *, are_set: bool = True) -> None:
    """Have the roles of servers pass identities on, and ask one node at a time; and the role that
    migrates make triggers. `are_set`: or no longer."""
    ((owner, database),) = connection.execute("SELECT current_user, current_database()").fetchall()
    known = connection.execute(
        "SELECT rolname::text FROM pg_roles WHERE rolname = ANY (%s)", [[*roles]]
    ).fetchall()
    wanted = [(name, setting) for (name,) in known for setting in SETTINGS.items()]
    wanted += [(owner, setting) for setting in SETTINGS_OF_OWNER.items()]
    for name, (setting, value) in wanted:
        change = sql.SQL("SET {} TO {}" if are_set else "RESET {}").format(
            sql.Identifier(*setting.split(".")), sql.Literal(value)
        )
        connection.execute(
            sql.SQL("ALTER ROLE {} IN DATABASE {} {}").format(
                sql.Identifier(name), sql.Identifier(database), change
            )
        )
