"""Addresses of calendars: `<owner>.<secret>`, where the secret is what lets somebody in.

The owner is the user's id in the URL-safe Base64 of RFC 4648, section 5, without padding. Only the
SHA-256 of the secret is kept: it has 256 random bits, so nothing slower is needed to hash it.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from typing import NamedTuple

from auth.signing import is_user_id
from models.user import UserId

_SECRET_BYTES = 32
_ADDRESS = re.compile(r"([\w-]{2,1400})\.([\w-]{43})", re.ASCII)


class ClaimedOwner(NamedTuple):
    """Whom an address names, and the hash of the secret that is to prove it. Nothing is proven."""

    owner: UserId
    secret_hash: str

    def is_proven_by(self, secret_hash: str) -> bool:
        """Tell whether the secret is the one whose hash is kept. It takes the same time for all."""
        return compare_digest(self.secret_hash, secret_hash)


def new_secret() -> str:
    return token_urlsafe(_SECRET_BYTES)


def hash_of(secret: str) -> str:
    """Return what is kept of a secret, in hexadecimal digits."""
    return sha256(secret.encode()).hexdigest()


def address_of(owner: UserId, secret: str) -> str:
    return f"{_encoded(owner)}.{secret}"


def claimed_owner(address: str) -> ClaimedOwner | None:
    """Return whom an address names; None where it is in no form that `address_of` writes."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        return None
    encoded, secret = found.groups()
    try:
        owner = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except ValueError:
        return None
    # Each owner is written in one way.
    if not is_user_id(owner) or _encoded(owner) != encoded:
        return None
    return ClaimedOwner(UserId(owner), hash_of(secret))


def _encoded(owner: str) -> str:
    return urlsafe_b64encode(owner.encode()).rstrip(b"=").decode()
