"""Ids of new tasks: made by a trigger, distinct and rising for their owner, whatever the clock."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from graphql_schema.inputs import CreateTaskInput
from models.quota import Quota
from models.user import UserId
from resolvers.statements import tasks
from tests.databases import Database, act_as

CONNECTIONS = 8
BITS = 21
"""Random bits of an id, below the seconds since 1970."""

NEW = CreateTaskInput(title="x").values()
CREATE = tasks.create_tasks(UserId(""), [NEW], Quota(None, None))


def create(database: Database, owner: str, times: int) -> None:
    """Make tasks as the server does, on a connection of its own."""
    values = {**CREATE.values, "owner": owner}
    with psycopg.connect(database.server_url, autocommit=True) as connection:
        cursor = psycopg.RawCursor(connection)
        cursor.execute("SET DateStyle TO 'ISO'")
        for _ in range(times):
            with connection.transaction():
                act_as(connection, owner)
                cursor.execute(CREATE.sql.text, [values[name] for name in CREATE.sql.parameters])


def create_at_once(database: Database, owner: str, times: int) -> None:
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(lambda _: create(database, owner, times), range(CONNECTIONS)))


def ask(database: Database, query: str, owner: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.superuser_url) as connection:
        return connection.execute(query, [owner]).fetchall()


@pytest.fixture
def owner(database: Database) -> str:
    owner = f"user-{uuid4().hex}"
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute("INSERT INTO users (id, name) VALUES (%s, '')", [owner])
    return owner


def test_ids_rise_though_the_clock_goes_back(
    database: Database, owner: str, pytestconfig: pytest.Config
) -> None:
    times = 600 if pytestconfig.getoption("--long") else 15
    before = int(time.time()) << BITS
    create_at_once(database, owner, times)
    # To the counter, an hour ahead is the same as a clock that has been set back by an hour.
    an_hour = 3600 << BITS
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute(
            "UPDATE task_counters SET last_id = last_id + %s WHERE user_id = %s", [an_hour, owner]
        )
    create_at_once(database, owner, times)
    made = ask(
        database, "SELECT id, version, position FROM tasks WHERE user_id = %s ORDER BY id", owner
    )
    ids = [id for id, _, _ in made]
    assert [version for _, version, _ in made] == list(range(1, 2 * times * CONNECTIONS + 1))
    assert [position for *_, position in made] == [f"{id:014x}V" for id in ids]
    assert before < ids[0]
    ahead = [id for id in ids if id > before + an_hour]
    # The clock makes none of these: each is one more than the last.
    assert ahead == list(range(ahead[0], ahead[0] + times * CONNECTIONS))
    assert ids[-1] < 2**53


def test_ids_are_made_of_the_time_and_of_chance(database: Database, owner: str) -> None:
    before = int(time.time())
    create(database, owner, 8)
    ids = [id for (id,) in ask(database, "SELECT id FROM tasks WHERE user_id = %s", owner)]
    # Where one second makes several, a smaller one is moved beyond the greatest.
    assert all(before <= id >> BITS <= time.time() + 1 for id in ids)
    assert len({id % (1 << BITS) for id in ids}) == len(ids)
    # They are safe in JavaScript's numbers until then.
    assert 2**53 >> BITS > 136 * 365 * 86400


def test_ids_of_two_users_need_not_differ(database: Database) -> None:
    owners = [f"user-{uuid4().hex}" for _ in range(2)]
    id = int(time.time()) << BITS
    with psycopg.connect(database.superuser_url) as connection:
        for owner in owners:
            connection.execute("INSERT INTO users (id, name) VALUES (%s, '')", [owner])
            connection.execute(
                "INSERT INTO tasks (user_id, id, title) VALUES (%s, %s, 'x')", [owner, id]
            )
        for owner in owners:
            with pytest.raises(psycopg.Error) as taken, connection.transaction():
                connection.execute(
                    "INSERT INTO tasks (user_id, id, title) VALUES (%s, %s, 'y')", [owner, id]
                )
            assert taken.value.sqlstate == "TD004"
