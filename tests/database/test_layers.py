"""What keeps users' rows apart, one layer taken away at a time, and how the tables are made."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from app.database.embedded import EmbeddedPostgres
from app.database.urls import SERVER_ROLE
from models.metadata import OWNED_TABLES
from tests.api import nonempty
from tests.databases import Database, copy_of, role_of_better_auth, without_triggers

ADA, EVE = "ada", "eve"

OPEN = {
    "no policy": [
        f"ALTER POLICY {name} ON {table} {clauses}"
        for name, table, clauses in (
            ("tasks_owner", "tasks", "USING (true)"),
            ("tasks_owner_insert", "tasks", "WITH CHECK (true)"),
            ("tasks_owner_update", "tasks", "USING (true) WITH CHECK (true)"),
            ("task_labels_owner", "task_labels", "USING (true) WITH CHECK (true)"),
            ("task_lists_owner", "task_lists", "USING (true)"),
            ("task_lists_owner_insert", "task_lists", "WITH CHECK (true)"),
            ("task_lists_owner_update", "task_lists", "USING (true) WITH CHECK (true)"),
        )
    ],
    "no policy of the counter": [
        "ALTER POLICY task_counters_owner ON task_counters USING (true) WITH CHECK (true)"
    ],
    "every right": [
        f"GRANT ALL ON tasks, task_labels, task_lists, task_counters, users TO {SERVER_ROLE}"
    ],
}
"""Layers, and how each is taken away."""

BY_POLICY, BY_RIGHT = {"42501"}, {"42501"}
BY_REFERENCE = {"23503", "TD001", "TD002"}
"""By a foreign key, or by a trigger that looks first."""

ATTEMPTS: dict[str, tuple[str, set[str]]] = {
    "a task for another": (
        "INSERT INTO tasks (user_id, id, title) VALUES ('ada', NULL, 'planted')",
        BY_POLICY,
    ),
    "a task for another, with a version": (
        "INSERT INTO tasks (user_id, id, title, version) VALUES ('ada', 7, 'x', 9)",
        BY_POLICY,
    ),
    "a label of another's task": (
        "INSERT INTO task_labels VALUES ('eve', 'work', 1, 'Work')",
        BY_REFERENCE,
    ),
    "a task in another's list": (
        "INSERT INTO tasks (user_id, id, title, list_id) VALUES ('eve', NULL, 'x', 5)",
        BY_REFERENCE,
    ),
    "a task under another's": (
        "INSERT INTO tasks (user_id, id, title, parent_id) VALUES ('eve', NULL, 'x', 1)",
        BY_REFERENCE,
    ),
    "one's task into another's list": (
        "UPDATE tasks SET list_id = 5 WHERE user_id = 'eve' AND id = 2",
        BY_REFERENCE,
    ),
    "one's task under another's": (
        "UPDATE tasks SET parent_id = 1 WHERE user_id = 'eve' AND id = 2",
        BY_REFERENCE,
    ),
}
"""What the server's role tries as Eve, and by what it is refused; whichever layer is taken away."""


Connection = psycopg.Connection[Any]


@pytest.fixture(scope="session")
def of_two(postgres: EmbeddedPostgres, template: str) -> Database:
    """A database in which Ada has task 1 and list 5, and Eve has task 2."""
    database = copy_of(postgres, template)
    with without_triggers(database) as connection:
        role_of_better_auth(connection)
        for user, id in ((ADA, 1), (EVE, 2)):
            connection.execute("INSERT INTO users (id, name) VALUES (%s, %s)", [user, user])
            connection.execute(
                "INSERT INTO task_counters (user_id, version) VALUES (%s, 1)", [user]
            )
            connection.execute(
                "INSERT INTO tasks (user_id, id, title, version, position, title_order, "
                "words) VALUES (%s, %s, 'x', 1, 'V', 'x', '')",
                [user, id],
            )
        connection.execute(
            "INSERT INTO task_lists (user_id, id, name, position, version) "
            "VALUES ('ada', 5, 'Home', 'V', 1)"
        )
    return database


