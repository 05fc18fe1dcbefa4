"""Pages by keyset, of whatever kind: the rows of one, and whether there is more beside it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from models.database import Database
from models.statement import Statement

Row = TypeVar("Row")
Cursor = TypeVar("Cursor")
Beyond = TypeVar("Beyond", contravariant=True)


class Span(NamedTuple, Generic[Cursor]):
    """The part of a list that a page is taken from, and how much of it."""

    after: Cursor | None
    before: Cursor | None
    size: int
    backward: bool
    """From the end."""


class AnyBeyond(Protocol[Beyond]):
    """Makes a statement that says whether anything stands at a cursor or on its far side."""

    def __call__(self, cursor: Beyond, *, before: bool) -> Statement[tuple[bool]]: ...


class ReadPage(NamedTuple, Generic[Row]):
    """A page that was read."""

    rows: Sequence[Row]
    next: Callable[[], bool | Awaitable[bool]]
    """Returns whether there is more after it."""
    previous: Callable[[], bool | Awaitable[bool]]
    """Returns whether there is more before it."""
    total: int | None
    """How many there are on all pages; None where that was not asked."""


async def read_page(
    database: Database,
    span: Span[Cursor],
    statement_of: Callable[[int], Statement[Row]],
    any_beyond: AnyBeyond[Cursor],
    counting: Callable[[], Statement[tuple[int]]],
    *,
    has_count: bool,
) -> ReadPage[Row]:
    """Read a page. `statement_of` makes the statement that reads so many rows of the span.

    Whether there is more on the side where the span ends is asked only when it is selected.
    `has_count`: how many there are on all pages is selected. It is asked at the same time, by the
    statement that `counting` makes, so both take one round trip.
    """
    size, backward = span.size, span.backward
    page = database.fetch(statement_of(size + 1))
    total = None
    if has_count:
        rows, counted = await asyncio.gather(page, database.fetch(counting()))
        total = counted[0][0]
    else:
        rows = await page
    more = len(rows) > size
    rows = rows[size - 1 :: -1] if backward and size else rows[:size]

    async def is_beyond(cursor: Cursor, *, before: bool) -> bool:
        return (await database.fetch(any_beyond(cursor, before=before)))[0][0]

    def has_next() -> bool | Awaitable[bool]:
        if more and not backward:
            return True
        return is_beyond(span.before, before=False) if span.before else False

    def has_previous() -> bool | Awaitable[bool]:
        if more and backward:
            return True
        return is_beyond(span.after, before=True) if span.after else False

    return ReadPage(rows, has_next, has_previous, total)
