"""On a cluster of several nodes users are kept apart, or the server does not start."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from app.database import acting
from app.database.cluster.obstacles import distributed_tables, obstacles
from app.database.installation import Retention, complete_migration
from app.database.protection import check_protection, objections
from app.database.purge import purge
from app.database.session import UnsafeRole
from app.lifespan import run
from models.metadata import OWNED_TABLES
from tests.api import Caller, Server, nonempty, settings_for
from tests.databases import CLUSTER_ONLY, Database

pytestmark = CLUSTER_ONLY


def objections_to(url: str) -> list[str]:
    async def look() -> list[str]:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            return await objections(connection)

    return asyncio.run(look())


@contextmanager
def on_a_shard(database: Database) -> Iterator[tuple[psycopg.Connection[Any], str, str]]:
    """Connect to a node with a shard of `tasks`; yield that, the shard, and the node's name."""
    place = """
        SELECT nodename, nodeport, 'tasks_' || shardid FROM pg_dist_shard
        JOIN pg_dist_placement USING (shardid) JOIN pg_dist_node USING (groupid)
        WHERE logicalrelid = 'tasks'::regclass LIMIT 1
    """
    with psycopg.connect(database.superuser_url) as connection:
        ((host, port, shard),) = connection.execute(place).fetchall()
    parts = urlsplit(database.superuser_url)
    user = parts.netloc.rpartition("@")[0]
    url = urlunsplit(parts._replace(netloc=f"{user}@{host}:{port}"))
    with psycopg.connect(url, autocommit=True) as node:
        node.execute("SET citus.enable_manual_changes_to_shards TO on")
        yield node, shard, f"{host}:{port}"


def test_it_is_as_it_must_be(database: Database) -> None:
    assert objections_to(database.server_url) == []
    with psycopg.connect(database.superuser_url) as connection:
        assert distributed_tables(connection) >= set(OWNED_TABLES)
        assert obstacles(connection, database.superuser_url) == []


def test_a_policy_that_differs_on_one_shard_is_found(database: Database) -> None:
    with on_a_shard(database) as (node, shard, name):
        policy = f"ALTER POLICY tasks_owner ON {shard} USING"
        node.execute(f"{policy} (true)")
        try:
            (sentence,) = objections_to(database.server_url)
        finally:
            node.execute(f"{policy} (user_id = current_setting('app.user_id', true))")
        assert name in sentence
        assert "the policy tasks_owner of tasks is not as on the coordinator" in sentence
    assert objections_to(database.server_url) == []


def test_a_function_that_differs_on_one_node_is_found(database: Database) -> None:
    text = "SELECT pg_get_functiondef('act_as'::regproc)"
    with on_a_shard(database) as (node, _, name):
        node.execute("SET citus.enable_ddl_propagation TO off")
        ((function,),) = node.execute(text).fetchall()
        node.execute(function.replace("BEGIN", "BEGIN --"))
        try:
            (sentence,) = objections_to(database.server_url)
        finally:
            node.execute(function)
        assert f"The node {name} has other functions" in sentence
    assert objections_to(database.server_url) == []


def test_a_policy_that_only_restricts_is_refused(database: Database) -> None:
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        connection.execute(
            "CREATE POLICY narrower ON tasks AS RESTRICTIVE TO todo_api USING (user_id <> 'eve')"
        )
        try:
            # Its shards have it as one that permits.
            found = objections_to(database.server_url)
            assert found
            assert all("the policy narrower of tasks is not as on" in each for each in found)
        finally:
            connection.execute("DROP POLICY narrower ON tasks")
    assert objections_to(database.server_url) == []


def test_a_statement_without_an_owner_is_an_error(database: Database) -> None:
    with psycopg.connect(database.server_url) as connection:
        for name, value in acting.SETTINGS.items():
            connection.execute(f"SET {name} TO {value}".encode())
        with pytest.raises(psycopg.errors.InternalError_, match="multi-task"):
            connection.execute("SELECT title FROM tasks")


def test_nobody_sees_anothers(database: Database, server: Server) -> None:
    users = [server.user() for _ in range(12)]
    made = {user.user_id: user.create(f"of {n}")["id"] for n, user in enumerate(users)}
    for n, user in enumerate(users):
        assert user.titles() == [f"of {n}"]
        for id in made.values():
            assert (user.get(id) is not None) == (id == made[user.user_id])


def test_a_role_that_does_not_pass_identities_on_is_refused(database: Database) -> None:
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        ((name,),) = connection.execute("SELECT current_database()").fetchall()
        setting = f"ALTER ROLE todo_api IN DATABASE {name} SET citus.propagate_set_commands TO"
        connection.execute(f"{setting} none".encode())
        try:
            (sentence,) = objections_to(database.server_url)
        finally:
            connection.execute(f"{setting} local".encode())
    assert "The role todo_api does not pass identities on" in sentence
    assert objections_to(database.server_url) == []


def test_a_replica_is_refused(database: Database) -> None:
    settings = settings_for(database.server_url, database_read_url=database.server_url)

    async def start() -> None:
        async with run(settings):
            pass

    with pytest.raises(UnsafeRole, match="DATABASE_READ_URL is not for"):
        asyncio.run(start())


