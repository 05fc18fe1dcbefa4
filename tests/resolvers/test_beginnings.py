"""Which cursors of the feed go on: those of this account in this database, as it was since."""

from uuid import uuid4

import psycopg
import pytest

from app.commands.migrate import migrate_at
from app.database.installation import begin_after_restore, check_sequence
from graphql_schema.changes import ChangeCursor
from tests.api import Caller, Server, running_server, settings_for
from tests.databases import Database
from tests.resolvers.test_changes import Copy
from tests.sockets import signed_in


def code_of_following(server: Server, user: Caller, cursor: str) -> str | None:
    """Subscribe after a cursor; return the code of the error, None where changes are told."""
    with signed_in(server, user.token) as follower:
        follower.follow(cursor)
        user.create(title="to be told")
        message = follower.hear()
    payload = message["payload"]
    errors = payload if message["type"] == "error" else payload.get("errors")
    return errors[0]["extensions"]["code"] if errors else None


def copied(database: Database) -> Database:
    """Return a copy of a database that nobody is connected to, as a backup would restore it."""
    name = f"restored_{uuid4().hex}"
    database.postgres.create_database(name, template=database.name)
    return Database(database.postgres, name)


@pytest.mark.parametrize("count", [1, 3, 5])
def test_after_a_restore_every_copy_heals(migrated_database: Database, count: int) -> None:
    settings = settings_for(migrated_database.server_url)
    with running_server(settings) as server:
        user_id = server.user().user_id
        user = server.user(user_id)
        for _ in range(2):
            user.create()
    backup = copied(migrated_database)
    with running_server(settings) as server:
        copy = Copy(server.user(user_id))
        lost = [copy.user.create()["id"] for _ in range(3)]
        copy.catch_up()
        assert len(copy.tasks) == 5
    begin_after_restore(backup.superuser_url)
    begin_after_restore(backup.superuser_url)
    with running_server(settings_for(backup.server_url)) as server:
        user = copy.user = server.user(user_id)
        made = [user.create(title="after the restore")["id"] for _ in range(count)]
        assert not set(lost) & set(made)
        assert code_of_following(server, user, str(copy.cursor)) == "CURSOR_EXPIRED"
        copy.catch_up()
        assert copy.is_true()
        assert copy.resets == 2
        # It resets no more.
        copy.catch_up()
        assert copy.resets == 2
        assert code_of_following(server, user, str(copy.cursor)) is None


def test_a_restore_of_an_empty_database_is_no_failure(migrated_database: Database) -> None:
    assert begin_after_restore(migrated_database.superuser_url) == 1_000_001
    assert begin_after_restore(migrated_database.superuser_url, margin=5) == 1_000_006
    assert begin_after_restore(migrated_database.superuser_url, ids_from=2_000_000) == 2_000_001
    assert begin_after_restore(migrated_database.superuser_url, ids_from=7) == 2_000_001


@pytest.mark.parametrize("others", [1, 3, 5])
def test_another_accounts_cursor_begins_anew(server: Server, others: int) -> None:
    copy = Copy(server.user())
    for _ in range(3):
        copy.user.create()
    copy.catch_up()
    copy.user = server.user()
    for _ in range(others):
        copy.user.create()
    assert code_of_following(server, copy.user, str(copy.cursor)) == "CURSOR_EXPIRED"
    copy.catch_up()
    assert copy.is_true()


@pytest.mark.parametrize("count", [2, 3, 5])
def test_an_account_that_is_made_again_begins_anew(
    server: Server, database: Database, count: int
) -> None:
    user = server.user()
    copy = Copy(user)
    for _ in range(3):
        user.create()
    copy.catch_up()
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute("DELETE FROM users WHERE id = %s", [user.user_id])
    for _ in range(count):
        user.create()
    assert code_of_following(server, user, str(copy.cursor)) == "CURSOR_EXPIRED"
    copy.catch_up()
    assert copy.is_true()


def test_who_has_seen_nothing_has_nothing_to_drop(server: Server) -> None:
    user, other = server.user(), server.user()
    cursor = user.changes(first=0)["pageInfo"]["endCursor"]
    other.create()
    page = other.changes(after=cursor)
    assert not page["reset"]
    assert len(page["nodes"]) == 1


def test_a_cursor_of_before_goes_on_until_a_restore(migrated_database: Database) -> None:
    with running_server(settings_for(migrated_database.server_url)) as server:
        user = server.user()
        user.create()
        before = ChangeCursor(1, 0, None).encode()
        # The account was made with the column there.
        assert user.changes(after=before)["reset"]
        with psycopg.connect(migrated_database.superuser_url) as connection:
            connection.execute("UPDATE task_counters SET beginning = 0")
        user.create()
        page = user.changes(after=before)
        assert not page["reset"]
        assert len(page["nodes"]) == 1
        begin_after_restore(migrated_database.superuser_url)
        assert user.changes(after=before)["reset"]
        assert user.changes(after=page["pageInfo"]["endCursor"])["reset"]


def test_a_cursor_does_not_tell_whose_it_is(server: Server) -> None:
    user = server.user()
    user.create()
    cursor = ChangeCursor.decode(user.changes()["pageInfo"]["endCursor"], "after")
    assert cursor.origin is not None
    assert 0 < cursor.origin < 2**53


def test_a_sequence_that_is_behind_is_moved_on_by_migrating(
    migrated_database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    url, settings = migrated_database.superuser_url, settings_for(migrated_database.server_url)
    with running_server(settings) as server:
        user = server.user()
        user.create()
        with psycopg.connect(url) as connection:
            # As code from before does, whose ids come from the sequence.
            ids = [
                connection.execute(
                    "INSERT INTO tasks (user_id, title) VALUES (%s, 'x') RETURNING id",
                    [user.user_id],
                ).fetchall()[0][0]
                for _ in range(3)
            ]
            connection.execute("SELECT setval(pg_get_serial_sequence('tasks', 'id'), 1)")
        assert check_sequence(url).is_behind
        with pytest.raises(SystemExit):
            migrate_at(url, settings, check=True)
        said = f"stands at 1, and there is a task with id {max(ids)}"
        assert said in capsys.readouterr().out
        migrate_at(url, settings, check=False)
        assert "It was moved on." in capsys.readouterr().out
        migrate_at(url, settings, check=True)
        assert int(user.create()["id"]) > max(ids)
