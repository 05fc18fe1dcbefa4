"""An owner's turn: whoever changes an owner's things is alone at it, so no two wait crosswise."""

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import pytest
from psycopg.errors import DeadlockDetected
from sqlalchemy import ARRAY, Text, bindparam

from graphql_schema.inputs import CreateTaskInput
from models.metadata import OWNED, OWNED_TABLES, metadata
from models.quota import Quota
from models.statement import Statement
from models.user import UserId
from resolvers.statements import lists, owned, tasks
from tests.counts import Count
from tests.databases import AS_THE_SERVER, Database, without_triggers

WITHOUT_A_TURN = {
    "users": "Better Auth writes it; a user's own row has no number",
    "task_counters": "triggers write it, once they have the turn",
    "task_labels": "triggers write it, once they have the turn",
    "action_steps": "triggers and `undo_action` write it, once they have the turn",
    "idempotency_keys": "a statement writes a key beside the change, which takes the turn",
    "imports": "a statement writes a row beside the thing, which takes the turn",
}
"""The owned tables whose statements take no turn, and why."""

CONNECTIONS = 6
TASKS = 24
ROOM = Quota(None, None)

CREATE = tasks.create_tasks(UserId(""), [{}], ROOM).sql
LABELS = owned.change_one(tasks.TASK, {"labels": bindparam("labels", type_=ARRAY(Text))})


def test_every_table_that_clients_change_takes_its_owners_turn(database: Database) -> None:
    with psycopg.connect(database.superuser_url) as connection:
        found = connection.execute(
            "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'a_lock_owner' "
            # Before each statement that inserts, deletes or updates.
            "AND tgtype = 2 + 4 + 8 + 16 AND tgfoid = 'lock_owner'::regproc AND tgenabled = 'O' "
            # PostgreSQL runs a table's triggers in the order of their names.
            "AND tgname <= (SELECT min(t.tgname) FROM pg_trigger t "
            "WHERE t.tgrelid = pg_trigger.tgrelid AND NOT t.tgisinternal)"
        ).fetchall()
    assert {table for (table,) in found} == set(OWNED_TABLES) - set(WITHOUT_A_TURN)
    assert {str(model.__tablename__) for model in OWNED} == set(OWNED_TABLES)


def run(connection: psycopg.Connection[Any], statement: Statement[Any]) -> list[Any]:
    """Run a statement as the server does: in a transaction in which `app.user_id` is its owner."""
    values = {**statement.values, "owner": statement.owner}
    with connection.transaction():
        cursor = psycopg.RawCursor(connection)
        for name, value in {"app.user_id": statement.owner, **statement.settings}.items():
            cursor.execute("SELECT set_config($1, $2, true)", [name, value])
        records = cursor.execute(
            statement.sql.text, [values[name] for name in statement.sql.parameters]
        ).fetchall()
    return [statement.sql.make_row(record) for record in records]


class History(NamedTuple):
    """What came of many changes of one owner, on several connections at once."""

    deadlocks: int
    """As PostgreSQL counts them, in the whole database."""
    taken_by: dict[int, set[int]]
    """The ids of the tasks that came back with a version, by the version."""


class Crowd:
    """Several connections that change the tasks of one owner, each at random."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.owner = UserId(f"user-{uuid4().hex}")
        with psycopg.connect(database.superuser_url, autocommit=True) as connection:
            # PostgreSQL looks for a deadlock when somebody has waited for so long.
            connection.execute(f"ALTER DATABASE {database.name} SET deadlock_timeout = '20ms'")
            connection.execute("INSERT INTO users (id, name) VALUES (%s, '')", [self.owner])
        with psycopg.connect(database.server_url, options=AS_THE_SERVER) as connection:
            self._ids = [self._create(connection, f"Task {n}") for n in range(TASKS)]

    def change(self, times: int, *, seed: int = 0) -> History:
        """Make so many changes, and return what came of them."""
        taken_by: defaultdict[int, set[int]] = defaultdict(set)

        def work(number: int) -> None:
            chance = random.Random(f"{seed}-{number}")
            with self._connected() as connection:
                for _ in range(times // CONNECTIONS):
                    statement = chance.choice(list(self._changes(chance)))
                    try:
                        rows = run(connection, statement)
                    except DeadlockDetected:
                        continue
                    for row in rows:
                        if hasattr(row, "version"):
                            taken_by[row.version].add(row.id)
                    if statement.sql.text == CREATE.text:
                        # Some have been purged: others are to be aimed at.
                        self._ids[chance.randrange(TASKS)] = rows[0].id

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(work, range(CONNECTIONS)))
        return History(self._deadlocks(), dict(taken_by))

    def _changes(self, chance: random.Random) -> Iterator[Statement[Any]]:
        """Yield a change of each kind, aimed at tasks at random."""
        owner, ids = self.owner, self._ids
        key = chance.choice(ids)
        title = {"title": "x" * chance.randrange(1, 20)}
        label = chance.choice(["Work", "work", "WORK", "Home"])

        def some() -> list[int]:
            return chance.sample(ids, 12)

        yield tasks.create_tasks(owner, [CreateTaskInput(title=title["title"]).values()], ROOM)
        yield tasks.toggle_task(owner, key, None, None, ROOM)
        yield tasks.update_task(owner, key, title, None, ROOM)
        yield Statement(LABELS, owner, {"key": key, "expected_version": None, "labels": [label]})
        yield tasks.delete_task(owner, key, None)
        yield tasks.restore_task(owner, key, None)
        # So that most tasks stay where the others find them.
        yield tasks.restore_task(owner, chance.choice(ids), None)
        for _ in range(2):
            done = {"completed": chance.random() < 0.5}
            yield tasks.update_tasks(owner, some(), done, {}, ROOM)
        yield tasks.delete_tasks(owner, chance.sample(ids, 3))
        yield tasks.purge_tasks(owner, [key])
        if chance.random() < 0.1:
            yield lists.empty_trash(owner, 2)

    def _connected(self) -> psycopg.Connection[Any]:
        url = self._database.server_url
        return psycopg.connect(url, autocommit=True, options=AS_THE_SERVER)

    def _create(self, connection: psycopg.Connection[Any], title: str) -> int:
        values = CreateTaskInput(title=title).values()
        (row,) = run(connection, tasks.create_tasks(self.owner, [values], ROOM))
        id: int = row.id
        return id

    def _deadlocks(self) -> int:
        with psycopg.connect(self._database.superuser_url) as connection:
            # What sessions have counted is there once they have ended.
            ((open_yet,),) = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            ).fetchall()
        if open_yet:
            return self._deadlocks()
        with psycopg.connect(self._database.superuser_url) as connection:
            ((deadlocks,),) = connection.execute(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            ).fetchall()
        return int(deadlocks)


class Aside:
    """Calls something again and again in a thread, and once more at the end."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._running = self._pool.submit(self._run)

    def _run(self) -> None:
        while not self._ended.wait(0.01):
            self._call()
        self._call()

    def end(self) -> None:
        self._ended.set()
        self._running.result()
        self._pool.shutdown()


