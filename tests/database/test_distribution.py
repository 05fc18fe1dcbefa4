"""`todo-api distribute` spreads all rows over a cluster and brings them back, and changes none."""

from collections.abc import Callable, Iterator
from typing import Any, LiteralString

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from app.commands.distribute import distribute
from app.commands.migrate import migrate
from app.database.cluster.distribution import ALL
from app.database.cluster.obstacles import distributed_tables
from app.database.migration import upgrade
from app.database.protection import check_protection
from app.failure import MigrationFailed
from tests.api import SECRET, nonempty, running_server, settings_for
from tests.clusters import cluster_database
from tests.database.test_migrations import shape
from tests.databases import CLUSTER_ONLY, Database

pytestmark = CLUSTER_ONLY

SHARDS = "4"
"""Each takes its time."""

RIGHTS = """
SELECT table_name::text, column_name::text, privilege_type::text
FROM information_schema.column_privileges WHERE grantee = 'todo_api' AND table_schema = 'public'
"""

TRIGGERS = """
SELECT tgrelid::regclass::text, tgname::text, tgenabled, pg_get_triggerdef(oid)
FROM pg_trigger
WHERE NOT tgisinternal
  AND tgrelid IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)
"""

AS_A_MIGRATION_MAKES_IT = (
    "CREATE TABLE made (LIKE imports INCLUDING ALL)",
    "DROP TABLE imports",
    "ALTER TABLE made RENAME TO imports",
    "ALTER INDEX made_pkey RENAME TO imports_pkey",
    "ALTER TABLE imports ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY, "
    "ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE",
)
"""A table that a migration makes, and what `migrate` mends, is there for itself alone."""


