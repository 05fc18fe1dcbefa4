"""The mutations of lists. Each is one transaction of the caller's."""

from collections.abc import Callable
from typing import Annotated

import strawberry

from auth.context import Context, Info
from graphql_schema.errors import BadUserInput
from graphql_schema.issues import InputIssue, broken
from graphql_schema.list_inputs import (
    CreateListInput,
    DeleteListInput,
    MoveListInput,
    RestoreListInput,
    UpdateListInput,
)
from graphql_schema.list_results import DeleteListSuccess, ListVersionConflict
from graphql_schema.mutation_input import MutationInput
from graphql_schema.results import InvalidInput, ListNotFound, QuotaExceeded
from graphql_schema.values import given, list_id, list_key
from models.database import Refused
from models.statement import Statement
from models.task_list import TaskListRow
from models.user import UserId
from resolvers.idempotency import changes_of
from resolvers.refusals import at_another_version, misfit
from resolvers.statements import lists as statements
from resolvers.statements.kind import Change

_Input = strawberry.argument(description="The list, and what to do with it.")


async def create_list(
    info: Info,
    input: Annotated[CreateListInput, strawberry.argument(description="The new list.")],
) -> TaskListRow | InvalidInput | QuotaExceeded:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    context = info.context
    statement = statements.create_list(
        context.user_id, input.values(), context.quota, input.new_place()
    )
    try:
        made = await _changes(context, input, statement)
    except Refused as refused:
        return await misfit(context, refused)
    if not made:
        raise BadUserInput(
            "The list that was created with this `idempotencyKey` has been removed since: take a "
            "new key to create another."
        )
    return made[0].row


async def update_list(
    info: Info, input: Annotated[UpdateListInput, _Input]
) -> TaskListRow | InvalidInput | ListNotFound | ListVersionConflict | QuotaExceeded:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    key = list_key(input.id)
    if key is None:
        return ListNotFound()
    context, expected = info.context, given(input.expected_version)
    statement = statements.update_list(
        context.user_id, key, input.values(), expected, context.quota
    )
    try:
        updated = await _changes(context, input, statement)
    except Refused as refused:
        return await misfit(context, refused)
    return updated[0].row if updated else await _why_not(context, key, expected)


async def move_list(
    info: Info,
    input: Annotated[MoveListInput, strawberry.argument(description="The list, and where to.")],
) -> TaskListRow | InvalidInput | ListNotFound | ListVersionConflict:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    key = list_key(input.id)
    if key is None:
        return ListNotFound()
    context, expected = info.context, given(input.expected_version)
    statement = statements.move_list(context.user_id, key, input.new_place(), expected)
    try:
        moved = await _changes(context, input, statement)
    except Refused as refused:
        return InvalidInput(issues=list(broken(refused.rule)))
    return moved[0].row if moved else await _why_not(context, key, expected)


async def delete_list(
    info: Info, input: Annotated[DeleteListInput, _Input]
) -> DeleteListSuccess | ListNotFound | ListVersionConflict:
    key = list_key(input.id)
    if key is None:
        return ListNotFound()
    context, expected = info.context, given(input.expected_version)
    statement = statements.delete_list(context.user_id, key, expected)
    deleted = await _changes(context, input, statement)
    if not deleted:
        return await _why_not(context, key, expected)
    row, version = deleted[0]
    count = await _count_followers(context, key) if row.deleted_at else 0
    context.pay_for_written(count)
    return DeleteListSuccess(
        deleted_list_id=list_id(row.id), version=version, deleted_task_count=count
    )


async def restore_list(
    info: Info, input: Annotated[RestoreListInput, _Input]
) -> TaskListRow | InvalidInput | ListNotFound | ListVersionConflict:
    key = list_key(input.id)
    if key is None:
        return ListNotFound()
    context, expected = info.context, given(input.expected_version)
    statement = statements.restore_list(context.user_id, key, expected)
    try:
        restored = await _changes(context, input, statement)
    except Refused as refused:
        # There is no name to find fault with.
        issues = [
            InputIssue(path=["id"], code=issue.code, message=issue.message)
            for issue in broken(refused.rule)
        ]
        return InvalidInput(issues=issues)
    if not restored:
        return await _why_not(context, key, expected, statements.task_list_anywhere)
    context.pay_for_written(await _count_followers(context, key))
    return restored[0].row


async def _changes(
    context: Context, input: MutationInput, statement: Statement[TaskListRow]
) -> list[Change[TaskListRow]]:
    return await changes_of(context, input, statement, statements.replay_list)


async def _count_followers(context: Context, key: int) -> int:
    return (await context.database.fetch(statements.count_followers(context.user_id, key)))[0][0]


async def _why_not(
    context: Context,
    key: int,
    expected_version: int | None,
    find: Callable[[UserId, int], Statement[TaskListRow]] = statements.task_list,
) -> ListNotFound | ListVersionConflict:
    """Return why a statement found no list to change: there is none, or it has another version."""
    current = await at_another_version(context, expected_version, find(context.user_id, key))
    return ListNotFound() if current is None else ListVersionConflict(current=current)
