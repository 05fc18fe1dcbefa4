"""The mutations. Each runs one statement of the caller's, and so one transaction."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import strawberry

from auth.context import Context, Info
from graphql_schema.errors import BadUserInput
from graphql_schema.inputs import (
    EMPTIED_MAX,
    CreateTaskInput,
    DeleteTaskInput,
    DeleteTasksInput,
    EmptyTrashInput,
    PurgeTasksInput,
    RestoreTaskInput,
    ToggleTaskInput,
    UpdateTaskInput,
    UpdateTasksInput,
    given,
    task_key,
)
from graphql_schema.results import (
    DeleteTasksSuccess,
    DeleteTaskSuccess,
    EmptyTrashSuccess,
    InvalidInput,
    PurgeTasksSuccess,
    QuotaExceeded,
    TaskNotFound,
    UpdateTasksSuccess,
    VersionConflict,
)
from models.database import Refused, Rule
from models.statement import Statement
from models.task import TaskRow
from models.user import UserId
from resolvers.idempotency import changes, removals
from resolvers.statements import tasks as statements
from resolvers.statements.kind import Change
from resolvers.storage import read_storage

_Inputs = strawberry.argument(description="The tasks, and what to do with them.")
_Input = strawberry.argument(description="The task, and what to do with it.")


async def create_task(
    info: Info,
    input: Annotated[CreateTaskInput, strawberry.argument(description="The new task.")],
) -> TaskRow | InvalidInput | QuotaExceeded:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    context = info.context
    statement = statements.create_task(context.user_id, input.values(), context.quota)
    try:
        made = await changes(context, input, statement)
    except Refused as refused:
        return await _refusal(context, refused)
    if not made:
        raise BadUserInput(
            "The task that was created with this `idempotencyKey` has been removed since: take a "
            "new key to create another."
        )
    return made[0].row


async def update_task(
    info: Info, input: Annotated[UpdateTaskInput, _Input]
) -> TaskRow | InvalidInput | TaskNotFound | VersionConflict | QuotaExceeded:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    key = task_key(input.id)
    if key is None:
        return TaskNotFound()
    context, expected = info.context, given(input.expected_version)
    statement = statements.update_task(
        context.user_id, key, input.values(), expected, context.quota
    )
    try:
        updated = await changes(context, input, statement)
    except Refused as refused:
        return await _refusal(context, refused)
    return updated[0].row if updated else await _why_not(context, key, expected)


async def toggle_task(
    info: Info, input: Annotated[ToggleTaskInput, _Input]
) -> TaskRow | TaskNotFound | VersionConflict:
    key = task_key(input.id)
    if key is None:
        return TaskNotFound()
    context, expected = info.context, given(input.expected_version)
    statement = statements.toggle_task(context.user_id, key, expected)
    toggled = await changes(context, input, statement)
    return toggled[0].row if toggled else await _why_not(context, key, expected)


async def delete_task(
    info: Info, input: Annotated[DeleteTaskInput, _Input]
) -> DeleteTaskSuccess | TaskNotFound | VersionConflict:
    key = task_key(input.id)
    if key is None:
        return TaskNotFound()
    context, expected = info.context, given(input.expected_version)
    statement = statements.delete_task(context.user_id, key, expected)
    deleted = await changes(context, input, statement)
    if not deleted:
        return await _why_not(context, key, expected)
    task, version = deleted[0]
    return DeleteTaskSuccess(deleted_task_id=strawberry.ID(str(task.id)), version=version)


async def restore_task(
    info: Info, input: Annotated[RestoreTaskInput, _Input]
) -> TaskRow | TaskNotFound | VersionConflict:
    key = task_key(input.id)
    if key is None:
        return TaskNotFound()
    context, expected = info.context, given(input.expected_version)
    statement = statements.restore_task(context.user_id, key, expected)
    restored = await changes(context, input, statement)
    if restored:
        return restored[0].row
    return await _why_not(context, key, expected, statements.task_anywhere)


async def update_tasks(
    info: Info, input: Annotated[UpdateTasksInput, _Inputs]
) -> UpdateTasksSuccess | InvalidInput:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    keys = _keys(input.ids)
    statement = statements.update_tasks(info.context.user_id, _asked(keys), input.completed)
    tasks, missing_ids = _found(keys, await changes(info.context, input, statement))
    return UpdateTasksSuccess(tasks=tasks, missing_ids=missing_ids)


async def delete_tasks(
    info: Info, input: Annotated[DeleteTasksInput, _Inputs]
) -> DeleteTasksSuccess | InvalidInput:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    keys = _keys(input.ids)
    statement = statements.delete_tasks(info.context.user_id, _asked(keys))
    tasks, missing_ids = _found(keys, await changes(info.context, input, statement))
    ids = [strawberry.ID(str(task.id)) for task in tasks]
    return DeleteTasksSuccess(deleted_task_ids=ids, tasks=tasks, missing_ids=missing_ids)


async def purge_tasks(
    info: Info, input: Annotated[PurgeTasksInput, _Inputs]
) -> PurgeTasksSuccess | InvalidInput:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    keys = _keys(input.ids)
    statement = statements.purge_tasks(info.context.user_id, _asked(keys))
    removed = {removal.id for removal in await removals(info.context, input, statement)}
    return PurgeTasksSuccess(
        purged_task_ids=[id for id, key in keys.items() if key in removed],
        missing_ids=[id for id, key in keys.items() if key not in removed],
    )


async def empty_trash(
    info: Info, input: Annotated[EmptyTrashInput, strawberry.argument(description="How to do it.")]
) -> EmptyTrashSuccess:
    statement = statements.empty_trash(info.context.user_id, EMPTIED_MAX)
    count = len(await removals(info.context, input, statement))
    return EmptyTrashSuccess(purged_count=count, has_more=count == EMPTIED_MAX)


Keys = Mapping[strawberry.ID, int | None]
"""The keys of ids, each id once, in the order in which they were given."""


def _keys(ids: Sequence[strawberry.ID]) -> Keys:
    return {id: task_key(id) for id in ids}


def _asked(keys: Keys) -> list[int]:
    return [key for key in keys.values() if key is not None]


def _found(keys: Keys, found: list[Change[TaskRow]]) -> tuple[list[TaskRow], list[strawberry.ID]]:
    """Return the tasks in the order of their ids, and the ids that have none."""
    tasks = {change.row.id: change.row for change in found}
    there = [tasks[key] for key in _asked(keys) if key in tasks]
    return there, [id for id, key in keys.items() if key not in tasks]


async def _why_not(
    context: Context,
    key: int,
    expected_version: int | None,
    find: Callable[[UserId, int], Statement[TaskRow]] = statements.task,
) -> TaskNotFound | VersionConflict:
    """Return why a statement found no task to change: there is none, or it has another version."""
    if expected_version is not None:
        rows = await context.database.fetch(find(context.user_id, key))
        if rows:
            return VersionConflict(current=rows[0])
    return TaskNotFound()


async def _refusal(context: Context, refused: Refused) -> InvalidInput | QuotaExceeded:
    """Return as data which rule a change would have broken."""
    if refused.rule is Rule.QUOTA:
        return QuotaExceeded(storage=await read_storage(context))
    raise refused
