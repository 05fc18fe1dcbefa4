"""Migrations as the command line and the server use them: upgrade, what is pending, the SQL."""

import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from alembic import command
from alembic.runtime.migration import MigrationContext
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from psycopg import ConnectionInfo
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from app.database.instances import older_than, version_of
from app.database.steps import Kind, Step, config, head, steps, steps_after
from app.database.urls import SERVER_ROLE, for_role, libpq_url, said_of
from app.failure import MigrationFailed

ADVISORY_LOCK = 0x746F646F
"""Whoever migrates holds it; the number spells "todo"."""

WAIT_FOR_OTHERS = 60.0
"""Seconds that a migration waits for another one to end."""

POLL = 0.1
"""Seconds between two looks at whether it has ended."""

WAIT_FOR_TABLE = 5.0
"""Seconds that it waits for a table that is in use, before it lets others pass and tries again."""

ATTEMPTS = 5

KEPT = "what was done before is kept"

PAUSE = 1.0
"""Seconds between two attempts."""


def upgrade(
    url: str,
    *,
    revision: str | None = None,
    role: str = SERVER_ROLE,
    wait_for_table: float = WAIT_FOR_TABLE,
    attempts: int = ATTEMPTS,
) -> None:
    """Bring the database to the revision, or to `head`; safe when many do so at once.

    It is one transaction, but for migrations that fill rows in batches, or make indexes beside
    whoever writes: those commit in parts, and go on where they were interrupted.

    `role`: the server's, which gets its rights.

    Raises:
        MigrationFailed: it could not be reached, a table stayed in use, there is something in it
            that a migration would lose, or code is connected that would not work afterwards.
    """
    if revision is None:
        # An `after` step that others follow is of a release before, and was not finished. No code
        # works yet on a database that was never migrated.
        to_apply = pending(url)
        if len(to_apply) < len(steps()):
            _refuse_older_code(url, to_apply, role)
        revision = head()
    _migrate(url, revision, role, wait_for_table=wait_for_table, attempts=attempts)


def finish(url: str, *, role: str = SERVER_ROLE, trust_unknown: bool = False) -> list[Step]:
    """Apply the `after` steps, which take away what older code alone needs; return them.

    `trust_unknown`: take connections whose version is not told for none of older code.

    Raises:
        MigrationFailed: older code is connected, `upgrade` has something to do before, or it could
            not be done.
    """
    if pending(url):
        raise MigrationFailed(
            "Nothing was changed, for the database is not up to date: run `todo-api migrate`, "
            "replace the servers, then finish."
        )
    unfinished = to_finish(url)
    if unfinished:
        _refuse_older_code(url, unfinished, role, trust_unknown=trust_unknown)
        _migrate(
            url,
            unfinished[-1].revision,
            role,
            wait_for_table=WAIT_FOR_TABLE,
            attempts=ATTEMPTS,
        )
    return unfinished


def downgrade(url: str, revision: str) -> None:
    """Bring the database back to an older revision. Tables with rows in them stay."""
    _migrate(
        url, revision, SERVER_ROLE, wait_for_table=WAIT_FOR_TABLE, attempts=ATTEMPTS, down=True
    )


def pending(url: str) -> list[Step]:
    """Return the steps that `upgrade` has still to apply, oldest first.

    Raises:
        MigrationFailed: the database could not be reached, or is newer than the code.
    """
    return steps_after(_revision_of(url), finish=False)


def to_finish(url: str) -> list[Step]:
    """Return the steps that `finish` has still to apply, oldest first.

    Raises:
        MigrationFailed: as `pending`.
    """
    return steps_after(_revision_of(url), finish=True)


def _revision_of(url: str) -> str | None:
    try:
        with _engine(url).connect() as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
    except (DBAPIError, CommandError, RevisionError) as error:
        raise MigrationFailed(_sentence(error, url)) from error
    if revision is not None and revision not in {step.revision for step in steps()}:
        raise MigrationFailed(_newer(f"Can't locate revision identified by '{revision}'"))
    return revision


def _refuse_older_code(
    url: str, to_apply: Sequence[Step], role: str, *, trust_unknown: bool = False
) -> None:
    ends = [step for step in to_apply if step.kind is Kind.AFTER]
    if not ends:
        return
    serves = max((step.serves for step in ends), key=version_of)
    try:
        with psycopg.connect(libpq_url(url)) as connection:
            older = older_than(connection, serves, role, trust_unknown=trust_unknown)
    except psycopg.Error as error:
        # As where there is no such role.
        raise MigrationFailed(
            f"Nothing was changed, for it cannot be told which code is connected: "
            f"{error.diag.message_primary or said_of(error, url)}"
        ) from error
    if older:
        raise MigrationFailed(
            f"Nothing was changed, for {ends[0].revision} ends what code older than {serves} "
            f"needs, and such code may be connected: {'; '.join(map(str, older))}. Replace those "
            "servers first."
        )


def upgrade_sql(role: str = SERVER_ROLE, *, last: bool = False) -> str:
    """Return the SQL of all migrations, or of the last steps, for somebody to read and run."""
    return sql_between(head(), "head", role) if last else sql_between("", head(), role)


