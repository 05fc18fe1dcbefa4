"""Every statement, found by reflection, loses or mistakes its owner in turn: row security holds."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import pytest
from psycopg.errors import ForeignKeyViolation, InsufficientPrivilege

from app.database.embedded import EmbeddedPostgres
from auth.identity import Identity
from models.fact import May
from models.metadata import metadata
from models.statement import Statement
from models.user import UserId
from tests.api import nonempty
from tests.counts import Count
from tests.databases import AS_THE_SERVER, Database, copy_of
from tests.facts import facts_with, values_of
from tests.shapes import STATEMENTS, Places, parts_of, places_among, shapes_of

FINDS_ROWS = re.compile(rf"\b(?:FROM|JOIN|UPDATE) (?:{'|'.join(metadata.tables)})\b")

BY_SESSION = re.compile(r"\b(?:search_tasks|query_for|take_claims|is_deleted)\(")
"""Functions that act for whom the session names, whatever owner a statement names."""

ATTACKER = UserId(f"attacker-{uuid4().hex}")
VICTIM = UserId(f"victim-{uuid4().hex}")
NOBODY = UserId(f"victim-{uuid4().hex}")
"""Has no row yet."""

OF_VICTIMS = """
    SELECT ROW(t.*)::text FROM tasks t
    WHERE user_id = $1 UNION ALL
    SELECT ROW(l.*)::text FROM task_lists l WHERE user_id = $1 UNION ALL
    SELECT ROW(c.*)::text FROM calendar_links c WHERE user_id = $1 UNION ALL
    SELECT ROW(version, last_id)::text FROM task_counters WHERE user_id = $1 UNION ALL
    SELECT ROW(key, request, outcome)::text FROM idempotency_keys WHERE user_id = $1 UNION ALL
    SELECT ROW(i.*)::text FROM imports i WHERE user_id = $1 UNION ALL
    SELECT ROW(id, email, name)::text FROM users WHERE id = $1 ORDER BY 1"""


# Of the session, since a worker may come back to these tests after others.
@pytest.fixture(scope="session")
def database(postgres: EmbeddedPostgres, template: str) -> Database:
    """A database of these tests alone: a statement without its owner reads all that is there."""
    return copy_of(postgres, template)


@pytest.fixture(scope="session")
def places(database: Database) -> Places:
    """A victim with tasks, completed or not, in the trash or not, and an attacker with none."""
    with psycopg.connect(database.superuser_url) as connection:
        for user in (VICTIM, ATTACKER):
            connection.execute(
                "INSERT INTO users (id, name, email_verified, created_at, updated_at) "
                "VALUES (%(user)s, %(user)s, false, now(), now())",
                {"user": user},
            )
        connection.execute("INSERT INTO task_counters VALUES (%s, 32)", [VICTIM])
        rows = connection.execute(
            "INSERT INTO tasks (user_id, title, completed, deleted_at, version, created_at, "
            "updated_at) SELECT %(user)s, %(user)s || chr(96 + n), n %% 2 = 0, "
            "CASE WHEN n %% 4 > 1 THEN now() END, n, now() + n * interval '1s', "
            "now() + n * interval '1s' FROM generate_series(1, 32) n "
            "RETURNING id, title, created_at::text, updated_at::text",
            {"user": VICTIM},
        ).fetchall()
        connection.execute(
            "INSERT INTO task_labels (user_id, key, task_id, name) SELECT user_id, 'victims', id, "
            "'Victims' FROM tasks WHERE user_id = %s AND deleted_at IS NULL",
            [VICTIM],
        )
        connection.execute(
            "INSERT INTO imports (user_id, source, kind, key, id) "
            "SELECT user_id, 'json', 'task', id::text, id FROM tasks WHERE user_id = %s",
            [VICTIM],
        )
        # Not by triggers, which would give each task another version.
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("UPDATE tasks SET labels = '{Victims}' WHERE user_id = %s", [VICTIM])
        for fact in facts_with(May.CLEAR):
            connection.execute(
                f"UPDATE tasks SET {fact.name} = %s WHERE user_id = %s",
                [values_of(fact)[0], VICTIM],
            )
        # Of the completed ones and the others some have a date, and some a priority.
        connection.execute(
            "UPDATE tasks SET labels = '{Victims}', priority = version / 8 %% 2, "
            "completed_at = CASE WHEN completed THEN created_at END, due_at = CASE WHEN "
            "version %% 8 < 4 THEN timestamp '2026-01-01' + version * interval '1 day' "
            "ELSE 'infinity' END WHERE user_id = %s",
            [VICTIM],
        )
        # Some are in lists, and below the first one; the others are in the inbox.
        connection.execute(
            "UPDATE tasks SET position = to_char(version - 1, 'FM00'), "
            "list_id = CASE WHEN version %% 8 BETWEEN 1 AND 4 AND version <> 2 THEN %s END, "
            "parent_id = CASE WHEN version IN (4, 9, 25, 28) THEN %s END WHERE user_id = %s",
            [rows[4][0], rows[0][0], VICTIM],
        )
        # One that is in the trash recurs, since what does not keep its day could not be changed.
        connection.execute(
            """UPDATE tasks SET repeats = '{"every": 1, "unit": "DAY", "from": "DUE", """
            """"start": "2026-01-01"}' WHERE user_id = %s AND version = 3""",
            [VICTIM],
        )
        # A list for each task, with its id.
        connection.execute(
            "INSERT INTO task_lists (user_id, id, name, position, deleted_at, updated_at, "
            "version) "
            "SELECT user_id, id, title, substr(title, length(title)), deleted_at, %s, version "
            "FROM tasks WHERE user_id = %s",
            [rows[0][3], VICTIM],
        )
        connection.execute(
            "INSERT INTO calendar_links (user_id, id, name, secret_hash) VALUES (%s, %s, %s, %s)",
            [VICTIM, rows[0][0], VICTIM, "0" * 64],
        )
        connection.execute(
            "INSERT INTO idempotency_keys (user_id, key, request, outcome) "
            "VALUES (%s, 'used', 'request', jsonb_build_array(jsonb_build_array(%s::bigint, 2, "
            "true)))",
            [VICTIM, rows[0][0]],
        )
        # As `todo-api distribute` does.
        connection.execute("GRANT UPDATE (outcome) ON idempotency_keys TO todo_api")
        connection.execute(
            "INSERT INTO action_steps (user_id, key, id, version, previous, asked, before) "
            """VALUES (%s, 'used', %s, 1, 1, true, '{"title": "former"}')""",
            [VICTIM, rows[0][0]],
        )

    return places_among(rows)


