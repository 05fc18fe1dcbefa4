"""The statements of users: the caller's own row, read, added, or brought up to date."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Boolean, Text, bindparam, case, false, func, literal_column, select, true
from sqlalchemy import Double as Number
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from auth.identity import Identity
from models.metadata import OWNED_TABLES
from models.statement import Sql, Statement
from models.user import User, UserRow
from resolvers.statements.compiling import compiled, named
from resolvers.statements.kind import OWNER

_USER = [col(getattr(User, name)) for name in UserRow._fields]

# Whatever Better Auth's tables are called, they refer to its users: then a token changes nothing.
_TOKENS_COUNT = literal_column(f"tokens_count('{{{','.join(OWNED_TABLES)}}}')", Boolean)
_CLAIMS_AT = func.to_timestamp(bindparam("claims_at", type_=Number))
# The cheap comparison first: the constraints are read only where a token is newer.
_IS_BEHIND = case(
    (func.coalesce(col(User.claims_at) < _CLAIMS_AT, true()), _TOKENS_COUNT), else_=false()
)


class Known(NamedTuple):
    """The caller's row, and how it stands to the token."""

    row: UserRow
    is_behind: bool
    """The token's claims are newer than those that the row was made of."""


class Deletion(NamedTuple):
    """Whether the owner was deleted."""

    is_deleted: bool


class Taken(NamedTuple):
    """What became of the claims."""

    is_taken: bool
    """Another row has lost its address to the caller's."""


def viewer(identity: Identity) -> Statement[Known]:
    """Return the owner's row; none where there is none yet."""
    return Statement(_viewer(), identity.user_id, {"claims_at": identity.issued_at})


def add_viewer(identity: Identity) -> Statement[Known]:
    """Add the owner's row and return it; no row comes back where there is one.

    A trigger refuses it where the owner was deleted after the token was issued. It has no e-mail
    address. Where Better Auth keeps its users in this table, a user without a row
    there has deleted their account, and could not sign up with that address again.
    """
    verified = identity.email is not None and identity.email_is_verified
    values = {
        "name": identity.name or identity.user_id,
        # The address is still to be taken from the claims.
        "claims_at": None if verified else identity.issued_at,
    }
    issued_at = {"app.issued_at": str(identity.issued_at)}
    return Statement(_add_viewer(), identity.user_id, values, issued_at)


def deletion(identity: Identity) -> Statement[Deletion]:
    """Return whether the owner was deleted after the token was issued."""
    return Statement(_deletion(), identity.user_id, {"issued_at": identity.issued_at})


def take_claims(identity: Identity) -> Statement[Taken]:
    """Write the name and the verified address into the owner's row, where they are newer."""
    values = {
        "name": identity.name,
        "email": identity.email if identity.email_is_verified else None,
        "claims_at": identity.issued_at,
    }
    return Statement(_take_claims(), identity.user_id, values)


def _known(record: Sequence[Any]) -> Known:
    *row, is_behind = record
    return Known(UserRow(*row), is_behind)


@cache
@named
def _viewer() -> Sql[Known]:
    statement = select(*_USER, _IS_BEHIND).where(col(User.id) == OWNER)
    # The authentication server may have just made or changed it.
    return replace(compiled(statement, _known, writes=False), on_primary=True)


@cache
@named
def _add_viewer() -> Sql[Known]:
    # Every column that Better Auth's own table has without a default is given here.
    statement = (
        insert(User)
        .values(
            id=OWNER,
            name=bindparam("name", type_=Text),
            email_verified=false(),
            created_at=func.now(),
            updated_at=func.now(),
            claims_at=_CLAIMS_AT,
        )
        .on_conflict_do_nothing()
        .returning(*_USER, col(User.claims_at).is_(None))
    )
    return compiled(statement, _known, writes=True)


@cache
@named
def _deletion() -> Sql[Deletion]:
    # Row security lets the function see the user that `app.user_id` names, and nobody else.
    issued_at = bindparam("issued_at", type_=Number)
    statement = select(func.is_deleted(OWNER, issued_at, type_=Boolean))
    return replace(compiled(statement, Deletion._make, writes=False), on_primary=True)


@cache
@named
def _take_claims() -> Sql[Taken]:
    said = [bindparam(name, type_=Text) for name in ("name", "email")]
    # The function writes the row of whom the session names.
    is_owner = literal_column("current_setting('app.user_id', true)", Text) == OWNER
    taken = func.take_claims(*said, _CLAIMS_AT, type_=Boolean)
    statement = select(taken).where(is_owner, _TOKENS_COUNT)
    # The second time nothing is newer.
    return replace(compiled(statement, Taken._make, writes=True), repeatable=True)
