"""What keeps users' rows apart in PostgreSQL, compared with what the migrations make.

Row security is the second layer of isolation. Its policies, their texts, the role's rights, the
triggers and the functions that act with more rights are read from the catalog, and each difference
is named. A test holds `EXPECTED` to a database that the migrations have made.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import AsyncConnection

from app.database.migration import MigrationFailed
from app.database.roles import inspect_role
from app.database.urls import SERVER_ROLE, for_role, libpq_url
from models.metadata import INSTALLATION, OWNED_TABLES

REVISION = "0012"
"""The migration after which the database is as `EXPECTED` says."""

ROW_SECURITY = "row security"

OTHER_TABLES = ("alembic_version", INSTALLATION.name)
"""Tables whose rows belong to no user."""

Key = tuple[str, str]
"""A table and what is looked at in it; an empty table for what belongs to none."""

_OWNER = "current_setting('app.user_id'::text, true)"
_IS_OWN = f"(user_id = {_OWNER})"
_OWN_ROWS = f"permissive all to {SERVER_ROLE} using {_IS_OWN} with check {_IS_OWN}"
_OTHERS = f"(NOT pg_has_role('{SERVER_ROLE}'::name, 'USAGE'::text))"
_AS_OWNER = "as its owner"
_SEARCH_PATH = "search_path=pg_catalog, SCHEMA, pg_temp"
_OLD_ROWS = "permissive all to the functions' owner using ({} < (now() - '1 day'::interval))"

EXPECTED: dict[Key, str] = {
    ("users", ROW_SECURITY): "enabled",
    ("users", "policy users_others"): (
        f"permissive all to public using {_OTHERS} with check {_OTHERS}"
    ),
    ("users", "policy users_owner"): (
        f"permissive all to {SERVER_ROLE} using (id = {_OWNER}) with check (id = {_OWNER})"
    ),
    ("users", "right to select"): "claims_at, created_at, email, id, name",
    ("users", "right to insert"): (
        "claims_at, created_at, email, email_verified, id, name, updated_at"
    ),
    ("tasks", ROW_SECURITY): "enabled, forced",
    ("tasks", "policy tasks_owner"): f"permissive select to {SERVER_ROLE} using {_IS_OWN}",
    ("tasks", "policy tasks_owner_insert"): (
        f"permissive insert to {SERVER_ROLE} with check {_IS_OWN}"
    ),
    ("tasks", "policy tasks_owner_update"): (
        f"permissive update to {SERVER_ROLE} using {_IS_OWN} with check {_IS_OWN}"
    ),
    ("tasks", "policy tasks_owner_delete"): (
        f"permissive delete to {SERVER_ROLE} using ({_IS_OWN} AND (deleted_at IS NOT NULL))"
    ),
    ("tasks", "policy tasks_maintenance"): _OLD_ROWS.format("deleted_at"),
    ("tasks", "policy tasks_search"): "permissive select to the functions' owner using true",
    ("tasks", "right to select"): "every column",
    ("tasks", "right to insert"): (
        "completed, completed_on, description, due_on, due_time, id, labels, list_id, parent_id, "
        "position, priority, title, user_id, version"
    ),
    ("tasks", "right to update"): (
        "completed, completed_on, deleted_at, description, due_on, due_time, has_subtasks, labels, "
        "list_id, parent_id, position, priority, title, updated_at, version"
    ),
    ("tasks", "right to delete"): "rows",
    ("tasks", "trigger a_lock_owner"): (
        "enabled CREATE TRIGGER a_lock_owner BEFORE INSERT OR DELETE OR UPDATE ON tasks "
        "FOR EACH STATEMENT EXECUTE FUNCTION lock_owner()"
    ),
    ("tasks", "trigger b_note_changed_task"): (
        "enabled CREATE TRIGGER b_note_changed_task BEFORE UPDATE ON tasks "
        "FOR EACH ROW EXECUTE FUNCTION note_changed_task()"
    ),
    ("tasks", "trigger b_note_new_task"): (
        "enabled CREATE TRIGGER b_note_new_task BEFORE INSERT ON tasks "
        "FOR EACH ROW EXECUTE FUNCTION note_new_task()"
    ),
    ("tasks", "trigger c_take_subtasks_along"): (
        "enabled CREATE TRIGGER c_take_subtasks_along AFTER UPDATE OF completed, deleted_at, "
        "list_id ON tasks FOR EACH ROW WHEN (new.has_subtasks) "
        "EXECUTE FUNCTION take_subtasks_along()"
    ),
    ("tasks", "trigger note_what_is_gone"): (
        "enabled CREATE TRIGGER note_what_is_gone AFTER DELETE ON tasks REFERENCING OLD TABLE AS "
        "gone FOR EACH STATEMENT EXECUTE FUNCTION note_what_is_gone()"
    ),
    ("task_labels", ROW_SECURITY): "enabled, forced",
    ("task_labels", "policy task_labels_owner"): _OWN_ROWS,
    ("task_labels", "right to select"): "every column",
    ("task_labels", "right to insert"): "every column",
    ("task_labels", "right to delete"): "rows",
    ("task_lists", ROW_SECURITY): "enabled, forced",
    ("task_lists", "policy task_lists_owner"): (
        f"permissive select to {SERVER_ROLE} using {_IS_OWN}"
    ),
    ("task_lists", "policy task_lists_owner_insert"): (
        f"permissive insert to {SERVER_ROLE} with check {_IS_OWN}"
    ),
    ("task_lists", "policy task_lists_owner_update"): (
        f"permissive update to {SERVER_ROLE} using {_IS_OWN} with check {_IS_OWN}"
    ),
    ("task_lists", "policy task_lists_owner_delete"): (
        f"permissive delete to {SERVER_ROLE} using ({_IS_OWN} AND (deleted_at IS NOT NULL))"
    ),
    ("task_lists", "policy task_lists_maintenance"): _OLD_ROWS.format("deleted_at"),
    ("task_lists", "policy task_lists_counting"): (
        "permissive select to the functions' owner using true"
    ),
    ("task_lists", "right to delete"): "rows",
    ("task_lists", "trigger a_lock_owner"): (
        "enabled CREATE TRIGGER a_lock_owner BEFORE INSERT OR DELETE OR UPDATE ON task_lists "
        "FOR EACH STATEMENT EXECUTE FUNCTION lock_owner()"
    ),
    ("task_lists", "trigger b_note_new_list"): (
        "enabled CREATE TRIGGER b_note_new_list BEFORE INSERT ON task_lists "
        "FOR EACH ROW EXECUTE FUNCTION note_new_list()"
    ),
    ("task_lists", "trigger b_note_changed_list"): (
        "enabled CREATE TRIGGER b_note_changed_list BEFORE UPDATE ON task_lists "
        "FOR EACH ROW EXECUTE FUNCTION note_changed_list()"
    ),
    ("task_lists", "trigger c_take_members_along"): (
        "enabled CREATE TRIGGER c_take_members_along AFTER UPDATE ON task_lists FOR EACH ROW "
        "WHEN (new.deleted_at IS DISTINCT FROM old.deleted_at) "
        "EXECUTE FUNCTION take_members_along()"
    ),
    ("task_lists", "trigger note_what_lists_are_gone"): (
        "enabled CREATE TRIGGER note_what_lists_are_gone AFTER DELETE ON task_lists REFERENCING "
        "OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note_what_lists_are_gone()"
    ),
    ("task_lists", "right to select"): "every column",
    ("task_lists", "right to insert"): "id, name, position, user_id",
    ("task_lists", "right to update"): "deleted_at, name, position",
    ("task_counters", ROW_SECURITY): "enabled, forced",
    ("task_counters", "policy task_counters_owner"): _OWN_ROWS,
    ("task_counters", "policy task_counters_maintenance"): (
        "permissive all to the functions' owner using true"
    ),
    ("task_counters", "right to select"): "every column",
    ("task_counters", "right to insert"): "bytes, last_id, tasks, user_id, version",
    ("task_counters", "right to update"): "bytes, last_id, tasks, version",
    ("idempotency_keys", ROW_SECURITY): "enabled, forced",
    ("idempotency_keys", "policy idempotency_keys_owner"): _OWN_ROWS,
    ("idempotency_keys", "policy idempotency_keys_maintenance"): _OLD_ROWS.format("created_at"),
    ("idempotency_keys", "right to select"): "every column",
    ("idempotency_keys", "right to insert"): "key, outcome, request, user_id",
    ("alembic_version", "right to select"): "every column",
    ("installation", "right to select"): "every column",
    ("", "function lock_owner"): "callable b6a371f51cab2358755166342d266bdd",
    ("", "function take_number"): "callable 646f2adbde2a9f6204b8313ca3b12794",
    ("", "function length_of"): "callable 03dd5e7a33b369f091b3a098a31cd354",
    ("", "function label_key"): "callable 089f7c34b6ab91119998e4b1d2f8bae3",
    ("", "function spelled"): "callable 4a3c9bd858575b106a88bc34ec3af56b",
    ("", "function note_new_task"): "callable 9211e3499ba52c466216306769c1a7c2",
    ("", "function note_changed_task"): "callable 8d9677527b7497b6cf4aa5c164bb4205",
    ("", "function stored_by"): "callable d298e61bbe0f53fda778afb8a7a6df83",
    ("", "function take_next_number"): "callable 30a9baaddae0e5f903f6a9b6201e9aae",
    ("", "function check_id"): "callable 26defe3a89d4f1e982ccc1c1bef1e5c1",
    ("", "function key_between"): "callable 331567fbc82e3aa9d5642a6821af4e8e",
    ("", "function key_below"): "callable 0985c41f0fd365605011af5875e3bab3",
    ("", "function key_above"): "callable a7f5450463974d03a0ac4dffa4cbebe9",
    ("", "function keys_between"): "callable 2f3552821835d4fd6d39381c6bc7e0d8",
    ("", "function neighbours"): "callable 37d64a158d652e321b577bb9b1d7944b",
    ("", "function key_of_place"): "callable ddd84a94ff3b23fd048002672a91b6e3",
    ("", "function key_of_number"): "callable ae90e3c6873bfe3b11665180f1e1bc67",
    ("", "function key_of_list"): "callable 4590a13965a6b06d286dc5976294c0f2",
    ("", "function key_of_task"): "callable e1c654040f6f3b07445805415d4871f0",
    ("", "function checked_list"): "callable 1dc2d4ac34b29c6b79d7a8636bd4c31b",
    ("", "function take_subtasks_along"): "callable bac763681a80de2bc83aede3bd0273d5",
    ("", "function note_new_list"): "callable 4fd743e7a3fa27ade1a494f0e4aa7616",
    ("", "function note_changed_list"): "callable fc818ed0a83e3a67c467ad40da1e7d10",
    ("", "function take_members_along"): "callable e0abcb6e87efe61d36e894d611875b70",
    ("", "function note_what_lists_are_gone"): (
        f"{_AS_OWNER} set {_SEARCH_PATH} 85cbd8dace58fb51d0274219f19ecc8e"
    ),
    ("", "function add_labels"): "callable 3c0e4994f48aab4ffeeae4b39494539f",
    ("", "function note_what_is_gone"): (
        f"{_AS_OWNER} set {_SEARCH_PATH} 3eaeee5a3edbf0aa9def6ac67e1eb319"
    ),
    ("", "function purge_idempotency_keys"): (
        f"{_AS_OWNER} callable set {_SEARCH_PATH} de673356f5a81c07ec579833863d3d33"
    ),
    ("", "function purge_trash"): (
        f"{_AS_OWNER} callable set {_SEARCH_PATH} 27799856e4e0107f631234f790efdb33"
    ),
    ("", "function query_for"): f"callable set {_SEARCH_PATH} ccd5ff62699439e9d116a220ca27610c",
    ("", "function search_tasks"): (
        f"{_AS_OWNER} callable set {_SEARCH_PATH}, enable_seqscan=off "
        "fa0f7fe8de0b414756cd02f92f80adb0"
    ),
    ("", "function take_claims"): (
        f"{_AS_OWNER} callable set {_SEARCH_PATH} 7fbe07e0ec535d0c73fe70cfe2795be7"
    ),
    ("", "function words_of"): "callable 619e37fcb4df506f3633f69dc4d7bfdb",
    ("", "function words_in"): "callable b52fde124e36fb07a7247707f99ca011",
    ("", "function place_of"): "callable 216d64cdfe261a7ed0a9a92a53b71df1",
    ("", "function fold"): "callable e8e574836873250a109c2972f338472b",
    ("", "function spaced"): "callable e321ab0b41c90bddc1ad663c52f571d7",
    ("", "function order_of"): "callable 0c83e70a58bcbbdcc83a39dfe4931c08",
    ("", "right to use the schema"): "granted",
}
"""What there must be, as `QUERY` tells it.

