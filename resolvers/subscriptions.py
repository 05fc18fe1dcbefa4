"""The subscriptions: each reads the feed of changes, and waits where it ends."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry
from strawberry import UNSET

from auth.context import Info
from graphql_schema.connections import PAGE_SIZE_MAX, ChangeCursor, TaskChangeEdge
from graphql_schema.errors import CodedError, ErrorCode
from graphql_schema.inputs import given
from resolvers.changes import read_changes, read_end


async def task_changes(
    info: Info,
    after: Annotated[
        str | None,
        strawberry.argument(
            description="First what comes after this cursor; when left out, only what changes "
            "from now on."
        ),
    ] = UNSET,
) -> AsyncGenerator[TaskChangeEdge, None]:
    place, context = given(after), info.context
    cursor = None if place is None else ChangeCursor.decode(place, "after")
    with context.changes.watch(context.user_id) as changed:
        if cursor is None:
            cursor = await read_end(context.database, context.user_id)
        while True:
            # What changes from here on is either read now or tells us once more.
            changed.clear()
            page = await read_changes(context.database, context.user_id, cursor, PAGE_SIZE_MAX)
            if page.reset:
                raise CodedError(
                    ErrorCode.CURSOR_EXPIRED,
                    "Deletions after this cursor may be forgotten: read `taskChanges` from the "
                    "beginning, then subscribe after its `endCursor`.",
                )
            for edge in page.edges():
                yield edge
            cursor = page.end
            if not page.more:
                await changed.wait()
