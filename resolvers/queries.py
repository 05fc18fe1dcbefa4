"""The queries. Each makes a statement of the caller's from its arguments."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from auth.context import Info
from graphql_schema import page_arguments as arguments
from graphql_schema.connections import (
    PAGE_SIZE_DEFAULT,
    PAGE_SIZE_MAX,
    LabelConnection,
    LabelCursor,
    TaskConnection,
    page_size,
)
from graphql_schema.selected import selected_of_page
from graphql_schema.types import RateLimit, Storage
from graphql_schema.values import given, task_key
from models.task import TaskRow
from models.user import UserRow
from resolvers.statements import label_pages
from resolvers.statements.tasks import task as statement_of_task
from resolvers.storage import read_storage
from resolvers.task_pages import read_tasks


def rate_limit(info: Info) -> RateLimit | None:
    return info.context.rate_limit


async def storage(info: Info) -> Storage:
    return await read_storage(info.context)


async def me(info: Info) -> UserRow:
    return await info.context.viewer()


async def task(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id of the task.")]
) -> TaskRow | None:
    key = task_key(id)
    if key is None:
        return None
    context = info.context
    rows = await context.database.fetch(statement_of_task(context.user_id, key))
    return rows[0] if rows else None


async def tasks(
    info: Info,
    filter: arguments.Filter = UNSET,
    order_by: arguments.OrderBy = UNSET,
    first: arguments.First = UNSET,
    after: arguments.After = UNSET,
    last: arguments.Last = UNSET,
    before: arguments.Before = UNSET,
) -> TaskConnection:
    selected = selected_of_page(info)
    asked = arguments.AskedTasks(filter, order_by, first, after, last, before, selected)
    return await read_tasks(info.context, asked)


async def labels(
    info: Info,
    first: Annotated[
        int | None,
        strawberry.argument(
            description=f"At most this many labels: 0 to {PAGE_SIZE_MAX}; {PAGE_SIZE_DEFAULT} if "
            "left out."
        ),
    ] = UNSET,
    after: Annotated[
        str | None, strawberry.argument(description="Only labels after this cursor.")
    ] = UNSET,
) -> LabelConnection:
    size, place = page_size(given(first), None), given(after)
    start = None if place is None else LabelCursor.decode(place, "after").name
    owner, database = info.context.user_id, info.context.database
    names = [name for (name,) in await database.fetch(label_pages.labels(owner, start, size + 1))]

    async def any_before(label: str) -> bool:
        return (await database.fetch(label_pages.any_label_until(owner, label)))[0][0]

    return LabelConnection(
        names=names[:size],
        more=len(names) > size,
        previous=lambda: False if start is None else any_before(start),
    )
