"""What each user may spend: a leaky bucket in every worker, kept in step by notifications.

Nothing is written for a request. A worker sends the others what its users have spent each second,
and at once when a user has spent a twentieth of the limit there. So a user may get beyond the limit
by a twentieth for each further worker, and by what is spent while a notification is on its way. If
no notifications arrive, as through a pooler, each worker has a bucket of its own.
"""

import asyncio
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping

from graphql_schema.errors import CodedError, ErrorCode
from graphql_schema.types import RateLimit
from models.user import UserId

MINUTE = 60.0
SHARE = 20
"""Spending is sent to other workers as soon as a user has spent the limit divided by this."""

NOTIFICATION_INTERVAL = 1.0
"""Seconds after which spending is sent at the latest."""


class RateLimited(CodedError):
    """The budget is spent. Nothing was executed."""

    def __init__(self, cost: int, limit: int, retry_after: int) -> None:
        super().__init__(
            ErrorCode.RATE_LIMITED,
            f"Of {limit} points a minute fewer than {cost} are left: try again in {retry_after} "
            "seconds.",
        )
        self.retry_after = retry_after


class TooDear(CodedError):
    """The operation costs more than the whole budget. It is refused whenever it comes."""

    def __init__(self, cost: int, limit: int) -> None:
        super().__init__(
            ErrorCode.QUERY_TOO_COMPLEX,
            f"The operation costs {cost} points, and there are never more than {limit}: ask for "
            "less at once.",
        )


class Bucket:
    """The points that a user has spent lately: they leak away, a limit's worth in a minute."""

    __slots__ = ("at", "level")

    def __init__(self, at: float) -> None:
        self.level = 0.0
        self.at = at
        """When the level was true, by the budget's clock."""


class Budget:
    """How much each user has spent."""

    def __init__(
        self,
        limit: int,
        send: Callable[[Mapping[UserId, int]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limit`: points a minute. `send`: sends points to other workers. `clock`: seconds."""
        self.limit = limit
        self._leak = limit / MINUTE
        self._buckets: OrderedDict[UserId, Bucket] = OrderedDict()
        self._unsent: Counter[UserId] = Counter()
        self._send = send
        self._clock = clock
        self.spent = 0
        """The points that users have ever spent here."""
        self.refused = 0
        """How often there were too few left."""

    def require(self, user: UserId, points: int) -> None:
        """Go on only if there are as many points left. None are taken.

        Raises:
            RateLimited: there are too few.
        """
        self._require(self._bucket(user), points)

    def take(self, user: UserId, points: int) -> None:
        """Take points for what has been done already, whether or not there are as many left."""
        self._take(self._bucket(user), user, points)

    def spend(self, user: UserId, cost: int) -> RateLimit:
        """Take points for an operation; return what is left.

        Raises:
            RateLimited: there are too few.
            TooDear: there are never as many.
            ValueError: the cost is none.
        """
        if cost < 1:
            raise ValueError(f"An operation costs at least a point, not {cost}.")
        if cost > self.limit:
            raise TooDear(cost, self.limit)
        bucket = self._bucket(user)
        self._require(bucket, cost)
        self._take(bucket, user, cost)
        return RateLimit(
            limit=self.limit,
            remaining=math.floor(self.limit - bucket.level),
            cost=cost,
            full_at=time.time() + bucket.level / self._leak,
        )

    async def wait_and_take(self, user: UserId, points: int) -> None:
        """Take points as soon as there are as many left, or all in parts where there never are."""
        while points:
            part = min(points, self.limit)
            try:
                self.require(user, part)
            except RateLimited as refused:
                await asyncio.sleep(refused.retry_after)
            else:
                self.take(user, part)
                points -= part

    def count(self, spent: Mapping[UserId, int]) -> None:
        """Count what users have spent at another worker; ignore what is no positive integer."""
        for user, points in spent.items():
            if type(points) is int and points > 0:
                self._add(self._bucket(user), points)

    async def keep_notifying(self, interval: float = NOTIFICATION_INTERVAL) -> None:
        """Send what has been spent, every `interval` seconds, for as long as the server runs."""
        while True:
            await asyncio.sleep(interval)
            if self._unsent:
                self._notify()

    def _notify(self) -> None:
        unsent, self._unsent = self._unsent, Counter()
        self._send(unsent)

    def _require(self, bucket: Bucket, points: int) -> None:
        beyond = bucket.level + points - self.limit
        if beyond > 0:
            self.refused += 1
            raise RateLimited(points, self.limit, math.ceil(beyond / self._leak))

    def _take(self, bucket: Bucket, user: UserId, points: int) -> None:
        self._add(bucket, points)
        self.spent += points
        unsent = self._unsent[user] = self._unsent[user] + points
        if unsent * SHARE >= self.limit:
            self._notify()

    def _add(self, bucket: Bucket, points: int) -> None:
        # However much other workers count, it has leaked away after two minutes.
        bucket.level = min(bucket.level + points, 2 * self.limit)

    def _bucket(self, user: UserId) -> Bucket:
        now = self._clock()
        bucket = self._buckets.get(user)
        if bucket is None:
            bucket = self._buckets[user] = Bucket(now)
            self._forget(now)
        else:
            self._buckets.move_to_end(user)
            bucket.level = max(bucket.level - (now - bucket.at) * self._leak, 0.0)
        bucket.at = now
        return bucket

    def _forget(self, now: float) -> None:
        """Drop the buckets that are empty by now, the one of the longest ago first."""
        while True:
            user, oldest = next(iter(self._buckets.items()))
            if oldest.level > (now - oldest.at) * self._leak or oldest.at == now:
                return
            del self._buckets[user]
