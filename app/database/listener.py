"""The listener: receives notifications from other workers, and looks for changes without them."""

import asyncio
import logging
import math
import random
import selectors
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import AsyncConnection
from pydantic import ValidationError

from app.database.changes import Live
from app.database.instances import application_name
from app.database.notifications import CHANNEL, Notification
from app.database.recent import RecentWriters
from app.database.urls import libpq_url
from app.settings import Settings
from models.user import UserId

logger = logging.getLogger(__name__)
chance = random.SystemRandom()

POLLS = 150
"""How often everybody is woken where nothing can be received, before listening is tried again."""

RECEIVING_TIMEOUT = 3.0
"""Seconds within which a connection must receive what another one sends; else there is a pooler
in between."""

RECONNECT_DELAYS = (0.2, 10.0)
"""Seconds to wait after the connection failed: at first, and at most."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds, on average, after which everybody who waits for changes looks at the database."""

    sweep: float = 30.0
    """Notified or not."""
    poll: float = 2.0
    """Where no notifications can be received."""
    listen: float = 600.0
    """How long to listen after nobody needs it any more, so that the database may sleep."""


CHECK = 60.0
"""Seconds after which it is looked whether anybody needs the notifications."""

USUAL_INTERVALS = Intervals()


class Receiver:
    """Takes in what other workers send."""

    def __init__(
        self,
        worker: str,
        live: Live,
        count_spending: Callable[[Mapping[UserId, int]], None] | None,
        recent: RecentWriters | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`worker`: the name of this one. `count_spending`: None where nothing is limited.

        `recent`: who is told of writes; None where nobody asks for them. `clock`: in seconds.
        """
        self.worker = worker
        self._live = live
        self._count_spending = count_spending
        self._recent = recent
        self._clock = clock
        self._is_heard: bool | None = None
        self._heard_since = math.inf
        self._selector: selectors.BaseSelector | None = None
        self._beat = 0
        self._has_beaten = asyncio.Event()

    @property
    def is_heard(self) -> bool | None:
        """Whether notifications arrive; None where nobody needs them."""
        return self._is_heard

    @is_heard.setter
    def is_heard(self, is_heard: bool | None) -> None:
        self._is_heard = is_heard
        self._heard_since = self._clock() if is_heard else math.inf

    def has_heard_for(self, seconds: float) -> bool:
        """Return whether all is known that has arrived in so many seconds."""
        return self._clock() - self._heard_since >= seconds and not self._has_unread()

    def _has_unread(self) -> bool:
        # The event loop may have been busy, and now takes a request before what came first.
        return self._selector is None or bool(self._selector.select(0))

    @contextmanager
    def reading_from(self, connection: AsyncConnection[Any]) -> Iterator[None]:
        """Look at this connection for what has arrived, in the block."""
        with selectors.DefaultSelector() as self._selector:
            self._selector.register(connection.fileno(), selectors.EVENT_READ)
            try:
                yield
            finally:
                self._selector = None

    async def until_beat(self, beat: int) -> None:
        """Return when this notification of the worker's own has come back to it, or a later one."""
        while self._beat < beat:
            self._has_beaten.clear()
            await self._has_beaten.wait()

    def receive(self, payload: str) -> None:
        """Wake who waits for the owners named, end what deleted ones have open, count spending.

        Whoever may connect to the database can send anything: what is malformed is ignored.
        """
        try:
            notification = Notification.model_validate_json(payload)
        except ValidationError:
            logger.warning("A malformed notification of %d characters is ignored", len(payload))
            return
        if notification.by == self.worker:
            self._beat = max(self._beat, notification.beat)
            self._has_beaten.set()
            return
        if self._recent is not None:
            for owner in (*notification.writing, *notification.of, *notification.deleted):
                self._recent.note(owner)
        for owner in notification.deleted:
            self._live.end(owner)
        for owner in notification.of:
            self._live.wake(owner)
        if self._count_spending is not None and notification.spent:
            self._count_spending(notification.spent)


async def keep_sweeping(live: Live, interval: float) -> None:
    """Wake everybody now and then, notified or not, for as long as the server runs."""
    while True:
        await live.wake_all(interval * chance.uniform(0.5, 1.5))


async def keep_listening(
    receiver: Receiver, live: Live, settings: Settings, intervals: Intervals
) -> None:
    """Receive notifications while they are needed, for as long as the server runs."""
    delay = RECONNECT_DELAYS[0]
    while True:
        # A server that needs no notifications needs no connection for them.
        if not live.is_needed(within=intervals.listen):
            live.needed.clear()
            receiver.is_heard = None
        await live.needed.wait()
        try:
            async with await connect(settings) as connection:
                receives = await _receives(connection, settings)
                delay = RECONNECT_DELAYS[0]
                # Of what was changed before, nothing was received.
                await live.wake_all()
                receiver.is_heard = receives
                if receives:
                    await _listen(connection, receiver, live, intervals.listen)
                    continue
        except (psycopg.Error, TimeoutError) as error:
            receiver.is_heard = False
            logger.warning("Notifications cannot be received right now: %s", error)
            if not live.is_needed(within=0):
                # The database may have ended it to sleep: nothing wakes it but the next spending.
                live.needed.clear()
                receiver.is_heard = None
            await asyncio.sleep(delay * chance.uniform(0.5, 1))
            delay = min(2 * delay, RECONNECT_DELAYS[1])
            await live.wake_all()
        else:
            logger.warning(
                "Other workers' notifications do not arrive, as through a pooler: looking for "
                "changes every %g seconds instead. Set LISTEN_DATABASE_URL to a direct connection.",
                intervals.poll,
            )
            # Then again: it may be another pooler by now, or none.
            for _ in range(POLLS):
                await live.wake_all(intervals.poll)


async def connect(settings: Settings) -> AsyncConnection[Any]:
    """Open a connection to listen by.

    Raises:
        psycopg.Error, TimeoutError: the database cannot be reached in time.
    """
    url = settings.listen_database_url or settings.database_url
    assert url is not None
    async with asyncio.timeout(settings.database_connect_timeout):
        return await AsyncConnection.connect(
            libpq_url(url),
            autocommit=True,
            application_name=application_name("live"),
            client_encoding="UTF8",
            prepare_threshold=None,
        )


async def _receives(connection: AsyncConnection[Any], settings: Settings) -> bool:
    """Listen, and return whether a notification of another connection arrives.

    Through a transaction pooler none does: between statements nobody listens there.
    """
    payload = Notification(by=uuid4().hex).model_dump_json()
    await connection.execute(f"LISTEN {CHANNEL}")
    async with await connect(settings) as another:
        await another.execute("SELECT pg_notify(%s, %s)", [CHANNEL, payload])
    async with aclosing(connection.notifies(timeout=RECEIVING_TIMEOUT)) as notifies:
        async for notify in notifies:
            if notify.payload == payload:
                return True
    return False


async def _listen(
    connection: AsyncConnection[Any], receiver: Receiver, live: Live, seconds: float
) -> None:
    """Receive notifications until nobody has needed them for so many seconds."""
    with receiver.reading_from(connection):
        while (left := seconds - live.unneeded_for) > 0:
            async with aclosing(connection.notifies(timeout=min(left, CHECK))) as notifies:
                async for notify in notifies:
                    receiver.receive(notify.payload)


async def can_listen(settings: Settings) -> bool:
    """Return whether notifications of other workers arrive.

    Raises:
        psycopg.Error, TimeoutError: the database cannot be reached.
    """
    async with await connect(settings) as connection:
        return await _receives(connection, settings)
