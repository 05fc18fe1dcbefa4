"""Servers of 0.2.0 beside new ones: their statements change and read the same tasks."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import pytest

from graphql_schema.inputs import CreateTaskInput
from models.metadata import metadata
from models.quota import Quota
from models.statement import Statement
from models.user import UserId
from resolvers.statements import idempotency_keys, tasks
from tests.databases import AS_THE_SERVER, Database
from tests.repository import ROOT

STATEMENTS = json.loads((ROOT / "tests/database/statements_of_0_2_0.json").read_text())
"""What that release sends: the texts, and the names of their parameters in order."""

NO_LIMIT = 2**63 - 1
ROOM = Quota(None, None)


class Shown(NamedTuple):
    """The columns that clients of the release before see, in its order."""

    id: int
    title: str
    description: str | None
    completed: bool
    completed_at: Any
    created_at: Any
    updated_at: Any
    deleted_at: Any
    version: int


class Change(NamedTuple):
    """What a statement of that release returns."""

    done: bool | None
    row: Shown


class Beside:
    """Two servers on one database, for one owner: one of 0.2.0, and one of now."""

    def __init__(self, database: Database, connection: psycopg.Connection[Any]) -> None:
        self.owner = UserId(f"user-{uuid4().hex}")
        self._cursor = psycopg.RawCursor(connection)
        self._connection = connection
        with psycopg.connect(database.superuser_url) as superuser:
            superuser.execute("INSERT INTO users (id, name) VALUES (%s, '')", [self.owner])

    def old(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        """Run a statement of 0.2.0 as its server does."""
        given = {"owner": self.owner, "expected_version": None, "description": None, **values}
        given = {"tasks_max": NO_LIMIT, "bytes_max": NO_LIMIT, **given}
        parameters = [given[each] for each in STATEMENTS[name]["parameters"]]
        with self._connection.transaction():
            self._be_owner()
            return self._cursor.execute(STATEMENTS[name]["text"], parameters).fetchall()

    def changed(self, name: str, **values: Any) -> list[Change]:
        return [Change(row[0], Shown(*row[1:])) for row in self.old(name, **values)]

    def create(self, title: str, **values: Any) -> Shown:
        (change,) = self.changed("create", title=title, **values)
        assert change.done
        return change.row

    def new(self, statement: Statement[Any]) -> list[Any]:
        """Run a statement of now as the server does."""
        values = {**statement.values, "owner": self.owner}
        with self._connection.transaction():
            self._be_owner()
            for setting in statement.settings.items():
                self._cursor.execute("SELECT set_config($1, $2, true)", setting)
            self._cursor.execute(
                statement.sql.text, [values[name] for name in statement.sql.parameters]
            )
            return [statement.sql.make_row(row) for row in self._cursor.fetchall()]

    def create_now(self, title: str, quota: Quota = ROOM) -> Any:
        values = CreateTaskInput(title=title).values()
        (row,) = self.new(tasks.create_tasks(self.owner, [values], quota))
        return row

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self._connection.transaction():
            self._be_owner()
            return self._cursor.execute(query).fetchall()

    def _be_owner(self) -> None:
        self._cursor.execute("SELECT set_config('app.user_id', $1, true)", [self.owner])


@pytest.fixture
def beside(database: Database) -> Iterator[Beside]:
    with psycopg.connect(database.server_url, autocommit=True, options=AS_THE_SERVER) as connection:
        yield Beside(database, connection)


def test_tasks_of_both_releases_stand_beside_each_other(beside: Beside) -> None:
    made = [
        make(f"{word} żółw")
        for word in ("one", "two", "three")
        for make in (beside.create, beside.create_now)
    ]
    assert [row.version for row in made] == [1, 2, 3, 4, 5, 6]
    stored = beside.ask(
        "SELECT id, version, title_order, position, labels, due_at::text, due_on, priority, "
        "cardinality(tsvector_to_array(words)) FROM tasks ORDER BY position"
    )
    # Each stands below those that were made before it, whoever made it.
    assert [row[:2] for row in stored] == [(row.id, row.version) for row in made]
    assert len({row[0] for row in stored}) == len({row[3] for row in stored}) == 6
    # Old code takes its ids from the identity, and those of now are beyond all of it.
    assert [id > 3308963600793600 for id, *_ in stored] == [False, True] * 3
    assert all(row[4:] == ([], "infinity", None, 0, 2) for row in stored)
    assert {row[2].split()[1] for row in stored} == {"zolw"}
    found = beside.ask("SELECT id FROM search_tasks('zolw', 100)")
    assert {id for (id,) in found} == {row.id for row in made}


def test_both_releases_read_and_follow_what_the_other_wrote(beside: Beside) -> None:
    old, now = beside.create("old"), beside.create_now("now")
    for key in (old.id, now.id):
        (read,) = beside.old("read", key=key)
        (read_now,) = beside.new(tasks.task(beside.owner, key))
        assert tuple(read) == tuple(read_now)[: len(Shown._fields)]
    feed = beside.old("feed", after_version=0, limit=10)
    feed_now = beside.new(tasks.task_changes(beside.owner, 0, 10))
    assert [row[4] for row in feed] == [change.row.id for change in feed_now] == [old.id, now.id]
    assert {row[0] for row in feed} == {change.version for change in feed_now} == {2}


@pytest.mark.parametrize("made_now", [False, True])
def test_changes_of_the_release_before_take_one_number_each(beside: Beside, made_now: bool) -> None:
    create = beside.create_now if made_now else beside.create
    first, second = create("one"), create("two")
    key = first.id
    versions = []
    for name, values in (
        ("toggle", {}),
        ("update_title", {"title": "other"}),
        ("update_description", {"description": "more"}),
        ("update_completed", {"completed": False}),
        ("delete", {}),
        ("restore", {}),
    ):
        (change,) = beside.changed(name, key=key, **values)
        assert change.done, name
        versions.append(change.row.version)
        (toggled,) = beside.new(tasks.toggle_task(beside.owner, second.id, None, None))
        versions.append(toggled.version)
    assert versions == list(range(3, 15))
    (task,) = beside.ask(f"SELECT {', '.join(Shown._fields)} FROM tasks WHERE id = {key}")
    task = Shown(*task)
    assert (task.title, task.description, task.completed) == ("other", "more", False)
    assert (task.completed_at, task.deleted_at) == (None, None)
    both = beside.changed("update_many", keys=[key, second.id], completed=True)
    assert sorted(change.row.version for change in both if change.done) == [15, 16]
    both = beside.changed("delete_many", keys=[key, second.id])
    assert sorted(change.row.version for change in both) == [17, 18]
    assert len(beside.old("purge", keys=[key])) == 1
    assert len(beside.old("empty_trash", limit=5)) == 1
    assert beside.ask("SELECT version, purged_version, tasks, bytes FROM task_counters") == [
        (18, 18, 0, 0)
    ]


def test_what_leaves_a_task_as_it_was_is_none_for_both(beside: Beside) -> None:
    row = beside.create("same")
    (change,) = beside.changed("update_title", key=row.id, title="same")
    assert (change.done, change.row.version) == (True, 1)
    (again,) = beside.new(tasks.update_task(beside.owner, row.id, {"title": "same"}, None, ROOM))
    assert again[: len(Shown._fields)] == change.row


def test_both_releases_count_what_is_stored_and_keep_to_the_quota(beside: Beside) -> None:
    row = beside.create("äöü", description="123")
    now = beside.create_now("four")
    assert beside.ask("SELECT tasks, bytes FROM task_counters") == [(2, 13)]
    assert beside.old("stored") == beside.new(tasks.stored(beside.owner)) == [(2, 13)]
    beside.changed("update_title", key=row.id, title="a", bytes_max=8)
    assert beside.ask("SELECT tasks, bytes FROM task_counters") == [(2, 8)]
    (refused,) = beside.old("create", title="x", tasks_max=2)
    assert refused[0] is None
    (refused,) = beside.old("create", title="x", bytes_max=8)
    assert refused[0] is None
    for changed in (row, now):
        (refused,) = beside.old("update_title", key=changed.id, title="more text", bytes_max=8)
        assert refused[0] is None
    with pytest.raises(psycopg.Error) as raised:
        beside.create_now("x", Quota(2, None))
    assert raised.value.sqlstate == "TD005"
    assert beside.ask("SELECT version, tasks, bytes FROM task_counters") == [(3, 2, 8)]
    beside.old("delete", key=row.id)
    beside.old("purge", keys=[row.id])
    assert beside.ask("SELECT tasks, bytes FROM task_counters") == [(1, 4)]


def test_a_key_of_the_release_before_is_answered_now_and_the_other_way_round(
    beside: Beside,
) -> None:
    (made,) = beside.old("create_once", title="once", idempotency_key="old", request="a request")
    (replay,) = beside.new(tasks.replay(beside.owner, "old"))
    assert (replay.request, replay.found, replay.outcome.row.id) == ("a request", True, made[1])
    with pytest.raises(psycopg.errors.UniqueViolation):
        beside.old("create_once", title="once", idempotency_key="old", request="a request")
    assert beside.ask("SELECT count(*), max(version) FROM tasks") == [(1, 1)]
    now = tasks.toggle_task(beside.owner, made[1], None, None)
    (toggled,) = beside.new(once_now(now, "now"))
    (replay_then,) = beside.old("replay", idempotency_key="now")
    assert replay_then[0] == "a request"
    assert toggled.id in replay_then


def once_now(statement: Statement[Any], key: str) -> Statement[Any]:
    return idempotency_keys.once(statement.owner, statement, key, "a request")


def test_statements_of_both_releases_never_wait_for_each_other_crosswise(
    migrated_database: Database,
) -> None:
    """Old ones lock a task and then the counter; but the trigger is before both."""
    with psycopg.connect(migrated_database.superuser_url) as connection:
        connection.execute(f"ALTER DATABASE {migrated_database.name} SET deadlock_timeout = '20ms'")
    url = migrated_database.server_url
    with psycopg.connect(url, autocommit=True, options=AS_THE_SERVER) as connection:
        beside = Beside(migrated_database, connection)
        keys = [beside.create(str(n)).id for n in range(12)]

    def work(number: int) -> None:
        with psycopg.connect(url, autocommit=True, options=AS_THE_SERVER) as connection:
            mine = Beside(migrated_database, connection)
            mine.owner = beside.owner
            for n in range(15):
                key = keys[(n * 5 + number) % len(keys)]
                some = keys[n % 3 :][:: 1 if number % 2 else -1]
                if number < 3:
                    mine.old("toggle", key=key)
                    mine.old("create", title="x")
                    mine.old("update_many", keys=some, completed=n % 2 == 0)
                    mine.old("delete", key=key)
                    mine.old("restore", key=key)
                else:
                    mine.new(tasks.toggle_task(mine.owner, key, None, None))
                    mine.create_now("x")
                    values = {"completed": n % 2 == 1}
                    mine.new(tasks.update_tasks(mine.owner, some, values, {}, ROOM))
                    mine.new(tasks.delete_task(mine.owner, key, None))
                    mine.new(tasks.restore_task(mine.owner, key, None))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))


def test_the_statements_name_columns_that_are_there() -> None:
    """They are texts: what is dropped for good must not be named here any more."""
    named = {
        column
        for statement in STATEMENTS.values()
        for column in re.findall(r"\b(?:tasks|task_counters)\.\w+", statement["text"])
    }
    there = {
        f"{table}.{column.name}"
        for table in ("tasks", "task_counters")
        for column in metadata.tables[table].columns
    }
    assert "tasks.version" in named <= there
