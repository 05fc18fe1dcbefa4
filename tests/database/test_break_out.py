"""What the server's role can reach of others' rows on a cluster: asked at each node, and at shards.

Whoever takes the role over may say that they are Eve, and be that on any node.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from app.database import acting
from app.database.protection import objections
from models.metadata import OWNED_TABLES
from tests.api import Server, nonempty
from tests.databases import CLUSTER_ONLY, Database, act_as

pytestmark = CLUSTER_ONLY

REFUSED = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.ForeignKeyViolation,
    psycopg.errors.FeatureNotSupported,
    # Of a trigger that looks for Eve's counter on another's shard, and of more shards than one.
    psycopg.errors.InternalError_,
)

NODES = "SELECT nodename, nodeport, groupid FROM pg_dist_node ORDER BY groupid"

SHARDS = """
SELECT logicalrelid::text, logicalrelid || '_' || shardid FROM pg_dist_shard
JOIN pg_dist_placement USING (shardid)
WHERE groupid = %s AND logicalrelid::text = ANY (%s) ORDER BY shardid
"""


class Node(NamedTuple):
    """A node of the cluster, as the server's role comes to it."""

    url: str
    shards: list[tuple[str, str]]
    """The tables, and the names of their parts that lie here."""


class People(NamedTuple):
    """Eve, and ten others, who have a list and a task in it each."""

    eve: str
    others: dict[str, tuple[int, int]]
    """Their ids, and those of a list and of a task."""


@pytest.fixture(scope="module")
def nodes(database: Database) -> list[Node]:
    with psycopg.connect(database.superuser_url) as connection:
        found = connection.execute(NODES).fetchall()
        shards = [
            connection.execute(SHARDS, [group, list(OWNED_TABLES)]).fetchall()
            for *_, group in found
        ]
    parts = urlsplit(database.server_url)
    role = parts.netloc.rpartition("@")[0]
    return [
        Node(urlunsplit(parts._replace(netloc=f"{role}@{host}:{port}")), of_node)
        for (host, port, _), of_node in zip(found, shards, strict=True)
    ]


@pytest.fixture(scope="module")
def people(server: Server) -> People:
    eve = server.user()
    eve.create("of Eve")
    others = {}
    for _ in range(10):
        user = server.user()
        home = user.create_list()["id"]
        task = user.create("secret", listId=home, labels=["secret"], idempotencyKey="key")["id"]
        others[str(user.user_id)] = (int(home[1:]), int(task))
    return People(str(eve.user_id), others)


def rows_of(database: Database, people: People) -> list[Any]:
    """Return all that the others have."""
    with psycopg.connect(database.superuser_url) as connection:
        return [
            connection.execute(
                sql.SQL("SELECT to_jsonb(t) FROM {} AS t WHERE {} = %s ORDER BY 1::text").format(
                    sql.Identifier(table), sql.Identifier("id" if table == "users" else "user_id")
                ),
                [owner],
            ).fetchall()
            for owner in people.others
            for table in OWNED_TABLES
        ]


def attacks(eve: str, other: str, home: int, task: int) -> Iterator[tuple[str, list[Any]]]:
    """Yield statements that would read or change what is another's."""
    for table in OWNED_TABLES:
        if table != "users":
            yield f"SELECT user_id FROM {table} WHERE user_id = %s", [other]
    yield "SELECT id FROM users WHERE id = %s", [other]
    yield "UPDATE tasks SET title = 'stolen' WHERE user_id = %s RETURNING id", [other]
    yield "UPDATE tasks SET user_id = %s WHERE user_id = %s RETURNING id", [eve, other]
    yield "UPDATE tasks SET user_id = %s WHERE user_id = %s RETURNING id", [other, eve]
    yield "UPDATE task_lists SET name = 'x' WHERE user_id = %s RETURNING id", [other]
    yield "DELETE FROM tasks WHERE user_id = %s RETURNING id", [other]
    yield "DELETE FROM idempotency_keys WHERE user_id = %s RETURNING key", [other]
    yield "DELETE FROM users WHERE id = %s RETURNING id", [other]
    yield "INSERT INTO tasks (user_id, id, title) VALUES (%s, NULL, 'x') RETURNING id", [other]
    yield (
        "INSERT INTO task_labels (user_id, key, task_id, name) VALUES (%s, 'k', %s, 'k') "
        "RETURNING key",
        [other, task],
    )
    yield (
        "INSERT INTO tasks (user_id, id, title, parent_id) VALUES (%s, NULL, 'x', %s) RETURNING id",
        [eve, task],
    )
    yield (
        "INSERT INTO tasks (user_id, id, title, list_id) VALUES (%s, NULL, 'x', %s) RETURNING id",
        [eve, home],
    )
    yield "SELECT title FROM tasks", []
    yield "SELECT owner FROM search_tasks('secret', 100)", []
    yield "SELECT id FROM undo_action(%s, 'key')", [other]


