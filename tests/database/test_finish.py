"""The last steps of a migration: they wait until no older code runs, and newer code goes on."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import AsyncConnection

from app.commands.doctor import examine
from app.commands.migrate import finish_at, migrate_at
from app.database import expected, migration, protection
from app.database import steps as steps_module
from app.database.expected import EXPECTED, FINISHED, NEWEST, REVISION
from app.database.installation import begin_after_restore, check_sequence
from app.database.instances import Connected, application_name, older_than, version_of
from app.database.mending import mend
from app.database.migration import downgrade, finish, pending, to_finish, upgrade
from app.database.protection import NOT_SERVED, objections
from app.database.steps import Kind, head, steps
from app.failure import MigrationFailed
from models.metadata import metadata
from tests.api import running_server, settings_for
from tests.database.test_migrations import rows, run, shape
from tests.databases import Database

OF_0_2_0 = ("todo-api", "todo-api live")
OF_0_3_0 = "todo-api/0.3.0"

LAST = "9001"
MORE = "9002"

LAST_STEP = '''"""What older code alone needs goes"""

from alembic import op

revision = "9001"
down_revision = "BEFORE"
branch_labels = None
depends_on = None

kind = "after"
serves = "0.3.0"
locks = {"tasks": "ACCESS EXCLUSIVE"}
rewrites = {}


def upgrade() -> None:
    op.execute("REVOKE INSERT (position) ON tasks FROM todo_api")
    op.execute("UPDATE installation SET serves = '0011'")


def downgrade() -> None:
    op.execute("GRANT INSERT (position) ON tasks TO todo_api")
    op.execute("UPDATE installation SET serves = '0006'")
'''

ANOTHER_STEP = '''"""Something that the release after adds"""

from alembic import op

revision = "9002"
down_revision = "9001"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.3.0"
locks = {"tasks": "ACCESS EXCLUSIVE"}
rewrites = {"tasks": "rewritten under its lock"}


def upgrade() -> None:
    op.execute("ALTER TABLE tasks ADD COLUMN effort integer")
'''


@pytest.fixture
def more_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Mapping[str, str]], None]]:
    """Add steps to those of the code, by the names of their files."""

    def add(added: Mapping[str, str]) -> None:
        folder = tmp_path / "migrations"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(steps_module.FOLDER, folder, ignore=ignored)
        for name, text in added.items():
            (folder / "versions" / name).write_text(text.replace("BEFORE", REVISION))
        monkeypatch.setattr(steps_module, "FOLDER", folder)
        steps.cache_clear()
        head.cache_clear()

    yield add
    steps.cache_clear()
    head.cache_clear()


@pytest.fixture
def last_step(
    more_steps: Callable[[Mapping[str, str]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code of a release that has a last step."""
    right = ("tasks", "right to insert")
    without = EXPECTED[right].replace("position, ", "")
    monkeypatch.setattr(expected, "FINISHED", {LAST: {right: without}})
    monkeypatch.setattr(protection, "NEWEST", LAST)
    more_steps({"9001_last.py": LAST_STEP})


