"""The statements of users: the caller's own row, read or added."""

from functools import cache

from sqlalchemy import Boolean, Text, bindparam, case, false, func, literal_column, null, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from auth.identity import Identity
from models.metadata import OWNED_TABLES
from models.statement import Sql, Statement
from models.user import User, UserId, UserRow
from resolvers.statements.compiling import compiled, row_maker
from resolvers.statements.kind import OWNER

_USER = [col(getattr(User, name)) for name in UserRow._fields]
_user_row = row_maker(UserRow)

_OUR_TABLES = ", ".join(f"'{name}'::regclass" for name in OWNED_TABLES)
# Whatever Better Auth's tables are called, they refer to its users.
_USERS_HAVE_SESSIONS = literal_column(
    "EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = 'users'::regclass "
    f"AND conrelid NOT IN ({_OUR_TABLES}))",
    Boolean,
)


def viewer(owner: UserId) -> Statement[UserRow]:
    """Return the owner's row; none where there is none yet."""
    return Statement(_viewer(), owner, {})


def add_viewer(identity: Identity, email: str | None) -> Statement[UserRow]:
    """Add the owner's row and return it; no row comes back where the id or the e-mail has one.

    The e-mail is left out where Better Auth keeps its users in this table: a user without a row
    there has deleted their account, and could not sign up with that address again.
    """
    return Statement(
        _add_viewer(),
        identity.user_id,
        {"email": email, "name": identity.name or identity.user_id},
    )


@cache
def _viewer() -> Sql[UserRow]:
    return compiled(select(*_USER).where(col(User.id) == OWNER), _user_row, writes=False)


@cache
def _add_viewer() -> Sql[UserRow]:
    # Every column that Better Auth's own table has without a default is given here.
    statement = (
        insert(User)
        .values(
            id=OWNER,
            email=case((_USERS_HAVE_SESSIONS, null()), else_=bindparam("email", type_=Text)),
            name=bindparam("name", type_=Text),
            email_verified=false(),
            created_at=func.now(),
            updated_at=func.now(),
        )
        .on_conflict_do_nothing()
        .returning(*_USER)
    )
    return compiled(statement, _user_row, writes=True)