def test_it_is_told_which_nodes_answer(database: Database) -> None:
    async def ask() -> tuple[int, int, str] | None:
        async with run(settings_for(database.server_url)) as parts:
            return await parts.database.who_answers()

    answered = asyncio.run(ask())
    assert answered is not None
    answering, away, names = answered
    assert answering > 0
    assert (away, names) == (0, "")


def test_who_was_not_counted_is_counted_by_a_migration(database: Database, server: Server) -> None:
    user = server.user()
    user.create("counted")
    of_user = "FROM task_counters WHERE user_id = %s"
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        ((*kept,),) = connection.execute(
            "SELECT trash_retention_days, idempotency_retention_days FROM installation"
        ).fetchall()
        before = connection.execute(f"SELECT tasks, bytes {of_user}", [user.user_id]).fetchall()
        connection.execute(
            "UPDATE task_counters SET tasks = NULL, bytes = NULL WHERE user_id = %s", [user.user_id]
        )
        complete_migration(database.superuser_url, Retention(*kept))
        after = connection.execute(f"SELECT tasks, bytes {of_user}", [user.user_id]).fetchall()
    assert after == before == [(1, len("counted"))]


OLD = """
UPDATE tasks SET deleted_at = now() - interval '40 days' WHERE user_id = %(owner)s;
UPDATE task_lists SET deleted_at = now() - interval '40 days' WHERE user_id = %(owner)s;
UPDATE idempotency_keys SET created_at = now() - interval '40 days' WHERE user_id = %(owner)s
"""

LEFT = """
SELECT (SELECT count(*) FROM tasks WHERE user_id = %(owner)s),
       (SELECT count(*) FROM task_lists WHERE user_id = %(owner)s),
       (SELECT count(*) FROM idempotency_keys WHERE user_id = %(owner)s)
"""

HELD = {
    "the owner's turn": (
        "SELECT pg_advisory_xact_lock(hashtextextended(user_id, 0)) FROM task_counters "
        "WHERE user_id = %(owner)s",
    ),
    "tasks": ("SELECT FROM tasks WHERE user_id = %(owner)s FOR UPDATE",),
    "a list": ("SELECT FROM task_lists WHERE user_id = %(owner)s FOR UPDATE",),
    "a key": ("SELECT FROM idempotency_keys WHERE user_id = %(owner)s FOR UPDATE",),
}


@pytest.mark.parametrize(
    ("held", "left"),
    [
        ("the owner's turn", (2, 1, 0)),
        ("tasks", (2, 1, 0)),
        ("a list", (0, 1, 0)),
        ("a key", (0, 0, 1)),
    ],
)
def test_the_purge_waits_for_nobody(
    database: Database, server: Server, held: str, left: tuple[int, int, int]
) -> None:
    busy, idle = server.user(), server.user()
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        for user in (busy, idle):
            home = user.create_list()["id"]
            tasks = [{"title": title, "listId": home} for title in "ab"]
            user.create_many(*tasks, idempotencyKey="key")
            for statement in nonempty(OLD.split(";")):
                connection.execute(statement.encode(), {"owner": user.user_id})
    # Who waits is told so.
    url = f"{database.server_url}&options=-c%20statement_timeout%3D20s"
    settings = settings_for(database.server_url)
    with psycopg.connect(database.superuser_url) as connection:
        for statement in HELD[held]:
            connection.execute(statement.encode(), {"owner": busy.user_id})
        asyncio.run(purge(url, settings))
        assert left_of(database, idle) == (0, 0, 0)
        assert left_of(database, busy) == left
    asyncio.run(purge(url, settings))
    assert left_of(database, busy) == (0, 0, 0)


def test_the_purge_goes_on_to_others(
    database: Database, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who changes something has the oldest tasks, and more of them than are purged at once."""
    monkeypatch.setattr("app.database.purge.BATCH", 2)
    busy, idle = server.user(), server.user()
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        for user, days in ((busy, 50), (idle, 40)):
            user.create_many(*({"title": title} for title in "abc"))
            connection.execute(
                "UPDATE tasks SET deleted_at = now() - make_interval(days => %s) "
                "WHERE user_id = %s",
                [days, user.user_id],
            )
    url = f"{database.server_url}&options=-c%20statement_timeout%3D20s"
    with psycopg.connect(database.superuser_url) as connection:
        for statement in HELD["the owner's turn"]:
            connection.execute(statement.encode(), {"owner": busy.user_id})
        asyncio.run(purge(url, settings_for(database.server_url)))
        assert [left_of(database, user)[0] for user in (busy, idle)] == [3, 0]


def left_of(database: Database, user: Caller) -> tuple[int, int, int]:
    with psycopg.connect(database.superuser_url) as connection:
        (left,) = connection.execute(LEFT, {"owner": user.user_id}).fetchall()
    return left


def test_a_migration_finds_nothing_to_mend(database: Database) -> None:
    assert check_protection(database.superuser_url) == []
