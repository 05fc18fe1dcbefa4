"""A standby answers reads, and nobody is shown less by it than they were told."""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from app.commands.doctor import examine
from app.database.changes import Live
from app.database.installation import begin_after_restore
from app.database.listener import Receiver
from app.database.notifications import CHANNEL
from app.database.recent import RecentWriters
from app.database.replica import INTERVAL, Position, Replica
from app.lifespan import Running, run
from app.settings import Settings
from auth.identity import Identity
from graphql_schema.inputs import CreateTaskInput
from models.quota import Quota
from models.statement import Sql, Statement
from models.user import UserId
from resolvers.statements import feed, users
from resolvers.statements.tasks import create_tasks, replay, task_changes
from tests.api import running_server, settings_for
from tests.clock import Clock
from tests.databases import IS_CLUSTER, Database, folder_for_postgres
from tests.http.test_metrics import AUTHORIZATION, TOKEN
from tests.standbys import Standby, primary_and_standby

VERSION: Sql[Any] = Sql(
    "SELECT version FROM task_counters WHERE user_id = $1", ("owner",), tuple, writes=False
)
NO_QUOTA = Quota(None, None)
FILTERS: list[dict[str, Any]] = [
    {"search": "milk"},
    {"labels": {"all": ["home"]}},
    {"labels": {"any": ["home"]}},
    {"priorities": ["HIGH"]},
    {"inbox": True},
    {"dueOn": {"from": "2026-01-01"}},
]

LAG_MAX = 1.0
"""Seconds that the replica may be late here; reads go to the primary for 3 after a write."""

PATIENCE = 40.0
Pair = tuple[Database, Standby]


@pytest.fixture(scope="module")
def running() -> Iterator[Pair]:
    with folder_for_postgres() as folder, primary_and_standby(folder) as pair:
        yield pair


@pytest.fixture
def pair(running: Pair) -> Iterator[Pair]:
    """A primary and a standby that runs, and replays."""
    yield running
    running[1].restore()


def settings_of(pair: Pair, **changes: Any) -> Settings:
    database, standby = pair
    given = {
        "database_read_url": standby.url(database.name),
        "read_max_lag_seconds": LAG_MAX,
        "read_your_writes_seconds": 1.0,
        **changes,
    }
    return settings_for(database.server_url, **given)


def new_user() -> UserId:
    return UserId(f"user-{uuid4().hex}")


def answered(worker: Running) -> int:
    assert worker.replica is not None
    return worker.replica.reads["answered"]


async def read(worker: Running, owner: UserId) -> int:
    """Return the version of the owner's last change; 0 where there is none."""
    rows = await worker.notifying.fetch(Statement(VERSION, owner, {}))
    return int(rows[0][0]) if rows else 0


async def write(worker: Running, owner: UserId) -> int:
    """Add a task, and return its version."""
    statement = create_tasks(owner, [CreateTaskInput(title="Milk").values()], NO_QUOTA)
    (row,) = await worker.notifying.fetch(statement)
    return row.version


@asynccontextmanager
async def nobody_writes(pair: Pair) -> AsyncIterator[None]:
    """Have changes of tasks wait at the primary until the end of the block."""
    async with await psycopg.AsyncConnection.connect(pair[0].superuser_url) as connection:
        await connection.execute("LOCK TABLE tasks IN SHARE MODE")
        yield


async def add_user(worker: Running) -> UserId:
    identity = Identity(new_user(), email=None, name=None, expires_at=2e9, issued_at=1e9)
    await worker.notifying.fetch(users.add_viewer(identity))
    return identity.user_id


async def read_until(worker: Running, holds: Callable[[], bool]) -> None:
    """Read, as people who have never written, until something holds."""
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await read(worker, new_user())
            await asyncio.sleep(0.02)


async def until_used(worker: Running) -> None:
    """Return once the replica has answered somebody."""
    before = answered(worker)
    await read_until(worker, lambda: answered(worker) > before)


async def until_heard(worker: Running) -> None:
    await read_until(worker, lambda: bool(worker.receiver.is_heard))


@asynccontextmanager
async def workers(pair: Pair, count: int = 1, **changes: Any) -> AsyncIterator[list[Running]]:
    """Run so many workers, whose replica is used."""
    async with AsyncExitStack() as stack:
        settings = settings_of(pair, **changes)
        started = [await stack.enter_async_context(run(settings)) for _ in range(count)]
        for worker in started:
            await until_heard(worker)
            # As if it had listened for long: nobody wrote before.
            worker.receiver._heard_since = -math.inf
        await asyncio.gather(*map(until_used, started))
        yield started


