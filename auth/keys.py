"""Public keys: a JSON Web Key Set (RFC 7517), fetched, kept and refreshed."""

import asyncio
import json
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import httpx2
import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

logger = logging.getLogger(__name__)

_ALGORITHMS_OF_KEY = MappingProxyType(
    {
        ("OKP", "Ed25519"): ("EdDSA",),
        ("OKP", "Ed448"): ("EdDSA",),
        ("EC", "P-256"): ("ES256",),
        ("EC", "P-521"): ("ES512",),
        ("RSA", None): ("RS256", "PS256"),
    }
)
"""The algorithms of a key, by its type and curve (RFC 7518, 3.1; RFC 8037, 3.1).

A key that names no algorithm is for the first.
"""

RSA_MIN_BITS = 2048
KEY_SET_MAX_BYTES = 256 * 1024
_ACCEPT = MappingProxyType({"Accept": "application/json"})
UNKNOWN_PAUSE = 2.0
"""Seconds between two fetches that unknown keys start: anybody can make up the id of one."""

UNKNOWN_LIFETIME = 60.0
"""Seconds in which a key that was looked for in vain starts no further fetch."""

UNKNOWN_MAX = 256
"""Keys that were looked for in vain and are remembered."""

PAUSE_WITHOUT_KEYS = 1.0
"""Seconds between two tries while there are no keys: both servers may just be starting."""


class UnknownKey(Exception):
    """The key set has no key of this id."""


class KeysUnavailable(Exception):
    """The key set has never been fetched since the start, or cannot be fetched now; says why."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key and its one algorithm; equal to another of the same entry and algorithm."""

    key: jwt.PyJWK | str = field(compare=False)
    algorithm: str
    entry: Mapping[str, Any]
    """The key's entry in its set; empty for a shared secret, which is in none."""