def connected(database: Database, name: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(database.server_url, application_name=name)


async def objections_at(url: str) -> list[str]:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        return await objections(connection)


def test_every_step_says_what_it_is() -> None:
    assert all(version_of(step.serves) <= version_of("0.3.0") for step in steps())
    last = [step.revision for step in steps() if step.kind is Kind.AFTER and step.revision > head()]
    assert last == list(FINISHED)
    assert (head(), NEWEST) == (REVISION, steps()[-1].revision)
    for step in steps():
        assert set(step.rewrites) <= set(step.locks) <= set(metadata.tables), step


def test_a_connection_tells_the_version_of_its_code() -> None:
    versions = {name: Connected(name, 1).version for name in (*OF_0_2_0, OF_0_3_0, "psql", "")}
    assert list(versions.values()) == ["0.2.0", "0.2.0", "0.3.0", None, None]
    assert Connected(f"{OF_0_3_0} live", 1).version == "0.3.0"
    assert Connected(application_name("live"), 1).version is not None
    assert version_of("0.10.0") > version_of("0.9.1")


@pytest.mark.usefixtures("last_step")
@pytest.mark.parametrize("name", OF_0_2_0)
def test_nothing_is_finished_while_older_code_is_connected(
    migrated_database: Database, name: str
) -> None:
    url = migrated_database.superuser_url
    with (
        connected(migrated_database, name),
        pytest.raises(MigrationFailed, match=rf"1 of 0\.2\.0 or older .*'{name}'.* Replace those"),
    ):
        # What a pooler hides is one thing, what is seen another.
        finish(url, trust_unknown=True)
    assert [step.revision for step in to_finish(url)] == [LAST]
    with connected(migrated_database, OF_0_3_0), psycopg.connect(url, application_name="psql"):
        assert finish(url)
    assert to_finish(url) == finish(url) == []


@pytest.mark.usefixtures("last_step")
def test_older_code_of_another_environment_may_go_on(
    migrated_database: Database, database: Database
) -> None:
    with connected(database, "todo-api"):
        assert finish(migrated_database.superuser_url)


@pytest.mark.usefixtures("last_step")
def test_what_a_pooler_hides_has_to_be_vouched_for(
    migrated_database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    url, settings = migrated_database.superuser_url, settings_for(migrated_database.server_url)
    with connected(migrated_database, "Supavisor"):
        with pytest.raises(MigrationFailed, match=r"1 of code whose version is not told .*'Supa"):
            finish_at(url, settings, trust_unknown=False)
        finish_at(url, settings, trust_unknown=True)
    assert capsys.readouterr().out.startswith("Applied: 9001: What older code alone needs goes")
    finish_at(url, settings, trust_unknown=False)
    assert capsys.readouterr().out == "Nothing is to be finished.\n"


@pytest.mark.usefixtures("last_step")
def test_an_owner_that_is_no_superuser_sees_older_code(migrated_database: Database) -> None:
    role = f"owner_{uuid4().hex}"
    run(
        migrated_database.superuser_url,
        f"CREATE ROLE {role} LOGIN; GRANT SELECT ON alembic_version TO {role}",
    )
    try:
        with (
            connected(migrated_database, "todo-api"),
            pytest.raises(MigrationFailed, match="1 of 0"),
        ):
            finish(migrated_database.url_of(role))
    finally:
        run(migrated_database.superuser_url, f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.usefixtures("last_step")
def test_what_is_to_be_finished_is_told_and_is_no_fault(
    migrated_database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = migrated_database.superuser_url
    settings = settings_for(migrated_database.server_url, data_dir=tmp_path)
    told = "9001 waits for `todo-api migrate --finish`, once no code older than 0.3.0 runs."
    for check in (False, True):
        migrate_at(url, settings, check=check)
        assert told in capsys.readouterr().out
    assert examine(settings)
    assert f"ok     Its migrations are current. {told}" in capsys.readouterr().out


@pytest.mark.usefixtures("last_step")
def test_a_role_that_is_not_there_is_told_in_a_sentence(migrated_database: Database) -> None:
    with pytest.raises(MigrationFailed, match=r'nothing was changed: role "todo_a" does not'):
        finish(migrated_database.superuser_url, role="todo_a")
    assert to_finish(migrated_database.superuser_url)


@pytest.mark.usefixtures("last_step")
def test_a_database_that_is_not_up_to_date_is_not_finished(fresh_database: Database) -> None:
    with pytest.raises(MigrationFailed, match="run `todo-api migrate`, replace the servers, then"):
        finish(fresh_database.superuser_url)


@pytest.mark.usefixtures("last_step")
async def test_a_finished_database_is_sound_and_is_mended_as_such(
    migrated_database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    url, server_url = migrated_database.superuser_url, migrated_database.server_url
    finish(url)
    assert await objections_at(server_url) == []
    mend(url)
    assert mend(url).done == []
    run(url, "GRANT INSERT (position) ON tasks TO todo_api; DROP POLICY tasks_owner ON tasks")
    assert len(await objections_at(server_url)) == 3
    assert (len(mend(url).done), mend(url).left) == (2, [])
    assert await objections_at(server_url) == []
    migrate_at(url, settings_for(server_url), check=True)
    assert capsys.readouterr().out == "The database is up to date.\n"


async def test_code_that_is_no_longer_served_is_refused(
    migrated_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protection, "REVISION", "0010")
    monkeypatch.setattr(protection, "NEWEST", "0010")
    assert await objections_at(migrated_database.server_url) == [NOT_SERVED]


@pytest.mark.usefixtures("last_step")
def test_servers_go_on_while_it_is_finished(migrated_database: Database) -> None:
    """One that has prepared its statements, and whose connections are open."""
    with running_server(settings_for(migrated_database.server_url)) as server:
        user = server.user()

        def use() -> int:
            home = user.create_list("Home")
            task = user.create("Łódź", labels=["Work"], listId=home["id"])
            below = user.create("below", parentId=task["id"])
            many = user.create_many({"title": "a", "dueOn": "2028-02-29"}, {"title": "b"})
            assert user.titles(filter={"search": "lodz"})[-1] == "Łódź"
            assert user.update(id=task["id"], title="Other")["title"] == "Other"
            assert user.toggle(id=task["id"])["completed"]
            assert user.get(below["id"])["completed"]
            ids = [each["id"] for each in many["tasks"]]
            user.update_many(ids=ids, priority="HIGH")
            user.rename_label(**{"from": "Work", "to": "Play"})
            user.move(id=ids[0], place={"first": True})
            user.delete_many(ids=ids)
            user.restore(id=ids[0])
            user.purge(ids=ids[1:])
            user.delete_list(id=home["id"])
            user.restore_list(id=home["id"])
            return len(user.page(first=100)["nodes"])

        before = use()
        # The server's code is newer than that of 0.2.0, whatever it calls itself.
        upgrade(migrated_database.superuser_url, revision="head")
        assert use() == 2 * before
        assert server.user().create()["version"] == 1


def test_ids_come_from_no_sequence(migrated_database: Database) -> None:
    url = migrated_database.superuser_url
    run(url, "INSERT INTO users (id, name) VALUES ('ada', 'Ada')")
    run(url, "INSERT INTO tasks (user_id, title) VALUES ('ada', 'x')")
    assert rows(url, "SELECT id > 3308963600793600, version FROM tasks") == [(True, 1)]
    assert not check_sequence(url).is_behind
    assert begin_after_restore(url) is None


def test_down_and_up_again_loses_nothing_old_code_needs(fresh_database: Database) -> None:
    url = fresh_database.superuser_url
    upgrade(url, revision="0013")
    run(url, "INSERT INTO users (id, name) VALUES ('ada', 'Ada')")
    run(url, "INSERT INTO tasks (user_id, title) VALUES ('ada', 'Łódź'), ('ada', 'B')")
    read = "SELECT id, title::text, title_key, version, updated_at FROM tasks ORDER BY id"
    before, made = shape(url), rows(url, read)
    upgrade(url)
    assert shape(url) != before
    downgrade(url, "0013")
    assert (shape(url), rows(url, read)) == (before, made)
    run(url, "INSERT INTO tasks (user_id, title) VALUES ('ada', 'C')")
    assert rows(url, "SELECT title_key FROM tasks ORDER BY id DESC LIMIT 1") == [("c",)]


def test_the_release_after_finishes_what_was_left(
    fresh_database: Database, more_steps: Callable[[Mapping[str, str]], None]
) -> None:
    more_steps({"9001_last.py": LAST_STEP, "9002_more.py": ANOTHER_STEP})
    url = fresh_database.superuser_url
    upgrade(url, revision=REVISION)
    assert [step.revision for step in pending(url)] == [LAST, MORE]
    with connected(fresh_database, "todo-api"), pytest.raises(MigrationFailed, match="Replace"):
        upgrade(url)
    assert rows(url, "SELECT version_num FROM alembic_version") == [(REVISION,)]
    upgrade(url)
    assert rows(url, "SELECT version_num FROM alembic_version") == [(MORE,)]
    assert pending(url) == to_finish(url) == []


def test_a_new_database_is_migrated_before_there_is_a_role(
    fresh_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older code is looked for by the server's role, which a new installation does not have."""

    def look(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(migration, "older_than", look)
    upgrade(fresh_database.superuser_url)


def test_older_code_is_looked_for_where_the_role_is_missing(migrated_database: Database) -> None:
    with psycopg.connect(migrated_database.superuser_url) as connection:
        assert older_than(connection, "0.3.0", f"role_{uuid4().hex}") == []
