"""Notifications: by PostgreSQL's NOTIFY, workers send each other changes and spending."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, TypeVar
from uuid import uuid4

import psycopg
from pydantic import BaseModel, Field

from models.database import Database, DatabaseUnavailable
from models.statement import Sql, Statement
from models.user import UserId

logger = logging.getLogger(__name__)
Item = TypeVar("Item")

CHANNEL = "todo_task_changes"
NOTIFY = Sql(
    f"SELECT pg_notify('{CHANNEL}', $1)",
    ("payload",),
    tuple,
    writes=True,
    on_coordinator=True,
    name="notify",
)

ANNOUNCE = replace(NOTIFY, repeatable=True, name="announce")

COLLECTING_TIME = 0.01
"""Seconds for which changes are collected, so that one notification names many owners."""

RETRIES = 5
"""How often it is tried again to send which owners' tasks have changed."""

PAUSE = 0.1
"""Seconds before it is tried again for the first time; each time twice as many."""

PAYLOAD_MAX_BYTES = 7999
"""PostgreSQL refuses a longer payload (https://www.postgresql.org/docs/current/sql-notify.html)."""

POINTS_MAX = 2**31
"""More points than a user can spend between two notifications."""


class Notification(BaseModel, strict=True):
    """The payload of a notification, as JSON. It is empty but for `by` where listening is tested.

    Another version of the server may send other members as well; they are ignored.
    """

    by: str
    """The worker that sends it."""
    of: list[UserId] = []
    """The owners whose tasks have changed."""
    writing: list[UserId] = []
    """Owners who are about to write, so that no replica is asked for what is theirs."""
    beat: int = 0
    """By which a worker learns whether it still receives what is sent."""
    deleted: list[UserId] = []
    """Users that were deleted."""
    spent: dict[UserId, Annotated[int, Field(gt=0, le=POINTS_MAX)]] = {}
    """The points that users have spent at that worker."""


class Notifier:
    """Sends notifications to other workers."""

    def __init__(self, database: Database) -> None:
        self.worker = uuid4().hex
        """The name under which this worker sends."""
        self._database = database
        self._changed: set[UserId] = set()
        self._spent: Counter[UserId] = Counter()
        self._wanted = asyncio.Event()
        self._writing: set[UserId] = set()
        self._announcing: asyncio.Task[None] | None = None
        self._announcing_next: asyncio.Task[None] | None = None

    def add_change(self, owner: UserId) -> None:
        """Send that the owner's tasks may have changed, soon."""
        self._changed.add(owner)
        self._wanted.set()

    def add_spending(self, spent: Mapping[UserId, int]) -> None:
        """Send the points that users have spent, soon."""
        self._spent.update(spent)
        self._wanted.set()

    def announce(self, owner: UserId) -> Awaitable[None]:
        """Send that the owner is about to write; what is returned ends once it is sent.

        Those who come while others are being announced are announced together after them. Where it
        cannot be sent, that is logged.

        Raises:
            DatabaseUnavailable: the database cannot be reached.
        """
        self._writing.add(owner)
        if self._announcing_next is None:
            self._announcing_next = asyncio.create_task(self._announce(self._announcing))
        # Whoever is cancelled does not cancel it for the others.
        return asyncio.shield(self._announcing_next)

    async def _announce(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        self._announcing, self._announcing_next = self._announcing_next, None
        owners, self._writing = list(self._writing), set()
        for _, payload in _payloads(
            owners, lambda part: Notification(by=self.worker, writing=list(part))
        ):
            try:
                await self._database.fetch(Statement(ANNOUNCE, owners[0], {"payload": payload}))
            except psycopg.Error as error:
                logger.warning("Other workers could not be notified of a write: %s", error)

    async def keep_sending(self) -> None:
        """Send what is added, for as long as the server runs; try again where the database is away.

        In the end followers at other workers find the changes when these look at the database, as
        they do every now and then. Spending is not sent again: it might be counted twice.
        """
        retries = 0
        while True:
            await self._wanted.wait()
            await asyncio.sleep(PAUSE * 2 ** (retries - 1) if retries else COLLECTING_TIME)
            unsent = await self.send()
            retries = retries + 1 if unsent and retries < RETRIES else 0
            if retries:
                for owner in unsent:
                    self.add_change(owner)

    async def send(self) -> list[UserId]:
        """Send what has been added, now; return the owners of whom that may be tried again.

        A notification that cannot be sent is logged and dropped.
        """
        changed, self._changed = list(self._changed), set()
        spent, self._spent = list((+self._spent).items()), Counter()
        self._wanted.clear()
        payloads = [
            *_payloads(spent, lambda part: Notification(by=self.worker, spent=dict(part))),
            *_payloads(changed, lambda part: Notification(by=self.worker, of=list(part))),
        ]
        unsent = list[UserId]()
        for notification, payload in payloads:
            # A statement needs an owner; this one reads no rows, so any user will do.
            user = changed[0] if changed else spent[0][0]
            try:
                await self._database.fetch(Statement(NOTIFY, user, {"payload": payload}))
            except (DatabaseUnavailable, psycopg.Error) as error:
                logger.warning("Other workers could not be notified: %s", error)
                if isinstance(error, DatabaseUnavailable | psycopg.OperationalError):
                    unsent += notification.of
        return unsent


def _payloads(
    items: Sequence[Item], make: Callable[[Sequence[Item]], Notification]
) -> Iterator[tuple[Notification, str]]:
    """Yield notifications, and payloads that are short enough, that name all items together."""
    if not items:
        return
    notification = make(items)
    payload = notification.model_dump_json(exclude_defaults=True)
    if len(payload.encode()) <= PAYLOAD_MAX_BYTES or len(items) == 1:
        yield notification, payload
        return
    middle = len(items) // 2
    yield from _payloads(items[:middle], make)
    yield from _payloads(items[middle:], make)
