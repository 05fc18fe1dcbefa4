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

SETTINGS = {"propagate_set_commands": "local", "multi_task_query_log_level": "error"}
"""Citus's settings of each session: identities go along, and nothing asks several nodes."""

_DISTRIBUTED = """
SELECT relname::text FROM pg_dist_partition JOIN pg_class ON oid = logicalrelid
WHERE logicalrelid IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)
"""

_GUARDS = r"""
SELECT concat_ws(E'\n',
    concat_ws(' ', 'row security', relrowsecurity, relforcerowsecurity),
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
FROM pg_class AS c WHERE oid = '%s'::regclass
"""
"""What keeps users apart in a table, or in one of its shards: row security, policies, triggers; a
line for each."""

_ON_SHARDS = """
SELECT DISTINCT nodename || ':' || nodeport, CASE WHEN success THEN result ELSE '' END
FROM run_command_on_shards({table}, $${guards}$$) AS told
JOIN pg_dist_placement USING (shardid) JOIN pg_dist_node USING (groupid)
WHERE noderole = 'primary' AND (NOT success OR result IS DISTINCT FROM {wanted})
ORDER BY 1
"""

_FUNCTIONS = """
SELECT md5(string_agg(proname || md5(prosrc), '' ORDER BY proname)) FROM pg_proc
WHERE pronamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('tasks'))
  AND proname = ANY ('{{{names}}}')
"""

_ON_NODES = """
SELECT nodename || ':' || nodeport FROM run_command_on_workers($${functions}$$)
WHERE NOT success OR result IS DISTINCT FROM {wanted}
ORDER BY 1
"""

ANSWERING = """
SELECT nodename || ':' || nodeport, success FROM run_command_on_workers('SELECT 1') ORDER BY 1
"""
"""Each node with rows, but the one that is asked, and whether it answers."""

_PASSED_ON = "SELECT reset_val FROM pg_settings WHERE name = 'citus.propagate_set_commands'"
"""What a session begins with: behind a pooler, what is set later may be another's."""

_SOMEBODY_ON_EACH = """
SELECT DISTINCT ON (1) nodename || ':' || nodeport, whose
FROM (SELECT 'probe ' || md5(%s || n) AS whose FROM generate_series(1, 1000) AS n) AS candidates
JOIN pg_dist_placement ON shardid = get_shard_id_for_distribution_column('users', whose)
JOIN pg_dist_node USING (groupid)
WHERE noderole = 'primary' ORDER BY 1
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


async def away(connection: AsyncConnection[Any]) -> set[str]:
    """Return the nodes that do not answer the one that is asked."""
    cursor = await connection.execute(ANSWERING)
    return {str(node) for node, answers in await cursor.fetchall() if not answers}


async def objections(connection: AsyncConnection[Any]) -> list[str]:
    """Return a sentence for each reason why a cluster would not keep users apart.

    A node that does not answer shows nobody anything, and is passed over: others are served.

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
    cursor = await connection.execute(_PASSED_ON)
    if await cursor.fetchone() != ("local",):
        return [
            f"The role {connection.info.user} does not pass identities on to other nodes: its "
            f"sessions must begin with citus.propagate_set_commands = local. {_HOW}"
        ]
    for name, value in SETTINGS.items():
        await connection.execute(f"SET citus.{name} TO {value}")
    not_there = await away(connection)
    sentences = [
        f"The node {node} has other functions than the coordinator. {_HOW}"
        for node in await _nodes_with_other_functions(connection)
        if node not in not_there
    ]
    for table in OWNED_TABLES:
        sentences += await _other_guards(connection, table, not_there)
    return sentences or await _probe(connection, not_there)


async def _other_guards(
    connection: AsyncConnection[Any], table: str, not_there: set[str]
) -> list[str]:
    cursor = await connection.execute(_GUARDS.replace("%s", table))
    ((wanted,),) = await cursor.fetchall()
    told = sql.SQL(_ON_SHARDS).format(
        table=sql.Literal(table), guards=sql.SQL(_GUARDS), wanted=sql.Literal(wanted)
    )
    cursor = await connection.execute(told)
    different = {
        (node, thing)
        for node, found in await cursor.fetchall()
        if node not in not_there
        for thing in _differing(str(found), str(wanted))
    }
    return [
        f"On the node {node}, the {thing} of {table} is not as on the coordinator."
        for node, thing in sorted(different)
    ]


def _differing(found: str, wanted: str) -> set[str]:
    """Return what differs in two texts of `_GUARDS`: `policy x`, `trigger y`, `row security`."""
    lines = set(found.splitlines()) ^ set(wanted.splitlines())
    return {" ".join(line.split()[:2]) for line in lines}


async def _nodes_with_other_functions(connection: AsyncConnection[Any]) -> list[str]:
    functions = _FUNCTIONS.format(names=",".join(FUNCTIONS))
    cursor = await connection.execute(functions)
    ((wanted,),) = await cursor.fetchall()
    told = sql.SQL(_ON_NODES).format(functions=sql.SQL(functions), wanted=sql.Literal(wanted))
    cursor = await connection.execute(told)
    return [str(node) for (node,) in await cursor.fetchall()]


async def _probe(connection: AsyncConnection[Any], not_there: set[str]) -> list[str]:
    """Return a sentence for each node that an identity does not reach: it takes no row of it."""
    cursor = await connection.execute(_SOMEBODY_ON_EACH, [uuid4().hex])
    sentences = []
    for node, nobody in await cursor.fetchall():
        if node in not_there:
            continue
        try:
            async with connection.transaction(force_rollback=True):
                await connection.execute("SELECT act_as(%s, '5000', '{}')", [nobody])
                await connection.execute(
                    "INSERT INTO users (id, name) VALUES (%s, 'probe') RETURNING id", [nobody]
                )
        except psycopg.errors.InsufficientPrivilege:
            sentences.append(
                f"The identity of users does not reach the node {node}: set "
                "citus.propagate_set_commands to local."
            )
    return sentences
