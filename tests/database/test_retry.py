"""What follows from a failed statement, by what PostgreSQL says of it."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from app.database.retry import Attempts
from app.telemetry.repeated import Repeated
from models.database import AlreadyThere, DatabaseTooSlow, DatabaseUnavailable, OwnerUnknown
from models.statement import Sql, Statement
from models.user import UserId
from tests.api import running_server, settings_for
from tests.databases import Database

logger = logging.getLogger(__name__)

ADA = UserId("ada")
READ = Sql("SELECT 1", (), tuple, writes=False)
WRITE = Sql("UPDATE t", (), tuple, writes=True)
KEYED = Sql("UPDATE t, k", (), tuple, writes=True, repeatable=True)

UNKNOWN, TIME_IS_OVER = "", "time"

TABLE = {
    # state: how often a read, a write and a write with a key are tried again
    UNKNOWN: (3, 0, 3),
    "57P01": (3, 1, 3),
    "57P02": (3, 1, 3),
    "57P03": (3, 1, 3),
    "25P03": (3, 1, 3),
    "53300": (3, 1, 3),
    # Another node is away: the one that says so is there.
    "08006": (1, 0, 1),
    "40001": (3, 3, 3),
    "40P01": (3, 3, 3),
    "25006": (0, 0, 0),
    "53100": (0, 0, 0),
    "53200": (0, 0, 0),
    "53400": (0, 0, 0),
    "58030": (0, 0, 0),
    "XX001": (0, 0, 0),
    "42501": (0, 0, 0),
    "42P01": (0, 0, 0),
    "42703": (0, 0, 0),
    "42883": (0, 0, 0),
    TIME_IS_OVER: (0, 0, 0),
}


def error_of(state: str) -> psycopg.Error | TimeoutError:
    if state == TIME_IS_OVER:
        return TimeoutError()
    return psycopg.errors.lookup(state)(state) if state else psycopg.OperationalError()


def tries(sql: Sql[tuple[object, ...]], state: str) -> int:
    """Return how often a statement that always fails so is tried again."""
    attempts = Attempts(Statement(sql, ADA, {}), Repeated(logger))
    for again in range(10):
        try:
            attempts.failed(error_of(state))
        except DatabaseUnavailable:
            return again
    pytest.fail("it is tried again for ever")


@pytest.mark.parametrize("state", TABLE)
def test_what_was_not_executed_is_tried_again(state: str) -> None:
    assert (tries(READ, state), tries(WRITE, state), tries(KEYED, state)) == TABLE[state]


def test_more_time_passes_before_each_try_on_another_connection() -> None:
    attempts = Attempts(Statement(KEYED, ADA, {}), Repeated(logger))
    first, second, third = (attempts.failed(error_of("57P01")) for _ in range(3))
    assert first == 0
    assert 0.02 < second <= 0.05 < third <= 0.2


@pytest.mark.parametrize(
    ("state", "failure"),
    [
        ("23503", OwnerUnknown),
        ("23505", AlreadyThere),
        ("57014", DatabaseTooSlow),
        # Nobody but the code can be at fault.
        ("22003", psycopg.errors.NumericValueOutOfRange),
        ("42601", psycopg.errors.SyntaxError),
        ("27000", psycopg.errors.TriggeredDataChangeViolation),
    ],
)
def test_what_the_statement_is_at_fault_for_is_not(state: str, failure: type[Exception]) -> None:
    attempts = Attempts(Statement(READ, ADA, {}), Repeated(logger))
    with pytest.raises(failure):
        attempts.failed(error_of(state))


def test_one_reason_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    repeated = Repeated(logger, lambda: now[0])
    for state in ("53100", "53100", "25006", "53100"):
        with pytest.raises(DatabaseUnavailable):
            Attempts(Statement(WRITE, ADA, {}), repeated).failed(error_of(state))
    assert [record.getMessage() for record in caplog.records] == [
        "The database cannot do its work: its disk is full.",
        "The database takes no changes: it is read-only.",
    ]
    now[0] += 60
    with pytest.raises(DatabaseUnavailable):
        Attempts(Statement(WRITE, ADA, {}), repeated).failed(error_of("53100"))
    assert len(caplog.records) == 3


def test_changes_whose_backend_is_ended_before_they_are_made_are_made_once(
    migrated_database: Database,
) -> None:
    """Three of them share a connection: none was executed when PostgreSQL says that it ends."""
    settings = settings_for(
        migrated_database.server_url,
        database_pool_max_size=1,
        database_pool_timeout=30,
        database_statement_timeout=30,
    )
    with (
        running_server(settings) as server,
        ThreadPoolExecutor(3) as threads,
        psycopg.connect(migrated_database.superuser_url) as connection,
    ):
        users = [server.user() for _ in range(3)]
        tasks = [user.create() for user in users]
        connection.execute("SELECT FROM tasks FOR UPDATE")
        toggles = [
            threads.submit(user.toggle, id=task["id"])
            for user, task in zip(users, tasks, strict=True)
        ]
        deadline = time.monotonic() + 30
        while not (waiting := blocked(connection)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        # What came behind the first one is on its way, too.
        time.sleep(0.1)
        (backend,) = waiting
        connection.execute("SELECT pg_terminate_backend(%s)", [backend])
        connection.rollback()
        assert [toggle.result()["completed"] for toggle in toggles] == [True] * 3
        assert [user.page()["nodes"][0]["version"] for user in users] == [2] * 3


def blocked(connection: psycopg.Connection[tuple[object, ...]]) -> list[object]:
    found = connection.execute(
        "SELECT pid FROM pg_stat_activity "
        "WHERE application_name ~ '^todo-api/[0-9.]+$' AND wait_event_type = 'Lock' "
        "AND datname = current_database()"
    ).fetchall()
    return [pid for (pid,) in found]


class InternalError(psycopg.errors.InternalError_):
    """What a node says of another, without a code of its own."""

    @property
    def diag(self) -> Any:
        return SimpleNamespace(message_primary=self.args[0], sqlstate="XX000")


@pytest.mark.parametrize(
    ("said", "is_lost"),
    [
        ("server closed the connection unexpectedly\n\tThis probably means", True),
        ("could not commit transaction for shard 102008 on any active node", True),
        ("cache lookup failed for type 0", False),
    ],
)
def test_a_node_that_was_just_lost_is_away(said: str, is_lost: bool) -> None:
    attempts = Attempts(Statement(WRITE, ADA, {}), Repeated(logger))
    with pytest.raises(DatabaseUnavailable if is_lost else InternalError):
        attempts.failed(InternalError(said))
