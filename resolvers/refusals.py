"""Changes that a rule of the database's forbids, as results of mutations."""

from collections.abc import Sequence

from auth.context import Context
from graphql_schema.issues import broken
from graphql_schema.results import InvalidInput, QuotaExceeded
from models.database import Refused
from resolvers.storage import read_storage


async def refusal(
    context: Context, refused: Refused, path: Sequence[str] = ("id",)
) -> InvalidInput | QuotaExceeded:
    """Return what a change would have broken. `path`: where the id stands that is taken."""
    issue = broken(refused.rule, path)
    if issue is None:
        return QuotaExceeded(storage=await read_storage(context))
    return InvalidInput(issues=[issue])