A policy's expressions are in PostgreSQL's own words, and a function's text is an MD5 digest. The
server's role has its usual name here; see `expected_for`.
"""

FUNCTIONS = tuple(thing.split()[1] for table, thing in EXPECTED if thing.startswith("function "))

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
FROM tables WHERE name = ANY (%(owned)s)
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


NOT_MIGRATED = (
    "The database is not migrated, or the role lacks the right to use the schema: run "
    "`todo-api migrate`."
)
DISTRIBUTED = (
    "The tables are distributed over several nodes by Citus, where nobody has tried whether row "
    "security keeps users apart: use them on one node."
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
        "owned": list(OWNED_TABLES),
        "functions": list(FUNCTIONS),
    }


def expected_for(role: str) -> dict[Key, str]:
    """Return what there must be where the server's role has this name."""
    return {key: for_role(state, role) for key, state in EXPECTED.items()}


def compare(
    rows: Iterable[tuple[str, str, str, bool]], expected: Mapping[Key, str]
) -> list[Difference]:
    """Return each difference between what `QUERY` tells and what is expected."""
    found = {(table, thing): (state, matters) for table, thing, state, matters in rows}
    differences = []
    for key, wanted in expected.items():
        state, _ = found.pop(key, (None, False))
        if state != wanted:
            differences.append(Difference(*key, state, wanted))
    more = [Difference(*key, state, None) for key, (state, matters) in found.items() if matters]
    return differences + more


