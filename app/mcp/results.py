"""The shapes of what the tools return, told to clients. The data are what GraphQL returned."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Result(BaseModel):
    """A part of what a tool returns."""

    model_config = ConfigDict(alias_generator=to_camel)


class Reference(Result):
    """What a task refers to."""

    id: str


class ListReference(Reference):
    """The list of a task."""

    name: str


class Task(Result):
    """A task."""

    id: str
    title: str
    completed: bool
    version: int
    due_on: str | None
    due_time: str | None
    priority: str
    labels: list[str]


class FoundTask(Task):
    """A task, and where it is."""

    list: ListReference | None
    parent: Reference | None


class WholeTask(FoundTask):
    """All of a task."""

    description: str | None
    completed_on: str | None
    recurrence: dict[str, Any] | None
    subtasks: Sequence[Task]


class Found(Result):
    """A page of tasks."""

    tasks: Sequence[FoundTask]
    total_count: int
    next: str | None = Field(description="For `after`; null: there are no more.")


class Due(Result):
    """What is due."""

    overdue: Sequence[FoundTask]
    due: Sequence[FoundTask]
    more: bool = Field(description="Whether some are left out.")


class TaskList(Result):
    """A list."""

    id: str
    name: str
    version: int
    pending_count: int | None = None


class Lists(Result):
    """A page of lists."""

    lists: Sequence[TaskList]
    next: str | None


class Labels(Result):
    """A page of labels."""

    labels: Sequence[str]
    next: str | None


class Changed(Result):
    """What was changed."""

    tasks: Sequence[Task]
    missing_ids: Sequence[str] = Field([], description="There is no task with these ids.")
    action: str = Field(description="The name of this change: `undo` takes it.")


class AddedList(Result):
    """The new list."""

    list: TaskList
    action: str


class Undone(Result):
    """What is as it was before."""

    tasks: Sequence[Task]
    lists: Sequence[TaskList]
    changed_count: int
    action: str
