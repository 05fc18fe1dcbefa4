"""The types of tasks, users and budgets. The values of tasks and users are rows."""

from collections.abc import Awaitable, Sequence
from datetime import UTC, date, datetime, time
from enum import Enum
from typing import Annotated, Any, Protocol, Self, cast

import strawberry
from strawberry.types.base import StrawberryOptional
from strawberry.types.lazy_type import LazyType

from graphql_schema.fields import read
from graphql_schema.recurrences import RecurrenceType, RelatedDays, recurrence_of
from models.instant import Instant
from models.quota import Quota, Stored
from models.task import SUBTASKS_MAX, TASK_FACTS, TaskRow
from models.task_list import TaskListRow
from models.user import USER_FACTS, UserRow

_INT_MAX = 2**31 - 1
"""The greatest value of GraphQL's Int."""


class Related(RelatedDays, Protocol):
    """Reads what tasks refer to, and what refers to them: of all that are asked for at once."""

    def task_list(self, key: int) -> Awaitable[TaskListRow | None]:
        """Return a list, in the trash or not."""
        ...

    def task(self, key: int) -> Awaitable[TaskRow | None]:
        """Return a task, in the trash or not."""
        ...

    def task_outside_trash(self, key: int) -> Awaitable[TaskRow | None]:
        """Return a task that is not in the trash."""
        ...

    def subtasks(self, parent: int, status: "TaskStatus") -> Awaitable[Sequence[TaskRow]]:
        """Return the subtasks of a task that are not in the trash, in their order."""
        ...

    def subtask_count(self, parent: int, status: "TaskStatus") -> Awaitable[int]:
        """Return how many there are."""
        ...


class ViewerContext(Protocol):
    """The part of a request's context that the types need."""

    @property
    def related(self) -> Related:
        """Reads what the user's tasks refer to."""
        ...

    async def viewer(self) -> UserRow:
        """Return the row of the user who is asking."""
        ...


@strawberry.type(description="A user, who has tasks of their own.")
class User:
    id: strawberry.ID = read(USER_FACTS["id"])
    email: str | None = read(USER_FACTS["email"])
    name: str = read(USER_FACTS["name"])
    created_at: datetime = read(USER_FACTS["created_at"])

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, UserRow)


@strawberry.enum(description="How much a task matters. Each value is greater than those before.")
class TaskPriority(Enum):
    """The values are those of rows."""

    NONE = strawberry.enum_value(0, description="No more than any other: what a new task has.")
    LOW = strawberry.enum_value(1, description="Less than most of those that were given one.")
    MEDIUM = strawberry.enum_value(2, description="Between low and high.")
    HIGH = strawberry.enum_value(3, description="More than most.")
    URGENT = strawberry.enum_value(4, description="Before everything else.")


@strawberry.enum(description="Choose tasks by whether they are completed.")
class TaskStatus(Enum):
    ALL = strawberry.enum_value("ALL", description="Every task.")
    PENDING = strawberry.enum_value("PENDING", description="Tasks that are not completed.")
    COMPLETED = strawberry.enum_value("COMPLETED", description="Tasks that are completed.")


_Status = Annotated[
    TaskStatus, strawberry.argument(description="Choose them by whether they are completed.")
]
_Info = strawberry.Info[ViewerContext, None]

# Lists are pages of tasks, and so their type stands above this module.
_TASK_LIST: Any = StrawberryOptional(cast("Any", LazyType("TaskList", "graphql_schema.lists")))


# These are no coroutines: all tasks of a page ask before the first of them is answered.


def _list(row: strawberry.Parent[TaskRow], info: _Info) -> Awaitable[TaskListRow | None] | None:
    return None if row.list_id is None else info.context.related.task_list(row.list_id)


def _parent(row: strawberry.Parent[TaskRow], info: _Info) -> Awaitable[TaskRow | None] | None:
    return None if row.parent_id is None else info.context.related.task(row.parent_id)


def _successor(row: strawberry.Parent[TaskRow], info: _Info) -> Awaitable[TaskRow | None] | None:
    if row.successor_id is None:
        return None
    return info.context.related.task_outside_trash(row.successor_id)


def _subtasks(
    row: strawberry.Parent[TaskRow], info: _Info, status: _Status = TaskStatus.ALL
) -> Awaitable[Sequence[TaskRow]] | Sequence[TaskRow]:
    return [] if row.parent_id else info.context.related.subtasks(row.id, status)


