"""The mutation that takes an action back."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import strawberry

from auth.context import Context, Info
from graphql_schema.results import QuotaExceeded
from graphql_schema.undo import (
    CHANGED_MAX,
    ActionNotFound,
    UndoConflict,
    UndoInput,
    UndoSuccess,
)
from models.database import Refused, Rule
from models.task import TaskRow
from models.task_list import TaskListRow
from resolvers.idempotency import undoings
from resolvers.statements.actions import undo_action
from resolvers.statements.related import lists_with_keys, tasks_with_keys
from resolvers.storage import read_storage


async def undo(
    info: Info,
    input: Annotated[UndoInput, strawberry.argument(description="The action.")],
) -> UndoSuccess | ActionNotFound | UndoConflict | QuotaExceeded:
    key = input.key()
    if key is None:
        return ActionNotFound()
    context = info.context
    statement = undo_action(context.user_id, key, context.quota)
    try:
        undone = await undoings(context, input, statement)
    except Refused as refused:
        if refused.rule is Rule.QUOTA:
            return QuotaExceeded(storage=await read_storage(context))
        # Where lists are too many, none of them has changed.
        changed = [int(refused.detail)] if refused.rule is Rule.UNCHANGED_SINCE else []
        things = await _things(context, changed)
        current = next((each for each in things if each.deleted_at is None), None)
        return UndoConflict(current=current)
    if not undone:
        return ActionNotFound()
    context.pay_for_written(len(undone) - 1)
    things = await _things(context, [each.id for each in undone[:CHANGED_MAX]])
    return UndoSuccess(changed=things, changed_count=len(undone))


async def _things(context: Context, keys: Sequence[int]) -> list[TaskRow | TaskListRow]:
    """Return the tasks and lists that have these keys, in the order of the keys."""
    if not keys:
        return []
    owner, fetch = context.user_id, context.database.fetch
    tasks, lists = await asyncio.gather(
        fetch(tasks_with_keys(owner, keys)), fetch(lists_with_keys(owner, keys))
    )
    found: dict[int, TaskRow | TaskListRow] = {row.id: row for row in (*tasks, *lists)}
    return [found[key] for key in keys if key in found]
