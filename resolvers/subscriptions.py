"""The subscriptions. Each reads the feed of changes, and waits at its end."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Annotated

import strawberry
from strawberry import UNSET

from auth.context import Info
from graphql_schema.changes import (
    ChangeConnection,
    ChangeCursor,
    ChangeEdge,
    FeedPage,
    TaskChangeConnection,
    TaskChangeEdge,
)
from graphql_schema.connections import PAGE_SIZE_MAX
from graphql_schema.errors import CodedError, ErrorCode
from graphql_schema.values import given
from resolvers.changes import EVERYTHING, TASKS, Feed, read_changes, read_end
from resolvers.users import refuse_if_deleted

_After = Annotated[
    str | None,
    strawberry.argument(
        description="Begin with the changes after this cursor; if left out, with those from now on."
    ),
]


async def changes(info: Info, after: _After = UNSET) -> AsyncGenerator[ChangeEdge, None]:
    async with aclosing(_followed(info, EVERYTHING, given(after))) as pages:
        async for page in pages:
            for edge in ChangeConnection(page=page).edges():
                yield edge


async def task_changes(info: Info, after: _After = UNSET) -> AsyncGenerator[TaskChangeEdge, None]:
    async with aclosing(_followed(info, TASKS, given(after))) as pages:
        async for page in pages:
            for edge in TaskChangeConnection(page=page).edges():
                yield edge


async def _followed(info: Info, feed: Feed, after: str | None) -> AsyncGenerator[FeedPage, None]:
    """Yield the pages after a cursor, or from now on, and wait for more."""
    context = info.context
    cursor = None if after is None else ChangeCursor.decode(after, "after")
    with context.changes.watch(context.user_id) as changed:
        if cursor is None:
            cursor = await read_end(context.database, context.user_id)
        while True:
            # A change from here on is either read now, or sets the event again.
            changed.clear()
            read = partial(
                read_changes, context.database, context.user_id, feed, cursor, PAGE_SIZE_MAX
            )
            page = await context.changes.read_once(context.user_id, (feed, cursor), read)
            if page.reset:
                await refuse_if_deleted(context)
                raise CodedError(
                    ErrorCode.CURSOR_EXPIRED,
                    "The changes after this cursor are not known: it is too old, or of another "
                    "account or database. Read `changes` from the beginning, then subscribe after "
                    "its `endCursor`.",
                )
            await context.pay_for_changes(len(page.rows))
            yield page
            cursor = page.end
            if not page.more:
                await changed.wait()
