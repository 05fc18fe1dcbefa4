"""A cluster of several nodes: who asks one acts as an owner there, on whichever node rows lie."""

import json
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import AsyncConnection, sql

from app.database.expected import FUNCTIONS
from models.metadata import DELETED_USERS, OWNED_TABLES

ACT_AS = "SELECT act_as($1, $2, $3)"
"""Between BEGIN and COMMIT; what `SET_LOCALS` says would not reach other nodes."""

WAIT_FOR_TURN = (
    "SELECT pg_advisory_xact_lock(hashtextextended(user_id, 0)) FROM task_counters "
    "WHERE user_id = $1"
)
"""As the trigger `a_lock_owner` does, on the node where the owner's rows lie."""

SETTINGS = {
    "citus.propagate_set_commands": "local",
    "citus.multi_task_query_log_level": "error",
    "plan_cache_mode": "force_custom_plan",
}
"""The settings of each session: identities go along, and nothing asks several nodes, as an UPDATE
with a sub-select would whose plan is made once for all owners."""

DISTRIBUTED_AMONG = """
SELECT relname::text FROM pg_dist_partition JOIN pg_class ON oid = logicalrelid
WHERE logicalrelid IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)
"""
"""The names of those of some tables that are distributed, where there is Citus."""

_GUARDS = sql.SQL(r"""
concat_ws(E'\n',
    concat_ws(' ', 'row security', c.relrowsecurity, c.relforcerowsecurity),
    (SELECT string_agg(
         translate(concat_ws(' ', 'policy', polname, polcmd, polpermissive,
             (SELECT string_agg(pg_get_userbyid(role), ',' ORDER BY role)
              FROM unnest(polroles) AS role),
             pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)), E'\n', ' '),
         E'\n' ORDER BY polname)
     FROM pg_policy WHERE polrelid = c.oid),
    (SELECT string_agg(
         concat_ws(' ', 'trigger', regexp_replace(tgname, '_[0-9]+$', ''), tgenabled),
         E'\n' ORDER BY tgname)
     FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal))
""")
"""What keeps users apart in a table, or in one of its shards: row security, policies, triggers; a
line for each."""

_TABLES = sql.SQL("""
SELECT jsonb_object_agg(relname, {guards})::text
FROM pg_class AS c WHERE oid IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)
""")

# A node looks at all its shards at once: one by one they take seconds.
_SHARDS = sql.SQL("""
WITH wanted AS (SELECT {wanted}::jsonb AS tables)
SELECT jsonb_agg(DISTINCT jsonb_build_array(t.relname, {guards}))
FROM wanted, pg_dist_local_group JOIN pg_dist_placement USING (groupid)
     JOIN pg_dist_shard USING (shardid) JOIN pg_class AS t ON t.oid = logicalrelid
     LEFT JOIN pg_class AS c
         ON c.relnamespace = t.relnamespace AND c.relname = t.relname || '_' || shardid
WHERE tables ? t.relname::text AND tables ->> t.relname::text IS DISTINCT FROM {guards}
""")
"""The tables of which a node has a shard where that is otherwise, and how."""

_FUNCTIONS = sql.SQL("""
SELECT md5(string_agg(proname || md5(prosrc), '' ORDER BY proname)) FROM pg_proc
WHERE pronamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('tasks'))
  AND proname = ANY ({names})
""")

_ASK_NODES = """
SELECT nodename || ':' || nodeport, success, result
FROM run_command_on_all_nodes(%s::text) JOIN pg_dist_node USING (nodeid)
"""

_PASSED_ON = "SELECT reset_val FROM pg_settings WHERE name = 'citus.propagate_set_commands'"
"""What a session begins with: behind a pooler, what is set later may be another's."""

_SOMEBODY_ON_EACH = """
SELECT DISTINCT ON (1) nodename || ':' || nodeport, whose
FROM (SELECT 'probe ' || md5(%s || n) AS whose FROM generate_series(1, 1000) AS n) AS candidates
JOIN pg_dist_placement ON shardid = get_shard_id_for_distribution_column('users', whose)
JOIN pg_dist_node USING (groupid)
WHERE noderole = 'primary' ORDER BY 1
"""

_IS_DOWN = ("failed to connect", "connection to the remote node")
"""How what is said of a node begins that cannot be reached."""

_HOW = "`todo-api distribute` does what is missing."


async def is_cluster(connection: AsyncConnection[Any]) -> bool:
    """Return whether any of the tables is distributed."""
    cursor = await connection.execute("SELECT to_regclass('pg_dist_partition') IS NOT NULL")
    ((is_citus,),) = await cursor.fetchall()
    if not is_citus:
        return False
    cursor = await connection.execute(DISTRIBUTED_AMONG, [list(OWNED_TABLES)])
    return await cursor.fetchone() is not None


