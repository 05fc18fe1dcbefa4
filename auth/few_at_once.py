"""What one request asks of the database: a few statements at once, and the others wait."""

import asyncio

from models.database import Database
from models.statement import Row, Statement

AT_ONCE = 8
"""Statements of one request that are under way at once.

A page of pages has one for each of its rows. If all were sent, those of every other request would
come after them.
"""


class FewAtOnce:
    """A database of which one request has at most so many statements under way."""

    def __init__(self, database: Database, at_once: int = AT_ONCE) -> None:
        self._database = database
        self._turns = asyncio.Semaphore(at_once)

    async def fetch(self, statement: Statement[Row]) -> list[Row]:
        """Run the statement, as `models.database.Database` has it, once it is its turn."""
        async with self._turns:
            return await self._database.fetch(statement)
