"""Each request sends few statements, on few connections, and keeps none from the others."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from app.database.notifications import ANNOUNCE, NOTIFY
from tests.api import (
    CREATE,
    DELETE,
    TASK,
    TOGGLE,
    UPDATE,
    Caller,
    Server,
    running_server,
    settings_for,
)
from tests.containers import Lists, make
from tests.databases import Database
from tests.locks import held_task, until_waiting, waiting_behind
from tests.workers import cut_statements


@pytest.fixture
def sent(server: Server, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the server sends to the database while a test runs, but for what wakes other workers."""
    texts: list[str] = []
    database = server.running.database
    fetch = database.fetch

    async def record(statement: Any) -> Any:
        if statement.sql is not NOTIFY:
            texts.append(statement.sql.text)
        return await fetch(statement)

    monkeypatch.setattr(database, "fetch", record)
    return texts


ENDED = '{from: "2026-01-01T00:00:01Z", until: "2026-01-01T00:00:00Z"}'
"""A range that ends before it begins."""


@pytest.mark.parametrize(
    ("query", "statements"),
    [
        ("{ __typename }", 0),
        ("{ me { id name email createdAt } }", 1),
        (f'{{ task(id: "1") {{ {TASK} }} }}', 1),
        ('{ task(id: "no id") { id } }', 0),
        (f"{{ tasks {{ nodes {{ {TASK} }} }} }}", 1),
        ("{ tasks { edges { cursor node { id } } pageInfo { hasNextPage endCursor } } }", 1),
        ("{ tasks { pageInfo { hasPreviousPage hasNextPage } } }", 1),
        ("{ tasks { nodes { id } totalCount } }", 2),
        ('{ tasks(filter: {search: "a"}) { nodes { id } } }', 2),
        # Nothing is looked up of which no task can be found.
        ('{ tasks(filter: {search: "a", ids: []}) { nodes { id } } }', 1),
        (f'{{ tasks(filter: {{search: "a", updatedAt: {ENDED}}}) {{ nodes {{ id }} }} }}', 1),
        # The owner of every task is the caller, who is looked up once.
        ("{ me { id } tasks { nodes { owner { id } } } }", 2),
        ("{ a: tasks { totalCount } b: me { id } c: me { id } }", 3),
    ],
)
def test_a_query_sends_no_more_statements_than_it_needs(
    server: Server, sent: list[str], query: str, statements: int
) -> None:
    user = server.user()
    for _ in range(3):
        user.create()
    del sent[:]
    user.data(query)
    assert len(sent) == statements, sent


RELATED = "list { id name } parent { id title } subtaskCount subtasks { id title }"


@pytest.mark.parametrize(
    ("query", "statements"),
    [
        (f"{{ tasks {{ nodes {{ id {RELATED} }} }} }}", 5),
        (f"{{ tasks {{ edges {{ node {{ {RELATED} subtasks {{ parent {{ id }} }} }} }} }} }}", 6),
        ("{ tasks(filter: {level: TOP}) { nodes { id list { id } } } }", 2),
        ("{ tasks(filter: {level: SUBTASKS}) { nodes { id subtasks { id } subtaskCount } } }", 1),
        ("{ tasks(filter: {inbox: true, level: TOP}) { nodes { id list { id } } } }", 2),
        (f"{{ taskChanges {{ nodes {{ task {{ {RELATED} }} }} }} }}", 5),
        ("{ tasks { nodes { open: subtaskCount(status: PENDING) subtaskCount } } }", 3),
    ],
)
def test_what_fifty_tasks_refer_to_is_read_at_once(
    server: Server, sent: list[str], query: str, statements: int
) -> None:
    user = server.user()
    lists = Lists(server, user)
    for home in (lists.make(), lists.make(), None):
        parents = [make(user, listId=home)["id"] for _ in range(3)]
        user.create_many(*({"title": "x", "parentId": parents[n % 3]} for n in range(14)))
    del sent[:]
    user.data(query)
    assert len(sent) == statements, sent