async def set_settings(connection: AsyncConnection[Any]) -> None:
    """Set what a session on any node needs."""
    for name, value in SETTINGS.items():
        await connection.execute(f"SET {name} TO {value}")


async def objections(connection: AsyncConnection[Any]) -> list[str]:
    """Return a sentence for each reason why a cluster would not keep users apart.

    Raises:
        psycopg.Error: it could not be asked.
    """
    cursor = await connection.execute(DISTRIBUTED_AMONG, [list(OWNED_TABLES)])
    there = {name for (name,) in await cursor.fetchall()}
    missing = [name for name in OWNED_TABLES if name not in there]
    if missing:
        return [
            f"These tables are not distributed, though others are: {', '.join(missing)}. {_HOW}"
        ]
    cursor = await connection.execute(_PASSED_ON)
    if await cursor.fetchone() != ("local",):
        return [
            f"The role {connection.info.user} does not pass identities on to other nodes: its "
            f"sessions must begin with citus.propagate_set_commands = local. {_HOW}"
        ]
    await set_settings(connection)
    return await _differences(connection) or await probe(connection)


async def _differences(connection: AsyncConnection[Any]) -> list[str]:
    """Return a sentence for each node that has other functions or guards than the coordinator."""
    functions = _FUNCTIONS.format(names=sql.Literal(list(FUNCTIONS)))
    cursor = await connection.execute(functions)
    ((ours,),) = await cursor.fetchall()
    sentences = [
        f"The node {node} has other functions than the coordinator. {_HOW}"
        for node, _, told in await _told_by_nodes(connection, functions)
        if told != ours
    ]
    cursor = await connection.execute(
        _TABLES.format(guards=_GUARDS), [[*OWNED_TABLES, DELETED_USERS.name]]
    )
    ((wanted,),) = await cursor.fetchall()
    shards = _SHARDS.format(wanted=sql.Literal(wanted), guards=_GUARDS)
    tables = json.loads(wanted)
    answers = await _told_by_nodes(connection, shards)
    sentences += [
        f"The node {node} could not be compared with the coordinator: {told.strip()}."
        for node, success, told in answers
        if not success
    ]
    different = {
        (node, table, thing)
        for node, success, told in answers
        if success and told
        for table, found in json.loads(told)
        for thing in _differing(found, tables[table])
    }
    return sentences + [
        f"On the node {node}, the {thing} of {table} is not as on the coordinator."
        for node, table, thing in sorted(different)
    ]


def _differing(found: str, wanted: str) -> set[str]:
    """Return what differs in two texts of `_GUARDS`: `policy x`, `trigger y`, `row security`."""
    lines = set(found.splitlines()) ^ set(wanted.splitlines())
    return {" ".join(line.split()[:2]) for line in lines}


async def _told_by_nodes(
    connection: AsyncConnection[Any], question: sql.Composed
) -> list[tuple[str, bool, str]]:
    """Have each node answer; return its name, whether it could, and what it says.

    One that is down is left out: it shows nobody anything, and others go on.
    """
    cursor = await connection.execute(_ASK_NODES, [question.as_string(connection)])
    return [
        (node, success, answer)
        for node, success, answer in await cursor.fetchall()
        if success or not answer.startswith(_IS_DOWN)
    ]


async def probe(connection: AsyncConnection[Any]) -> list[str]:
    """Return a sentence where an identity does not reach each node: one takes no row of it.

    Raises:
        psycopg.Error: none of the nodes could be asked.
    """
    cursor = await connection.execute(_SOMEBODY_ON_EACH, [uuid4().hex])
    unreached, answered, error = [], 0, None
    for node, nobody in await cursor.fetchall():
        try:
            async with connection.transaction(force_rollback=True):
                await connection.execute("SELECT act_as(%s, '5000', '{}')", [nobody])
                await connection.execute(
                    "INSERT INTO users (id, name) VALUES (%s, 'probe') RETURNING id", [nobody]
                )
        except psycopg.errors.InsufficientPrivilege:
            unreached.append(str(node))
        except psycopg.OperationalError as failure:
            # The node is down, perhaps, and others go on.
            error = failure
            if connection.closed:
                raise
            continue
        answered += 1
    if error is not None and not answered:
        raise error
    if not unreached:
        return []
    return [
        f"The identity of users does not reach {', '.join(unreached)}: set "
        "citus.propagate_set_commands to local."
    ]
