"""What tasks refer to, and what refers to them: read for a whole page at once."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Generic, TypeVar

from auth.context import Context
from graphql_schema.connections import TaskConnection
from graphql_schema.page_arguments import AskedTasks
from graphql_schema.types import TaskStatus
from models.day import Day
from models.task import TaskRow
from models.task_list import TaskListRow
from resolvers.statements import related as statements
from resolvers.statements.lists import count_pending
from resolvers.task_pages import read_tasks

Value = TypeVar("Value")


class Loader(Generic[Value]):
    """Reads together what is asked for one by one, before the event loop goes on."""

    def __init__(
        self, read: Callable[[Sequence[int]], Awaitable[Mapping[int, Value]]], default: Value
    ) -> None:
        self._read = read
        self._default = default
        self._keys = set[int]()
        self._reading: asyncio.Task[Mapping[int, Value]] | None = None

    def load(self, key: int) -> Awaitable[Value]:
        """Return the value of a key; the default where it has none. Nothing is kept for later."""
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read_asked())
            self._reading.add_done_callback(_note_failure)
        self._keys.add(key)
        return Asked(self._reading, key, self._default)

    async def _read_asked(self) -> Mapping[int, Value]:
        keys, self._keys, self._reading = self._keys, set(), None
        return await self._read(sorted(keys))


class Asked(Generic[Value]):
    """A value that is being read. It is no coroutine, since nobody need wait for it."""

    def __init__(
        self, reading: asyncio.Task[Mapping[int, Value]], key: int, default: Value
    ) -> None:
        self._reading = reading
        self._key = key
        self._default = default

    def __await__(self) -> Generator[Any, None, Value]:
        # Whoever is cancelled does not cancel it for the others.
        found = yield from asyncio.shield(self._reading).__await__()
        return found.get(self._key, self._default)


def _note_failure(reading: asyncio.Task[Mapping[int, Value]]) -> None:
    """Take note of how it ended, in case nobody waits for it any more."""
    if not reading.cancelled():
        reading.exception()


class RelatedTasks:
    """What the caller's tasks and lists refer to, as `RelatedToLists` in graphql_schema says."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lists = Loader[TaskListRow | None](self._read_lists, None)
        self._pending = Loader(self._read_pending, 0)
        self._tasks = Loader[TaskRow | None](self._read_tasks, None)
        self._live = Loader[TaskRow | None](self._read_live, None)
        self._days = dict[tuple[date | None, int], Loader[Sequence[Day]]]()
        self._subtasks = {
            status: Loader[Sequence[TaskRow]](partial(self._read_subtasks, status), [])
            for status in TaskStatus
        }
        self._counts = {
            status: Loader(partial(self._read_counts, status), 0) for status in TaskStatus
        }

    def task_list(self, key: int) -> Awaitable[TaskListRow | None]:
        return self._lists.load(key)

    def pending_count(self, key: int) -> Awaitable[int]:
        return self._pending.load(key)

    def tasks_of_list(self, key: int, asked: AskedTasks) -> Awaitable[TaskConnection]:
        return read_tasks(self._context, asked, list_key=key)

    def task(self, key: int) -> Awaitable[TaskRow | None]:
        return self._tasks.load(key)

    def task_outside_trash(self, key: int) -> Awaitable[TaskRow | None]:
        return self._live.load(key)

    def next_days(self, key: int, after: date | None, count: int) -> Awaitable[Sequence[Day]]:
        asked = (after, count)
        if asked not in self._days:
            self._days[asked] = Loader(partial(self._read_days, after, count), [])
        return self._days[asked].load(key)

    def subtasks(self, parent: int, status: TaskStatus) -> Awaitable[Sequence[TaskRow]]:
        return self._subtasks[status].load(parent)

    def subtask_count(self, parent: int, status: TaskStatus) -> Awaitable[int]:
        return self._counts[status].load(parent)

    async def _read_lists(self, keys: Sequence[int]) -> Mapping[int, TaskListRow]:
        statement = statements.lists_with_keys(self._context.user_id, keys)
        return {row.id: row for row in await self._context.database.fetch(statement)}

    async def _read_pending(self, keys: Sequence[int]) -> Mapping[int, int]:
        statement = count_pending(self._context.user_id, keys)
        return dict(await self._context.database.fetch(statement))

    async def _read_tasks(self, keys: Sequence[int]) -> Mapping[int, TaskRow]:
        statement = statements.tasks_with_keys(self._context.user_id, keys)
        return {row.id: row for row in await self._context.database.fetch(statement)}

    async def _read_live(self, keys: Sequence[int]) -> Mapping[int, TaskRow]:
        tasks = await self._read_tasks(keys)
        return {key: row for key, row in tasks.items() if row.deleted_at is None}

    async def _read_days(
        self, after: date | None, count: int, keys: Sequence[int]
    ) -> Mapping[int, Sequence[Day]]:
        statement = statements.next_days(self._context.user_id, keys, after, count)
        found = defaultdict[int, list[Day]](list)
        for key, day in await self._context.database.fetch(statement):
            found[key].append(day)
        return found

    async def _read_subtasks(
        self, status: TaskStatus, parents: Sequence[int]
    ) -> Mapping[int, Sequence[TaskRow]]:
        statement = statements.subtasks(self._context.user_id, parents, status)
        found = defaultdict[int, list[TaskRow]](list)
        for row in await self._context.database.fetch(statement):
            if row.parent_id is not None:
                found[row.parent_id].append(row)
        return found

    async def _read_counts(self, status: TaskStatus, parents: Sequence[int]) -> Mapping[int, int]:
        statement = statements.count_subtasks(self._context.user_id, parents, status)
        return dict(await self._context.database.fetch(statement))
