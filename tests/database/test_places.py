"""Which of a cluster's nodes a statement goes to, without a cluster."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import psycopg
import pytest

from app.database.cluster import nodes
from app.database.cluster.nodes import Nodes
from app.database.pipelined import options_of
from models.user import UserId
from pipelined_postgres.calls import Query
from pipelined_postgres.client import Client
from tests.api import settings_for

URL = "postgresql://todo_api@coordinator/todo"
ADA, BEA = UserId("ada"), UserId("bea")


class Node:
    """A node that knows where shards lie."""

    def __init__(self, name: str = "coordinator") -> None:
        self.name = name
        self.is_there = True
        self.asked: list[str] = []
        self.places = [(1, "one", 5432), (2, "two", 5432)]
        self.shards = {ADA: 1, BEA: 2}

    def is_connected(self) -> bool:
        return self.is_there

    def text(self, value: object) -> object:
        return value

    async def run(self, queries: Sequence[Query], *_: object, **__: object) -> list[Any]:
        if not self.is_there:
            raise psycopg.OperationalError("it is away")
        statement, values = queries[-1]
        self.asked.append(statement.text.decode())
        if not values:
            return self.places
        (owners,) = cast("Any", values)
        return [(owner, self.shards.get(owner, 1)) for owner in owners]


class Cluster:
    """Nodes, two of them beside the coordinator, and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.coordinator = Node()
        self.workers: dict[str, Node] = {}
        settings = settings_for(URL)
        self.nodes = Nodes(
            URL,
            settings,
            options_of(settings),
            cast("Client", self.coordinator),
            clock=lambda: self.now,
        )

        def client_of(host: str, _port: int) -> Node:
            return self.workers.setdefault(host, Node(host))

        monkeypatch.setattr(self.nodes, "_client_of", client_of)

    async def asks(self, owner: UserId) -> str:
        """Return the name of the node that is asked; have what is to be learnt then learnt."""
        node = cast("Node", self.nodes.client_for(owner))
        while self.nodes._learning is not None:
            await asyncio.sleep(0)
        return node.name


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(monkeypatch)


async def test_who_comes_first_goes_through_the_coordinator(cluster: Cluster) -> None:
    assert [await cluster.asks(ADA) for _ in range(2)] == ["coordinator", "one"]
    assert [await cluster.asks(BEA) for _ in range(2)] == ["coordinator", "two"]


async def test_a_shard_that_moved_is_followed(cluster: Cluster) -> None:
    await cluster.asks(ADA)
    cluster.coordinator.places = [(1, "two", 5432), (2, "two", 5432)]
    assert await cluster.asks(ADA) == "one"
    cluster.now += 30
    assert [await cluster.asks(ADA) for _ in range(2)] == ["one", "two"]


async def test_a_connection_that_broke_is_a_reason_to_look(cluster: Cluster) -> None:
    await cluster.asks(ADA)
    cluster.coordinator.places = [(1, "two", 5432), (2, "two", 5432)]
    cluster.nodes.note_failure()
    assert [await cluster.asks(ADA) for _ in range(2)] == ["one", "one"]
    cluster.now += 1
    assert [await cluster.asks(ADA) for _ in range(2)] == ["one", "two"]


async def test_nobody_goes_by_what_is_old(cluster: Cluster) -> None:
    await cluster.asks(ADA)
    cluster.now += 60
    assert [await cluster.asks(ADA) for _ in range(2)] == ["coordinator", "one"]


async def test_a_node_that_is_away_is_gone_round(cluster: Cluster) -> None:
    await cluster.asks(ADA)
    cluster.workers["one"].is_there = False
    assert await cluster.asks(ADA) == "coordinator"
    cluster.coordinator.is_there = False
    assert await cluster.asks(ADA) == "two"
    assert await cluster.asks(UserId("cyd")) == "two"
    assert await cluster.asks(BEA) == "two"


async def test_tables_distributed_anew_have_other_shards(cluster: Cluster) -> None:
    await cluster.asks(ADA)
    cluster.coordinator.places = [(3, "one", 5432), (4, "two", 5432)]
    cluster.coordinator.shards = {ADA: 4, BEA: 3}
    cluster.now += 30
    assert [await cluster.asks(ADA) for _ in range(3)] == ["one", "coordinator", "two"]


async def test_not_all_owners_are_remembered(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nodes.OWNERS_MAX == 100_000
    monkeypatch.setattr(nodes, "OWNERS_MAX", 2)
    for owner in (ADA, BEA, ADA, UserId("cyd")):
        await cluster.asks(owner)
    # Ada came later than Bea.
    assert [await cluster.asks(owner) for owner in (ADA, BEA)] == ["one", "coordinator"]


async def test_where_nothing_can_be_read_all_goes_on(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.coordinator.is_there = False
    assert await cluster.asks(ADA) == "coordinator"
    assert "It could not be read where the cluster's shards lie: it is away" in caplog.text
    cluster.coordinator.is_there = True
    cluster.now += 1
    assert [await cluster.asks(ADA) for _ in range(2)] == ["coordinator", "one"]
