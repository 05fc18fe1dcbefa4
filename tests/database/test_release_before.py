"""Servers of 0.3.0 and 0.4.0 beside new ones: their statements change and read the same tasks."""

import json
import re
from collections.abc import Iterator
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
from tests.databases import AS_THE_SERVER, Database, one_node
from tests.repository import ROOT

pytestmark = one_node("code of a release before knows of one node alone")

STATEMENTS = json.loads((ROOT / "tests/database/statements_of_0_3_0.json").read_text())
"""What both send: the texts, and the names of their parameters in order."""

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
    list_id: int | None
    parent_id: int | None
    position: str
    due_on: Any
    due_time: Any
    priority: int
    labels: list[str]
    completed_on: Any


class Beside:
    """Two servers on one database, for one owner: one of 0.3.0, and one of now."""

    def __init__(self, database: Database, connection: psycopg.Connection[Any]) -> None:
        self.owner = UserId(f"user-{uuid4().hex}")
        self._cursor = psycopg.RawCursor(connection)
        self._connection = connection
        with psycopg.connect(database.superuser_url) as superuser:
            superuser.execute("INSERT INTO users (id, name) VALUES (%s, '')", [self.owner])

    def old(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        """Run a statement of 0.3.0 as its server does."""
        given = {"owner": self.owner, "expected_version": None, **values}
        parameters = [given.get(each) for each in STATEMENTS[name]["parameters"]]
        with self._connection.transaction():
            self._be_owner()
            return self._cursor.execute(STATEMENTS[name]["text"], parameters).fetchall()

    def changed(self, name: str, **values: Any) -> list[Shown]:
        return [Shown(*row) for row in self.old(name, **values)]

    def create(self, title: str, **values: Any) -> Shown:
        given = {"title": title, "priority": 0, "labels": [], "completed": False, **values}
        (made,) = self.changed("create", **{f"{name}_0": value for name, value in given.items()})
        return made

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

    def recurs(self, key: int, due: str) -> None:
        """Give a task a day, and have it recur daily from then on."""
        self.ask(
            f"UPDATE tasks SET due_on = '{due}', "
            """repeats = '{"every": 1, "unit": "DAY", "from": "DUE"}' """
            f"WHERE user_id = '{self.owner}' AND id = {key} RETURNING id"
        )

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
    stored = beside.ask("SELECT id, version, repeats FROM tasks ORDER BY position")
    # Each stands below those that were made before it, whoever made it.
    assert stored == [(row.id, row.version, None) for row in made]
    assert beside.old("stored") == beside.new(tasks.stored(beside.owner)) == [(6, 70)]


def test_both_releases_read_and_follow_what_the_other_wrote(beside: Beside) -> None:
    old, now = beside.create("old"), beside.create_now("now")
    for key in (old.id, now.id):
        (read,) = beside.old("read", key=key)
        (read_now,) = beside.new(tasks.task(beside.owner, key))
        assert Shown(*read) == read_now[: len(Shown._fields)]
    feed = beside.old("feed", after_version=0, limit=10)
    feed_now = beside.new(tasks.task_changes(beside.owner, 0, 10))
    assert [change.row.id for change in feed_now] == [old.id, now.id]
    assert all(change.row.id in row for change, row in zip(feed_now, feed, strict=True))


@pytest.mark.parametrize("made_now", [False, True])
def test_changes_of_the_release_before_take_one_number_each(beside: Beside, made_now: bool) -> None:
    create = beside.create_now if made_now else beside.create
    first, second = create("one"), create("two")
    versions = []
    for name, values in (
        ("toggle", {"completed_on": "2026-12-24"}),
        ("update_title", {"title": "other"}),
        ("update_due", {"due_on": "2026-12-25", "due_time": "09:00"}),
        ("update_completed", {"completed": False}),
        ("delete", {}),
        ("restore", {}),
    ):
        (row,) = beside.changed(name, key=first.id, **values)
        versions.append(row.version)
        (toggled,) = beside.new(tasks.toggle_task(beside.owner, second.id, None, None, ROOM))
        versions.append(toggled.version)
    assert versions == list(range(3, 15))
    both = beside.changed("update_many", keys=[first.id, second.id], completed=True)
    assert sorted(row.version for row in both) == [15, 16]
    both = beside.changed("delete_many", keys=[first.id, second.id])
    assert sorted(row.version for row in both) == [17, 18]
    assert len(beside.old("purge", keys=[first.id, second.id])) == 2


def test_what_the_release_before_completes_comes_again(beside: Beside) -> None:
    task = beside.create("water", labels=["Home"])
    beside.recurs(task.id, "2026-12-01")
    read = "SELECT id, title::text, due_on::text, labels, deleted_at IS NULL FROM tasks ORDER BY id"
    beside.changed("toggle", key=task.id)
    done, follows = beside.ask(read)
    assert done == (task.id, "water", "2026-12-01", ["Home"], True)
    assert follows[1:] == ("water", "2026-12-02", ["Home"], True)
    beside.changed("update_completed", key=task.id, completed=False)
    assert [row[4] for row in beside.ask(read)] == [True, False]
    # A title that it sets leaves the rule as it is.
    beside.changed("update_title", key=task.id, title="other")
    rule = {"every": 1, "unit": "DAY", "from": "DUE", "start": "2026-12-01"}
    assert beside.ask(f"SELECT repeats, successor_id FROM tasks WHERE id = {task.id}") == [
        (rule, None)
    ]
    with pytest.raises(psycopg.Error) as raised:
        beside.old("update_due", key=task.id)
    assert raised.value.sqlstate == "TD013"


def test_a_key_of_the_release_before_is_answered_now_and_the_other_way_round(
    beside: Beside,
) -> None:
    made = beside.create("once")
    (toggled,) = beside.old("toggle_once", key=made.id, idempotency_key="old", request="a request")
    (replay,) = beside.new(tasks.replay(beside.owner, "old"))
    assert (replay.request, replay.found, replay.outcome.row.id) == ("a request", True, made.id)
    assert toggled[3] is replay.outcome.row.completed is True
    with pytest.raises(psycopg.errors.UniqueViolation):
        beside.old("toggle_once", key=made.id, idempotency_key="old", request="a request")
    now = tasks.toggle_task(beside.owner, made.id, None, None, ROOM)
    (toggled_now,) = beside.new(idempotency_keys.once(beside.owner, now, "now", "a request"))
    (replay_then,) = beside.old("replay", idempotency_key="now")
    assert replay_then[0] == "a request"
    assert toggled_now.id in replay_then


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
