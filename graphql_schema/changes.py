"""The feed of changes: of all kinds of things, and the one of tasks alone that clients had before.

The numbers of all kinds are those of one counter, so a cursor of one feed is good for the other.
"""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple, Self

import strawberry

from graphql_schema.connections import PageInfo, decode_parts, encode_parts, whole
from graphql_schema.errors import BadUserInput
from graphql_schema.types import Node, Task
from graphql_schema.values import list_id
from models.task import TaskRow
from models.task_list import TaskListRow

CHANGES_MAX = 500
"""Changes on a page of `changes`."""
VERSION_MAX = 2**31 - 1
"""The greatest value of PostgreSQL's integer."""
ORIGIN_MAX = 2**53 - 1
"""The greatest integer that every reader of JSON keeps whole."""
CHANGES = "CHANGES"
"""The first member of a cursor of the feed."""

Changed = TaskRow | TaskListRow
"""Whatever the feed has changes of."""


class ChangeCursor(NamedTuple):
    """A position in the feed of changes: the client has seen all changes up to a version."""

    version: int
    purged_version: int
    """The counter's `purged_version` when the client began to read from the beginning."""
    origin: int | None
    """A number of the database and the account that it counts in; None: made before there was one.

    It tells nothing of either, for it is a digest.
    """

    def encode(self) -> str:
        parts = self if self.origin is not None else self[:2]
        return encode_parts(CHANGES, *parts)

    @classmethod
    def decode(cls, text: str, argument: str) -> Self:
        """Return the cursor that `encode` made.

        Raises:
            BadUserInput: the text is no cursor of ours, or one of a list of tasks.
        """
        try:
            named, version, purged_version, *origins = decode_parts(text)
            (origin,) = origins or (None,)
            if named != CHANGES:
                raise ValueError(named)
            cursor = cls(
                whole(version, VERSION_MAX),
                whole(purged_version, VERSION_MAX),
                None if origin is None else whole(origin, ORIGIN_MAX),
            )
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise BadUserInput(f"`{argument}` is not a cursor of the changes.") from error
        return cursor


class FeedPage(NamedTuple):
    """A page of the feed."""

    rows: Sequence[Changed]
    end: ChangeCursor
    more: bool
    reset: bool

    def cursor_of(self, row: Changed) -> str:
        return self._place_of(row).encode()

    def info(self) -> PageInfo:
        return PageInfo(
            next=lambda: self.more,
            previous=lambda: False,
            start=self._place_of(self.rows[0]) if self.rows else None,
            end=self.end,
        )

    def _place_of(self, row: Changed) -> ChangeCursor:
        return self.end._replace(version=row.version)


_RESET = (
    "Whether these pages are the whole set. If so, drop the local copy before you apply them. It "
    "is true when `after` is left out, when deletions since then may have been purged, and when "
    "`after` is a cursor of another account, or of a database that was restored since."
)


@strawberry.enum(
    description="The kinds of things that change. There may be more of them in time: leave out "
    "what you do not know."
)
class ChangeKind(Enum):
    TASK = strawberry.enum_value("TASK", description="A task.")
    LIST = strawberry.enum_value("LIST", description="A list of tasks.")


@strawberry.type(description="The latest change of something that the caller has.")
class Change:
    kind: ChangeKind = strawberry.field(description="What has changed.")
    id: strawberry.ID = strawberry.field(description="The id of what has changed.")
    version: int = strawberry.field(description="The number of the change.")
    node: Changed | None = strawberry.field(
        graphql_type=Node | None,
        description="The task or the list as it is now; null if it is deleted.",
    )

    @classmethod
    def of(cls, row: Changed) -> Self:
        is_list = isinstance(row, TaskListRow)
        return cls(
            kind=ChangeKind.LIST if is_list else ChangeKind.TASK,
            id=list_id(row.id) if is_list else strawberry.ID(str(row.id)),
            version=row.version,
            node=None if row.deleted_at else row,
        )


@strawberry.type(description="A change and its position among the changes.")
class ChangeEdge:
    cursor: str = strawberry.field(description="The position, for `after`.")
    node: Change = strawberry.field(description="The change.")


@strawberry.type(description="A page of changes, oldest first, with one entry for each thing.")
class ChangeConnection:
    page: strawberry.Private[FeedPage]

    @strawberry.field(description=_RESET)
    def reset(self) -> bool:
        return self.page.reset

    @strawberry.field(description="The changes of this page, in order.")
    def nodes(self) -> list[Change]:
        return [Change.of(row) for row in self.page.rows]

    @strawberry.field(description="The changes of this page, each with its cursor.")
    def edges(self) -> list[ChangeEdge]:
        page = self.page
        return [ChangeEdge(cursor=page.cursor_of(row), node=Change.of(row)) for row in page.rows]

    @strawberry.field(description="The position of this page among the changes.")
    def page_info(self) -> PageInfo:
        return self.page.info()


@strawberry.type(description="The latest change of one of the caller's tasks.")
class TaskChange:
    task_id: strawberry.ID = strawberry.field(description="The id of the task.")
    version: int = strawberry.field(description="The number of the change.")
    task: TaskRow | None = strawberry.field(
        graphql_type=Task | None,
        description="The task as it is now; null if it is deleted.",
    )

    @classmethod
    def of(cls, row: TaskRow) -> Self:
        return cls(
            task_id=strawberry.ID(str(row.id)),
            version=row.version,
            task=None if row.deleted_at else row,
        )


@strawberry.type(description="A change and its position among the changes.")
class TaskChangeEdge:
    cursor: str = strawberry.field(description="The position, for `after`.")
    node: TaskChange = strawberry.field(description="The change.")


@strawberry.type(description="A page of changes, oldest first, with one entry for each task.")
class TaskChangeConnection:
    page: strawberry.Private[FeedPage]

    @strawberry.field(description=_RESET)
    def reset(self) -> bool:
        return self.page.reset

    @strawberry.field(description="The changes of this page, in order.")
    def nodes(self) -> list[TaskChange]:
        return [TaskChange.of(row) for row in self.page.rows if isinstance(row, TaskRow)]

    @strawberry.field(description="The changes of this page, each with its cursor.")
    def edges(self) -> list[TaskChangeEdge]:
        page = self.page
        return [
            TaskChangeEdge(cursor=page.cursor_of(row), node=TaskChange.of(row))
            for row in page.rows
            if isinstance(row, TaskRow)
        ]

    @strawberry.field(description="The position of this page among the changes.")
    def page_info(self) -> PageInfo:
        return self.page.info()
