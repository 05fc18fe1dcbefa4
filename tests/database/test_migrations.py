"""Migrations: up and down, many at once, and over tables that others have made, without loss."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from app.commands.doctor import examine
from app.database.embedded import EmbeddedPostgres
from app.database.migration import (
    ADVISORY_LOCK,
    downgrade,
    pending,
    upgrade,
    upgrade_sql,
)
from app.database.protection import check_protection
from app.database.roles import ensure_server_role
from app.database.steps import head
from app.database.urls import SERVER_ROLE
from app.failure import MigrationFailed
from models.metadata import OWNED_TABLES, metadata
from tests.api import nonempty, running_server, settings_for
from tests.databases import Database
from tests.repository import ROOT

REVISIONS = [
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
    "0018",
    "0019",
    "0020",
    "0021",
]
BETTER_AUTHS_USERS = """
CREATE TABLE users (
    id text NOT NULL PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE,
    email_verified boolean NOT NULL, image text,
    created_at timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL
);
CREATE TABLE session (
    id text NOT NULL PRIMARY KEY, token text NOT NULL UNIQUE,
    "userId" text NOT NULL REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO users (id, name, email, email_verified)
VALUES ('kq3XbTnC', 'Ada', 'ada@example.com', true);
INSERT INTO session VALUES ('s', 't', 'kq3XbTnC');
"""
HAND_MADE = """
CREATE TABLE users (
    id VARCHAR NOT NULL PRIMARY KEY, email VARCHAR NOT NULL UNIQUE, name VARCHAR,
    created_at TIMESTAMP WITHOUT TIME ZONE NOT NULL
);
CREATE TABLE tasks (
    id SERIAL PRIMARY KEY, user_id VARCHAR NOT NULL REFERENCES users (id),
    title VARCHAR(200) NOT NULL, description VARCHAR(1000), completed BOOLEAN NOT NULL,
    created_at TIMESTAMP WITHOUT TIME ZONE NOT NULL, updated_at TIMESTAMP WITHOUT TIME ZONE NOT NULL
);
CREATE INDEX ix_tasks_user_id ON tasks (user_id);
CREATE INDEX ix_tasks_completed ON tasks (completed);
INSERT INTO users VALUES ('ada', 'ada@example.com', 'Ada', '2026-01-01 12:00:00');
INSERT INTO tasks (user_id, title, description, completed, created_at, updated_at) VALUES
    ('ada', 'second', 'with more', true, '2026-01-02 12:00', '2026-01-04 12:00'),
    ('ada', 'first', NULL, false, '2026-01-03 12:00', '2026-01-03 12:00'),
    ('ada', 'deleted', NULL, false, '2026-01-03 12:00', '2026-01-03 12:00');
DELETE FROM tasks WHERE title = 'deleted';
"""
WITHOUT_KEYS = """
CREATE TABLE users (id text, email text, name text);
CREATE UNIQUE INDEX ix_users_email ON users (email);
CREATE SEQUENCE numbers;
CREATE TABLE tasks (
    id integer NOT NULL DEFAULT nextval('numbers'), user_id text, title text,
    created_at timestamp, updated_at timestamp, version integer DEFAULT 5
);
INSERT INTO users VALUES ('ada', 'ada@example.com', 'Ada');
INSERT INTO tasks (user_id, title) VALUES ('ada', 'kept'), ('ada', 'deleted');
DELETE FROM tasks WHERE title = 'deleted';
"""
LOOSE = """
CREATE TABLE tasks (
    id integer PRIMARY KEY, user_id text, title text, description text, completed boolean,
    created_at timestamp, updated_at timestamp
);
INSERT INTO tasks VALUES
    (7, 'eve', 'no times', NULL, NULL, NULL, NULL),
    (9, 'eve', 'one time', '', true, NULL, '2026-01-03 12:00');
"""


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def to_apply(url: str) -> list[str]:
    return [step.revision for step in pending(url)]


def run(url: str, script: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(script)


def shape(url: str) -> list[tuple[Any, ...]]:
    """Return what makes our tables what they are: columns, constraints, indexes, policies."""
    return rows(
        url,
        f"""
        SELECT 'column', table_name::text, column_name::text,
               concat_ws(' ', data_type, character_maximum_length, is_nullable, is_identity,
                         column_default)
        FROM information_schema.columns
        WHERE table_name IN {OWNED_TABLES}
        UNION ALL
        SELECT 'constraint', conrelid::regclass::text, conname::text, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE contype <> 'n'
             AND conrelid::regclass::text IN {OWNED_TABLES}
        UNION ALL
        SELECT 'index', tablename::text, indexname::text, indexdef
        FROM pg_indexes WHERE tablename IN {OWNED_TABLES}
        UNION ALL
        SELECT 'policy', tablename::text, policyname::text,
               concat_ws(' ', permissive, roles, cmd, qual, with_check)
        FROM pg_policies
        UNION ALL
        SELECT 'security', relname::text, relrowsecurity::text, relforcerowsecurity::text
        FROM pg_class WHERE relname IN {OWNED_TABLES}
        ORDER BY 1, 2, 3, 4
        """,
    )


def test_models_and_migrations_agree(finished_database: Database) -> None:
    engine = create_engine(finished_database.superuser_url, poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        differences = compare_metadata(context, metadata)
    assert [d for d in differences if getattr(d[1], "name", "") != "alembic_version"] == []


def test_alembic_finds_no_difference_in_an_adopted_database(fresh_database: Database) -> None:
    url = fresh_database.superuser_url
    run(url, BETTER_AUTHS_USERS + LOOSE + "ALTER TABLE users ADD role text DEFAULT 'user';")
    run(url, "ALTER TABLE users RENAME CONSTRAINT users_email_key TO uq_users_email")
    upgrade(url, revision="head")
    process = subprocess.run(
        [sys.executable, "-m", "alembic", "check"],
        cwd=ROOT,
        env={**os.environ, "MIGRATION_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert "No new upgrade operations detected." in process.stdout


def test_up_and_down_and_up_again(fresh_database: Database, migrated_database: Database) -> None:
    url = fresh_database.superuser_url
    assert to_apply(url) == REVISIONS
    upgrade(url, revision="0001")
    assert to_apply(url) == REVISIONS[1:]
    upgrade(url)
    assert pending(url) == []
    assert pending(fresh_database.server_url) == []
    assert shape(url) == shape(migrated_database.superuser_url)
    downgrade(url, "base")
    assert rows(url, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'") == [
        ("alembic_version",)
    ]
    upgrade(url)
    assert shape(url) == shape(migrated_database.superuser_url)


def test_down_and_up_again_loses_no_row(migrated_database: Database) -> None:
    url = migrated_database.superuser_url
    with running_server(settings_for(migrated_database.server_url)) as server:
        user = server.user("ada", email="ada@example.com")
        for title in ("a", "b", "c"):
            user.create(title)
        user.toggle(id=user.page()["nodes"][0]["id"])
        user.delete(id=user.page()["nodes"][1]["id"])
        before = user.page()["nodes"]
    downgrade(url, "base")
    assert rows(url, "SELECT count(*) FROM tasks") == [(2,)]
    upgrade(url)
    with running_server(settings_for(migrated_database.server_url)) as server:
        user = server.user("ada")
        after = user.page()["nodes"]
        assert [{**task, "version": 0} for task in after] == [
            {**task, "version": 0} for task in before
        ]
        assert sorted(task["version"] for task in after) == [1, 2]
        assert user.create("d")["version"] == 3


def test_a_downgrade_empties_the_trash_and_brings_nothing_back(
    migrated_database: Database,
) -> None:
    url = migrated_database.superuser_url
    with running_server(settings_for(migrated_database.server_url)) as server:
        user = server.user("ada")
        user.create("kept")
        user.delete(id=user.create("deleted")["id"])
    downgrade(url, "0002")
    assert rows(url, "SELECT title::text FROM tasks") == [("kept",)]
    upgrade(url)
    with running_server(settings_for(migrated_database.server_url)) as server:
        assert server.user("ada").titles() == ["kept"]


def test_a_trash_that_was_there_is_adopted(fresh_database: Database) -> None:
    url = fresh_database.superuser_url
    run(
        url,
        HAND_MADE + "ALTER TABLE tasks ADD completed_at timestamp, "
        "ADD deleted_at timestamp NOT NULL DEFAULT '2026-01-05 12:00';"
        "ALTER TABLE tasks ALTER deleted_at DROP NOT NULL;"
        "UPDATE tasks SET deleted_at = NULL WHERE title = 'first'",
    )
    upgrade(url)
    with running_server(settings_for(fresh_database.server_url)) as server:
        ada = server.user("ada")
        assert ada.titles() == ["first"]
        (second,) = ada.page(filter={"trash": "ONLY"})["nodes"]
        assert second["deletedAt"] == "2026-01-05T12:00:00.000000Z"
        assert second["completedAt"] == "2026-01-04T12:00:00.000000Z"
        assert ada.create()["deletedAt"] is None


def test_a_task_that_is_removed_unseen_leaves_its_number(migrated_database: Database) -> None:
    url = migrated_database.superuser_url
    with running_server(settings_for(migrated_database.server_url)) as server:
        server.user("ada").create("Milk")
        run(url, "DELETE FROM tasks")
    # Nothing is left to tell of the deletion, so whoever saw less has to read all anew.
    assert rows(url, "SELECT version, purged_version FROM task_counters") == [(2, 2)]


BEFORE_THE_FOLD = """
WITH counter AS (
    INSERT INTO task_counters (user_id, version) VALUES ('ada', 1)
    ON CONFLICT (user_id) DO UPDATE SET version = task_counters.version + 1 RETURNING version
)
INSERT INTO tasks (user_id, title, description, version)
SELECT 'ada', 'Łódź ' || version, NULL, version FROM counter RETURNING id
"""
"""What code from before the fold sends to create a task."""

PAGE_BEFORE_THE_FOLD = """
SELECT title::text FROM tasks WHERE user_id = 'ada' AND deleted_at IS NULL AND NOT completed
  AND (title_key, id) > (lower('łódź 10001'), 0) ORDER BY title_key, id LIMIT 50
"""


def wait_until(url: str, query: str) -> None:
    deadline = time.monotonic() + 60
    while rows(url, query) != [(True,)]:
        assert time.monotonic() < deadline, query
        time.sleep(0.02)


def test_rows_are_filled_while_code_from_before_works_on(fresh_database: Database) -> None:
    url = fresh_database.superuser_url
    upgrade(url, revision="0008")
    run(url, "INSERT INTO users (id, name) VALUES ('ada', 'Ada')")
    run(
        url,
        "INSERT INTO tasks (user_id, title, version) "
        "SELECT 'ada', 'Äther-' || n, n FROM generate_series(1, 10000) AS n;"
        "INSERT INTO task_counters VALUES ('ada', 10000)",
    )
    before = rows(url, "SELECT id, version, updated_at FROM tasks ORDER BY id")
    upgrade(url, revision="0009")
    with psycopg.connect(fresh_database.server_url) as connection:
        connection.execute("SELECT set_config('app.user_id', 'ada', true)")
        connection.execute(BEFORE_THE_FOLD)
        connection.execute(BEFORE_THE_FOLD)
    with ThreadPoolExecutor() as pool, psycopg.connect(url) as locked:
        migration = pool.submit(upgrade, url, revision="0010")
        wait_until(url, "SELECT count(*) > 0 FROM pg_policies WHERE policyname = 'tasks_filling'")
        # Somebody is writing to a row, which stops neither the rest nor the other writers.
        locked.execute("UPDATE tasks SET completed = true WHERE title = 'Äther-9990'")
        wait_until(url, "SELECT count(*) < 1600 FROM tasks WHERE title_order IS NULL")
        with psycopg.connect(fresh_database.server_url) as connection:
            connection.execute("SET lock_timeout = '5s'")
            connection.execute("SELECT set_config('app.user_id', 'ada', true)")
            connection.execute(BEFORE_THE_FOLD)
            found = connection.execute(PAGE_BEFORE_THE_FOLD).fetchall()
            assert found == [("Łódź 10001",), ("Łódź 10002",), ("Łódź 10003",)]
        locked.rollback()
        migration.result()
    assert rows(url, "SELECT id, version, updated_at FROM tasks ORDER BY id LIMIT 10000") == before
    upgrade(url)
    assert pending(url) == []
    with running_server(settings_for(fresh_database.server_url)) as server:
        ada = server.user("ada")
        order = {"field": "TITLE", "direction": "ASC"}
        titles = [f"Äther-{n}" for n in range(1, 4)]
        assert ada.titles(orderBy=order, first=3) == titles
        assert ada.titles(filter={"search": "ather17"}, orderBy=order, first=1) == ["Äther-17"]
        assert ada.titles(filter={"search": "lodz 10002"}) == ["Łódź 10002"]
        assert ada.page(filter={"search": "aether"})["totalCount"] == 0


def test_a_filling_that_was_interrupted_goes_on(fresh_database: Database) -> None:
    url = fresh_database.superuser_url
    run(url, HAND_MADE)
    upgrade(url, revision="0009")
    # What is there when a connection breaks while an index is made.
    run(
        url,
        "CREATE POLICY tasks_filling ON tasks TO CURRENT_USER USING (true);"
        "UPDATE tasks SET title_order = order_of(title) WHERE title = 'first';"
        "CREATE INDEX tasks_by_title_order ON tasks (id);"
        "ALTER TABLE tasks ADD CONSTRAINT tasks_have_an_order CHECK (title_order IS NOT NULL) "
        "NOT VALID",
    )
    assert to_apply(url)[0] == "0010"
    upgrade(url)
    assert rows(url, "SELECT title_order FROM tasks ORDER BY 1") == [("first",), ("second",)]
    assert check_protection(url) == []


def test_what_is_committed_before_a_failure_is_not_called_unchanged(
    fresh_database: Database,
) -> None:
    url = fresh_database.superuser_url
    upgrade(url, revision="0009")
    run(url, "CREATE TABLE tasks_in_trash_by_title_order ()")
    with pytest.raises(MigrationFailed) as failed:
        upgrade(url)
    assert str(failed.value) == (
        "The migration failed, and what was done before is kept; the same command goes on: "
        '"tasks_in_trash_by_title_order" is not an index'
    )
    # The first of the two indexes.
    assert rows(url, "SELECT to_regclass('tasks_by_title_order') IS NOT NULL") == [(True,)]
    run(url, "DROP TABLE tasks_in_trash_by_title_order")
    upgrade(url)
    assert pending(url) == []


def test_nobody_waits_long_for_a_migration_that_waits_for_a_reader(
    fresh_database: Database,
) -> None:
    url = fresh_database.superuser_url
    upgrade(url, revision="0010")
    run(url, "INSERT INTO users (id, name) VALUES ('ada', 'Ada')")
    waits = (
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND datname = current_database()"
    )
    with ThreadPoolExecutor() as pool, psycopg.connect(url) as reader:
        reader.execute("SELECT FROM tasks")
        migration = pool.submit(upgrade, url, revision="0013")
        for _ in range(3):
            wait_until(url, waits)
            with psycopg.connect(fresh_database.server_url) as connection:
                # Ten times as long as the migration waits before it lets others pass.
                connection.execute("SET lock_timeout = '2s'")
                connection.execute("SELECT set_config('app.user_id', 'ada', true)")
                connection.execute(BEFORE_THE_FOLD)
        reader.rollback()
        migration.result()
    assert rows(url, "SELECT count(*), max(version) FROM tasks") == [(3, 3)]


def test_places_are_filled_while_a_row_is_being_changed(fresh_database: Database) -> None:
    url = fresh_database.superuser_url
    upgrade(url, revision="0010")
    run(url, "INSERT INTO users (id, name) VALUES ('ada', 'Ada')")
    with psycopg.connect(fresh_database.server_url) as connection:
        connection.execute("SELECT set_config('app.user_id', 'ada', true)")
        for _ in range(5):
            connection.execute(BEFORE_THE_FOLD)
    upgrade(url, revision="0011")
    before = rows(url, "SELECT id, version, updated_at FROM tasks ORDER BY id")
    fill = import_module("app.database.migrations.versions.0012_places").FILL
    with (
        ThreadPoolExecutor() as pool,
        psycopg.connect(url, autocommit=True) as filling,
        psycopg.connect(url) as changing,
    ):
        changing.execute("UPDATE tasks SET completed = true WHERE title LIKE '%2'")
        filled = pool.submit(filling.execute, fill)
        # All others are, and stay free for whoever changes them.
        wait_until(url, "SELECT count(*) = 1 FROM tasks WHERE position IS NULL")
        run(url, "UPDATE tasks SET completed = completed WHERE title LIKE '%3'")
        changing.rollback()
        filled.result()
    assert rows(url, "SELECT id, version, updated_at FROM tasks ORDER BY id") == before
    assert rows(url, "SELECT position FROM tasks ORDER BY id") == [
        (f"{id:014x}V",) for id, *_ in before
    ]
    upgrade(url)


def test_twenty_at_once_apply_each_migration_once(fresh_database: Database) -> None:
    url = fresh_database.superuser_url
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(upgrade, [url] * 20)) == [None] * 20
    assert rows(url, "SELECT version_num FROM alembic_version") == [(head(),)]


def test_a_table_in_use_stops_a_migration_and_leaves_no_half(fresh_database: Database) -> None:
    url = fresh_database.superuser_url
    run(url, HAND_MADE)
    before = shape(url)
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE tasks IN ACCESS SHARE MODE")
        with pytest.raises(MigrationFailed, match=r"stayed in use .* nothing was changed"):
            upgrade(url, wait_for_table=0.05, attempts=1)
    assert shape(url) == before
    assert to_apply(url) == REVISIONS
    upgrade(url)


def test_a_table_that_is_free_again_is_migrated_at_the_next_try(fresh_database: Database) -> None:
    url = fresh_database.superuser_url
    run(url, HAND_MADE)
    with psycopg.connect(url) as connection, ThreadPoolExecutor() as pool:
        connection.execute("LOCK TABLE tasks IN ACCESS SHARE MODE")
        migration = pool.submit(upgrade, url, wait_for_table=0.05, attempts=3)
        time.sleep(0.5)
        connection.commit()
        migration.result()
    assert pending(url) == []


def test_a_limit_for_queries_does_not_stop_a_migration(fresh_database: Database) -> None:
    url = fresh_database.superuser_url
    run(url, f"ALTER DATABASE {fresh_database.name} SET statement_timeout = '300ms'")
    with psycopg.connect(url) as connection, ThreadPoolExecutor() as pool:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        migration = pool.submit(upgrade, url)
        time.sleep(0.8)
        connection.commit()
        migration.result()


@pytest.mark.parametrize("attempt", [upgrade, pending])
@pytest.mark.parametrize(
    "url",
    ["postgresql://nobody@127.0.0.1:9/nothing", "postgres://me:hunter2@[127.0.0.1/nothing"],
)
def test_a_database_that_cannot_be_reached_is_said_so(
    attempt: Callable[[str], object], url: str
) -> None:
    with pytest.raises(MigrationFailed, match="cannot be reached") as failed:
        attempt(url)
    assert "hunter2" not in str(failed.value)


@pytest.mark.parametrize("attempt", [upgrade, pending])
def test_a_database_of_newer_code_is_said_so(
    migrated_database: Database, attempt: Callable[[str], object]
) -> None:
    url = migrated_database.superuser_url
    run(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(MigrationFailed, match=r"'9999'. Has newer code migrated this database\?"):
        attempt(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_url_is_taken_as_people_write_it(migrated_database: Database, scheme: str) -> None:
    given = migrated_database.superuser_url.replace("postgresql", scheme, 1)
    assert pending(f"{given}&sslmode=prefer&channel_binding=prefer") == []


def test_the_sql_that_is_printed_does_the_same(
    fresh_database: Database, migrated_database: Database
) -> None:
    # As psql does: what stands outside a transaction is sent statement by statement.
    with psycopg.connect(fresh_database.superuser_url, autocommit=True) as connection:
        for part in nonempty(upgrade_sql().split("BEGIN;\n\n")[1:]):
            inside, outside = part.split("COMMIT;\n\n")
            connection.execute(f"BEGIN; {inside}; COMMIT")
            for statement in filter(str.strip, outside.split(";\n\n")):
                connection.execute(statement)
    assert shape(fresh_database.superuser_url) == shape(migrated_database.superuser_url)
    assert pending(fresh_database.superuser_url) == []


def test_better_auths_users_are_adopted(
    fresh_database: Database, migrated_database: Database
) -> None:
    url = fresh_database.superuser_url
    run(url, BETTER_AUTHS_USERS)
    upgrade(url)
    columns = [row for row in shape(url) if row[0] == "column"]
    assert columns == [r for r in shape(migrated_database.superuser_url) if r[0] == "column"]
    assert rows(url, "SELECT id, email_verified FROM users") == [("kq3XbTnC", True)]
    with running_server(settings_for(fresh_database.server_url)) as server:
        ada = server.user("kq3XbTnC", name="Somebody else", email="other@example.com")
        assert ada.data("{ me { name email } }") == {
            "me": {"name": "Ada", "email": "ada@example.com"}
        }
        ada.create()
        assert server.user().data("{ me { email } }") == {"me": {"email": None}}


def test_better_auth_can_work_on_after_it(migrated_database: Database) -> None:
    """What Better Auth does: it adds what it misses (nothing), inserts, updates, deletes."""
    role = f"better_auth_{uuid4().hex}"
    run(
        migrated_database.superuser_url,
        f"CREATE ROLE {role} LOGIN; GRANT ALL ON users TO {role}",
    )
    try:
        with running_server(settings_for(migrated_database.server_url)) as server:
            run(
                migrated_database.url_of(role),
                "INSERT INTO users (id, name, email, email_verified) "
                "VALUES ('a', 'Ada', 'a@example.com', false), ('b', 'Bob', 'b@example.com', false);"
                "UPDATE users SET email_verified = true, updated_at = now()",
            )
            server.user("a").create()
            assert rows(migrated_database.url_of(role), "SELECT count(*) FROM users") == [(2,)]
            run(migrated_database.url_of(role), "DELETE FROM users WHERE id = 'a'")
            url = migrated_database.superuser_url
            assert rows(url, "SELECT count(*) FROM tasks") == [(0,)]
            assert rows(url, "SELECT count(*) FROM task_counters") == [(0,)]
    finally:
        run(migrated_database.superuser_url, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_hand_made_system_is_adopted(
    fresh_database: Database, migrated_database: Database
) -> None:
    url = fresh_database.superuser_url
    run(url, HAND_MADE)
    upgrade(url)
    ours = shape(migrated_database.superuser_url)
    foreign = ("index", "tasks", "ix_tasks_completed")
    assert [row for row in shape(url) if row[:3] != foreign] == ours
    with running_server(settings_for(fresh_database.server_url)) as server:
        ada = server.user("ada")
        second, first = sorted(ada.page()["nodes"], key=lambda task: -task["version"])
        assert (second["id"], second["title"], second["version"]) == ("1", "second", 2)
        assert (second["description"], second["completed"]) == ("with more", True)
        assert (first["id"], first["title"], first["version"]) == ("2", "first", 1)
        noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
        assert datetime.fromisoformat(second["createdAt"]) == noon
        # The deleted task's id is not used again.
        new = ada.create()
        assert (int(new["id"]) > 4, new["version"]) == (True, 3)
        assert ada.data("{ me { createdAt } }")["me"]["createdAt"].startswith("2026-01-01T12:00")


def test_tasks_of_people_without_a_row_get_one(fresh_database: Database) -> None:
    url = fresh_database.superuser_url
    run(url, BETTER_AUTHS_USERS + LOOSE)
    upgrade(url)
    assert rows(url, "SELECT id, name, email FROM users ORDER BY id") == [
        ("eve", "eve", None),
        ("kq3XbTnC", "Ada", "ada@example.com"),
    ]


def test_tables_without_keys_get_them(
    fresh_database: Database, migrated_database: Database
) -> None:
    url = fresh_database.superuser_url
    run(url, WITHOUT_KEYS)
    upgrade(url)
    # The description came last, for it was not there.
    assert sorted(shape(url)) == sorted(shape(migrated_database.superuser_url))
    assert rows(url, "SELECT id, version FROM tasks") == [(1, 1)]


def test_an_identity_that_was_there_gives_way_to_ids_of_triggers(fresh_database: Database) -> None:
    url = fresh_database.superuser_url
    run(url, LOOSE + "ALTER TABLE tasks ALTER id ADD GENERATED ALWAYS AS IDENTITY")
    upgrade(url)
    with running_server(settings_for(fresh_database.server_url)) as server:
        assert int(server.user("eve").create()["id"]) > 10


def test_triggers_do_not_take_a_migration_for_a_change(fresh_database: Database) -> None:
    url = fresh_database.superuser_url
    run(
        url,
        HAND_MADE + "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.updated_at = now(); RETURN NEW; END $$;"
        "CREATE TRIGGER touch BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION touch();"
        "CREATE TRIGGER resting BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION touch();"
        "ALTER TABLE tasks ENABLE ALWAYS TRIGGER touch; ALTER TABLE tasks DISABLE TRIGGER resting;",
    )
    upgrade(url)
    assert rows(url, "SELECT title, updated_at FROM tasks ORDER BY version") == [
        ("first", datetime(2026, 1, 3, 12, tzinfo=UTC)),
        ("second", datetime(2026, 1, 4, 12, tzinfo=UTC)),
    ]
    enabled = (
        "SELECT tgname::text, tgenabled FROM pg_trigger WHERE NOT tgisinternal "
        "AND tgname IN ('resting', 'touch') ORDER BY 1"
    )
    assert rows(url, enabled) == [("resting", "D"), ("touch", "A")]


def test_foreign_keys_of_other_columns_stay(fresh_database: Database) -> None:
    url = fresh_database.superuser_url
    run(url, HAND_MADE + "ALTER TABLE tasks ADD assignee varchar REFERENCES users (id)")
    upgrade(url)
    assert rows(
        url,
        "SELECT conname::text FROM pg_constraint "
        "WHERE conrelid = 'tasks'::regclass AND contype = 'f' ORDER BY conname",
    ) == [
        *(("tasks_assignee_fkey",), ("tasks_list_fkey",), ("tasks_parent_fkey",)),
        ("tasks_user_id_fkey",),
    ]


def test_a_loosely_made_table_is_tightened(fresh_database: Database) -> None:
    url = fresh_database.superuser_url
    run(url, LOOSE)
    upgrade(url)
    with running_server(settings_for(fresh_database.server_url)) as server:
        eve = server.user("eve")
        tasks = {task["id"]: task for task in eve.page()["nodes"]}
        assert set(tasks) == {"7", "9"}
        assert (tasks["7"]["completed"], tasks["9"]["completed"]) == (False, True)
        assert tasks["9"]["description"] == ""
        assert tasks["9"]["createdAt"] == tasks["9"]["updatedAt"]
        assert eve.data("{ me { id name } }") == {"me": {"id": "eve", "name": "eve"}}
        assert int(eve.create()["id"]) > 9


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            LOOSE + "UPDATE tasks SET title = repeat('x', 201)",
            r"2 tasks have a title of more than 200 characters \(id 7, 9\)",
        ),
        (
            LOOSE + "UPDATE tasks SET title = repeat('x', 200) || ' ' WHERE id = 7",
            r"1 tasks have a title of more than 200 characters \(id 7\)",
        ),
        (LOOSE + "UPDATE tasks SET title = E' \\t' WHERE id = 9", r"blank title \(id 9\)"),
        (LOOSE + "UPDATE tasks SET title = NULL WHERE id = 9", r"blank title \(id 9\)"),
        (LOOSE + "UPDATE tasks SET description = repeat('x', 1001)", "more than 1000 characters"),
        (LOOSE + "UPDATE tasks SET user_id = NULL", "belong to nobody"),
        (
            LOOSE + "ALTER TABLE tasks ALTER user_id TYPE integer USING 1",
            "tasks.user_id is of type integer, and must be text",
        ),
        (
            LOOSE + "ALTER TABLE tasks ALTER completed TYPE text",
            "tasks.completed is of type text, and must be boolean",
        ),
        (
            LOOSE + "ALTER TABLE tasks ADD priority integer NOT NULL DEFAULT 1;"
            "ALTER TABLE tasks ALTER priority DROP DEFAULT",
            "tasks.priority must be given and has no default",
        ),
        ("CREATE TABLE users (id uuid PRIMARY KEY)", "users.id is of type uuid, and must be text"),
        (LOOSE + "ALTER TABLE tasks DROP title", "tasks has no column title"),
        (
            "CREATE TABLE users (id text PRIMARY KEY, created_at date)",
            "users.created_at is of type date, and must be a timestamp",
        ),
        (
            LOOSE + "ALTER TABLE tasks DROP CONSTRAINT tasks_pkey, ADD PRIMARY KEY (user_id, id)",
            "tasks has a primary key that is not its id",
        ),
        (
            LOOSE + "ALTER TABLE tasks ADD deleted_at boolean",
            "tasks.deleted_at is of type boolean, and must be a timestamp",
        ),
        (
            LOOSE + "CREATE POLICY everything ON tasks USING (true)",
            "tasks has a row security policy of its own, everything",
        ),
    ],
)
def test_what_would_be_lost_stops_the_migration(
    fresh_database: Database, script: str, sentence: str
) -> None:
    url = fresh_database.superuser_url
    run(url, script)
    before = shape(url)
    with pytest.raises(MigrationFailed, match=sentence):
        upgrade(url)
    assert shape(url) == before


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            LOOSE + f"ALTER TABLE tasks ADD {column} text",
            rf"cannot be adopted without loss: tasks has a column {column} that is not this "
            r"server's\.",
        )
        for column in ("priority", "labels", "position")
    ]
    + [
        (
            LOOSE + f"CREATE TABLE {table} (id integer)",
            rf"cannot be adopted without loss: there is a table {table} that is not this "
            r"server's\.",
        )
        for table in ("task_lists", "task_labels")
    ],
)
def test_what_others_have_named_as_a_later_migration_does_stops_it(
    fresh_database: Database, script: str, sentence: str
) -> None:
    url = fresh_database.superuser_url
    run(url, script)
    with pytest.raises(MigrationFailed, match=sentence):
        upgrade(url)
    # Those before it are made, and work.
    assert to_apply(url) == REVISIONS[REVISIONS.index("0011") :]
    assert rows(url, "SELECT title::text FROM tasks ORDER BY id") == [("no times",), ("one time",)]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_an_encoding_without_all_letters_stops_the_migration(
    postgres: EmbeddedPostgres, capsys: pytest.CaptureFixture[str], encoding: str
) -> None:
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres.superuser_url("postgres"), autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
        )
    url, said = postgres.superuser_url(name), f"encoded in {encoding}, and must be in UTF8"
    for attempt in (upgrade, pending):
        with pytest.raises(MigrationFailed, match=said):
            attempt(url)
    assert not examine(settings_for(url))
    assert said in capsys.readouterr().out


def test_columns_of_others_that_have_a_default_are_left_alone(fresh_database: Database) -> None:
    url = fresh_database.superuser_url
    run(url, LOOSE + "ALTER TABLE tasks ADD effort integer NOT NULL DEFAULT 3")
    upgrade(url)
    with running_server(settings_for(fresh_database.server_url)) as server:
        server.user().create()
    assert rows(url, "SELECT effort FROM tasks") == [(3,)] * 3


@pytest.fixture
def owner(postgres: EmbeddedPostgres, fresh_database: Database) -> Any:
    """A role as Neon's default one: it owns the database, makes roles, bypasses row security."""
    role = f"owner_{uuid4().hex}"
    run(
        fresh_database.superuser_url,
        f"CREATE ROLE {role} LOGIN CREATEROLE BYPASSRLS;"
        f"ALTER DATABASE {fresh_database.name} OWNER TO {role};"
        # Another database's migration has made the role already: this owner may pass it on too.
        f"GRANT {SERVER_ROLE} TO {role} WITH ADMIN OPTION",
    )
    yield role
    run(
        fresh_database.superuser_url,
        f"REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}",
    )


@pytest.mark.parametrize("bypasses", [True, False])
def test_an_owner_that_is_no_superuser_can_migrate(
    fresh_database: Database, template: str, owner: str, bypasses: bool
) -> None:
    if not bypasses:
        run(fresh_database.superuser_url, f"ALTER ROLE {owner} NOBYPASSRLS")
    url = fresh_database.url_of(owner)
    run(url, HAND_MADE)
    upgrade(url)
    assert ensure_server_role(url, None).startswith(f"postgresql://{SERVER_ROLE}@")
    with running_server(settings_for(fresh_database.server_url)) as server:
        ada = server.user("ada")
        assert len(ada.page()["nodes"]) == 2
        # The functions that act as the owner are bound by its policies alone.
        assert ada.titles(filter={"search": "sec"}) == ["second"]
        gone = [ada.create("gone")["id"] for _ in range(2)]
        for id in gone:
            ada.delete(id=id)
        days = {gone[0]: 40, gone[1]: 0}
        for id, age in days.items():
            run(
                fresh_database.superuser_url,
                f"UPDATE tasks SET deleted_at = now() - interval '{age} days' WHERE id = {id}",
            )
        assert rows(fresh_database.server_url, "SELECT purge_trash(30, 10)") == [(1,)]
        if not bypasses:
            # Not even a function that forgot its condition could delete more.
            run(url, "DELETE FROM tasks")
        assert ada.titles(filter={"trash": "ONLY"}) == ["gone"]
        assert len(ada.page()["nodes"]) == 2
        run(fresh_database.superuser_url, f"DELETE FROM tasks WHERE id = {gone[1]}")
    downgrade(url, "base")
    upgrade(url)
    everything = "SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM task_counters)"
    assert rows(fresh_database.superuser_url, everything) == [(2, 1)]
    assert rows(url, everything) == [(2, 1)]
    completed = "SELECT title::text, completed_at FROM tasks WHERE completed_at IS NOT NULL"
    assert rows(fresh_database.superuser_url, completed) == [
        ("second", datetime(2026, 1, 4, 12, tzinfo=UTC))
    ]
    run(url, "DELETE FROM users WHERE id = 'ada'")
    assert rows(fresh_database.superuser_url, everything) == [(0, 0)]


KEPT = {"last_id", "tasks", "bytes", "live_tasks", "completed_tasks"}
RIGHTS = {
    ("users", "SELECT"): {"id", "email", "name", "created_at", "claims_at"},
    ("users", "INSERT"): {
        *("id", "email", "name", "email_verified", "created_at", "updated_at", "claims_at"),
    },
    ("tasks", "SELECT"): set(metadata.tables["tasks"].columns.keys()),
    ("tasks", "INSERT"): {
        *("user_id", "id", "title", "description", "completed", "repeats", "due_on", "due_time"),
        *("priority", "labels", "completed_on", "list_id", "parent_id", "position"),
        # By imports alone, as the policy says.
        *("created_at", "updated_at", "deleted_at", "completed_at", "successor_id"),
    },
    ("tasks", "UPDATE"): {
        *("title", "description", "completed", "repeats", "deleted_at", "due_on"),
        *("due_time", "priority", "labels", "completed_on", "list_id", "parent_id", "position"),
        "has_subtasks",
    },
    ("tasks", "DELETE"): {""},
    ("task_labels", "SELECT"): set(metadata.tables["task_labels"].columns.keys()),
    ("task_labels", "INSERT"): set(metadata.tables["task_labels"].columns.keys()),
    ("task_labels", "DELETE"): {""},
    ("task_lists", "DELETE"): {""},
    ("task_lists", "SELECT"): set(metadata.tables["task_lists"].columns.keys()),
    ("task_lists", "INSERT"): {
        *("user_id", "id", "name", "position", "created_at", "updated_at", "deleted_at"),
    },
    ("task_lists", "UPDATE"): {"name", "position", "deleted_at"},
    ("task_counters", "SELECT"): set(metadata.tables["task_counters"].columns.keys()),
    ("task_counters", "INSERT"): {"user_id", "version", *KEPT},
    ("task_counters", "UPDATE"): {"version", *KEPT},
    ("installation", "SELECT"): set(metadata.tables["installation"].columns.keys()),
    ("idempotency_keys", "SELECT"): set(metadata.tables["idempotency_keys"].columns.keys()),
    ("idempotency_keys", "INSERT"): {"user_id", "key", "request", "outcome"},
    ("calendar_links", "SELECT"): set(metadata.tables["calendar_links"].columns.keys()),
    ("calendar_links", "INSERT"): {"user_id", "name", "secret_hash"},
    ("calendar_links", "UPDATE"): {"last_used_at"},
    ("calendar_links", "DELETE"): {""},
    ("imports", "SELECT"): set(metadata.tables["imports"].columns.keys()),
    ("imports", "INSERT"): {"user_id", "source", "kind", "key", "id"},
    ("action_steps", "SELECT"): set(metadata.tables["action_steps"].columns.keys()),
    ("action_steps", "INSERT"): set(metadata.tables["action_steps"].columns.keys()),
    ("action_steps", "UPDATE"): {"version"},
    ("action_steps", "DELETE"): {""},
    ("deleted_users", "SELECT"): set(metadata.tables["deleted_users"].columns.keys()),
    ("alembic_version", "SELECT"): {"version_num"},
}


def test_the_servers_role_has_exactly_its_rights(migrated_database: Database) -> None:
    granted: dict[tuple[str, str], set[str]] = {}
    for table, right, column in rows(
        migrated_database.superuser_url,
        f"""
        SELECT relname, privilege, attname
        FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS privilege,
             pg_attribute
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attrelid = pg_class.oid
          AND attnum > 0 AND has_column_privilege('{SERVER_ROLE}', attrelid, attnum, privilege)
        UNION ALL
        SELECT relname, privilege, ''
        FROM pg_class, unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']) AS privilege
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
          AND has_table_privilege('{SERVER_ROLE}', pg_class.oid, privilege)
        """,
    ):
        granted.setdefault((table, right), set()).add(column)
    assert granted == RIGHTS
