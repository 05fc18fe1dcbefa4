"""The port: what resolvers ask of a database, and how it fails."""

import asyncio
from contextlib import AbstractContextManager
from typing import Protocol

from models.statement import Row, Statement
from models.user import UserId


class Database(Protocol):
    """Runs statements, each in a transaction of its own in which `app.user_id` is its owner."""

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
