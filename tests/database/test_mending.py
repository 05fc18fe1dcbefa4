"""What `todo-api migrate` mends: all that keeps users apart, and that a restore may lose."""

import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import AsyncConnection

from app.commands.doctor import examine
from app.commands.migrate import migrate_at
from app.database.embedded import embedded_postgres
from app.database.expected import EXPECTED, Key
from app.database.mending import HOW_TO_END, mend
from app.database.protection import objections
from app.database.timeouts import TIMEOUTS
from app.database.urls import SERVER_ROLE, for_role
from app.failure import MigrationFailed
from tests.api import running_server, settings_for
from tests.database.test_protection import LOSSES
from tests.databases import Database

OTHERS = {
    "CREATE POLICY everybody ON tasks USING (true)": "DROP POLICY everybody ON tasks",
    "CREATE POLICY nothing ON tasks AS RESTRICTIVE USING (false)": "DROP POLICY nothing ON tasks",
    "CREATE POLICY nothing ON users AS RESTRICTIVE USING (false)": "DROP POLICY nothing ON users",
    "CREATE POLICY own ON task_counters TO todo_api USING (true)": (
        "DROP POLICY own ON task_counters"
    ),
    "GRANT SELECT ON users TO PUBLIC": "REVOKE SELECT ON users FROM PUBLIC",
    "CREATE OR REPLACE FUNCTION note_new_task() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN RETURN NEW; END'": "",
}
"""What others may add, and how they take it away; a function's text cannot be taken away."""

MORE_LOSSES = (
    "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM todo_api",
    "REVOKE USAGE ON SCHEMA public FROM todo_api, PUBLIC",
    "REVOKE EXECUTE ON FUNCTION words_of(text, text) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION note_what_is_gone() TO PUBLIC",
    "ALTER FUNCTION search_tasks(text, integer) RESET ALL",
    "GRANT UPDATE, REFERENCES ON users TO todo_api",
)


def run(url: str, statements: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statements)


async def objections_at(url: str) -> list[str]:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        return await objections(connection)


@pytest.fixture
def mended_database(migrated_database: Database) -> Database:
    """A migrated database in which nothing is to be mended: a copy has lost its settings."""
    mend(migrated_database.superuser_url)
    return migrated_database


def loss_of(key: Key) -> str:
    """Return the statement that loses one thing."""
    table, thing = key
    kind, _, name = thing.partition(" ")
    if thing == "right to use the schema":
        return f"REVOKE USAGE ON SCHEMA public FROM PUBLIC, {SERVER_ROLE}"
    if kind == "right":
        return f"REVOKE {name.removeprefix('to ')} ON {table} FROM {SERVER_ROLE}"
    if kind == "function":
        if "callable" in EXPECTED[key]:
            return f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC, {SERVER_ROLE}"
        return f"GRANT EXECUTE ON FUNCTION {name} TO PUBLIC"
    if kind in ("policy", "trigger"):
        return f"DROP {thing} ON {table}"
    what = "NO FORCE" if "forced" in EXPECTED[key] else "DISABLE"
    return f"ALTER TABLE {table} {what} ROW LEVEL SECURITY"


async def everybody_sees_their_own(database: Database) -> None:
    assert await objections_at(database.server_url) == []
    with running_server(settings_for(database.server_url)) as server:
        ada, bob = server.user(), server.user()
        for user in (ada, bob):
            task = user.create(f"of {user.user_id}")
            assert user.delete(id=user.create("deleted")["id"])["__typename"] == "DeleteTaskSuccess"
            assert user.titles() == [task["title"]]
            assert user.titles(filter={"search": str(user.user_id)}) == [task["title"]]
        assert bob.get(ada.page()["nodes"][0]["id"]) is None


