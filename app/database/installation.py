"""What the owner of the database writes about it as a whole: after a migration, after a restore."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg

from app.database.owner import connected

BATCH = 100
"""Users who are counted in one transaction."""

MARGIN = 1_000_000
"""Ids that are left out after a restore: more than a database gives out in the time it lost."""

GREATEST_ID = """
SELECT pg_sequence_last_value(pg_get_serial_sequence('tasks', 'id')::regclass),
       (SELECT max(id) FROM tasks WHERE id < 3308963600793600)
WHERE pg_get_serial_sequence('tasks', 'id') IS NOT NULL
"""
"""Where code from before is; no row where no such code works any more. New ids come from no
sequence, and all are greater than this.
"""
MOVE_SEQUENCE = "SELECT setval(pg_get_serial_sequence('tasks', 'id'), %s)"
TAKE_UNCOUNTED = """
SELECT user_id FROM task_counters WHERE tasks IS NULL OR bytes IS NULL
LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""
COUNT = """
UPDATE task_counters c
SET (tasks, bytes) = (SELECT things, s.bytes FROM stored_by(c.user_id) AS s)
WHERE user_id = ANY (%s)
"""
KEEP_FOR = """
UPDATE installation
SET trash_retention_days = %(trash)s, idempotency_retention_days = %(keys)s
WHERE (trash_retention_days, idempotency_retention_days) <> (%(trash)s, %(keys)s)
"""
DRAW_BEGINNING = "SELECT (random() * 9007199254740990 + 1)::bigint"
WRITE_BEGINNING = "UPDATE installation SET beginning = %s"
# The triggers count rows that are restored into tables beside counters that have them already. New
# ids begin with the time: those that were lost are of this second at the latest.
COUNT_ANEW = """
UPDATE task_counters SET tasks = NULL, bytes = NULL, last_id = greatest(
    last_id, (extract(epoch FROM clock_timestamp())::bigint + 1) << 21)
"""
# Where rows lie on several nodes, no row of several of them is locked, each owner's counter is
# written by a statement of its own, and what is counted is known before.
IS_DISTRIBUTED = "SELECT is_distributed()"
LOOK_FOR_UNCOUNTED = (
    "SELECT user_id FROM task_counters WHERE tasks IS NULL OR bytes IS NULL LIMIT %s"
)
LOCK = "SELECT FROM task_counters WHERE user_id = %s FOR NO KEY UPDATE"
COUNT_OF = "SELECT things, bytes FROM stored_by(%s)"
WRITE_COUNT = "UPDATE task_counters SET tasks = %s, bytes = %s WHERE user_id = %s"
NEXT_IDS_FROM = "SELECT (extract(epoch FROM clock_timestamp())::bigint + 1) << 21"
COUNT_ALL_ANEW = """
UPDATE task_counters SET tasks = NULL, bytes = NULL, last_id = greatest(last_id, %s::bigint)
"""
RETENTION_OF_KEYS = "SELECT idempotency_retention_days FROM installation"
DELETE_KEYS_BEFORE = """
DELETE FROM idempotency_keys WHERE created_at < now() - make_interval(days => %s)
"""
DELETE_OLD_KEYS = """
DELETE FROM idempotency_keys
WHERE created_at < now() - make_interval(
    days => (SELECT idempotency_retention_days FROM installation))
"""


