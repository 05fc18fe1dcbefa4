"""The subscriptions. Each reads the feed of changes, and waits at its end."""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Annotated

import strawberry
from strawberry import UNSET

from auth.context import Info
from graphql_schema.connections import PAGE_SIZE_MAX, ChangeCursor, TaskChangeEdge
from graphql_schema.errors import CodedError, ErrorCode
from graphql_schema.values import given
from resolvers.changes import read_changes, read_end


async def task_changes(
    info: Info,
    after: Annotated[
        str | None,
        strawberry.argument(
            description="Begin with the changes after this cursor; if left out, with those from "
            "now on."
        ),
    ] = UNSET,
) -> AsyncGenerator[TaskChangeEdge, None]:
    place, context = given(after), info.context
    cursor = None if place is None else ChangeCursor.decode(place, "after")
    with context.changes.watch(context.user_id) as changed:
        if cursor is None:
            cursor = await read_end(context.database, context.user_id)
        while True:
            # A change from here on is either read now, or sets the event again.
            changed.clear()
            read = partial(read_changes, context.database, context.user_id, cursor, PAGE_SIZE_MAX)
            page = await context.changes.read_once(context.user_id, cursor, read)
            if page.reset:
                raise CodedError(
                    ErrorCode.CURSOR_EXPIRED,
                    "The changes after this cursor are not known: it is too old, or of another "
                    "account or database. Read `taskChanges` from the beginning, then subscribe "
                    "after its `endCursor`.",
                )
            await context.pay_for_changes(len(page.rows))
            for edge in page.edges():
                yield edge
            cursor = page.end
            if not page.more:
                await changed.wait()
