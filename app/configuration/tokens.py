"""Settings of tokens: what verifies them, and what they must say."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from app.configuration.types import CommaList, HttpUrl, Secret, algorithms
from auth.algorithms import ASYMMETRIC_ALGORITHMS, SECRET_MIN_BYTES

JWKS_PATH = "/api/auth/jwks"
"""Where Better Auth's jwt plugin serves its keys, below BETTER_AUTH_URL."""


class TokenSettings(BaseSettings):
    """Which tokens are accepted."""

    better_auth_secret: Secret | None = Field(
        default=None,
        repr=False,
        description="The secret shared with Better Auth, for tokens signed with HS256; at least "
        f"{SECRET_MIN_BYTES} bytes.",
    )
    better_auth_secret_previous: Secret | None = Field(
        default=None,
        repr=False,
        description="The secret of before, while it is changed: it verifies tokens too, and signs "
        "none.",
    )
    better_auth_url: HttpUrl | None = Field(
        default=None,
        description="Better Auth's base URL. Gives `JWKS_URL`, `JWT_ISSUER` and `JWT_AUDIENCE` "
        "their defaults.",
    )
    jwks_url: HttpUrl | None = Field(
        default=None,
        description="Where the public keys are that tokens are verified with. Unset: "
        f"`BETTER_AUTH_URL` followed by `{JWKS_PATH}`.",
    )
    jwt_issuer: str | None = Field(
        default=None,
        description="What a token's `iss` must be, a trailing slash aside. Unset: "
        "`BETTER_AUTH_URL`; where that is unset too, `iss` is not looked at.",
    )
    jwt_audience: str | None = Field(
        default=None,
        description="What a token's `aud` must be or hold, a trailing slash aside. Unset: "
        "`BETTER_AUTH_URL`; where that is unset too, `aud` is not looked at.",
    )
    jwt_algorithm: Annotated[CommaList, AfterValidator(algorithms)] = Field(
        default=[],
        description="The only signature algorithms to accept, separated by commas. Unset: HS256 "
        f"with the secret, {', '.join(sorted(ASYMMETRIC_ALGORITHMS))} with the public keys.",
    )
    jwt_expiration_minutes: int = Field(
        default=7 * 24 * 60,
        gt=0,
        le=5_256_000,
        description="How long the tokens live that `todo-api token` makes, in minutes. A deleted "
        "user is remembered for as long, and for 30 days at the least.",
    )

    @property
    def key_set_url(self) -> str | None:
        """Where to fetch the JSON Web Key Set; None when only the secret counts."""
        if self.jwks_url or not self.better_auth_url:
            return self.jwks_url
        return self.better_auth_url.rstrip("/") + JWKS_PATH

    @property
    def issuer(self) -> str | None:
        return self.jwt_issuer or self.better_auth_url

    @property
    def audience(self) -> str | None:
        return self.jwt_audience or self.better_auth_url

    @property
    def algorithms(self) -> frozenset[str]:
        return frozenset(self.jwt_algorithm or ["HS256", *ASYMMETRIC_ALGORITHMS])
