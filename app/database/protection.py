"""What keeps users' rows apart in PostgreSQL, compared with what the migrations make.

Row security is the second layer of isolation. Its policies, their texts, the role's rights, the
triggers and the functions that act with more rights are read from the catalog, and each difference
is named. What there must be stands in expected.py, and a test holds it to a database that the
migrations have made.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import AsyncConnection

from app.database import acting
from app.database.expected import (
    DISTRIBUTED,
    FUNCTIONS,
    NEWEST,
    REVISION,
    ROW_SECURITY,
    Key,
    expected_at,
)
from app.database.owner import connected
from app.database.roles import inspect_role
from app.database.urls import SERVER_ROLE, for_role
from models.metadata import DELETED_USERS, INSTALLATION, OWNED_TABLES

OTHER_TABLES = ("alembic_version", INSTALLATION.name, DELETED_USERS.name)
"""Tables whose rows belong to no user, or to none any more."""

PROTECTED_TABLES = (*OWNED_TABLES, DELETED_USERS.name)
"""Tables of whose rows each user may see their own alone."""

QUERY = """
WITH role AS (SELECT oid FROM pg_roles WHERE rolname = %(role)s),
tables AS (
    SELECT oid, relname::text AS name, relrowsecurity, relforcerowsecurity, relnamespace
    FROM pg_class WHERE oid IN (SELECT to_regclass(t) FROM unnest(%(tables)s::text[]) AS t)
),
functions AS (
    SELECT p.*, quote_ident(nspname) AS schema
    FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
    WHERE n.oid IN (SELECT relnamespace FROM tables) AND proname = ANY (%(functions)s)
),
policies AS (
    SELECT name, policy.*, EXISTS (SELECT FROM unnest(polroles) AS whose, role WHERE whose = 0
                                   OR pg_has_role(role.oid, whose, 'USAGE')) AS binds_role
    FROM tables JOIN pg_policy AS policy ON polrelid = tables.oid
)
SELECT name, 'row security',
       concat_ws(', ', CASE WHEN relrowsecurity THEN 'enabled' END,
                 -- Better Auth owns users, and may see all of them.
                 CASE WHEN relforcerowsecurity AND name <> 'users' THEN 'forced' END),
       true
FROM tables WHERE name = ANY (%(protected)s)
UNION ALL
SELECT name, 'policy ' || polname,
       concat_ws(' ', CASE WHEN polpermissive THEN 'permissive' ELSE 'restrictive' END,
                 CASE polcmd WHEN '*' THEN 'all' WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert'
                             WHEN 'w' THEN 'update' ELSE 'delete' END,
                 'to', (SELECT string_agg(CASE
                            WHEN whose = 0 THEN 'public'
                            WHEN whose IN (SELECT proowner FROM functions)
                            THEN 'the functions'' owner'
                            ELSE pg_get_userbyid(whose) END, ', ') FROM unnest(polroles) AS whose),
                 'using ' || pg_get_expr(polqual, polrelid),
                 'with check ' || pg_get_expr(polwithcheck, polrelid)),
       -- One that is not ours matters where it shows the role more, or hides something from it.
       binds_role AND (name <> 'users' OR NOT polpermissive)
FROM policies
UNION ALL
SELECT name, 'trigger ' || tgname,
       concat_ws(' ', CASE tgenabled WHEN 'O' THEN 'enabled' WHEN 'D' THEN 'disabled'
                                     ELSE 'enabled in replicas' END,
                 pg_get_triggerdef(t.oid, true)),
       false
FROM tables JOIN pg_trigger t ON tgrelid = tables.oid WHERE NOT tgisinternal
UNION ALL
SELECT name, 'right to ' || privilege,
       -- A right on the table goes for columns that others have added, too.
       CASE WHEN has_table_privilege(role.oid, tables.oid, privilege) THEN 'every column'
            ELSE string_agg(attname, ', ' ORDER BY attname::text) END, true
FROM tables JOIN pg_attribute ON attrelid = tables.oid, role,
     unnest(ARRAY['select', 'insert', 'update', 'references']) AS privilege
WHERE attnum > 0 AND NOT attisdropped
  AND has_column_privilege(role.oid, tables.oid, attnum, privilege)
GROUP BY name, privilege, role.oid, tables.oid
UNION ALL
SELECT name, 'right to ' || privilege, 'rows', true
FROM tables, role, unnest(ARRAY['delete', 'truncate', 'trigger']) AS privilege
WHERE has_table_privilege(role.oid, tables.oid, privilege)
UNION ALL
SELECT DISTINCT '', 'right to use the schema', 'granted', false FROM tables, role
WHERE has_schema_privilege(role.oid, relnamespace, 'usage')
UNION ALL
SELECT '', 'function ' || proname,
       concat_ws(' ', CASE WHEN prosecdef THEN 'as its owner' END,
                 CASE WHEN has_function_privilege(role.oid, functions.oid, 'execute')
                      THEN 'callable' END,
                 'set ' || replace(array_to_string(proconfig, ', '), ', ' || schema || ', ',
                                   ', SCHEMA, '),
                 md5(replace(prosrc, schema || '.', ''))),
       false
