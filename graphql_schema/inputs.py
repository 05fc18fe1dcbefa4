"""The inputs of mutations of one task, and of labels."""

from collections.abc import Mapping
from datetime import date, time

import strawberry
from strawberry import UNSET

from graphql_schema.fields import (
    created,
    created_below,
    created_id,
    created_in_list,
    expected_version,
    idempotency_key,
    today,
    updated,
    updated_list,
)
from graphql_schema.issues import InputIssue, change_issues, label_issues, new_task_issues
from graphql_schema.places import TaskPlace, moved, place_issues, placed
from graphql_schema.recurrence_inputs import (
    RecurrenceInput,
    changed_recurrence_issues,
    created_recurrence,
    new_recurrence_issues,
    recurring,
    updated_recurrence,
)
from graphql_schema.types import TaskPriority
from graphql_schema.values import changed_values, new_values
from models.label import one_label
from models.task import TASK_FACTS


@strawberry.input(description="A new task.")
class CreateTaskInput:
    title: str = created(TASK_FACTS["title"])
    description: str | None = created(TASK_FACTS["description"])
    due_on: date | None = created(TASK_FACTS["due_on"])
    due_time: time | None = created(TASK_FACTS["due_time"])
    priority: TaskPriority = created(TASK_FACTS["priority"], TaskPriority)
    labels: list[str] = created(TASK_FACTS["labels"])
    list_id: strawberry.ID | None = created_in_list()
    parent_id: strawberry.ID | None = created_below()
    place: TaskPlace | None = strawberry.field(
        default=UNSET,
        description="Its place among its siblings. Null or left out: at the bottom.",
    )
    recurrence: RecurrenceInput | None = created_recurrence()
    id: strawberry.ID | None = created_id()
    idempotency_key: str | None = idempotency_key()

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return [
            *new_task_issues(self),
            *new_recurrence_issues(self, self.parent_id),
            *place_issues(self.parent_id, self.place),
        ]

    def values(self) -> Mapping[str, object]:
        """Return what is stored in every column that may be given: the default where none is."""
        return {**new_values(self, self.id), **placed(self), "repeats": None, **recurring(self)}


@strawberry.input(description="What to change in a task. A field that is left out stays as it is.")
class UpdateTaskInput:
    id: strawberry.ID = strawberry.field(description="The id of the task.")
    title: str | None = updated(TASK_FACTS["title"])
    description: str | None = updated(TASK_FACTS["description"])
    completed: bool | None = updated(TASK_FACTS["completed"])
    today: date | None = today()
    due_on: date | None = updated(TASK_FACTS["due_on"])
    due_time: time | None = updated(TASK_FACTS["due_time"])
    priority: TaskPriority | None = updated(TASK_FACTS["priority"])
    labels: list[str] | None = updated(TASK_FACTS["labels"])
    list_id: strawberry.ID | None = updated_list()
    recurrence: RecurrenceInput | None = updated_recurrence()
    expected_version: int | None = expected_version()
    idempotency_key: str | None = idempotency_key()

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return [*change_issues(self), *changed_recurrence_issues(self)]

    def values(self) -> Mapping[str, object]:
        """Return the columns that were given, with what is stored in them."""
        return {**changed_values(self), **moved(self), **recurring(self)}


@strawberry.input(description="The task to mark as completed or as not completed.")
class ToggleTaskInput:
    id: strawberry.ID = strawberry.field(description="The id of the task.")
    today: date | None = today()
    expected_version: int | None = expected_version()
    idempotency_key: str | None = idempotency_key()


@strawberry.input(description="The task to move into the trash.")
class DeleteTaskInput:
    id: strawberry.ID = strawberry.field(description="The id of the task.")
    expected_version: int | None = expected_version()
    idempotency_key: str | None = idempotency_key()


@strawberry.input(description="The task to restore from the trash.")
class RestoreTaskInput:
    id: strawberry.ID = strawberry.field(description="The id of the task.")
    expected_version: int | None = expected_version()
    idempotency_key: str | None = idempotency_key()


@strawberry.input(description="The label to rename, on all tasks that are not in the trash.")
class RenameLabelInput:
    from_: str = strawberry.field(
        name="from", description="The label as it is: upper and lower case alike."
    )
    to: str = strawberry.field(
        description="The label as it is to be. It may be in use: then the two become one."
    )
    idempotency_key: str | None = idempotency_key()

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return [*label_issues(["from"], self.from_), *label_issues(["to"], self.to)]

    def values(self) -> Mapping[str, str]:
        """Return both labels as they are stored."""
        return {"from": one_label(self.from_), "to": one_label(self.to)}
