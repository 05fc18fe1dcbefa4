"""What `/ready` answers: asked of the database seldom, and told within a second."""

import asyncio
import time
from dataclasses import dataclass, field

import psycopg
import pytest
from psycopg import sql

from app.database.urls import SERVER_ROLE
from app.http.readiness import Lack, Nodes, Probe, Readiness
from models.database import DatabaseUnavailable
from tests.api import CREATE, Server, running_server, settings_for
from tests.databases import Database

NEWEST = "0005"

A_CHANGE = '{name}: createTask(input: {{ title: "refused" }}) {{ __typename }}'
CHANGES = [A_CHANGE.format(name=name) for name in "abc"]
NONE_SUCH = 'd: deleteTask(input: { id: "none" }) { __typename }'
THREE_CHANGES = f"mutation {{ {' '.join(CHANGES)} }}"
TWO_CHANGES_AND_A_FAILURE = f"mutation {{ {' '.join(CHANGES[:2])} {NONE_SUCH} }}"


@dataclass
class Asked:
    """A database that answers as a test says."""

    answer: Probe | Exception | None = (NEWEST, True, NEWEST)
    """None: no answer ever."""
    answered_at: float = -1.0
    times: int = 0
    now: float = 1000.0
    answers_others: bool = False
    said: asyncio.Event = field(default_factory=asyncio.Event)
    these_nodes: Nodes | Exception | None = None

    async def probe(self) -> Probe:
        self.times += 1
        if self.answers_others:
            self.answered_at = self.now
        if self.answer is None:
            await self.said.wait()
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        assert self.answer is not None
        return self.answer

    async def who_answers(self) -> Nodes | None:
        if isinstance(self.these_nodes, Exception):
            raise self.these_nodes
        return self.these_nodes


def readiness_of(database: Asked, *, ready_when_read_only: bool = False) -> Readiness:
    return Readiness(
        database,
        NEWEST,
        ready_when_read_only=ready_when_read_only,
        clock=lambda: database.now,
        patience=0.01,
    )


async def test_the_database_is_asked_once_for_all_who_ask_in_five_seconds() -> None:
    database = Asked()
    readiness = readiness_of(database)
    states = await asyncio.gather(*(readiness.state() for _ in range(100)))
    assert {state.lack for state in states} == {None}
    database.now += 4
    database.answer = DatabaseUnavailable()
    state = await readiness.state()
    assert (state.lack, state.age, database.times) == (None, 4.0, 1)
    database.now += 2
    assert (await readiness.state()).lack is Lack.DATABASE
    assert database.times == 2


async def test_a_database_that_is_away_is_asked_again_after_a_second() -> None:
    database = Asked(DatabaseUnavailable())
    readiness = readiness_of(database)
    assert (await readiness.state()).lack is Lack.DATABASE
    database.now += 0.8
    assert (await readiness.state()).lack is Lack.DATABASE
    database.answer = (NEWEST, True, NEWEST)
    database.now += 0.5
    assert (await readiness.state()).lack is None
    assert database.times == 2


async def test_a_database_that_does_not_answer_is_away_unless_it_answers_others() -> None:
    database = Asked()
    readiness = readiness_of(database)
    assert (await readiness.state()).lack is None
    database.answer = None
    database.answers_others = True
    database.now += 6
    assert (await readiness.state()).lack is None
    database.answers_others = False
    database.now += 6
    assert (await readiness.state()).lack is Lack.DATABASE
    assert database.times == 3


async def test_a_database_that_takes_long_to_answer_first_is_starting() -> None:
    database = Asked(None)
    readiness = readiness_of(database)
    state = await readiness.state()
    assert (state.lack, state.database, state.age) == (Lack.STARTING, False, 0)
    assert (await readiness.state()).lack is Lack.STARTING
    database.answer = (NEWEST, True, NEWEST)
    database.said.set()
    assert (await readiness.state()).lack is None
    assert database.times == 1


async def test_a_server_that_stops_says_so_and_asks_nothing() -> None:
    database = Asked()
    readiness = readiness_of(database)
    assert readiness.leaving().lack is Lack.DRAINING
    assert database.times == 0
    await readiness.state()
    database.now += 60
    state = readiness.leaving()
    assert (state.lack, state.database, state.age, database.times) == (Lack.DRAINING, True, 60, 1)


