"""Why a change was not made, for results of mutations."""

from collections.abc import Sequence

from auth.context import Context
from graphql_schema.issues import beneath, broken
from graphql_schema.results import InvalidInput, ListNotFound, QuotaExceeded
from models.database import Refused, Rule
from models.statement import Statement
from resolvers.statements.kind import Thing
from resolvers.storage import read_storage


async def refusal(
    context: Context, refused: Refused, path: Sequence[str] = ()
) -> InvalidInput | ListNotFound | QuotaExceeded:
    """Return what a change would have broken. `path`: to the task in the input, if to any."""
    return ListNotFound() if refused.rule is Rule.LIST else await misfit(context, refused, path)


async def misfit(
    context: Context, refused: Refused, path: Sequence[str] = ()
) -> InvalidInput | QuotaExceeded:
    """Return the same of a change that names no list."""
    issues = list(beneath(path, broken(refused.rule)))
    if not issues:
        return QuotaExceeded(storage=await read_storage(context))
    return InvalidInput(issues=issues)


async def at_another_version(
    context: Context, expected_version: int | None, statement: Statement[Thing]
) -> Thing | None:
    """Return the thing that a change has not found at the version that it expected.

    None: there is no such thing, or no version was expected. `statement`: reads the thing.
    """
    if expected_version is None:
        return None
    rows = await context.database.fetch(statement)
    return rows[0] if rows else None
