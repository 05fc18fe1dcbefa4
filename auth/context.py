"""The context of a request: who is asking, and the door to the database.

The context getter is the only way in: no token, no context; no context, no resolver.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import strawberry

from auth.identity import Identity
from auth.tokens import InvalidToken, TokenVerifier
from graphql_schema.errors import CodedError, ErrorCode
from graphql_schema.types import RateLimit
from models.database import Changes, Database
from models.user import UserId, UserRow


class Unauthenticated(CodedError):
    """The request carries no token, or one that is not good.

    The message is the same for every reason, so that it tells a forger nothing.
    """

    def __init__(self) -> None:
        super().__init__(
            ErrorCode.UNAUTHENTICATED, "Sign in: send a valid token as `Authorization: Bearer …`."
        )


class Context:
    """What resolvers are given as `info.context`."""

    def __init__(
        self,
        identity: Identity,
        database: Database,
        changes: Changes,
        read_viewer: Callable[["Context"], Awaitable[UserRow]],
    ) -> None:
        self.identity = identity
        self.database = database
        self.changes = changes
        self._read_viewer = read_viewer
        self.rate_limit: RateLimit | None = None
        """What the operation has cost; None where nothing is limited."""
        self._viewer: asyncio.Future[UserRow] | None = None

    @property
    def user_id(self) -> UserId:
        return self.identity.user_id

    def anew(self) -> "Context":
        """Return a context of the same user, that has read nothing yet."""
        return Context(self.identity, self.database, self.changes, self._read_viewer)

    async def viewer(self) -> UserRow:
        """Return the row of the user who is asking, read at most once in a request."""
        if self._viewer is None:
            self._viewer = asyncio.ensure_future(self._read_viewer(self))
        return await self._viewer


Info = strawberry.Info[Context, None]


class ContextGetter:
    """Makes the context of a request from its verified token, and of nothing else."""

    def __init__(
        self,
        verifier: TokenVerifier,
        database: Database,
        changes: Changes,
        read_viewer: Callable[[Context], Awaitable[UserRow]],
    ) -> None:
        self._verifier = verifier
        self._database = database
        self._changes = changes
        self._read_viewer = read_viewer

    async def __call__(self, authorization: Sequence[str]) -> Context:
        """Return the context of whoever the values of the `Authorization` header name.

        Raises:
            Unauthenticated: there is not exactly one such value, or its token is not good.
            KeysUnavailable: the keys to check it with could not be fetched.
        """
        scheme, _, token = (
            authorization[0].partition(" ") if len(authorization) == 1 else ("", "", "")
        )
        if scheme.lower() != "bearer":
            raise Unauthenticated
        token = token.strip(" ")
        identity = self._verifier.remembered(token)
        if identity is None:
            try:
                identity = await self._verifier.verify(token)
            except InvalidToken as error:
                raise Unauthenticated from error
        return Context(identity, self._database, self._changes, self._read_viewer)