@pytest.fixture
def superuser(of_two: Database) -> Iterator[Connection]:
    """A transaction in which a test takes layers away; nothing of it stays."""
    with psycopg.connect(of_two.superuser_url) as connection:
        yield connection
        connection.rollback()


def run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.execute(statement)


@contextmanager
def acting_as(connection: Connection, role: str, user: str = EVE) -> Iterator[Connection]:
    """Be another role in the block, bound as its own sessions are; what it did is undone."""
    with connection.transaction(force_rollback=True):
        connection.execute(f"SET LOCAL ROLE {role}")
        connection.execute("SELECT set_config('app.user_id', %s, true)", [user])
        yield connection


def attempt(connection: Connection, statement: str) -> str | None:
    """Run a statement as the server's role, as Eve; return how it was refused, or None."""
    with acting_as(connection, SERVER_ROLE):
        try:
            with connection.transaction():
                connection.execute(statement)
                connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except psycopg.Error as error:
            return error.sqlstate
    return None


@pytest.mark.parametrize("layer", [None, *OPEN])
@pytest.mark.parametrize("name", ATTEMPTS)
def test_nothing_of_anothers_is_reached_whichever_layer_is_gone(
    superuser: Connection, name: str, layer: str | None
) -> None:
    run(superuser, *OPEN.get(str(layer), []))
    statement, refusals = ATTEMPTS[name]
    assert attempt(superuser, statement) in refusals


def test_with_both_policies_gone_a_task_can_be_planted(superuser: Connection) -> None:
    run(superuser, *OPEN["no policy"], *OPEN["no policy of the counter"])
    statement, _ = ATTEMPTS["a task for another"]
    assert attempt(superuser, statement) is None


UNDO = "SELECT count(*) FROM undo_action('{}', 'an action')"


@pytest.fixture
def action_of_ada(superuser: Connection) -> None:
    """What would be undone, if anybody could: Ada has given her task its title by an action."""
    run(
        superuser,
        "INSERT INTO idempotency_keys (user_id, key, request, outcome) "
        "VALUES ('ada', 'an action', '', '[]')",
        "INSERT INTO action_steps (user_id, key, id, version, previous, asked, before) "
        """VALUES ('ada', 'an action', 1, 1, 1, true, '{"title": "former"}')""",
    )


@pytest.mark.usefixtures("action_of_ada")
def test_anothers_action_is_undone_by_nobody_whichever_layer_is_gone(
    superuser: Connection,
) -> None:
    with acting_as(superuser, SERVER_ROLE) as connection:
        assert connection.execute(UNDO.format(ADA)).fetchone() == (0,)
    open_policies = [
        *OPEN["no policy"],
        *OPEN["no policy of the counter"],
        "ALTER POLICY action_steps_owner ON action_steps USING (true)",
    ]
    run(superuser, *open_policies)
    with acting_as(superuser, SERVER_ROLE) as connection:
        assert connection.execute(UNDO.format(EVE)).fetchone() == (0,)
        # The policy of the keys alone is still there.
        assert connection.execute(UNDO.format(ADA)).fetchone() == (0,)
    run(superuser, "ALTER POLICY idempotency_keys_owner ON idempotency_keys USING (true)")
    with acting_as(superuser, SERVER_ROLE) as connection:
        assert connection.execute(UNDO.format(EVE)).fetchone() == (0,)
        # So the layers were what refused it.
        assert connection.execute(UNDO.format(ADA)).fetchone() == (1,)


@pytest.mark.usefixtures("action_of_ada")
def test_a_step_is_planted_for_nobody_else(superuser: Connection) -> None:
    plant = "INSERT INTO action_steps VALUES ('ada', 'an action', 2, 2, 2, true, '{}')"
    assert attempt(superuser, plant) in BY_POLICY
    # One of one's own about another's task changes nothing of it.
    own = (
        "INSERT INTO idempotency_keys (user_id, key, request, outcome) "
        "VALUES ('eve', 'an action', '', '[]')",
        "INSERT INTO action_steps (user_id, key, id, version, previous, asked, before) "
        """VALUES ('eve', 'an action', 1, 1, 1, true, '{"title": "stolen"}')""",
    )
    run(superuser, *OPEN["no policy"], *OPEN["no policy of the counter"])
    with acting_as(superuser, SERVER_ROLE) as connection:
        run(connection, *own)
        assert connection.execute(UNDO.format(EVE)).fetchone() == (0,)
        titles = connection.execute("SELECT title FROM tasks").fetchall()
        assert set(titles) == {("x",)}


