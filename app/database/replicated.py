"""The database where a replica answers reads, but for those that it might be too late for."""

from app.database.changes import Live
from app.database.listener import Receiver
from app.database.notifications import Notifier
from app.database.pipelined import PipelinedDatabase
from app.database.recent import RecentWriters
from app.database.replica import Replica
from models.statement import Row, Statement

ANNOUNCED_FOR = 1.0
"""Seconds for which an announcement goes for further writes of the same owner, too.

Others remember it for two seconds longer than the replica may be late.
"""


class ReplicatedDatabase:
    """Sends writes to the primary, and reads to a replica where nobody can be shown less by that.

    An owner who has written is read from the primary for some time. Other workers are told before
    the write begins, so that they have heard of it once it is answered. A worker that has not
    received all announcements for as long reads from the primary.
    """

    def __init__(
        self,
        primary: PipelinedDatabase,
        replica: Replica,
        recent: RecentWriters,
        seconds: float,
        notifier: Notifier,
        receiver: Receiver,
        live: Live,
    ) -> None:
        """`seconds`: for which `recent` remembers."""
        self._primary = primary
        self._replica = replica
        self._recent = recent
        self._seconds = seconds
        self._notifier = notifier
        self._receiver = receiver
        self._live = live
        self._announced = RecentWriters(ANNOUNCED_FOR)

    async def fetch(self, statement: Statement[Row]) -> list[Row]:
        """Run the statement, as `models.database.Database` has it."""
        if statement.sql.writes:
            return await self._write(statement)
        if not statement.sql.on_primary and statement.owner not in self._recent:
            # What other workers send is needed from now on.
            self._live.need()
            if (
                self._receiver.is_heard
                and self._replica.may_answer()
                and self._receiver.has_heard_for(self._seconds)
            ):
                rows = await self._replica.fetch(statement)
                if rows is not None:
                    return rows
        return await self._primary.fetch(statement)

    async def _write(self, statement: Statement[Row]) -> list[Row]:
        owner = statement.owner
        self._recent.note(owner)
        if owner not in self._announced:
            await self._notifier.announce(owner)
            self._announced.note(owner)
        try:
            return await self._primary.fetch(statement)
        finally:
            # The time begins when it is committed at the latest, even if its answer was lost.
            self._recent.note(owner)
