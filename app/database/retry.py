"""When a statement that failed may be tried again."""

import psycopg
from psycopg.errors import (
    DeadlockDetected,
    ForeignKeyViolation,
    QueryCanceled,
    SerializationFailure,
    UniqueViolation,
)

from models.database import (
    AlreadyThere,
    DatabaseTooSlow,
    DatabaseUnavailable,
    OwnerUnknown,
)
from models.statement import Row, Statement

CLASHES_MAX = 3
"""How often a statement is tried again after a deadlock or a serialization failure."""

BREAKS_MAX = 3
"""How often a read is tried again after its connection broke: others may be broken as well."""


class Attempts:
    """Counts a statement's failed attempts, and says whether there may be another."""

    def __init__(self, statement: Statement[Row]) -> None:
        self._statement = statement
        self._breaks = 0
        self._clashes = 0

    def failed(self, error: psycopg.Error | TimeoutError) -> None:
        """Return when the statement may be tried again.

        Raises:
            DatabaseUnavailable: it may not.
            OwnerUnknown: it was to write a row for an owner who has none in users.
            AlreadyThere: it was to add a row that is there.
        """
        match error:
            case ForeignKeyViolation():
                raise OwnerUnknown(self._statement.owner) from error
            case UniqueViolation():
                raise AlreadyThere from error
            case QueryCanceled():
                raise DatabaseTooSlow("The database took too long.") from error
            case TimeoutError():
                raise DatabaseUnavailable("The database took too long.") from error
            case DeadlockDetected() | SerializationFailure():
                # PostgreSQL has undone the transaction, so even a write may be tried again.
                self._clashes += 1
                if self._clashes > CLASHES_MAX:
                    raise DatabaseUnavailable("Too many others were at the same rows.") from error
            case psycopg.OperationalError():
                # Nobody knows whether a write was committed before its connection broke.
                self._breaks += 1
                sql = self._statement.sql
                if self._breaks > BREAKS_MAX or (sql.writes and not sql.repeatable):
                    raise DatabaseUnavailable("The database cannot be reached.") from error
            case _:
                raise error