async def test_whoever_asked_first_may_leave() -> None:
    database = Asked(None)
    readiness = readiness_of(database)
    first = asyncio.create_task(readiness.state())
    second = asyncio.create_task(readiness.state())
    await asyncio.sleep(0)
    first.cancel()
    database.answer = (NEWEST, True, NEWEST)
    database.said.set()
    assert (await second).lack is None


@pytest.mark.parametrize(
    ("answer", "lack"),
    [
        ((NEWEST, True, "0004"), None),
        (("0006", True, "0004"), None),
        (("0006", True, NEWEST), None),
        (("0006", True, "0006"), Lack.VERSION),
        (("0004", True, "0004"), Lack.MIGRATIONS),
        ((None, False, ""), Lack.MIGRATIONS),
        ((NEWEST, False, "0004"), Lack.WRITES),
    ],
)
async def test_what_is_lacking_is_said(answer: Probe, lack: Lack | None) -> None:
    assert (await readiness_of(Asked(answer)).state()).lack is lack


async def test_a_server_may_live_on_reads() -> None:
    readiness = readiness_of(Asked((NEWEST, False, NEWEST)), ready_when_read_only=True)
    state = await readiness.state()
    assert (state.lack, state.writes) == (None, False)


def make_read_only(database: Database, *, read_only: bool, ends_sessions: bool = True) -> None:
    """Have new sessions take changes or not; end those that there are."""
    options = "-c default_transaction_read_only=off"
    with psycopg.connect(database.superuser_url, autocommit=True, options=options) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(
                sql.Identifier(database.name), sql.Literal(read_only)
            )
        )
        if ends_sessions:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE usename = %s AND datname = current_database()",
                [SERVER_ROLE],
            )


def test_a_read_only_database_is_read_and_said_to_be_so(
    migrated_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with running_server(settings_for(migrated_database.server_url)) as server:
        user = server.user()
        task = user.create()
        make_read_only(migrated_database, read_only=True)
        for _ in range(3):
            refused = user.post(CREATE, {"input": {"title": "refused"}})
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "1"
            assert refused.json()["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
        assert user.page()["nodes"] == [task]
        statuses = {
            (document, accepted): user.post(document, headers={"Accept": accepted}).status_code
            for document in (THREE_CHANGES, TWO_CHANGES_AND_A_FAILURE)
            for accepted in ("application/json", "application/graphql-response+json")
        }
        assert [*statuses.values()] == [503, 503, 200, 200]
        said = [record for record in caplog.records if "read-only" in record.getMessage()]
        assert len(said) == 1
        assert not [record for record in caplog.records if record.exc_info]
        ready = server.bearer(None).http.get("/ready")
        assert (ready.status_code, ready.json()["reason"]) == (503, "writes")
        # As a failover does that a proxy follows: the sessions that there are stay read-only.
        make_read_only(migrated_database, read_only=False, ends_sessions=False)
        assert created_in_the_end(server)
        assert user.page()["totalCount"] == 1


def created_in_the_end(server: Server) -> bool:
    """Return whether a change succeeds, sooner or later."""
    user = server.user()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if user.post(CREATE, {"input": {"title": "made"}}).status_code == 200:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("nodes", "lack", "says"),
    [
        (None, None, "Requests can be served."),
        ((3, 0, ""), None, "Requests can be served."),
        ((2, 1, "worker2:5432"), None, "worker2:5432"),
        ((0, 2, "worker1:5432, worker2:5432"), Lack.NODES, "None of the database's nodes"),
        ((0, 0, ""), None, "Requests can be served."),
        (DatabaseUnavailable(), None, "Requests can be served."),
    ],
)
def test_others_are_served_while_a_node_is_away(
    nodes: Nodes | Exception | None, lack: Lack | None, says: str
) -> None:
    state = asyncio.run(readiness_of(Asked(these_nodes=nodes)).state())
    assert state.lack is lack
    assert says in state.sentence
