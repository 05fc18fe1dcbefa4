"""The results of mutations: the task, or a failure that the client can act on."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Annotated

import strawberry

from graphql_schema.batches import EMPTIED_MAX
from graphql_schema.issues import InputIssue
from graphql_schema.types import Label, Storage, Task
from models.task import TaskRow

MESSAGE = "A sentence about what happened, for people."

note_failure: ContextVar[Callable[[str], None] | None] = ContextVar("note_failure", default=None)
"""Is told the type of each failure that is made for the operation, where somebody counts them."""


@strawberry.interface(description="The reason why a mutation did nothing.")
class UserError:
    message: str = strawberry.field(description=MESSAGE)

    def __post_init__(self) -> None:
        note = note_failure.get()
        if note is not None:
            note(type(self).__name__)


@strawberry.type(description="Some values in the input cannot be used. Nothing was written.")
class InvalidInput(UserError):
    message: str = strawberry.field(
        default="Some values in the input cannot be used.", description=MESSAGE
    )
    issues: list[InputIssue] = strawberry.field(
        description="Everything that is wrong, not only the first thing."
    )


@strawberry.type(description="The caller has no task with this id. Nothing was written.")
class TaskNotFound(UserError):
    message: str = strawberry.field(default="You have no task with this id.", description=MESSAGE)


@strawberry.type(description="The caller has no list with this id. Nothing was written.")
class ListNotFound(UserError):
    message: str = strawberry.field(default="You have no list with this id.", description=MESSAGE)


@strawberry.type(
    description="The task has changed since the version that the caller expected. "
    "Nothing was written."
)
class VersionConflict(UserError):
    message: str = strawberry.field(
        default="The task has changed since you last saw it.", description=MESSAGE
    )
    current: TaskRow = strawberry.field(graphql_type=Task, description="The task as it is now.")


@strawberry.type(
    description="No task of the caller's has this label, unless in the trash. Nothing was written."
)
class LabelNotFound(UserError):
    message: str = strawberry.field(
        default="None of your tasks has this label.", description=MESSAGE
    )


@strawberry.type(
    description="The caller would have more tasks or more text than they may. Nothing was written."
)
class QuotaExceeded(UserError):
    message: str = strawberry.field(
        default="There is no room for this: you have as much as you may. What is removed from the "
        "trash makes room.",
        description=MESSAGE,
    )
    storage: Storage = strawberry.field(description="How much the caller has, and may have.")


@strawberry.type(
    description="The task has been moved into the trash, from which it can be restored."
)
class DeleteTaskSuccess:
    deleted_task_id: strawberry.ID = strawberry.field(description="The id of the task.")
    version: int = strawberry.field(
        description="The number of the deletion, as the `version` of tasks counts."
    )


_MISSING = (
    "The given ids for which the caller has no task, or only one in the trash. Nothing was "
    "written for them."
)


@strawberry.type(description="The tasks have been made. Each has a version of its own.")
class CreateTasksSuccess:
    tasks: list[TaskRow] = strawberry.field(
        graphql_type=list[Task], description="The new tasks, in the order given."
    )


@strawberry.type(description="The tasks have been changed. Each has a version of its own.")
class UpdateTasksSuccess:
    tasks: list[TaskRow] = strawberry.field(
        graphql_type=list[Task], description="The changed tasks, in the order of the given ids."
    )
    missing_ids: list[strawberry.ID] = strawberry.field(description=_MISSING)


@strawberry.type(
    description="The tasks have been moved into the trash, from which they can be restored."
)
class DeleteTasksSuccess:
    deleted_task_ids: list[strawberry.ID] = strawberry.field(
        description="The ids of the tasks, in the order of the given ids."
    )
    tasks: list[TaskRow] = strawberry.field(
        graphql_type=list[Task],
        description="The tasks as they are in the trash, in the order of the given ids.",
    )
    missing_ids: list[strawberry.ID] = strawberry.field(description=_MISSING)


@strawberry.type(description="The tasks are no longer in the trash.")
class RestoreTasksSuccess:
    tasks: list[TaskRow] = strawberry.field(
        graphql_type=list[Task], description="The tasks, in the order of the given ids."
    )
    missing_ids: list[strawberry.ID] = strawberry.field(
        description="The given ids for which the caller has no task. Nothing was written for them."
    )


@strawberry.type(description="The label is spelled as it was to be, on every task that has it.")
class RenameLabelSuccess:
    label: Label = strawberry.field(description="The label as it is now.")
    changed_count: int = strawberry.field(description="How many tasks were changed.")


@strawberry.type(description="The tasks have been removed for good, and make room for others.")
class PurgeTasksSuccess:
    purged_task_ids: list[strawberry.ID] = strawberry.field(
        description="The ids of the tasks, in the order of the given ids."
    )
    missing_ids: list[strawberry.ID] = strawberry.field(
        description="The given ids for which the caller has no task in the trash. Nothing was "
        "written for them."
    )


@strawberry.type(
    description="Tasks and lists in the trash have been removed for good, and make room for others."
)
class EmptyTrashSuccess:
    purged_count: int = strawberry.field(
        description=f"How many tasks and lists were removed: at most {EMPTIED_MAX}."
    )
    has_more: bool = strawberry.field(
        description="Whether any may be left in the trash. If so, empty it again, with another "
        "`idempotencyKey`."
    )


CreateTaskResult = Annotated[
    Task | InvalidInput | QuotaExceeded | ListNotFound,
    strawberry.union("CreateTaskResult", description="The new task, or why there is none."),
]
UpdateTaskResult = Annotated[
    Task | InvalidInput | TaskNotFound | VersionConflict | QuotaExceeded | ListNotFound,
    strawberry.union("UpdateTaskResult", description="The changed task, or why nothing changed."),
]
MoveTaskResult = Annotated[
    Task | InvalidInput | TaskNotFound | ListNotFound | VersionConflict,
    strawberry.union("MoveTaskResult", description="The moved task, or why nothing changed."),
]
ToggleTaskResult = Annotated[
    Task | TaskNotFound | VersionConflict | QuotaExceeded,
    strawberry.union("ToggleTaskResult", description="The changed task, or why nothing changed."),
]
RestoreTaskResult = Annotated[
    Task | TaskNotFound | VersionConflict,
    strawberry.union("RestoreTaskResult", description="The restored task, or why nothing changed."),
]
CreateTasksResult = Annotated[
    CreateTasksSuccess | InvalidInput | QuotaExceeded | ListNotFound,
    strawberry.union("CreateTasksResult", description="The new tasks, or why there are none."),
]
UpdateTasksResult = Annotated[
    UpdateTasksSuccess | InvalidInput | QuotaExceeded | ListNotFound,
    strawberry.union("UpdateTasksResult", description="The changed tasks, or why nothing changed."),
]
DeleteTasksResult = Annotated[
    DeleteTasksSuccess | InvalidInput,
    strawberry.union(
        "DeleteTasksResult",
        description="The deleted tasks, or why nothing changed.",
    ),
]
RestoreTasksResult = Annotated[
    RestoreTasksSuccess | InvalidInput,
    strawberry.union(
        "RestoreTasksResult", description="The restored tasks, or why nothing changed."
    ),
]
RenameLabelResult = Annotated[
    RenameLabelSuccess | InvalidInput | LabelNotFound | QuotaExceeded,
    strawberry.union("RenameLabelResult", description="The new label, or why nothing changed."),
]
DeleteTaskResult = Annotated[
    DeleteTaskSuccess | TaskNotFound | VersionConflict,
    strawberry.union("DeleteTaskResult", description="The deleted task, or why nothing changed."),
]
PurgeTasksResult = Annotated[
    PurgeTasksSuccess | InvalidInput,
    strawberry.union("PurgeTasksResult", description="The removed tasks, or why nothing changed."),
]
EmptyTrashResult = Annotated[
    EmptyTrashSuccess,
    strawberry.union("EmptyTrashResult", description="What was removed from the trash."),
]
