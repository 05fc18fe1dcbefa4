"""The mutations of many tasks. Each is one transaction of the caller's."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import strawberry

from auth.context import Info
from graphql_schema.batches import (
    EMPTIED_MAX,
    CreateTasksInput,
    DeleteTasksInput,
    EmptyTrashInput,
    PurgeTasksInput,
    RestoreTasksInput,
    UpdateTasksInput,
)
from graphql_schema.errors import BadUserInput
from graphql_schema.places import has_unknown_list
from graphql_schema.results import (
    CreateTasksSuccess,
    DeleteTasksSuccess,
    EmptyTrashSuccess,
    InvalidInput,
    ListNotFound,
    PurgeTasksSuccess,
    QuotaExceeded,
    RestoreTasksSuccess,
    UpdateTasksSuccess,
)
from graphql_schema.values import task_key
from models.database import Refused
from models.task import TaskRow
from resolvers.idempotency import changes, removals
from resolvers.refusals import refusal
from resolvers.statements import tasks as statements
from resolvers.statements.kind import Change
from resolvers.statements.lists import empty_trash as empty_trash_of

_Inputs = strawberry.argument(description="The tasks, and what to do with them.")


async def create_tasks(
    info: Info,
    input: Annotated[CreateTasksInput, strawberry.argument(description="The new tasks.")],
) -> CreateTasksSuccess | InvalidInput | QuotaExceeded | ListNotFound:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    if any(map(has_unknown_list, input.tasks)):
        return ListNotFound()
    context = info.context
    statement = statements.create_tasks(context.user_id, input.values(), context.quota)
    try:
        made = await changes(context, input, statement)
    except Refused as refused:
        return await refusal(context, refused, input.path_to(refused.rule, refused.detail))
    if not made:
        raise BadUserInput(
            "The tasks that were created with this `idempotencyKey` have been removed since: take "
            "a new key to create others."
        )
    return CreateTasksSuccess(tasks=[change.row for change in made])


async def update_tasks(
    info: Info, input: Annotated[UpdateTasksInput, _Inputs]
) -> UpdateTasksSuccess | InvalidInput | QuotaExceeded | ListNotFound:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    if has_unknown_list(input):
        return ListNotFound()
    context, keys = info.context, _keys(input.ids)
    statement = statements.update_tasks(
        context.user_id, _asked(keys), input.values(), input.label_changes(), context.quota
    )
    try:
        changed = await changes(context, input, statement)
    except Refused as refused:
        return await refusal(context, refused)
    tasks, missing_ids = _found(keys, changed)
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


async def restore_tasks(
    info: Info, input: Annotated[RestoreTasksInput, _Inputs]
) -> RestoreTasksSuccess | InvalidInput:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    keys = _keys(input.ids)
    statement = statements.restore_tasks(info.context.user_id, _asked(keys))
    tasks, missing_ids = _found(keys, await changes(info.context, input, statement))
    return RestoreTasksSuccess(tasks=tasks, missing_ids=missing_ids)


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
    statement = empty_trash_of(info.context.user_id, EMPTIED_MAX)
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
