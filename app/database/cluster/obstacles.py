"""What stands in the way of distributing the tables over several nodes: a sentence for each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from app.database.acting import DISTRIBUTED_AMONG
from app.database.cluster.examination import MAJOR
from app.database.expected import EXPECTED
from app.database.instances import connected_code
from app.database.migration import pending
from app.database.protection import OTHER_TABLES
from app.database.urls import SERVER_ROLE
from models.metadata import OWNED_TABLES

EXTENSION = "SELECT extversion FROM pg_extension WHERE extname = 'citus'"

NO_EXTENSION = "The database has no Citus: CREATE EXTENSION citus, on each node."

_WORKERS = "SELECT count(*) FROM pg_dist_node WHERE isactive AND shouldhaveshards"

_VERSIONS = """
SELECT nodename || ':' || nodeport, success, result FROM run_command_on_workers($$
    SELECT current_setting('server_version_num')::int / 10000 || ' '
        || coalesce((SELECT extversion FROM pg_extension WHERE extname = 'citus'), '')
$$) ORDER BY 1
"""
"""Each node, whether it answers, and the versions of its PostgreSQL and its Citus."""

_OURS = """
SELECT current_setting('server_version_num')::int / 10000 || ' ' || extversion
FROM pg_extension WHERE extname = 'citus'
"""

_KEYS = """
SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text
FROM pg_index AS i
WHERE indisunique AND indrelid IN (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name)
  AND NOT EXISTS (
      SELECT FROM pg_attribute WHERE attrelid = indrelid AND attnum = ANY (indkey)
        AND attname = CASE WHEN indrelid = to_regclass('users') THEN 'id' ELSE 'user_id' END)
  -- That of the address is dropped, and made again by the way back.
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid
                    AND conname = 'users_email_key' AND indrelid = to_regclass('users'))
ORDER BY 2
"""

_FOREIGN = """
SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint
WHERE contype = 'f' AND confrelid IN
      (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name)
  AND conrelid NOT IN
      (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name)
ORDER BY 1
"""

_POLICIES = """
SELECT polrelid::regclass::text, polname::text, polpermissive
FROM pg_policy WHERE polrelid IN (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name)
  AND (NOT polpermissive OR concat(polqual, polwithcheck) LIKE '%%{SUBLINK %%')
ORDER BY 1, 2
"""

_TRIGGERS = """
SELECT tgrelid::regclass::text, tgname::text FROM pg_trigger
WHERE NOT tgisinternal AND tgrelid IN
      (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name)
ORDER BY 1, 2
"""

_UNREACHED = """
SELECT from_nodename || ':' || from_nodeport, to_nodename || ':' || to_nodeport
FROM citus_check_cluster_node_health() WHERE result IS NOT TRUE ORDER BY 1, 2
"""

_OWNER = """
SELECT rolsuper OR rolbypassrls, current_user::text FROM pg_roles WHERE rolname = current_user
"""

SETTINGS_OF_OWNER = {"citus.enable_unsafe_triggers": "on"}
"""Settings of Citus with which triggers are made or dropped on tables that are distributed."""

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that stands in the way, or should be known before."""

    sentence: str
    hinders: bool = True

    def __str__(self) -> str:
        return self.sentence if self.hinders else f"Note: {self.sentence}"


def distributed_tables(connection: Connection) -> set[str]:
    """Return which of the tables are distributed."""
    if connection.execute("SELECT to_regclass('pg_dist_partition')").fetchone() == (None,):
        return set()
    rows = connection.execute(DISTRIBUTED_AMONG, [[*OWNED_TABLES, *OTHER_TABLES]]).fetchall()
    return {name for (name,) in rows}


