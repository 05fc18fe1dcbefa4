"""The quota: nobody has more tasks or more text than they may, and what one has is counted."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from app.database import installation
from app.database.installation import Retention, begin_after_restore, complete_migration
from app.database.migration import downgrade, upgrade
from tests.api import CREATE, UPDATE, Caller, Server, running_server, settings_for
from tests.databases import Database, act_as

STORAGE = "{ storage { tasks tasksLimit bytes bytesLimit } }"
LIMITS = "... on QuotaExceeded { message storage { tasks tasksLimit bytes bytesLimit } }"
CREATE_OR_NOT = CREATE.replace("... on Task", f"{LIMITS} ... on Task")
UPDATE_OR_NOT = UPDATE.replace("... on Task {", f"{LIMITS} ... on Task {{", 1)

TASKS_MAX, BYTES_MAX = 3, 40
TRASH = {"trash": "ONLY"}


@pytest.fixture(scope="module")
def small(database: Database) -> Iterator[Server]:
    """A server where each user may have three tasks, and forty bytes of text."""
    settings = settings_for(database.server_url, tasks_max=TASKS_MAX, text_max_bytes=BYTES_MAX)
    with running_server(settings) as server:
        yield server


def stored(user: Caller) -> tuple[int, int]:
    storage = user.data(STORAGE)["storage"]
    return storage["tasks"], storage["bytes"]


def create(user: Caller, title: str, **rest: Any) -> Any:
    return user.data(CREATE_OR_NOT, input={"title": title, **rest})["createTask"]


def update(user: Caller, **input: Any) -> Any:
    return user.data(UPDATE_OR_NOT, input=input)["updateTask"]


def counters(database: Database, user: Caller) -> tuple[Any, ...]:
    """Return what is kept of a user, and what is counted."""
    with psycopg.connect(database.superuser_url) as connection:
        record = connection.execute(
            "SELECT c.version, c.tasks, c.bytes, count(t.id), "
            "coalesce(sum(octet_length(title) + coalesce(octet_length(description), 0)), 0)::int "
            "FROM task_counters c LEFT JOIN tasks t USING (user_id) WHERE user_id = %s "
            "GROUP BY c.user_id",
            [user.user_id],
        ).fetchone()
    assert record is not None
    return record


def test_what_one_has_is_told_beside_what_one_may_have(small: Server, server: Server) -> None:
    user = small.user()
    none = {"tasks": 0, "tasksLimit": TASKS_MAX, "bytes": 0, "bytesLimit": BYTES_MAX}
    assert user.data(STORAGE)["storage"] == none
    user.create("Käse", description="5 €")
    assert user.data(STORAGE)["storage"] == {**none, "tasks": 1, "bytes": 5 + 5}
    limits = server.user().data(STORAGE)["storage"]
    assert (limits["tasksLimit"], limits["bytesLimit"]) == (100_000, 100_000_000)


def test_without_limits_one_has_as_much_as_one_likes(database: Database) -> None:
    with running_server(settings_for(database.server_url, tasks_max=0, text_max_bytes=0)) as server:
        user = server.user()
        user.create("Milk")
        none = {"tasksLimit": None, "bytesLimit": None}
        assert user.data(STORAGE)["storage"] == {"tasks": 1, "bytes": 4, **none}


def test_one_task_more_than_one_may_have_is_not_created(small: Server, database: Database) -> None:
    user = small.user()
    for n in range(TASKS_MAX):
        user.create(f"{n}")
    before = counters(database, user)
    refused = create(user, "more")
    assert refused["__typename"] == "QuotaExceeded"
    assert refused["storage"] == user.data(STORAGE)["storage"]
    assert refused["storage"]["tasks"] == refused["storage"]["tasksLimit"] == TASKS_MAX
    assert counters(database, user) == before
    assert sorted(user.titles()) == ["0", "1", "2"]
    # Another user's quota is another.
    assert create(small.user(), "more")["__typename"] == "Task"


@pytest.mark.parametrize("texts", [{"title": "x" * 41}, {"title": "x", "description": "ä" * 20}])
def test_a_first_task_with_more_text_than_one_may_have_is_not_created(
    small: Server, texts: dict[str, str]
) -> None:
    user = small.user()
    assert create(user, **texts)["__typename"] == "QuotaExceeded"
    assert stored(user) == (0, 0)
    assert user.changes()["nodes"] == []
    assert create(user, "x" * BYTES_MAX)["__typename"] == "Task"
    assert create(user, "y")["__typename"] == "QuotaExceeded"


def test_a_text_grows_as_far_as_there_is_room(small: Server, database: Database) -> None:
    user = small.user()
    first, second = user.create("a" * 20)["id"], user.create("b" * 10)["id"]
    assert update(user, id=first, description="c" * 10)["__typename"] == "Task"
    before = counters(database, user)
    for refused in (
        update(user, id=second, title="b" * 11),
        update(user, id=second, description="d"),
        update(user, id=first, title="a" * 19 + "ä"),
        update(user, id=first, title="a" * 21, completed=True),
    ):
        assert refused["__typename"] == "QuotaExceeded"
        assert refused["storage"]["bytes"] == BYTES_MAX
    assert counters(database, user) == before == (3, 2, 40, 2, 40)
    # What is no longer than before is no matter of room, nor is what is found out before.
    assert update(user, id=second, title="e" * 10, completed=True)["__typename"] == "Task"
    assert update(user, id=second, title="e" * 10)["__typename"] == "Task"
    conflict = update(user, id=second, title="f" * 11, expectedVersion=1)
    assert conflict["__typename"] == "VersionConflict"
    assert update(user, id=first, description=None)["__typename"] == "Task"
    assert update(user, id=second, title="f" * 20)["__typename"] == "Task"
    assert stored(user) == (2, 40)


def test_who_has_more_than_one_may_by_now_can_make_it_less(
    server: Server, small: Server, database: Database
) -> None:
    rich = server.user()
    ids = [rich.create("x" * 50)["id"] for _ in range(TASKS_MAX + 1)]
    user = small.user(rich.user_id)
    assert create(user, "y")["__typename"] == "QuotaExceeded"
    assert update(user, id=ids[0], title="x" * 51)["__typename"] == "QuotaExceeded"
    assert update(user, id=ids[0], title="x" * 49)["__typename"] == "Task"
    assert user.toggle(id=ids[0])["__typename"] == "Task"
    assert user.restore(id=user.delete(id=ids[0])["deletedTaskId"])["__typename"] == "Task"
    assert counters(database, user)[1:] == (4, 199, 4, 199)


def test_what_is_in_the_trash_counts(small: Server) -> None:
    user = small.user()
    ids = [user.create(f"{n}")["id"] for n in range(TASKS_MAX)]
    user.delete_many(ids=ids)
    assert stored(user) == (TASKS_MAX, TASKS_MAX)
    assert create(user, "more")["__typename"] == "QuotaExceeded"


def test_the_last_place_is_taken_once(small: Server, database: Database) -> None:
    user = small.user()
    user.create("first")
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: create(user, f"{n}")["__typename"], range(32)))
    assert answers.count("Task") == TASKS_MAX - 1
    assert answers.count("QuotaExceeded") == 32 - (TASKS_MAX - 1)
    version, tasks, _, counted, _ = counters(database, user)
    assert version == tasks == counted == TASKS_MAX


def test_the_last_bytes_are_taken_once(small: Server, database: Database) -> None:
    user = small.user()
    ids = [user.create("x")["id"] for _ in range(TASKS_MAX)]

    def grow(n: int) -> str:
        return str(update(user, id=ids[n % 3], title="y" * (10 + n))["__typename"])

    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(grow, range(30)))
    assert answers == {"Task", "QuotaExceeded"}
    _, _, bytes, _, counted = counters(database, user)
    assert bytes == counted <= BYTES_MAX


def test_what_had_no_room_takes_no_key(small: Server, database: Database) -> None:
    user, keys = small.user(), [str(uuid4()), str(uuid4())]
    big = user.create("x" * BYTES_MAX)["id"]
    new = {"title": "new", "idempotencyKey": keys[0]}
    longer = {"id": big, "description": "more", "idempotencyKey": keys[1]}
    for _ in range(2):
        assert create(user, **new)["__typename"] == "QuotaExceeded"
        assert update(user, **longer)["__typename"] == "QuotaExceeded"
    user.update(id=big, title="x")
    for _ in range(2):
        assert create(user, **new)["title"] == "new"
        assert update(user, **longer)["description"] == "more"
    assert counters(database, user) == (4, 2, 8, 2, 8)


def test_a_toggle_writes_the_counter_once(server: Server, database: Database) -> None:
    """What is kept of texts costs nothing where no text changes."""
    user = server.user()
    id = user.create("Milk")["id"]
    with psycopg.connect(database.server_url_at(str(user.user_id))) as connection:
        act_as(connection, user.user_id)
        # A node of a cluster shows its shards.
        connection.execute("SET LOCAL citus.override_table_visibility = off")

        def writes(change: str) -> int:
            """Return how many versions of the counter's row a change makes."""
            ask = (
                "SELECT sum(n_tup_upd) FROM pg_stat_xact_user_tables "
                r"WHERE relname ~ '^task_counters(_\d+)?$'"
            )
            before = connection.execute(ask).fetchone()
            connection.execute(
                f"UPDATE tasks SET {change} WHERE user_id = %s AND id = %s", [user.user_id, id]
            )
            after = connection.execute(ask).fetchone()
            assert before is not None
            assert after is not None
            return int(after[0] - before[0])

        assert writes("completed = true") == 1
        assert writes("title = 'Mild'") == 1
        assert writes("title = 'Oat milk'") == 1
        assert writes("title = 'Oat milk'") == 0


