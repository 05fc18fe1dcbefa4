"""The mutations: each is one statement of the caller's, and so one transaction."""

from typing import Annotated

import strawberry

from auth.context import Info
from auth.door import Statement
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
from resolvers.statements import Change
from resolvers.users import fetch_as_known

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
    return (await fetch_as_known(info.context, statement))[0]


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
    return await _changed(info, statement)


async def toggle_task(
    info: Info, input: Annotated[ToggleTaskInput, _Input]
) -> TaskRow | TaskNotFound | VersionConflict:
    key = task_key(input.id)
    if key is None:
        return TaskNotFound()
    statement = statements.toggle_task(info.context.user_id, key, given(input.expected_version))
    return await _changed(info, statement)


async def delete_task(
    info: Info, input: Annotated[DeleteTaskInput, _Input]
) -> DeleteTaskSuccess | TaskNotFound | VersionConflict:
    key = task_key(input.id)
    if key is None:
        return TaskNotFound()
    statement = statements.delete_task(info.context.user_id, key, given(input.expected_version))
    outcome = await _changed(info, statement)
    if not isinstance(outcome, TaskRow):
        return outcome
    return DeleteTaskSuccess(
        deleted_task_id=strawberry.ID(str(outcome.id)), version=outcome.version
    )


async def restore_task(
    info: Info, input: Annotated[RestoreTaskInput, _Input]
) -> TaskRow | TaskNotFound | VersionConflict:
    key = task_key(input.id)
    if key is None:
        return TaskNotFound()
    statement = statements.restore_task(info.context.user_id, key, given(input.expected_version))
    return await _changed(info, statement)


async def _changed(
    info: Info, statement: Statement[Change]
) -> TaskRow | TaskNotFound | VersionConflict:
    changes = await info.context.database.fetch(statement)
    if not changes:
        return TaskNotFound()
    change = changes[0]
    return change.task if change.done else VersionConflict(current=change.task)