def test_pages_of_pages_have_eight_statements_under_way_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = server.user()
    lists = Lists(server, user)
    homes = [lists.make() for _ in range(20)]
    for home in homes[:3]:
        make(user, listId=home)
    database, under_way, numbers = server.running.database, set[object](), list[int]()
    fetch = database.fetch

    async def count(statement: Any) -> Any:
        if statement.sql in (ANNOUNCE, NOTIFY) or statement.owner != user.user_id:
            # What was changed before is told to other workers meanwhile, and others may be read.
            return await fetch(statement)
        under_way.add(this := object())
        numbers.append(len(under_way))
        try:
            return await fetch(statement)
        finally:
            under_way.remove(this)

    monkeypatch.setattr(database, "fetch", count)
    pages = " ".join(
        f"p{n}: tasks(first: {n}) {{ nodes {{ id }} totalCount }}" for n in range(1, 9)
    )
    data = user.data(f"{{ lists {{ nodes {{ id {pages} }} }} }}")["lists"]["nodes"]
    assert [each["id"] for each in data] == homes
    assert [each["p8"]["totalCount"] for each in data] == [1] * 3 + [0] * 17
    assert len(numbers) >= 2 * 8 * 20
    assert max(numbers) == 8


def test_a_mutation_is_one_statement(server: Server, sent: list[str]) -> None:
    user = server.user()
    id = user.create()["id"]
    for query, input in (
        (CREATE, {"title": "x"}),
        (UPDATE, {"id": id, "title": "y", "expectedVersion": 1}),
        (TOGGLE, {"id": id}),
        (DELETE, {"id": id}),
        (DELETE, {"id": id}),
    ):
        del sent[:]
        user.data(query, input=input)
        assert len(sent) == 1


def test_a_conflict_is_told_by_a_second_statement(server: Server, sent: list[str]) -> None:
    user = server.user()
    id = user.create()["id"]
    user.update(id=id, title="y")
    del sent[:]
    conflict = user.update(id=id, title="z", expectedVersion=1)
    assert (conflict["__typename"], len(sent)) == ("VersionConflict", 2)


def test_every_statement_names_its_owner(server: Server, sent: list[str]) -> None:
    user = server.user()
    id = user.create()["id"]
    cursor = user.page()["edges"][0]["cursor"]
    user.page(first=1, after=cursor, filter={"status": "PENDING"})
    user.page(last=1, before=cursor, orderBy={"direction": "ASC"})
    user.get(id)
    user.update(id=id)
    user.update(id=id, title="x")
    user.toggle(id=id)
    user.delete(id=id)
    user.data("{ me { id } }")
    kinds = set(sent)
    assert len(kinds) >= 10
    for text in kinds:
        parts = text.count("FROM tasks") + text.count("UPDATE tasks") + text.count("INTO tasks")
        parts += text.count("FROM users") + text.count("INTO users")
        named = text.count("tasks.user_id = $") + text.count("users.id = $")
        named += text.count("INSERT INTO tasks (id, user_id") + text.count("INSERT INTO users (id")
        assert parts, text
        assert named == parts, text


@pytest.fixture(scope="module")
def pool_of_two(database: Database) -> Iterator[Server]:
    settings = settings_for(
        database.server_url,
        database_pool_max_size=2,
        migration_database_url=database.superuser_url,
    )
    with running_server(settings) as server:
        yield server


def test_forty_sibling_fields_on_a_pool_of_two_all_answer(pool_of_two: Server) -> None:
    user = pool_of_two.user()
    user.create()
    query = "{" + " ".join(f"f{n}: tasks {{ totalCount nodes {{ id }} }}" for n in range(40)) + "}"
    data = user.data(query)
    assert len(data) == 40
    assert {tasks["totalCount"] for tasks in data.values()} == {1}


def test_many_users_on_a_pool_of_two_get_their_own(pool_of_two: Server) -> None:
    users = [pool_of_two.user() for _ in range(8)]
    for user in users:
        user.create(f"of {user.user_id}")

    def ask(n: int) -> bool:
        user = users[n % len(users)]
        if n % 5 == 0:
            user.execute("{ tasks(first: 101) { totalCount } }")
        if n % 7 == 0:
            user.toggle(id=user.page()["nodes"][0]["id"])
        return bool(user.titles() == [f"of {user.user_id}"])

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(400)))


