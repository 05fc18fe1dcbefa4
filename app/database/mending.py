"""What keeps users' rows apart, made as it must be wherever it is not: `todo-api migrate` does it.

A restore loses what the dump did not hold or the new server would not take, such as the rights of a
role that it did not have. Each statement here follows from what `EXPECTED` says of one thing, and
does no harm where the thing is there already.
"""

import re
import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.errors import (
    DuplicateObject,
    InsufficientPrivilege,
    LockNotAvailable,
    UniqueViolation,
)

from app.database.expected import FUNCTIONS, ROW_SECURITY
from app.database.migration import ADVISORY_LOCK, PAUSE
from app.database.protection import (
    OTHER_TABLES,
    Difference,
    differences,
)
from app.database.timeouts import set_timeouts, timeouts_to_set
from app.database.urls import SERVER_ROLE, libpq_url
from app.failure import MigrationFailed
from models.metadata import OWNED_TABLES

WAIT_FOR_TABLE = 0.2
"""Seconds for which a table in use is waited for at a time, as whoever comes then waits, too."""

ATTEMPTS = 100

HOW_TO_END = (
    "This is not mended. Remove what others have added; `todo-api migrate --sql` prints the text "
    "of what is missing."
)

_PLACES = """
SELECT quote_ident(nspname),
       quote_ident(coalesce((SELECT pg_get_userbyid(proowner) FROM pg_proc
                             WHERE pronamespace = n.oid AND proname = 'purge_trash'),
                            current_user)),
       (SELECT coalesce(jsonb_object_agg(proname, oid::regprocedure), '{}') FROM pg_proc
        WHERE pronamespace = n.oid AND proname = ANY (%(functions)s))
FROM pg_namespace n WHERE oid = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('tasks'))
"""

_FORMER_ROLES = """
SELECT DISTINCT quote_ident(pg_get_userbyid(whose))
FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid, unnest(polroles) AS whose
WHERE polrelid = to_regclass('tasks') AND polname = 'tasks_owner'
  AND whose <> 0 AND pg_get_userbyid(whose) <> %s AND NOT pg_has_role(whose, relowner, 'USAGE')
"""
"""Roles to which the owner's policy is bound, and that are not the server's."""

_CONNECTS = """
SELECT FROM pg_roles
WHERE rolname = %s AND has_database_privilege(oid, current_database(), 'CONNECT')
"""

_POLICY = re.compile(
    r"(?P<kind>permissive|restrictive) (?P<command>\w+) to (?P<roles>.+?)"
    r"(?: using (?P<using>.+?))?(?: with check (?P<check>.+))?"
)
_FUNCTION = re.compile(
    r"(?P<definer>as its owner )?(?P<callable>callable )?(?:set (?P<settings>.+) )?(?P<text>\w+)"
)

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Mended:
    """What was mended and what was not, as sentences."""

    done: list[str]
    left: list[str]


@dataclass(frozen=True, slots=True)
class _Places:
    """The names of what statements speak of, quoted."""

    role: str
    """The server's role."""
    schema: str
    owner: str
    """The owner of the functions that act as their owner."""
    functions: dict[str, str]
    """Each function with the types of its parameters, by its name."""


def mend(
    url: str,
    role: str = SERVER_ROLE,
    *,
    wait_for_table: float = WAIT_FOR_TABLE,
    attempts: int = ATTEMPTS,
) -> Mended:
    """Make the server's role, its rights, and what binds it as they must be, in one transaction.

    Where nothing is to be mended, nothing is locked but as by a query. A policy or a right that
    others have added is left, and so is a function of another text. A role that was the server's
    here before loses its rights in this database. `wait_for_table`: in seconds.

    Raises:
        MigrationFailed: it could not be looked at, a table stayed in use, or there is no role and
            none may be made. Nothing was changed.
    """
    for left in reversed(range(attempts)):
        try:
            with psycopg.connect(libpq_url(url)) as connection:
                return _mend(connection, role, wait_for_table)
        except LockNotAvailable:
            if left:
                time.sleep(PAUSE)
        except psycopg.Error as error:
            raise MigrationFailed(
                "The tables are up to date, but their rights could not be mended: "
                f"{error.diag.message_primary or error}"
            ) from error
    raise MigrationFailed(
        "A table stayed in use too long, and no right was mended: try again later."
    )


def _mend(connection: Connection, role: str, wait_for_table: float) -> Mended:
    connection.execute(
        "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', %s, true)",
        [f"{round(wait_for_table * 1000)}ms"],
    )
    may_connect = connection.execute(_CONNECTS, [role]).rowcount > 0
    if may_connect and not (differences(connection, role) or timeouts_to_set(connection, role)):
        return Mended([], [])
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
    done = _make_role(connection, role)
    # Somebody else may have mended it meanwhile.
    found = differences(connection, role)
    former = connection.execute(_FORMER_ROLES, [role]).fetchall()
    places = _places(connection, role)
    refusals = _mend_each(connection, places, found) if places else []
    left = differences(connection, role)
    names = {difference.name for difference in left}
    done += [_sentence(each) for each in found if each.name not in names]
    if places is not None:
        done += [_dismiss(connection, name, places) for (name,) in former]
    done += _let_connect(connection, role)
    done += [
        f"Mended: the {name} of {role} in this database, which was not set."
        for name in set_timeouts(connection, role)
    ]
    return Mended(done, [*map(str, left), *refusals, HOW_TO_END] if left else [])


