"""What keeps users apart in PostgreSQL: every difference from the migrations is named."""

from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import AsyncConnection

from app.commands.doctor import examine
from app.commands.migrate import migrate_at
from app.database.expected import EXPECTED, REVISION
from app.database.pipelined import PipelinedDatabase
from app.database.protection import (
    HOW_TO_MEND,
    NOT_MIGRATED,
    NOT_SERVED,
    PROTECTED_TABLES,
    objections,
)
from app.database.session import UnsafeRole
from app.database.steps import head
from app.database.urls import SERVER_ROLE
from models.metadata import metadata
from tests.api import running_server, settings_for
from tests.databases import Database

OPEN_POLICIES = """
ALTER POLICY tasks_owner ON tasks USING (true);
ALTER POLICY tasks_maintenance ON tasks USING (true);
ALTER POLICY tasks_search ON tasks USING (true)
"""

LOSSES = {
    "ALTER POLICY tasks_owner ON tasks USING (true)": "tasks: policy tasks_owner",
    "ALTER POLICY tasks_owner_insert ON tasks WITH CHECK (true)": (
        "tasks: policy tasks_owner_insert"
    ),
    "ALTER POLICY tasks_owner ON tasks TO PUBLIC": "tasks: policy tasks_owner",
    "DROP POLICY tasks_owner ON tasks": "tasks: policy tasks_owner",
    "ALTER POLICY users_owner ON users USING (true)": "users: policy users_owner",
    "DROP POLICY users_others ON users": "users: policy users_others",
    "ALTER POLICY tasks_owner_delete ON tasks USING (true)": ("tasks: policy tasks_owner_delete"),
    "ALTER POLICY tasks_search ON tasks TO todo_api": "tasks: policy tasks_search",
    "ALTER POLICY tasks_maintenance ON tasks USING (true)": "tasks: policy tasks_maintenance",
    "ALTER POLICY idempotency_keys_owner ON idempotency_keys USING (user_id <> '')": (
        "idempotency_keys: policy idempotency_keys_owner"
    ),
    "CREATE POLICY everybody ON tasks USING (true)": "tasks: policy everybody",
    "CREATE POLICY nothing ON tasks AS RESTRICTIVE USING (false)": "tasks: policy nothing",
    "CREATE POLICY nothing ON users AS RESTRICTIVE USING (false)": "users: policy nothing",
    "CREATE POLICY own ON task_counters TO todo_api USING (true)": "task_counters: policy own",
    "ALTER TABLE tasks NO FORCE ROW LEVEL SECURITY": "tasks: row security",
    "ALTER TABLE users DISABLE ROW LEVEL SECURITY": "users: row security",
    "ALTER TABLE task_counters DISABLE ROW LEVEL SECURITY": "task_counters: row security",
    "REVOKE UPDATE (deleted_at) ON tasks FROM todo_api": "tasks: right to update",
    "GRANT UPDATE (user_id) ON tasks TO todo_api": "tasks: right to update",
    "GRANT SELECT ON users TO PUBLIC": "users: right to select",
    "GRANT TRUNCATE ON tasks TO todo_api": "tasks: right to truncate",
    "REVOKE DELETE ON tasks FROM todo_api": "tasks: right to delete",
    "REVOKE SELECT ON alembic_version FROM todo_api": "alembic_version: right to select",
    "REVOKE SELECT ON installation FROM todo_api": "installation: right to select",
    "GRANT UPDATE ON installation TO todo_api": "installation: right to update",
    "REVOKE EXECUTE ON FUNCTION search_tasks(text, integer) FROM todo_api": (
        "Function search_tasks"
    ),
    "ALTER FUNCTION purge_trash(integer, integer) SECURITY INVOKER": "Function purge_trash",
    "ALTER FUNCTION search_tasks(text, integer) RESET search_path": "Function search_tasks",
    "CREATE OR REPLACE FUNCTION note_new_task() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN RETURN NEW; END'": "Function note_new_task",
    "ALTER TABLE tasks DISABLE TRIGGER b_note_new_task": "tasks: trigger b_note_new_task",
    "DROP TRIGGER note_what_is_gone ON tasks": "tasks: trigger note_what_is_gone",
}
"""What may be lost, and which sentence names it."""


def run(database: Database, statements: str) -> None:
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute(statements)


async def objections_to(url: str) -> list[str]:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        return await objections(connection)


async def test_a_migrated_database_is_sound(migrated_database: Database) -> None:
    assert await objections_to(migrated_database.server_url) == []
    assert head() == REVISION, "EXPECTED must be what the newest migration makes"


async def test_a_schema_of_another_name_is_sound(fresh_database: Database) -> None:
    run(
        fresh_database,
        """
        CREATE SCHEMA "to do"; DROP SCHEMA public;
        DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = "to do"',
                                   current_database()); END $$
        """,
    )
    migrate_at(fresh_database.superuser_url, settings_for(None), check=False)
    assert await objections_to(fresh_database.server_url) == []


def test_every_table_of_the_models_is_looked_at() -> None:
    assert {*PROTECTED_TABLES, "installation"} == set(metadata.tables)
    assert set(PROTECTED_TABLES) == {table for table, thing in EXPECTED if thing == "row security"}