def _subtask_count(
    row: strawberry.Parent[TaskRow], info: _Info, status: _Status = TaskStatus.ALL
) -> Awaitable[int] | int:
    return 0 if row.parent_id else info.context.related.subtask_count(row.id, status)


@strawberry.interface(description="What has an id by which `node` finds it.")
class Node:
    id: strawberry.ID = strawberry.field(
        description="Opaque, and never reused. It tells the kind: digits alone are a task."
    )


@strawberry.type(description="A task. Only its owner can see it.")
class Task(Node):
    id: strawberry.ID = read(TASK_FACTS["id"])
    title: str = read(TASK_FACTS["title"])
    description: str | None = read(TASK_FACTS["description"])
    completed: bool = read(TASK_FACTS["completed"])
    completed_at: datetime | None = read(TASK_FACTS["completed_at"])
    created_at: datetime = read(TASK_FACTS["created_at"])
    updated_at: datetime = read(TASK_FACTS["updated_at"])
    deleted_at: datetime | None = read(TASK_FACTS["deleted_at"])
    version: int = read(TASK_FACTS["version"])
    due_on: date | None = read(TASK_FACTS["due_on"])
    due_time: time | None = read(TASK_FACTS["due_time"])
    priority: TaskPriority = read(TASK_FACTS["priority"])
    labels: list[str] = read(TASK_FACTS["labels"])
    completed_on: date | None = read(TASK_FACTS["completed_on"])
    position: str = read(TASK_FACTS["position"])

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, TaskRow)

    @strawberry.field(graphql_type=User, description="The owner of the task: always the caller.")
    async def owner(self, info: _Info) -> UserRow:
        return await info.context.viewer()

    list = strawberry.field(
        resolver=_list,
        graphql_type=_TASK_LIST,
        description=f"{TASK_FACTS['list_id'].says}.",
    )
    parent = strawberry.field(
        resolver=_parent,
        graphql_type="Task | None",
        description=f"{TASK_FACTS['parent_id'].says}.",
    )
    recurrence = strawberry.field(
        resolver=recurrence_of,
        graphql_type=RecurrenceType | None,
        description=f"{TASK_FACTS['repeats'].says}.",
    )
    successor = strawberry.field(
        resolver=_successor,
        graphql_type="Task | None",
        description=f"{TASK_FACTS['successor_id'].says}.",
    )
    subtasks = strawberry.field(
        resolver=_subtasks,
        graphql_type="list[Task]",
        description="Its subtasks outside the trash, in their order; none of a subtask. There are "
        f"{SUBTASKS_MAX} at most.",
    )
    subtask_count = strawberry.field(
        resolver=_subtask_count,
        graphql_type=int,
        description="The number of its subtasks outside the trash.",
    )


@strawberry.type(description="A label that some task outside the trash has.")
class Label:
    name: str = strawberry.field(description="The label, as it is spelled on each of these tasks.")


@strawberry.type(
    description="How much the caller has stored, and may store. What is in the trash counts."
)
class Storage:
    tasks: int = strawberry.field(description="The tasks that the caller has.")
    tasks_limit: int | None = strawberry.field(
        description="The most tasks that the caller may have; null where there is no limit."
    )
    bytes: int = strawberry.field(
        description="The bytes of these tasks' texts in UTF-8, at most 2147483647."
    )
    bytes_limit: int | None = strawberry.field(
        description="The most bytes of text that the caller may have; null where there is no limit."
    )

    @classmethod
    def of(cls, stored: Stored, quota: Quota) -> Self:
        return cls(
            tasks=stored.tasks,
            tasks_limit=quota.tasks,
            bytes=min(stored.bytes, _INT_MAX),
            bytes_limit=quota.bytes,
        )


@strawberry.type(
    description="The points that the caller may spend. A query costs a point for each root "
    "field, and one for each task that its pages may hold; a mutation ten for each task."
)
class RateLimit:
    limit: int = strawberry.field(description="Points per minute.")
    remaining: int = strawberry.field(description="Points that are left after this operation.")
    cost: int = strawberry.field(description="Points that this operation costs.")
    full_at: strawberry.Private[float]
    """When all points are available again, in Unix seconds."""

    @strawberry.field(
        graphql_type=datetime, description="When all points are available again, if none are spent."
    )
    def reset_at(self) -> Instant:
        return Instant(datetime.fromtimestamp(self.full_at, UTC).isoformat(" "))