async def test_nobody_reads_less_than_they_were_told_by_whatever_worker(pair: Pair) -> None:
    async with workers(pair, 2) as (one, other):
        owners = [await add_user(one) for _ in range(20)]
        await asyncio.sleep(settings_of(pair).reads_on_primary_seconds)
        await asyncio.gather(until_used(one), until_used(other))
        before = answered(other)
        pair[1].pause()
        for n, owner in enumerate(owners):
            writer, reader = (one, other) if n % 2 else (other, one)
            # The announcement comes before the write, however long it takes.
            async with nobody_writes(pair), asyncio.timeout(PATIENCE):
                writing = asyncio.create_task(write(writer, owner))
                while owner not in reader.recent:
                    await asyncio.sleep(0)
            told = await writing
            assert await read(reader, owner) == await read(writer, owner) == told
            await read(other, new_user())
        assert answered(other) > before


async def test_after_a_time_an_owner_who_has_written_is_read_from_the_replica(pair: Pair) -> None:
    async with workers(pair) as (worker,):
        owner = await add_user(worker)
        told = await write(worker, owner)
        before = answered(worker)
        assert await read(worker, owner) == told
        assert answered(worker) == before
        async with asyncio.timeout(PATIENCE):
            while answered(worker) == before:
                assert await read(worker, owner) == told
                await asyncio.sleep(0.05)


