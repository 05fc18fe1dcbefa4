"""Live changes: who waits for an owner's changes in this worker, and who is woken by a write."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Literal, TypeVar

from app.database.notifications import Notifier
from app.database.turns import Turns
from models.database import Database, Read
from models.statement import Row, Statement
from models.user import UserId

Waiting = TypeVar("Waiting")


class Wakening(asyncio.Event):
    """Is set when an owner's things may have changed, and measures how long telling of it takes.

    Whoever waits clears it, reads, tells of everything, and waits again: by then the changes are
    told that woke it before.
    """

    def __init__(self, clock: Callable[[], float], measure: Callable[[float], None] | None) -> None:
        super().__init__()
        self._clock = clock
        self._measure = measure
        self._changed_at: float | None = None
        self._reading_since: float | None = None

    def note_change(self) -> None:
        """Be set for a change, and not only to look whether there is one."""
        if self._measure is not None and self._changed_at is None:
            self._changed_at = self._clock()
        self.set()

    def clear(self) -> None:
        super().clear()
        if self._reading_since is None:
            self._reading_since = self._changed_at
        self._changed_at = None

    async def wait(self) -> Literal[True]:
        if self._reading_since is not None and self._measure is not None:
            self._measure(self._clock() - self._reading_since)
        self._reading_since = None
        return await super().wait()


class Live:
    """Knows who waits in this worker, and for whose changes."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        measure_lag: Callable[[float], None] | None = None,
    ) -> None:
        """`clock`: in seconds. `measure_lag`: is told how long telling of a change took."""
        self._clock = clock
        self._measure_lag = measure_lag
        self._events: dict[UserId, list[Wakening]] = {}
        self._ends: dict[UserId, list[Callable[[], None]]] = {}
        self._reads: dict[UserId, dict[object, asyncio.Task[Any]]] = {}
        """What is being read for each owner, by the place, since the last change reported."""
        self.needed = asyncio.Event()
        """Set when what other workers send is needed. Whoever listens clears it."""
        self._needed_at = clock()

    @contextmanager
    def watch(self, owner: UserId) -> Iterator[asyncio.Event]:
        """Have an event set when the owner's tasks may have changed."""
        event = Wakening(self._clock, self._measure_lag)
        with self._kept(self._events, owner, event):
            yield event

    def until_deleted(self, owner: UserId, end: Callable[[], None]) -> AbstractContextManager[None]:
        """Have a function called when the owner is deleted."""
        return self._kept(self._ends, owner, end)

    @contextmanager
    def _kept(
        self, all_kept: dict[UserId, list[Waiting]], owner: UserId, one: Waiting
    ) -> Iterator[None]:
        """Keep what waits for news of an owner, which other workers send."""
        all_kept.setdefault(owner, []).append(one)
        self.need()
        try:
            yield
        finally:
            self.need()
            kept = all_kept[owner]
            kept.remove(one)
            if not kept:
                del all_kept[owner]

    def end(self, owner: UserId) -> None:
        """End in this worker what goes on until the owner is deleted."""
        for end in self._ends.get(owner, ()):
            end()

    async def read_once(
        self, owner: UserId, place: object, read: Callable[[], Coroutine[Any, Any, Read]]
    ) -> Read:
        """Read for all at one place at once, as `models.database.Changes` has it."""
        reads = self._reads.setdefault(owner, {})
        task: asyncio.Task[Read] | None = reads.get(place)
        if task is None:
            task = reads[place] = asyncio.create_task(read())
            task.add_done_callback(partial(self._end_read, owner, reads, place))
        return await asyncio.shield(task)

    def _end_read(
        self,
        owner: UserId,
        reads: dict[object, asyncio.Task[Any]],
        place: object,
        task: asyncio.Task[Any],
    ) -> None:
        del reads[place]
        if not reads and self._reads.get(owner) is reads:
            del self._reads[owner]
        if not task.cancelled():
            # Where nobody waits any more, nobody else asks for its error.
            task.exception()

    def need(self) -> None:
        """Say that what other workers send is needed now."""
        self._needed_at = self._clock()
        self.needed.set()

    def is_needed(self, within: float) -> bool:
        """Tell whether somebody waits for changes, or has needed them in so many seconds."""
        return bool(self._events or self._ends) or self.unneeded_for < within

    @property
    def unneeded_for(self) -> float:
        """Seconds since what other workers send was needed; 0 while somebody waits for changes."""
        return 0.0 if self._events or self._ends else self._clock() - self._needed_at

    @property
    def watchers(self) -> int:
        return sum(map(len, self._events.values()))

    def wake(self, owner: UserId, *, has_changed: bool = True) -> None:
        """Wake everybody in this worker who waits for the owner's changes.

        `has_changed`: there is one, as far as is known.
        """
        # What is being read may not have this change yet.
        self._reads.pop(owner, None)
        for event in self._events.get(owner, ()):
            if has_changed:
                event.note_change()
            else:
                event.set()

    async def wake_all(self, seconds: float = 0.0) -> None:
        """Wake everybody, evenly over that time: each then reads from the database."""
        owners = list(self._events)
        for owner in owners:
            self.wake(owner, has_changed=False)
            await asyncio.sleep(seconds / len(owners))
        if not owners:
            await asyncio.sleep(seconds)


class NotifyingDatabase:
    """A database that wakes everybody, in whatever worker, who waits for what is written.

    The changes of one owner take turns.
    """

    def __init__(self, database: Database, live: Live, notifier: Notifier, turns: Turns) -> None:
        self._database = database
        self._live = live
        self._notifier = notifier
        self.has_written = False
        """Whether anything was written since somebody set this to false."""
        self._turns = turns

    async def fetch(self, statement: Statement[Row]) -> list[Row]:
        """Run the statement, as `models.database.Database` has it."""
        if not statement.sql.writes:
            return await self._database.fetch(statement)
        self.has_written = True
        owner = statement.owner
        await self._turns.take(owner)
        cancelled = False
        try:
            return await self._database.fetch(statement)
        except asyncio.CancelledError:
            cancelled = True
            raise
        finally:
            self._turns.give_back(owner, cancelled=cancelled)
            # The transaction may have been committed even if its answer was lost.
            self._live.wake(owner)
            self._notifier.add_change(owner)
