"""Who has written lately: their reads must not go to a replica, which may not have it yet."""

import time
from collections.abc import Callable

from models.user import UserId


class RecentWriters:
    """Remembers owners for some time after they have written, by whatever worker."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: in seconds."""
        self._seconds = seconds
        self._clock = clock
        self._written_at: dict[UserId, float] = {}
        """When each was heard to write, or was about to; in this order."""

    def note(self, owner: UserId) -> None:
        """Remember an owner from now on, and forget those whose time has passed."""
        now = self._clock()
        self._written_at.pop(owner, None)
        self._written_at[owner] = now
        while now - self._written_at[oldest := next(iter(self._written_at))] >= self._seconds:
            del self._written_at[oldest]

    def __contains__(self, owner: UserId) -> bool:
        at = self._written_at.get(owner)
        return at is not None and self._clock() - at < self._seconds

    def __len__(self) -> int:
        return len(self._written_at)
