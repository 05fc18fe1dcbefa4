"""Lists of tasks: their type, their pages, and the cursors of these."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Self

import strawberry

from graphql_schema.connections import PageInfo, decode_parts, encode_parts
from graphql_schema.errors import BadUserInput
from graphql_schema.fields import read
from graphql_schema.types import Node
from graphql_schema.values import TASK_ID_MAX, list_id
from models.task_list import TASK_LIST_FACTS, TaskListRow

LISTS = "LISTS"
"""The first member of a cursor of lists."""

POSITION_MAX_LENGTH = 64
"""Characters in a position."""


def _id(root: strawberry.Parent[TaskListRow]) -> strawberry.ID:
    return list_id(root.id)


@strawberry.type(description="A list of tasks. Only its owner can see it.")
class TaskList(Node):
    id: strawberry.ID = strawberry.field(resolver=_id, description=f"{TASK_LIST_FACTS['id'].says}.")
    name: str = read(TASK_LIST_FACTS["name"])
    position: str = read(TASK_LIST_FACTS["position"])
    created_at: datetime = read(TASK_LIST_FACTS["created_at"])
    updated_at: datetime = read(TASK_LIST_FACTS["updated_at"])
    deleted_at: datetime | None = read(TASK_LIST_FACTS["deleted_at"])
    version: int = read(TASK_LIST_FACTS["version"])

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, TaskListRow)


class ListCursor(NamedTuple):
    """A position among the lists."""

    value: str
    """The list's own position, as `TaskList.position` has it."""
    id: int

    @classmethod
    def of(cls, row: TaskListRow) -> Self:
        return cls(row.position, row.id)

    def encode(self) -> str:
        return encode_parts(LISTS, *self)

    @classmethod
    def decode(cls, text: str, argument: str) -> Self:
        """Return the cursor that `encode` made.

        Raises:
            BadUserInput: the text is no cursor of ours, or one of a list of something else.
        """
        try:
            named, value, id = decode_parts(text)
            if named != LISTS or type(id) is not int or not 0 < id <= TASK_ID_MAX:
                raise ValueError(named, id)
            if not isinstance(value, str) or not (value.isascii() and value.isalnum()):
                raise ValueError(value)
            if len(value) > POSITION_MAX_LENGTH:
                raise ValueError(len(value))
        except (ValueError, TypeError, RecursionError) as error:
            raise BadUserInput(f"`{argument}` is not a cursor of the lists.") from error
        return cls(value, id)


@strawberry.type(description="A list of tasks and its position among the lists.")
class TaskListEdge:
    cursor: str = strawberry.field(description="The position, for `after` and `before`.")
    node: TaskListRow = strawberry.field(graphql_type=TaskList, description="The list.")


@strawberry.type(description="A page of lists.")
class TaskListConnection:
    rows: strawberry.Private[Sequence[TaskListRow]]
    next: strawberry.Private[Callable[[], bool | Awaitable[bool]]]
    previous: strawberry.Private[Callable[[], bool | Awaitable[bool]]]
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(graphql_type=list[TaskList], description="The lists of this page, in order.")
    def nodes(self) -> Sequence[TaskListRow]:
        return self.rows

    @strawberry.field(description="The lists of this page, each with its cursor.")
    def edges(self) -> list[TaskListEdge]:
        return [TaskListEdge(cursor=ListCursor.of(row).encode(), node=row) for row in self.rows]

    @strawberry.field(description="The position of this page among the lists.")
    def page_info(self) -> PageInfo:
        return PageInfo(
            next=self.next,
            previous=self.previous,
            start=ListCursor.of(self.rows[0]) if self.rows else None,
            end=ListCursor.of(self.rows[-1]) if self.rows else None,
        )

    @strawberry.field(
        description="The number of lists on all pages. It is counted only when it is selected."
    )
    async def total_count(self) -> int:
        return await self.count()