async def test_code_that_a_newer_database_does_not_serve_says_so(
    migrated_database: Database,
) -> None:
    run(migrated_database, "UPDATE alembic_version SET version_num = '9999'")
    assert await objections_to(migrated_database.server_url) == []
    run(migrated_database, "UPDATE installation SET serves = '9999'")
    assert await objections_to(migrated_database.server_url) == [NOT_SERVED]


@pytest.mark.parametrize(("statements", "name"), LOSSES.items())
async def test_each_loss_is_named(migrated_database: Database, statements: str, name: str) -> None:
    run(migrated_database, statements)
    sentence, *others, advice = await objections_to(migrated_database.server_url)
    assert sentence.startswith(f"{name} "), sentence
    assert not others
    assert advice == HOW_TO_MEND


async def test_the_server_refuses_to_start_where_policies_let_everything_through(
    migrated_database: Database,
) -> None:
    run(migrated_database, OPEN_POLICIES)
    url = migrated_database.server_url
    database = PipelinedDatabase(url, settings_for(url))
    try:
        with pytest.raises(UnsafeRole, match=r"tasks: policy tasks_owner is: .* using true"):
            await database.open()
    finally:
        await database.close()


def test_the_doctor_and_the_check_of_migrations_name_it(
    migrated_database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(migrated_database.server_url, data_dir=tmp_path)
    migrate_at(migrated_database.superuser_url, settings, check=True)
    assert capsys.readouterr().out == "The database is up to date.\n"
    assert examine(settings)
    run(migrated_database, OPEN_POLICIES)
    assert not examine(settings)
    assert "WRONG  tasks: policy tasks_owner is: " in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        migrate_at(migrated_database.superuser_url, settings, check=True)
    assert stopped.value.code == 1
    printed = capsys.readouterr().out
    assert printed.startswith("tasks: policy tasks_owner is: ")
    assert "up to date" not in printed


def test_the_doctor_says_that_the_role_has_no_rights(
    migrated_database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(migrated_database, "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM todo_api")
    assert not examine(settings_for(migrated_database.server_url, data_dir=tmp_path))
    printed = capsys.readouterr().out
    assert "WRONG  tasks: right to select is missing." in printed
    assert "WRONG  alembic_version: right to select is missing." in printed


async def test_rows_shown_to_nobody_are_noticed(
    migrated_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe holds where the comparison is blind."""
    run(migrated_database, "INSERT INTO users (id, name) VALUES ('ada', 'Ada')")
    run(
        migrated_database,
        "INSERT INTO tasks (user_id, title, version) VALUES ('ada', 'Milk', 1);" + OPEN_POLICIES,
    )
    monkeypatch.setattr("app.database.protection.compare", lambda *_: [])
    assert await objections_to(migrated_database.server_url) == [
        "tasks shows rows to an identity that nobody has: row security does not hold."
    ]


async def test_a_database_that_newer_code_has_migrated_is_probed_only(
    migrated_database: Database,
) -> None:
    run(
        migrated_database,
        "UPDATE alembic_version SET version_num = '9999'; DROP POLICY tasks_search ON tasks",
    )
    assert await objections_to(migrated_database.server_url) == []
    run(migrated_database, "ALTER TABLE tasks NO FORCE ROW LEVEL SECURITY")
    (sentence, _) = await objections_to(migrated_database.server_url)
    assert sentence == "tasks: row security is: enabled. It must be: enabled, forced."


async def test_a_policy_for_another_role_shows_no_more_to_this_one(
    migrated_database: Database,
) -> None:
    role = f"role_{uuid4().hex}"
    run(migrated_database, f"CREATE ROLE {role}")
    try:
        run(migrated_database, f"CREATE POLICY anothers ON tasks TO {role} USING (true)")
        assert await objections_to(migrated_database.server_url) == []
        run(migrated_database, f"GRANT {role} TO {SERVER_ROLE}")
        (sentence, _) = await objections_to(migrated_database.server_url)
        assert sentence.startswith("tasks: policy anothers must not be there.")
    finally:
        run(migrated_database, f"DROP POLICY anothers ON tasks; DROP ROLE {role}")


async def test_triggers_and_policies_of_others_that_change_nothing_may_stay(
    migrated_database: Database,
) -> None:
    run(
        migrated_database,
        """
        CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN RETURN NEW; END';
        CREATE TRIGGER theirs BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION note_change();
        CREATE POLICY theirs ON users USING (true);
        ALTER TABLE users FORCE ROW LEVEL SECURITY
        """,
    )
    assert await objections_to(migrated_database.server_url) == []
    with running_server(settings_for(migrated_database.server_url)) as server:
        assert server.user().create()["version"] == 1


async def test_tables_of_which_only_some_are_distributed_are_refused(
    migrated_database: Database,
) -> None:
    run(
        migrated_database,
        "CREATE TABLE pg_dist_partition (logicalrelid regclass);"
        "GRANT SELECT ON pg_dist_partition TO todo_api",
    )
    assert await objections_to(migrated_database.server_url) == []
    run(migrated_database, "INSERT INTO pg_dist_partition VALUES ('tasks')")
    (sentence,) = await objections_to(migrated_database.server_url)
    assert sentence.startswith("These tables are not distributed, though others are: action_steps")


async def test_a_database_without_tables_is_noticed(fresh_database: Database) -> None:
    assert await objections_to(fresh_database.superuser_url) == [NOT_MIGRATED]
