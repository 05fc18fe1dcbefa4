"""What mutations answer: the entity, or the failure that the client can act on."""

from typing import Annotated

import strawberry

from graphql_schema.inputs import InputIssue
from graphql_schema.types import Task
from models.task import TaskRow

_MESSAGE = "What happened, in a sentence for people."


@strawberry.interface(description="Why a mutation did nothing.")
class UserError:
    message: str = strawberry.field(description=_MESSAGE)


@strawberry.type(description="Values in the input cannot be used. Nothing was written.")
class InvalidInput(UserError):
    message: str = strawberry.field(
        default="Some values in the input cannot be used.", description=_MESSAGE
    )
    issues: list[InputIssue] = strawberry.field(
        description="Everything that is wrong, not just the first."
    )


@strawberry.type(description="The caller has no task with this id. Nothing was written.")
class TaskNotFound(UserError):
    message: str = strawberry.field(default="You have no task with this id.", description=_MESSAGE)


@strawberry.type(
    description="The task has changed since the version that the caller expected. "
    "Nothing was written."
)
class VersionConflict(UserError):
    message: str = strawberry.field(
        default="The task has changed since you last saw it.", description=_MESSAGE
    )
    current: TaskRow = strawberry.field(graphql_type=Task, description="The task as it is now.")


@strawberry.type(description="The task is in the trash, where `restoreTask` finds it.")
class DeleteTaskSuccess:
    deleted_task_id: strawberry.ID = strawberry.field(description="The id of the task.")
    version: int = strawberry.field(
        description="The number of the deletion, in line with the `version` of tasks."
    )


_MISSING = (
    "The ids of those asked for that the caller has no task with, or has it in the trash. Nothing "
    "was written for them."
)


@strawberry.type(description="What has become of the tasks, each with a version of its own.")
class UpdateTasksSuccess:
    tasks: list[TaskRow] = strawberry.field(
        graphql_type=list[Task], description="The tasks as changed, in the order asked for."
    )
    missing_ids: list[strawberry.ID] = strawberry.field(description=_MISSING)


@strawberry.type(description="The tasks are in the trash, where `restoreTask` finds each.")
class DeleteTasksSuccess:
    deleted_task_ids: list[strawberry.ID] = strawberry.field(
        description="The ids of the tasks, in the order asked for."
    )
    tasks: list[TaskRow] = strawberry.field(
        graphql_type=list[Task],
        description="The tasks as they are in the trash, in the order asked for.",
    )
    missing_ids: list[strawberry.ID] = strawberry.field(description=_MISSING)


CreateTaskResult = Annotated[
    Task | InvalidInput,
    strawberry.union("CreateTaskResult", description="The new task, or why there is none."),
]
UpdateTaskResult = Annotated[
    Task | InvalidInput | TaskNotFound | VersionConflict,
    strawberry.union("UpdateTaskResult", description="The task as changed, or why it was not."),
]
ToggleTaskResult = Annotated[
    Task | TaskNotFound | VersionConflict,
    strawberry.union("ToggleTaskResult", description="The task as changed, or why it was not."),
]
RestoreTaskResult = Annotated[
    Task | TaskNotFound | VersionConflict,
    strawberry.union("RestoreTaskResult", description="The task as it is again, or why it is not."),
]
UpdateTasksResult = Annotated[
    UpdateTasksSuccess | InvalidInput,
    strawberry.union("UpdateTasksResult", description="The tasks as changed, or why none is."),
]
DeleteTasksResult = Annotated[
    DeleteTasksSuccess | InvalidInput,
    strawberry.union("DeleteTasksResult", description="The ids that are gone, or why none is."),
]
DeleteTaskResult = Annotated[
    DeleteTaskSuccess | TaskNotFound | VersionConflict,
    strawberry.union("DeleteTaskResult", description="The id that is gone, or why it is not."),
]
