"""Database roles: what the server's may do, and which roles the server does not start as."""

from collections.abc import Callable, Iterator
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest
from psycopg import AsyncConnection, sql

from app.commands.migrate import migrate_at
from app.database.embedded import EmbeddedPostgres
from app.database.migration import ADVISORY_LOCK, upgrade, upgrade_sql
from app.database.pipelined import PipelinedDatabase
from app.database.roles import THOSE_WITH_RIGHTS, RoleFacts, ensure_server_role, inspect_role
from app.database.session import UnsafeRole
from app.database.timeouts import TIMEOUTS
from app.database.urls import SERVER_ROLE
from app.failure import MigrationFailed
from app.settings import Settings
from tests.api import running_server, settings_for
from tests.databases import Database, copy_of

MakeRole = Callable[[str], str]


@pytest.fixture
def make_role(migrated_database: Database) -> Iterator[MakeRole]:
    """Make login roles, each with the rest of a CREATE ROLE statement."""
    made: list[str] = []

    def make(attributes: str = "") -> str:
        made.append(f"role_{uuid4().hex}")
        with psycopg.connect(migrated_database.superuser_url) as connection:
            connection.execute(f"CREATE ROLE {made[-1]} LOGIN {attributes}")
        return made[-1]

    yield make
    with psycopg.connect(migrated_database.superuser_url) as connection:
        for role in made:
            connection.execute(f"REASSIGN OWNED BY {role} TO postgres")
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")


async def facts_of(url: str) -> RoleFacts:
    async with await AsyncConnection.connect(url) as connection:
        return await inspect_role(connection)


async def test_the_servers_role_is_bound(migrated_database: Database) -> None:
    assert (await facts_of(migrated_database.server_url)).objections() == []


async def test_a_member_of_the_servers_role_is_bound(
    migrated_database: Database, make_role: MakeRole
) -> None:
    role = make_role(f"IN ROLE {SERVER_ROLE}")
    assert (await facts_of(migrated_database.url_of(role))).objections() == []
    with running_server(settings_for(migrated_database.url_of(role))) as server:
        assert server.user().create()["version"] == 1


@pytest.mark.parametrize(
    ("attributes", "then", "reason"),
    [
        ("SUPERUSER", "", "is a superuser"),
        (f"BYPASSRLS IN ROLE {SERVER_ROLE}", "", "has BYPASSRLS"),
        (f"IN ROLE {SERVER_ROLE}", "ALTER TABLE tasks OWNER TO {}", "owns tasks"),
        (f"IN ROLE {SERVER_ROLE}", "ALTER TABLE users OWNER TO {}", "owns users"),
        (
            f"IN ROLE {SERVER_ROLE}",
            "ALTER FUNCTION search_tasks(text, integer) OWNER TO {}",
            "owns search_tasks",
        ),
        ("", "", f"is no member of {SERVER_ROLE}"),
    ],
)
async def test_a_role_that_is_not_bound_is_refused(
    migrated_database: Database, make_role: MakeRole, attributes: str, then: str, reason: str
) -> None:
    role = make_role(attributes)
    if then:
        with psycopg.connect(migrated_database.superuser_url) as connection:
            connection.execute(then.format(role))
    url = migrated_database.url_of(role)
    (objection,) = (await facts_of(url)).objections()
    assert objection.startswith(f"The database role {role} {reason}, so row security would not")
    database = PipelinedDatabase(url, settings_for(url))
    try:
        with pytest.raises(UnsafeRole, match=reason):
            await database.open()
    finally:
        await database.close()


