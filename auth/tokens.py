"""Tokens: JSON Web Tokens (RFC 7519), verified into an Identity; and those made for development."""

import base64
import json
import time
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from unicodedata import category

import jwt

from auth.identity import Identity
from auth.keys import Jwks, UnknownKey, VerificationKey
from models.user import USER_ID_MAX_LENGTH, UserId

SECRET_MIN_BYTES = 32
"""RFC 7518, 3.2: a key for HS256 is at least as long as the hash."""

TOKEN_MAX_LENGTH = 8 * 1024
TOKEN_TYPES = frozenset({"jwt", "at+jwt"})
"""What a token's `typ` may say, if it says anything.

RFC 8725, 3.11: what is signed with the same keys for another purpose names another type. Better
Auth's session cookies do, with `better-auth.session-cache+jwt`.
"""

CLOCK_LEEWAY = 30
"""Seconds that the clocks may differ by when `iat` and `nbf` are looked at; `exp` has none."""

REMEMBERED_TOKENS = 4096
REMEMBERED_MAX_LENGTH = 2 * 1024
"""Longer tokens are verified each time, so that what is remembered stays below 10 MB."""

NAME_MAX_LENGTH = 255
EMAIL_MAX_LENGTH = 320


class InvalidToken(Exception):
    """The token proves nothing. The reason is for logs, not for whoever sent it."""


class TokenVerifier:
    """Verifies tokens of Better Auth: by a shared secret, by public keys, or by either.

    The key decides the algorithm: the secret verifies HS256 alone, a public key the algorithm that
    its set binds it to. What a token says of itself picks among these and nothing else.
    """

    def __init__(
        self,
        *,
        secret: str | None,
        jwks: Jwks | None,
        issuer: str | None,
        audience: str | None,
        algorithms: frozenset[str],
    ) -> None:
        """Take the issuer and audience to insist on, if any, and the only algorithms to accept."""
        self._secret = None if secret is None else VerificationKey(secret, "HS256", {})
        self._jwks = jwks
        self._issuer = issuer
        self._audience = audience
        self._algorithms = algorithms
        self._jwt = _StrictJWT()
        self._proofs: OrderedDict[str, tuple[Identity, VerificationKey]] = OrderedDict()

    def remembered(self, token: str) -> Identity | None:
        """Return what `verify` has found, where that still holds and nothing is to be waited for.

        It holds until the token is over or its key is gone. None says nothing: ask `verify`. To be
        called in the event loop.
        """
        proof = self._proofs.get(token)
        if proof is None:
            return None
        identity, key = proof
        if not (time.time() < identity.expires_at and self._still_has(key)):
            del self._proofs[token]
            return None
        self._proofs.move_to_end(token)
        return identity

    async def verify(self, token: str) -> Identity:
        """Return whom the token proves its bearer to be.

        Raises:
            InvalidToken: it proves nothing.
            KeysUnavailable: the keys to verify it with could not be fetched.
        """
        if known := self.remembered(token):
            return known
        if len(token) > TOKEN_MAX_LENGTH:
            raise InvalidToken("too long")
        try:
            key = await self._key_for(_header_of(token))
            identity = _identity(self._claims(token, key))
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise InvalidToken(f"{type(error).__name__}: {str(error)[:100]!a}") from error
        self._remember(token, identity, key)
        return identity

    def _remember(self, token: str, identity: Identity, key: VerificationKey) -> None:
        if len(token) > REMEMBERED_MAX_LENGTH:
            return
        self._proofs[token] = identity, key
        if len(self._proofs) > REMEMBERED_TOKENS:
            self._proofs.popitem(last=False)

    def _still_has(self, key: VerificationKey) -> bool:
        return key is self._secret or (self._jwks is not None and self._jwks.holds(key))

    async def _key_for(self, header: dict[str, Any]) -> VerificationKey:
        algorithm, kid = header.get("alg"), header.get("kid")
        if "crit" in header:
            raise InvalidToken("it has critical extensions, and none is understood")
        if not _is_type_of_token(header):
            raise InvalidToken("it is of another type")
        if algorithm not in self._algorithms:
            raise InvalidToken("its algorithm is not accepted")
        if algorithm == "HS256":
            if self._secret is None:
                raise InvalidToken("there is no shared secret")
            return self._secret
        if self._jwks is None or not isinstance(kid, str):
            raise InvalidToken("it names no key, or there are none")
        try:
            verification = await self._jwks.key(kid)
        except UnknownKey as error:
            raise InvalidToken("its key is unknown") from error
        if verification.algorithm != algorithm:
            raise InvalidToken("its algorithm is not that of its key")
        return verification

    def _claims(self, token: str, key: VerificationKey) -> dict[str, Any]:
        return self._jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            options={
                "require": ["exp", "sub"],
                "strict_aud": False,
                "enforce_minimum_key_length": True,
                "verify_signature": True,
                "verify_aud": self._audience is not None,
                "verify_exp": True,
                "verify_iat": True,
                "verify_iss": self._issuer is not None,
                "verify_jti": False,
                "verify_nbf": True,
                "verify_sub": True,
            },
            issuer=_with_and_without_slash(self._issuer),
            audience=_with_and_without_slash(self._audience),
            leeway=CLOCK_LEEWAY,
        )


