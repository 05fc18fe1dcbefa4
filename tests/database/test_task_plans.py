"""Plans of the filters and orders of tasks: which index is read, and how many pages of it.

What is bounded are buffers, not times. A list that is walked past tasks that are not meant may read
some hundreds; none reads all that the user has.
"""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pytest

from app.database.embedded import EmbeddedPostgres
from graphql_schema.connections import NO_DATE, Cursor
from graphql_schema.filters import OrderDirection, TaskLevel, TaskOrderField
from graphql_schema.types import TaskStatus
from models.instant import Instant
from models.user import UserId
from resolvers.statements import label_pages, lookups, related, task_pages
from resolvers.statements.task_conditions import Conditions
from resolvers.statements.task_pages import Page
from tests.counts import Count
from tests.databases import Database, copy_of
from tests.plans import buffers, indexes, nodes, plan_of

MANY, OTHERS, EACH = 114_000, 40, 250
FOUND_MAX = 1000
BIG = UserId("big")

# Row by row in the order of time, as tasks come; what they have lies anywhere among them.
TASKS = """
INSERT INTO tasks (user_id, id, title, title_order, words, version, position,
                   created_at, updated_at, completed, completed_at, due_on, due_at, priority,
                   labels, list_id, parent_id)
SELECT %(user)s, n, 'x', 'x', '', n, lpad(to_hex(n), 14, '0') || 'V',
       time, time, done, CASE WHEN done THEN time + interval '1 hour' END,
       day, coalesce(day + time '23:59:59.999999', 'infinity'),
       CASE WHEN third %% 36 = 1 THEN 4 WHEN third %% 6 = 1 THEN 1 + third %% 36 / 12 ELSE 0 END,
       array_remove(ARRAY[CASE WHEN other %% 5 < 2 THEN 'Common' END,
                          CASE WHEN other %% 190 = 3 THEN 'some' END,
                          CASE WHEN other %% 5700 = 6 THEN 'rare' END,
                          'label ' || other %% 40], NULL),
       CASE WHEN dice %% 3 = 0 THEN 1 + dice %% 57 / 3 END,
       CASE WHEN n %% 40 = 7 THEN n - n %% 1000 END
FROM (SELECT n, dice, other, third, timestamptz '2026-01-01' + n * interval '1 min' AS time,
             dice %% 11 < 3 AS done,
             CASE WHEN dice %% 4 = 0 THEN date '2026-01-01' + (dice %% 700)::int END AS day
      FROM (SELECT n, n::bigint * 7919 %% 100003 AS dice, n::bigint * 104729 %% 99991 AS other,
                   n::bigint * 1299709 %% 99989 AS third
            FROM generate_series(1, %(count)s) n))
"""


@pytest.fixture(scope="module")
def server(postgres: EmbeddedPostgres, template: str) -> Iterator[psycopg.Connection[Any]]:
    """The server's role in a database where one user has many tasks of all kinds, beside others."""
    database: Database = copy_of(postgres, template)
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        # Not by triggers, which would take long.
        connection.execute("SET session_replication_role = replica")
        for user, count in [(BIG, MANY), *((f"user-{n}", EACH) for n in range(OTHERS))]:
            connection.execute("INSERT INTO users (id, name) VALUES (%s, 'x')", [user])
            connection.execute(TASKS, {"user": user, "count": count})
        connection.execute(
            "INSERT INTO task_labels SELECT user_id, label_key(label), id, label "
            "FROM tasks, unnest(labels) AS label"
        )
        connection.execute("VACUUM ANALYZE tasks, task_labels")
    with psycopg.connect(database.server_url) as connection:
        yield connection


UP, DOWN = OrderDirection
CREATED_AT, UPDATED_AT, TITLE, DUE, PRIORITY, COMPLETED_AT, POSITION = TaskOrderField
PENDING, COMPLETED = TaskStatus.PENDING, TaskStatus.COMPLETED
A_WEEK = {"due_from": "2026-09-01 00:00:00", "due_until": "2026-09-08 00:00:00"}
A_YEAR = {"due_from": "2026-06-01 00:00:00", "due_until": "2027-06-01 00:00:00"}