def obstacles(connection: Connection, url: str, role: str = SERVER_ROLE) -> list[Obstacle]:
    """Return what stands in the way of distributing the tables, as the owner of these sees it.

    What nodes have of tables that are distributed is compared by `acting.objections`.

    Raises:
        psycopg.Error: it could not be asked.
        MigrationFailed: the database is newer than this code.
    """
    found = connection.execute(EXTENSION).fetchone()
    if found is None:
        return [Obstacle(NO_EXTENSION)]
    if pending(url):
        return [Obstacle("The database is not up to date: run `todo-api migrate`.")]
    told = []
    if str(found[0]).partition("-")[0].partition(".")[0] != MAJOR:
        sentence = f"This was tried with Citus {MAJOR}, and not with {found[0]}."
        told.append(Obstacle(sentence, hinders=False))
    nodes = connection.execute(_VERSIONS).fetchall()
    told += map(Obstacle, _of_nodes(connection, nodes))
    told += map(Obstacle, _of_tables(connection))
    told += map(Obstacle, _of_settings(connection))
    told += _of_roles(connection, role, {node for node, answers, _ in nodes if not answers})
    if "users" not in distributed_tables(connection):
        told += [
            Obstacle(f"Servers are connected, and would not know: stop them. {each}.")
            for each in connected_code(connection, role)
        ]
    return told


def _of_nodes(connection: Connection, nodes: Sequence[tuple[str, bool, str]]) -> Iterator[str]:
    ((workers,),) = connection.execute(_WORKERS).fetchall()
    if not workers:
        yield (
            "No node takes rows: add one by SELECT citus_add_node('host', 5432), on the "
            "coordinator."
        )
    ((ours,),) = connection.execute(_OURS).fetchall()
    for node, answers, versions in nodes:
        if not answers:
            yield f"The node {node} does not answer: {str(versions).strip()}."
        elif versions != ours:
            theirs = "PostgreSQL {}, Citus {}".format(*str(versions).partition(" ")[::2])
            yield f"The node {node} has other versions than the coordinator: {theirs}."


def _of_tables(connection: Connection) -> Iterator[str]:
    tables = {"tables": list(OWNED_TABLES)}
    for table, index in connection.execute(_KEYS, tables).fetchall():
        yield (
            f"{index} of {table} is unique over all users, which no node can tell: drop it, or "
            "have the user in it."
        )
    for table, ours in connection.execute(_FOREIGN, tables).fetchall():
        yield (
            f"{table} refers to {ours} and is none of this server's: on several nodes Better Auth "
            "needs a database of its own."
        )
    for table, name, is_permissive in connection.execute(_POLICIES, tables).fetchall():
        why = (
            "has a sub-select, which Citus refuses"
            if is_permissive
            else "only restricts, and nodes would have it as one that permits"
        )
        yield f"The policy {name} of {table} {why}: drop it."
    for table, name in connection.execute(_TRIGGERS, tables).fetchall():
        if (table, f"trigger {name}") not in EXPECTED:
            yield (
                f"The trigger {name} of {table} is none of this server's, and may reach for rows "
                "of other nodes: drop it."
            )


def _of_settings(connection: Connection) -> Iterator[str]:
    for name in (*SETTINGS_OF_OWNER, "citus.propagate_set_commands"):
        try:
            with connection.transaction(force_rollback=True):
                value = SETTINGS_OF_OWNER.get(name, "local")
                connection.execute(f"SET LOCAL {name} TO {value}")
        except psycopg.Error as error:
            yield f"{name} cannot be set here: {error.diag.message_primary}."


def _of_roles(connection: Connection, role: str, away: set[str]) -> Iterator[Obstacle]:
    if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
        yield Obstacle(f"The role {role} is missing: run `todo-api migrate`.")
        return
    ((sees_all, owner),) = connection.execute(_OWNER).fetchall()
    if not sees_all:
        yield Obstacle(
            f"{owner} is neither a superuser nor has BYPASSRLS: with row security forced on the "
            "tables, their rows cannot be copied."
        )
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
            unreached = connection.execute(_UNREACHED).fetchall()
    except psycopg.errors.InsufficientPrivilege:
        yield Obstacle(
            f"Whether {role} can log in from node to node was not tried, for {owner} may not act "
            f"as it: GRANT {role} TO {owner} WITH SET TRUE.",
            hinders=False,
        )
    else:
        # A node that does not answer anybody is told of already.
        for source, target in (each for each in unreached if away.isdisjoint(each)):
            yield Obstacle(
                f"The node {source} cannot log in as {role} at {target}: let it in by pg_hba.conf "
                "there, with a password in pg_dist_authinfo or ~/.pgpass where one is asked for."
            )
