"""The narrow door to the database: a statement with its owner goes in, rows come out."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from auth.identity import UserId

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Sql(Generic[Row]):
    """SQL text compiled once, with the names of its `$1`, `$2`, … in order."""

    text: str
    parameters: tuple[str, ...]
    make_row: Callable[[Sequence[object]], Row]
    """Makes a named row of one record, whose values stand in the order of the text's columns."""
    writes: bool
    repeatable: bool = False
    """Whether it cannot take effect twice, so that it may be sent again where nobody knows."""


class Statement(NamedTuple, Generic[Row]):
    """SQL, whose it is, and its values: it cannot be made without an owner."""

    sql: Sql[Row]
    owner: UserId
    values: Mapping[str, object]


class Database(Protocol):
    """Runs statements, each in a transaction of its own in which its owner alone is set."""

    async def fetch(self, statement: Statement[Row]) -> list[Row]:
        """Return every row of the statement, committed.

        Raises:
            DatabaseUnavailable: no connection could be had, or it broke, within the time allowed.
            OwnerUnknown: the owner has no row in users.
            AlreadyThere: a row that was to be added is there already; nothing was written.
        """
        ...


class Changes(Protocol):
    """Tells those who wait for it that an owner's rows may have changed."""

    def watch(self, owner: UserId) -> AbstractContextManager[asyncio.Event]:
        """Set an event whenever that is so, in the block; whoever waits for it clears it."""
        ...


class DatabaseUnavailable(Exception):
    """The database could not be reached, or did not answer, within the time allowed."""


class DatabaseTooSlow(DatabaseUnavailable):
    """The database was still at the statement when its time was over, and undid it."""


class AlreadyThere(Exception):
    """A row was to be added under a key that another one has. Nothing was written."""


class OwnerUnknown(Exception):
    """A row was to be written for an owner who has no row in users. Nothing was written."""