def due(**bounds: str) -> Conditions:
    whole = {"due_from": "-infinity", "due_until": "infinity", **bounds}
    return Conditions(PENDING, has_due_date=True, bounds=whole)


MIDDLE = "00000000002328V"
"""The place of the task 9,000."""


class View(NamedTuple):
    """A page, which indexes it may be read from, and how many buffers it may take."""

    conditions: Conditions
    field: TaskOrderField
    direction: OrderDirection
    indexes: set[str]
    buffers: int
    after: Cursor | None = None


BY_DUE, BY_PRIORITY, BY_ID = {"tasks_by_due"}, {"tasks_by_priority"}, {"tasks_pkey"}
BY_POSITION, OF_PARENT = {"tasks_by_position"}, {"tasks_of_parent"}
BY_CREATED_AT, BY_COMPLETED_AT = {"tasks_by_created_at"}, {"tasks_by_completed_at"}
LABELS = {"task_labels_pkey"}

VIEWS: dict[str, View] = {
    "today": View(due(due_until="2026-02-01 00:00:00"), DUE, UP, BY_DUE, 110),
    "overdue": View(due(due_until="2026-02-01 09:00:00"), DUE, UP, BY_DUE, 110),
    "upcoming": View(due(**A_WEEK), DUE, UP, BY_DUE, 110),
    "a week, newest first": View(due(**A_WEEK), CREATED_AT, DOWN, BY_DUE, 350),
    "a week with a label": View(
        due(**A_WEEK)._replace(labels_all=["common"]), DUE, UP, BY_DUE | LABELS, 350
    ),
    "pending by date": View(Conditions(PENDING), DUE, UP, BY_DUE, 110),
    "pending by date, downwards": View(Conditions(PENDING), DUE, DOWN, BY_ID, 110),
    "pending by date, all without one": View(
        Conditions(PENDING), DUE, UP, BY_ID, 110, Cursor(DUE, NO_DATE, 9000)
    ),
    "pending by date, within the dates": View(
        Conditions(PENDING), DUE, DOWN, BY_DUE, 110, Cursor(DUE, "2026-09-08 00:00:00", 1)
    ),
    "all by date": View(Conditions(), DUE, UP, BY_DUE, 220),
    "without a date": View(
        Conditions(PENDING, has_due_date=False), CREATED_AT, DOWN, BY_CREATED_AT, 60
    ),
    "with a date": View(
        Conditions(PENDING, has_due_date=True), CREATED_AT, DOWN, BY_CREATED_AT, 60
    ),
    "by priority": View(Conditions(PENDING), PRIORITY, DOWN, BY_PRIORITY, 110),
    "by priority, upwards": View(Conditions(PENDING), PRIORITY, UP, BY_ID, 110),
    "by priority, downwards within": View(
        Conditions(PENDING), PRIORITY, DOWN, BY_PRIORITY, 110, Cursor(PRIORITY, 1, 9000)
    ),
    "some by priority": View(
        Conditions(PENDING, priorities=[1, 3]), PRIORITY, UP, BY_PRIORITY, 110
    ),
    "a year by priority": View(due(**A_YEAR), PRIORITY, DOWN, BY_DUE | BY_PRIORITY | BY_ID, 12_000),
    "a priority by date": View(Conditions(PENDING, priorities=[4]), DUE, UP, BY_DUE, 5_500),
    "priorities, oldest first": View(
        Conditions(PENDING, priorities=[3, 4]), CREATED_AT, UP, BY_CREATED_AT, 110
    ),
    "priorities, newest first": View(
        Conditions(PENDING, priorities=[3, 4]), CREATED_AT, DOWN, BY_CREATED_AT, 110
    ),
    "a frequent label": View(
        Conditions(labels_any=["common"]), CREATED_AT, DOWN, BY_CREATED_AT | LABELS, 110
    ),
    "without a label": View(
        Conditions(labels_none=["common"]), CREATED_AT, DOWN, BY_CREATED_AT | LABELS, 110
    ),
    "a list by hand": View(Conditions(list_id=2), POSITION, UP, BY_POSITION, 220),
    "pending of a list by hand": View(
        Conditions(PENDING, list_id=2), POSITION, DOWN, BY_POSITION, 110
    ),
    "a list by hand, behind a cursor": View(
        Conditions(list_id=2), POSITION, UP, BY_POSITION, 220, Cursor(POSITION, MIDDLE, 9000)
    ),
    "the inbox by hand": View(Conditions(inbox=True), POSITION, UP, BY_POSITION, 220),
    "the inbox by hand, behind a cursor": View(
        Conditions(PENDING, inbox=True),
        POSITION,
        DOWN,
        BY_POSITION,
        110,
        Cursor(POSITION, MIDDLE, 9000),
    ),
    "top of the inbox by hand": View(
        Conditions(PENDING, inbox=True, level=TaskLevel.TOP), POSITION, UP, BY_POSITION, 110
    ),
    "the inbox, newest first": View(
        Conditions(PENDING, inbox=True), CREATED_AT, DOWN, BY_CREATED_AT, 110
    ),
    **{
        f"a list by {field.name}": View(Conditions(list_id=2), field, DOWN, BY_POSITION, 1_300)
        for field in (CREATED_AT, TITLE, DUE, PRIORITY)
    },
    **{
        f"subtasks of one by {field.name}": View(
            Conditions(parent_id=5_000), field, UP, OF_PARENT, 60
        )
        for field in (CREATED_AT, DUE, POSITION)
    },
    "completed, newest first": View(
        Conditions(COMPLETED), COMPLETED_AT, DOWN, BY_COMPLETED_AT, 110
    ),
    "completed in a time": View(
        Conditions(
            COMPLETED,
            bounds={
                "completed_from": Instant("2026-01-05 00:00:00+00"),
                "completed_until": Instant("2026-01-06 00:00:00+00"),
            },
        ),
        COMPLETED_AT,
        UP,
        BY_COMPLETED_AT,
        110,
    ),
}


