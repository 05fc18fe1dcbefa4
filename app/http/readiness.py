"""Whether requests can be served: the database is asked now and then, for all who ask here."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from models.database import DatabaseUnavailable

INTERVAL = 5.0
"""Seconds for which an answer of the database counts."""

INTERVAL_WHILE_AWAY = 1.0
"""Seconds after which a database that did not answer is asked again."""

PATIENCE = 0.9
"""Seconds that the database may take to answer."""


Probe = tuple[str | None, bool, str]
"""The migration that the database is at, None when there is none; whether it takes changes; and the
migration of the oldest code that works with it."""


Nodes = tuple[int, int, str]
"""Of the nodes that have rows how many answer and how many do not, and the names of the latter."""


class ProbedDatabase(Protocol):
    """A database that can be asked how it is."""

    answered_at: float
    """When it last answered a statement, on the clock of `time.monotonic`."""

    async def probe(self) -> Probe:
        """Ask the database.

        Raises:
            DatabaseUnavailable: it cannot be reached.
        """
        ...

    async def who_answers(self) -> Nodes | None:
        """Ask it which of its nodes answer; None where it is one node.

        Raises:
            DatabaseUnavailable: it cannot be reached.
        """
        ...


class Lack(Enum):
    """Why requests cannot be served, or are not to be sent here."""

    DRAINING = "draining"
    STARTING = "starting"
    DATABASE = "database"
    NODES = "nodes"
    MIGRATIONS = "migrations"
    VERSION = "version"
    WRITES = "writes"


SOME_AWAY = (
    "Requests can be served, but not those of users whose rows are on a node that cannot be "
    "reached: {}."
)

SENTENCES = {
    None: "Requests can be served.",
    Lack.DRAINING: "The server stops. It still answers, but no more requests are to be sent here.",
    Lack.STARTING: "The database has not answered yet since the server was started.",
    Lack.DATABASE: "The database cannot be reached.",
    Lack.NODES: "None of the database's nodes that have the rows can be reached.",
    Lack.MIGRATIONS: "The database is not migrated: run `todo-api migrate`.",
    Lack.VERSION: "Newer code has migrated the database, and this code no longer works with it.",
    Lack.WRITES: "The database takes no changes: it is a standby, or was made read-only.",
}


@dataclass(frozen=True, slots=True)
class State:
    """Whether requests can be served, and what is known of the database."""

    lack: Lack | None
    database: bool
    """It answers."""
    migrations: bool | None
    """It is at a migration that the code works with; None where it does not answer."""
    writes: bool | None
    """It takes changes; None where it does not answer."""
    age: float
    """Seconds since that was asked; 0 before the first answer."""
    nodes: Nodes | None = None
    """Which of its nodes answer; None where it is one node, or that is not known."""

    @property
    def sentence(self) -> str:
        if self.lack is None and self.nodes is not None and self.nodes[1]:
            return SOME_AWAY.format(self.nodes[2])
        return SENTENCES[self.lack]


class Readiness:
    """Asks the database when it is asked itself: once in an interval, and never twice at once."""

    def __init__(
        self,
        database: ProbedDatabase,
        newest_revision: str,
        *,
        ready_when_read_only: bool,
        clock: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE,
    ) -> None:
        """`clock`, `patience`: in seconds."""
        self._database = database
        self._newest_revision = newest_revision
        self._ready_when_read_only = ready_when_read_only
        self._clock = clock
        self._patience = patience
        self._known: Probe | None = None
        self._nodes: Nodes | None = None
        self._has_ended = False
        """Whether the first probe has."""
        self._asked_at = self._until = -INTERVAL
        self._asking: asyncio.Task[None] | None = None

    async def state(self) -> State:
        """Return how it is. It takes about as long as the database may take, at most."""
        if self._asking is None and self._clock() >= self._until:
            self._asking = asyncio.create_task(self._ask())
        if self._asking is not None:
            # The first probe may take longer than its callers wait: a database may have to wake up.
            with suppress(TimeoutError):
                async with asyncio.timeout(None if self._has_ended else self._patience):
                    # Whoever asked first may leave; the others still wait for the same answer.
                    await asyncio.shield(self._asking)
        return self.latest()

    def latest(self) -> State:
        """Return how it was when the database was last asked; it is not asked now."""
        return self._state(None if self._has_ended else Lack.STARTING)

    def leaving(self) -> State:
        """Return how it was, of a server that is about to stop: nothing is asked."""
        return self._state(Lack.DRAINING)

    def _state(self, lack: Lack | None) -> State:
        age = round(self._clock() - self._asked_at, 1) if self._has_ended else 0.0
        if self._known is None:
            return State(lack or Lack.DATABASE, False, None, None, age)
        (revision, writes, serves), ours = self._known, self._newest_revision
        wrong = None
        if revision is None or revision < ours:
            wrong = Lack.MIGRATIONS
        elif ours < serves:
            wrong = Lack.VERSION
        elif self._nodes is not None and self._nodes[1] and not self._nodes[0]:
            wrong = Lack.NODES
        elif not writes and not self._ready_when_read_only:
            wrong = Lack.WRITES
        fits = wrong not in (Lack.MIGRATIONS, Lack.VERSION)
        return State(lack or wrong, True, fits, writes, age, self._nodes)

    async def _ask(self) -> None:
        began = self._clock()
        try:
            async with asyncio.timeout(self._patience if self._has_ended else None):
                self._known = await self._database.probe()
            self._nodes = await self._look_at_nodes()
        except TimeoutError:
            # Where it has answered others meanwhile, it is busy, and not away.
            if self._database.answered_at < began:
                self._known = None
        except DatabaseUnavailable:
            self._known = None
        finally:
            self._asking, self._has_ended = None, True
            self._asked_at = self._clock()
            interval = INTERVAL if self._known is not None else INTERVAL_WHILE_AWAY
            # Many servers that were started together need not ask together.
            self._until = self._asked_at + interval * random.uniform(0.9, 1.1)  # noqa: S311

    async def _look_at_nodes(self) -> Nodes | None:
        """Return which nodes answer, as far as that is told in time."""
        with suppress(TimeoutError, DatabaseUnavailable):
            async with asyncio.timeout(self._patience):
                return await self._database.who_answers()
        return None
