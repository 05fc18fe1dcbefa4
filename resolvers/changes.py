"""The feed of changes, by which a client that was away brings its copy up to date."""

import hashlib
from collections.abc import Callable
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from auth.context import Info
from graphql_schema.changes import (
    CHANGES_MAX,
    ORIGIN_MAX,
    VERSION_MAX,
    ChangeConnection,
    ChangeCursor,
    FeedPage,
    TaskChangeConnection,
)
from graphql_schema.connections import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, page_size
from graphql_schema.values import given
from models.database import Database
from models.statement import Statement
from models.user import UserId
from resolvers.statements import feed
from resolvers.statements.pages import FeedRow
from resolvers.statements.tasks import task_changes as statement_of_task_changes
from resolvers.users import refuse_if_deleted

Feed = Callable[[UserId, int, int], Statement[FeedRow[Any]]]
"""Makes the statement that reads so many changes after a version."""

EVERYTHING: Feed = feed.changes
TASKS: Feed = statement_of_task_changes

_After = Annotated[
    str | None,
    strawberry.argument(description="Only changes after this cursor; all of them if left out."),
]


def _first(most: int) -> object:
    return strawberry.argument(
        description=f"At most this many changes: 0 to {most}; {PAGE_SIZE_DEFAULT} if left out. 0 "
        "without `after` returns only the `endCursor` of all changes."
    )


async def changes(
    info: Info,
    after: _After = UNSET,
    first: Annotated[int | None, _first(CHANGES_MAX)] = UNSET,
) -> ChangeConnection:
    return ChangeConnection(page=await _asked(info, EVERYTHING, after, first, CHANGES_MAX))


async def task_changes(
    info: Info,
    after: _After = UNSET,
    first: Annotated[int | None, _first(PAGE_SIZE_MAX)] = UNSET,
) -> TaskChangeConnection:
    return TaskChangeConnection(page=await _asked(info, TASKS, after, first, PAGE_SIZE_MAX))


async def _asked(
    info: Info, feed: Feed, after: str | None, first: int | None, most: int
) -> FeedPage:
    size, place = page_size(given(first), None, most), given(after)
    cursor = None if place is None else ChangeCursor.decode(place, "after")
    context = info.context
    page = await read_changes(context.database, context.user_id, feed, cursor, size)
    if page.reset and cursor is not None:
        await refuse_if_deleted(context)
    return page


async def read_changes(
    database: Database, owner: UserId, feed: Feed, after: ChangeCursor | None, size: int
) -> FeedPage:
    """Return the owner's next `size` changes, from the beginning if `after` is too old.

    Without `after`, a size of 0 returns only where the changes end.
    """
    if after is None and size == 0:
        end = await read_end(database, owner)
        return FeedPage([], end, more=False, reset=True)
    version = 0 if after is None else after.version
    rows = await database.fetch(feed(owner, version, size + 1))
    reset = after is None or not _goes_on(after, owner, rows)
    if after is None or version == 0:
        # Nothing was shown yet. These pages show nothing that is purged by now, so its purge does
        # not make them too old.
        start = _place(owner, rows, version=0)
    elif reset:
        rows = await database.fetch(feed(owner, 0, size + 1))
        start = _place(owner, rows, version=0)
    elif after.origin is None:
        start = after._replace(origin=_origin(owner, rows))
    else:
        start = after
    changed = [row.row for row in rows if row.row is not None]
    page = changed[:size]
    end = start._replace(version=page[-1].version) if page else start
    return FeedPage(page, end, more=len(changed) > size, reset=reset)


async def read_end(database: Database, owner: UserId) -> ChangeCursor:
    """Return the place after the owner's latest change."""
    rows = await database.fetch(EVERYTHING(owner, VERSION_MAX, 0))
    return _place(owner, rows, version=rows[0].version if rows else 0)


def _place(owner: UserId, rows: list[FeedRow[Any]], version: int) -> ChangeCursor:
    purged_version = rows[0].purged_version if rows else 0
    return ChangeCursor(version, purged_version, _origin(owner, rows))


def _goes_on(cursor: ChangeCursor, owner: UserId, rows: list[FeedRow[Any]]) -> bool:
    """Return whether what comes after the cursor is all that its copy lacks.

    It is not where the cursor counts in another database or account, or where deletions after it
    may be purged. Who has seen nothing yet lacks nothing but all.
    """
    if cursor.version == 0:
        return True
    if not rows:
        return False
    counter = rows[0]
    if not counter.purged_version <= max(cursor.version, cursor.purged_version) <= counter.version:
        return False
    if cursor.origin is None:
        return counter.installation_beginning == counter.beginning == 0
    return cursor.origin == _origin(owner, rows)


def _origin(owner: UserId, rows: list[FeedRow[Any]]) -> int:
    """Return the number of the account in its database; 0 where it has had no change."""
    if not rows:
        return 0
    counter = rows[0]
    text = f"{counter.installation_beginning} {counter.beginning} {owner}"
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8]) % ORIGIN_MAX + 1
