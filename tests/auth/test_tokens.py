"""Tokens: a battery of forged ones is refused, and so is everything that proves nothing."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.algorithms import ASYMMETRIC_ALGORITHMS
from auth.identity import Identity
from auth.signing import make_token
from auth.tokens import PREVIOUS_TOLD_EACH, InvalidToken, TokenVerifier
from tests.api import SECRET, Server, running_server, settings_for
from tests.auth.forging import (
    OTHER_SECRET,
    SET_SECRET,
    Forge,
    b64,
    cut,
    hs256,
    hs256_of_parts,
    payload_with,
    unsigned,
    verify,
)
from tests.auth_server import AuthServer
from tests.counts import Count
from tests.databases import Database

FORGERIES: dict[str, Callable[[Forge], str]] = {
    "empty": lambda f: "",
    "a blank": lambda f: " ",
    "a word": lambda f: "token",
    "two parts": lambda f: f.hs().rpartition(".")[0],
    "four parts": lambda f: f.hs() + ".x",
    "only dots": lambda f: "..",
    "not ASCII": lambda f: "é.é.é",
    "a lone surrogate": lambda f: "\ud800.a.b",
    "giant": lambda f: f.hs(junk="x" * 8192),
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
    "header with a character too many": lambda f: hs256_of_parts(
        b64('{"alg":"HS256"}')[:4] + "!" + b64('{"alg":"HS256"}')[4:], b64(json.dumps(f.claims))
    ),
    "payload with a character too many": lambda f: hs256_of_parts(
        b64('{"alg":"HS256"}'), b64(json.dumps(f.claims)) + "!"
    ),
    "header in UTF-16": lambda f: hs256('{"alg":"HS256"}'.encode("utf-16"), json.dumps(f.claims)),
    "sub missing": lambda f: f.hs(sub=...),
    "sub null": lambda f: f.raw(payload_with(f, "sub", "null")),
    "sub empty": lambda f: f.hs(sub=""),
    "sub a number": lambda f: f.raw(payload_with(f, "sub", "7")),
    "sub a list": lambda f: f.raw(payload_with(f, "sub", '["ada"]')),
    "sub with NUL": lambda f: f.hs(sub="a\0da"),
    "sub with a newline": lambda f: f.hs(sub="a\nda"),
    "sub with half a surrogate": lambda f: f.raw(payload_with(f, "sub", '"a\\ud800"')),
    "sub too long": lambda f: f.hs(sub="x" * 256),
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
    "nbf in the future": lambda f: f.hs(nbf=int(time.time()) + 90),
    "iat in the future": lambda f: f.hs(iat=int(time.time()) + 90),
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
    "jti a number, which nothing reads": lambda f: f.raw(payload_with(f, "jti", "7")),
    "more claims": lambda f: f.by(emailVerified=True, image=None, id="eve", user_id="eve"),
    **{
        algorithm: lambda f, algorithm=algorithm: f.by(algorithm)  # type: ignore[misc]
        for algorithm in ASYMMETRIC_ALGORITHMS
    },
}


@pytest.fixture(scope="module")
def both_server(forge: Forge, database: Database) -> Iterator[Server]:
    """A server that takes tokens by the secret and by the key set."""
    settings = settings_for(database.server_url, better_auth_url=forge.auth_server.url)
    with running_server(settings) as server:
        yield server


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_token_is_refused(forge: Forge, name: str) -> None:
    with pytest.raises(InvalidToken) as caught:
        await verify(forge, FORGERIES[name](forge))
    reason = str(caught.value)
    assert reason.isascii(), "it is for logs"
    assert reason.isprintable()
    assert 0 < len(reason) < 200


REASONS = {
    "giant": "too long",
    "header is no object": "ValueError: 'it is no JSON object'",
    "critical extension": "it has critical extensions, and none is understood",
    "typ of a logout token": "it is of another type",
    "HS384 with the secret": "its algorithm is not accepted",
    "kid missing": "it names no key, or there are none",
    "unknown kid": "its key is unknown",
    "sub twice": "ValueError: 'a name comes twice'",
    "a claim that is no JSON": "ValueError: 'NaN is no JSON'",
    "exp text": "its exp is no number",
    "iat text": "InvalidIssuedAtError: 'Issued At claim (iat) must be an integer.'",
    "exp a second ago": "it is over",
    "sub empty": "its subject is no user id",
}


@pytest.mark.parametrize("name", REASONS)
async def test_the_log_is_told_why_a_token_is_refused(forge: Forge, name: str) -> None:
    with pytest.raises(InvalidToken) as caught:
        await verify(forge, FORGERIES[name](forge))
    assert str(caught.value) == REASONS[name]


@pytest.mark.parametrize("name", HARMLESS)
async def test_a_good_token_is_accepted(forge: Forge, name: str) -> None:
    assert (await verify(forge, HARMLESS[name](forge))).user_id == "ada"


def test_over_http_a_forged_token_is_a_401_and_nothing_else(
    forge: Forge, both_server: Server, count: Count
) -> None:
    answers, over = set[bytes](), set[bytes]()
    accepted: list[str] = []
    for name, make in FORGERIES.items():
        token = make(forge)
        if not token.strip() or not token.isascii():
            continue  # no header can carry it
        response = both_server.bearer(token).post("{ me { id } }")
        count("forged tokens sent", 1)
        if response.status_code != 401 or not response.headers["www-authenticate"].startswith(
            'Bearer error="invalid_token"'
        ):
            accepted.append(name)
        # A client can see by itself that a token's time is over, whoever has signed it.
        (over if b"EXPIRED" in response.content else answers).add(response.content)
    count("forged tokens not refused", len(accepted))
    assert accepted == []
    assert len(answers) == 1
    assert b"UNAUTHENTICATED" in answers.pop()
    assert over


def test_over_http_a_good_token_is_accepted(forge: Forge, both_server: Server) -> None:
    for make in HARMLESS.values():
        assert both_server.bearer(make(forge)).data("{ me { id } }") == {"me": {"id": "ada"}}


async def test_only_the_algorithms_that_are_set_are_accepted(forge: Forge) -> None:
    only = frozenset({"ES256"})
    assert await verify(forge, forge.by("ES256"), algorithms=only)
    for token in (forge.hs(), forge.by("EdDSA"), forge.by("RS256")):
        with pytest.raises(InvalidToken):
            await verify(forge, token, algorithms=only)


async def test_without_a_secret_or_without_keys_the_other_kind_is_refused(forge: Forge) -> None:
    with pytest.raises(InvalidToken, match="there is no shared secret"):
        await verify(forge, forge.hs(), secret=None)
    with pytest.raises(InvalidToken, match="it names no key, or there are none"):
        await verify(forge, forge.by(), jwks=None)


async def test_where_neither_is_set_issuer_and_audience_are_not_looked_at(forge: Forge) -> None:
    token = forge.hs(iss="https://any.example", aud=["https://any.example"])
    assert await verify(forge, token, issuer=None, audience=None)


@pytest.mark.parametrize("configured", ["https://auth.example/X", "https://auth.example/X/"])
async def test_issuer_and_audience_may_end_with_a_slash_or_not(
    forge: Forge, configured: str
) -> None:
    async def is_accepted(**claims: str) -> bool:
        given: Any = {"iss": configured, "aud": configured, **claims}
        try:
            await verify(forge, forge.hs(**given), issuer=configured, audience=configured)
        except InvalidToken:
            return False
        return True

    for name in ("iss", "aud"):
        for url in ("https://auth.example/X", "https://auth.example/X/"):
            assert await is_accepted(**{name: url})
        for url in ("https://auth.example/", "https://auth.example/X//", "/auth.example/X"):
            assert not await is_accepted(**{name: url})


async def test_claims_about_the_user_are_taken_when_they_are_sane(forge: Forge) -> None:
    ada = await verify(
        forge, forge.by(email="ada@example.com", name="Ada \U0001f469\u200d\U0001f4bb")
    )
    assert (ada.email, ada.name) == ("ada@example.com", "Ada \U0001f469\u200d\U0001f4bb")
    for claims in (
        {"email": 7, "name": ["Ada"]},
        {"email": "", "name": ""},
        {"email": "a\0@example.com", "name": "A\0da"},
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
    assert claims == {"sub": "ada", "iat": claims["iat"], "exp": claims["iat"] + 60}
    assert abs(claims["iat"] - time.time()) < 60


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def by_secrets(secret: str, previous: str | None = None) -> TokenVerifier:
    return TokenVerifier(
        secret=secret,
        previous_secret=previous,
        jwks=None,
        issuer=None,
        audience=None,
        algorithms=frozenset({"HS256"}),
    )


def verify_by_secret(token: str) -> Identity:
    return asyncio.run(by_secrets(SECRET).verify(token))


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
    settings = settings_for(database.server_url, jwks_url=away.jwks_url, introspection=True)
    with running_server(settings) as server:
        stranger = server.bearer(forge.by())
        schema = stranger.http.get("/graphql/schema.graphql")
        assert (schema.status_code, schema.headers["retry-after"]) == (503, "1")
        response = stranger.post("{ me { id } }")
        assert response.status_code == 503
        assert response.headers["retry-after"]
        assert response.json()["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
        assert server.user().data("{ me { id } }")


async def test_while_the_secret_is_changed_the_one_of_before_verifies_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    verifier = by_secrets(SECRET, OTHER_SECRET)
    header, payload = '{"alg":"HS256"}', '{"sub":"ada","exp":9999999999}'
    told = "A token was verified by BETTER_AUTH_SECRET_PREVIOUS."
    caplog.set_level("INFO", "auth.tokens")
    assert (await verifier.verify(hs256(header, payload))).user_id == "ada"
    assert told not in caplog.messages
    old = hs256(header, payload, OTHER_SECRET.encode())
    for _ in range(2):
        assert (await verifier.verify(old)).user_id == "ada"
        assert verifier.remembered(old)
    assert caplog.messages.count(told) == 1, "not for each token"
    for token in (
        hs256(header, payload, b"another secret of 32 bytes or so."),
        hs256(header, '{"sub":"ada","exp":1}', OTHER_SECRET.encode()),
        hs256(header, '{"sub":"ada","exp":1}'),
    ):
        with pytest.raises(InvalidToken):
            await verifier.verify(token)


async def test_a_remembered_token_of_the_secret_of_before_is_told_of_each_hour(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the log would be silent of tokens that live for days."""
    verifier = by_secrets(SECRET, OTHER_SECRET)
    old = hs256('{"alg":"HS256"}', '{"sub":"ada","exp":9999999999}', OTHER_SECRET.encode())
    caplog.set_level("INFO", "auth.tokens")
    await verifier.verify(old)
    later = time.monotonic() + PREVIOUS_TOLD_EACH
    monkeypatch.setattr("auth.tokens.time.monotonic", lambda: later)
    assert verifier.remembered(old)
    assert len(caplog.messages) == 2