def test_a_label_is_kept_from_others_by_its_policy_and_by_its_reference(
    superuser: Connection,
) -> None:
    for_ada = "INSERT INTO task_labels VALUES ('ada', 'work', {}, 'Work')"
    for key in (1, 2, 3):
        assert attempt(superuser, for_ada.format(key)) in BY_POLICY
    run(superuser, *OPEN["no policy"])
    assert attempt(superuser, for_ada.format(2)) in BY_REFERENCE
    # The policy is the only layer that a whole row of another's has to pass.
    assert attempt(superuser, for_ada.format(1)) is None


@pytest.mark.parametrize("change", ["id = 9", "user_id = 'ada'"])
def test_whose_a_task_is_and_what_its_id_is_cannot_be_changed(
    superuser: Connection, change: str
) -> None:
    statement = f"UPDATE tasks SET {change} WHERE user_id = 'eve'"
    assert attempt(superuser, statement) in BY_RIGHT
    run(superuser, *OPEN["no policy"])
    assert attempt(superuser, statement) in BY_RIGHT
    run(superuser, f"GRANT UPDATE (id, user_id) ON tasks TO {SERVER_ROLE}")
    # So the right was what refused it.
    assert attempt(superuser, statement) is None


def test_a_task_cannot_be_given_away_though_the_right_is_there(superuser: Connection) -> None:
    run(superuser, f"GRANT UPDATE (user_id) ON tasks TO {SERVER_ROLE}")
    give = "UPDATE tasks SET user_id = 'ada' WHERE user_id = 'eve'"
    assert attempt(superuser, give) in BY_POLICY
    run(superuser, *OPEN["no policy"])
    assert attempt(superuser, give) is None


@pytest.mark.parametrize("user", [EVE, "", "nobody"])
def test_others_rows_are_neither_shown_nor_changed(superuser: Connection, user: str) -> None:
    with acting_as(superuser, SERVER_ROLE, user) as connection:
        for table in nonempty(OWNED_TABLES):
            owner = "id" if table == "users" else "user_id"
            shown = connection.execute(f"SELECT {owner} FROM {table}").fetchall()
            assert set(shown) <= {(user,)}, table
        for change in (
            "UPDATE tasks SET title = 'mine'",
            "UPDATE tasks SET deleted_at = now()",
            "DELETE FROM tasks",
            "UPDATE task_counters SET version = 99",
            "UPDATE task_lists SET name = 'mine'",
        ):
            done = connection.execute(f"{change} WHERE user_id = 'ada'")
            assert done.rowcount == 0, change


def test_no_user_has_an_empty_id(superuser: Connection) -> None:
    """For that is what a session's setting is once it has been set in a transaction before."""
    with pytest.raises(psycopg.errors.CheckViolation), superuser.transaction():
        superuser.execute("INSERT INTO users (id, name) VALUES ('', '')")


def test_better_auths_role_has_all_users_and_the_servers_role_one(superuser: Connection) -> None:
    """It is neither the tables' owner nor the server's role."""
    everybody = "SELECT id, name FROM users ORDER BY id"
    run(superuser, "GRANT ALL ON users TO better_auth")
    with acting_as(superuser, "better_auth", "") as connection:
        assert connection.execute(everybody).fetchall() == [(ADA, ADA), (EVE, EVE)]
        for change, count in (
            ("INSERT INTO users (id, name) VALUES ('bob', 'Bob')", 1),
            ("UPDATE users SET name = upper(id)", 3),
            ("DELETE FROM users WHERE id = 'bob'", 1),
        ):
            assert connection.execute(change).rowcount == count
    for user in (ADA, EVE):
        with acting_as(superuser, SERVER_ROLE, user) as connection:
            assert connection.execute(everybody).fetchall() == [(user, user)]
    assert attempt(superuser, "INSERT INTO users (id, name) VALUES ('bob', '')") in BY_POLICY
    run(superuser, "DROP POLICY users_others ON users")
    with acting_as(superuser, "better_auth", "") as connection:
        assert connection.execute(everybody).fetchall() == []