def make_token(
    secret: str,
    *,
    user_id: str,
    lifetime: timedelta,
    issuer: str | None,
    audience: str | None,
    email: str | None = None,
    name: str | None = None,
) -> str:
    """Return a token of the user, signed with HS256: for development, and for trying things out."""
    now = datetime.now(UTC)
    claims = {
        "sub": user_id,
        "iat": now,
        "exp": now + lifetime,
        "iss": issuer,
        "aud": audience,
        "email": email,
        "name": name,
    }
    given = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(given, secret, algorithm="HS256")


class _StrictJWT(jwt.PyJWT):
    """PyJWT, but for claims that are JSON to the letter."""

    def _decode_payload(self, decoded: dict[str, Any]) -> dict[str, Any]:
        return _json_object(decoded["payload"])


def _header_of(token: str) -> dict[str, Any]:
    segment = token.partition(".")[0].encode("ascii")
    padding = b"=" * (-len(segment) % 4)
    return _json_object(base64.b64decode(segment + padding, b"-_", validate=True))


def _json_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object that the data is: UTF-8, no name twice, no NaN.

    Where a name comes twice, two readers may disagree on what was signed: RFC 7515, 4 and
    RFC 7519, 4 let us refuse it.

    Raises:
        ValueError: it is no such object.
        RecursionError: it is nested too deeply.
    """
    value = json.loads(data.decode(), object_pairs_hook=_members, parse_constant=_refuse_constant)
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name comes twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _is_type_of_token(header: dict[str, Any]) -> bool:
    if "typ" not in header:
        return True
    kind = header["typ"]
    return isinstance(kind, str) and kind.lower().removeprefix("application/") in TOKEN_TYPES


def _with_and_without_slash(value: str | None) -> list[str] | None:
    # Better Auth puts its base URL there as it was configured, trailing slash and all.
    return None if value is None else [value.rstrip("/"), value.rstrip("/") + "/"]


def _identity(claims: dict[str, Any]) -> Identity:
    expires_at, subject = claims["exp"], claims["sub"]
    if isinstance(expires_at, bool) or not isinstance(expires_at, int | float):
        raise InvalidToken("its end is no number")
    # Compared so that NaN, which is in no order with anything, is refused too.
    if not time.time() < expires_at:
        raise InvalidToken("it is over")
    if not _is_plain(subject, USER_ID_MAX_LENGTH):
        raise InvalidToken("its subject is no user id")
    email, name = claims.get("email"), claims.get("name")
    return Identity(
        user_id=UserId(subject),
        email=email if _is_plain(email, EMAIL_MAX_LENGTH) else None,
        name=name if _is_plain(name, NAME_MAX_LENGTH) else None,
        expires_at=float(expires_at),
    )


def _is_plain(value: object, max_length: int) -> bool:
    """Tell whether it is text without control characters and halves of surrogates."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= max_length
        and not any(category(character) in ("Cc", "Cs") for character in value)
    )
