"""What calendar programs read: whose address it is, and the tasks that are due on a day."""

from collections.abc import AsyncIterator, Sequence

from auth.calendar_addresses import claimed_owner
from auth.few_at_once import FewAtOnce
from graphql_schema.connections import Cursor
from graphql_schema.filters import TaskOrderField
from models.calendar_link import Calendar
from models.database import Database, DatabaseUnavailable
from models.task import TaskRow
from resolvers.statements import calendar_links as statements

STRANGERS_AT_ONCE = 4
"""Addresses that are looked up at once: anybody can send some, and others use the database too."""

ROWS_AT_ONCE = 500
"""Tasks that are read at once."""


class Calendars:
    """Finds calendars by their addresses, and reads them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._for_strangers = FewAtOnce(database, STRANGERS_AT_ONCE)

    async def find(self, address: str) -> Calendar | None:
        """Return the calendar of an address; None where it is nobody's, or not any more.

        Raises:
            DatabaseUnavailable: as `Database.fetch`.
        """
        claimed = claimed_owner(address)
        if claimed is None:
            return None
        known = await self._for_strangers.fetch(statements.known_links(claimed.owner))
        # Each is compared, so that it takes as long whichever it is.
        found = [link for link in known if claimed.is_proven_by(link.secret_hash)]
        if not found:
            return None
        link = found[0]
        edition = f"{link.installation_beginning} {link.beginning} {link.version}"
        return Calendar(claimed.owner, link.id, link.name, edition, link.is_noted)

    async def note_use(self, calendar: Calendar) -> None:
        """Note that the calendar is read, where that was not noted within the hour.

        Where it cannot be noted, it can be read all the same.
        """
        if calendar.is_noted:
            return
        try:
            await self._database.fetch(statements.note_use(calendar.owner, calendar.link_id))
        except DatabaseUnavailable:
            return

    async def tasks(self, calendar: Calendar) -> AsyncIterator[Sequence[TaskRow]]:
        """Yield the owner's pending tasks that are due on a day, some at a time, each once.

        One that is put off meanwhile is shown as it was; the edition is another one by then.

        Raises:
            DatabaseUnavailable: as `Database.fetch`.
        """
        cursor, seen = None, set[int]()
        while True:
            statement = statements.due_tasks(calendar.owner, cursor, ROWS_AT_ONCE)
            rows = await self._database.fetch(statement)
            yield [row for row in rows if row.id not in seen]
            if len(rows) < ROWS_AT_ONCE:
                return
            seen.update(row.id for row in rows)
            cursor = Cursor.of(rows[-1], TaskOrderField.DUE)