def sentences(differences: Iterable[Difference]) -> list[str]:
    """Return a sentence for each difference, and at last what to do about them."""
    found = [str(difference) for difference in differences]
    return [*found, HOW_TO_MEND] if found else []


def check_protection(url: str, server_role: str = SERVER_ROLE) -> list[str]:
    """Return a sentence for each difference in a database whose migrations are current.

    Raises:
        MigrationFailed: it could not be asked.
    """
    try:
        with psycopg.connect(libpq_url(url)) as connection:
            rows = connection.execute(QUERY, parameters(server_role)).fetchall()
            return sentences(compare(rows, expected_for(server_role)))
    except psycopg.Error as error:
        raise MigrationFailed(f"The rights could not be looked at: {error}") from error


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
    if await _are_distributed(connection):
        return [DISTRIBUTED]
    cursor = await connection.execute(QUERY, parameters(role.name))
    rows, expected = await cursor.fetchall(), expected_for(server_role)
    if await _is_newer(connection):
        cursor = await connection.execute("SELECT serves FROM installation")
        ((serves,),) = await cursor.fetchall()
        if serves > REVISION:
            return [NOT_SERVED]
        rows = [row for row in rows if row[1] == ROW_SECURITY]
        expected = {key: state for key, state in expected.items() if key[1] == ROW_SECURITY}
    return sentences(compare(rows, expected)) or await _probe(connection)


