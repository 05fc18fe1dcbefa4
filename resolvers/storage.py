"""How much the caller has stored."""

from auth.context import Context
from graphql_schema.types import Storage
from resolvers.statements import tasks as statements


async def read_storage(context: Context) -> Storage:
    """Return how much the caller has, and may have."""
    (stored,) = await context.database.fetch(statements.stored(context.user_id))
    return Storage.of(stored, context.quota)
