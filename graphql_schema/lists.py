"""Lists of tasks: their type, their pages, and the cursors of these."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, Self

import strawberry
from strawberry import UNSET

from graphql_schema import page_arguments as arguments
from graphql_schema.connections import PageInfo, TaskConnection, decode_parts, encode_parts
from graphql_schema.errors import BadUserInput
from graphql_schema.fields import read
from graphql_schema.selected import selected_of_page
from graphql_schema.types import Node, Related
from graphql_schema.values import TASK_ID_MAX, list_id
from models.task import POSITION_MAX_LENGTH
from models.task_list import TASK_LIST_FACTS, TaskListRow

LISTS = "LISTS"
"""The first member of a cursor of lists."""


class RelatedToLists(Related, Protocol):
    """Reads what is in lists, too."""

    def pending_count(self, key: int) -> Awaitable[int]:
        """Return how many pending tasks outside the trash are in a list."""
        ...

    def tasks_of_list(self, key: int, asked: arguments.AskedTasks) -> Awaitable[TaskConnection]:
        """Return a page of the tasks in a list.

        Raises:
            BadUserInput: an argument has a value that cannot be used.
        """
        ...


class ListContext(Protocol):
    """The part of a request's context that lists need."""

    @property
    def related(self) -> RelatedToLists:
        """Reads what is in the user's lists."""
        ...


_Info = strawberry.Info[ListContext, None]
_Row = strawberry.Parent[TaskListRow]


def _id(row: _Row) -> strawberry.ID:
    return list_id(row.id)


def _pending_count(row: _Row, info: _Info) -> Awaitable[int]:
    return info.context.related.pending_count(row.id)


async def _tasks(
    row: _Row,
    info: _Info,
    filter: arguments.Filter = UNSET,
    order_by: arguments.OrderBy = UNSET,
    first: arguments.First = UNSET,
    after: arguments.After = UNSET,
    last: arguments.Last = UNSET,
    before: arguments.Before = UNSET,
) -> TaskConnection:
    selected = selected_of_page(info)
    asked = arguments.AskedTasks(filter, order_by, first, after, last, before, selected)
    return await info.context.related.tasks_of_list(row.id, asked)


@strawberry.type(description="A list of tasks. Only its owner can see it.")
class TaskList(Node):
    id: strawberry.ID = strawberry.field(resolver=_id, description=f"{TASK_LIST_FACTS['id'].says}.")
    name: str = read(TASK_LIST_FACTS["name"])
    position: str = read(TASK_LIST_FACTS["position"])
    created_at: datetime = read(TASK_LIST_FACTS["created_at"])
    updated_at: datetime = read(TASK_LIST_FACTS["updated_at"])
    deleted_at: datetime | None = read(TASK_LIST_FACTS["deleted_at"])
    version: int = read(TASK_LIST_FACTS["version"])

    pending_count = strawberry.field(
        resolver=_pending_count,
        graphql_type=int,
        description="The number of its pending tasks outside the trash, subtasks among them.",
    )
    tasks = strawberry.field(
        resolver=_tasks,
        description="A page of its tasks, as `tasks` of the query shows them. They can be ordered "
        "by POSITION.",
    )

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
    total: strawberry.Private[int | None]
    """None where it is not selected."""

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
        graphql_type=int,
        description="The number of lists on all pages. It is counted only when it is selected.",
    )
    def total_count(self) -> int | None:
        return self.total
