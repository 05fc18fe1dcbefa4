"""The context of a request: from one token, in one header, and from nothing else."""

import asyncio
from typing import Any, cast

import pytest

from auth.context import Context, ContextGetter
from auth.identity import Identity
from auth.refusals import Unauthenticated
from auth.tokens import InvalidToken, TokenVerifier
from graphql_schema.errors import ErrorCode
from models.database import Changes, Database
from models.quota import Quota
from models.statement import Statement
from models.user import UserId, UserRow
from resolvers.related import RelatedTasks

ADA = Identity(UserId("ada"), "ada@example.com", "Ada", 9e9)
CHANGES = cast("Changes", object())


class Counting:
    """A database that counts the statements that are under way at once."""

    def __init__(self) -> None:
        self.under_way = self.most = self.ended = 0

    async def fetch(self, _statement: Statement[Any]) -> list[Any]:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(0)
        finally:
            self.under_way -= 1
        self.ended += 1
        return []


class OneToken(TokenVerifier):
    """Takes one text for a token, and no other."""

    def __init__(self, token: str) -> None:
        self.token = token

    async def verify(self, token: str) -> Identity:
        if token != self.token:
            raise InvalidToken(repr(token))
        return ADA


class Viewers:
    """Reads the row of a user, and counts how often."""

    def __init__(self) -> None:
        self.read: list[Context] = []

    async def __call__(self, context: Context) -> UserRow:
        self.read.append(context)
        await asyncio.sleep(0)
        return cast("UserRow", object())


class NobodyDeleted:
    """Knows of no deletion."""

    async def include(self, user: UserId, issued_at: float) -> bool:
        return False


def getter(
    token: str = "t", viewers: Any = None, database: Database | None = None
) -> ContextGetter:
    return ContextGetter(
        OneToken(token),
        database or Counting(),
        CHANGES,
        viewers or Viewers(),
        RelatedTasks,
        Quota(None, None),
        NobodyDeleted(),
    )


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer t", "t"),
        ("bearer t", "t"),
        ("BEARER   t  ", "t"),
        ("Bearer XtX", "XtX"),
        ("Bearer \tt", "\tt"),
        ("Bearer t t", "t t"),
    ],
)
async def test_the_token_is_what_follows_the_scheme_without_spaces(header: str, token: str) -> None:
    context = await getter(token)([header])
    assert context.identity is ADA
    assert context.user_id == "ada"
    assert context.changes is CHANGES
    assert context.rate_limit is None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Bearer t", "Bearer t"],
        [""],
        ["t"],
        ["Basic t"],
        ["Bearert"],
        ["Bearer\tt"],
        ["Bearer u"],
    ],
    ids=str,
)
async def test_without_one_good_token_there_is_no_context(headers: list[str]) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await getter()(headers)
    assert caught.value.code is ErrorCode.UNAUTHENTICATED
    assert str(caught.value) == "Sign in: send a valid token as `Authorization: Bearer …`."


async def test_the_viewer_is_read_once_in_a_request() -> None:
    viewers = Viewers()
    context = await getter(viewers=viewers)(["Bearer t"])
    one, two = await asyncio.gather(context.viewer(), context.viewer())
    assert one is two is await context.viewer()
    assert viewers.read == [context]


async def test_a_context_anew_is_the_same_users_and_has_read_nothing() -> None:
    viewers = Viewers()
    context = await getter(viewers=viewers)(["Bearer t"])
    await context.viewer()
    anew = context.anew()
    assert (anew.identity, anew.changes) == (ADA, CHANGES)
    assert await anew.viewer() is not await context.viewer()
    assert viewers.read == [context, anew]


STATEMENT = cast("Statement[Any]", object())


async def test_a_request_has_eight_statements_under_way_and_no_more() -> None:
    database = Counting()
    context = await getter(database=database)(["Bearer t"])
    await asyncio.gather(*(context.database.fetch(STATEMENT) for _ in range(2_500)))
    assert (database.most, database.ended) == (8, 2_500)
    # Another request has as many, beside them.
    contexts = [context, context.anew(), await getter(database=database)(["Bearer t"])]
    await asyncio.gather(*(c.database.fetch(STATEMENT) for c in contexts for _ in range(50)))
    assert database.most == 24


async def test_a_statement_that_is_cancelled_keeps_no_other_from_its_turn() -> None:
    database = Counting()
    context = await getter(database=database)(["Bearer t"])
    fetches = [asyncio.ensure_future(context.database.fetch(STATEMENT)) for _ in range(40)]
    await asyncio.sleep(0)
    for fetch in fetches[::2]:
        fetch.cancel()
    await asyncio.gather(*fetches, return_exceptions=True)
    assert (database.most, database.under_way, database.ended) == (8, 0, 20)
