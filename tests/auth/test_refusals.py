"""A refused request is told what its sender can see; in development, every reason."""

import time
from collections.abc import Iterator
from datetime import timedelta

import jwt
import pytest

from auth.refusals import SIGN_IN
from tests.api import SECRET, Server, running_server, settings_for
from tests.databases import folder_for_postgres

WRONG_SECRET = "another-secret-of-thirty-two-bytes-or-more"


@pytest.fixture(scope="module")
def embedded() -> Iterator[Server]:
    """The application on an embedded database, which has a secret and an issuer to try."""
    with folder_for_postgres() as folder:
        settings = settings_for(None, data_dir=folder, jwt_issuer="i", jwt_audience="a")
        with running_server(settings) as server:
            yield server


def signed(secret: str = SECRET, **claims: object) -> str:
    given = {"sub": "ada", "exp": 9_999_999_999, "iss": "i", "aud": "a", **claims}
    return jwt.encode({k: v for k, v in given.items() if v is not None}, secret)


def answer(server: Server, authorization: str | None) -> tuple[dict[str, str], str, str]:
    """Return the error's extensions, its message, and the challenge."""
    headers = {} if authorization is None else {"Authorization": authorization}
    response = server.bearer(None).post("{ __typename }", headers=headers)
    assert response.status_code == 401
    (error,) = response.json()["errors"]
    return error["extensions"], error["message"], response.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("authorization", "reason", "says"),
    [
        (None, "MISSING", "Sign in"),
        ("", "MISSING", "Sign in"),
        (signed(), "NOT_BEARER", "does not start with `Bearer `"),
        (f'Bearer "{signed()}"', "MALFORMED", "quotes"),
        ("Bearer x", "MALFORMED", "a missing part"),
        (f"Bearer {signed(sub=None)}", "MALFORMED", "`sub`"),
        (f"Bearer {signed(exp=1)}", "EXPIRED", "The token expired at 1970-01-01T00:00:01Z"),
        (f"Bearer {signed(WRONG_SECRET)}", "SIGNATURE", "BETTER_AUTH_SECRET"),
        (f"Bearer {signed(iss='other')}", "ISSUER", "JWT_ISSUER"),
        (f"Bearer {signed(iss=None)}", "ISSUER", "JWT_ISSUER"),
        (f"Bearer {signed(aud='other')}", "AUDIENCE", "JWT_AUDIENCE"),
        (f"Bearer {signed(aud=None)}", "AUDIENCE", "JWT_AUDIENCE"),
    ],
)
def test_in_development_every_reason_is_told(
    embedded: Server, authorization: str | None, reason: str, says: str
) -> None:
    extensions, message, challenge = answer(embedded, authorization)
    assert extensions == {"code": "UNAUTHENTICATED", "reason": reason}
    assert says in message
    assert challenge.startswith("Bearer error=") is (reason != "MISSING")


@pytest.mark.parametrize(
    "authorization", [signed(), "Bearer x", f"Bearer {signed(WRONG_SECRET)}", "Basic eDp5"]
)
def test_in_production_a_forger_is_told_nothing(server: Server, authorization: str) -> None:
    told = answer(server, authorization)
    assert told == ({"code": "UNAUTHENTICATED"}, SIGN_IN, 'Bearer error="invalid_token"')


def test_in_production_a_client_is_told_what_it_can_see(server: Server) -> None:
    assert answer(server, None) == (
        {"code": "UNAUTHENTICATED", "reason": "MISSING"},
        SIGN_IN,
        "Bearer",
    )
    over = server.token("ada", timedelta(seconds=-1))
    of_a_forger = jwt.encode({"exp": time.time() - 1}, WRONG_SECRET)
    for token in (over, of_a_forger):
        extensions, message, challenge = answer(server, f"Bearer {token}")
        assert extensions == {"code": "UNAUTHENTICATED", "reason": "EXPIRED"}
        assert message.startswith("The token expired at ")
        expected = 'Bearer error="invalid_token", error_description="The token has expired"'
        assert challenge == expected


@pytest.mark.parametrize("end", [1e300, -1e300, True, "1", None, [], float("1e18")])
def test_an_odd_end_is_no_failure(embedded: Server, end: object) -> None:
    extensions, _, _ = answer(embedded, f"Bearer {jwt.encode({'sub': 'ada', 'exp': end}, SECRET)}")
    assert extensions["reason"] in ("MALFORMED", "ISSUER", "EXPIRED")
