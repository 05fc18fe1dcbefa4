"""The mutations: each is one statement of the caller's, and so one transaction."""

from typing import Annotated

import strawberry

from auth.context import Info
from graphql_schema.inputs import (
    CreateTaskInput,
    DeleteTaskInput,
    RestoreTaskInput,
    ToggleTaskInput,
    UpdateTaskInput,
    given,
    task_key,
)
from graphql_schema.results import (
    DeleteTaskSuccess,
    InvalidInput,
    TaskNotFound,
    VersionConflict,
)
from models.task import TaskRow
from resolvers import statements
from resolvers.once import changes
from resolvers.statements import Change

_Input = strawberry.argument(description="What to do, and to which task.")


async def create_task(
    info: Info,
    input: Annotated[CreateTaskInput, strawberry.argument(description="The new task.")],
) -> TaskRow | InvalidInput:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    statement = statements.create_task(
        info.context.user_id, title=input.title, description=given(input.description)
    )
    return (await changes(info.context, input, statement))[0].task


async def update_task(
    info: Info, input: Annotated[UpdateTaskInput, _Input]
) -> TaskRow | InvalidInput | TaskNotFound | VersionConflict:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    key = task_key(input.id)
    if key is None:
        return TaskNotFound()
    statement = statements.update_task(
        info.context.user_id, key, input.changes(), given(input.expected_version)
    )
    return _outcome(await changes(info.context, input, statement))


async def toggle_task(
    info: Info, input: Annotated[ToggleTaskInput, _Input]
) -> TaskRow | TaskNotFound | VersionConflict:
    key = task_key(input.id)
    if key is None:
        return TaskNotFound()
    statement = statements.toggle_task(info.context.user_id, key, given(input.expected_version))
    return _outcome(await changes(info.context, input, statement))


async def delete_task(
    info: Info, input: Annotated[DeleteTaskInput, _Input]
) -> DeleteTaskSuccess | TaskNotFound | VersionConflict:
    key = task_key(input.id)
    if key is None:
        return TaskNotFound()
    statement = statements.delete_task(info.context.user_id, key, given(input.expected_version))
    deleted = await changes(info.context, input, statement)
    outcome = _outcome(deleted)
    if not isinstance(outcome, TaskRow):
        return outcome
    return DeleteTaskSuccess(
        deleted_task_id=strawberry.ID(str(outcome.id)), version=deleted[0].version
    )


async def restore_task(
    info: Info, input: Annotated[RestoreTaskInput, _Input]
) -> TaskRow | TaskNotFound | VersionConflict:
    key = task_key(input.id)
    if key is None:
        return TaskNotFound()
    statement = statements.restore_task(info.context.user_id, key, given(input.expected_version))
    return _outcome(await changes(info.context, input, statement))


def _outcome(found: list[Change]) -> TaskRow | TaskNotFound | VersionConflict:
    if not found:
        return TaskNotFound()
    change = found[0]
    return change.task if change.done else VersionConflict(current=change.task)