def stripped(statement: Statement[Any]) -> Iterator[Statement[Any]]:
    """Yield the statement without any condition on the owner, then without each of them."""
    sql = statement.sql
    number = sql.parameters.index("owner") + 1
    owner = rf"\w+\.\w+ = (\${number}\b(?:::\w+)?|\w+\.user_id)"
    found = list(re.finditer(owner, sql.text))
    if found:
        yield statement._replace(sql=replace(sql, text=re.sub(owner, r"\1 IS NOT NULL", sql.text)))
    for match in found:
        text = f"{sql.text[: match.start()]}{match[1]} IS NOT NULL{sql.text[match.end() :]}"
        yield statement._replace(sql=replace(sql, text=text))


def by_itself(statement: Statement[Any]) -> Iterator[Statement[Any]]:
    """Yield the statement and each of its steps, so that each finds what it needs."""
    whole, *steps = parts_of(statement)
    yield whole
    yield from steps[:1]
    for step in steps[1:]:
        # The one before it would have written the key.
        yield step._replace(values={**step.values, "idempotency_key": "used"})


class Attempt(NamedTuple):
    """What a statement of the attacker's did."""

    records: list[tuple[Any, ...]]
    victims_rows: list[tuple[Any, ...]]
    """What the victims have afterwards."""


def attempt(
    connection: psycopg.Connection[Any], statement: Statement[Any]
) -> Attempt | psycopg.Error:
    """Run a statement as the server would for the attacker, whoever it names, and undo it."""
    values = {**statement.values, "owner": statement.owner}
    parameters = [values[name] for name in statement.sql.parameters]
    cursor = psycopg.RawCursor(connection)

    def be(user: UserId) -> None:
        cursor.execute("SELECT set_config('app.user_id', $1, true)", [user])

    try:
        be(ATTACKER)
        cursor.execute(statement.sql.text, parameters)
        records = cursor.fetchall() if cursor.description else []
        rows = []
        for victim in (VICTIM, NOBODY):
            be(victim)
            rows += cursor.execute(OF_VICTIMS, [victim]).fetchall()
    except (InsufficientPrivilege, ForeignKeyViolation) as error:
        return error
    else:
        return Attempt(records, rows)
    finally:
        connection.rollback()