def is_in_bounds(plan: dict[str, Any], allowed: set[str], most: int) -> bool:
    """Return whether a plan has read these indexes alone, and no more buffers."""
    kinds = {node["Node Type"] for node in nodes(plan) if node["Actual Loops"] > 0}
    return "Seq Scan" not in kinds and indexes(plan) <= allowed and buffers(plan) <= most


@pytest.mark.parametrize("prepared", [True, False], ids=["for any values", "for these"])
@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_read_from_its_index(
    server: psycopg.Connection[Any], count: Count, name: str, prepared: bool
) -> None:
    view = VIEWS[name]
    page = Page(view.conditions, view.field, view.direction, view.after, None)
    statement = task_pages.tasks(BIG, page, limit=51, backward=False)
    plan = plan_of(server, statement, prepared=prepared)
    assert plan["Actual Rows"] > 0
    assert is_in_bounds(plan, view.indexes, view.buffers), (buffers(plan), indexes(plan), plan)
    count("plans of views of tasks", 1)


@pytest.mark.parametrize("prepared", [True, False], ids=["for any values", "for these"])
def test_what_few_tasks_have_is_looked_up(server: psycopg.Connection[Any], prepared: bool) -> None:
    """A label of 20 tasks, one of 600, one of 45,000; urgent tasks, and tasks of any priority."""
    limit = FOUND_MAX + 1
    for statement, found, index, most in (
        (label_pages.labelled_tasks(BIG, ["RARE"], limit, rarest=False), 20, LABELS, 60),
        (label_pages.labelled_tasks(BIG, ["some"], limit, rarest=False), 600, LABELS, 60),
        (label_pages.labelled_tasks(BIG, ["common"], limit, rarest=False), limit, LABELS, 60),
        (label_pages.labelled_tasks(BIG, ["common", "rare"], limit, rarest=True), 20, LABELS, 60),
        (lookups.prioritized_tasks(BIG, [4], PENDING, limit), limit, BY_PRIORITY, 60),
        (lookups.prioritized_tasks(BIG, [1, 2, 3, 4], PENDING, limit), limit, BY_PRIORITY, 60),
        (label_pages.labels(BIG, None, 51), 43, LABELS, 250),
        (label_pages.labels(BIG, "label 7", 3), 3, LABELS, 60),
        (label_pages.any_label_until(BIG, "label 7"), 1, LABELS, 60),
    ):
        plan = plan_of(server, statement, prepared=prepared)
        assert abs(plan["Actual Rows"] - found) <= found // 20, (statement.values, plan)
        assert is_in_bounds(plan, index, most), (statement.values, buffers(plan), plan)