async def test_each_thing_that_was_lost_is_mended_and_told_once(mended_database: Database) -> None:
    url, server_url = mended_database.superuser_url, mended_database.server_url
    lost = [statement for statement in (*LOSSES, *MORE_LOSSES) if statement not in OTHERS]
    assert len(lost) > 25
    for statement in lost:
        run(url, statement)
        assert await objections_at(server_url) != [], statement
        mended = mend(url)
        assert mended.left == [], statement
        assert all(sentence.startswith("Mended: ") for sentence in mended.done)
        if name := LOSSES.get(statement):
            (sentence,) = mended.done
            assert sentence.startswith(f"Mended: {name}, which was"), statement
        assert await objections_at(server_url) == [], statement
        assert mend(url).done == []
    await everybody_sees_their_own(mended_database)


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_lost_at_once_is_mended(mended_database: Database, seed: int) -> None:
    url, chance = mended_database.superuser_url, random.Random(seed)
    keys = list(EXPECTED) if seed == 0 else chance.sample(list(EXPECTED), 1 + 3 * seed)
    run(url, ";".join(map(loss_of, keys)))
    mended = mend(url)
    assert (len(mended.done), mended.left) == (len(keys), [])
    assert (mend(url).done, mend(url).left) == ([], [])
    await everybody_sees_their_own(mended_database)


@pytest.mark.parametrize("seed", range(2))
async def test_the_command_mends_sixteen_losses_and_then_is_quiet(
    mended_database: Database, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    """Among them the role itself."""
    url, role = mended_database.superuser_url, f"todo_{uuid4().hex}"
    settings = settings_for(mended_database.url_of(role), database_role=role)
    migrate_at(url, settings, check=False)
    run(
        url,
        "INSERT INTO users (id, name) VALUES ('ada', 'Ada');"
        "INSERT INTO tasks (user_id, id, title, version) VALUES ('ada', 70, 'x', 1)",
    )
    lost = [loss_of(key) for key in random.Random(seed).sample(list(EXPECTED), 15)]
    lost.append(f"DROP OWNED BY {SERVER_ROLE}; DROP ROLE {SERVER_ROLE}")
    run(url, for_role(";".join(lost), role))
    capsys.readouterr()
    migrate_at(url, settings, check=False)
    told = capsys.readouterr().out
    assert f"Mended: the role {role}, which was missing." in told
    async with await AsyncConnection.connect(mended_database.url_of(role)) as connection:
        assert await objections(connection, role) == []
    migrate_at(url, settings, check=False)
    assert capsys.readouterr().out.startswith("The database is up to date.")
    migrate_at(url, settings, check=True)


@pytest.mark.parametrize("statement", OTHERS)
def test_what_others_have_added_is_named_and_left(
    mended_database: Database, capsys: pytest.CaptureFixture[str], statement: str
) -> None:
    url, settings = mended_database.superuser_url, settings_for(mended_database.server_url)
    run(url, f"{statement}; DROP POLICY tasks_owner ON tasks")
    with pytest.raises(SystemExit) as stopped:
        migrate_at(url, settings, check=False)
    assert stopped.value.code == 1
    mended, left, advice = capsys.readouterr().out.splitlines()
    assert mended == "Mended: tasks: policy tasks_owner, which was missing."
    assert left.startswith(LOSSES[statement])
    assert advice == HOW_TO_END
    if OTHERS[statement]:
        run(url, OTHERS[statement])
        migrate_at(url, settings, check=False)
        assert capsys.readouterr().out.startswith("The database is up to date.")


async def test_no_table_is_locked_where_nothing_is_to_be_mended(mended_database: Database) -> None:
    url = mended_database.superuser_url
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE users, tasks IN ROW EXCLUSIVE MODE")
        assert mend(url, wait_for_table=0.05, attempts=1).done == []
    run(url, "DROP POLICY tasks_owner ON tasks")
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE tasks IN ACCESS SHARE MODE")
        with pytest.raises(MigrationFailed, match="stayed in use too long, and no right was"):
            mend(url, wait_for_table=0.05, attempts=2)
    assert len(mend(url).done) == 1


def test_whoever_comes_while_a_table_is_waited_for_is_let_pass(mended_database: Database) -> None:
    url = mended_database.superuser_url
    run(url, "DROP POLICY tasks_owner ON tasks")
    waits = "SELECT FROM pg_locks WHERE relation = 'tasks'::regclass AND NOT granted"
    with (
        ThreadPoolExecutor() as pool,
        psycopg.connect(url) as reader,
        psycopg.connect(url, autocommit=True, options="-c lock_timeout=4s") as other,
    ):
        reader.execute("LOCK TABLE tasks IN ACCESS SHARE MODE")
        mending = pool.submit(mend, url)
        while not other.execute(waits).rowcount:
            assert not mending.done()
        other.execute("SELECT FROM tasks")
        assert not mending.done()
        reader.commit()
        assert len(mending.result().done) == 1


def test_what_cannot_be_mended_is_told_with_the_reason(mended_database: Database) -> None:
    url = mended_database.superuser_url
    run(url, "DROP FUNCTION note_changed_task() CASCADE; DROP POLICY tasks_owner ON tasks")
    mended = mend(url)
    assert mended.done == ["Mended: tasks: policy tasks_owner, which was missing."]
    trigger, function, reason, advice = mended.left
    assert trigger.startswith("tasks: trigger b_note_changed_task is missing.")
    assert function.startswith("Function note_changed_task is missing.")
    assert reason == (
        "tasks: trigger b_note_changed_task: function note_changed_task() does not exist."
    )
    assert advice == HOW_TO_END


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (MORE_LOSSES[0], "WRONG  alembic_version: right to select is missing."),
        (MORE_LOSSES[1], "WRONG  The database is not migrated, or the role lacks the right"),
        ("DROP POLICY tasks_owner ON tasks", "WRONG  tasks: policy tasks_owner is missing."),
        (
            "ALTER TABLE alembic_version RENAME version_num TO number",
            "WRONG  The database could not be examined: column",
        ),
        (
            "DROP TABLE tasks CASCADE",
            "WRONG  The database is not migrated, or the role lacks the right",
        ),
    ],
)
def test_the_doctor_names_each_loss_in_a_sentence(
    migrated_database: Database,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    statement: str,
    sentence: str,
) -> None:
    run(migrated_database.superuser_url, statement)
    assert not examine(settings_for(migrated_database.server_url, data_dir=tmp_path))
    assert sentence in capsys.readouterr().out


