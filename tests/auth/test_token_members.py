"""The members of tokens: each has its type and its limits, which stand here as numbers."""

import json
import time
from datetime import datetime, tzinfo
from typing import Any

import pytest

from auth.tokens import InvalidToken
from tests.auth.forging import Forge, hs256, payload_with, verify

NOW = 1_900_000_000.0

VALUES = ["null", "true", "false", "7", "7.5", "[]", '["x"]', "{}", '{"x": 1}']
NUMBERS = ("7", "7.5")


def header_with(name: str, value: str, **header: Any) -> str:
    """Return the header with a member of this JSON text."""
    rest = {key: v for key, v in header.items() if key != name}
    return json.dumps({**rest, name: "?"}).replace('"?"', value)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("name", ["alg", "kid", "typ", "crit"])
async def test_a_header_member_of_another_type_is_refused(
    forge: Forge, name: str, value: str
) -> None:
    payload, kid = json.dumps(forge.claims), forge.kids["EdDSA"]
    assert await verify(forge, hs256('{"alg": "HS256"}', payload))
    assert await verify(forge, forge.eddsa(json.dumps({"alg": "EdDSA", "kid": kid}), payload))
    for token in (
        hs256(header_with(name, value, alg="HS256"), payload),
        forge.eddsa(header_with(name, value, alg="EdDSA", kid=kid), payload),
    ):
        with pytest.raises(InvalidToken):
            await verify(forge, token)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "iss", "aud", "sub"])
async def test_a_claim_of_another_type_is_refused(forge: Forge, name: str, value: str) -> None:
    payload = payload_with(forge, name, value)
    header = json.dumps({"alg": "EdDSA", "kid": forge.kids["EdDSA"]})
    for token in (forge.raw(payload), forge.eddsa(header, payload)):
        if name in ("iat", "nbf") and value in NUMBERS:
            assert await verify(forge, token)
        else:
            with pytest.raises(InvalidToken):
                await verify(forge, token)


@pytest.mark.parametrize("name", ["iat", "nbf"])
async def test_a_number_in_a_text_is_no_number(forge: Forge, name: str) -> None:
    with pytest.raises(InvalidToken):
        await verify(forge, forge.raw(payload_with(forge, name, '"7"')))


@pytest.mark.parametrize(
    ("text", "scopes"),
    [
        ("", set()),
        (" ", set()),
        ("tasks:read", {"tasks:read"}),
        ("tasks:write tasks:read", {"tasks:read", "tasks:write"}),
        ("openid  tasks:write tasks:delete tasks:write ", {"tasks:write"}),
        ("tasks:readtasks:write", set()),
        ("tasks:read,tasks:write", set()),
        ("tasks:read\ttasks:write", set()),
        ("tasks:*", set()),
        ("TASKS:READ", set()),
    ],
)
async def test_a_scope_is_a_word_between_spaces(forge: Forge, text: str, scopes: set[str]) -> None:
    for token in (forge.hs(scope=text), forge.by(scope=text)):
        granted = (await verify(forge, token)).scopes
        assert granted is not None
        assert {scope.value for scope in granted} == scopes


async def test_without_the_claim_nothing_is_limited(forge: Forge) -> None:
    assert (await verify(forge, forge.hs())).scopes is None
    assert (await verify(forge, forge.hs(scp="tasks:read", scopes=["tasks:read"]))).scopes is None


@pytest.mark.parametrize("value", VALUES)
async def test_a_scope_that_is_no_text_is_refused(forge: Forge, value: str) -> None:
    payload = payload_with(forge, "scope", value)
    header = json.dumps({"alg": "EdDSA", "kid": forge.kids["EdDSA"]})
    for token in (forge.raw(payload), forge.eddsa(header, payload)):
        with pytest.raises(InvalidToken):
            await verify(forge, token)


@pytest.fixture
def _stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is NOW, for PyJWT too."""

    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Stopped":
            return cls.fromtimestamp(NOW, tz)

    monkeypatch.setattr("jwt.api_jwt.datetime", Stopped)
    monkeypatch.setattr(time, "time", lambda: NOW)


@pytest.mark.usefixtures("_stopped_clock")
@pytest.mark.parametrize("name", ["iat", "nbf"])
async def test_a_token_may_begin_30_seconds_from_now(forge: Forge, name: str) -> None:
    for seconds in (29, 30):
        assert await verify(forge, forge.raw(payload_with(forge, name, str(NOW + seconds))))
    with pytest.raises(InvalidToken):
        await verify(forge, forge.raw(payload_with(forge, name, str(NOW + 31))))


@pytest.mark.usefixtures("_stopped_clock")
async def test_a_token_is_over_at_the_second_that_it_names(forge: Forge) -> None:
    assert (await verify(forge, forge.hs(exp=NOW + 0.5))).expires_at == NOW + 0.5
    for seconds in (0, 1, 29, 31):
        with pytest.raises(InvalidToken):
            await verify(forge, forge.hs(exp=NOW - seconds))


async def test_a_subject_has_255_characters_at_most(forge: Forge) -> None:
    for subject in ("x", "x" * 255, "\U0001f469" * 255):
        assert (await verify(forge, forge.hs(sub=subject))).user_id == subject
    with pytest.raises(InvalidToken):
        await verify(forge, forge.hs(sub="x" * 256))


async def test_an_email_has_320_characters_at_most_and_a_name_255(forge: Forge) -> None:
    ada = await verify(forge, forge.hs(email="e" * 318 + "@e", name="n" * 255))
    assert (ada.email, ada.name) == ("e" * 318 + "@e", "n" * 255)
    ada = await verify(forge, forge.hs(email="e" * 319 + "@e", name="n" * 256))
    assert (ada.email, ada.name) == (None, None)


async def test_a_token_has_8192_characters_at_most(forge: Forge) -> None:
    assert await verify(forge, forge.of_length(8192))
    with pytest.raises(InvalidToken, match="too long"):
        await verify(forge, forge.of_length(8193))


async def test_a_secret_of_31_bytes_verifies_nothing(forge: Forge) -> None:
    payload = json.dumps(forge.claims)
    for secret in ("s" * 32, "s" * 31):
        token = hs256('{"alg":"HS256"}', payload, secret.encode())
        if len(secret) >= 32:
            assert await verify(forge, token, secret=secret)
        else:
            with pytest.raises(InvalidToken, match="InvalidKeyError"):
                await verify(forge, token, secret=secret)
