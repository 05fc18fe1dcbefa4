"""Live changes: who waits for an owner's changes is woken, in this worker and in the others.

What wakes says whose tasks have changed, and nothing of them: whoever is woken reads the feed.
A NOTIFY within the transaction of a change would have all such transactions of the database commit
one after the other, so it follows each change instead, for several at once. A worker that dies in
between leaves others unwoken; so now and then everybody looks without being told.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Annotated, Any, TypeVar
from uuid import uuid4

import psycopg
from psycopg import AsyncConnection
from pydantic import BaseModel, Field, ValidationError

from app.database import APPLICATION_NAME
from app.migration import libpq_url
from app.settings import Settings
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

SWEEP = 30.0
"""Seconds after which everybody looks for changes, on average."""

POLLING = 2.0
"""The same where nothing can be heard."""

LOOKS = 150
"""How often everybody looks so before it is tried again to hear."""

HEARING_TIMEOUT = 3.0
"""Seconds within which a connection must hear another; else there is a pooler in the way."""

RECONNECT_DELAYS = (0.2, 10.0)
"""Seconds to wait after the connection could not be had: at first, and at most."""

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


async def keep_sweeping(live: Live) -> None:
    """Have everybody look for changes now and then, told or not."""
    while True:
        await live.wake_all(SWEEP * random.uniform(0.5, 1.5))  # noqa: S311


async def keep_listening(live: Live, settings: Settings) -> None:
    """Wake who waits when other workers tell of changes."""
    delay = RECONNECT_DELAYS[0]
    while True:
        # A server that nobody follows needs no connection for it.
        await live.watched.wait()
        try:
            async with await connect(settings) as connection:
                hears = await _hears(connection, settings)
                delay = RECONNECT_DELAYS[0]
                # Nobody has told of what changed before.
                await live.wake_all()
                if hears:
                    await _listen(connection, live)
                    continue
        except (psycopg.Error, TimeoutError) as error:
            logger.warning("Changes cannot be listened to right now: %s", error)
            await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311
            delay = min(2 * delay, RECONNECT_DELAYS[1])
            await live.wake_all()
        else:
            logger.warning(
                "Nothing is heard of other workers' changes, as through a pooler: looking for them "
                "every %g seconds instead. Set LISTEN_DATABASE_URL to a direct connection.",
                POLLING,
            )
            # Then again: it may be another pooler by now, or none.
            for _ in range(LOOKS):
                await live.wake_all(POLLING)


async def connect(settings: Settings) -> AsyncConnection[Any]:
    """Open a connection to listen by.

    Raises:
        psycopg.Error, TimeoutError: it cannot be had.
    """
    url = settings.listen_database_url or settings.database_url
    assert url is not None
    async with asyncio.timeout(settings.database_connect_timeout):
        return await AsyncConnection.connect(
            libpq_url(url),
            autocommit=True,
            application_name=f"{APPLICATION_NAME} live",
            client_encoding="UTF8",
            prepare_threshold=None,
        )


async def _hears(connection: AsyncConnection[Any], settings: Settings) -> bool:
    """Listen, and tell whether what another connection says is heard.

    Through a transaction pooler it is not: between statements nobody listens there.
    """
    word = Notification(by=uuid4().hex).model_dump_json()
    await connection.execute(f"LISTEN {CHANNEL}")
    async with await connect(settings) as another:
        await another.execute("SELECT pg_notify(%s, %s)", [CHANNEL, word])
    async with aclosing(connection.notifies(timeout=HEARING_TIMEOUT)) as notifies:
        async for heard in notifies:
            if heard.payload == word:
                return True
    return False


async def _listen(connection: AsyncConnection[Any], live: Live) -> None:
    async for heard in connection.notifies():
        live.hear(heard.payload)


async def can_listen(settings: Settings) -> bool:
    """Tell whether other workers' changes can be heard at once.

    Raises:
        psycopg.Error, TimeoutError: the database cannot be reached.
    """
    async with await connect(settings) as connection:
        return await _hears(connection, settings)