def attempt(
    connection: psycopg.Connection[Any], who: str, statement: str, values: list[Any]
) -> list[Any]:
    """Run a statement as somebody; return its rows, none where it is refused."""
    try:
        act_as(connection, who)
        return connection.execute(statement.encode(), values).fetchall()
    except REFUSED:
        return []
    except psycopg.DatabaseError as error:
        # A rule of a trigger: what it refers to is not there.
        if (error.sqlstate or "").startswith("TD"):
            return []
        raise
    finally:
        connection.rollback()


def test_no_node_shows_or_changes_anothers_rows(
    database: Database, nodes: list[Node], people: People
) -> None:
    before = rows_of(database, people)
    for node in nonempty(nodes):
        with psycopg.connect(node.url) as connection:
            for other, (home, task) in nonempty(people.others.items()):
                for statement, values in nonempty(attacks(people.eve, other, home, task)):
                    found = attempt(connection, people.eve, statement, values)
                    assert found == [], (node.url, statement)
    assert rows_of(database, people) == before


def test_a_node_shows_eve_her_own(nodes: list[Node], people: People) -> None:
    """Else the others' rows might be away because nobody's are shown."""
    for node in nonempty(nodes):
        with psycopg.connect(node.url) as connection:
            act_as(connection, people.eve)
            found = connection.execute("SELECT title FROM tasks WHERE user_id = %s", [people.eve])
            assert found.fetchall() == [("of Eve",)]


@pytest.mark.parametrize("identity", ["Eve", "nobody"])
def test_a_shard_shows_and_changes_nothing_of_others(
    database: Database, nodes: list[Node], people: People, identity: str
) -> None:
    who = people.eve if identity == "Eve" else ""
    before, seen = rows_of(database, people), 0
    for node in nonempty(node for node in nodes if node.shards):
        with psycopg.connect(node.url, autocommit=True) as connection:
            connection.execute("SELECT set_config('app.user_id', %s, false)", [who])
            connection.execute("SET citus.enable_manual_changes_to_shards TO on")
            for table, shard in nonempty(node.shards):
                owner = "id" if table == "users" else "user_id"
                rows = connection.execute(f"SELECT {owner} FROM {shard}".encode()).fetchall()
                assert {*rows} <= {(people.eve,)}, shard
                seen += len(rows)
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f"TRUNCATE {shard}".encode())
    assert (seen > 0) == (identity == "Eve")
    assert rows_of(database, people) == before


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE {shard}",
        "ALTER TABLE {shard} DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE {shard} NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE {shard} DISABLE TRIGGER ALL",
        "DROP POLICY tasks_owner ON {shard}",
        "CREATE POLICY mine ON {shard} USING (true)",
        "INSERT INTO {shard} (user_id, id, title) VALUES ('stranger', NULL, 'x')",
    ],
)
def test_a_shard_stays_as_it_is(nodes: list[Node], people: People, statement: str) -> None:
    tried = 0
    for node in nonempty(nodes):
        of_tasks = [shard for table, shard in node.shards if table == "tasks"]
        with psycopg.connect(node.url, autocommit=True) as connection:
            connection.execute("SELECT set_config('app.user_id', %s, false)", [people.eve])
            connection.execute("SET citus.enable_manual_changes_to_shards TO on")
            for shard in of_tasks[:1]:
                with pytest.raises(REFUSED):
                    connection.execute(statement.format(shard=shard).encode())
                tried += 1
    assert tried > 0


@pytest.mark.parametrize(
    "call",
    [
        "undistribute_table('users', cascade_via_foreign_keys => true)",
        "alter_distributed_table('tasks', shard_count => 4)",
        "citus_move_shard_placement((SELECT min(shardid) FROM pg_dist_shard), 1, 2)",
        "citus_drain_node('127.0.0.1', 5502)",
        "citus_add_node('127.0.0.1', 1)",
        "citus_disable_node('127.0.0.1', 5502)",
        "create_reference_table('tasks')",
        "truncate_local_data_after_distributing_table('users')",
        "citus_create_restore_point('mine')",
    ],
)
def test_the_cluster_stays_as_it_is(nodes: list[Node], call: str) -> None:
    for node in nonempty(nodes):
        with psycopg.connect(node.url) as connection, pytest.raises(psycopg.DatabaseError) as error:
            connection.execute(f"SELECT {call}".encode())
        assert not isinstance(error.value, psycopg.errors.UndefinedFunction), error.value


def test_what_is_run_on_all_nodes_has_no_identity(nodes: list[Node], people: People) -> None:
    count = "SELECT count(*) FROM "
    for node in nonempty(nodes):
        with psycopg.connect(node.url) as connection:
            act_as(connection, people.eve)
            told = connection.execute(
                "SELECT success, result FROM run_command_on_shards('tasks', %s)", [f"{count}%s"]
            ).fetchall()
            assert nonempty(told)
            assert {result for success, result in told if success} <= {"0"}


async def test_an_identity_that_does_not_travel_is_noticed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(acting.SETTINGS, "citus.propagate_set_commands", "none")
    async with await psycopg.AsyncConnection.connect(
        database.server_url, autocommit=True
    ) as connection:
        (sentence,) = await objections(connection)
    assert "The identity of users does not reach" in sentence
