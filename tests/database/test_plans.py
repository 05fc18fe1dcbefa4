"""Plans: every list is read from an index in its order, as the server's role, however long."""

import itertools
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from app.database.embedded import EmbeddedPostgres
from graphql_schema.connections import Cursor
from graphql_schema.filters import OrderDirection, TaskOrderField, TaskTrash
from graphql_schema.types import TaskStatus
from models.instant import Instant
from models.user import UserId
from resolvers.statements import lookups, tasks
from resolvers.statements import task_pages as statements
from resolvers.statements.task_conditions import Conditions
from resolvers.statements.task_pages import Page
from tests.databases import Database, copy_of
from tests.plans import indexes, nodes, plan_of, rows_read

MANY, OTHERS, EACH = 20_000, 40, 250
BIG = UserId("big")
READ_MAX = 500
"""Rows that a plan may touch: some pages of 51, and nowhere near all that the user has."""

KEYS = {
    TaskOrderField.CREATED_AT: "created_at",
    TaskOrderField.UPDATED_AT: "updated_at",
    TaskOrderField.TITLE: "title_order",
}
"""What each order's index is called by."""

TASKS = """
INSERT INTO tasks (user_id, id, title, title_order, words, position, version, completed,
                   created_at, updated_at, deleted_at)
SELECT %(user)s, n, title, order_of(title), array_to_tsvector(words_of(%(user)s, title)),
       lpad(to_hex(n), 14, '0') || 'V', n, n %% 6000 <> 7, now() - n * interval '1 min',
       now() - n * interval '1 min', CASE WHEN n > %(alive)s THEN now() END
FROM (SELECT n, 'Common ' || n || CASE WHEN n %% 1000 = 0 THEN ' rare' ELSE '' END AS title
      FROM generate_series(1, %(count)s) n) AS row
"""


@pytest.fixture(scope="module")
def crowd(postgres: EmbeddedPostgres, template: str) -> Database:
    """A database where one user has many tasks, and few that are pending, beside others."""
    database = copy_of(postgres, template)
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        # Row by row in the order of time, as tasks come; triggers would take long.
        connection.execute("SET session_replication_role = replica")
        users = [(BIG, 2 * MANY, MANY), *((f"user-{n}", EACH, EACH) for n in range(OTHERS))]
        for user, count, alive in users:
            connection.execute(
                "INSERT INTO users (id, name) VALUES (%(user)s, 'x')", {"user": user}
            )
            connection.execute(TASKS, {"user": user, "count": count, "alive": alive})
        connection.execute(
            "INSERT INTO task_counters SELECT user_id, max(version) FROM tasks GROUP BY user_id"
        )
        connection.execute("VACUUM ANALYZE")
    return database


@pytest.fixture(scope="module")
def crowded(crowd: Database) -> Iterator[psycopg.Connection[Any]]:
    """The server's role in that database."""
    with psycopg.connect(crowd.server_url) as connection:
        yield connection


@pytest.fixture(scope="module")
def superuser_url(crowd: Database) -> str:
    return crowd.superuser_url


def cursor_in_the_middle(field: TaskOrderField) -> Cursor:
    title = field is TaskOrderField.TITLE
    middle = "common 15000" if title else Instant(str(datetime.now(UTC)))
    return Cursor(field, middle, 7)


@pytest.mark.parametrize("trash", TaskTrash)
@pytest.mark.parametrize("status", TaskStatus)
@pytest.mark.parametrize("field", KEYS)
def test_any_page_is_read_from_the_index_of_its_order(
    crowded: psycopg.Connection[Any], field: TaskOrderField, status: TaskStatus, trash: TaskTrash
) -> None:
    where = "tasks_by" if trash is TaskTrash.EXCLUDE else "tasks_in_trash_by"
    middle = cursor_in_the_middle(field)
    for direction, after, backward, prepared in itertools.product(
        OrderDirection, (middle, None), (True, False), (True, False)
    ):
        page = Page(Conditions(status, trash), field, direction, after, None)
        statement = statements.tasks(BIG, page, limit=51, backward=backward)
        plan = plan_of(crowded, statement, prepared=prepared)
        assert rows_read(plan) <= READ_MAX, plan
        # A few pending ones may be read from any index.
        assert status is TaskStatus.PENDING or indexes(plan) == {f"{where}_{KEYS[field]}"}
        if after is not None:
            beyond = statements.any_task_beyond(BIG, page, after, before=backward)
            assert rows_read(plan_of(crowded, beyond, prepared=prepared)) <= 2