async def _are_distributed(connection: AsyncConnection[Any]) -> bool:
    cursor = await connection.execute("SELECT to_regclass('pg_dist_partition') IS NOT NULL")
    ((is_citus,),) = await cursor.fetchall()
    if not is_citus:
        return False
    cursor = await connection.execute(
        "SELECT EXISTS (SELECT FROM pg_dist_partition "
        "WHERE logicalrelid IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name))",
        [list(OWNED_TABLES)],
    )
    ((are_distributed,),) = await cursor.fetchall()
    return bool(are_distributed)


async def _is_newer(connection: AsyncConnection[Any]) -> bool:
    try:
        cursor = await connection.execute("SELECT version_num FROM alembic_version")
        record = await cursor.fetchone()
    except psycopg.errors.InsufficientPrivilege:
        # It is one of the rights that are looked at.
        return False
    return record is not None and record[0] > REVISION


async def _probe(connection: AsyncConnection[Any]) -> list[str]:
    """Return a sentence for each table that shows rows to an identity that nobody has."""
    shown = ", ".join(f"EXISTS (SELECT FROM {table})" for table in OWNED_TABLES)
    async with connection.transaction():
        await connection.execute("SELECT set_config('app.user_id', %s, true)", [uuid4().hex])
        cursor = await connection.execute(f"SELECT {shown}")
        record = await cursor.fetchone()
    assert record is not None
    return [
        f"{table} shows rows to an identity that nobody has: row security does not hold."
        for table, is_shown in zip(OWNED_TABLES, record, strict=True)
        if is_shown
    ]
