"""Rehearses a cluster of Citus: nodes killed, replaced and added, and shards moved, under load.

    uv run python -m scripts.rehearse.cluster --url postgresql://postgres@coordinator/todo \
        --control ./node --third worker3:5432

The cluster is there before, and its tables are distributed (docs/scale.md). `--control` is a
program that is called with an act and a node, as in `./node kill worker1:5432`. The acts are
`kill`, by SIGKILL; `start`; `restart`; `freeze` and `thaw`, by SIGSTOP and SIGCONT of all its
processes; `cut` and `join`: all packets to it and from it are dropped, and are no more; and
`promote`: it makes the standby of a node that was killed the primary, and prints its `host:port`.
`worker cut off` is played only where `--act` names it, for it wants a worker with a network of its
own. The exit code is 1 where something went wrong.
"""

import asyncio
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from auth.signing import make_token
from scripts.rehearse.clusters import NotAsItShouldBe, rows, run, say, todo
from scripts.rehearse.load import ANSWERED_IN_ORDER, USERS, Act, Load
from scripts.rehearse.servers import SECRET, Server
from scripts.rehearse.verdict import judge, report

CUT_OFF, THIRD_ADDED = "worker cut off", "third worker added"
"""Acts that want something besides."""

PAUSE = 5.0
"""Seconds between two acts, which are counted to the one before."""

DOWN = 6.0
"""Seconds for which a node is down."""

PROMOTED_AFTER = 2.0
"""Seconds after which the standby of a node that was killed is promoted."""

WHERE = """
SELECT whose, nodename || ':' || nodeport
FROM (SELECT 'user-' || n AS whose FROM generate_series(0, {}) AS n) AS users
JOIN pg_dist_placement ON shardid = get_shard_id_for_distribution_column('users', whose)
JOIN pg_dist_node USING (groupid) WHERE noderole = 'primary'
"""
NODES = """
SELECT nodename || ':' || nodeport FROM pg_dist_node
WHERE noderole = 'primary' AND shouldhaveshards AND isactive ORDER BY groupid
"""
COORDINATOR = "SELECT nodename || ':' || nodeport FROM pg_dist_node WHERE groupid = 0"
OF_USER_0 = """
SELECT shardid, source.nodeid, target.nodeid
FROM pg_dist_placement JOIN pg_dist_node AS source USING (groupid), pg_dist_node AS target
WHERE shardid = get_shard_id_for_distribution_column('users', 'user-0')
  AND target.shouldhaveshards AND target.isactive AND target.nodeid <> source.nodeid
ORDER BY target.nodeid LIMIT 1
"""


@dataclass
class Cluster:
    """The cluster, and who may fail in which act."""

    url: str
    """The coordinator's, as the owner of the tables."""
    control: str
    third: str
    may_fail: dict[str, set[str]] = field(default_factory=dict)
    """The users who may be refused in an act, by its name."""

    def wrong(self, act: Act) -> list[str]:
        """Return what should not have failed in an act."""
        allowed = self.may_fail.get(act.name, set())
        return [
            f"{act.name}, {user}: {count}, {how}"
            for (user, how), count in sorted(act.failed_of.items())
            if user not in allowed or how != ANSWERED_IN_ORDER
        ]

    def ask(self, query: str) -> list[tuple[object, ...]]:
        return rows(self.url, query)

    async def do(self, query: str) -> None:
        """Run a statement that moves shards, outside a transaction."""

        def work() -> None:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(query.encode())

        await asyncio.to_thread(work)

    async def have(self, act: str, node: str) -> str:
        return await asyncio.to_thread(run, [self.control, act, node])

    def users_of(self, node: str) -> set[str]:
        found = self.ask(WHERE.format(USERS - 1))
        return {str(user) for user, its in found if its == node}

    def worker(self, number: int) -> str:
        return str(self.ask(NODES)[number][0])


async def worker_killed(cluster: Cluster) -> None:
    node = cluster.worker(0)
    cluster.may_fail["worker killed"] = cluster.users_of(node)
    await cluster.have("kill", node)
    await asyncio.sleep(DOWN)
    await cluster.have("start", node)


async def worker_hangs(cluster: Cluster) -> None:
    node = cluster.worker(0)
    cluster.may_fail["worker hangs"] = cluster.users_of(node)
    await cluster.have("freeze", node)
    await asyncio.sleep(DOWN)
    await cluster.have("thaw", node)


async def worker_cut_off(cluster: Cluster) -> None:
    node = cluster.worker(0)
    cluster.may_fail[CUT_OFF] = cluster.users_of(node)
    await cluster.have("cut", node)
    await asyncio.sleep(DOWN)
    await cluster.have("join", node)


