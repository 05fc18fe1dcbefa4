"""The mutations of one task, and of labels. Each is one transaction of the caller's."""

from collections.abc import Callable
from typing import Annotated

import strawberry

from auth.context import Context, Info
from graphql_schema.errors import BadUserInput
from graphql_schema.inputs import (
    CreateTaskInput,
    DeleteTaskInput,
    RenameLabelInput,
    RestoreTaskInput,
    ToggleTaskInput,
    UpdateTaskInput,
)
from graphql_schema.issues import too_many_renamed
from graphql_schema.places import has_unknown_list, place_of
from graphql_schema.results import (
    DeleteTaskSuccess,
    InvalidInput,
    LabelNotFound,
    ListNotFound,
    QuotaExceeded,
    RenameLabelSuccess,
    TaskNotFound,
    VersionConflict,
)
from graphql_schema.types import Label
from graphql_schema.values import given, task_key
from models.database import Refused, Rule
from models.statement import Statement
from models.task import TaskRow
from models.user import UserId
from resolvers.idempotency import changes, renamings
from resolvers.refusals import at_another_version, misfit, refusal
from resolvers.statements import tasks as statements
from resolvers.statements.labels import RENAMED_MAX
from resolvers.storage import read_storage

_Input = strawberry.argument(description="The task, and what to do with it.")


async def create_task(
    info: Info,
    input: Annotated[CreateTaskInput, strawberry.argument(description="The new task.")],
) -> TaskRow | InvalidInput | QuotaExceeded | ListNotFound:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    if has_unknown_list(input):
        return ListNotFound()
    context = info.context
    place = place_of(input.place)
    statement = statements.create_tasks(context.user_id, [input.values()], context.quota, place)
    try:
        made = await changes(context, input, statement)
    except Refused as refused:
        return await refusal(context, refused)
    if not made:
        raise BadUserInput(
            "The task that was created with this `idempotencyKey` has been removed since: take a "
            "new key to create another."
        )
    return made[0].row


async def update_task(
    info: Info, input: Annotated[UpdateTaskInput, _Input]
) -> TaskRow | InvalidInput | TaskNotFound | VersionConflict | QuotaExceeded | ListNotFound:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    if has_unknown_list(input):
        return ListNotFound()
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
        if refused.rule is Rule.RECURRENCE_ENDS_LATER and input.recurrence:
            return InvalidInput(issues=[input.recurrence.ends_too_early()])
        return await refusal(context, refused)
    return updated[0].row if updated else await why_not(context, key, expected)


async def toggle_task(
    info: Info, input: Annotated[ToggleTaskInput, _Input]
) -> TaskRow | TaskNotFound | VersionConflict | QuotaExceeded:
    key = task_key(input.id)
    if key is None:
        return TaskNotFound()
    context, expected, today = info.context, given(input.expected_version), given(input.today)
    statement = statements.toggle_task(context.user_id, key, expected, today, context.quota)
    try:
        toggled = await changes(context, input, statement)
    except Refused:
        # By the task that would follow it: nothing else that it changes can break a rule.
        return QuotaExceeded(storage=await read_storage(context))
    return toggled[0].row if toggled else await why_not(context, key, expected)


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
        return await why_not(context, key, expected)
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
    return await why_not(context, key, expected, statements.task_anywhere)


async def rename_label(
    info: Info,
    input: Annotated[RenameLabelInput, strawberry.argument(description="The label.")],
) -> RenameLabelSuccess | InvalidInput | LabelNotFound | QuotaExceeded:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    context, names = info.context, input.values()
    statement = statements.rename_label(context.user_id, names, context.quota)
    try:
        renamed = await renamings(context, input, statement)
    except Refused as refused:
        return await misfit(context, refused)
    if not renamed:
        (uses,) = await context.database.fetch(statements.uses_of_label(context.user_id, names))
        if not uses.is_used:
            return LabelNotFound()
        if uses.tasks > RENAMED_MAX:
            return InvalidInput(issues=[too_many_renamed(RENAMED_MAX)])
    context.pay_for_written(len(renamed))
    return RenameLabelSuccess(label=Label(name=names["to"]), changed_count=len(renamed))


async def why_not(
    context: Context,
    key: int,
    expected_version: int | None,
    find: Callable[[UserId, int], Statement[TaskRow]] = statements.task,
) -> TaskNotFound | VersionConflict:
    """Return why a statement found no task to change: there is none, or it has another version."""
    current = await at_another_version(context, expected_version, find(context.user_id, key))
    return TaskNotFound() if current is None else VersionConflict(current=current)
