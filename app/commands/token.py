"""The command that makes a token, to try things out with."""

import sys
from datetime import timedelta
from typing import Annotated

import typer

from app.secret import secret_of
from app.settings import settings_or_exit
from auth.signing import make_token


def token(
    user: Annotated[str, typer.Argument(help="The user's id: the token's `sub`.")],
    email: Annotated[str | None, typer.Option(help="The `email` claim.")] = None,
    name: Annotated[str | None, typer.Option(help="The `name` claim.")] = None,
    minutes: Annotated[
        int | None,
        typer.Option(min=1, help="How long it lives; JWT_EXPIRATION_MINUTES if not given."),
    ] = None,
) -> None:
    """Print a token of a user, signed with the configured secret, to try things out with."""
    settings = settings_or_exit()
    if settings.database_url is not None and settings.better_auth_secret is None:
        sys.exit("todo-api: BETTER_AUTH_SECRET is not set, and without it no token can be signed.")
    typer.echo(
        make_token(
            secret_of(settings),
            user_id=user,
            lifetime=timedelta(minutes=minutes or settings.jwt_expiration_minutes),
            issuer=settings.issuer,
            audience=settings.audience,
            email=email,
            name=name,
        )
    )