async def coordinator_restarted(cluster: Cluster) -> None:
    ((node,),) = cluster.ask(COORDINATOR)
    cluster.may_fail["coordinator restarted"] = {f"user-{n}" for n in range(USERS)}
    await cluster.have("restart", str(node))


async def shard_moved(cluster: Cluster) -> None:
    ((shard, source, target),) = cluster.ask(OF_USER_0)
    await cluster.do(
        f"SELECT citus_move_shard_placement({shard}, {source}, {target}, 'force_logical')"
    )


async def third_added(cluster: Cluster) -> None:
    host, _, port = cluster.third.rpartition(":")
    await cluster.do(f"SELECT citus_add_node('{host}', {port})")
    # It may take rows only once its functions are as those of the others.
    await asyncio.to_thread(todo, cluster.url, "distribute")
    await cluster.do(
        "SELECT rebalance_table_shards('users', shard_transfer_mode => 'force_logical')"
    )
    say(f"  {len(cluster.users_of(cluster.third))} of {USERS} users were moved there")


async def worker_replaced(cluster: Cluster) -> None:
    node = cluster.worker(1)
    cluster.may_fail["worker replaced"] = cluster.users_of(node)
    host, _, port = node.rpartition(":")
    ((number,),) = cluster.ask(
        f"SELECT nodeid FROM pg_dist_node WHERE nodename = '{host}' AND nodeport = {port}"
    )
    await cluster.have("kill", node)
    await asyncio.sleep(PROMOTED_AFTER)
    standby = (await cluster.have("promote", node)).split()[-1]
    host, _, port = standby.rpartition(":")
    await cluster.do(f"SELECT citus_update_node({number}, '{host}', {port}, force => true)")


ACTS: dict[str, Callable[[Cluster], Awaitable[None]]] = {
    "worker killed": worker_killed,
    "worker hangs": worker_hangs,
    CUT_OFF: worker_cut_off,
    "coordinator restarted": coordinator_restarted,
    "shard moved": shard_moved,
    THIRD_ADDED: third_added,
    "worker replaced": worker_replaced,
}


def token_of(user: str) -> str:
    lifetime = timedelta(hours=1)
    return make_token(SECRET, user_id=user, lifetime=lifetime, issuer=None, audience=None)


async def play(cluster: Cluster, server: Server, acts: list[str], rate: float) -> bool:
    """Play the acts; return whether all went as it should."""
    await server.wait_until_ready()
    load = Load(server.port, rate, token_of)
    asking = asyncio.create_task(load.run())
    await asyncio.sleep(PAUSE)
    report(load.acts[0])
    for name in acts:
        load.begin(name)
        await ACTS[name](cluster)
        await asyncio.sleep(PAUSE)
        report(load.acts[-1])
    failed = await load.end()
    await asking
    return judge(load, failed, await asyncio.to_thread(stored, cluster), cluster.wrong)


def stored(cluster: Cluster) -> Counter[tuple[str, str]]:
    """Return how often there is a task of a title and an id."""
    found = cluster.ask("SELECT title, id::text FROM tasks")
    return Counter((str(title), str(id)) for title, id in found)


def main(
    url: Annotated[str, typer.Option(help="The coordinator's, as the owner of the tables.")],
    control: Annotated[str, typer.Option(help="The program that kills and starts nodes.")],
    third: Annotated[str, typer.Option(help="A node that is to be added, as host:port.")] = "",
    acts: Annotated[list[str] | None, typer.Option("--act", help="Only these.")] = None,
    rate: Annotated[float, typer.Option(min=1, help="Requests a second.")] = 60,
    workers: Annotated[int, typer.Option(min=1, help="Those of the server.")] = 1,
) -> None:
    """Play the acts under load, and count the requests that fail."""
    folder = Path(tempfile.mkdtemp(prefix="todo-cluster-"))
    settings = {"RATE_LIMIT": "0", "LOG_REQUESTS": "slow"}
    server = Server(re.sub(r"//[^@]*@", "//todo_api@", url), folder, workers, settings)
    left_out = {CUT_OFF} if third else {CUT_OFF, THIRD_ADDED}
    chosen = acts or [name for name in ACTS if name not in left_out]
    try:
        is_well = asyncio.run(play(Cluster(url, control, third), server, chosen, rate))
    except NotAsItShouldBe as error:
        sys.exit(f"WRONG  {error}")
    finally:
        server.kill()
    say(f"The server's log is {server.log}.")
    sys.exit(not is_well)


if __name__ == "__main__":
    typer.run(main)