def test_what_was_there_before_is_counted(
    migrated_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "BATCH", 2)
    url = migrated_database.superuser_url
    settings = settings_for(migrated_database.server_url, tasks_max=4, text_max_bytes=0)
    users = ["ada", "bob", "eve", "joe", "kim"]
    with running_server(settings) as server:
        for n, user in enumerate(users):
            for _ in range(n):
                server.user(user).delete(id=server.user(user).create("Milk")["id"])
    downgrade(url, "0006")
    upgrade(url)
    with running_server(settings) as server, psycopg.connect(url) as connection:
        bob, eve, joe, kim = map(server.user, users[1:])
        assert stored(kim) == (4, 16)
        # A change from before anybody has counted.
        create(bob, "Oat milk")
        assert counters(migrated_database, bob)[1:] == (2, 12, 2, 12)
        update(eve, id=eve.restore(id=eve.page(filter=TRASH)["nodes"][0]["id"])["id"], title="Oats")
        assert counters(migrated_database, eve)[1:3] == (None, None)
        update(eve, id=eve.titles() and eve.page()["nodes"][0]["id"], title="Oat milk")
        assert counters(migrated_database, eve)[1:] == (2, 12, 2, 12)
        # Who is busy is passed over.
        connection.execute("SELECT FROM task_counters WHERE user_id = 'joe' FOR UPDATE")
        complete_migration(url, Retention(30, 7))
        connection.rollback()
        assert counters(migrated_database, joe)[1:3] == (None, None)
        assert counters(migrated_database, kim)[1:] == (4, 16, 4, 16)
        assert create(kim, "more")["__typename"] == "QuotaExceeded"


