"""The user that a verified token names."""

from dataclasses import dataclass

from auth.scopes import Scope
from models.user import UserId


@dataclass(frozen=True, slots=True)
class Identity:
    """The claims of a verified token about its user."""

    user_id: UserId
    email: str | None
    """In lower case."""
    name: str | None
    expires_at: float
    """The end of the token (`exp`), in seconds since the epoch."""
    issued_at: float = 0.0
    """When the claims were made (`iat`), in seconds since the epoch; 0 where it is not said."""
    email_is_verified: bool = False
    """Whether the authentication server has seen that the address is the user's."""
    scopes: frozenset[Scope] | None = None
    """What the token lets its bearer do; None: all that the user may."""
