"""Live changes: who waits for an owner's changes in this worker, and who is woken by a write."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from app.database.notifications import Notifier
from models.database import Database
from models.statement import Row, Statement
from models.user import UserId


class Live:
    """Knows who waits in this worker, and for whose changes."""

    def __init__(self) -> None:
        self._events: dict[UserId, set[asyncio.Event]] = {}
        self.watched = asyncio.Event()
        """Set once somebody has waited for changes."""

    @contextmanager
    def watch(self, owner: UserId) -> Iterator[asyncio.Event]:
        """Have an event set when the owner's tasks may have changed."""
        event = asyncio.Event()
        self._events.setdefault(owner, set()).add(event)
        self.watched.set()
        try:
            yield event
        finally:
            events = self._events[owner]
            events.remove(event)
            if not events:
                del self._events[owner]

    @property
    def watchers(self) -> int:
        return sum(map(len, self._events.values()))

    def wake(self, owner: UserId) -> None:
        """Wake everybody in this worker who waits for the owner's changes."""
        for event in self._events.get(owner, ()):
            event.set()

    async def wake_all(self, seconds: float = 0.0) -> None:
        """Wake everybody, evenly over that time: each then reads from the database."""
        owners = list(self._events)
        for owner in owners:
            self.wake(owner)
            await asyncio.sleep(seconds / len(owners))
        if not owners:
            await asyncio.sleep(seconds)


class NotifyingDatabase:
    """A database that wakes everybody, in whatever worker, who waits for what is written."""

    def __init__(self, database: Database, live: Live, notifier: Notifier) -> None:
        self._database = database
        self._live = live
        self._notifier = notifier

    async def fetch(self, statement: Statement[Row]) -> list[Row]:
        """Run the statement, as `models.database.Database` has it."""
        if not statement.sql.writes:
            return await self._database.fetch(statement)
        try:
            return await self._database.fetch(statement)
        finally:
            # The transaction may have been committed even if its answer was lost.
            self._live.wake(statement.owner)
            self._notifier.add_change(statement.owner)