async def test_a_member_of_the_owner_is_not_bound(
    migrated_database: Database, make_role: MakeRole
) -> None:
    owner = make_role("")
    with psycopg.connect(migrated_database.superuser_url) as connection:
        connection.execute(f"ALTER TABLE tasks OWNER TO {owner}")
    role = make_role(f"IN ROLE {SERVER_ROLE}, {owner}")
    (objection,) = (await facts_of(migrated_database.url_of(role))).objections()
    assert "owns tasks" in objection


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO tasks (user_id, title, version) VALUES ('bob', 'x', 1)",
        "UPDATE tasks SET user_id = 'bob'",
        "UPDATE task_counters SET user_id = 'bob'",
        "UPDATE task_counters SET purged_version = 0",
        "INSERT INTO task_counters (user_id, version, purged_version) VALUES ('ada', 1, 1)",
        "SELECT note_what_is_gone()",
        "UPDATE tasks SET id = 7",
        "UPDATE tasks SET user_id = 'ada'",
        "INSERT INTO task_counters VALUES ('bob', 1)",
        "INSERT INTO users (id, name, email_verified) VALUES ('eve', 'Eve', false)",
        "UPDATE users SET name = 'x'",
        "DELETE FROM users",
        "DELETE FROM task_counters",
        "TRUNCATE tasks",
        "SELECT image FROM users",
        "ALTER TABLE tasks DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tasks_owner ON tasks",
        "CREATE TABLE mine (x int)",
        "SET ROLE postgres",
        "SET row_security = off; SELECT * FROM tasks",
    ],
)
def test_the_servers_role_may_do_no_more_than_it_needs(
    migrated_database: Database, statement: str
) -> None:
    with psycopg.connect(migrated_database.superuser_url) as connection:
        connection.execute("INSERT INTO users (id, name) VALUES ('ada', 'Ada'), ('bob', 'Bob')")
        connection.execute("INSERT INTO tasks (user_id, title, version) VALUES ('ada', 'x', 1)")
    with psycopg.connect(migrated_database.server_url) as connection:
        connection.execute("SELECT set_config('app.user_id', 'ada', true)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_a_session_that_forgets_its_owner_sees_nothing(migrated_database: Database) -> None:
    with psycopg.connect(migrated_database.superuser_url) as connection:
        connection.execute("INSERT INTO users (id, name) VALUES ('ada', 'Ada')")
        connection.execute("INSERT INTO tasks (user_id, title) VALUES ('ada', 'x')")
        with pytest.raises(psycopg.errors.CheckViolation), connection.transaction():
            # What a setting is that was set in an earlier transaction, and is no longer.
            connection.execute("INSERT INTO users (id, name) VALUES ('', 'Nobody')")
    tables = ("tasks", "users")
    with psycopg.connect(migrated_database.server_url, autocommit=True) as connection:
        for _ in range(2):
            with connection.transaction():
                connection.execute("SELECT set_config('app.user_id', 'ada', true)")
                for table in tables:
                    assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,)
            # The setting is '' now, where it was NULL in the new session; neither is an owner.
            for table in tables:
                assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_the_url_that_is_printed_has_no_password(migrated_database: Database) -> None:
    migration = migrated_database.superuser_url
    assert ensure_server_role(migration, None) == migrated_database.server_url
    assert ensure_server_role(migration, migration) == migrated_database.server_url


def test_a_role_gets_the_password_of_its_url_as_a_verifier(
    migrated_database: Database, make_role: MakeRole
) -> None:
    role = f"role_{uuid4().hex}"
    url = migrated_database.url_of(f"{role}:hunter2hunter2")
    printed = ensure_server_role(migrated_database.superuser_url, url)
    assert printed == migrated_database.url_of(role)
    with psycopg.connect(migrated_database.superuser_url, autocommit=True) as connection:
        stored = connection.execute(
            "SELECT rolpassword, pg_has_role(rolname, %s, 'USAGE') FROM pg_authid "
            "WHERE rolname = %s",
            [SERVER_ROLE, role],
        ).fetchone()
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    assert stored is not None
    assert stored[0].startswith("SCRAM-SHA-256$")
    assert stored[1] is True


def test_another_login_gets_the_password_and_the_timeouts(migrated_database: Database) -> None:
    login, owner = f"login {uuid4().hex}", migrated_database.superuser_url
    given = settings_for(migrated_database.url_of(f"{SERVER_ROLE}:another"))
    stored = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
    with psycopg.connect(owner, autocommit=True) as connection:
        before = connection.execute(stored, [SERVER_ROLE]).fetchone()
        try:
            passwords = []
            for _ in range(2):
                migrate_at(owner, given, check=False, login=login)
                passwords += connection.execute(stored, [login]).fetchall()
            url = migrated_database.url_of(quote(login))
            with psycopg.connect(url) as session:
                same = "SELECT current_setting(%s)::interval = %s::interval"
                shown = [session.execute(same, each).fetchone() for each in TIMEOUTS.items()]
                assert shown == [(True,), (True,)]
            with running_server(settings_for(url)) as server:
                assert server.user().create()["version"] == 1
        finally:
            connection.execute(f'DROP ROLE "{login}"')
        assert connection.execute(stored, [SERVER_ROLE]).fetchone() == before
    (first,), (second,) = passwords
    # Each has a salt of its own.
    assert first.startswith("SCRAM-SHA-256$")
    assert first != second


@pytest.mark.parametrize(
    ("user", "login"),
    [
        (SERVER_ROLE, "without_password"),
        (f"{SERVER_ROLE}:hunter2", SERVER_ROLE),
        (f"{SERVER_ROLE}:hunter2", "postgres"),
        ("postgres:hunter2", "the_owners_password"),
    ],
)
def test_what_cannot_be_another_login_is_refused(
    migrated_database: Database, user: str, login: str
) -> None:
    given = settings_for(migrated_database.url_of(user))
    with pytest.raises(MigrationFailed, match="there is no new login"):
        migrate_at(migrated_database.superuser_url, given, check=False, login=login)


