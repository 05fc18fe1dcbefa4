"""Changes that a rule of the database's forbids, as results of mutations."""

from collections.abc import Sequence

from auth.context import Context
from graphql_schema.issues import beneath, broken
from graphql_schema.results import InvalidInput, ListNotFound, QuotaExceeded
from models.database import Refused, Rule
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