async def test_a_replica_that_is_late_is_not_used_until_it_has_caught_up(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    async with workers(pair) as (worker,):
        replica = worker.replica
        assert replica is not None
        pair[1].pause()
        await read_until(worker, lambda: not replica.is_used)
        owner = await add_user(worker)
        for _ in range(3):
            told = await write(worker, owner)
            assert await read(worker, owner) == told
        await read_until(worker, lambda: "late by more than 1 seconds" in caplog.text)
        assert replica.lag is None
        pair[1].resume()
        await until_used(worker)
        assert replica.lag is not None
    assert caplog.text.count("The replica is not used") == 1
    assert caplog.text.count("is not used, and all reads go to the primary") == 1


async def test_no_read_fails_when_the_replica_is_killed(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    async with workers(pair) as (worker,):
        replica = worker.replica
        assert replica is not None
        ended = asyncio.Event()

        async def keep_reading() -> int:
            count = 0
            while not ended.is_set():
                await read(worker, new_user())
                count += 1
                await asyncio.sleep(0.01)
            return count

        readers = [asyncio.create_task(keep_reading()) for _ in range(5)]
        await asyncio.to_thread(pair[1].kill)
        await read_until(worker, lambda: not replica.is_used)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(pair[1].restore)
        await until_used(worker)
        ended.set()
        assert all(await asyncio.gather(*readers))
    assert [record.message for record in caplog.records if "not used" in record.message]
    assert sum("not used" in record.message for record in caplog.records) == 1


async def test_row_security_and_the_owners_setting_hold_on_the_replica(pair: Pair) -> None:
    async with workers(pair) as (worker,):
        replica = worker.replica
        assert replica is not None
        ada, eve = await add_user(worker), await add_user(worker)
        await write(worker, ada)
        await read_until(worker, lambda: ada not in worker.recent)
        await until_used(worker)
        # Whatever the statement forgets: it names no owner.
        everything: Sql[Any] = Sql("SELECT user_id FROM tasks", (), tuple, writes=False)
        owner: Sql[Any] = Sql("SELECT current_setting('app.user_id')", (), tuple, writes=False)
        for user, found in ((ada, [(ada,)]), (eve, [])):
            assert await replica.fetch(Statement(everything, user, {})) == found
            assert await replica.fetch(Statement(owner, user, {})) == [(user,)]
        assert await read(worker, ada) > 0
        assert await read(worker, eve) == 0


async def test_a_role_that_row_security_does_not_bind_is_not_used(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    database, standby = pair
    url = standby.url(database.name, "postgres")
    async with run(settings_of(pair, database_read_url=url)) as worker:
        await read_until(worker, lambda: "not used" in caplog.text)
        assert worker.replica is not None
        assert not worker.replica.is_used
    assert answered(worker) == 0


async def test_what_is_no_standby_of_the_database_is_not_used(
    pair: Pair, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def is_told(why: str) -> bool:
        return why in caplog.text

    is_none = "is no standby of this database"
    another = "is not for a database that is distributed" if IS_CLUSTER else is_none
    for url, why in ((pair[0].server_url, is_none), (database.server_url, another)):
        caplog.clear()
        async with run(settings_of(pair, database_read_url=url)) as worker:
            await read_until(worker, partial(is_told, why))
        assert answered(worker) == 0


async def test_a_standby_from_before_a_restore_is_not_used(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    async with workers(pair, read_max_lag_seconds=60) as (worker,):
        pair[1].pause()
        begin_after_restore(pair[0].superuser_url)
        await read_until(worker, lambda: "of another time" in caplog.text)
        assert worker.replica is not None
        assert not worker.replica.is_used


async def test_a_read_of_what_the_replica_lost_is_asked_again_at_the_primary(pair: Pair) -> None:
    async with workers(pair) as (worker,):
        replica = worker.replica
        assert replica is not None
        assert replica._reached is not None
        # As after it was restarted, or where another answers by the same name.
        replica._reached = replica._reached._replace(lsn=replica._reached.lsn + 2**40)
        again = replica.reads["asked_again"]
        assert await read(worker, new_user()) == 0
        assert replica.reads["asked_again"] == again + 1
        assert not replica.is_used


async def test_the_feed_and_the_callers_row_are_read_from_the_primary(pair: Pair) -> None:
    async with workers(pair) as (worker,):
        identity = Identity(new_user(), email=None, name=None, expires_at=2e9)
        before = answered(worker)
        read_there: list[Statement[Any]] = [
            feed.changes(identity.user_id, 0, 1),
            task_changes(identity.user_id, 0, 1),
            users.viewer(identity),
            users.deletion(identity),
            replay(identity.user_id, "key"),
        ]
        for statement in read_there:
            await worker.notifying.fetch(statement)
        assert answered(worker) == before
        await until_used(worker)


async def test_the_queries_of_clients_can_be_answered_by_the_replica(pair: Pair) -> None:
    with running_server(settings_of(pair, metrics="path", metrics_token=TOKEN)) as server:
        user = server.user()
        replica = server.running.replica
        assert replica is not None
        deadline = time.monotonic() + PATIENCE
        while not replica.reads["answered"]:
            assert time.monotonic() < deadline
            assert user.titles() == []
        for filter in FILTERS:
            assert user.page(filter=filter, first=5)["totalCount"] == 0
        assert user.lists()["nodes"] == []
        assert user.data("{ labels { nodes { name } } storage { tasks } }")["storage"]
        assert replica.reads["asked_again"] == 0
        # On a busy machine the replica may be late for a moment.
        told = ""
        while "todo_api_replica_used 1.0" not in told:
            assert time.monotonic() < deadline
            told = server.bearer(None).http.get("/metrics", headers=AUTHORIZATION).text
        assert 'db_client_connection_max{db_client_connection_pool_name="replica"} 8.0' in told
        assert 'todo_api_replica_reads_total{result="asked_again"} 0.0' in told


def test_the_doctor_says_how_late_the_replica_is(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examine(settings_of(pair))
    assert "ok     The replica had all that the database has after 0." in capsys.readouterr().out
    pair[1].pause()
    begin_after_restore(pair[0].superuser_url)
    for url, reason in (
        (pair[1].url(pair[0].name), "it is of another time than the database"),
        (pair[0].server_url, "it is no standby of this database"),
        (pair[1].url(pair[0].name, "postgres"), "The database role postgres is a superuser"),
    ):
        assert not examine(settings_of(pair, database_read_url=url))
        assert f"WRONG  The replica is not used: {reason}" in capsys.readouterr().out


async def test_nothing_is_asked_while_nobody_reads(pair: Pair) -> None:
    async with workers(pair) as (worker,):
        await asyncio.sleep(INTERVAL)
        async with await psycopg.AsyncConnection.connect(
            pair[0].server_url, autocommit=True
        ) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            assert [each async for each in connection.notifies(timeout=2.5 * INTERVAL)] == []
            # It would have been heard.
            await read(worker, new_user())
            beats = [each async for each in connection.notifies(timeout=PATIENCE, stop_after=1)]
        assert ["beat" in json.loads(each.payload) for each in beats] == [True]


async def test_a_worker_that_hears_nothing_reads_from_the_primary(pair: Pair) -> None:
    async with workers(pair) as (worker,):
        worker.receiver.is_heard = False
        before = answered(worker)
        await read(worker, new_user())
        # What was sent while nothing was heard is unknown, and may be of anybody.
        worker.receiver.is_heard = True
        await read(worker, new_user())
        assert answered(worker) == before
        await until_used(worker)


@pytest.mark.parametrize(("lag_max", "seconds"), [(1.0, 1.0), (10.0, 2.5)])
def test_what_was_seen_of_the_replica_counts_for_a_time(lag_max: float, seconds: float) -> None:
    nothing: Any = None
    clock = Clock()
    replica = Replica(nothing, nothing, nothing, lag_max, clock)
    assert not replica.is_used
    replica._reached = Position(clock.now, lsn=0, beginning=0)
    replica._looked_at = clock.now
    clock.now += seconds - 0.1
    assert replica.is_used
    clock.now += 0.1
    assert not replica.is_used


def test_writers_are_remembered_for_a_time_and_then_forgotten() -> None:
    clock = Clock()
    recent = RecentWriters(10, clock)
    ada, eve = new_user(), new_user()
    recent.note(ada)
    clock.now += 6
    recent.note(eve)
    clock.now += 3
    recent.note(ada)
    clock.now += 2
    assert ada in recent
    assert eve in recent
    clock.now += 5
    assert eve not in recent
    assert ada in recent
    recent.note(ada)
    assert len(recent) == 1


@pytest.mark.parametrize("member", ["writing", "of", "deleted"])
def test_a_notification_of_another_worker_names_writers(member: str) -> None:
    recent, owner = RecentWriters(10), new_user()
    receiver = Receiver("me", Live(), None, recent)
    receiver.receive(json.dumps({"by": "me", member: [owner]}))
    assert owner not in recent
    receiver.receive(json.dumps({"by": "another", member: [owner]}))
    assert owner in recent