def sql_between(before: str, revision: str, role: str = SERVER_ROLE) -> str:
    """Return the SQL of the migrations after one revision, up to another."""
    with_output = config()
    with_output.output_buffer = io.StringIO()
    command.upgrade(with_output, f"{before}:{revision}" if before else revision, sql=True)
    return for_role(with_output.output_buffer.getvalue(), role)


def _engine(url: str) -> Engine:
    # The URL is libpq's own business: SQLAlchemy would not understand every one that it does.
    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: _connected(url),
        poolclass=NullPool,
    )


def _connected(url: str) -> psycopg.Connection[Any]:
    """Return a new connection.

    Raises:
        MigrationFailed: the database has an encoding in which nothing could be compared.
        psycopg.Error: it could not be reached.
    """
    connection = psycopg.connect(libpq_url(url))
    sentence = objection_to_encoding(connection.info)
    if sentence is not None:
        connection.close()
        raise MigrationFailed(f"The migration failed, and nothing was changed: {sentence}")
    return connection


def objection_to_encoding(info: ConnectionInfo) -> str | None:
    """Return a sentence where the database's texts are in another encoding than UTF8."""
    encoding = info.parameter_status("server_encoding")
    if encoding == "UTF8":
        return None
    return (
        f"the database is encoded in {encoding}, and must be in UTF8: make one by "
        "CREATE DATABASE ... TEMPLATE template0 ENCODING 'UTF8'."
    )


@contextmanager
def connect(
    url: str, role: str = SERVER_ROLE, wait_for_table: float = WAIT_FOR_TABLE
) -> Iterator[Connection]:
    """Yield a connection that nobody else is migrating beside; it is in no transaction yet.

    No statement in one waits longer for a table than `wait_for_table` seconds. Where a statement
    spells the usual name of the server's role, it is sent with the name of this one.
    """
    engine = _engine(url)
    with engine.connect() as turn, engine.connect() as connection:
        _wait_for_turn(turn)

        @event.listens_for(connection, "begin")
        def _begin(connection: Connection) -> None:
            # A limit that a role or a database sets is meant for queries.
            _set_for_transaction(connection, "statement_timeout", 0)
            _set_for_transaction(connection, "lock_timeout", wait_for_table)

        @event.listens_for(connection, "before_cursor_execute", retval=True)
        def _name_role(
            _connection: Connection,
            _cursor: object,
            statement: str,
            values: object,
            _context: object,
            _many: bool,
        ) -> tuple[str, object]:
            return for_role(statement, role), values

        yield connection


def _wait_for_turn(connection: Connection) -> None:
    """Return once nobody else migrates the database, in a transaction that keeps others waiting.

    It asks again and again, each time in a transaction of its own: CREATE INDEX CONCURRENTLY, in
    whichever migration has its turn, would wait for the end of one that waits.

    Raises:
        MigrationFailed: the other migration takes too long.
    """
    deadline = time.monotonic() + WAIT_FOR_OTHERS
    ask = f"SELECT pg_try_advisory_xact_lock({ADVISORY_LOCK})"
    while True:
        # It is idle in its transaction while the other connection has one after another.
        _set_for_transaction(connection, "idle_in_transaction_session_timeout", 0)
        if connection.exec_driver_sql(ask).scalar_one():
            return
        connection.rollback()
        if time.monotonic() > deadline:
            raise MigrationFailed(
                "Another migration has been at work for too long, and nothing was changed: try "
                "again later."
            )
        time.sleep(POLL)


def _set_for_transaction(connection: Connection, name: str, seconds: float) -> None:
    # The transaction's own setting: a pooler may hand the session to anybody afterwards.
    connection.execute(
        text("SELECT set_config(:name, :timeout, true)"),
        {"name": name, "timeout": f"{round(seconds * 1000)}ms"},
    )


def _migrate(
    url: str, revision: str, role: str, *, wait_for_table: float, attempts: int, down: bool = False
) -> None:
    run = command.downgrade if down else command.upgrade
    committed = False

    def note_commit(_connection: Connection) -> None:
        nonlocal committed
        committed = True

    for left in reversed(range(attempts)):
        try:
            with connect(url, role, wait_for_table) as connection:
                event.listen(connection, "commit", note_commit)
                prepared = config()
                prepared.attributes["connection"] = connection
                run(prepared, revision)
        except CommandError as error:
            raise MigrationFailed(_sentence(error, url)) from error
        except DBAPIError as error:
            if not left or not isinstance(error.orig, LockNotAvailable):
                raise MigrationFailed(_sentence(error, url, committed=committed)) from error
            time.sleep(PAUSE)
        else:
            return


def _sentence(
    error: DBAPIError | CommandError | RevisionError, url: str, *, committed: bool = False
) -> str:
    if not isinstance(error, DBAPIError):
        return _newer(error)
    if isinstance(error.orig, LockNotAvailable):
        changed = KEPT if committed else "nothing was changed"
        return f"A table stayed in use too long, and {changed}: try again later."
    if not isinstance(error.orig, psycopg.Error) or error.orig.sqlstate is not None:
        detail = error.orig.diag.message_primary if isinstance(error.orig, psycopg.Error) else None
        reason = detail or error.orig
        if committed:
            return f"The migration failed, and {KEPT}; the same command goes on: {reason}"
        return f"The migration failed, and nothing was changed: {reason}"
    return f"The database cannot be reached: {said_of(error.orig, url)}"


def _newer(said: object) -> str:
    return f"{said}. Has newer code migrated this database?"
