"""The trash: what is deleted can be restored, and is gone for good when it is old enough."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest

from app.database import purge as trash
from app.database.installation import Retention, complete_migration
from app.database.purge import purge
from tests.api import Caller, Server, running_server, settings_for
from tests.databases import CLUSTER_ONLY, Database, without_triggers


def age(database: Database, id: str, days: float) -> None:
    """Let a task have been in the trash for some days."""
    with without_triggers(database) as connection:
        connection.execute(
            "UPDATE tasks SET deleted_at = now() - %s * interval '1 day' WHERE id = %s",
            [days, int(id)],
        )


def purged(database: Database, **settings: Any) -> int:
    url = database.server_url
    return asyncio.run(purge(url, settings_for(url, **settings)))


def counter(database: Database, user: Caller) -> Any:
    with psycopg.connect(database.superuser_url) as connection:
        return connection.execute(
            "SELECT version, purged_version FROM task_counters WHERE user_id = %s", [user.user_id]
        ).fetchone()


def test_a_deleted_task_is_in_the_trash_alone(server: Server) -> None:
    user = server.user()
    task = user.create("Milk")
    user.create("Bread")
    version = user.delete(id=task["id"])["version"]
    page = user.page(filter={"trash": "ONLY"})
    (deleted,) = page["nodes"]
    assert page["totalCount"] == 1
    assert deleted["deletedAt"] == deleted["updatedAt"] > task["updatedAt"]
    assert deleted == {
        **task,
        "deletedAt": deleted["deletedAt"],
        "updatedAt": deleted["updatedAt"],
        "version": version,
    }
    assert user.titles() == user.titles(filter={"trash": "EXCLUDE"}) == ["Bread"]
    assert user.page()["totalCount"] == 1
    assert user.get(task["id"]) is None


def test_what_is_in_the_trash_is_not_found_by_changes(server: Server) -> None:
    user = server.user()
    id = user.create()["id"]
    user.delete(id=id)
    (before,) = user.page(filter={"trash": "ONLY"})["nodes"]
    for answer in (
        user.update(id=id, title="x"),
        user.update(id=id),
        user.toggle(id=id),
        user.delete(id=id),
        user.delete(id=id, expectedVersion=before["version"]),
    ):
        assert answer == {"__typename": "TaskNotFound", "message": "You have no task with this id."}
    assert user.page(filter={"trash": "ONLY"})["nodes"] == [before]


def test_a_restored_task_is_as_it_was(server: Server) -> None:
    user = server.user()
    task = user.create("Milk", description="Two bottles")
    task = user.toggle(id=task["id"])
    user.delete(id=task["id"])
    restored = user.restore(id=task["id"])
    assert restored["version"] == task["version"] + 2
    assert restored["updatedAt"] > task["updatedAt"]
    news = {"version": restored["version"], "updatedAt": restored["updatedAt"]}
    assert restored == {**task, **news}
    assert user.get(task["id"]) == {k: v for k, v in restored.items() if k != "__typename"}
    assert user.page(filter={"trash": "ONLY"})["totalCount"] == 0


def test_a_task_that_is_not_in_the_trash_is_restored_by_doing_nothing(server: Server) -> None:
    user = server.user()
    task = user.create()
    assert user.restore(id=task["id"]) == {"__typename": "Task", **task}
    assert user.restore(id=task["id"], expectedVersion=1) == {"__typename": "Task", **task}
    assert user.restore(id=task["id"], expectedVersion=9)["__typename"] == "VersionConflict"
    assert user.create()["version"] == 2


def test_an_expected_version_guards_a_restoration(server: Server) -> None:
    user = server.user()
    task = user.create()
    deletion = user.delete(id=task["id"])["version"]
    refused = user.restore(id=task["id"], expectedVersion=task["version"])
    assert refused["__typename"] == "VersionConflict"
    assert refused["current"]["version"] == deletion
    assert refused["current"]["deletedAt"] is not None
    assert user.restore(id=task["id"], expectedVersion=deletion)["__typename"] == "Task"


@pytest.mark.parametrize("id", ["", "x", "01", str(2**63 - 1), str(2**63)])
def test_what_never_was_is_not_restored(server: Server, id: str) -> None:
    answer = server.user().restore(id=id)
    assert answer == {"__typename": "TaskNotFound", "message": "You have no task with this id."}


def test_deletions_and_restorations_that_race_each_take_a_turn(server: Server) -> None:
    user = server.user()
    id = user.create()["id"]

    def act(n: int) -> str:
        return str((user.restore if n % 2 else user.delete)(id=id)["__typename"])

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(act, range(40)))
    tasks = user.page()["nodes"] + user.page(filter={"trash": "ONLY"})["nodes"]
    # A restoration that finds the task restored takes no number.
    deletions = done.count("DeleteTaskSuccess")
    alive = tasks[0]["deletedAt"] is None
    assert tasks[0]["version"] == 1 + 2 * deletions - (not alive)


def test_when_a_task_was_completed_is_kept_while_it_is(server: Server) -> None:
    user = server.user()
    task = user.create()
    assert task["completedAt"] is None
    ticked = user.toggle(id=task["id"])
    assert ticked["completedAt"] == ticked["updatedAt"]
    renamed = user.update(id=task["id"], title="Oat milk", completed=True)
    assert renamed["completedAt"] == ticked["completedAt"]
    assert user.toggle(id=task["id"])["completedAt"] is None
    assert user.update(id=task["id"], completed=True)["completedAt"] > ticked["completedAt"]


def test_only_what_is_old_enough_is_purged(migrated_database: Database) -> None:
    database = migrated_database
    with running_server(settings_for(database.server_url)) as server:
        ada, bob = server.user("ada"), server.user("bob")
        ids = [ada.create(f"{n} days")["id"] for n in (40, 31, 29)]
        ada.create("alive")
        bobs = bob.create("Bob's")["id"]
        deletions = [ada.delete(id=id)["version"] for id in ids]
        bob.delete(id=bobs)
        for id, days in zip(ids, (40, 31, 29), strict=True):
            age(database, id, days)
        age(database, bobs, 29)

        assert purged(database) == 2
        assert ada.titles(filter={"trash": "ONLY"}) == ["29 days"]
        assert ada.titles() == ["alive"]
        assert counter(database, ada) == (deletions[-1], deletions[1])
        assert counter(database, bob) == (2, 0)
        assert ada.restore(id=ids[0])["__typename"] == "TaskNotFound"
        assert purged(database) == 0
        # The database says how long, whatever a server is told.
        assert purged(database, trash_retention_days=7) == 0
        complete_migration(database.superuser_url, Retention(7, 7))
        assert purged(database) == 0
        assert purged(database, trash_retention_days=7) == 2


def test_a_server_says_that_the_database_keeps_trash_for_another_time(
    migrated_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    purged(migrated_database)
    assert not caplog.records
    purged(migrated_database, trash_retention_days=7)
    (record,) = caplog.records
    assert "for 30 days" in record.getMessage()


@CLUSTER_ONLY
def test_what_is_younger_is_kept_however_a_session_writes_dates(
    server: Server, database: Database
) -> None:
    """10 January, as the role's sessions write it, is read as 1 October by others."""
    user, today = server.user(), datetime.now(UTC).date()
    id = user.create()["id"]
    user.delete(id=id)
    with without_triggers(database) as connection:
        connection.execute(
            "UPDATE tasks SET deleted_at = %s WHERE user_id = %s AND id = %s",
            [date(today.year - 1, 3, 1), user.user_id, id],
        )
    with psycopg.connect(database.server_url) as connection:
        days = (today - date(today.year - 1, 1, 10)).days
        connection.execute("SELECT purge_trash(%s, 1000)", [days])
    assert user.page(filter={"trash": "ONLY"})["totalCount"] == 1