def catalogue(database: Database, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.superuser_url) as connection:
        return nonempty(connection.execute(query, [list(OWNED_TABLES)]).fetchall())


def test_every_policy_is_permissive_and_plain(database: Database) -> None:
    """A sub-select is run for each row, or not at all, where rows are spread over machines."""
    policies = catalogue(
        database,
        "SELECT policyname, permissive, concat_ws(' ', qual, with_check) "
        "FROM pg_policies WHERE tablename = ANY (%s)",
    )
    assert {permissive for _, permissive, _ in policies} == {"PERMISSIVE"}
    assert [name for name, _, text in policies if "SELECT" in text.upper()] == []


def test_row_security_binds_the_owner_of_every_table_but_users(database: Database) -> None:
    forced = catalogue(
        database,
        "SELECT relname::text, relrowsecurity, relforcerowsecurity FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace AND relname = ANY (%s)",
    )
    assert {name: (on, force) for name, on, force in forced} == {
        table: (True, table != "users") for table in OWNED_TABLES
    }


def test_nothing_is_unique_over_all_users(database: Database) -> None:
    """So that whoever takes a value finds out nothing of others, and tables can be spread."""
    indexes = catalogue(
        database,
        "SELECT indexrelid::regclass::text, attname FROM pg_index "
        "JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0] "
        "WHERE indisunique AND indrelid::regclass::text = ANY (%s) "
        "AND indrelid <> 'users'::regclass",
    )
    assert {column for _, column in indexes} == {"user_id"}, indexes


def test_every_reference_between_tables_of_users_names_the_owner(database: Database) -> None:
    references = catalogue(
        database,
        "SELECT conname::text, array_agg(a.attname::text), array_agg(f.attname::text) "
        "FROM pg_constraint, unnest(conkey, confkey) AS pair (own, other) "
        "JOIN pg_attribute a ON a.attnum = pair.own "
        "JOIN pg_attribute f ON f.attnum = pair.other "
        "WHERE contype = 'f' AND a.attrelid = conrelid AND f.attrelid = confrelid "
        "AND conrelid::regclass::text = ANY (%s) GROUP BY conname",
    )
    for name, columns, others in nonempty(references):
        owners = dict(zip(columns, others, strict=True))
        assert owners.get("user_id") in ("user_id", "id"), name


ROW, BEFORE, UPDATE = 1, 2, 16
"""What the bits of `pg_trigger.tgtype` say."""


def test_a_change_of_a_task_runs_few_triggers_and_checks(database: Database) -> None:
    """PostgreSQL reads each of them anew for every statement: that is what a toggle costs."""
    # Those that name columns run for statements that name one of these.
    completed = (
        "(SELECT attnum FROM pg_attribute WHERE attrelid = tgrelid AND attname = 'completed')"
    )
    triggers = catalogue(
        database,
        "SELECT tgname::text, tgtype FROM pg_trigger "
        "WHERE tgrelid = 'tasks'::regclass AND NOT tgisinternal AND 'tasks' = ANY (%s) "
        f"AND (cardinality(tgattr::smallint[]) = 0 OR {completed} = ANY (tgattr::smallint[]))",
    )
    when: dict[tuple[bool, bool], list[str]] = {}
    for name, bits in triggers:
        if bits & UPDATE:
            of_row, before = bool(bits & ROW), bool(bits & BEFORE)
            when.setdefault((of_row, before), []).append(name)
    assert when.pop((True, True)) == ["b_note_completed_task"]
    assert len(when.pop((True, False), [])) <= 1
    assert when == {(False, True): ["a_lock_owner"]}
    checks = catalogue(
        database,
        "SELECT conname::text FROM pg_constraint WHERE contype = 'c' "
        "AND conrelid = 'tasks'::regclass AND 'tasks' = ANY (%s)",
    )
    assert len(checks) <= 2, checks
