"""Tokens made for development, signed with the shared secret."""

import time
from datetime import timedelta
from typing import TypeGuard

import jwt

from models.text import is_plain

TOKEN_MAX_LENGTH = 8 * 1024
USER_ID_MAX_LENGTH = 255
"""Characters in a user id. Better Auth makes 32 by default."""


def is_user_id(value: object) -> TypeGuard[str]:
    """Tell whether a token that names this user can be accepted."""
    return is_plain(value, USER_ID_MAX_LENGTH)


def make_token(
    secret: str,
    *,
    user_id: str,
    lifetime: timedelta,
    issuer: str | None,
    audience: str | None,
    email: str | None = None,
    name: str | None = None,
    scope: str | None = None,
) -> str:
    """Return a token of the user, signed with HS256, for development."""
    now = int(time.time())
    claims = {
        "sub": user_id,
        "iat": now,
        "exp": now + lifetime // timedelta(seconds=1),
        "iss": issuer,
        "aud": audience,
        "email": email,
        "name": name,
        "scope": scope,
    }
    given = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(given, secret, "HS256")  # pragma: no mutate -- PyJWT's default is the same
