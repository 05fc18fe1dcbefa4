"""The queries. Each makes a statement of the caller's from its arguments."""

from collections.abc import Awaitable, Mapping
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from auth.context import Info
from graphql_schema.connections import (
    PAGE_SIZE_DEFAULT,
    PAGE_SIZE_MAX,
    Cursor,
    TaskConnection,
    page_size,
)
from graphql_schema.filters import TaskFilter, TaskOrder
from graphql_schema.types import RateLimit, Storage
from graphql_schema.values import given, task_key
from models.database import Database
from models.task import TASK_FACTS, TaskRow
from models.user import UserId, UserRow
from resolvers.statements import tasks as statements
from resolvers.statements.tasks import Conditions, Page
from resolvers.storage import read_storage

FOUND_MAX = 1000
"""Tasks that a search looks up. If there are more, the list is searched task by task."""

NEWEST_FIRST = TaskOrder()
EVERY_TASK = Conditions()


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
    rows = await context.database.fetch(statements.task(context.user_id, key))
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
    context = info.context
    owner, database = context.user_id, context.database
    conditions = await _narrowed(database, owner, _conditions(filter)) if filter else EVERY_TASK
    page = Page(
        conditions,
        order.field,
        order.direction,
        None if after is None else Cursor.decode(after, order.field, "after"),
        None if before is None else Cursor.decode(before, order.field, "before"),
    )
    rows = await database.fetch(statements.tasks(owner, page, limit=size + 1, backward=backward))
    more = len(rows) > size
    rows = rows[size - 1 :: -1] if backward and size else rows[:size]

    async def any_beyond(cursor: Cursor, *, before: bool) -> bool:
        statement = statements.any_task_beyond(owner, page, cursor, before=before)
        return (await database.fetch(statement))[0][0]

    def has_next() -> bool | Awaitable[bool]:
        if more and not backward:
            return True
        return any_beyond(page.before, before=False) if page.before else False

    def has_previous() -> bool | Awaitable[bool]:
        if more and backward:
            return True
        return any_beyond(page.after, before=True) if page.after else False

    async def count() -> int:
        return (await database.fetch(statements.count_tasks(owner, conditions)))[0][0]

    return TaskConnection(
        rows=rows, order=order.field, next=has_next, previous=has_previous, count=count
    )


def _conditions(filter: TaskFilter) -> Conditions:
    filter.check()
    ids, search, bounds = given(filter.ids), given(filter.search), filter.bounds()
    if _is_empty(bounds):
        # PostgreSQL would look at every task.
        ids = []
    return Conditions(
        filter.status,
        filter.trash,
        None if ids is None else [key for id in ids if (key := task_key(id)) is not None],
        search if search and not search.isspace() else None,
        bounds,
    )


def _is_empty(bounds: Mapping[str, Any]) -> bool:
    """Return whether a range ends where it begins, or before."""
    return any(
        from_ in bounds and until in bounds and bounds[from_] >= bounds[until]
        for from_, until in (fact.bounds for fact in TASK_FACTS.values())
    )


async def _narrowed(database: Database, owner: UserId, conditions: Conditions) -> Conditions:
    """Look up the tasks that a search finds. Where they are many, every page is soon full of them.

    Returns conditions with their ids in the place of the search, unless they are too many.
    """
    if conditions.search is None or conditions.ids == []:
        return conditions._replace(search=None)
    statement = statements.search_tasks(owner, conditions.search, FOUND_MAX + 1)
    found = {id for (id,) in await database.fetch(statement)}
    if len(found) > FOUND_MAX:
        return conditions
    ids = found if conditions.ids is None else found.intersection(conditions.ids)
    return conditions._replace(ids=sorted(ids), search=None)
