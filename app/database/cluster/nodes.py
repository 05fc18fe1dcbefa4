"""The nodes of a cluster, so that statements go straight to the one that has their owner's rows.

Each node takes each statement, and passes on what is about rows of another. So what is known here
may be old: that costs time, and never rows.
"""

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.database.instances import application_name
from app.database.session import SET_LOCALS, prepare_session_of_node
from app.database.urls import libpq_url
from app.settings import Settings
from app.telemetry.metrics import Metrics
from app.telemetry.repeated import Repeated
from models.user import UserId
from pipelined_postgres.calls import statement as statement_of
from pipelined_postgres.client import Client, Numbers, UnusableConnection
from pipelined_postgres.options import Options

logger = logging.getLogger(__name__)

READ_EACH = 30.0
"""Seconds after which it is read again where shards lie, while statements come."""

READ_AFTER_FAILURE = 1.0
"""The same, where a connection broke: a node may have been replaced."""

COUNTS_FOR = 60.0
"""Seconds for which it counts where shards lie: a node that was removed learns of no moves."""

CONNECT_EACH = 30.0
"""Seconds between two tries to reach a node that is away, at most."""

OWNERS_MAX = 100_000
"""Owners of whom it is known which shard is theirs."""

# What lies on the coordinator goes there anyway.
_PLACES = """
SELECT shardid, nodename, nodeport
FROM pg_dist_shard JOIN pg_dist_placement USING (shardid) JOIN pg_dist_node USING (groupid)
WHERE logicalrelid = to_regclass('users') AND groupid <> 0 AND isactive AND noderole = 'primary'
"""

_SHARDS = """
SELECT owner, get_shard_id_for_distribution_column('users', owner)
FROM unnest($1::text[]) AS owner
"""

_IDENTIFIER = "SELECT system_identifier::text FROM pg_control_system()"

_ALL_IDENTIFIERS = "SELECT result FROM run_command_on_all_nodes($1::text) WHERE success"


class Nodes:
    """Knows which connections lead to the node with an owner's rows."""

    def __init__(
        self,
        url: str,
        settings: Settings,
        options: Options,
        coordinator: Client,
        metrics: Metrics | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`url`, `coordinator`: the coordinator's. `clock`: in seconds."""
        self._url = url
        self._settings = settings
        self._options = replace(options, reconnect_pause_max=CONNECT_EACH)
        self._coordinator = coordinator
        self._metrics = metrics
        self._clock = clock
        self._repeated = Repeated(logger)
        self._clients: dict[str, Client] = {}
        """By the node's host and port; those of nodes that are no more have no connections."""
        self.names: dict[Client, str] = {}
        """The same the other way round."""
        self._by_shard: dict[int, Client] = {}
        self._shards: OrderedDict[UserId, int] = OrderedDict()
        """The shard of an owner; the owner who came last is at the end."""
        self._asked_for: set[UserId] = set()
        """Owners who came, and whose shard is not known."""
        self._read_at = self._may_read_at = self._counts_until = -math.inf
        self._learning: asyncio.Task[None] | None = None
        self._identifiers: frozenset[str] = frozenset()
        """Those of the cluster's servers: another may answer at the address of a node."""
        self.straight = 0
        """Statements that went to the node with the rows."""
        self.passed_on = 0
        """Statements that another node had to pass on, or may have had to."""

    def client_for(self, owner: UserId) -> Client:
        """Return the connections to the node with the owner's rows, as far as that can be had."""
        shard = self._shards.get(owner)
        if shard is None:
            self._asked_for.add(owner)
        else:
            self._shards.move_to_end(owner)
        now = self._clock()
        if self._learning is None and (self._asked_for or now >= self._read_at):
            self._learning = asyncio.create_task(self._learn())
        client = None if shard is None else self._by_shard.get(shard)
        if client is not None and now < self._counts_until and client.is_connected():
            self.straight += 1
            return client
        self.passed_on += 1
        return self._any()

    def note_failure(self) -> None:
        """Read again soon where shards lie: a connection broke."""
        self._read_at = min(self._read_at, self._may_read_at)

    def numbers(self) -> Iterator[tuple[str, Numbers]]:
        """Yield the name of each node but the coordinator, and how much there is to do there."""
        for name, client in self._clients.items():
            yield name, client.numbers()

    async def close(self) -> None:
        """Close the connections to all nodes but the coordinator."""
        if self._learning is not None:
            self._learning.cancel()
            await asyncio.wait([self._learning])
        for client in self._clients.values():
            await client.close()

    def _any(self) -> Client:
        """Return the coordinator; while it is away, any node that is not."""
        if self._coordinator.is_connected():
            return self._coordinator
        there = (each for each in self._by_shard.values() if each.is_connected())
        return next(there, self._coordinator)

    async def _learn(self) -> None:
        """Read where shards lie, where it is time for that, and whose they are."""
        try:
            if self._clock() >= self._read_at:
                await self._read_places()
            while self._asked_for:
                owners, self._asked_for = list(self._asked_for), set()
                self._remember(await self._ask(_SHARDS, owners))
        except (psycopg.Error, TimeoutError) as error:
            # Those who come again ask again.
            self._asked_for.clear()
            sentence = f"It could not be read where the cluster's shards lie: {error}"
            self._repeated.log(logging.WARNING, sentence, about="shards")
        finally:
            self._learning = None

    async def _read_places(self) -> None:
        now = self._clock()
        self._read_at = self._may_read_at = now + READ_AFTER_FAILURE
        places = await self._ask(_PLACES)
        self._read_at, self._counts_until = now + READ_EACH, now + COUNTS_FOR
        if {shard for shard, _, _ in places} != self._by_shard.keys():
            # They were distributed anew.
            self._shards.clear()
        self._by_shard = {shard: self._client_of(host, port) for shard, host, port in places}

    def _remember(self, shards: list[tuple[Any, ...]]) -> None:
        for owner, shard in shards:
            self._shards[owner] = shard
        while len(self._shards) > OWNERS_MAX:
            self._shards.popitem(last=False)

    async def _ask(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        client = self._any()
        timeout = client.text(int(self._settings.database_statement_timeout * 1000))
        queries = (
            (statement_of(SET_LOCALS), (b"", timeout)),
            (statement_of(text), [client.text(value) for value in values]),
        )
        return await client.run(queries, tuple, repeatable=True)

    def _client_of(self, host: str, port: int) -> Client:
        name = f"{host}:{self._settings.database_node_port or port}"
        client = self._clients.get(name)
        if client is None:
            metrics = self._metrics
            client = self._clients[name] = Client(
                _url_of(self._url, host, self._settings.database_node_port or port),
                self._options,
                prepare=partial(self._prepare, name),
                application_name=application_name(),
                waited=None if metrics is None else partial(metrics.waits.observe, (name,)),
            )
            self.names[client] = name
            client.start()
        return client

    async def _prepare(self, name: str, connection: AsyncConnection[Any]) -> None:
        await prepare_session_of_node(connection, self._settings)
        cursor = await connection.execute(_IDENTIFIER)
        ((identifier,),) = await cursor.fetchall()
        if identifier not in self._identifiers:
            told = await self._ask(_ALL_IDENTIFIERS, _IDENTIFIER)
            self._identifiers = frozenset(each for (each,) in told)
        if identifier not in self._identifiers:
            raise UnusableConnection(f"The server at {name} is not of the cluster.")


def _url_of(url: str, host: str, port: int) -> str:
    """Return the URL of the same database on another node."""
    given = conninfo_to_dict(libpq_url(url))
    given.pop("hostaddr", None)
    return make_conninfo("", **{**given, "host": host, "port": port})
