"""The nodes of a cluster, as the coordinator tells of them: who answers, and what each has."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from app.database.findings import Finding

MAJOR = "14"
"""The version of Citus that this was tried with."""

MORE = 20
"""Connections to a node that people and maintenance need, besides those of servers."""

PATIENCE_MAX = 5000
"""Milliseconds for which a node should wait at most for another that does not answer at all."""

GROUP_MAX = 50 * 2**30
"""Bytes that a shard group should have at most: it is moved as a whole."""

WHO_ANSWERS = """
SELECT count(*) FILTER (WHERE success), count(*) FILTER (WHERE NOT success),
       coalesce(string_agg(nodename || ':' || nodeport, ', ' ORDER BY nodename, nodeport)
                FILTER (WHERE NOT success), '')
FROM run_command_on_workers('SELECT 1')
"""
"""Of the nodes that have rows how many answer and how many do not, and the names of the latter."""

_EACH = """
SELECT nodename || ':' || nodeport, success, result,
       (SELECT count(DISTINCT shardminvalue)
        FROM pg_dist_placement AS p JOIN pg_dist_shard USING (shardid)
        WHERE p.groupid = node.groupid AND logicalrelid = 'users'::regclass)
FROM run_command_on_all_nodes($$
    SELECT concat_ws(' ', current_setting('server_version_num')::int / 10000,
        (SELECT extversion FROM pg_extension WHERE extname = 'citus'),
        current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int,
        (SELECT count(*) FROM pg_prepared_xacts
         WHERE database = current_database() AND prepared < now() - interval '1 minute'),
        (SELECT count(*) FROM pg_proc
         WHERE pronamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('tasks'))
           AND proname IN ('search_tasks', 'take_claims', 'purge_trash', 'purge_idempotency_keys')
           AND has_function_privilege('public', oid, 'EXECUTE')),
        (SELECT setting FROM pg_settings WHERE name = 'citus.node_connection_timeout'))
$$) JOIN pg_dist_node AS node USING (nodeid)
WHERE noderole = 'primary' ORDER BY groupid
"""

_GROUPS = """
SELECT count(*), min(bytes), max(bytes) FROM (
    SELECT sum(size)::bigint AS bytes
    FROM pg_dist_shard JOIN citus_shard_sizes() ON shard_id = shardid
    WHERE shardminvalue IS NOT NULL GROUP BY shardminvalue) AS shard_groups
"""


@dataclass(frozen=True, slots=True)
class Node:
    """What one node tells of itself."""

    name: str
    postgres: int
    citus: str
    connections: int
    prepared: int
    """Prepared transactions older than a minute."""
    shards: int
    """Parts of each table there."""
    open_functions: int = 0
    """Functions that act as their owner, and that anybody may call."""
    patience: int = 0
    """Milliseconds that it waits for another node that does not answer."""

    @property
    def versions(self) -> str:
        return f"PostgreSQL {self.postgres}, Citus {self.citus}"


async def examine_nodes(
    connection: AsyncConnection[Any], pool: int, workers: int | None
) -> AsyncIterator[Finding]:
    """Yield what is found of the nodes of a cluster.

    `pool`: connections of each worker to a node. `workers`: how many there are; None: that is not
    known.

    Raises:
        psycopg.Error: the coordinator could not be asked.
    """
    cursor = await connection.execute(_EACH)
    nodes, told = [], await cursor.fetchall()
    for name, answers, result, shards in told:
        if not answers:
            yield Finding(False, f"The node {name} does not answer: {str(result).strip()}.")
            continue
        postgres, citus, *numbers = str(result).split()
        connections, prepared, opened, patience = map(int, numbers)
        node = Node(name, int(postgres), citus, connections, prepared, shards, opened, patience)
        nodes.append(node)
        yield Finding(True, f"The node {name} answers: {node.versions}, {shards} shards.")
    for finding in findings_of(nodes, pool, workers):
        yield finding
    if len(nodes) == len(told):
        cursor = await connection.execute(_GROUPS)
        ((count, smallest, largest),) = await cursor.fetchall()
        yield groups_of(count, smallest, largest)


def findings_of(nodes: list[Node], pool: int, workers: int | None) -> list[Finding]:
    """Return what follows from what nodes tell, of which the first is the coordinator."""
    found = []
    versions = {node.versions for node in nodes}
    if len(versions) > 1:
        told = ", ".join(f"{node.name}: {node.versions}" for node in nodes)
        found.append(Finding(False, f"The nodes have different versions: {told}."))
    elif nodes and nodes[0].citus.partition("-")[0].partition(".")[0] != MAJOR:
        sentence = f"This was tried with Citus {MAJOR}, and not with {nodes[0].citus}."
        found.append(Finding(True, sentence, open=True))
    found += [
        Finding(
            False,
            f"On the node {node.name} {node.prepared} prepared transactions are older than a "
            "minute, and hold their locks: look at pg_prepared_xacts there.",
        )
        for node in nodes
        if node.prepared
    ]
    found += [
        Finding(
            False,
            f"On the node {node.name} anybody may call functions that act as their owner, as after "
            "it was added: run `todo-api distribute`.",
        )
        for node in nodes
        if node.open_functions
    ]
    patient = [node for node in nodes if node.patience > PATIENCE_MAX]
    if patient:
        names = ", ".join(node.name for node in patient)
        sentence = (
            "Where a node is away without a word, all users wait for it, for up to "
            f"{max(node.patience for node in patient) / 1000:.0f} s at {names}: set "
            "citus.node_connection_timeout there, and tcp_user_timeout in citus.node_conninfo."
        )
        found.append(Finding(True, sentence, open=True))
    with_rows = [node for node in nodes if node.shards]
    if with_rows:
        found.append(
            _connections_of(min(with_rows, key=lambda node: node.connections), pool, workers)
        )
    return found


def _connections_of(node: Node, pool: int, workers: int | None) -> Finding:
    """Say whether the node that allows the fewest connections allows enough.

    A session at the coordinator keeps one to each node that it has needed.
    """
    allowed = f"{node.name} allows {node.connections}"
    if workers is None:
        most = max(0, node.connections - MORE) // pool
        return Finding(
            most > 0,
            f"Each worker opens up to {pool} connections to each node, and {allowed}: enough for "
            f"{most} workers.",
        )
    needed = workers * pool + MORE
    return Finding(
        workers * pool <= node.connections,
        f"{workers} workers need up to {needed} connections to each node, and {allowed}"
        + ("." if needed <= node.connections else ": raise max_connections, or use fewer workers."),
        open=needed > node.connections,
    )


def groups_of(count: int, smallest: int, largest: int) -> Finding:
    """`smallest`, `largest`: bytes of a shard group, one shard of each table."""
    sentence = (
        f"Of {count} shard groups the smallest has {smallest / 2**20:,.0f} MiB, the largest "
        f"{largest / 2**20:,.0f}"
    )
    if largest <= GROUP_MAX:
        return Finding(True, f"{sentence}.")
    return Finding(
        True,
        f"{sentence}: more than {GROUP_MAX / 2**30:.0f} GiB take long to move.",
        open=True,
    )
