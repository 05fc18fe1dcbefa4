"""What `todo-api migrate --plan` says of the steps that are still to be applied."""

import json

import psycopg

from app.database.migration import upgrade
from app.database.planning import plan_for
from app.database.steps import steps
from tests.commands.test_cli import Run, run
from tests.database.test_migrations import shape
from tests.databases import Database

__all__ = ["run"]


def with_rows(database: Database, count: int, revision: str) -> str:
    """Migrate a database to the revision and make tasks; return its URL."""
    url = database.superuser_url
    upgrade(url, revision=revision)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO users (id, name) VALUES ('ada', 'Ada')")
        connection.execute(
            "INSERT INTO tasks (user_id, title, version) SELECT 'ada', 'x', n "
            "FROM generate_series(1, %s) AS n",
            [count],
        )
        connection.execute("ANALYZE tasks")
    return url


def test_a_step_that_keeps_writes_waiting_is_told_beforehand(fresh_database: Database) -> None:
    url = with_rows(fresh_database, 6000, "0003")
    before = shape(url)
    plan = plan_for(url)
    assert [each.step.revision for each in plan.steps][:2] == ["0004", "0005"]
    search = plan.steps[0]
    (tasks,) = search.tables
    assert (tasks.name, tasks.lock, tasks.rows) == ("tasks", "ACCESS EXCLUSIVE", 6000)
    assert (tasks.seconds, search.blocks, plan.blocks) == (4.0, 4.0, True)
    assert tasks.bytes > 6000 * 24
    assert "ADD COLUMN title_key" in search.sql
    assert "CREATE TABLE idempotency_keys" not in search.sql
    assert "tasks: ACCESS EXCLUSIVE (6,000 rows," in str(plan)
    assert str(plan).endswith("Writes wait for over a second.")
    assert shape(url) == before


def test_what_is_filled_in_batches_blocks_nobody(fresh_database: Database) -> None:
    url = with_rows(fresh_database, 6000, "0011")
    plan = plan_for(url, "todo_staging")
    fill, _, last, *_ = plan.steps
    assert (fill.seconds, fill.blocks, plan.blocks) == (1.5, 0, False)
    assert "before the servers are replaced, by `todo-api migrate`; code of 0.2.0" in str(fill)
    assert "after the servers are replaced, by `todo-api migrate --finish`; code of 0.3.0" in str(
        last
    )
    assert "FROM todo_staging" in last.sql
    upgrade(url)
    assert str(plan_for(url)) == "Nothing is to be applied."


def test_a_new_database_is_planned_whole(fresh_database: Database) -> None:
    plan = plan_for(fresh_database.superuser_url)
    assert [each.step for each in plan.steps] == list(steps())
    assert not plan.blocks


def test_the_command_prints_it_for_people_and_programs(run: Run, fresh_database: Database) -> None:
    url = with_rows(fresh_database, 3000, "0003")
    done = run("todo-api", "migrate", "--plan", MIGRATION_DATABASE_URL=url)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("0004: Search, and an index for every filter in every order\n")
    done = run("todo-api", "migrate", "--plan", "--json", MIGRATION_DATABASE_URL=url)
    plan = json.loads(done.stdout)
    assert (done.returncode, plan["blocks_writes_for_over_a_second"]) == (1, True)
    step = plan["steps"][0]
    assert (step["revision"], step["kind"], step["serves"]) == ("0004", "before", "0.1.0")
    assert step["tables"][0]["rows"] == 3000
    assert "CREATE INDEX tasks_by_words" in step["sql"]
    upgrade(url, revision="0014")
    done = run("todo-api", "migrate", "--plan", MIGRATION_DATABASE_URL=url)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        "No write waits for over a second, but for those that a lock waits for.",
    )
    done = run("todo-api", "migrate", "--plan", "--finish", MIGRATION_DATABASE_URL=url)
    assert (done.returncode, done.stderr) == (
        1,
        "todo-api: Give one of --check, --plan and --finish.\n",
    )