def test_lists_are_counted_anew_beside_tasks(migrated_database: Database) -> None:
    url = migrated_database.superuser_url
    with running_server(settings_for(migrated_database.server_url)) as server:
        user = server.user()
        user.create("Milk")
        user.create_list("Home")
        assert stored(user) == (2, 8)
        begin_after_restore(url)
        # Counted where it is asked for, and then by whoever migrates.
        assert stored(user) == (2, 8)
        complete_migration(url, Retention(30, 7))
        assert counters(migrated_database, user)[1:3] == (2, 8)
        begin_after_restore(url)
        create(user, "Oats")
        assert counters(migrated_database, user)[1:3] == (3, 12)


BY_OTHERS = {
    "an insert of many": "INSERT INTO tasks (user_id, title, version) "
    "SELECT id, 'x', 100 + n FROM users, generate_series(1, 5) n",
    "a longer text": "UPDATE tasks SET description = 'more' || title",
    "a deletion": "DELETE FROM tasks WHERE title = 'b'",
    "a deletion of all": "DELETE FROM tasks",
}


@pytest.mark.parametrize("statement", BY_OTHERS)
def test_whatever_writes_is_counted(migrated_database: Database, statement: str) -> None:
    """As code from before does, which knows nothing of it."""
    with running_server(settings_for(migrated_database.server_url)) as server:
        users = [server.user("ada"), server.user("bob")]
        for user in users:
            for title in ("a", "b"):
                user.create(title)
        with psycopg.connect(migrated_database.superuser_url) as connection:
            connection.execute(BY_OTHERS[statement])
        for user in users:
            _, tasks, bytes, *counted = counters(migrated_database, user)
            assert [tasks, bytes] == counted


def test_after_a_restore_all_are_counted_anew(migrated_database: Database) -> None:
    with running_server(settings_for(migrated_database.server_url)) as server:
        user = server.user()
        user.create("a")
        with psycopg.connect(migrated_database.superuser_url) as connection:
            connection.execute("UPDATE task_counters SET tasks = 99, bytes = 9999")
        assert stored(user) == (99, 9999)
        begin_after_restore(migrated_database.superuser_url)
        assert stored(user) == (1, 1)


def test_what_was_done_under_a_key_is_told_where_there_is_no_room_any_more(small: Server) -> None:
    user = small.user()
    new = {"title": "x", "idempotencyKey": str(uuid4())}
    made = create(user, **new)
    longer = {"id": made["id"], "title": "x" * 20, "idempotencyKey": str(uuid4())}
    assert update(user, **longer)["__typename"] == "Task"
    update(user, id=made["id"], title="x")
    for _ in range(TASKS_MAX - 1):
        create(user, "y" * 18)
    assert create(user, "z")["__typename"] == "QuotaExceeded"
    assert create(user, **new)["id"] == made["id"]
    assert update(user, **longer)["id"] == made["id"]
    other = {**longer, "title": "x" * 30}
    (error,) = user.execute(UPDATE_OR_NOT, {"input": other})["errors"]
    assert error["extensions"]["code"] == "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"