def test_a_long_trash_is_purged_in_short_transactions(
    migrated_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trash, "BATCH", 2)
    with running_server(settings_for(migrated_database.server_url)) as server:
        for user in (server.user(), server.user()):
            for _ in range(3):
                id = user.create()["id"]
                user.delete(id=id)
                age(migrated_database, id, 31)
    with psycopg.connect(migrated_database.superuser_url) as connection:
        key = connection.execute("SELECT id FROM tasks ORDER BY id LIMIT 1 FOR UPDATE").fetchone()
        assert key is not None
        # What somebody is just restoring is not waited for.
        assert purged(migrated_database) == 5
    assert purged(migrated_database) == 1


def test_nobody_can_keep_the_trash_by_a_lock(migrated_database: Database) -> None:
    with running_server(settings_for(migrated_database.server_url)) as server:
        user = server.user()
        id = user.create()["id"]
        user.delete(id=id)
    age(migrated_database, id, 31)
    with psycopg.connect(migrated_database.server_url) as connection:
        for name in ("purge_trash", "purge_idempotency_keys"):
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])
        assert purged(migrated_database) == 1


def test_two_purges_at_once_delete_each_task_once(migrated_database: Database) -> None:
    with running_server(settings_for(migrated_database.server_url)) as server:
        for user in (server.user(), server.user()):
            for _ in range(5):
                id = user.create()["id"]
                user.delete(id=id)
                age(migrated_database, id, 31)
    with ThreadPoolExecutor(4) as threads:
        counts = list(threads.map(lambda _: purged(migrated_database), range(4)))
    assert sum(counts) == 10


def test_nobody_can_empty_the_trash_of_a_day(migrated_database: Database) -> None:
    with running_server(settings_for(migrated_database.server_url)) as server:
        user = server.user()
        id = user.create()["id"]
        user.delete(id=id)
        age(migrated_database, id, 0.9)
        with psycopg.connect(migrated_database.server_url) as connection:
            for days in (0, -1000, 1):
                done = connection.execute("SELECT purge_trash(%s, 10)", [days]).fetchone()
                assert done == (0,)
        assert user.page(filter={"trash": "ONLY"})["totalCount"] == 1


def test_a_running_server_purges_by_itself(
    migrated_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trash, "INTERVAL", 0.05)
    with running_server(settings_for(migrated_database.server_url)) as server:
        user = server.user()
        id = user.create()["id"]
        user.delete(id=id)
        age(migrated_database, id, 31)
        for _ in range(600):
            # A purge may have come before the task was old enough: then it waits for a change.
            user.create()
            if user.page(filter={"trash": "ONLY"})["totalCount"] == 0:
                return
            asyncio.run(asyncio.sleep(0.05))
    pytest.fail("the trash was not purged")