def test_a_few_pending_tasks_are_found_among_many(crowded: psycopg.Connection[Any]) -> None:
    pending = Conditions(TaskStatus.PENDING)
    plan = plan_of(crowded, statements.count_tasks(BIG, pending))
    # Those few users' counters are read one after the other, and nobody has counted what they have.
    (counting,) = [part for part in nodes(plan) if part.get("Relation Name") == "tasks"]
    assert rows_read(counting) < 10
    assert indexes(counting) <= {f"tasks_by_{key}" for key in KEYS.values()}


@pytest.mark.parametrize("prepared", [True, False])
@pytest.mark.parametrize("status", TaskStatus)
def test_tasks_are_looked_up_by_their_ids(
    crowded: psycopg.Connection[Any], status: TaskStatus, prepared: bool
) -> None:
    for field, ids in itertools.product(KEYS, ([], list(range(100, 200)))):
        page = Page(Conditions(status, ids=ids), field, OrderDirection.ASC, None, None)
        statement = statements.tasks(BIG, page, limit=51, backward=False)
        assert rows_read(plan_of(crowded, statement, prepared=prepared)) <= 2 * len(ids)


@pytest.mark.parametrize("name", ["created", "updated"])
def test_a_range_is_read_from_the_index_of_its_column(
    crowded: psycopg.Connection[Any], name: str
) -> None:
    end = datetime.now(UTC) - timedelta(days=4)
    range_: Any = {f"{name}_from": end - timedelta(days=1), f"{name}_until": end}
    field = TaskOrderField(f"{name.upper()}_AT")
    page = Page(Conditions(bounds=range_), field, OrderDirection.ASC, None, None)
    for prepared in (True, False):
        statement = statements.tasks(BIG, page, limit=51, backward=False)
        plan = plan_of(crowded, statement, prepared=prepared)
        assert indexes(plan) == {f"tasks_by_{name}_at"}
        assert rows_read(plan) <= 51 + 3


def test_the_feed_is_read_from_its_index(crowded: psycopg.Connection[Any]) -> None:
    for after, prepared in itertools.product((0, MANY, 2 * MANY), (True, False)):
        statement = tasks.task_changes(BIG, after, 51)
        plan = plan_of(crowded, statement, prepared=prepared)
        assert "tasks_by_version" in indexes(plan)
        assert rows_read(plan) <= 51 + OTHERS + 1 + 1


@pytest.mark.parametrize("bypasses", [True, False])
@pytest.mark.parametrize(
    ("search", "count"),
    [("rare", 40), ("rar comm", 40), ("common rare", 40), ("nothing", 0), ("comm", 1001)],
)
def test_a_search_reads_what_it_finds_alone(
    crowded: psycopg.Connection[Any], superuser_url: str, search: str, count: int, bypasses: bool
) -> None:
    statement = lookups.search_tasks(BIG, search, 1001)
    assert plan_of(crowded, statement)["Actual Rows"] == count
    # What the function does is not shown outside it. So here it is done as its owner does it.
    with psycopg.connect(superuser_url) as connection:
        connection.execute("SELECT set_config('app.user_id', %s, true)", [BIG])
        connection.execute("SET LOCAL enable_seqscan = off")
        record = connection.execute(
            "SELECT prosrc FROM pg_proc WHERE oid = 'search_tasks'::regproc"
        ).fetchone()
        assert record is not None
        # On one node; its variables are parameters.
        body = record[0].partition("ELSE")[2].partition("RETURN QUERY")[2].partition(";")[0]
        body = re.sub(r"\basked\b", "(SELECT query_for($3, $1))", body)
        body = re.sub(r"\bwhose\b", "$3", body).replace("at_most", "$2")
        if not bypasses:
            role = f"owner_{uuid4().hex}"
            connection.execute(f"CREATE ROLE {role}")
            connection.execute(f"ALTER TABLE tasks OWNER TO {role}")
            connection.execute(f"ALTER POLICY tasks_search ON tasks TO {role}")
            connection.execute(f"SET LOCAL ROLE {role}")
        cursor = psycopg.RawCursor(connection)
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {body}".encode(), [search, 1001, BIG])
        found = cursor.fetchone()
        connection.rollback()
    assert found is not None
    plan = found[0][0]["Plan"]
    assert indexes(plan) == {"tasks_by_words"}
    assert rows_read(plan) == count


def test_a_frequent_word_is_found_in_the_order_of_the_page(
    crowded: psycopg.Connection[Any],
) -> None:
    for field, prepared in itertools.product(KEYS, (True, False)):
        page = Page(Conditions(search="comm"), field, OrderDirection.DESC, None, None)
        statement = statements.tasks(BIG, page, limit=51, backward=False)
        assert rows_read(plan_of(crowded, statement, prepared=prepared)) <= READ_MAX
