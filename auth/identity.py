"""The user that a verified token names."""

from dataclasses import dataclass

from models.user import UserId


@dataclass(frozen=True, slots=True)
class Identity:
    """The claims of a verified token about its user."""

    user_id: UserId
    email: str | None
    name: str | None
    expires_at: float
    """The end of the token (`exp`), in seconds since the epoch."""