class Jwks:
    """The public keys at a URL, by their `kid`.

    The first request for a key fetches them. After half their lifetime, `keep_fresh` fetches them
    again as soon as a key is asked for, but no sooner than a cooldown after the last try. An
    unknown `kid` may be a new key, so it starts a fetch at once. Anybody can make up more of them,
    so another one starts the next fetch two seconds later, and the same one a minute later. After a
    whole lifetime without a fetch, a request waits for one, for a key may have been removed since.
    While the keys cannot be fetched, the kept ones stay valid.
    """

    def __init__(
        self,
        url: str,
        *,
        lifetime: float = 600.0,
        cooldown: float = 30.0,
        timeout: float = 5.0,  # pragma: no mutate -- a test would wait as long
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Do nothing yet. All times are in seconds."""
        self._url = url
        self._lifetime = lifetime
        self._cooldown = cooldown
        self._timeout = timeout
        self._clock = clock
        self._keys: Mapping[str, VerificationKey] | None = None
        self._fetched_at = self._tried_at = self._missed_at = -math.inf
        self._unknown: OrderedDict[str, float] = OrderedDict()
        """The keys that a fetch was started for in vain, and when."""
        self._failure: str | None = None  # pragma: no mutate -- the first fetch sets it
        self._client: httpx2.AsyncClient | None = None
        self._fetching: asyncio.Task[None] | None = None
        """The fetch under way, or the latest; all that need one wait for the same."""
        self._stale = asyncio.Event()
        """Set when `keep_fresh` is to fetch."""
        self.fetched, self.failed = 0, 0
        """How many fetches brought the keys, and how many did not."""

    @property
    def age(self) -> float | None:
        """Seconds since the keys were fetched; None where they never were."""
        return None if self._keys is None else self._clock() - self._fetched_at

    async def key(self, kid: str) -> VerificationKey:
        """Return the key of this id.

        Raises:
            UnknownKey: the set has none.
            KeysUnavailable: there is no set to look in.
        """
        if key := self._kept_key(kid):
            return key
        if self._keys is None:
            await self._refresh(is_due=self._is_over(PAUSE_WITHOUT_KEYS, self._tried_at))
        elif kid in self._keys:
            await self._refresh(is_due=True)
        else:
            await self._look_for(kid)
        if self._keys is None:
            raise KeysUnavailable(self._failure)
        if kid not in self._keys:
            raise UnknownKey(kid)
        return self._keys[kid]

    def holds(self, key: VerificationKey) -> bool:
        """Tell whether the set has this very key; False where the answer needs a fetch.

        As `key` does, it has `keep_fresh` fetch the keys when that is due.
        """
        return self._kept_key(key.entry["kid"]) == key

    async def fetch(self) -> int:
        """Fetch the keys now, cooldown or not, and return their number.

        Raises:
            KeysUnavailable: they cannot be fetched.
        """
        await self._refresh(is_due=True)
        if self._keys is None or self._failure is not None:
            raise KeysUnavailable(self._failure)
        return len(self._keys)

    async def keep_fresh(self) -> None:
        """Fetch the keys again whenever a key is asked for after half their lifetime.

        It never returns: it is to run in the background for as long as the keys are used.
        """
        while True:
            await self._stale.wait()
            self._stale.clear()
            await self._refresh(is_due=self._is_over(self._cooldown, self._tried_at))

    async def aclose(self) -> None:
        """Stop a fetch under way, and close the connections."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    def _kept_key(self, kid: str) -> VerificationKey | None:
        """Return the key of this id; None when it is unknown, or the keys are overdue."""
        age = self._clock() - self._fetched_at
        is_overdue = age > self._lifetime and self._failure is None
        if self._keys is None or kid not in self._keys or is_overdue:
            return None
        if age > self._lifetime / 2 and self._is_over(self._cooldown, self._tried_at):
            self._stale.set()
        return self._keys[kid]

    async def _look_for(self, kid: str) -> None:
        """Fetch the keys where there may be a new one of this id; wait for a fetch under way."""
        is_due = self._is_over(UNKNOWN_PAUSE, self._missed_at) and self._is_over(
            UNKNOWN_LIFETIME, self._unknown.get(kid, -math.inf)
        )
        if is_due:
            self._missed_at = self._clock()
        await self._refresh(is_due=is_due)
        if is_due and self._failure is None and kid not in (self._keys or ()):
            self._unknown[kid] = self._clock()
            self._unknown.move_to_end(kid)
            if len(self._unknown) > UNKNOWN_MAX:
                self._unknown.popitem(last=False)

    def _is_over(self, pause: float, since: float) -> bool:
        return self._clock() - since >= pause

    async def _refresh(self, *, is_due: bool) -> None:
        """Wait for the fetch under way; start one first if none is and it is due."""
        if self._fetching is None or self._fetching.done():
            if not is_due:
                return
            self._fetching = asyncio.create_task(self._fetch())
        # One caller that is cancelled must not cancel the fetch of the others.
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        self._tried_at = self._clock()
        try:
            self._keys = _keys_of(await self._download())
        except TimeoutError:
            self._fail(f"no whole answer within {self._timeout:g} seconds")
        except Exception as error:  # noqa: BLE001 -- whatever went wrong, the kept keys stay valid
            self._fail(f"{type(error).__name__}: {error}")
        else:
            self._fetched_at, self._failure = self._tried_at, None
            self.fetched += 1

    def _fail(self, reason: str) -> None:
        self._failure = reason
        self.failed += 1
        logger.warning("The keys at %s cannot be fetched: %s", _shown(self._url), reason)

    async def _download(self) -> dict[str, Any]:
        self._client = self._client or httpx2.AsyncClient(
            # The timeout below is for all of it; the client's own would be for each step.
            timeout=None,  # pragma: no mutate -- as long by default as ours
            follow_redirects=False,  # pragma: no mutate -- None is as false, and the default
        )
        async with (
            asyncio.timeout(self._timeout),
            self._client.stream(
                "GET",  # pragma: no mutate -- "get" is the same to it
                self._url,
                headers=_ACCEPT,
            ) as answer,
        ):
            if not answer.is_success:
                raise ValueError(f"the answer has the status {answer.status_code}")
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > KEY_SET_MAX_BYTES:
                    raise ValueError(f"the answer has more than {KEY_SET_MAX_BYTES} bytes")
        document = json.loads(bytes(body))
        if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
            raise ValueError("the answer is no JSON Web Key Set")
        return document


def _shown(url: str) -> str:
    """Return a URL as it may be logged: a user, a password or a query may be a secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        # What it names cannot be told from what is secret in it.
        return "JWKS_URL"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _keys_of(document: Mapping[str, Any]) -> dict[str, VerificationKey]:
    """Return the keys that can verify signatures; an unusable one is left out."""
    keys = {}
    for entry in document["keys"]:
        if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str):
            continue
        algorithm = _algorithm_of(entry)
        if algorithm is None:
            continue
        if "d" in entry:
            logger.warning("The key %r of the key set is a private one.", entry["kid"])
            continue
        try:
            key = jwt.PyJWK(entry, algorithm)
        except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError):
            logger.warning("The key %r of the key set is malformed.", entry["kid"])
            continue
        if isinstance(key.key, RSAPublicKey) and key.key.key_size < RSA_MIN_BITS:
            logger.warning("The key %r of the key set is too short.", entry["kid"])
            continue
        keys[entry["kid"]] = VerificationKey(key, algorithm, entry)
    return keys


def _algorithm_of(entry: Mapping[str, Any]) -> str | None:
    """Return the algorithm of the key; None when it verifies no signature of ours."""
    if entry.get("use", "sig") != "sig":
        return None
    kind, curve = entry.get("kty"), entry.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return None
    fitting = _ALGORITHMS_OF_KEY.get((kind, curve), ())
    named = entry.get("alg")
    return next((algorithm for algorithm in fitting if named in (None, algorithm)), None)
