"""The queries. Each makes a statement of the caller's from its arguments."""

from functools import partial
from typing import Annotated

import strawberry
from strawberry import UNSET

from auth.context import Info
from graphql_schema.connections import (
    PAGE_SIZE_DEFAULT,
    PAGE_SIZE_MAX,
    Cursor,
    LabelConnection,
    LabelCursor,
    TaskConnection,
    page_size,
)
from graphql_schema.filters import TaskFilter, TaskOrder, check_order
from graphql_schema.types import RateLimit, Storage
from graphql_schema.values import given, task_key
from models.task import TaskRow
from models.user import UserRow
from resolvers.narrowing import EVERY_TASK, conditions_of, narrowed
from resolvers.paging import Span, read_page
from resolvers.statements import label_pages
from resolvers.statements import task_pages as statements
from resolvers.statements.task_pages import Page
from resolvers.statements.tasks import task as statement_of_task
from resolvers.storage import read_storage

NEWEST_FIRST = TaskOrder()


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
    filter: Annotated[
        TaskFilter | None,
        strawberry.argument(description="Conditions on the tasks."),
    ] = UNSET,
    order_by: Annotated[
        TaskOrder | None,
        strawberry.argument(description="The order; newest first if left out."),
    ] = UNSET,
    first: Annotated[
        int | None,
        strawberry.argument(
            description=f"At most this many, from the start: 0 to {PAGE_SIZE_MAX}; "
            f"{PAGE_SIZE_DEFAULT} if neither `first` nor `last` is given."
        ),
    ] = UNSET,
    after: Annotated[
        str | None, strawberry.argument(description="Only tasks after this cursor.")
    ] = UNSET,
    last: Annotated[
        int | None,
        strawberry.argument(description=f"At most this many, from the end: 0 to {PAGE_SIZE_MAX}."),
    ] = UNSET,
    before: Annotated[
        str | None, strawberry.argument(description="Only tasks before this cursor.")
    ] = UNSET,
) -> TaskConnection:
    first, after, last, before = given(first), given(after), given(last), given(before)
    size, backward = page_size(first, last), last is not None
    order = order_by or NEWEST_FIRST
    check_order(order.field, filter)
    owner, database = info.context.user_id, info.context.database
    conditions = conditions_of(filter) if filter else EVERY_TASK
    conditions = await narrowed(database, owner, conditions, order.field)
    page = Page(
        conditions,
        order.field,
        order.direction,
        None if after is None else Cursor.decode(after, order.field, "after"),
        None if before is None else Cursor.decode(before, order.field, "before"),
    )
    read = await read_page(
        database,
        Span(page.after, page.before, size, backward),
        lambda limit: statements.tasks(owner, page, limit=limit, backward=backward),
        partial(statements.any_task_beyond, owner, page),
    )

    async def count() -> int:
        return (await database.fetch(statements.count_tasks(owner, conditions)))[0][0]

    return TaskConnection(
        rows=read.rows, order=order.field, next=read.next, previous=read.previous, count=count
    )


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
