"""A replica: a standby that answers reads, and how it is known whether it may.

While somebody reads, the primary is asked each second for the position of its write-ahead log, and
the replica for how far it has come. A read begins with the condition that the replica has the
newest position that it was seen to have: one that was restarted may have less for a while, and
behind one name there may be several. While nobody reads, nobody is asked.
"""

import asyncio
import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

import psycopg

from app.database.listener import Receiver
from app.database.notifications import CHANNEL, Notification
from app.database.pipelined import PipelinedDatabase
from app.database.retry import CLASHES
from app.database.session import UnsafeRole
from app.database.standby import PRIMARY, REPLICA, Unused, fitting, said, too_late
from models.statement import Row, Statement
from pipelined_postgres.calls import Query
from pipelined_postgres.calls import statement as statement_of

logger = logging.getLogger(__name__)

POOL = "replica"
"""What metrics call the connections to it."""

INTERVAL = 1.0
"""Seconds between two looks while it is used."""

INTERVAL_WHILE_UNUSED = 5.0
"""Seconds after which one that must not be used is looked at again."""

COUNTS_FOR = 2.5
"""Seconds for which a look counts: then nobody has read meanwhile, or it takes too long."""

PATIENCE = 0.9
"""Seconds that a look may take."""

READ_PATIENCE = 0.5
"""Seconds that a read may take until it is looked whether the replica is there at all."""

POSITIONS_MAX = 128
"""Positions of the primary that are remembered: one for each look."""

# Where it is not so, the statement fails, and with it its transaction.
_CONDITION = statement_of("""
SELECT 1 / coalesce(
    pg_is_in_recovery() AND pg_last_wal_replay_lsn() - '0/0'::pg_lsn >= $1::bigint
    AND (SELECT beginning FROM installation) = $2::bigint, false)::int
""")

NOT_SO = "22012"
"""The SQLSTATE of a read whose condition does not hold: a division by zero."""

CANCELLED = "57014"
"""The SQLSTATE of a statement that took too long."""


class Position(NamedTuple):
    """How far the primary had come."""

    at: float
    """When it was asked, on the clock of this process."""
    lsn: int
    """The position in its write-ahead log, in bytes."""
    beginning: int
    """The `beginning` of its installation."""


