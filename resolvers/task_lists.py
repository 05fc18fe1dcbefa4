"""The queries of lists of tasks, and of whatever an id names."""

from functools import partial
from typing import Annotated

import strawberry
from strawberry import UNSET

from auth.context import Info
from graphql_schema.connections import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, page_size
from graphql_schema.filters import TaskTrash
from graphql_schema.lists import ListCursor, TaskListConnection
from graphql_schema.selected import TOTAL_COUNT, selects
from graphql_schema.values import given, list_key
from models.task import TaskRow
from models.task_list import TaskListRow
from resolvers.paging import Span, read_page
from resolvers.queries import task
from resolvers.statements import lists as statements
from resolvers.statements.lists import ListPage


async def task_list(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id of the list.")]
) -> TaskListRow | None:
    key = list_key(id)
    if key is None:
        return None
    context = info.context
    rows = await context.database.fetch(statements.task_list(context.user_id, key))
    return rows[0] if rows else None


async def node(
    info: Info,
    id: Annotated[strawberry.ID, strawberry.argument(description="The id of a task or a list.")],
) -> TaskRow | TaskListRow | None:
    return await task(info, id) or await task_list(info, id)


async def task_lists(
    info: Info,
    trash: Annotated[
        TaskTrash,
        strawberry.argument(description="Choose lists by whether they are in the trash."),
    ] = TaskTrash.EXCLUDE,
    first: Annotated[
        int | None,
        strawberry.argument(
            description=f"At most this many, from the start: 0 to {PAGE_SIZE_MAX}; "
            f"{PAGE_SIZE_DEFAULT} if neither `first` nor `last` is given."
        ),
    ] = UNSET,
    after: Annotated[
        str | None, strawberry.argument(description="Only lists after this cursor.")
    ] = UNSET,
    last: Annotated[
        int | None,
        strawberry.argument(description=f"At most this many, from the end: 0 to {PAGE_SIZE_MAX}."),
    ] = UNSET,
    before: Annotated[
        str | None, strawberry.argument(description="Only lists before this cursor.")
    ] = UNSET,
) -> TaskListConnection:
    first, after, last, before = given(first), given(after), given(last), given(before)
    size, backward = page_size(first, last), last is not None
    owner, database = info.context.user_id, info.context.database
    page = ListPage(
        trash,
        None if after is None else ListCursor.decode(after, "after"),
        None if before is None else ListCursor.decode(before, "before"),
    )
    read = await read_page(
        database,
        Span(page.after, page.before, size, backward),
        lambda limit: statements.task_lists(owner, page, limit=limit, backward=backward),
        partial(statements.any_list_beyond, owner, trash),
        partial(statements.count_lists, owner, trash),
        has_count=selects(info, TOTAL_COUNT),
    )

    return TaskListConnection(
        rows=read.rows, next=read.next, previous=read.previous, total=read.total
    )
