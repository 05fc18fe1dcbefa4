"""Pages of tasks and of changes, after Relay's Cursor Connections, and their cursors."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Self

import orjson
import strawberry

from graphql_schema.errors import BadUserInput
from graphql_schema.filters import TaskOrderField
from graphql_schema.inputs import TASK_ID_MAX, is_storable
from graphql_schema.types import Task
from models.instant import Instant
from models.task import TaskRow

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 100
VERSION_MAX = 2**31 - 1
"""The greatest value of PostgreSQL's integer."""
CURSOR_MAX_LENGTH = 2048
"""Characters in a cursor: over what the longest title needs."""
CHANGES = "CHANGES"
"""What a cursor of the feed begins with, where one of a list has its order."""


class Cursor(NamedTuple):
    """A position between the rows of an order: the value ordered by, and the id that breaks ties.

    It marks a place, not a row, so it stays good when the row is changed or deleted.
    """

    field: TaskOrderField
    value: Instant | str
    id: int

    @classmethod
    def of(cls, row: TaskRow, field: TaskOrderField) -> Self:
        return cls(field, getattr(row, field.fact.name), row.id)

    def encode(self) -> str:
        return _encode_parts(self.field.value, self.value, self.id)

    @classmethod
    def decode(cls, text: str, field: TaskOrderField, argument: str) -> Self:
        """Return the cursor that `encode` made.

        Raises:
            BadUserInput: it is no cursor of ours, or one of another order.
        """
        try:
            named, plain, id = _decode_parts(text)
            if type(id) is not int or not 0 < id <= TASK_ID_MAX:
                raise ValueError(id)
            cursor = cls(TaskOrderField(named), _ordered_value(TaskOrderField(named), plain), id)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise BadUserInput(f"`{argument}` is not a cursor of this API.") from error
        if cursor.field is not field:
            raise BadUserInput(
                f"`{argument}` is a cursor of the order by {cursor.field.value}, "
                f"but this list is ordered by {field.value}."
            )
        return cursor


class ChangeCursor(NamedTuple):
    """A place in the feed of changes: all of them up to a version have been seen."""

    version: int
    purged_version: int
    """What had been purged when the reading began, of which nothing has been shown."""

    def encode(self) -> str:
        return _encode_parts(CHANGES, *self)

    @classmethod
    def decode(cls, text: str, argument: str) -> Self:
        """Return the cursor that `encode` made.

        Raises:
            BadUserInput: it is no cursor of ours, or one of a list of tasks.
        """
        try:
            named, *versions = _decode_parts(text)
            cursor = cls(*map(_version, versions))
            if named != CHANGES:
                raise ValueError(named)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise BadUserInput(f"`{argument}` is not a cursor of the changes.") from error
        return cursor


def _version(plain: object) -> int:
    if type(plain) is not int or not 0 <= plain <= VERSION_MAX:
        raise ValueError(plain)
    return plain


def _encode_parts(*parts: object) -> str:
    return urlsafe_b64encode(orjson.dumps(parts)).rstrip(b"=").decode()


def _decode_parts(text: str) -> tuple[object, object, object]:
    if len(text) > CURSOR_MAX_LENGTH:
        raise ValueError(len(text))
    named, plain, id = json.loads(urlsafe_b64decode(text.encode("ascii") + b"=="))
    return named, plain, id


def _ordered_value(field: TaskOrderField, plain: object) -> Instant | str:
    if not isinstance(plain, str):
        raise TypeError(plain)
    if field.fact.is_text:
        if len(plain) > (field.fact.max_length or CURSOR_MAX_LENGTH) or not is_storable(plain):
            raise ValueError(plain)
        return plain
    moment = datetime.fromisoformat(plain)
    if moment.tzinfo is None:
        raise ValueError(plain)
    return Instant(moment.astimezone(UTC).isoformat(" "))


@strawberry.type(description="Where a page stands in the whole list.")
class PageInfo:
    next: strawberry.Private[Callable[[], bool | Awaitable[bool]]]
    previous: strawberry.Private[Callable[[], bool | Awaitable[bool]]]
    start: strawberry.Private[Cursor | ChangeCursor | None]
    end: strawberry.Private[Cursor | ChangeCursor | None]

    @strawberry.field(
        description="The cursor of the page's first task; null when the page is empty."
    )
    def start_cursor(self) -> str | None:
        return None if self.start is None else self.start.encode()

    @strawberry.field(
        description="The cursor of the page's last task; null when the page is empty. "
        "Of a page of changes: where to go on, which is never null."
    )
    def end_cursor(self) -> str | None:
        return None if self.end is None else self.end.encode()

    @strawberry.field(graphql_type=bool, description="Whether there are tasks after this page.")
    def has_next_page(self) -> bool | Awaitable[bool]:
        return self.next()

    @strawberry.field(graphql_type=bool, description="Whether there are tasks before this page.")
    def has_previous_page(self) -> bool | Awaitable[bool]:
        return self.previous()