@pytest.mark.parametrize("prepared", [True, False], ids=["for any values", "for these"])
def test_what_was_looked_up_is_read_by_its_ids(
    server: psycopg.Connection[Any], prepared: bool
) -> None:
    for field, size in itertools.product(TaskOrderField, (20, FOUND_MAX)):
        ids = list(range(7, MANY, MANY // size))[:size]
        conditions = Conditions(
            COMPLETED if field is COMPLETED_AT else TaskStatus.ALL, ids=ids, labels_none=["rare"]
        )
        page = Page(conditions, field, DOWN, None, None)
        plan = plan_of(
            server, task_pages.tasks(BIG, page, limit=51, backward=False), prepared=prepared
        )
        assert is_in_bounds(plan, BY_ID | LABELS, 4 * size + 40), (buffers(plan), plan)


@pytest.mark.parametrize("prepared", [True, False], ids=["for any values", "for these"])
def test_what_tasks_refer_to_is_read_from_its_index(
    server: psycopg.Connection[Any], prepared: bool
) -> None:
    parents = list(range(1_000, 21_000, 400))
    for statement, index, most in (
        (related.subtasks(BIG, parents, TaskStatus.ALL), OF_PARENT, 1_200),
        (related.count_subtasks(BIG, parents, PENDING), OF_PARENT, 1_200),
        (related.tasks_with_keys(BIG, parents), BY_ID, 250),
        (lookups.tasks_in_inbox(BIG, PENDING, 1_001), BY_POSITION, 1_100),
    ):
        plan = plan_of(server, statement, prepared=prepared)
        assert is_in_bounds(plan, index, most), (buffers(plan), indexes(plan), plan)


def test_whether_a_list_has_more_is_seen_in_it(server: psycopg.Connection[Any]) -> None:
    for field, value in ((CREATED_AT, Instant("2026-01-07 00:00:00+00")), (POSITION, MIDDLE)):
        cursor = Cursor(field, value, 9)
        page = Page(Conditions(list_id=2), field, UP, cursor, None)
        for before in (True, False):
            statement = task_pages.any_task_beyond(BIG, page, cursor, before=before)
            plan = plan_of(server, statement)
            assert is_in_bounds(plan, BY_POSITION, 2_500), (buffers(plan), indexes(plan), plan)


def test_an_empty_list_is_seen_at_once(server: psycopg.Connection[Any]) -> None:
    for field in (CREATED_AT, DUE, POSITION):
        page = Page(Conditions(list_id=99), field, DOWN, None, None)
        plan = plan_of(server, task_pages.tasks(BIG, page, limit=51, backward=False))
        assert is_in_bounds(plan, BY_POSITION, 12), plan


def test_priorities_are_counted_in_their_index(server: psycopg.Connection[Any]) -> None:
    statement = task_pages.count_tasks(BIG, Conditions(PENDING, priorities=[4]))
    assert is_in_bounds(plan_of(server, statement), BY_PRIORITY, 60)


def test_nothing_is_read_where_no_task_is_meant(server: psycopg.Connection[Any]) -> None:
    for field in (CREATED_AT, DUE):
        page = Page(Conditions(ids=[]), field, DOWN, None, None)
        plan = plan_of(server, task_pages.tasks(BIG, page, limit=51, backward=False))
        assert buffers(plan) == 0, plan


def test_whether_there_is_more_is_seen_at_once(server: psycopg.Connection[Any]) -> None:
    """Also where only tasks without a value are left, whose ids are walked to the next one."""
    for cursor, before in itertools.product(
        (Cursor(DUE, "2026-09-08 00:00:00", 1), Cursor(DUE, NO_DATE, 9), Cursor(PRIORITY, 0, 9)),
        (True, False),
    ):
        page = Page(Conditions(PENDING), cursor.field, UP, cursor, None)
        statement = task_pages.any_task_beyond(BIG, page, cursor, before=before)
        allowed = BY_DUE | BY_PRIORITY | BY_ID
        assert is_in_bounds(plan_of(server, statement), allowed, 20)