class Retention(NamedTuple):
    """How long is kept what goes by itself, in days."""

    trash: int
    keys: int
    """Idempotency keys."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """Where the sequence of ids stands, and what it must be beyond."""

    last: int
    """The last id that it gave out; 0 where it gave out none."""
    greatest: int
    """The greatest id that there is; 0 where there is none."""
    exists: bool = True
    """There is a sequence, for code from before may still work."""

    @property
    def is_behind(self) -> bool:
        return self.last < self.greatest

    def __str__(self) -> str:
        return (
            f"The sequence of task ids stands at {self.last}, and there is a task with id "
            f"{self.greatest}."
        )


def check_sequence(url: str) -> Sequence:
    """Return where the sequence of ids stands.

    Raises:
        MigrationFailed: it could not be asked.
    """
    with connected(url, "The sequence of ids could not be looked at") as connection:
        return _sequence(connection)


def complete_migration(url: str, retention: Retention) -> Sequence:
    """Write how long trash and keys are kept, and move a sequence on that is behind.

    Return how that stood. Then count what each user has, where nobody did: in short transactions,
    for servers run beside.

    A restore of rows alone leaves the sequence behind, as does logical replication.

    Raises:
        MigrationFailed: it could not be done.
    """
    failure = "The tables are up to date, but not all could be written"
    with connected(url, failure) as connection:
        connection.execute(KEEP_FOR, retention._asdict())
        sequence = _sequence(connection)
        if sequence.is_behind:
            connection.execute(MOVE_SEQUENCE, [sequence.greatest])
        connection.commit()
        _count_uncounted(connection)
        return sequence


def begin_after_restore(url: str, margin: int = MARGIN, ids_from: int | None = None) -> int | None:
    """Have every client read its tasks anew, and give out no id twice; return the next id.

    None where ids come from no sequence: then all that are new are greater than those of before.

    `margin`: ids that are left out. `ids_from`: an id that is known to be the greatest given out.

    Raises:
        MigrationFailed: it could not be done.
    """
    with connected(url, "Nothing was written") as connection:
        connection.execute(WRITE_BEGINNING, connection.execute(DRAW_BEGINNING).fetchone())
        if _is_distributed(connection):
            _begin_on_all_nodes(connection)
        else:
            connection.execute(DELETE_OLD_KEYS)
            connection.execute(COUNT_ANEW)
        sequence = _sequence(connection)
        last = max(sequence.last, sequence.greatest) + margin
        if ids_from is not None:
            last = max(sequence.last, sequence.greatest, ids_from)
        if sequence.exists and last:
            connection.execute(MOVE_SEQUENCE, [last])
        return last + 1 if sequence.exists else None


def _begin_on_all_nodes(connection: psycopg.Connection[Any]) -> None:
    """Delete old keys and have all counted anew, by values that no node has to work out."""
    connection.execute(DELETE_KEYS_BEFORE, connection.execute(RETENTION_OF_KEYS).fetchone())
    connection.execute(COUNT_ALL_ANEW, connection.execute(NEXT_IDS_FROM).fetchone())


def _is_distributed(connection: psycopg.Connection[Any]) -> bool:
    return connection.execute(IS_DISTRIBUTED).fetchone() == (True,)


def _count_uncounted(connection: psycopg.Connection[Any]) -> None:
    """Count what each user has whose counter says nothing of it; pass over those that are busy.

    A user who is passed over is counted by the next change of theirs that adds a task or a text.
    """
    if _is_distributed(connection):
        _count_on_all_nodes(connection)
        return
    while True:
        # Two statements: what is counted must be what is there once nobody can change it.
        users = [user for (user,) in connection.execute(TAKE_UNCOUNTED, [BATCH]).fetchall()]
        connection.execute(COUNT, [users])
        connection.commit()
        if not users:
            return


def _count_on_all_nodes(connection: psycopg.Connection[Any]) -> None:
    """Count owner by owner, each in a transaction of its own."""
    while users := connection.execute(LOOK_FOR_UNCOUNTED, [BATCH]).fetchall():
        for (user,) in users:
            connection.commit()
            connection.execute(LOCK, [user])
            counted = connection.execute(COUNT_OF, [user]).fetchone()
            assert counted is not None
            connection.execute(WRITE_COUNT, [*counted, user])
    connection.commit()


def _sequence(connection: psycopg.Connection[Any]) -> Sequence:
    record = connection.execute(GREATEST_ID).fetchone()
    return (
        Sequence(0, 0, exists=False) if record is None else Sequence(record[0] or 0, record[1] or 0)
    )