FROM functions, role
"""
"""Rows of a table, a thing, its state, and whether one that is not expected is a fault."""

REVISION_OF = "SELECT version_num FROM alembic_version"

STATE_OF = "SELECT version_num, is_distributed() FROM alembic_version"

NOT_MIGRATED = (
    "The database is not migrated, or the role lacks the right to use the schema: run "
    "`todo-api migrate`."
)
NOT_SERVED = "Newer code has migrated the database, and this code no longer works with it."
HOW_TO_MEND = "`todo-api migrate` mends what it has made; what others have added it leaves."


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it must be."""

    table: str
    thing: str
    state: str | None
    """How it is, as `QUERY` tells it; None where it is missing."""
    wanted: str | None
    """How it must be; None where it must not be there."""

    @property
    def name(self) -> str:
        return f"{self.table}: {self.thing}" if self.table else self.thing.capitalize()

    def __str__(self) -> str:
        if self.state is None:
            return f"{self.name} is missing. It must be: {self.wanted}."
        if self.wanted is None:
            return f"{self.name} must not be there. It is: {self.state}."
        return f"{self.name} is: {self.state or 'off'}. It must be: {self.wanted}."


def parameters(role: str) -> dict[str, object]:
    """Return what `QUERY` takes: the names of the role whose rights count, tables and functions."""
    return {
        "role": role,
        "tables": [*OWNED_TABLES, *OTHER_TABLES],
        "protected": list(PROTECTED_TABLES),
        "functions": list(FUNCTIONS),
    }


def expected_for(
    role: str, revision: str = REVISION, *, is_distributed: bool = False
) -> dict[Key, str]:
    """Return what there must be where the server's role has this name, at this migration.

    `is_distributed`: whether the tables lie on several nodes.
    """
    expected = expected_at(revision) | (DISTRIBUTED if is_distributed else {})
    return {key: for_role(state, role) for key, state in expected.items()}


def compare(
    rows: Iterable[tuple[str, str, str, bool]], expected: Mapping[Key, str]
) -> list[Difference]:
    """Return each difference between what `QUERY` tells and what is expected."""
    found = {(table, thing): (state, matters) for table, thing, state, matters in rows}
    not_so = []
    for key, wanted in expected.items():
        state, _ = found.pop(key, (None, False))
        if state != wanted:
            not_so.append(Difference(*key, state, wanted))
    more = [Difference(*key, state, None) for key, (state, matters) in found.items() if matters]
    return not_so + more


def differences(connection: psycopg.Connection[Any], server_role: str) -> list[Difference]:
    """Return each difference in a database whose migrations are current."""
    ((revision, is_distributed),) = connection.execute(STATE_OF).fetchall()
    rows = connection.execute(QUERY, parameters(server_role)).fetchall()
    return compare(rows, expected_for(server_role, revision, is_distributed=is_distributed))


def sentences(found: Iterable[Difference]) -> list[str]:
    """Return a sentence for each difference, and at last what to do about them."""
    told = [str(difference) for difference in found]
    return [*told, HOW_TO_MEND] if told else []


def check_protection(url: str, server_role: str = SERVER_ROLE) -> list[str]:
    """Return a sentence for each difference in a database whose migrations are current.

    Raises:
        MigrationFailed: it could not be asked.
    """
    with connected(url, "The rights could not be looked at") as connection:
        return sentences(differences(connection, server_role))


async def objections(connection: AsyncConnection[Any], server_role: str = SERVER_ROLE) -> list[str]:
    """Return a sentence for each reason why row security would not keep users apart.

    The role of the connection is looked at, then the catalog, and at last what is shown to nobody.
    Where newer code has migrated the database, only that code knows how the catalog must be.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    role = await inspect_role(connection, server_role)
    if role.table_count < len(OWNED_TABLES):
        return [NOT_MIGRATED]
    if reasons := role.objections():
        return reasons
    is_distributed = await acting.is_cluster(connection)
    if is_distributed and (sentences_of_nodes := await acting.objections(connection)):
        return sentences_of_nodes
    cursor = await connection.execute(QUERY, parameters(role.name))
    rows, revision = await cursor.fetchall(), await _revision(connection)
    expected = expected_for(server_role, revision, is_distributed=is_distributed)
    if revision > NEWEST:
        cursor = await connection.execute("SELECT serves FROM installation")
        ((serves,),) = await cursor.fetchall()
        if serves > REVISION:
            return [NOT_SERVED]
        rows = [row for row in rows if row[1] == ROW_SECURITY]
        expected = {key: state for key, state in expected.items() if key[1] == ROW_SECURITY}
    found = sentences(compare(rows, expected))
    # Of a cluster's tables it is seen by its own probe.
    return found or ([] if is_distributed else await _probe(connection))


async def _revision(connection: AsyncConnection[Any]) -> str:
    try:
        cursor = await connection.execute(REVISION_OF)
        record = await cursor.fetchone()
    except psycopg.errors.InsufficientPrivilege:
        # It is one of the rights that are looked at.
        return REVISION
    return REVISION if record is None else str(record[0])


async def _probe(connection: AsyncConnection[Any]) -> list[str]:
    """Return a sentence for each table that shows rows to an identity that nobody has."""
    shown = ", ".join(f"EXISTS (SELECT FROM {table})" for table in PROTECTED_TABLES)
    async with connection.transaction():
        await connection.execute("SELECT set_config('app.user_id', %s, true)", [uuid4().hex])
        cursor = await connection.execute(f"SELECT {shown}")
        record = await cursor.fetchone()
    assert record is not None
    return [
        f"{table} shows rows to an identity that nobody has: row security does not hold."
        for table, is_shown in zip(PROTECTED_TABLES, record, strict=True)
        if is_shown
    ]
