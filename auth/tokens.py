"""Tokens: JSON Web Tokens (RFC 7519), verified into an Identity."""

import base64
import json
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NoReturn
from unicodedata import normalize

import jwt

from auth.identity import Identity
from auth.keys import Jwks, UnknownKey, VerificationKey
from auth.scopes import granted
from auth.signing import TOKEN_MAX_LENGTH, is_user_id
from models.text import is_plain, is_visible
from models.user import UserId

logger = logging.getLogger(__name__)

TOKEN_TYPES = frozenset({"jwt", "at+jwt"})
"""The values of `typ` that are accepted, besides none at all.

RFC 8725, 3.11: a token for another purpose, signed with the same keys, names another type. Better
Auth's session cookies name `better-auth.session-cache+jwt`.
"""

CLOCK_LEEWAY = 30
"""Seconds that `iat` and `nbf` may be in the future, for clocks differ. `exp` has no leeway."""

PREVIOUS_TOLD_EACH = 3600.0
"""Seconds between two lines in the log that say that the secret of before is still in use."""

REMEMBERED_TOKENS = 4096
REMEMBERED_MAX_LENGTH = 2 * 1024
"""Longer tokens are verified each time, so that the remembered ones stay below 10 MB."""

NAME_MAX_LENGTH = 255
EMAIL_MAX_LENGTH = 320


class InvalidToken(Exception):
    """The token is refused. The reason is for logs, not for the client."""


class TokenVerifier:
    """Verifies tokens of Better Auth: by a shared secret, by public keys, or by either.

    The key decides the algorithm: the secret verifies HS256 alone, a public key the algorithm that
    its set binds it to. The header of a token only picks one of these keys. While the secret is
    changed, the one of before verifies as well.
    """

    def __init__(
        self,
        *,
        secret: str | None,
        previous_secret: str | None = None,
        jwks: Jwks | None,
        issuer: str | None,
        audience: str | None,
        algorithms: frozenset[str],
        resource: str | None = None,
    ) -> None:
        """Take the issuer and audience to require, if any, and the only algorithms to accept.

        `resource`: what OAuth's clients call this server (RFC 8707, 2): an audience, too.
        """
        self._secret = None if secret is None else VerificationKey(secret, "HS256", {})
        self._previous = (
            None if previous_secret is None else VerificationKey(previous_secret, "HS256", {})
        )
        self._previous_told_at = -math.inf
        self._jwks = jwks
        self._issuers = None if issuer is None else _with_and_without_slash(issuer)
        self._audiences = None if audience is None else _with_and_without_slash(audience, resource)
        self._algorithms = algorithms
        self._proofs: OrderedDict[str, tuple[Identity, VerificationKey]] = OrderedDict()

    def remembered(self, token: str) -> Identity | None:
        """Return the identity that `verify` returned before, without waiting.

        None, once the token is over, its key is gone or the keys must be fetched: ask `verify`.
        Needs the event loop.
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
        """Return the identity of the user that the token names.

        Raises:
            InvalidToken: the token is refused.
            KeysUnavailable: the keys to verify it with cannot be fetched.
        """
        if known := self.remembered(token):
            return known
        if len(token) > TOKEN_MAX_LENGTH:
            raise InvalidToken("too long")
        try:
            keys = await self._keys_for(_json_part(token, 0))
            key, claims = self._verified(token, keys)
            identity = _identity(claims)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise InvalidToken(f"{type(error).__name__}: {str(error)[:100]!a}") from error
        if key is self._previous:
            self._tell_of_previous()
        self._remember(token, identity, key)
        return identity

    def _remember(self, token: str, identity: Identity, key: VerificationKey) -> None:
        if len(token) > REMEMBERED_MAX_LENGTH:
            return
        self._proofs[token] = identity, key
        if len(self._proofs) > REMEMBERED_TOKENS:
            self._proofs.popitem(last=False)  # pragma: no mutate -- None is as false

    def _still_has(self, key: VerificationKey) -> bool:
        if key is self._secret:
            return True
        if key is self._previous:
            self._tell_of_previous()
            return True
        return self._jwks is not None and self._jwks.holds(key)

    def _tell_of_previous(self) -> None:
        now = time.monotonic()
        if now - self._previous_told_at >= PREVIOUS_TOLD_EACH:
            self._previous_told_at = now
            logger.info("A token was verified by BETTER_AUTH_SECRET_PREVIOUS.")

    async def _keys_for(self, header: dict[str, Any]) -> Sequence[VerificationKey]:
        """Return the keys one of which must have signed a token with this header."""
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
            return [self._secret] if self._previous is None else [self._secret, self._previous]
        if self._jwks is None or not isinstance(kid, str):
            raise InvalidToken("it names no key, or there are none")
        try:
            return [await self._jwks.key(kid)]
        except UnknownKey as error:
            raise InvalidToken("its key is unknown") from error

    def _verified(
        self, token: str, keys: Sequence[VerificationKey]
    ) -> tuple[VerificationKey, dict[str, Any]]:
        """Return the first of the keys that has signed the token, and the token's claims."""
        *others, last = keys
        for key in others:
            try:
                return key, self._claims(token, key)
            except jwt.InvalidSignatureError:
                continue
        return last, self._claims(token, last)

    def _claims(self, token: str, key: VerificationKey) -> dict[str, Any]:
        """Return the claims of a token that the key has signed, and that are for us and now."""
        jwt.decode(
            token,
            key.key,
            # A token whose header names another algorithm than its key's is refused here.
            algorithms=[key.algorithm],
            options={
                "require": ["exp", "sub"],
                "enforce_minimum_key_length": True,
                "verify_aud": self._audiences is not None,
                "verify_jti": False,  # nothing reads it
            },
            issuer=self._issuers,
            audience=self._audiences,
            leeway=CLOCK_LEEWAY,
        )
        # PyJWT takes more for JSON than JSON is.
        return _json_part(token, 1)


