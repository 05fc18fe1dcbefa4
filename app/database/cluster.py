"""A cluster of several nodes: who asks one acts as an owner there, on whichever node rows lie."""

from typing import Any
from uuid import uuid4

import psycopg
from psycopg import AsyncConnection, sql

from app.database.expected import FUNCTIONS
from models.metadata import OWNED_TABLES

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

_DISTRIBUTED = """
SELECT relname::text FROM pg_dist_partition JOIN pg_class ON oid = logicalrelid
WHERE logicalrelid IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)
"""

_GUARDS = """
SELECT concat_ws(' ', relrowsecurity, relforcerowsecurity,
    (SELECT string_agg(
         concat_ws(' ', polname, polcmd, polpermissive,
             (SELECT string_agg(pg_get_userbyid(role), ',' ORDER BY role)
              FROM unnest(polroles) AS role),
             pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)),
         '; ' ORDER BY polname)
     FROM pg_policy WHERE polrelid = c.oid),
    (SELECT string_agg(regexp_replace(tgname, '_[0-9]+$', '') || tgenabled::text, ', '
                       ORDER BY tgname)
     FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal))
FROM pg_class AS c WHERE oid = '%s'::regclass
"""
"""What keeps users apart in a table, or in one of its shards: row security, policies, triggers."""

_ON_SHARDS = """
SELECT DISTINCT nodename || ':' || nodeport
FROM run_command_on_shards({table}, $${guards}$$) AS told
JOIN pg_dist_placement USING (shardid) JOIN pg_dist_node USING (groupid)
WHERE NOT success OR result IS DISTINCT FROM {wanted}
"""

_FUNCTIONS = """
SELECT md5(string_agg(proname || md5(prosrc), '' ORDER BY proname)) FROM pg_proc
WHERE pronamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('tasks'))
  AND proname = ANY ('{{{names}}}')
"""

_ON_NODES = """
SELECT DISTINCT nodename || ':' || nodeport
FROM run_command_on_workers($${functions}$$) JOIN pg_dist_node USING (nodename, nodeport)
WHERE NOT success OR result IS DISTINCT FROM {wanted}
"""

_HOW = "`todo-api distribute` does what is missing."


async def is_cluster(connection: AsyncConnection[Any]) -> bool:
    """Return whether any of the tables is distributed."""
    cursor = await connection.execute("SELECT to_regclass('pg_dist_partition') IS NOT NULL")
    ((is_citus,),) = await cursor.fetchall()
    if not is_citus:
        return False
    cursor = await connection.execute(_DISTRIBUTED, [list(OWNED_TABLES)])
    return await cursor.fetchone() is not None


async def objections(connection: AsyncConnection[Any]) -> list[str]:
    """Return a sentence for each reason why a cluster would not keep users apart.

    Raises:
        psycopg.Error: it could not be asked.
    """
    cursor = await connection.execute(_DISTRIBUTED, [list(OWNED_TABLES)])
    there = {name for (name,) in await cursor.fetchall()}
    missing = [name for name in OWNED_TABLES if name not in there]
    if missing:
        return [
            f"These tables are not distributed, though others are: {', '.join(missing)}. {_HOW}"
        ]
    for name, value in SETTINGS.items():
        await connection.execute(f"SET {name} TO {value}")
    sentences = [
        f"The node {node} has other functions than the coordinator. {_HOW}"
        for node in await _nodes_with_other_functions(connection)
    ]
    for table in OWNED_TABLES:
        sentences += [
            f"On the node {node}, what keeps users apart in {table} is not as on the coordinator."
            for node in await _nodes_with_other_guards(connection, table)
        ]
    return sentences or await _probe(connection)


async def _nodes_with_other_guards(connection: AsyncConnection[Any], table: str) -> list[str]:
    cursor = await connection.execute(_GUARDS.replace("%s", table))
    ((wanted,),) = await cursor.fetchall()
    told = sql.SQL(_ON_SHARDS).format(
        table=sql.Literal(table), guards=sql.SQL(_GUARDS), wanted=sql.Literal(wanted)
    )
    cursor = await connection.execute(told)
    return [str(node) for (node,) in await cursor.fetchall()]


async def _nodes_with_other_functions(connection: AsyncConnection[Any]) -> list[str]:
    functions = _FUNCTIONS.format(names=",".join(FUNCTIONS))
    cursor = await connection.execute(functions)
    ((wanted,),) = await cursor.fetchall()
    told = sql.SQL(_ON_NODES).format(functions=sql.SQL(functions), wanted=sql.Literal(wanted))
    cursor = await connection.execute(told)
    return [str(node) for (node,) in await cursor.fetchall()]


async def _probe(connection: AsyncConnection[Any]) -> list[str]:
    """Return a sentence where an identity does not reach the node that has its rows."""
    nobody = f"probe {uuid4().hex}"
    try:
        async with connection.transaction(force_rollback=True):
            await connection.execute("SELECT act_as(%s, '5000', '{}')", [nobody])
            await connection.execute(
                "INSERT INTO users (id, name) VALUES (%s, 'probe') RETURNING id", [nobody]
            )
    except psycopg.errors.InsufficientPrivilege:
        return [
            "The identity of users does not reach the node that has their rows: set "
            "citus.propagate_set_commands to local."
        ]
    return []
