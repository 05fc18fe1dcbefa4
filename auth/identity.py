"""Who somebody is, once a token has been verified."""

from dataclasses import dataclass

from models.user import UserId


@dataclass(frozen=True, slots=True)
class Identity:
    """What a verified token says of its bearer."""

    user_id: UserId
    email: str | None
    name: str | None
    expires_at: float
    """When the token ends (`exp`), in seconds since the epoch."""
