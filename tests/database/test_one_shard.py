"""On a cluster each statement goes to the one shard that has its owner's rows, in every shape."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from models.statement import Statement
from models.user import UserId
from tests.api import nonempty
from tests.counts import Count
from tests.databases import AS_THE_SERVER, CLUSTER_ONLY, Database, act_as
from tests.shapes import STATEMENTS, parts_of, places_among, shapes_of

pytestmark = CLUSTER_ONLY

OWNER = UserId(f"owner-{uuid4().hex}")

PLACES = places_among(
    [(n, f"title {n}", "2026-01-01 00:00:00+00", "2026-01-01 00:00:00+00") for n in range(1, 33)]
)

BY_FUNCTION = re.compile(r"(?:SELECT|FROM) (?:is_deleted|search_tasks|take_claims|undo_action)\(")
"""Statements that call a function at the node that is asked. What it runs is planned when it runs,
and goes to several shards nowhere: `citus.multi_task_query_log_level` makes that an error."""

BY_ROWS = {"import_lists", "import_tasks"}
"""Statements whose rows are those of a parameter: the node that is asked hands them on."""


@pytest.fixture(scope="module")
def connection(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """The server's role, at the node that is asked."""
    with psycopg.connect(database.server_url, options=AS_THE_SERVER, autocommit=True) as connection:
        yield connection


def plan_of(connection: psycopg.Connection[Any], statement: Statement[Any]) -> str:
    """Return the plan of a statement as it is run, prepared and in its owner's transaction."""
    values = {**statement.values, "owner": statement.owner}
    arguments = sql.SQL(", ").join(values[name] for name in statement.sql.parameters)
    settings = {name.removeprefix("app."): value for name, value in statement.settings.items()}
    try:
        with connection.transaction(force_rollback=True):
            act_as(connection, statement.owner, **settings)
            connection.execute(f"PREPARE planned AS {statement.sql.text}".encode())
            explain = sql.SQL("EXPLAIN EXECUTE planned ({})").format(arguments)
            return "\n".join(line for (line,) in connection.execute(explain).fetchall())
    finally:
        connection.execute("DEALLOCATE ALL")


def is_of_one_shard(plan: str) -> bool:
    return re.findall(r"Task Count: (\d+)", plan) == ["1"] and "Distributed Subplan" not in plan


def is_of_a_function(plan: str) -> bool:
    """Return whether a plan calls a function, and reads no table."""
    return bool(re.match(r"Result|Function Scan", plan)) and "Task" not in plan


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_goes_to_one_shard(
    connection: psycopg.Connection[Any], count: Count, name: str
) -> None:
    planned: set[str] = set()
    for shape in nonempty(shapes_of(name, OWNER, PLACES)):
        for statement in nonempty(list(parts_of(shape))[1:] or [shape]):
            if statement.sql.text in planned:
                continue
            planned.add(statement.sql.text)
            plan = plan_of(connection, statement)
            if BY_FUNCTION.search(statement.sql.text):
                assert is_of_a_function(plan), (statement.sql.text, plan)
            elif name in BY_ROWS:
                assert "Function Scan on jsonb_to_recordset" in plan, plan
                assert "Task Count" not in plan, plan
            else:
                assert is_of_one_shard(plan), (statement.sql.text, plan)
    count("shapes of statements that go to one shard", len(planned))


def test_one_that_does_not_is_noticed(connection: psycopg.Connection[Any]) -> None:
    (statement,) = shapes_of("links", OWNER, PLACES)
    text, found = re.subn(r"user_id = \$\d+", "user_id <> $1", statement.sql.text)
    assert found == 1
    other = statement._replace(sql=replace(statement.sql, text=text))
    connection.execute("SET citus.multi_task_query_log_level TO off")
    try:
        assert not is_of_one_shard(plan_of(connection, other))
    finally:
        connection.execute("RESET citus.multi_task_query_log_level")
