"""Live changes: who waits for an owner's changes is woken, in this worker and in the others."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, TypeVar
from uuid import uuid4

from pydantic import BaseModel, Field, ValidationError

from models.database import Database, DatabaseUnavailable
from models.statement import Row, Sql, Statement
from models.user import UserId

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
CHANNEL = "todo_task_changes"
NOTIFY = Sql(f"SELECT pg_notify('{CHANNEL}', $1)", ("payload",), tuple, writes=False)

GATHERING_TIME = 0.01
"""Seconds for which changes are gathered before other workers are told of them."""

OWNERS_MAX = 20
"""Owners named in one notification, which may have up to 8,000 bytes."""

POINTS_MAX = 2**31
"""More points than a user can spend between two notifications."""


class Notification(BaseModel, strict=True):
    """What a worker says to the others; of one that has just begun to listen, only its name."""

    by: str
    of: list[UserId] = []
    """Whose tasks have changed."""
    spent: dict[UserId, Annotated[int, Field(gt=0, le=POINTS_MAX)]] = {}
    """The points that users have spent there."""


class Live:
    """Knows who waits for whose changes."""

    def __init__(self) -> None:
        self._events: dict[UserId, set[asyncio.Event]] = {}
        self._gathered: set[UserId] = set()
        self._telling: asyncio.Task[None] | None = None
        self.database: Database | None = None
        """By which other workers are told; None: there are none."""
        self._spent: Counter[UserId] = Counter()
        self._heed: Callable[[dict[UserId, int]], None] | None = None
        self.watched = asyncio.Event()
        """Set once somebody has waited for changes, or heeds what others spend."""
        self.worker = uuid4().hex

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
        """Wake those of this worker who wait for the owner's changes."""
        for event in self._events.get(owner, ()):
            event.set()

    async def wake_all(self, seconds: float = 0.0) -> None:
        """Wake everybody, one after the other in that time: each then asks the database."""
        owners = list(self._events)
        for owner in owners:
            self.wake(owner)
            await asyncio.sleep(seconds / len(owners))
        if not owners:
            await asyncio.sleep(seconds)

    def changed(self, owner: UserId) -> None:
        """Wake all, in whatever worker, who wait for the owner's changes."""
        self.wake(owner)
        self._gathered.add(owner)
        self._tell_soon()

    def heed_spending(self, heed: Callable[[dict[UserId, int]], None]) -> None:
        """Have a function called with what users have spent in other workers."""
        self._heed = heed
        self.watched.set()

    def tell_spending(self, spent: Counter[UserId]) -> None:
        """Tell other workers what users have spent here."""
        self._spent.update(spent)
        self._tell_soon()

    def hear(self, payload: str) -> None:
        """Heed what another worker says.

        Whoever may connect to the database can say anything: what is not understood is ignored.
        """
        try:
            said = Notification.model_validate_json(payload)
        except ValidationError:
            logger.warning("Not understood: a notification of %d characters", len(payload))
            return
        if said.by == self.worker:
            return
        for owner in said.of:
            self.wake(owner)
        if self._heed is not None and said.spent:
            self._heed(said.spent)

    def _tell_soon(self) -> None:
        if self.database is not None and self._telling is None:
            self._telling = asyncio.create_task(self._tell(self.database))

    async def _tell(self, database: Database) -> None:
        await asyncio.sleep(GATHERING_TIME)
        owners, self._gathered, self._telling = list(self._gathered), set(), None
        spent, self._spent = list((+self._spent).items()), Counter()
        words = [Notification(by=self.worker, of=part) for part in _in_parts(owners)]
        words += [Notification(by=self.worker, spent=dict(part)) for part in _in_parts(spent)]
        for word in words:
            payload = word.model_dump_json(exclude_defaults=True)
            # It is nobody's, but at the door somebody must be named.
            nobody = owners[0] if owners else spent[0][0]
            try:
                await database.fetch(Statement(NOTIFY, nobody, {"payload": payload}))
            except DatabaseUnavailable as error:
                logger.warning("Other workers could not be told: %s", error)


def _in_parts(items: list[Item]) -> Iterator[list[Item]]:
    for start in range(0, len(items), OWNERS_MAX):
        yield items[start : start + OWNERS_MAX]


class TellingDatabase:
    """A database whose changes are told to whoever waits for them."""

    def __init__(self, database: Database, live: Live) -> None:
        self._database = database
        self._live = live

    async def fetch(self, statement: Statement[Row]) -> list[Row]:
        """Run the statement, as `models.database.Database` has it."""
        if not statement.sql.writes:
            return await self._database.fetch(statement)
        try:
            return await self._database.fetch(statement)
        finally:
            # It may have been committed even where its answer was lost.
            self._live.changed(statement.owner)