def goes_too_far(got: Attempt | psycopg.Error, usual: Attempt, *, writes: bool) -> bool:
    """Whether it shows or changes what the statement with its owner does not."""
    if isinstance(got, psycopg.Error):
        return False
    # What a write returns is new each time.
    more = not writes and {*map(str, got.records)} - {*map(str, usual.records)}
    return bool(more) or VICTIM in str(got.records) or got.victims_rows != usual.victims_rows


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_that_forgets_or_mistakes_its_owner_finds_nothing_of_others(
    database: Database, places: Places, count: Count, name: str
) -> None:
    tried, too_far = 0, []
    with (
        psycopg.connect(database.server_url, options=AS_THE_SERVER) as server,
        psycopg.connect(database.superuser_url) as superuser,
    ):
        shapes = (
            [part for shape in shapes_of(name, owner, places) for part in by_itself(shape)]
            for owner in (ATTACKER, VICTIM, NOBODY)
        )
        for statement, *mistaken in nonempty(zip(*shapes, strict=True)):
            usual, writes = attempt(server, statement), statement.sql.writes
            assert isinstance(usual, Attempt)
            wrong = [*stripped(statement), *mistaken]
            tried += len(wrong)
            too_far += [
                each for each in wrong if goes_too_far(attempt(server, each), usual, writes=writes)
            ]
            # Where row security does not bind they succeed, so this test can fail.
            free = [goes_too_far(attempt(superuser, w), usual, writes=writes) for w in wrong]
            # Not so with functions that ask the session who is asking.
            if BY_SESSION.search(statement.sql.text):
                continue
            assert any(free), statement.sql.text
            assert free[0] or not FINDS_ROWS.search(statement.sql.text), statement.sql.text
    count("statements run without their owner, or with another's", tried)
    count("statements run so that showed or changed others' rows", len(too_far))
    assert too_far == []


INSERT = re.compile(r"INSERT INTO (\w+) \((.+?)\) VALUES \((.+)\) RETURNING [\w., ]+")
CHANGE = re.compile(
    r"(?:UPDATE|DELETE FROM) (\w+) (?:SET .+ )?WHERE \1\.user_id = \$(\d+)::\w+ AND .+ "
    r"RETURNING [\w., ]+"
)
"""Plain statements: triggers do the rest, and know from each row whose it is."""


def table_and_owner(text: str) -> tuple[str, int] | None:
    """Return which table a plain statement changes, and which parameter is its owner's."""
    if match := INSERT.fullmatch(text):
        owners = set()
        for row in match[3].split("), ("):
            values = dict(zip(match[2].split(", "), row.split(", "), strict=True))
            owners.add(values["user_id"])
        (named,) = owners
        owner = re.match(r"\$(\d+)::", named)
        return owner and (match[1], int(owner[1]))
    match = CHANGE.fullmatch(text)
    return match and (match[1], int(match[2]))


NOT_OF_THINGS = {
    "once": "writes its key beside the change",
    "add_viewer": "adds the owner's own row",
    "take_claims": "calls a function",
    "reserve_ids": "counts on, and notes up to where",
    "import_lists": "writes beside each what it was made of",
    "import_tasks": "writes beside each what it was made of",
    "undo_action": "calls a function, for an action may have changed tasks and lists",
    "empty_trash": "removes tasks, and the lists that they were in, under one key",
}
"""What writes otherwise, and why."""


def is_plain(statement: Statement[Any]) -> bool:
    """Return whether it changes one table, and names its owner wherever it names any."""
    text = " ".join(statement.sql.text.split())
    found = table_and_owner(text)
    if found is None:
        return False
    table, owner = found
    changed = re.findall(r"\b(?:INSERT INTO|DELETE FROM|UPDATE) (\w+)", text)
    named = re.findall(r"\b(?:INTO|FROM|JOIN|UPDATE) (\w+)\b(?! ?\()", text)
    named += changed * text.startswith("INSERT")
    aliases = {alias: of for of, alias in re.findall(r"\b(?:FROM|JOIN) (\w+) AS (\w+)\b", text)}
    owned = re.findall(rf"\b(\w+)\.user_id = \${owner}\b", text)
    owned = [aliases.get(name, name) for name in owned]
    owned += changed * text.startswith("INSERT")
    return (
        owner == statement.sql.parameters.index("owner") + 1
        and changed == [table]
        and sorted(named) == sorted(owned)
    )


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_change_is_one_statement_on_one_table_that_names_its_owner(
    places: Places, name: str
) -> None:
    shapes = nonempty(shapes_of(name, ATTACKER, places))
    plain = {is_plain(statement) for statement in shapes if statement.sql.writes}
    assert plain <= {name not in NOT_OF_THINGS}
    assert plain or name not in NOT_OF_THINGS


def test_every_statement_names_an_owner() -> None:
    for name, function in nonempty(STATEMENTS.items()):
        owner = next(iter(inspect.signature(function).parameters.values()))
        assert owner.annotation in (UserId, Identity), name
        assert owner.default is inspect.Parameter.empty, name


def test_a_search_finds_tasks_of_whom_the_session_names_whoever_is_asked_for(
    database: Database, places: Places
) -> None:
    victims_words = "SELECT owner FROM search_tasks('victim', 100)"
    for url in (database.server_url, database.superuser_url):
        with psycopg.connect(url, options=AS_THE_SERVER) as connection:
            for user, found in ((ATTACKER, 0), (VICTIM, len(places.keys)), ("", 0)):
                connection.execute("SELECT set_config('app.user_id', %s, true)", [user])
                owners = connection.execute(victims_words).fetchall()
                assert owners == [(user,)] * found
