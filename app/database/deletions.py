"""Who was deleted, known in each worker, so that no token from before is ever good again.

Where their row is gone, a trigger refuses such a token to make it anew. Once somebody with a newer
token has made it, nothing in the database tells the two tokens apart.
"""

import asyncio
import math
import time
from collections.abc import Callable
from hashlib import sha256

from models.database import Database
from models.statement import Sql, Statement
from models.user import UserId

COUNTS_FOR = 10.0
"""Seconds for which a look at the deletions counts.

Well below `LATER`, so that every worker knows of a deletion before the row can be made anew.
"""

LOOK_EACH = 5.0
"""Seconds after which it is looked again, while requests go on by the look before."""

LATER = 30.0
"""Seconds after the deletion in which tokens are refused, too, as by `is_deleted` of 0013."""

OVERLAP = 3600.0
"""Seconds that a deletion may take to be committed after the time that it notes."""

SQL = Sql(
    "SELECT hash, seconds FROM deletions_since($1)",
    ("since",),
    lambda record: (str(record[0]), float(str(record[1]))),
    writes=False,
    on_primary=True,
    name="deletions",
)


class Deletions:
    """Looks at the deletions every now and then, while requests come."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._deleted_at: dict[str, float] = {}
        """Seconds since the epoch, by the hash of the user's id."""
        self._looked_at = -math.inf
        self._looking: asyncio.Task[None] | None = None

    async def include(self, user: UserId, issued_at: float) -> bool:
        """Return whether the user was deleted after a token was issued.

        Raises:
            DatabaseUnavailable: it was not looked for too long, and the database cannot be reached.
        """
        age = self._clock() - self._looked_at
        if age >= LOOK_EACH and self._looking is None:
            self._looking = asyncio.create_task(self._look(user))
            self._looking.add_done_callback(self._end)
        if age >= COUNTS_FOR and self._looking is not None:
            # Whoever is cancelled does not cancel it for the others.
            await asyncio.shield(self._looking)
        if not self._deleted_at:
            return False
        deleted_at = self._deleted_at.get(sha256(user.encode()).hexdigest())
        return deleted_at is not None and issued_at < deleted_at + LATER

    async def _look(self, user: UserId) -> None:
        began = self._clock()
        since = max(self._deleted_at.values(), default=0.0) - OVERLAP
        # A statement needs an owner; these rows are nobody's, so any user will do.
        found = await self._database.fetch(Statement(SQL, user, {"since": since}))
        self._deleted_at.update(found)
        self._looked_at = began

    def _end(self, looking: asyncio.Task[None]) -> None:
        self._looking = None
        if not looking.cancelled():
            # Where nobody waits for it, nobody else asks for its error.
            looking.exception()