def test_a_role_that_somebody_else_made_keeps_its_password(
    migrated_database: Database, make_role: MakeRole
) -> None:
    role = make_role("PASSWORD 'its own'")
    query = f"SELECT rolpassword FROM pg_authid WHERE rolname = '{role}'"
    with psycopg.connect(migrated_database.superuser_url, autocommit=True) as connection:
        before = connection.execute(query).fetchone()
        url = migrated_database.url_of(f"{role}:another")
        ensure_server_role(migrated_database.superuser_url, url)
        assert connection.execute(query).fetchone() == before


def test_a_role_of_another_database_keeps_its_password(
    migrated_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server of tests trusts whoever comes, so that it lets the wrong password in, too."""
    query = f"SELECT rolpassword FROM pg_authid WHERE rolname = '{SERVER_ROLE}'"
    url = migrated_database.url_of(f"{SERVER_ROLE}:anothers")
    with psycopg.connect(migrated_database.superuser_url, autocommit=True) as connection:
        before = connection.execute(query).fetchone()
        printed = ensure_server_role(migrated_database.superuser_url, url)
        assert printed == migrated_database.server_url
        monkeypatch.setattr("app.database.roles._lets_in", lambda _: False)
        with pytest.raises(
            MigrationFailed, match=r"has rights in other databases \(\w+.*\), so its"
        ):
            ensure_server_role(migrated_database.superuser_url, url)
        assert connection.execute(query).fetchone() == before


def environment(database: Database, role: str) -> Settings:
    """Migrate a database to a role of its own; return the settings of a server on it."""
    settings = settings_for(database.url_of(role), database_role=role)
    migrate_at(database.superuser_url, settings, check=False)
    return settings


def connects(database: Database, role: str) -> bool:
    try:
        psycopg.connect(database.url_of(role)).close()
    except psycopg.OperationalError as error:
        return "permission denied for database" not in str(error)
    return True


@pytest.mark.parametrize("before", [True, False], ids=["migrated before", "new"])
def test_two_environments_in_one_cluster_know_nothing_of_each_other(
    migrated_database: Database,
    fresh_database: Database,
    postgres: EmbeddedPostgres,
    template: str,
    capsys: pytest.CaptureFixture[str],
    *,
    before: bool,
) -> None:
    role = f"todo_{uuid4().hex}"
    staging = copy_of(postgres, template) if before else fresh_database
    settings = environment(staging, role)
    assert "roles may connect to the database" in capsys.readouterr().out
    with running_server(settings) as server:
        assert server.user("ada").create()["version"] == 1
    with running_server(settings_for(migrated_database.server_url)) as server:
        assert server.user("ada").titles() == []
    assert not connects(staging, SERVER_ROLE)
    with (
        psycopg.connect(migrated_database.url_of(role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("SELECT FROM users")
    with psycopg.connect(staging.superuser_url) as connection:
        names = connection.execute(THOSE_WITH_RIGHTS).fetchall()
        assert [name for name, _ in names] == [role]
    migrate_at(staging.superuser_url, settings, check=False)
    told = capsys.readouterr().out
    assert told.startswith("The database is up to date.")
    migrate_at(staging.superuser_url, settings, check=True)
    with pytest.raises(SystemExit):
        migrate_at(staging.superuser_url, settings_for(staging.server_url), check=True)


def test_no_environment_waits_for_the_migration_of_another(
    migrated_database: Database, fresh_database: Database
) -> None:
    with psycopg.connect(migrated_database.superuser_url) as another:
        another.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        another.execute("LOCK TABLE tasks, users")
        upgrade(fresh_database.superuser_url, wait_for_table=0.5, attempts=1)


def test_a_role_that_is_another_environments_too_is_refused(
    migrated_database: Database, fresh_database: Database, make_role: MakeRole
) -> None:
    login, role = make_role(f"IN ROLE {SERVER_ROLE}"), f"todo_{uuid4().hex}"
    settings = settings_for(fresh_database.url_of(login), database_role=role)
    with pytest.raises(MigrationFailed, match=f'run "REVOKE {SERVER_ROLE} FROM {login}"'):
        migrate_at(fresh_database.superuser_url, settings, check=False)


def test_all_may_connect_where_that_is_kept(migrated_database: Database) -> None:
    role = f"todo_{uuid4().hex}"
    settings = settings_for(migrated_database.url_of(role), database_role=role)
    migrate_at(migrated_database.superuser_url, settings, check=False, keep_public_connect=True)
    assert connects(migrated_database, SERVER_ROLE)


def test_the_printed_sql_has_the_name_of_the_role() -> None:
    assert "GRANT SELECT ON alembic_version TO todo_staging" in upgrade_sql("todo_staging")
    assert SERVER_ROLE not in upgrade_sql("todo_staging")


def test_what_the_migrating_role_may_not_do_is_said(
    migrated_database: Database, make_role: MakeRole
) -> None:
    weak = migrated_database.url_of(make_role(""))
    with pytest.raises(MigrationFailed, match="the role new_server could not be made ready"):
        ensure_server_role(weak, migrated_database.url_of("new_server"))