def test_timeouts_that_somebody_has_set_stay(migrated_database: Database) -> None:
    url, role = migrated_database.superuser_url, f"ROLE {SERVER_ROLE}"
    run(url, f"ALTER {role} IN DATABASE {migrated_database.name} SET statement_timeout = '5s'")
    (told,) = mend(url).done
    assert "idle_in_transaction_session_timeout" in told
    with psycopg.connect(migrated_database.server_url) as connection:
        for name, value in {**TIMEOUTS, "statement_timeout": "5s"}.items():
            shown = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
            assert shown is not None
            assert {"1min": "60s"}.get(shown[0], shown[0]) == value


def test_a_restore_into_a_server_without_the_role_is_mended(
    mended_database: Database, data_folder: Path, tmp_path: Path
) -> None:
    with running_server(settings_for(mended_database.server_url)) as server:
        ada = server.user("ada")
        ada.create("kept")
    with psycopg.connect(mended_database.superuser_url) as connection:
        found = connection.execute("SELECT setting FROM pg_config() WHERE name = 'BINDIR'")
        programs, dump = Path(str((found.fetchone() or [""])[0])), tmp_path / "dump"
    subprocess.run(
        [programs / "pg_dump", "-Fc", "-f", dump, mended_database.superuser_url], check=True
    )
    with embedded_postgres(data_folder) as empty:
        empty.create_database("restored")
        restored = Database(empty, "restored")
        done = subprocess.run(
            [programs / "pg_restore", "-d", restored.superuser_url, dump],
            capture_output=True,
            text=True,
            check=False,
        )
        assert 'role "todo_api" does not exist' in done.stderr
        mended = mend(restored.superuser_url)
        assert mended.done[0] == "Mended: the role todo_api, which was missing."
        assert len(mended.done) >= 20
        assert mended.left == []
        assert mend(restored.superuser_url).done == []
        with running_server(settings_for(restored.server_url)) as server:
            assert server.user("ada").titles() == ["kept"]
            assert server.user("bob").titles() == []
