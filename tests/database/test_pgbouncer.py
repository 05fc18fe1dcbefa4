"""Through PgBouncer in transaction mode, where sessions are shared: everybody gets their own.

`PGBOUNCER` names the program, so that these can be run with several versions.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from app.commands.doctor import examine
from app.database.instances import older_than
from app.database.listener import can_listen
from app.database.pipelined import PipelinedDatabase
from app.database.urls import SERVER_ROLE
from models.database import DatabaseUnavailable
from models.statement import Sql, Statement
from models.user import UserId
from pipelined_postgres.pooler import Pooler
from pipelined_postgres.protocol import Pipeline
from tests.api import running_server, settings_for
from tests.bouncers import INSTALLED, KEEPS_TOGETHER, Bouncer, bouncer_before, version_of
from tests.counts import Count
from tests.databases import Database
from tests.many_users import PATIENT, ManyUsers, client_of
from tests.proxy import Proxy, proxy_to

VERSION = (0, 0) if INSTALLED is None else version_of(INSTALLED)
PREPARED = [False, True] if VERSION >= KEEPS_TOGETHER else [False]

pytestmark = pytest.mark.skipif(INSTALLED is None, reason="needs PgBouncer: apt install pgbouncer")
from_1_21 = pytest.mark.skipif(
    VERSION < KEEPS_TOGETHER, reason="needs PgBouncer 1.21 or newer, named by PGBOUNCER"
)

USERS = 50
TRIES = 20_000
ECHO = Sql("SELECT current_setting('app.user_id'), $1::text", ("said",), tuple, writes=False)
FAIL = Sql("SELECT 1 / $1::int", ("zero",), tuple, writes=False)


@pytest.fixture
def bouncer(database: Database) -> Iterator[Bouncer]:
    with bouncer_before(database, str(INSTALLED)) as bouncer:
        yield bouncer


@pytest.fixture
def torn(bouncer: Bouncer) -> Iterator[Proxy]:
    """A proxy before PgBouncer that passes 90 bytes on at a time."""
    with proxy_to(bouncer.port) as proxy:
        proxy.piece = 90
        yield proxy


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[PipelinedDatabase]:
    given = {"database_pool_timeout": 60, "database_statement_timeout": 60, **settings}
    shared = PipelinedDatabase(url, settings_for(url, **given))
    await shared.open()
    try:
        yield shared
    finally:
        await shared.close()


def echo(owner: str, said: str) -> Statement[Any]:
    return Statement(ECHO, UserId(owner), {"said": said})


@pytest.mark.parametrize("prepared", PREPARED)
async def test_through_a_pooler_everybody_gets_their_own(
    bouncer: Bouncer, database: Database, count: Count, prepared: bool
) -> None:
    settings = settings_for(
        bouncer.url(),
        database_pool_max_size=6,
        database_prepared_statements=prepared,
        **PATIENT,
    )
    with running_server(settings) as server:
        async with client_of(server) as http:
            users = ManyUsers(server, http)
            await users.gather(USERS)
            await users.press(TRIES)
    changed = users.changed(database)
    count("tries of many users through PgBouncer", users.tries.total())
    count(
        "tries of many users through PgBouncer that told or changed something",
        len(users.leaks) + changed,
    )
    assert (users.leaks[:3], changed, users.failures) == ([], 0, {})
    assert users.tries.total() >= TRIES


@pytest.mark.parametrize("prepared", PREPARED)
async def test_through_a_pooler_no_call_is_torn_apart(
    bouncer: Bouncer, torn: Proxy, prepared: bool, caplog: pytest.LogCaptureFixture
) -> None:
    answered: Counter[int] = Counter()

    async def ask(shared: PipelinedDatabase, n: int) -> None:
        dice = random.Random(n)
        for _ in range(20):
            # Some are longer than what PgBouncer reads at once, so that it has parts of them.
            said = str(n) * dice.choice([1, 10, 100, dice.randrange(500, 3000)])
            if dice.random() < 0.1:
                with pytest.raises(psycopg.errors.DivisionByZero):
                    await shared.fetch(Statement(FAIL, UserId(f"user {n}"), {"zero": 0}))
            assert await shared.fetch(echo(f"user {n}", said)) == [(f"user {n}", said)]
            answered[n] += 1

    url = bouncer.url(port=torn.port)
    async with opened(url, database_prepared_statements=prepared) as shared:
        await asyncio.gather(*(ask(shared, n) for n in range(100, 164)))
    assert answered == dict.fromkeys(range(100, 164), 20)
    assert not caplog.records


def windows(shared: PipelinedDatabase) -> set[int]:
    return {pipeline.window for pipeline in shared.client._balance.pipelines}


async def test_it_is_seen_which_pooler_is_in_between(bouncer: Bouncer, database: Database) -> None:
    expected = Pooler.PIPELINED if VERSION >= KEEPS_TOGETHER else Pooler.SINGLE
    # Where names are not kept apart, the second finds the first one's statement there.
    for _ in range(3):
        async with opened(bouncer.url()) as shared:
            assert shared.client.pooler is expected
            assert windows(shared) == {16 if expected is Pooler.PIPELINED else 1}
            assert await shared.fetch(echo("ada", "x")) == [("ada", "x")]
    async with opened(bouncer.url(), database_prepared_statements=False) as shared:
        assert windows(shared) == {1}
    async with opened(database.server_url) as shared:
        assert shared.client.pooler is Pooler.NONE
        assert windows(shared) == {64}


async def test_where_another_pooler_is_in_between_than_is_said_nobody_gets_anothers_answer(
    bouncer: Bouncer, torn: Proxy
) -> None:
    counted = Counter[str]()

    async def ask(shared: PipelinedDatabase, n: int) -> None:
        # Where messages are lost between two clients, each try may wait for all that it may.
        for _ in range(2):
            try:
                answer = await shared.fetch(echo(f"user {n}", str(n)))
            except (DatabaseUnavailable, psycopg.errors.InvalidCursorName):
                # The other is where messages of two clients came one after the other.
                counted["unavailable"] += 1
            else:
                counted["own" if answer == [(f"user {n}", str(n))] else "foreign"] += 1

    url = bouncer.url(port=torn.port)
    async with opened(url, database_pooler="none", database_statement_timeout=3) as shared:
        await asyncio.gather(*(ask(shared, n) for n in range(64)))
        if VERSION < KEEPS_TOGETHER:
            assert await shared.fetch(echo("ada", "x")) == [("ada", "x")]
    assert counted["foreign"] == 0


@from_1_21
async def test_several_statements_are_under_way_on_a_connection(
    bouncer: Bouncer, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 0
    submit = Pipeline.submit

    def counted(pipeline: Pipeline, *given: Any) -> None:
        nonlocal most
        submit(pipeline, *given)
        most = max(most, len(pipeline.calls))

    monkeypatch.setattr(Pipeline, "submit", counted)
    async with opened(bouncer.url(), database_pool_max_size=2) as shared:
        calls = [shared.fetch(echo(f"user {n}", str(n))) for n in range(100)]
        answers = await asyncio.gather(*calls)
    assert answers == [[(f"user {n}", str(n))] for n in range(100)]
    assert most == 16


def shape(n: int) -> Sql[Any]:
    """Return one of more statements than are kept prepared on a connection."""
    text = f"SELECT current_setting('app.user_id'), $1::text, {n} AS number"
    return Sql(text, ("said",), tuple, writes=False)


@from_1_21
async def test_statements_that_come_and_go_stay_apart(
    bouncer: Bouncer, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = [n * 7 % 300 for n in range(2000)]
    async with opened(bouncer.url()) as shared:
        calls = [
            shared.fetch(Statement(shape(n), UserId(f"user {n}"), {"said": str(n)}))
            for n in numbers
        ]
        answers = [await asyncio.gather(*calls[at : at + 500]) for at in range(0, 2000, 500)]
    found = [answer for some in answers for answer in some]
    assert found == [[(f"user {n}", str(n), n)] for n in numbers]
    assert not caplog.records


@from_1_21
async def test_no_answer_goes_elsewhere_when_connections_break(
    bouncer: Bouncer, database: Database, torn: Proxy, count: Count
) -> None:
    counted, numbers = Counter[str](), iter(range(6000))

    def cut(n: int) -> None:
        if n % 2:
            torn.cut()
            return
        with psycopg.connect(database.superuser_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    async def caller(shared: PipelinedDatabase) -> None:
        for n in numbers:
            dice = random.Random(n)
            owner, said = f"user {n % 50}", str(n) * dice.choice([1, 20, 200])
            try:
                # Some give up, so that PostgreSQL is asked to cancel what another one may have.
                async with asyncio.timeout(dice.uniform(0, 0.01) if dice.random() < 0.1 else None):
                    (answer,) = await shared.fetch(echo(owner, said))
            except TimeoutError:
                counted["cancelled"] += 1
            except DatabaseUnavailable:
                counted["unavailable"] += 1
            else:
                counted["own" if answer == (owner, said) else "foreign"] += 1
            if n % 500 == 250:
                await asyncio.to_thread(cut, n // 500)

    async with opened(bouncer.url(port=torn.port), database_pool_max_size=3) as shared:
        await asyncio.gather(*(caller(shared) for _ in range(60)))
        assert shared.client.pooler is Pooler.PIPELINED
    count("calls through PgBouncer, torn and broken ones among them", counted.total())
    count("calls through PgBouncer that were answered with another's rows", counted["foreign"])
    assert counted["foreign"] == 0
    assert counted["own"] > 4000


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("auto", "Before the database is a pooler"),
        ("single", "DATABASE_POOLER is single, though it is pipelined"),
        ("none", "WRONG  DATABASE_POOLER is none, but it is"),
    ],
)
def test_the_doctor_says_which_pooler_it_is(
    bouncer: Bouncer, capsys: pytest.CaptureFixture[str], said: str, found: str
) -> None:
    is_newer = VERSION >= KEEPS_TOGETHER
    examine(settings_for(bouncer.url(), database_pooler=said))
    found = found if is_newer or said != "single" else "Before the database is a pooler: one"
    assert found in capsys.readouterr().out


async def test_through_a_pooler_nothing_is_heard_and_a_direct_connection_mends_it(
    bouncer: Bouncer, database: Database
) -> None:
    pooled = settings_for(bouncer.url(), database_prepared_statements=False)
    assert not await can_listen(pooled)
    direct = pooled.model_copy(update={"listen_database_url": database.server_url})
    assert await can_listen(direct)


def test_older_code_behind_it_is_seen(bouncer: Bouncer, database: Database) -> None:
    url = bouncer.url()
    with psycopg.connect(url, application_name="todo-api", prepare_threshold=None) as older:
        older.execute("SELECT 1")
        with psycopg.connect(database.superuser_url) as owner:
            found = [str(each) for each in older_than(owner, "0.3.0", SERVER_ROLE)]
    assert found == ["1 of 0.2.0 or older (application_name 'todo-api')"]
