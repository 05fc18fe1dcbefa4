"""The caller's own row in users: made of the token's claims, and brought up to date by them."""

import logging

from auth.context import Context
from auth.refusals import Reason, refusal
from models.database import DatabaseUnavailable, OwnerUnknown, Refused, Rule
from models.statement import Row, Statement
from models.user import UserRow
from resolvers.statements import users as statements
from resolvers.statements.users import Known

logger = logging.getLogger(__name__)


async def read_viewer(context: Context) -> UserRow:
    """Return the caller's row; add it if the authentication server keeps its users elsewhere.

    There the claims of the newest token count. An address that it does not call verified is shown
    to its bearer and not stored, for it may be anybody's.
    """
    known = await _known(context) or await add_viewer(context)
    if known.is_behind:
        known = await _take_claims(context) or known
    row, identity = known.row, context.identity
    if row.email is None and not identity.email_is_verified:
        return row._replace(email=identity.email)
    return row


async def add_viewer(context: Context) -> Known:
    """Add the caller's row, unless another request has just added it, and return it.

    Raises:
        Unauthenticated: the user was deleted after the token was issued.
    """
    try:
        rows = await context.database.fetch(statements.add_viewer(context.identity))
    except Refused as refused:
        if refused.rule is not Rule.USER_IS_DELETED:
            raise
        raise refusal(Reason.DELETED, explains=False) from refused
    known = rows[0] if rows else await _known(context)
    if known is None:
        raise RuntimeError("The users table holds a row back that its id does not explain.")
    return known


async def refuse_if_deleted(context: Context) -> None:
    """Go on only if the user was not deleted after the token was issued.

    Raises:
        Unauthenticated: the user was.
    """
    (deletion,) = await context.database.fetch(statements.deletion(context.identity))
    if deletion.is_deleted:
        raise refusal(Reason.DELETED, explains=False)


async def fetch_as_known(context: Context, statement: Statement[Row]) -> list[Row]:
    """Run a statement that needs the caller's row in users; if there is none, add it and retry.

    Raises:
        OwnerUnknown: the row that was added has been deleted again.
        Unauthenticated: the user was deleted after the token was issued.
        DatabaseUnavailable, AlreadyThere: as `Database.fetch`.
    """
    try:
        return await context.database.fetch(statement)
    except OwnerUnknown:
        await add_viewer(context)
        return await context.database.fetch(statement)


async def _known(context: Context) -> Known | None:
    rows = await context.database.fetch(statements.viewer(context.identity))
    return rows[0] if rows else None


async def _take_claims(context: Context) -> Known | None:
    """Write the claims into the row, unless newer ones are there by now, and return it."""
    try:
        rows = await context.database.fetch(statements.take_claims(context.identity))
    except DatabaseUnavailable:
        # What is known already is an answer.
        return None
    if rows and rows[0].is_taken:
        logger.warning("A token with a verified address has taken it from another row of users")
    return await _known(context)
