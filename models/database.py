"""The port to the database: what resolvers need of it, and how it fails."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from models.statement import Row, Statement
from models.user import UserId

Read = TypeVar("Read")


class Database(Protocol):
    """Runs statements, each in its own transaction, in which `app.user_id` is its owner."""

    async def fetch(self, statement: Statement[Row]) -> list[Row]:
        """Return every row of the statement, committed.

        Raises:
            DatabaseUnavailable: there was no connection within the time allowed, or it broke.
            OwnerUnknown: the owner has no row in users.
            AlreadyThere: a row with the key of a new one exists; nothing was written.
        """
        ...


class Changes(Protocol):
    """Reports that an owner's rows may have changed."""

    def watch(self, owner: UserId) -> AbstractContextManager[asyncio.Event]:
        """Return an event that is set whenever the owner's rows may have changed, in the block.

        The code that waits for it clears it.
        """
        ...

    async def read_once(
        self, owner: UserId, place: object, read: Callable[[], Coroutine[Any, Any, Read]]
    ) -> Read:
        """Return what `read` returns, called once for all who ask for the place while it runs.

        It is called again for who asks after a change has been reported, and so misses none. Who is
        cancelled does not cancel it for others.
        """
        ...


class DatabaseUnavailable(Exception):
    """The database could not be reached, or did not answer, within the time allowed."""


class DatabaseTooSlow(DatabaseUnavailable):
    """The statement took longer than it may, and the database undid it."""


class AlreadyThere(Exception):
    """A row with the key of a new one exists. Nothing was written."""


class OwnerUnknown(Exception):
    """The owner of a new row has no row in users. Nothing was written."""
