"""Forged tokens: good claims, public keys, and ways to sign what no library would."""

import base64
import json
import time
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes, hmac, serialization

from auth.algorithms import ASYMMETRIC_ALGORITHMS
from auth.identity import Identity
from auth.keys import Jwks
from auth.tokens import TokenVerifier
from tests.api import SECRET
from tests.auth_server import AuthServer

OTHER_SECRET = "another-secret-that-is-at-least-as-long-as-it-must-be"
SET_SECRET = b"a-shared-secret-that-somebody-put-into-the-key-set"


def b64(raw: bytes | str) -> str:
    data = raw.encode() if isinstance(raw, str) else raw
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def hs256(header: bytes | str, payload: bytes | str, secret: bytes = SECRET.encode()) -> str:
    """Sign whatever it is, as no library would."""
    return hs256_of_parts(b64(header), b64(payload), secret)


def hs256_of_parts(header: str, payload: str, secret: bytes = SECRET.encode()) -> str:
    signed = f"{header}.{payload}"
    mac = hmac.HMAC(secret, hashes.SHA256())
    mac.update(signed.encode())
    return f"{signed}.{b64(mac.finalize())}"


@dataclass
class Forge:
    """What a forger has to work with: a good token's claims, and the public keys."""

    auth_server: AuthServer
    kids: dict[str, str]

    @property
    def claims(self) -> dict[str, Any]:
        base = self.auth_server.url
        now = int(time.time())
        return {"sub": "ada", "iat": now, "exp": now + 60, "iss": base, "aud": base}

    def hs(self, secret: str = SECRET, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a token signed with the secret; claims given as ... are left out."""
        return jwt.encode(self._with(claims), secret, "HS256", headers)

    def by(self, algorithm: str = "EdDSA", headers: Any = None, **claims: Any) -> str:
        """Return a token signed with the key of an algorithm."""
        kid = self.kids[algorithm]
        return self.auth_server.sign(self._with(claims), kid, **(headers or {}))

    def raw(self, payload: bytes | str) -> str:
        return hs256('{"alg":"HS256"}', payload)

    def eddsa(self, header: str, payload: str) -> str:
        """Sign whatever it is with the key of EdDSA."""
        signed = f"{b64(header)}.{b64(payload)}"
        _, private = self.auth_server.private_keys[self.kids["EdDSA"]]
        return f"{signed}.{b64(private.sign(signed.encode()))}"

    def of_length(self, length: int) -> str:
        """Return a good token of so many characters."""
        shortest = json.dumps({**self.claims, "junk": ""})
        payload_length = (length - len(self.raw(""))) * 3 // 4
        junk = "x" * (payload_length - len(shortest))
        token = self.raw(json.dumps({**self.claims, "junk": junk}))
        assert len(token) == length
        return token

    def public(self, algorithm: str) -> bytes:
        key = self.auth_server.private_keys[self.kids[algorithm]][1].public_key()
        pem: bytes = key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return pem

    def public_bytes_of_ed25519(self) -> bytes:
        key = self.auth_server.private_keys[self.kids["EdDSA"]][1].public_key()
        raw: bytes = key.public_bytes_raw()
        return raw

    def _with(self, claims: dict[str, Any]) -> dict[str, Any]:
        return {name: v for name, v in {**self.claims, **claims}.items() if v is not ...}


def unsigned(forge: Forge, alg: str, signature: str = "") -> str:
    return f"{b64(json.dumps({'alg': alg}))}.{b64(json.dumps(forge.claims))}.{signature}"


def payload_with(forge: Forge, name: str, value: str) -> str:
    """Return the payload with a claim of this JSON text."""
    rest = {key: v for key, v in forge.claims.items() if key != name}
    return json.dumps(rest)[:-1] + f', "{name}": {value}}}'


def cut(token: str, part: int) -> str:
    parts = token.split(".")
    parts[part] = parts[part][:-3]
    return ".".join(parts)


async def verify(forge: Forge, token: str, **changes: Any) -> Identity:
    jwks = Jwks(forge.auth_server.jwks_url)
    given = {
        "secret": SECRET,
        "jwks": jwks,
        "issuer": forge.auth_server.url,
        "audience": forge.auth_server.url,
        "algorithms": frozenset({"HS256", *ASYMMETRIC_ALGORITHMS}),
        **changes,
    }
    try:
        return await TokenVerifier(**given).verify(token)
    finally:
        await jwks.aclose()
