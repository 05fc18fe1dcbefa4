"""The context of a request: the user, and the database.

Only ContextGetter makes one for a request, from its token; resolvers run with a context alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property

import strawberry

from auth.bearer import bearer_token
from auth.few_at_once import FewAtOnce
from auth.identity import Identity
from auth.of_token import OfToken
from auth.refusals import Reason, reason_of, refusal
from auth.tokens import InvalidToken, TokenVerifier
from graphql_schema.lists import RelatedToLists
from graphql_schema.types import RateLimit
from models.database import Changes, Database, Deletions
from models.quota import Quota
from models.user import UserId, UserRow


class Context:
    """The `info.context` of resolvers."""

    def __init__(
        self,
        identity: Identity,
        database: Database,
        changes: Changes,
        read_viewer: Callable[["Context"], Awaitable[UserRow]],
        make_related: Callable[["Context"], RelatedToLists],
        quota: Quota,
        public_url: str,
    ) -> None:
        self.identity = identity
        self.quota = quota
        self.public_url = public_url
        """Where clients reach the server, without a slash at its end; empty: that is not known."""
        self.database = FewAtOnce(database)
        self.changes = changes
        self._all_statements = database
        self._read_viewer = read_viewer
        self._make_related = make_related
        self.rate_limit: RateLimit | None = None
        """The budget after the operation; None where nothing is limited."""
        self.pay_for_changes: Callable[[int], Awaitable[None]] = _nothing
        """Takes the points for so many changes of a subscription, once there are as many."""
        self.pay_for_written: Callable[[int], None] = _no_points
        """Takes the points for so many tasks that were changed besides those that were named."""
        self.pay_for_removed: Callable[[int], None] = _no_points
        """Takes the points for so many tasks that were removed, whether or not there are any."""
        self._viewer: asyncio.Future[UserRow] | None = None

    @property
    def user_id(self) -> UserId:
        return self.identity.user_id

    @cached_property
    def related(self) -> RelatedToLists:
        """What the user's tasks refer to, and what refers to them."""
        return self._make_related(self)

    def anew(self) -> "Context":
        """Return a context of the same user, for another request, that has read nothing yet."""
        return Context(
            self.identity,
            self._all_statements,
            self.changes,
            self._read_viewer,
            self._make_related,
            self.quota,
            self.public_url,
        )

    async def viewer(self) -> UserRow:
        """Return the row of the user, read at most once in a request."""
        if self._viewer is None:
            self._viewer = asyncio.ensure_future(self._read_viewer(self))
        return await self._viewer


async def _nothing(count: int) -> None:
    """Take no points, where nothing is limited."""


def _no_points(count: int) -> None:
    """Take no points, where nothing is limited."""


Info = strawberry.Info[Context, None]


class ContextGetter:
    """Makes the context of a request from its verified token, and from nothing else."""

    def __init__(
        self,
        verifier: TokenVerifier,
        database: Database,
        changes: Changes,
        read_viewer: Callable[[Context], Awaitable[UserRow]],
        make_related: Callable[[Context], RelatedToLists],
        quota: Quota,
        deletions: Deletions,
        *,
        public_url: str = "",
        explains: bool = False,
    ) -> None:
        """`public_url`: where clients reach the server, without a slash at its end, if known.

        `explains`: whether a refusal says its reason whatever that is, as in development.
        """
        self._public_url = public_url
        self._explains = explains
        self._verifier = verifier
        self._database = database
        self._changes = changes
        self._read_viewer = read_viewer
        self._make_related = make_related
        self._quota = quota
        self._deletions = deletions

    async def __call__(self, authorization: Sequence[str]) -> Context:
        """Return the context of the user that the values of the `Authorization` header name.

        Raises:
            Unauthenticated: there is not exactly one value, or its token is refused.
            KeysUnavailable: the keys to verify it with cannot be fetched.
        """
        token = bearer_token(authorization)
        if token is None:
            reason = Reason.NOT_BEARER if any(authorization) else Reason.MISSING
            raise refusal(reason, explains=self._explains)
        try:
            identity = await self._verifier.verify(token)
        except InvalidToken as error:
            reason = reason_of(token, error)
            raise refusal(reason, token, explains=self._explains) from error
        return Context(
            identity,
            OfToken(identity, self._database, self._deletions),
            self._changes,
            self._read_viewer,
            self._make_related,
            self._quota,
            self._public_url,
        )
