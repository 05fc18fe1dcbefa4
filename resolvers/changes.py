"""The feed of changes, by which a client that was away brings its copy up to date."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from auth.context import Info
from graphql_schema.connections import (
    PAGE_SIZE_DEFAULT,
    PAGE_SIZE_MAX,
    VERSION_MAX,
    ChangeCursor,
    TaskChangeConnection,
    page_size,
)
from graphql_schema.inputs import given
from models.database import Database
from models.task import TaskRow
from models.user import UserId
from resolvers.statements import tasks as statements
from resolvers.statements.pages import FeedRow


async def task_changes(
    info: Info,
    after: Annotated[
        str | None,
        strawberry.argument(description="Only changes after this cursor; all of them if left out."),
    ] = UNSET,
    first: Annotated[
        int | None,
        strawberry.argument(
            description=f"At most this many changes: 0 to {PAGE_SIZE_MAX}; {PAGE_SIZE_DEFAULT} if "
            "left out. 0 without `after` returns only the `endCursor` of all changes."
        ),
    ] = UNSET,
) -> TaskChangeConnection:
    size, place = page_size(given(first), None), given(after)
    cursor = None if place is None else ChangeCursor.decode(place, "after")
    return await read_changes(info.context.database, info.context.user_id, cursor, size)


async def read_changes(
    database: Database, owner: UserId, after: ChangeCursor | None, size: int
) -> TaskChangeConnection:
    """Return the owner's next `size` changes, from the beginning if `after` is too old.

    Without `after`, a size of 0 returns only where the changes end.
    """
    if after is None and size == 0:
        end = await read_end(database, owner)
        return TaskChangeConnection(rows=[], end=end, more=False, reset=True)
    start = after or ChangeCursor(0, 0)
    rows = await database.fetch(statements.task_changes(owner, start.version, size + 1))
    reset = after is None
    if after is not None and _is_too_old(after, *_counter(rows)):
        reset, start = True, ChangeCursor(0, 0)
        rows = await database.fetch(statements.task_changes(owner, start.version, size + 1))
    if reset:
        # These pages show no task that is purged by now, so its purge does not make them too old.
        start = start._replace(purged_version=_counter(rows)[1])
    tasks = [row.row for row in rows if row.row is not None]
    page = tasks[:size]
    end = start._replace(version=page[-1].version) if page else start
    return TaskChangeConnection(rows=page, end=end, more=len(tasks) > size, reset=reset)


async def read_end(database: Database, owner: UserId) -> ChangeCursor:
    """Return the place after the owner's latest change."""
    rows = await database.fetch(statements.task_changes(owner, VERSION_MAX, 0))
    return ChangeCursor(*_counter(rows))


def _counter(rows: list[FeedRow[TaskRow]]) -> tuple[int, int]:
    return (rows[0].version, rows[0].purged_version) if rows else (0, 0)


def _is_too_old(cursor: ChangeCursor, version: int, purged_version: int) -> bool:
    """Return whether deletions after the cursor may be purged, or the database is older than it."""
    return not purged_version <= max(cursor) <= version
