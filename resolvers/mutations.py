"""The mutations. Each runs one statement of the caller's, and so one transaction."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import strawberry

from auth.context import Info
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
from models.task import TaskRow
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
    made = await changes(info.context, input, statement)
    if not made:
        raise BadUserInput(
            "The task that was created with this `idempotencyKey` has been removed since: take a "
            "new key to create another."
        )
    if made[0].done is None:
        return QuotaExceeded(storage=await read_storage(context))
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
    context = info.context
    statement = statements.update_task(
        context.user_id, key, input.values(), given(input.expected_version), context.quota
    )
    updated = await changes(context, input, statement)
    if updated and updated[0].done is None:
        return QuotaExceeded(storage=await read_storage(context))
    return _outcome(updated)


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
    info.context.pay_for_removed(count)
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


def _outcome(found: list[Change[TaskRow]]) -> TaskRow | TaskNotFound | VersionConflict:
    if not found:
        return TaskNotFound()
    change = found[0]
    return change.row if change.done else VersionConflict(current=change.row)