def run(database: Database, function: Callable[..., None], *options: str, code: int = 0) -> str:
    """Run a command by its function; return what it prints."""
    environment = {
        "DATABASE_URL": database.server_url,
        "MIGRATION_DATABASE_URL": database.postgres.superuser_url(database.name),
        "BETTER_AUTH_SECRET": SECRET,
    }
    command = typer.Typer()
    command.command()(function)
    done = CliRunner().invoke(command, options, env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output


def all_rows(database: Database) -> dict[str, list[str]]:
    with psycopg.connect(database.superuser_url) as connection:
        return {
            table: sorted(
                text for (text,) in connection.execute(f"SELECT t::text FROM {table} AS t".encode())
            )
            for table in ALL
        }


def distributed(database: Database) -> set[str]:
    with psycopg.connect(database.superuser_url) as connection:
        return distributed_tables(connection)


def guards(database: Database) -> dict[str, Any]:
    """Return what the tables are like, and who may do what."""
    with psycopg.connect(database.superuser_url) as connection:
        return {
            "shape": shape(database.superuser_url),
            "triggers": sorted(connection.execute(TRIGGERS, [list(ALL)])),
            "rights": sorted(connection.execute(RIGHTS)),
        }


def fill(database: Database) -> None:
    """Have users write something into each table, and delete some of it."""
    with running_server(settings_for(database.server_url)) as server:
        for n in range(6):
            user = server.user(email=f"user{n}@example.com")
            home = user.create_list()["id"]
            titles = [{"title": f"{n} {m}", "labels": ["a", f"b{m}"]} for m in range(30)]
            made = user.create_many(
                *titles, {"title": "at home", "listId": home}, idempotencyKey=f"key {n}"
            )["tasks"]
            for task in made[:3]:
                user.toggle(id=task["id"], idempotencyKey=f"toggled {task['id']}")
            user.create("below", parentId=made[4]["id"])
            user.delete(id=made[5]["id"])
            user.create_link()
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute(
            "INSERT INTO imports (user_id, source, kind, key, id) "
            "SELECT user_id, 'a file', 'task', title, id FROM tasks"
        )
        connection.execute("INSERT INTO deleted_users VALUES (sha256('gone'), now(), now())")


def test_no_row_changes_on_the_way_there_and_back() -> None:
    with cluster_database() as database:
        run(database, migrate)
        fill(database)
        rows, before = all_rows(database), guards(database)
        assert all(rows.values())
        assert "Nothing stands in the way." in run(database, distribute, "--check")
        plan = run(database, distribute, "--plan", "--shards", SHARDS)
        assert f"create_distributed_table('users', 'id', shard_count => {SHARDS})" in plan
        assert "tasks: 192 rows" in plan
        assert (all_rows(database), guards(database)) == (rows, before)
        assert distributed(database) == set()

        done = run(database, distribute, "--shards", SHARDS)
        assert "Distributed: users, task_counters" in done
        assert "Servers keep users apart there." in done
        assert distributed(database) == set(ALL)
        assert all_rows(database) == rows
        there = guards(database)
        assert there["triggers"] == before["triggers"]
        # What no node can tell of all is unique no more.
        assert {each[:3] for each in set(before["shape"]) ^ set(there["shape"])} == {
            ("constraint", "users", "users_email_key"),
            ("index", "users", "users_email_key"),
            ("index", "users", "users_by_address"),
        }
        assert check_protection(database.superuser_url) == []
        assert "There was nothing to do." in run(database, distribute)
        assert (all_rows(database), guards(database)) == (rows, there)

        assert "Brought back: " in run(database, distribute, "--undo")
        assert distributed(database) == set()
        assert all_rows(database) == rows
        assert guards(database) == before
        assert check_protection(database.superuser_url) == []


def test_a_table_that_a_migration_makes_is_distributed_by_it() -> None:
    with cluster_database() as database:
        run(database, migrate)
        run(database, distribute, "--shards", SHARDS)
        before = guards(database)
        with psycopg.connect(database.superuser_url, autocommit=True) as connection:
            for statement in nonempty(AS_A_MIGRATION_MAKES_IT):
                connection.execute(statement)
        assert distributed(database) == set(ALL) - {"imports"}
        done = run(database, migrate)
        assert "Distributed: imports." in done
        assert distributed(database) == set(ALL)
        assert guards(database) == before
        assert "Servers keep users apart there." in run(database, distribute, "--check")


@pytest.fixture(scope="module")
def migrated() -> Iterator[Database]:
    """A migrated database that is not distributed."""
    with cluster_database() as database:
        upgrade(database.superuser_url)
        yield database


@pytest.mark.parametrize(
    ("made", "undone", "told"),
    [
        (
            "CREATE TABLE session (user_id text REFERENCES users (id))",
            "DROP TABLE session",
            "session refers to users and is none of this server's",
        ),
        (
            "CREATE POLICY odd ON tasks AS RESTRICTIVE USING (true)",
            "DROP POLICY odd ON tasks",
            "The policy odd of tasks only restricts",
        ),
        (
            "CREATE TRIGGER odd BEFORE UPDATE ON tasks FOR EACH ROW "
            "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "DROP TRIGGER odd ON tasks",
            "The trigger odd of tasks is none of this server's",
        ),
        (
            "CREATE UNIQUE INDEX odd ON tasks (id)",
            "DROP INDEX odd",
            "odd of tasks is unique over all users",
        ),
    ],
)
def test_it_is_refused_with_what_stands_in_the_way(
    migrated: Database, made: LiteralString, undone: LiteralString, told: str
) -> None:
    with psycopg.connect(migrated.superuser_url, autocommit=True) as connection:
        connection.execute(made)
        try:
            said = run(migrated, distribute, "--check", code=1).splitlines()
            with pytest.raises(MigrationFailed, match=told):
                run(migrated, distribute)
        finally:
            connection.execute(undone)
    assert [told in line for line in said] == [True]
    assert distributed(migrated) == set()
    assert run(migrated, distribute, "--check") == "Nothing stands in the way.\n"


def test_it_is_refused_where_no_node_takes_rows() -> None:
    with cluster_database(with_workers=False) as database:
        upgrade(database.superuser_url)
        # The coordinator would have all.
        (said,) = run(database, distribute, "--check", code=1).splitlines()
        assert said.startswith("No node takes rows")
        with pytest.raises(MigrationFailed, match="No node takes rows"):
            run(database, distribute)
