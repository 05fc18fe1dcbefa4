"""Pages of tasks and of labels, by Relay's Cursor Connections specification, and their cursors."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol, Self

import orjson
import strawberry

from graphql_schema.errors import BadUserInput
from graphql_schema.filters import TaskOrderField
from graphql_schema.types import Label, Task, TaskPriority
from graphql_schema.values import TASK_ID_MAX, is_storable
from models.instant import Instant
from models.label import LABEL_MAX_LENGTH
from models.task import POSITION_MAX_LENGTH, TaskRow

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 100
CURSOR_MAX_LENGTH = 2048
"""Characters in a cursor: over what the longest title needs."""
LABELS = "LABELS"
"""The first member of a cursor of labels. One of a list of tasks has its order there."""
NO_DATE, NO_PRIORITY = "infinity", 0
"""What tasks without a date, or without a priority, are ordered by."""
WHOLE_DAY = "23:59:59.999999"
"""The time of what is due on a day, and at no time of it."""


class Place(Protocol):
    """A position in a list or a feed, which is a cursor in the schema."""

    def encode(self) -> str: ...


class Cursor(NamedTuple):
    """A position in an order: the value that is ordered by, and the id, which breaks ties.

    It is a position, not a row, so it stays valid when the row is changed or deleted.
    """

    field: TaskOrderField
    value: Instant | str | int
    id: int

    @classmethod
    def of(cls, row: TaskRow, field: TaskOrderField) -> Self:
        if field is TaskOrderField.DUE:
            due_at = f"{row.due_on} {row.due_time or WHOLE_DAY}" if row.due_on else NO_DATE
            return cls(field, due_at, row.id)
        return cls(field, getattr(row, field.fact.name), row.id)

    @classmethod
    def columns(cls, field: TaskOrderField) -> set[str]:
        """Return the columns of a row that `of` reads."""
        values = {"due_on", "due_time"} if field is TaskOrderField.DUE else {field.fact.name}
        return {"id", *values}

    @property
    def has_value(self) -> bool:
        """Whether the task has a value in this order. If not, its id alone is its place."""
        match self.field:
            case TaskOrderField.DUE:
                return self.value != NO_DATE
            case TaskOrderField.PRIORITY:
                return self.value != NO_PRIORITY
        return True

    def encode(self) -> str:
        return encode_parts(self.field.value, self.value, self.id)

    @classmethod
    def decode(cls, text: str, field: TaskOrderField, argument: str) -> Self:
        """Return the cursor that `encode` made.

        Raises:
            BadUserInput: the text is no cursor of ours, or one of another order.
        """
        try:
            named, plain, id = decode_parts(text)
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


class LabelCursor(NamedTuple):
    """A position among the labels."""

    name: str
    """In any spelling."""

    def encode(self) -> str:
        return encode_parts(LABELS, self.name)

    @classmethod
    def decode(cls, text: str, argument: str) -> Self:
        """Return the cursor that `encode` made.

        Raises:
            BadUserInput: the text is no cursor of ours, or one of a list of something else.
        """
        try:
            named, name = decode_parts(text)
            if named != LABELS or not isinstance(name, str):
                raise ValueError(named)
            if len(name) > LABEL_MAX_LENGTH or not is_storable(name):
                raise ValueError(name)
        except (ValueError, TypeError, RecursionError) as error:
            raise BadUserInput(f"`{argument}` is not a cursor of the labels.") from error
        return cls(name)


def whole(plain: object, most: int) -> int:
    """Return a value of a cursor that must be a whole number, from 0 on.

    Raises:
        ValueError: it is not.
    """
    if type(plain) is not int or not 0 <= plain <= most:
        raise ValueError(plain)
    return plain


def encode_parts(*parts: object) -> str:
    """Return the cursor that holds these values of JSON."""
    return _text_of(orjson.dumps(parts))


def decode_parts(text: str) -> list[object]:
    """Return the values that `encode_parts` was given.

    Raises:
        ValueError, TypeError, RecursionError: the text is no cursor of ours.
    """
    if len(text) > CURSOR_MAX_LENGTH:
        raise ValueError(len(text))
    data = urlsafe_b64decode(text.encode("ascii") + b"==")
    if _text_of(data) != text:
        # Python leaves out what is not of the alphabet. A place has one cursor.
        raise ValueError(text)
    parts = json.loads(data)
    if not isinstance(parts, list):
        raise TypeError(parts)
    return parts


def _text_of(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _ordered_value(field: TaskOrderField, plain: object) -> Instant | str | int:
    if field is TaskOrderField.PRIORITY:
        return whole(plain, len(TaskPriority) - 1)
    if not isinstance(plain, str):
        raise TypeError(plain)
    if field is TaskOrderField.DUE:
        return _due_at(plain)
    if field is TaskOrderField.POSITION:
        if not (plain.isascii() and plain.isalnum()) or len(plain) > POSITION_MAX_LENGTH:
            raise ValueError(plain)
        return plain
    if field.fact.is_text:
        if len(plain) > (field.fact.max_length or CURSOR_MAX_LENGTH) or not is_storable(plain):
            raise ValueError(plain)
        return plain
    moment = datetime.fromisoformat(plain)
    if moment.tzinfo is None:
        raise ValueError(plain)
    return Instant(moment.astimezone(UTC).isoformat(" "))


def _due_at(plain: str) -> str:
    """Return when something is due, if the text is as cursors have it."""
    if plain != NO_DATE and datetime.fromisoformat(plain).isoformat(" ") != plain:
        raise ValueError(plain)
    return plain


@strawberry.type(description="The position of a page in the whole list.")
class PageInfo:
    next: strawberry.Private[Callable[[], bool | Awaitable[bool]]]
    previous: strawberry.Private[Callable[[], bool | Awaitable[bool]]]
    start: strawberry.Private[Place | None]
    end: strawberry.Private[Place | None]

    @strawberry.field(
        description="The cursor of the page's first entry; null when the page is empty."
    )
    def start_cursor(self) -> str | None:
        return None if self.start is None else self.start.encode()

    @strawberry.field(
        description="The cursor of the page's last entry; null when the page is empty. "
        "Of a page of changes it is never null: the next page comes after it."
    )
    def end_cursor(self) -> str | None:
        return None if self.end is None else self.end.encode()

    @strawberry.field(graphql_type=bool, description="Whether there is more after this page.")
    def has_next_page(self) -> bool | Awaitable[bool]:
        return self.next()

    @strawberry.field(graphql_type=bool, description="Whether there is more before this page.")
    def has_previous_page(self) -> bool | Awaitable[bool]:
        return self.previous()


@strawberry.type(description="A task and its position in the list.")
class TaskEdge:
    cursor: str = strawberry.field(description="The position, for `after` and `before`.")
    node: TaskRow = strawberry.field(graphql_type=Task, description="The task.")


@strawberry.type(description="A page of tasks.")
class TaskConnection:
    rows: strawberry.Private[Sequence[TaskRow]]
    order: strawberry.Private[TaskOrderField]
    next: strawberry.Private[Callable[[], bool | Awaitable[bool]]]
    previous: strawberry.Private[Callable[[], bool | Awaitable[bool]]]
    total: strawberry.Private[int | None]
    """None where it is not selected."""

    @strawberry.field(graphql_type=list[Task], description="The tasks of this page, in order.")
    def nodes(self) -> Sequence[TaskRow]:
        return self.rows

    @strawberry.field(description="The tasks of this page, each with its cursor.")
    def edges(self) -> list[TaskEdge]:
        return [TaskEdge(cursor=Cursor.of(row, self.order).encode(), node=row) for row in self.rows]

    @strawberry.field(description="The position of this page in the whole list.")
    def page_info(self) -> PageInfo:
        rows, order = self.rows, self.order
        return PageInfo(
            next=self.next,
            previous=self.previous,
            start=Cursor.of(rows[0], order) if rows else None,
            end=Cursor.of(rows[-1], order) if rows else None,
        )

    @strawberry.field(
        graphql_type=int,
        description="The number of tasks that meet the filter, on all pages. "
        "It is counted only when it is selected.",
    )
    def total_count(self) -> int | None:
        return self.total


@strawberry.type(description="A label and its position among the labels.")
class LabelEdge:
    cursor: str = strawberry.field(description="The position, for `after`.")
    node: Label = strawberry.field(description="The label.")


@strawberry.type(description="A page of labels, by name, upper and lower case alike.")
class LabelConnection:
    names: strawberry.Private[Sequence[str]]
    more: strawberry.Private[bool]
    previous: strawberry.Private[Callable[[], bool | Awaitable[bool]]]

    @strawberry.field(description="The labels of this page, in order.")
    def nodes(self) -> list[Label]:
        return [Label(name=name) for name in self.names]

    @strawberry.field(description="The labels of this page, each with its cursor.")
    def edges(self) -> list[LabelEdge]:
        return [
            LabelEdge(cursor=LabelCursor(name).encode(), node=Label(name=name))
            for name in self.names
        ]

    @strawberry.field(description="The position of this page among the labels.")
    def page_info(self) -> PageInfo:
        return PageInfo(
            next=lambda: self.more,
            previous=self.previous,
            start=LabelCursor(self.names[0]) if self.names else None,
            end=LabelCursor(self.names[-1]) if self.names else None,
        )


def page_size(first: int | None, last: int | None, most: int = PAGE_SIZE_MAX) -> int:
    """Return the number of things that a page may have.

    Raises:
        BadUserInput: both are given, or one is out of range.
    """
    if first is not None and last is not None:
        raise BadUserInput("Give `first` or `last`, not both.")
    for name, size in (("first", first), ("last", last)):
        if size is not None and not 0 <= size <= most:
            raise BadUserInput(f"`{name}` must be between 0 and {most}, not {size}.")
    if first is not None:
        return first
    return PAGE_SIZE_DEFAULT if last is None else last
