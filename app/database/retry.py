"""What follows from a statement that failed: whether it may be tried again, and what is told.

The codes are PostgreSQL's: https://www.postgresql.org/docs/current/errcodes-appendix.html.
"""

import logging
import random
from typing import NoReturn

import psycopg
from psycopg.errors import (
    ForeignKeyViolation,
    QueryCanceled,
    TriggeredDataChangeViolation,
    UniqueViolation,
)

from app.telemetry.repeated import Repeated
from models.database import (
    AlreadyThere,
    DatabaseTooSlow,
    DatabaseUnavailable,
    OwnerUnknown,
    Refused,
    Rule,
)
from models.statement import Row, Statement
from pipelined_postgres.connection import Raised

CLASHES_MAX = 3
"""How often a statement is tried again after a deadlock or a serialization failure."""

BREAKS_MAX = 3
"""How often a read is tried again after its connection broke: others may be broken as well."""

BREAK_PAUSES = (0.0, 0.05, 0.2)
"""Seconds before each of these tries, at most: when all connections end, it takes a moment until
that is known of each, and those that are not known would use up the tries.
"""

CLASHES = {"40001", "40P01"}
"""The transaction was undone because of others: even a write may be tried again."""

ENDED = {"57P01", "57P02", "57P03", "25P03", "53300"}
"""The session ended before the statement was executed: a write may be tried again once."""

NODE_AWAY = {"08000", "08001", "08003", "08006"}
"""Another node is away, says one that is there: the connection to this one goes on, and the
statement was undone, unless it was lost at its commit. What libpq finds itself has no code.
"""

NODE_AWAY_MAX = 1
"""How often a read is tried again because of that."""

NODE_AWAY_PAUSE = 0.2
"""Seconds before that, in which a standby may take over."""

INTERNAL = "XX000"
LOST_ON_THE_WAY = ("server closed the connection", "could not commit transaction for shard")
"""How that begins which a node says, without a code of its own, of one that it has just lost."""

READ_ONLY = "25006"
"""The database takes no changes: a standby, or a primary that was switched so."""

OUT_OF_ORDER = {
    "53100": "its disk is full",
    "53200": "it is out of memory",
    "53400": "a limit of its configuration is reached",
    "58030": "it cannot read or write a file",
    "XX001": "its data are damaged",
    "XX002": "an index is damaged",
    "42501": "a right is missing, run `todo-api migrate`",
    "42P01": "a table is missing, run `todo-api migrate`",
    "42703": "a column is missing, run `todo-api migrate`",
    "42883": "a function is missing, run `todo-api migrate`",
}
"""Somebody has to mend the database; the statement was undone."""

RULES = {rule.value: rule for rule in Rule}

TOO_SLOW = "The database took too long."


class Attempts:
    """Counts a statement's failed attempts, and says whether there may be another."""

    def __init__(self, statement: Statement[Row], repeated: Repeated) -> None:
        """`repeated`: where the reasons are logged for which statements were given up."""
        self._statement = statement
        self._repeated = repeated
        self._breaks = 0
        self._clashes = 0

    def failed(self, error: psycopg.Error | TimeoutError) -> float:
        """Return after how many seconds the statement may be tried again.

        Raises:
            DatabaseUnavailable: it may not.
            OwnerUnknown: it was to write a row for an owner who has none in users.
            AlreadyThere: it was to add a row that is there.
            Refused: a trigger forbids it.
        """
        match error:
            case ForeignKeyViolation():
                raise OwnerUnknown(self._statement.owner) from error
            case UniqueViolation():
                raise AlreadyThere from error
            case QueryCanceled():
                self._repeated.log(logging.WARNING, TOO_SLOW)
                raise DatabaseTooSlow(TOO_SLOW) from error
            case TimeoutError():
                self._give_up(error, logging.WARNING, TOO_SLOW)
            case TriggeredDataChangeViolation():
                # Ours is the mistake: psycopg counts it among those of the database's state.
                raise error
            case Raised() if error.sqlstate in RULES:
                raise Refused(RULES[error.sqlstate], error.detail) from error
        return self._failed_with(error, error.sqlstate or "")

    def _failed_with(self, error: psycopg.Error, state: str) -> float:
        if state in CLASHES:
            self._clashes += 1
            if self._clashes > CLASHES_MAX:
                sentence = "Too many others were at the same rows."
                self._give_up(error, logging.WARNING, sentence)
            return 0.0
        if state == READ_ONLY:
            sentence = "The database takes no changes: it is read-only."
            self._give_up(error, logging.WARNING, sentence)
        if state in OUT_OF_ORDER:
            sentence = f"The database cannot do its work: {OUT_OF_ORDER[state]}."
            self._give_up(error, logging.ERROR, sentence)
        if state in NODE_AWAY or _is_of_lost_node(error):
            self._breaks += 1
            if self._breaks > min(self._breaks_max(state), NODE_AWAY_MAX):
                self._give_up(error, logging.WARNING, "A node of the database cannot be reached.")
            return NODE_AWAY_PAUSE
        if state in ENDED or isinstance(error, psycopg.OperationalError):
            self._breaks += 1
            if self._breaks > self._breaks_max(state):
                self._give_up(error, logging.WARNING, "The database cannot be reached.")
            return BREAK_PAUSES[self._breaks - 1] * random.uniform(0.5, 1)  # noqa: S311
        raise error

    def _breaks_max(self, state: str) -> int:
        sql = self._statement.sql
        if not sql.writes or sql.repeatable:
            return BREAKS_MAX
        # Without a word from PostgreSQL nobody knows whether the write was committed.
        return 1 if state in ENDED else 0

    def _give_up(self, error: Exception, level: int, sentence: str) -> NoReturn:
        self._repeated.log(level, sentence)
        raise DatabaseUnavailable(sentence) from error


def _is_of_lost_node(error: psycopg.Error) -> bool:
    said = error.diag.message_primary or ""
    return error.sqlstate == INTERNAL and said.startswith(LOST_ON_THE_WAY)