class Replica:
    """A standby, and what is known of it."""

    def __init__(
        self,
        database: PipelinedDatabase,
        primary: PipelinedDatabase,
        receiver: Receiver,
        lag_max: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`database`: the standby. `lag_max`: how late it may be, in seconds."""
        self.database = database
        self._primary = primary
        self._receiver = receiver
        self._lag_max = lag_max
        self._clock = clock
        self._is_open = False
        self._positions: deque[Position] = deque(maxlen=POSITIONS_MAX)
        """Those that it had not reached when it was last looked at, and before them the newest
        that it had."""
        self._reached: Position | None = None
        self._looked_at = -math.inf
        self._look_at = -math.inf
        self._looking: asyncio.Task[None] | None = None
        self._beat = 0
        self._waits_for = ""
        self._unused_for: str | None = None
        self.lag: float | None = None
        """Seconds that it was late at the last look; None where that could not be told."""
        self.reads: Counter[str] = Counter()
        """Reads: those that it answered, and those of which the primary was asked after it."""

    @property
    def is_used(self) -> bool:
        """Whether reads go to it, as far as is known now."""
        now, reached = self._clock(), self._reached
        return (
            reached is not None
            and now - self._looked_at < COUNTS_FOR
            and now - reached.at < self._lag_max
        )

    async def close(self) -> None:
        """Close its connections, and look at it no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        if self._is_open:
            await self.database.close()

    def may_answer(self) -> bool:
        """Return whether it may be asked. It is looked at, soon, where it is time for that."""
        if self._looking is None and self._clock() >= self._look_at:
            self._looking = asyncio.create_task(self._look())
        return self.is_used

    async def fetch(self, statement: Statement[Row]) -> list[Row] | None:
        """Return the rows of a statement that reads; None where the primary must be asked."""
        began, waited_since = time.perf_counter(), self._clock()
        answer = self.database.send(statement, self._condition())
        try:
            while not (await asyncio.wait([answer], timeout=READ_PATIENCE))[0]:
                if not await self._answers_others(waited_since):
                    self._give_up("it does not answer")
                    self.reads["asked_again"] += 1
                    return None
                waited_since = self._clock()
            rows = answer.result()
        except (psycopg.Error, TimeoutError) as error:
            state = getattr(error, "sqlstate", None)
            if state not in (*CLASHES, CANCELLED):
                self._give_up("it has less than before" if state == NOT_SO else said(error))
            self.reads["asked_again"] += 1
            return None
        finally:
            answer.cancel()
        self.database.answered_at = self._clock()
        self.database.note(statement, began)
        self.reads["answered"] += 1
        return rows

    def _condition(self) -> Query:
        assert self._reached is not None
        text = self.database.client.text
        return _CONDITION, (text(self._reached.lsn), text(self._reached.beginning))

    async def _answers_others(self, since: float) -> bool:
        """Return whether it has answered anybody since, or does now: then it is only slow."""
        if self.database.answered_at >= since:
            return True
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        await asyncio.shield(self._looking)
        return self.is_used

    def _give_up(self, reason: str) -> None:
        """Use it no more before it is looked at again."""
        self._reached, self.lag = None, None
        self._look_at = self._clock() + INTERVAL_WHILE_UNUSED
        if self._unused_for is None:
            logger.warning("The replica is not used, and all reads go to the primary: %s.", reason)
        self._unused_for = reason

    async def _look(self) -> None:
        """Look whether it may be used, and log where that has changed."""
        began = self._clock()
        try:
            if not self._is_open:
                await self.database.open()
                self._is_open = True
                began = self._clock()
            async with asyncio.timeout(PATIENCE):
                await self._compare(began)
        except TimeoutError:
            self._give_up(f"{self._waits_for} in time")
        except (psycopg.Error, UnsafeRole, Unused) as error:
            self._give_up(said(error))
        finally:
            self._looking = None

    async def _compare(self, at: float) -> None:
        """Compare it with the primary.

        Raises:
            Unused: it is late, or is no standby of this primary, or does not fit this code.
            psycopg.Error, TimeoutError: one of the two does not answer.
        """
        if at - self._looked_at > INTERVAL_WHILE_UNUSED + COUNTS_FOR:
            # Nobody has looked for a time, so that older positions do not say how late it is.
            self._positions.clear()
        self._waits_for = "the primary does not answer"
        self._beat += 1
        beat = Notification(by=self._receiver.worker, beat=self._beat)
        _, lsn, *its = await self._primary.ask(
            PRIMARY, CHANNEL, beat.model_dump_json(exclude_defaults=True)
        )
        self._positions.append(Position(at, lsn, beginning=its[0]))
        self._waits_for = "it does not answer"
        replayed = fitting(its, await self.database.ask(REPLICA))
        self.database.answered_at = self._looked_at = self._clock()
        self._note_replayed(replayed)
        # All that was sent before has been received, too.
        self._waits_for = "notifications do not arrive"
        await self._receiver.until_beat(self._beat)
        self._look_at = at + INTERVAL
        if self._reached is not None and self._unused_for is not None:
            logger.info("The replica is used again")
            self._unused_for = None

    def _note_replayed(self, replayed: int) -> None:
        """Take note of how far it has come.

        Raises:
            Unused: that is not far enough.
        """
        reached = None
        while self._positions and self._positions[0].lsn <= replayed:
            reached = self._positions.popleft()
        if reached is not None:
            self._positions.appendleft(reached)
        now = self._clock()
        self.lag = now - self._positions[0].at if len(self._positions) > 1 else 0.0
        if now - self._positions[0].at >= self._lag_max:
            raise Unused(too_late(self._lag_max))
        self._reached = reached