def _sentence(mended: Difference) -> str:
    was = "was missing" if mended.state is None else f"was: {mended.state or 'off'}"
    return f"Mended: {mended.name}, which {was}."


def _make_role(connection: Connection, role: str) -> list[str]:
    if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount:
        return []
    try:
        with connection.transaction():
            connection.execute(f"CREATE ROLE {role} LOGIN")
    except (DuplicateObject, UniqueViolation):
        # Roles belong to the whole cluster: another database's migration was faster.
        return []
    except InsufficientPrivilege as error:
        raise MigrationFailed(
            f"The role {role} is missing, and may not be made by this one: have an "
            f'administrator run "CREATE ROLE {role} LOGIN", then migrate again.'
        ) from error
    return [f"Mended: the role {role}, which was missing."]


def _places(connection: Connection, role: str) -> _Places | None:
    record = connection.execute(_PLACES, {"functions": list(FUNCTIONS)}).fetchone()
    return None if record is None else _Places(role, *record)


def _dismiss(connection: Connection, name: str, places: _Places) -> str:
    """Take from a role whatever it may do with our tables and functions."""
    for things in (
        f"TABLE {', '.join([*OWNED_TABLES, *OTHER_TABLES])}",
        f"FUNCTION {', '.join(places.functions.values())}",
        f"SCHEMA {places.schema}",
    ):
        connection.execute(f"REVOKE ALL ON {things} FROM {name}")
    return f"Mended: the rights of {name}, which was the server's role here before."


def _mend_each(connection: Connection, places: _Places, found: list[Difference]) -> list[str]:
    """Mend what can be mended; return what PostgreSQL said where it refused."""
    refusals = []
    for difference in found:
        try:
            with connection.transaction():
                for statement in _statements(difference, places):
                    connection.execute(statement)
        except psycopg.ProgrammingError as error:
            # A function that a trigger needs is missing, or a table is somebody else's.
            refusals.append(f"{difference.name}: {error.diag.message_primary}.")
    return refusals


def _statements(difference: Difference, places: _Places) -> list[str]:
    """Return the statements that make one thing as it must be; none where it is not ours."""
    kind, _, name = difference.thing.partition(" ")
    table, wanted = difference.table, difference.wanted
    if difference.thing == ROW_SECURITY:
        forced = ", FORCE ROW LEVEL SECURITY" if "forced" in str(wanted) else ""
        return [f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY{forced}"]
    if kind == "right":
        return _right(table, name.removeprefix("to "), wanted, places)
    if wanted is None:
        return []
    if kind == "policy":
        return _policy(table, name, wanted, places)
    if kind == "trigger":
        drop = f"DROP TRIGGER IF EXISTS {name} ON {table}"
        return [drop, wanted.removeprefix("enabled ")]
    return _function(name, str(difference.state), wanted, places)


def _right(table: str, privilege: str, wanted: str | None, places: _Places) -> list[str]:
    if not table:
        return [f"GRANT USAGE ON SCHEMA {places.schema} TO {places.role}"]
    statements = [f"REVOKE {privilege} ON {table} FROM {places.role}"]
    if wanted is not None:
        columns = "" if wanted in ("every column", "rows") else f" ({wanted})"
        statements.append(f"GRANT {privilege}{columns} ON {table} TO {places.role}")
    return statements


def _policy(table: str, name: str, wanted: str, places: _Places) -> list[str]:
    parts = _POLICY.fullmatch(wanted)
    assert parts is not None
    roles = parts["roles"].replace("the functions' owner", places.owner)
    using = f" USING ({parts['using']})" if parts["using"] else ""
    check = f" WITH CHECK ({parts['check']})" if parts["check"] else ""
    return [
        f"DROP POLICY IF EXISTS {name} ON {table}",
        f"CREATE POLICY {name} ON {table} AS {parts['kind']} FOR {parts['command']} TO "
        f"{roles}{using}{check}",
    ]


def _function(name: str, state: str, wanted: str, places: _Places) -> list[str]:
    """Return what gives a function its rights and settings, where its text is the right one."""
    parts = _FUNCTION.fullmatch(wanted)
    assert parts is not None
    if name not in places.functions or not state.endswith(parts["text"]):
        return []
    function = places.functions[name]
    grant = f"GRANT EXECUTE ON FUNCTION {function} TO {places.role}"
    revoke = f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC, {places.role}"
    settings = (parts["settings"] or "").replace("SCHEMA", places.schema)
    return [
        f"ALTER FUNCTION {function} SECURITY {'DEFINER' if parts['definer'] else 'INVOKER'}",
        grant if parts["callable"] else revoke,
        f"ALTER FUNCTION {function} RESET ALL",
        *(
            f"ALTER FUNCTION {function} SET {each}"
            for each in re.split(r", (?=\w+=)", settings)
            if each
        ),
    ]


def _let_connect(connection: Connection, role: str) -> list[str]:
    """Let the role connect where PUBLIC may not: a role that is made anew has lost the right."""
    if connection.execute(_CONNECTS, [role]).rowcount:
        return []
    try:
        with connection.transaction():
            connection.execute(
                "DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO "
                f"{role}', current_database()); END $$"
            )
    except InsufficientPrivilege:
        pass
    # Of a role that may not, PostgreSQL may take no grant and only warn.
    if not connection.execute(_CONNECTS, [role]).rowcount:
        return [f"Have its owner run: GRANT CONNECT ON DATABASE ... TO {role}."]
    return [f"Mended: the right of {role} to connect to this database, which was missing."]
