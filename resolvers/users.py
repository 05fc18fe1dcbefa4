"""The caller's own row in users, made of the token's claims if there is none."""

from auth.context import Context
from models.database import OwnerUnknown
from models.statement import Row, Statement
from models.user import UserRow
from resolvers.statements import users as statements


async def read_viewer(context: Context) -> UserRow:
    """Return the caller's row; add it if the authentication server keeps its users elsewhere."""
    rows = await context.database.fetch(statements.viewer(context.user_id))
    return rows[0] if rows else await add_viewer(context)


async def add_viewer(context: Context) -> UserRow:
    """Add the caller's row, unless another request has just added it, and return it.

    An e-mail address that another row has is left out: the id alone identifies a user.
    """
    identity = context.identity
    for email in (identity.email, None):
        rows = await context.database.fetch(statements.add_viewer(identity, email))
        rows = rows or await context.database.fetch(statements.viewer(context.user_id))
        if rows:
            return rows[0]
    raise RuntimeError("The users table holds a row back that neither id nor e-mail explains.")


async def fetch_as_known(context: Context, statement: Statement[Row]) -> list[Row]:
    """Run a statement that needs the caller's row in users; if there is none, add it and retry.

    Raises:
        OwnerUnknown: the row that was added has been deleted again.
        DatabaseUnavailable, AlreadyThere: as `Database.fetch`.
    """
    try:
        return await context.database.fetch(statement)
    except OwnerUnknown:
        await add_viewer(context)
        return await context.database.fetch(statement)
