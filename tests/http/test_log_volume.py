"""How much is logged: a share of the good requests, slow ones with their statements, no floods."""

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import GraphQLError

from app.operations.execution import coded
from app.settings import SettingsError, read_settings
from app.telemetry.records import RequestRecord, StatementRecord
from app.telemetry.repeated import INTERVAL, Repeated
from app.telemetry.request_log import RequestLog
from tests.api import TOGGLE, Server, running_server, settings_for
from tests.databases import IS_CLUSTER, Database
from tests.locks import held_task

SCOPE = {"type": "http", "path": "/graphql"}
GOOD, FAILED = RequestRecord("1"), RequestRecord("2", code="BAD_USER_INPUT")


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.values for record in caplog.records if hasattr(record, "values")]


@pytest.fixture(scope="module")
def slow_server(database: Database) -> Iterator[Server]:
    settings = settings_for(database.server_url, slow_operation_ms=200, log_requests="slow")
    with running_server(settings) as server:
        yield server


@pytest.mark.parametrize(
    ("share", "fewest", "most"), [(1.0, 1000, 1000), (0.0, 0, 0), (0.3, 200, 400)]
)
def test_a_share_of_the_good_requests_is_logged_and_all_that_failed(
    told: pytest.LogCaptureFixture, share: float, fewest: int, most: int
) -> None:
    log = RequestLog(share)
    for _ in range(1000):
        log.add(SCOPE, GOOD, 200, 0.001)
    assert fewest <= len(lines(told)) <= most
    told.clear()
    log.add(SCOPE, FAILED, 200, 0.001)
    log.add(SCOPE, GOOD, 404, 0.001)
    assert len(lines(told)) == 2


@pytest.mark.parametrize(
    ("kind", "level"),
    [("query", "WARNING"), ("mutation", "WARNING"), ("subscription", "INFO"), (None, "INFO")],
)
def test_slow_queries_and_mutations_are_warnings(
    told: pytest.LogCaptureFixture, kind: str | None, level: str
) -> None:
    statement = StatementRecord("tasks", 0.0, 0.0123, "57014")
    record = RequestRecord("1", kind=kind, statements=[statement])
    log = RequestLog(1.0, 1000)
    log.add(SCOPE, record, 200, 0.9999)
    log.add(SCOPE, record, 200, 1.0)
    assert [record.levelname for record in told.records] == ["INFO", level]
    quick, slow = lines(told)
    assert "statements" not in quick
    shown = [{"name": "tasks", "ms": 12.3, "error": "57014"}]
    assert slow.get("statements") == (shown if level == "WARNING" else None)


def test_a_statement_of_a_cluster_says_which_node_was_asked() -> None:
    told = StatementRecord("tasks", 0.0, 0.0123, "57014", "worker1:5432").told()
    assert told == {"name": "tasks", "ms": 12.3, "node": "worker1:5432", "error": "57014"}


def test_a_slow_operation_is_logged_with_its_document_and_statements(
    slow_server: Server, database: Database, told: pytest.LogCaptureFixture
) -> None:
    user = slow_server.user()
    task = user.create()
    told.clear()
    with held_task(database, user.user_id, task["id"]) as connection:

        def let_go() -> None:
            time.sleep(0.5)
            connection.rollback()

        thread = threading.Thread(target=let_go)
        thread.start()
        user.data(TOGGLE, input={"id": task["id"]})
        thread.join()
    deadline = time.monotonic() + 10
    while not (found := lines(told)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (line,) = found
    assert line["op"] == "Toggle"
    assert line["doc"]
    names = [statement["name"] for statement in line["statements"]]
    assert names[-1] == "toggle_task"
    assert line["statements"][-1]["ms"] >= 200
    assert {"node" in statement for statement in line["statements"]} == {IS_CLUSTER}
    assert task["id"] not in str(line)


def test_a_repeated_sentence_says_how_often_it_was_left_out(
    told: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]
    repeated = Repeated(logging.getLogger("app.test"), lambda: now[0])
    for _ in range(5):
        repeated.log(logging.WARNING, "It is away.")
    now[0] += INTERVAL
    for _ in range(3):
        repeated.log(logging.WARNING, "It is away.")
    assert told.messages == ["It is away.", "It is away. (and 4 times more since the line before)"]


def test_a_traceback_of_one_place_is_logged_once_a_minute(
    told: pytest.LogCaptureFixture,
) -> None:
    for attempt in range(3):
        try:
            raise LookupError("a fault")
        except LookupError as error:
            answer = coded(GraphQLError("", original_error=error))
        assert (answer.extensions or {})["errorId"] in told.messages[attempt]
    assert [record.exc_info is not None for record in told.records] == [True, False, False]
    try:
        raise LookupError("elsewhere")
    except LookupError as error:
        coded(GraphQLError("", original_error=error))
    assert told.records[-1].exc_info is not None


@pytest.mark.parametrize("share", ["none", "1.5", "-0.1", "10%", "0"])
def test_what_is_no_share_is_refused(monkeypatch: pytest.MonkeyPatch, share: str) -> None:
    monkeypatch.setenv("LOG_REQUESTS", share)
    with pytest.raises(SettingsError, match="LOG_REQUESTS cannot be used"):
        read_settings()


def test_settings_say_what_is_logged() -> None:
    shares = {"all": 1.0, "slow": 0.0, "0.1": 0.1}
    for given, share in shares.items():
        assert settings_for(None, log_requests=given).log_share == share
    assert settings_for(None, slow_operation_ms=0).slow_ms == float("inf")