def unverified_claims(token: str) -> dict[str, Any]:
    """Return the claims of a token that nobody has verified, to explain its refusal by.

    Raises:
        ValueError, IndexError, RecursionError: it has no such part.
    """
    if len(token) > TOKEN_MAX_LENGTH:
        raise ValueError("too long")
    return _json_part(token, 1)


def _json_part(token: str, index: int) -> dict[str, Any]:
    """Return the JSON object of a part of the token: 0 is the header, 1 the payload.

    Raises:
        ValueError: it is not base64url (RFC 7515, 2), or no such object.
        RecursionError: it is nested too deeply.
    """
    part = token.split(".")[index].encode("ascii")
    padding = b"=" * (-len(part) % 4)
    return _json_object(base64.b64decode(part + padding, b"-_", validate=True))


def _json_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object that the data is: UTF-8, no name twice, no NaN.

    Of a name that comes twice, two readers may take different values. RFC 7515, 4 and RFC 7519, 4
    let us refuse it.

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


def _with_and_without_slash(*values: str | None) -> list[str]:
    # Better Auth writes its base URL there as it was configured, with its slash at the end or not.
    return [value.rstrip("/") + end for value in values if value is not None for end in ("", "/")]


def _identity(claims: dict[str, Any]) -> Identity:
    """Return the identity of verified claims.

    Raises:
        InvalidToken, ValueError: the token is over, or a claim has no value that it may have.
        OverflowError: the end of the token is beyond all floats.
    """
    for claim in ("exp", "iat", "nbf"):
        # PyJWT takes true and "1" for numbers.
        if claim in claims and type(claims[claim]) not in (int, float):
            raise InvalidToken(f"its {claim} is no number")
    if claims["exp"] <= time.time():
        raise InvalidToken("it is over")
    subject = claims["sub"]
    if not is_user_id(subject):
        raise InvalidToken("its subject is no user id")
    return Identity(
        user_id=UserId(subject),
        email=_email(claims.get("email")),
        name=_name(claims.get("name")),
        expires_at=float(claims["exp"]),
        # Nothing was issued before the epoch.
        issued_at=max(float(claims.get("iat", 0)), 0.0),
        # As OpenID Connect calls it (Core 1.0, 5.1), and as Better Auth does.
        email_is_verified=any(claims.get(c) is True for c in ("email_verified", "emailVerified")),
        scopes=granted(claims),
    )


def _email(value: object) -> str | None:
    """Return an address in the one form that addresses are compared in; None where it is none."""
    if not is_plain(value, EMAIL_MAX_LENGTH):
        return None
    before, at, after = value.strip().lower().partition("@")
    return f"{before}@{after}" if before and at and after and "@" not in after else None


def _name(value: object) -> str | None:
    """Return a name to show, trimmed and in one normal form; None where it shows nothing."""
    if not is_plain(value, NAME_MAX_LENGTH):
        return None
    name = normalize("NFC", value.strip())
    return name if is_visible(name) else None


def named_by_operator(user: str, name: str | None = None) -> Identity:
    """Return the identity of a user whom a command names, for whoever runs it may act for anybody.

    `name`: what a user is called who is added. Only commands call it: no token proves anything.

    Raises:
        ValueError: this is no id of a user.
    """
    if not is_user_id(user):
        raise ValueError("A user's id has 1 to 255 characters, and no control characters.")
    now = time.time()
    return Identity(UserId(user), email=None, name=_name(name), expires_at=now, issued_at=now)