def test_no_two_changes_of_an_owner_wait_for_each_other(
    migrated_database: Database, pytestconfig: pytest.Config, count: Count
) -> None:
    times = 2000 if pytestconfig.getoption("--long") else 300
    crowd = Crowd(migrated_database)
    owner, url = crowd.owner, migrated_database.server_url
    seen: dict[int, int] = {}

    def follow() -> None:
        """Read what is new, as followers do."""
        with psycopg.connect(url, options=AS_THE_SERVER) as connection:
            last = max(seen.values(), default=0)
            for change in run(connection, tasks.task_changes(owner, last, 7)):
                if change.row is not None:
                    seen[change.row.id] = change.row.version

    def purge() -> None:
        """Make a task in the trash an old one, and purge what is old."""
        with without_triggers(migrated_database) as connection:
            connection.execute(
                "UPDATE tasks SET deleted_at = now() - interval '40 days' WHERE id = ("
                "SELECT id FROM tasks WHERE deleted_at IS NOT NULL LIMIT 1 FOR UPDATE SKIP LOCKED)"
            )
        with psycopg.connect(url, options=AS_THE_SERVER) as connection:
            connection.execute("SELECT purge_trash(30, 100)")

    asides = [Aside(follow), Aside(purge)]
    try:
        history = crowd.change(times)
    finally:
        for aside in asides:
            aside.end()
    for _ in range(len(history.taken_by)):
        follow()
    count("changes of one owner on six connections", times)
    count("changes of one owner on six connections that ended in a deadlock", history.deadlocks)
    assert history.deadlocks == 0
    assert len(history.taken_by) > times / 4
    assert [ids for ids in history.taken_by.values() if len(ids) > 1] == []
    with psycopg.connect(migrated_database.superuser_url) as connection:
        versions: dict[int, int] = dict(
            connection.execute("SELECT id, version FROM tasks").fetchall()
        )
        assert {id: seen[id] for id in versions} == versions
        assert len(set(versions.values())) == len(versions)
        (counted,) = connection.execute(
            "SELECT version, tasks, bytes FROM task_counters"
        ).fetchall()
        (there,) = connection.execute(
            "SELECT (SELECT version FROM task_counters), count(*), "
            "sum(octet_length(title || array_to_string(labels, ''))) FROM tasks"
        ).fetchall()
        assert counted == there
        assert counted[0] >= max(history.taken_by)
        labels = "SELECT task_id, name FROM task_labels ORDER BY 1, 2"
        of_tasks = "SELECT id, unnest(labels) FROM tasks WHERE deleted_at IS NULL ORDER BY 1, 2"
        assert connection.execute(labels).fetchall() == connection.execute(of_tasks).fetchall()


def test_without_the_turn_changes_would_wait_for_each_other(migrated_database: Database) -> None:
    with psycopg.connect(migrated_database.superuser_url) as connection:
        for table in nonempty_turns():
            connection.execute(f"DROP TRIGGER a_lock_owner ON {table}")
    crowd = Crowd(migrated_database)
    seeds = iter(range(100))
    while not crowd.change(60, seed=next(seeds)).deadlocks:
        pass


def nonempty_turns() -> list[str]:
    tables = [name for name in metadata.tables if name in set(OWNED_TABLES) - set(WITHOUT_A_TURN)]
    assert "tasks" in tables
    return tables
