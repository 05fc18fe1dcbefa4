"""The mutation that moves a task."""

from typing import Annotated

import strawberry

from auth.context import Info
from graphql_schema.issues import broken
from graphql_schema.places import MoveTaskInput, has_unknown_list
from graphql_schema.results import (
    InvalidInput,
    ListNotFound,
    TaskNotFound,
    VersionConflict,
)
from graphql_schema.values import given, task_key
from models.database import Refused, Rule
from models.task import TaskRow
from resolvers.idempotency import changes
from resolvers.mutations import why_not
from resolvers.statements import tasks as statements


async def move_task(
    info: Info,
    input: Annotated[MoveTaskInput, strawberry.argument(description="The task, and where to.")],
) -> TaskRow | InvalidInput | TaskNotFound | ListNotFound | VersionConflict:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    if has_unknown_list(input):
        return ListNotFound()
    key = task_key(input.id)
    if key is None:
        return TaskNotFound()
    context, expected = info.context, given(input.expected_version)
    statement = statements.move_task(
        context.user_id, key, input.values(), input.new_place(), expected
    )
    try:
        moved = await changes(context, input, statement)
    except Refused as refused:
        if refused.rule is Rule.LIST:
            return ListNotFound()
        return InvalidInput(issues=list(broken(refused.rule)))
    return moved[0].row if moved else await why_not(context, key, expected)
