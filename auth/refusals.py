"""Why a request is refused with 401 or 403, and what its sender can do about it."""

import time
from collections.abc import Set
from datetime import UTC, datetime
from enum import StrEnum

import jwt

from auth.scopes import Scope
from auth.tokens import InvalidToken, unverified_claims
from graphql_schema.errors import CodedError, ErrorCode


class Reason(StrEnum):
    """Why there is no user. The names are `extensions.reason` of the error."""

    MISSING = "MISSING"
    NOT_BEARER = "NOT_BEARER"
    MALFORMED = "MALFORMED"
    EXPIRED = "EXPIRED"
    SIGNATURE = "SIGNATURE"
    ISSUER = "ISSUER"
    AUDIENCE = "AUDIENCE"
    DELETED = "DELETED"


CHALLENGE = 'Bearer error="invalid_token"'
"""The challenge for a token that is refused (RFC 6750, 3)."""

SIGN_IN = "Sign in: send a valid token as `Authorization: Bearer …`."

SENTENCES = {
    Reason.MISSING: SIGN_IN,
    Reason.NOT_BEARER: "The `Authorization` header does not start with `Bearer `. " + SIGN_IN,
    Reason.MALFORMED: (
        "The token is not one that this server accepts: look for quotes around it, for a missing "
        "part, and at `alg`, `typ`, `kid`, `sub`, `exp` and `scope`."
    ),
    Reason.EXPIRED: "The token has expired: get a new one.",
    Reason.SIGNATURE: (
        "The token's signature is not valid: it was signed with another secret or key than "
        "BETTER_AUTH_SECRET or the keys at JWKS_URL."
    ),
    Reason.ISSUER: "The token's `iss` is not JWT_ISSUER (by default BETTER_AUTH_URL).",
    Reason.AUDIENCE: "The token's `aud` is not JWT_AUDIENCE (by default BETTER_AUTH_URL).",
    Reason.DELETED: "The user was deleted after this token was issued: sign in anew.",
}

VISIBLE = {Reason.MISSING, Reason.EXPIRED, Reason.DELETED}
"""What a client can see by itself, or its user knows. Whatever else is told would help a forger."""


class Unauthenticated(CodedError):
    """The request has no token, or one that is refused.

    Without a reason the message is the same for all, so that a forger learns nothing.
    """

    def __init__(self, reason: Reason | None = None, sentence: str | None = None) -> None:
        super().__init__(ErrorCode.UNAUTHENTICATED, sentence or SIGN_IN)
        self.reason = reason
        if reason is not None:
            assert self.extensions is not None
            self.extensions["reason"] = reason.value

    @property
    def challenge(self) -> str:
        """The value of the `WWW-Authenticate` header (RFC 6750, 3)."""
        if self.reason is Reason.MISSING:
            return "Bearer"
        if self.reason is Reason.EXPIRED:
            return f'{CHALLENGE}, error_description="The token has expired"'
        return CHALLENGE


class InsufficientScope(CodedError):
    """The token is valid, and does not let its bearer do what is asked."""

    def __init__(self, needed: Set[Scope], missing: Set[Scope]) -> None:
        names = _words(missing)
        said = " and ".join(f"`{word}`" for word in names.split(" "))
        message = f"The token's `scope` does not have {said}, which this operation needs."
        super().__init__(ErrorCode.FORBIDDEN, message)
        assert self.extensions is not None
        self.extensions["missingScope"] = names
        self.challenge = f'Bearer error="insufficient_scope", scope="{_words(needed)}"'
        """The value of the `WWW-Authenticate` header (RFC 6750, 3 and 3.1)."""


def _words(scopes: Set[Scope]) -> str:
    return " ".join(sorted(scopes))


def refusal(reason: Reason, token: str = "", *, explains: bool) -> Unauthenticated:
    """Return the error for a reason; one that a client cannot see is told where all are."""
    if reason not in VISIBLE and not explains:
        return Unauthenticated()
    sentence = SENTENCES[reason]
    if reason is Reason.EXPIRED:
        ended = datetime.fromtimestamp(unverified_claims(token)["exp"], UTC)
        sentence = f"The token expired at {ended:%Y-%m-%dT%H:%M:%SZ}: get a new one."
    return Unauthenticated(reason, sentence)


def reason_of(token: str, error: InvalidToken) -> Reason:
    """Return why a token is refused. Whether it has expired is looked at first, and unverified."""
    if _has_expired(token):
        return Reason.EXPIRED
    match error.__cause__:
        case jwt.InvalidSignatureError():
            return Reason.SIGNATURE
        case jwt.InvalidIssuerError():
            return Reason.ISSUER
        case jwt.InvalidAudienceError():
            return Reason.AUDIENCE
        case jwt.MissingRequiredClaimError(claim="iss"):
            return Reason.ISSUER
        case jwt.MissingRequiredClaimError(claim="aud"):
            return Reason.AUDIENCE
    return Reason.MALFORMED


def _has_expired(token: str) -> bool:
    try:
        end = unverified_claims(token)["exp"]
        datetime.fromtimestamp(end, UTC)
    except (ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError, OSError):
        return False
    return type(end) in (int, float) and end <= time.time()