@strawberry.type(description="A task and its place in the list.")
class TaskEdge:
    cursor: str = strawberry.field(description="Marks this place, for `after` and `before`.")
    node: TaskRow = strawberry.field(graphql_type=Task, description="The task.")


@strawberry.type(description="A page of tasks.")
class TaskConnection:
    rows: strawberry.Private[Sequence[TaskRow]]
    order: strawberry.Private[TaskOrderField]
    next: strawberry.Private[Callable[[], bool | Awaitable[bool]]]
    previous: strawberry.Private[Callable[[], bool | Awaitable[bool]]]
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(graphql_type=list[Task], description="The tasks of this page, in order.")
    def nodes(self) -> Sequence[TaskRow]:
        return self.rows

    @strawberry.field(description="The tasks of this page, each with its cursor.")
    def edges(self) -> list[TaskEdge]:
        return [TaskEdge(cursor=Cursor.of(row, self.order).encode(), node=row) for row in self.rows]

    @strawberry.field(description="Where this page stands in the whole list.")
    def page_info(self) -> PageInfo:
        rows, order = self.rows, self.order
        return PageInfo(
            next=self.next,
            previous=self.previous,
            start=Cursor.of(rows[0], order) if rows else None,
            end=Cursor.of(rows[-1], order) if rows else None,
        )

    @strawberry.field(
        description="How many tasks the filter lets through, on all pages. "
        "Counted only when it is asked for."
    )
    async def total_count(self) -> int:
        return await self.count()


@strawberry.type(
    description="That a task of the caller's has changed. Only its latest change counts."
)
class TaskChange:
    task_id: strawberry.ID = strawberry.field(description="Which task.")
    version: int = strawberry.field(description="The number of the change.")
    task: TaskRow | None = strawberry.field(
        graphql_type=Task | None, description="The task as it is now; null when it is deleted."
    )

    @classmethod
    def of(cls, row: TaskRow) -> Self:
        return cls(
            task_id=strawberry.ID(str(row.id)),
            version=row.version,
            task=None if row.deleted_at else row,
        )


@strawberry.type(description="A change, and its place among the changes.")
class TaskChangeEdge:
    cursor: str = strawberry.field(description="Marks this place, for `after`.")
    node: TaskChange = strawberry.field(description="The change.")


@strawberry.type(description="A page of changes, oldest first, with one entry for each task.")
class TaskChangeConnection:
    rows: strawberry.Private[Sequence[TaskRow]]
    end: strawberry.Private[ChangeCursor]
    more: strawberry.Private[bool]
    reset: bool = strawberry.field(
        description="Whether these pages are the whole set: drop the local copy before applying "
        "them. It is so when `after` is left out, or when deletions since then may be forgotten."
    )

    @strawberry.field(description="The changes of this page, in order.")
    def nodes(self) -> list[TaskChange]:
        return [TaskChange.of(row) for row in self.rows]

    @strawberry.field(description="The changes of this page, each with its cursor.")
    def edges(self) -> list[TaskChangeEdge]:
        return [
            TaskChangeEdge(cursor=self._cursor(row).encode(), node=TaskChange.of(row))
            for row in self.rows
        ]

    @strawberry.field(description="Where this page stands among the changes.")
    def page_info(self) -> PageInfo:
        return PageInfo(
            next=lambda: self.more,
            previous=lambda: False,
            start=self._cursor(self.rows[0]) if self.rows else None,
            end=self.end,
        )

    def _cursor(self, row: TaskRow) -> ChangeCursor:
        return self.end._replace(version=row.version)


def page_size(first: int | None, last: int | None) -> int:
    """Return how many tasks a page is to have.

    Raises:
        BadUserInput: both are given, or one is out of range.
    """
    if first is not None and last is not None:
        raise BadUserInput("Give `first` or `last`, not both.")
    for name, size in (("first", first), ("last", last)):
        if size is not None and not 0 <= size <= PAGE_SIZE_MAX:
            raise BadUserInput(f"`{name}` must be between 0 and {PAGE_SIZE_MAX}, not {size}.")
    if first is not None:
        return first
    return PAGE_SIZE_DEFAULT if last is None else last
