"""Tokens: a battery of forged ones is refused, and so is everything that proves nothing."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, hmac, serialization
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from auth.identity import Identity
from auth.keys import ASYMMETRIC_ALGORITHMS, Jwks
from auth.tokens import (
    CLOCK_LEEWAY,
    REMEMBERED_MAX_LENGTH,
    TOKEN_MAX_LENGTH,
    InvalidToken,
    TokenVerifier,
    make_token,
)
from models.user import USER_ID_MAX_LENGTH
from tests.api import SECRET, Server, running_server, settings_for
from tests.auth_server import AuthServer, kept_fresh, settled
from tests.counts import Count
from tests.databases import Database

OTHER_SECRET = "another-secret-that-is-at-least-as-long-as-it-must-be"
SET_SECRET = b"a-shared-secret-that-somebody-put-into-the-key-set"


def b64(raw: bytes | str) -> str:
    data = raw.encode() if isinstance(raw, str) else raw
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def hs256(header: bytes | str, payload: bytes | str, secret: bytes = SECRET.encode()) -> str:
    """Sign whatever it is, as no library would."""
    signed = f"{b64(header)}.{b64(payload)}"
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


FORGERIES: dict[str, Callable[[Forge], str]] = {
    "empty": lambda f: "",
    "a blank": lambda f: " ",
    "a word": lambda f: "token",
    "two parts": lambda f: f.hs().rpartition(".")[0],
    "four parts": lambda f: f.hs() + ".x",
    "only dots": lambda f: "..",
    "not ASCII": lambda f: "é.é.é",
    "a lone surrogate": lambda f: "\ud800.a.b",
    "giant": lambda f: f.hs(junk="x" * TOKEN_MAX_LENGTH),
    "header cut": lambda f: cut(f.hs(), 0),
    "payload cut": lambda f: cut(f.hs(), 1),
    "signature cut": lambda f: cut(f.hs(), 2),
    "signature missing": lambda f: f.hs().rpartition(".")[0] + ".",
    "asymmetric signature cut": lambda f: cut(f.by(), 2),
    "wrong secret": lambda f: f.hs(OTHER_SECRET),
    "empty secret": lambda f: hs256('{"alg":"HS256"}', json.dumps(f.claims), b""),
    "HS384 with the secret": lambda f: jwt.encode(f.claims, SECRET.ljust(48, "x"), "HS384"),
    "HS512 with the secret": lambda f: jwt.encode(f.claims, SECRET.ljust(64, "x"), "HS512"),
    "none": lambda f: unsigned(f, "none"),
    "none with a signature": lambda f: unsigned(f, "none", f.hs().rpartition(".")[2]),
    "None": lambda f: unsigned(f, "None"),
    "NONE with a signature": lambda f: unsigned(f, "NONE", f.hs().rpartition(".")[2]),
    "nOnE": lambda f: unsigned(f, "nOnE"),
    "no algorithm": lambda f: hs256("{}", json.dumps(f.claims)),
    "a list of algorithms": lambda f: hs256('{"alg":["HS256"]}', json.dumps(f.claims)),
    "header is no object": lambda f: hs256('"HS256"', json.dumps(f.claims)),
    "HS256 by the RSA public key": lambda f: hs256(
        f'{{"alg":"HS256","kid":"{f.kids["RS256"]}"}}', json.dumps(f.claims), f.public("RS256")
    ),
    "HS256 by the Ed25519 public key": lambda f: hs256(
        f'{{"alg":"HS256","kid":"{f.kids["EdDSA"]}"}}', json.dumps(f.claims), f.public("EdDSA")
    ),
    "HS256 by the key's entry": lambda f: hs256(
        '{"alg":"HS256"}', json.dumps(f.claims), json.dumps(f.auth_server.public_keys[0]).encode()
    ),
    "HS256 by the key's bytes": lambda f: hs256(
        '{"alg":"HS256"}', json.dumps(f.claims), f.public_bytes_of_ed25519()
    ),
    "HS256 by a shared secret of the set": lambda f: hs256(
        '{"alg":"HS256","kid":"shared"}', json.dumps(f.claims), SET_SECRET
    ),
    "by a key published whole": lambda f: f.by("leaked"),
    "unknown kid": lambda f: f.by(headers={"kid": "nobody"}),
    "kid missing": lambda f: f.by(headers={"kid": None}),
    "kid a number": lambda f: hs256('{"alg":"EdDSA","kid":7}', json.dumps(f.claims)),
    "kid a path": lambda f: f.by(headers={"kid": "../../etc/passwd"}),
    "kid of another key": lambda f: f.by("ES256", headers={"kid": f.kids["ES512"]}),
    "kid of another key of the kind": lambda f: f.auth_server.sign(
        f.claims, f.kids["stranger"], kid=f.kids["EdDSA"]
    ),
    "algorithm not that of the key": lambda f: jwt.encode(
        f.claims,
        f.auth_server.private_keys[f.kids["RS256"]][1],
        "PS256",
        {"kid": f.kids["RS256"]},
    ),
    "a key of its own in the header": lambda f: f.auth_server.sign(
        f.claims, f.kids["stranger"], jwk=f.auth_server.public_keys[0], jku=f.auth_server.jwks_url
    ),
    "typ of a session cookie": lambda f: f.by(headers={"typ": "better-auth.session-cache+jwt"}),
    "typ of a logout token": lambda f: f.hs(headers={"typ": "logout+jwt"}),
    "typ empty": lambda f: hs256('{"alg":"HS256","typ":""}', json.dumps(f.claims)),
    "typ null": lambda f: hs256('{"alg":"HS256","typ":null}', json.dumps(f.claims)),
    "typ a list": lambda f: hs256('{"alg":"HS256","typ":["JWT"]}', json.dumps(f.claims)),
    "critical extension": lambda f: f.hs(headers={"crit": ["exp"]}),
    "critical extension that PyJWT knows": lambda f: hs256(
        '{"alg":"HS256","b64":true,"crit":["b64"]}', json.dumps(f.claims)
    ),
    "unencoded payload": lambda f: f.hs(headers={"b64": False, "crit": ["b64"]}),
    "sub twice": lambda f: f.raw(json.dumps(f.claims)[:-1] + ', "sub": "ada"}'),
    "exp twice": lambda f: f.raw('{"exp": 1, ' + json.dumps(f.claims)[1:]),
    "alg twice": lambda f: hs256('{"alg":"none","alg":"HS256"}', json.dumps(f.claims)),
    "a claim that is no JSON": lambda f: f.raw(payload_with(f, "junk", "NaN")),
    "payload in UTF-16": lambda f: f.raw(json.dumps(f.claims).encode("utf-16")),
    "header in UTF-16": lambda f: hs256('{"alg":"HS256"}'.encode("utf-16"), json.dumps(f.claims)),
    "sub missing": lambda f: f.hs(sub=...),
    "sub null": lambda f: f.raw(payload_with(f, "sub", "null")),
    "sub empty": lambda f: f.hs(sub=""),
    "sub a number": lambda f: f.raw(payload_with(f, "sub", "7")),
    "sub a list": lambda f: f.raw(payload_with(f, "sub", '["ada"]')),
    "sub with NUL": lambda f: f.hs(sub="a\0da"),
    "sub with a newline": lambda f: f.hs(sub="a\nda"),
    "sub with half a surrogate": lambda f: f.raw(payload_with(f, "sub", '"a\\ud800"')),
    "sub too long": lambda f: f.hs(sub="x" * (USER_ID_MAX_LENGTH + 1)),
    "exp missing": lambda f: f.hs(exp=...),
    "exp a second ago": lambda f: f.hs(exp=int(time.time()) - 1),
    "exp long ago": lambda f: f.by(exp=1),
    "exp null": lambda f: f.raw(payload_with(f, "exp", "null")),
    "exp text": lambda f: f.raw(payload_with(f, "exp", '"9999999999"')),
    "exp true": lambda f: f.raw(payload_with(f, "exp", "true")),
    "exp NaN": lambda f: f.raw(payload_with(f, "exp", "NaN")),
    "exp Infinity": lambda f: f.raw(payload_with(f, "exp", "Infinity")),
    "exp 1e999": lambda f: f.raw(payload_with(f, "exp", "1e999")),
    "exp of 400 digits": lambda f: f.raw(payload_with(f, "exp", "9" * 400)),
    "exp of 5000 digits": lambda f: f.raw(payload_with(f, "exp", "9" * 5000)),
    "exp a list": lambda f: f.raw(payload_with(f, "exp", "[9999999999]")),
    "nbf in the future": lambda f: f.hs(nbf=int(time.time()) + CLOCK_LEEWAY + 60),
    "iat in the future": lambda f: f.hs(iat=int(time.time()) + CLOCK_LEEWAY + 60),
    "iat text": lambda f: f.raw(payload_with(f, "iat", '"now"')),
    "iss missing": lambda f: f.hs(iss=...),
    "iss wrong": lambda f: f.hs(iss="https://evil.example"),
    "iss a list": lambda f: f.raw(payload_with(f, "iss", json.dumps([f.auth_server.url]))),
    "aud missing": lambda f: f.hs(aud=...),
    "aud wrong": lambda f: f.by(aud="https://evil.example"),
    "aud a number": lambda f: f.raw(payload_with(f, "aud", "7")),
    "payload no object": lambda f: f.raw('["ada"]'),
    "payload no JSON": lambda f: f.raw("ada"),
    "payload nested": lambda f: f.raw("[" * 2500 + "]" * 2500),
    "session cookie cache": lambda f: f.hs(
        sub=..., iss=..., aud=..., session={"token": "t", "userId": "ada"}, user={"id": "ada"}
    ),
    "e-mail verification": lambda f: f.hs(sub=..., iss=..., aud=..., email="ada@example.com"),
}

HARMLESS: dict[str, Callable[[Forge], str]] = {
    "HS256": lambda f: f.hs(),
    "HS256 with a kid": lambda f: f.hs(headers={"kid": "whatever"}),
    "HS256 with a kid of the set": lambda f: f.hs(headers={"kid": f.kids["EdDSA"]}),
    "HS256 with a jku": lambda f: f.hs(headers={"jku": "https://evil.example/jwks"}),
    "HS256 with a key of its own": lambda f: f.hs(headers={"jwk": f.auth_server.public_keys[0]}),
    "without typ": lambda f: f.hs(headers={"typ": None}),
    "with another typ": lambda f: f.hs(headers={"typ": "at+jwt"}),
    "with a whole media type": lambda f: f.hs(headers={"typ": "application/JWT"}),
    "exp a float": lambda f: f.hs(exp=time.time() + 60.5),
    "iss with a slash": lambda f: f.by(iss=f.auth_server.url + "/"),
    "aud with a slash": lambda f: f.by(aud=f.auth_server.url + "/"),
    "aud a list": lambda f: f.by(aud=["https://other.example", f.auth_server.url]),
    "a clock that is slow": lambda f: f.hs(nbf=int(time.time()) + 25, iat=int(time.time()) + 25),
    "more claims": lambda f: f.by(emailVerified=True, image=None, id="eve", user_id="eve"),
    **{
        algorithm: lambda f, algorithm=algorithm: f.by(algorithm)  # type: ignore[misc]
        for algorithm in ASYMMETRIC_ALGORITHMS
    },
}


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    server = AuthServer()
    kids = {algorithm: server.add_key(algorithm) for algorithm in ASYMMETRIC_ALGORITHMS}
    kids["stranger"] = server.add_key("EdDSA")
    server.remove_key(kids["stranger"])
    kids["leaked"] = server.add_key("RS256")
    leaked = RSAAlgorithm.to_jwk(server.private_keys[kids["leaked"]][1], as_dict=True)
    server.public_keys[-1] |= leaked
    server.public_keys.append({"kty": "oct", "kid": "shared", "k": b64(SET_SECRET)})
    yield Forge(server, kids)
    server.stop()


@pytest.fixture(scope="module")
def both_server(forge: Forge, database: Database) -> Iterator[Server]:
    """A server that takes tokens by the secret and by the key set."""
    settings = settings_for(database.server_url, better_auth_url=forge.auth_server.url)
    with running_server(settings) as server:
        yield server


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


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_token_is_refused(forge: Forge, name: str) -> None:
    with pytest.raises(InvalidToken) as caught:
        await verify(forge, FORGERIES[name](forge))
    reason = str(caught.value)
    assert reason.isascii(), "it is for logs"
    assert reason.isprintable()
    assert 0 < len(reason) < 200


@pytest.mark.parametrize("name", HARMLESS)
async def test_a_good_token_is_accepted(forge: Forge, name: str) -> None:
    assert (await verify(forge, HARMLESS[name](forge))).user_id == "ada"


async def test_a_subject_may_be_as_long_as_a_user_id(forge: Forge) -> None:
    longest = "x" * USER_ID_MAX_LENGTH
    assert (await verify(forge, forge.hs(sub=longest))).user_id == longest


def test_over_http_a_forged_token_is_a_401_and_nothing_else(
    forge: Forge, both_server: Server, count: Count
) -> None:
    answers, accepted = set(), []
    for name, make in FORGERIES.items():
        token = make(forge)
        if not token.strip() or not token.isascii():
            continue  # no header can carry it
        response = both_server.bearer(token).post("{ me { id } }")
        count("forged tokens sent", 1)
        if response.status_code != 401 or response.headers["www-authenticate"] != "Bearer":
            accepted.append(name)
        answers.add(response.content)
    count("forged tokens not refused", len(accepted))
    assert accepted == []
    assert len(answers) == 1
    assert b"UNAUTHENTICATED" in answers.pop()


def test_over_http_a_good_token_opens_the_door(forge: Forge, both_server: Server) -> None:
    for make in HARMLESS.values():
        assert both_server.bearer(make(forge)).data("{ me { id } }") == {"me": {"id": "ada"}}


async def test_only_the_algorithms_that_are_set_are_accepted(forge: Forge) -> None:
    only = frozenset({"ES256"})
    assert await verify(forge, forge.by("ES256"), algorithms=only)
    for token in (forge.hs(), forge.by("EdDSA"), forge.by("RS256")):
        with pytest.raises(InvalidToken):
            await verify(forge, token, algorithms=only)


async def test_without_a_secret_or_without_keys_the_other_kind_is_refused(forge: Forge) -> None:
    with pytest.raises(InvalidToken):
        await verify(forge, forge.hs(), secret=None)
    with pytest.raises(InvalidToken):
        await verify(forge, forge.by(), jwks=None)


async def test_where_neither_is_set_issuer_and_audience_are_not_looked_at(forge: Forge) -> None:
    token = forge.hs(iss="https://any.example", aud=["https://any.example"])
    assert await verify(forge, token, issuer=None, audience=None)


async def test_claims_about_the_user_are_taken_when_they_are_sane(forge: Forge) -> None:
    ada = await verify(
        forge, forge.by(email="ada@example.com", name="Ada \U0001f469\u200d\U0001f4bb")
    )
    assert (ada.email, ada.name) == ("ada@example.com", "Ada \U0001f469\u200d\U0001f4bb")
    for claims in (
        {"email": 7, "name": ["Ada"]},
        {"email": "", "name": ""},
        {"email": "a\0@example.com", "name": "A\0da"},
        {"email": "x" * 321, "name": "x" * 256},
    ):
        odd = await verify(forge, forge.hs(**claims))
        assert (odd.email, odd.name) == (None, None)


async def test_a_token_made_for_development_says_what_it_was_told(forge: Forge) -> None:
    base = forge.auth_server.url
    token = make_token(
        SECRET,
        user_id="ada",
        lifetime=timedelta(minutes=1),
        issuer=base,
        audience=base,
        email="ada@example.com",
        name="Ada",
    )
    ada = await verify(forge, token)
    assert (ada.user_id, ada.email, ada.name) == ("ada", "ada@example.com", "Ada")
    assert 0 < ada.expires_at - time.time() <= 60
    bare = make_token(
        SECRET, user_id="ada", lifetime=timedelta(minutes=1), issuer=None, audience=None
    )
    claims = jwt.decode(bare, options={"verify_signature": False})
    assert claims.keys() == {"sub", "iat", "exp"}


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
    long = remembering.token(junk="x" * REMEMBERED_MAX_LENGTH)
    assert await verifier.verify(long)
    assert verifier.remembered(long) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def verify_by_secret(token: str) -> Identity:
    verifier = TokenVerifier(
        secret=SECRET, jwks=None, issuer=None, audience=None, algorithms=frozenset({"HS256"})
    )
    return asyncio.run(verifier.verify(token))


@given(st.text(st.characters()) | st.from_regex(r"\A[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*){2}\Z"))
def test_no_text_is_a_token(text: str) -> None:
    with pytest.raises(InvalidToken):
        verify_by_secret(text)


@given(header=st.dictionaries(st.text(), JSON), payload=st.text())
def test_no_header_and_payload_make_it_fail_otherwise(header: dict[str, Any], payload: str) -> None:
    with pytest.raises(InvalidToken):
        verify_by_secret(hs256(json.dumps({**header, "alg": "HS256"}), payload))


@given(
    st.fixed_dictionaries(
        {"sub": st.just("ada") | JSON, "exp": st.just(2**40) | JSON},
        optional=dict.fromkeys(("iat", "nbf", "iss", "aud", "email", "name", "jti"), JSON),
    )
)
def test_whatever_is_signed_is_an_identity_or_refused(claims: dict[str, Any]) -> None:
    try:
        identity = verify_by_secret(hs256('{"alg":"HS256"}', json.dumps(claims)))
    except InvalidToken:
        return
    assert identity.user_id == claims["sub"] != ""
    assert time.time() < identity.expires_at == float(claims["exp"]) < float("inf")


def test_keys_that_cannot_be_fetched_are_the_servers_fault(
    database: Database, forge: Forge
) -> None:
    away = AuthServer()
    away.stop()
    settings = settings_for(database.server_url, jwks_url=away.jwks_url)
    with running_server(settings) as server:
        response = server.bearer(forge.by()).post("{ me { id } }")
        assert response.status_code == 503
        assert response.headers["retry-after"]
        assert response.json()["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
        assert server.user().data("{ me { id } }")
