"""The port to the database: what resolvers need of it, and how it fails."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from enum import Enum
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
            Refused: a rule of a trigger forbids the change; nothing was written.
        """
        ...


class Changes(Protocol):
    """Reports that an owner's rows may have changed, or that the owner was deleted."""

    def watch(self, owner: UserId) -> AbstractContextManager[asyncio.Event]:
        """Return an event that is set whenever the owner's rows may have changed, in the block.

        The code that waits for it clears it.
        """
        ...

    def until_deleted(self, owner: UserId, end: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `end` as soon as it is heard that the owner was deleted, in the block."""
        ...

    async def read_once(
        self, owner: UserId, place: object, read: Callable[[], Coroutine[Any, Any, Read]]
    ) -> Read:
        """Return what `read` returns, called once for all who ask for the place while it runs.

        It is called again for who asks after a change has been reported, and so misses none. Who is
        cancelled does not cancel it for others.
        """
        ...


class Deletions(Protocol):
    """Knows who was deleted."""

    async def include(self, user: UserId, issued_at: float) -> bool:
        """Return whether the user was deleted after a token was issued, in seconds since 1970.

        Raises:
            DatabaseUnavailable: that is not known, and the database cannot be reached.
        """
        ...


class DatabaseUnavailable(Exception):
    """The database could not be reached, or did not answer, within the time allowed."""


class DatabaseTooSlow(DatabaseUnavailable):
    """The statement took longer than it may, and the database undid it."""


class AlreadyThere(Exception):
    """A row with the key of a new one exists. Nothing was written."""


class Rule(Enum):
    """The rules of triggers, by the SQLSTATE that says which one a change would have broken."""

    PARENT = "TD001"
    """A subtask's parent is a task of its owner's at the top, outside the trash."""
    LIST = "TD002"
    """A task's list is one of its owner's, outside the trash."""
    ID_IS_FREE = "TD004"
    """A new thing has an id that nothing of its owner's has."""
    QUOTA = "TD005"
    """Nobody has more things, or more bytes of text, than the quota allows."""
    TIME_HAS_DAY = "TD006"
    """What is due at a time is due on a day."""
    LABELS_ARE_FEW = "TD007"
    """A task has at most `models.task.LABELS_MAX` labels."""
    LIST_IS_PARENTS = "TD008"
    """A subtask is in the list of its parent."""
    SUBTASKS_ARE_FEW = "TD009"
    """A task has at most 100 subtasks outside the trash."""
    LISTS_ARE_FEW = "TD010"
    """A user has at most 1,000 lists outside the trash."""
    PLACE = "TD011"
    """What `app.place` names stands in the same list, or below the same parent."""
    RECURRENCE_HAS_DAY = "TD013"
    """What comes again is due on a day."""
    SUBTASKS_DO_NOT_RECUR = "TD014"
    """A subtask has no rule of its own."""
    RECURRENCE_ENDS_LATER = "TD015"
    """A rule does not end before the day on which its task is due."""
    UNCHANGED_SINCE = "TD016"
    """Nothing that an undone action has touched has changed since, nor what it would be in."""
    CALENDAR_LINKS_ARE_FEW = "TD018"
    """A user has at most 10 calendar links."""
    USER_IS_DELETED = "TD012"
    """A token that was issued before its user was deleted adds no row of theirs."""


class Refused(Exception):
    """A change would have broken a rule. Nothing was written."""

    def __init__(self, rule: Rule, detail: str = "") -> None:
        super().__init__(rule)
        self.rule = rule
        self.detail = detail
        """The id that is taken, where it is that; of a new task, the id of its parent; of what is
        undone, the id of the thing that has changed."""


class OwnerUnknown(Exception):
    """The owner of a new row has no row in users. Nothing was written."""
