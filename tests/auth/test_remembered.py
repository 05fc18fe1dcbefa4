"""Verified tokens are remembered, for as long as verifying them anew would find the same."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from auth.algorithms import ASYMMETRIC_ALGORITHMS
from auth.keys import Jwks
from auth.tokens import InvalidToken, TokenVerifier
from tests.api import SECRET
from tests.auth.forging import Forge, b64, hs256
from tests.auth_server import AuthServer, kept_fresh, settled


@dataclass
class Remembering:
    """A verifier, the keys it has, and a clock to let them grow old by."""

    verifier: TokenVerifier
    jwks: Jwks
    auth_server: AuthServer
    kid: str
    now: float = 1000.0

    def token(self, kid: str | None = None, **claims: Any) -> str:
        given = {"sub": "ada", "exp": time.time() + 60, **claims}
        return self.auth_server.sign(given, kid or self.kid)


@pytest.fixture
async def remembering() -> AsyncIterator[Remembering]:
    server = AuthServer()
    jwks = Jwks(server.jwks_url, lifetime=600, cooldown=30, clock=lambda: case.now)
    verifier = TokenVerifier(
        secret=SECRET,
        jwks=jwks,
        issuer=None,
        audience=None,
        algorithms=frozenset({"HS256", *ASYMMETRIC_ALGORITHMS}),
    )
    case = Remembering(verifier, jwks, server, server.add_key())
    async with kept_fresh(jwks):
        yield case
    server.stop()


async def test_a_verified_token_is_remembered(remembering: Remembering) -> None:
    verifier = remembering.verifier
    for token in (remembering.token(), hs256('{"alg":"HS256"}', '{"sub":"eve","exp":9999999999}')):
        assert verifier.remembered(token) is None
        identity = await verifier.verify(token)
        assert verifier.remembered(token) is identity
        assert await verifier.verify(token) is identity


async def test_a_remembered_token_is_refused_once_it_is_over(remembering: Remembering) -> None:
    end = time.time() + 0.5
    short, long = remembering.token(exp=end), remembering.token()
    await remembering.verifier.verify(short)
    await remembering.verifier.verify(long)
    await asyncio.sleep(end - time.time() + 0.01)
    assert remembering.verifier.remembered(short) is None
    with pytest.raises(InvalidToken):
        await remembering.verifier.verify(short)
    assert remembering.verifier.remembered(long)


@pytest.mark.parametrize("change", ["taken away", "changed"])
async def test_a_remembered_token_is_refused_once_its_key_is(
    remembering: Remembering, change: str
) -> None:
    server, kept = remembering.auth_server, remembering.auth_server.add_key("ES256")
    of_old, of_kept = remembering.token(), remembering.token(kept)
    await remembering.verifier.verify(of_old)
    await remembering.verifier.verify(of_kept)
    server.remove_key(remembering.kid)
    if change == "changed":
        server.add_key()
        server.public_keys[-1]["kid"] = remembering.kid
    await remembering.jwks.fetch()
    assert remembering.verifier.remembered(of_old) is None
    with pytest.raises(InvalidToken):
        await remembering.verifier.verify(of_old)
    assert remembering.verifier.remembered(of_kept), "its key was fetched again, and is the same"


async def test_who_only_ever_sends_remembered_tokens_has_the_keys_refreshed_too(
    remembering: Remembering,
) -> None:
    token = remembering.token()
    await remembering.verifier.verify(token)
    remembering.auth_server.remove_key(remembering.kid)
    remembering.now += 301
    assert remembering.verifier.remembered(token), "it is half of the keys' lifetime old"
    await settled(remembering.jwks)
    assert remembering.verifier.remembered(token) is None


async def test_nothing_is_remembered_by_keys_that_are_overdue(remembering: Remembering) -> None:
    token = remembering.token()
    await remembering.verifier.verify(token)
    remembering.auth_server.remove_key(remembering.kid)
    remembering.now += 601
    with pytest.raises(InvalidToken):
        await remembering.verifier.verify(token)


async def test_remembered_tokens_stay_good_while_the_auth_server_is_away(
    remembering: Remembering,
) -> None:
    token = remembering.token()
    identity = await remembering.verifier.verify(token)
    remembering.auth_server.answer = (500, b"")
    for _ in range(3):
        remembering.now += 601
        assert await remembering.verifier.verify(token) == identity


async def test_no_variant_of_a_remembered_token_is_accepted(remembering: Remembering) -> None:
    token = remembering.token()
    header, payload, signature = token.split(".")
    await remembering.verifier.verify(token)
    eve = b64(json.dumps({"sub": "eve", "exp": time.time() + 60}))
    for variant in (
        f"{header}.{eve}.{signature}",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{header}.{payload}.{'A' * len(signature)}",
        f"{b64(json.dumps({'alg': 'none'}))}.{payload}.{signature}",
        f"{b64(json.dumps({'alg': 'HS256'}))}.{payload}.{signature}",
        f" {token}",
        f"{token}.",
        token.swapcase(),
        token[:-2] + token[-2:].swapcase(),
    ):
        assert variant != token
        assert remembering.verifier.remembered(variant) is None
        with pytest.raises(InvalidToken):
            await remembering.verifier.verify(variant)


async def test_what_is_refused_is_not_remembered(remembering: Remembering) -> None:
    for token in ("a.b.c", remembering.token(sub=""), remembering.token(exp=1)):
        with pytest.raises(InvalidToken):
            await remembering.verifier.verify(token)
        assert remembering.verifier.remembered(token) is None


async def test_no_more_is_remembered_than_there_is_room_for(
    remembering: Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.tokens.REMEMBERED_TOKENS", 3)
    verifier = remembering.verifier
    tokens = [remembering.token(sub=f"user-{n}") for n in range(5)]
    for token in tokens:
        await verifier.verify(token)
        verifier.remembered(tokens[0])
    assert [n for n, token in enumerate(tokens) if verifier.remembered(token)] == [0, 3, 4]


async def test_4096_tokens_are_remembered(remembering: Remembering) -> None:
    verifier = remembering.verifier
    tokens = [
        hs256('{"alg":"HS256"}', f'{{"sub":"user {n}","exp":9999999999}}') for n in range(4097)
    ]
    for token in tokens:
        await verifier.verify(token)
    assert [n for n, token in enumerate(tokens) if not verifier.remembered(token)] == [0]


async def test_a_token_of_more_than_2048_characters_is_verified_each_time(
    remembering: Remembering, forge: Forge
) -> None:
    verifier = remembering.verifier
    for token in (forge.of_length(2048), forge.of_length(2049)):
        identity = await verifier.verify(token)
        assert (verifier.remembered(token) is identity) == (len(token) == 2048)