def connections(server: Server, name: str) -> list[tuple[str, ...]]:
    with psycopg.connect(str(server.settings.migration_database_url)) as connection:
        return connection.execute(
            "SELECT state, usename FROM pg_stat_activity "
            "WHERE application_name ~ '^todo-api/[0-9.]+$' "
            "AND datname = %s",
            [name],
        ).fetchall()


def test_no_transaction_stays_open_when_nothing_is_asked(
    pool_of_two: Server, database: Database
) -> None:
    user = pool_of_two.user()
    user.create()
    user.execute("{ tasks(first: 101) { totalCount } }")
    states = {state for state, _ in connections(pool_of_two, database.name)}
    assert states
    assert states <= {"idle", "active"}


def test_a_busy_pool_is_waited_for_and_then_given_up(database: Database) -> None:
    settings = settings_for(
        database.server_url, database_pool_max_size=1, database_pool_timeout=0.1
    )
    with running_server(settings) as server:
        user = server.user()
        task = user.create()
        with (
            held_task(database, user.user_id, task["id"]) as connection,
            ThreadPoolExecutor(2) as threads,
        ):
            held = threads.submit(lambda: server.user(user.user_id).toggle(id=task["id"]))
            until_waiting(database, connection)
            refused = user.post("{ me { id } }")
            connection.rollback()
            assert held.result()["completed"] is True
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        (error,) = refused.json()["errors"]
        assert error["extensions"] == {"code": "SERVICE_UNAVAILABLE"}
        assert user.data("{ me { id } }")


def test_a_statement_that_takes_too_long_is_given_up(database: Database) -> None:
    settings = settings_for(database.server_url, database_statement_timeout=0.2)
    with running_server(settings) as server:
        user = server.user()
        task = user.create()
        with held_task(database, user.user_id, task["id"]) as connection:
            result = user.execute(TOGGLE, {"input": {"id": task["id"]}})
            assert result["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
            assert result["data"] == {"toggleTask": None}
            assert waiting_behind(database, connection) == 0
        assert user.get(task["id"]) == task


def test_a_deadlock_is_tried_again_where_nothing_was_written(migrated_database: Database) -> None:
    with psycopg.connect(migrated_database.superuser_url, autocommit=True) as connection:
        # PostgreSQL ends whoever looks first; the server is to look after both are waiting.
        connection.execute(
            f"ALTER DATABASE \"{migrated_database.name}\" SET deadlock_timeout = '2s'"
        )
    settings = settings_for(
        migrated_database.server_url, database_statement_timeout=20, request_timeout=30
    )
    with running_server(settings) as server:
        user = server.user()
        task = user.create()
        for _ in range(5):
            if ends_the_servers_statement(migrated_database, user, task["id"]):
                break
        else:
            pytest.fail("The server's statement never was the one to be ended.")


def ends_the_servers_statement(database: Database, user: Caller, id: str) -> bool:
    """Have a deadlock, and tell whether PostgreSQL resolved it at the server's expense."""
    before = user.get(id)
    with ThreadPoolExecutor(1) as threads, psycopg.connect(database.superuser_url) as connection:
        connection.execute("SET deadlock_timeout = '5s'")
        connection.execute(
            "SELECT FROM task_counters WHERE user_id = %s FOR UPDATE", [user.user_id]
        )
        toggled = threads.submit(lambda: user.toggle(id=id))
        until_waiting(database, connection)
        # The server holds the task and waits for the counter; now each waits for the other.
        try:
            connection.execute("SELECT FROM tasks WHERE id = %s FOR UPDATE", [id])
        except psycopg.errors.DeadlockDetected:
            return False
        connection.commit()
        task = toggled.result()
    assert task["completed"] is not before["completed"]
    assert user.get(id)["version"] == before["version"] + 1
    return True


def test_a_connection_that_was_cut_is_replaced(database: Database, pool_of_two: Server) -> None:
    user = pool_of_two.user()
    task = user.create()
    for _ in range(3):
        cut_statements(database)
        assert user.get(task["id"]) == task


def test_statements_need_not_be_prepared(database: Database) -> None:
    settings = settings_for(database.server_url, database_prepared_statements=False)
    with running_server(settings) as server:
        user = server.user()
        for _ in range(10):
            user.create()
        assert user.page()["totalCount"] == 10
