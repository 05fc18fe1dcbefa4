"""The inputs of mutations of many tasks."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time

import strawberry
from strawberry import UNSET

from graphql_schema.fields import (
    created,
    created_below,
    created_id,
    created_in_list,
    idempotency_key,
    today,
    updated,
    updated_list,
)
from graphql_schema.issues import (
    BATCH_MAX,
    InputIssue,
    InputIssueCode,
    beneath,
    broken,
    change_issues,
    labels_issues,
    new_task_issues,
    size_issues,
)
from graphql_schema.places import moved, place_issues, placed
from graphql_schema.recurrence_inputs import (
    RecurrenceInput,
    created_recurrence,
    new_recurrence_issues,
    recurring,
)
from graphql_schema.types import TaskPriority
from graphql_schema.values import changed_values, completion, given, new_key, new_values
from models.database import Rule
from models.label import one_label
from models.task import LABELS_MAX, TASK_FACTS

EMPTIED_MAX = 10_000
"""Tasks that one mutation removes where it names none."""

_IDS = f"The ids of the tasks: at most {BATCH_MAX}. An id that is given twice counts once."
_LABELS = f"at most {LABELS_MAX}, upper and lower case alike"


@strawberry.input(description="One of several new tasks.")
class NewTask:
    title: str = created(TASK_FACTS["title"])
    description: str | None = created(TASK_FACTS["description"])
    completed: bool = strawberry.field(
        default=False, description="Whether the task is completed already."
    )
    today: date | None = today()
    due_on: date | None = created(TASK_FACTS["due_on"])
    due_time: time | None = created(TASK_FACTS["due_time"])
    priority: TaskPriority = created(TASK_FACTS["priority"], TaskPriority)
    labels: list[str] = created(TASK_FACTS["labels"])
    list_id: strawberry.ID | None = created_in_list()
    parent_id: strawberry.ID | None = created_below()
    recurrence: RecurrenceInput | None = created_recurrence()
    id: strawberry.ID | None = created_id()

    def issues(self) -> Iterator[InputIssue]:
        """Yield everything that is wrong with the values."""
        yield from new_task_issues(self)
        yield from new_recurrence_issues(self, self.parent_id)
        yield from place_issues(self.parent_id, None)

    def values(self) -> Mapping[str, object]:
        """Return what is stored in every column that may be given: the default where none is."""
        return {
            **new_values(self, self.id),
            **completion(self.completed, self.today),
            **placed(self),
            "repeats": None,
            **recurring(self),
        }


@strawberry.input(description="The new tasks. Either all of them are made, or none.")
class CreateTasksInput:
    tasks: list[NewTask] = strawberry.field(description=f"The tasks: 1 to {BATCH_MAX}.")
    idempotency_key: str | None = idempotency_key()

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        sizes = list(size_issues("tasks", self.tasks))
        if not self.tasks:
            message = "There must be a task at least."
            code = InputIssueCode.TOO_SHORT
            return [InputIssue(path=["tasks"], code=code, message=message)]
        # Each of thousands of tasks may have an issue of its own.
        return sizes or list(self._issues())

    def values(self) -> Sequence[Mapping[str, object]]:
        """Return what is stored of each task, as `NewTask.values` does."""
        return [task.values() for task in self.tasks]

    def path_to(self, rule: Rule, key: str) -> list[str]:
        """Return the path to the first task that may break a rule; to all where none is found.

        `key`: of the id that is taken, or else of the parent.
        """
        for place, task in enumerate(self.tasks):
            id = task.id if rule is Rule.ID_IS_FREE else task.parent_id
            if id == key and (rule is not Rule.LIST_IS_PARENTS or given(task.list_id) is not None):
                return ["tasks", str(place)]
        return ["tasks"]

    def _issues(self) -> Iterator[InputIssue]:
        seen = set[str]()
        for place, task in enumerate(self.tasks):
            path, id = ["tasks", str(place)], given(task.id)
            yield from beneath(path, task.issues())
            if id in seen:
                yield from beneath(path, broken(Rule.ID_IS_FREE))
            if id is not None and new_key(id) is not None:
                seen.add(id)


@strawberry.input(
    description="The tasks to change, and how: at least one value must be given. A value that is "
    "left out stays as it is. Either all of the tasks change, or none."
)
class UpdateTasksInput:
    ids: list[strawberry.ID] = strawberry.field(description=_IDS)
    completed: bool | None = updated(TASK_FACTS["completed"])
    today: date | None = today()
    due_on: date | None = updated(TASK_FACTS["due_on"])
    due_time: time | None = updated(TASK_FACTS["due_time"])
    priority: TaskPriority | None = updated(TASK_FACTS["priority"])
    add_labels: list[str] | None = strawberry.field(
        default=UNSET, description=f"Labels that each task gets, behind its own: {_LABELS}."
    )
    remove_labels: list[str] | None = strawberry.field(
        default=UNSET,
        description=f"Labels that each task loses, before it gets others: {_LABELS}.",
    )
    list_id: strawberry.ID | None = updated_list()
    idempotency_key: str | None = idempotency_key()

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return list(self._issues())

    def values(self) -> Mapping[str, object]:
        """Return the columns that were given, with what is stored in them, but for labels."""
        return {**changed_values(self), **moved(self)}

    def label_changes(self) -> Mapping[str, Sequence[str]]:
        """Return the labels to add and to remove as they are stored, where any are."""
        both = {"added": given(self.add_labels), "removed": given(self.remove_labels)}
        return {
            name: [one_label(each) for each in labels] for name, labels in both.items() if labels
        }

    def _issues(self) -> Iterator[InputIssue]:
        yield from size_issues("ids", self.ids)
        yield from change_issues(self)
        changes = (self.completed, self.due_on, self.due_time, self.priority, self.list_id)
        labels = (given(self.add_labels), given(self.remove_labels))
        if all(each is UNSET for each in changes) and labels == (None, None):
            message = "There must be a value to change: `completed`, or another one."
            code = InputIssueCode.REQUIRED
            yield InputIssue(path=["completed"], code=code, message=message)
        yield from labels_issues("addLabels", labels[0] or [])
        yield from labels_issues("removeLabels", labels[1] or [])


@strawberry.input(
    description="The tasks to move into the trash. Either all of them are moved, or none."
)
class DeleteTasksInput:
    ids: list[strawberry.ID] = strawberry.field(description=_IDS)
    idempotency_key: str | None = idempotency_key()

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return list(size_issues("ids", self.ids))


@strawberry.input(
    description="The tasks to restore from the trash. Either all of them are restored, or none."
)
class RestoreTasksInput:
    ids: list[strawberry.ID] = strawberry.field(description=_IDS)
    idempotency_key: str | None = idempotency_key()

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return list(size_issues("ids", self.ids))


@strawberry.input(
    description="The tasks to remove from the trash for good. Either all of them are, or none."
)
class PurgeTasksInput:
    ids: list[strawberry.ID] = strawberry.field(description=_IDS)
    idempotency_key: str | None = idempotency_key()

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return list(size_issues("ids", self.ids))


@strawberry.input(description="How to empty the trash.")
class EmptyTrashInput:
    idempotency_key: str | None = idempotency_key()
